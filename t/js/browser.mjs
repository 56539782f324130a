// Drives a headless Chromium for a test, see t/lib/Test/Goim/Browser.pm, by
// its DevTools protocol over a pipe.  Lines of JSON come in, [id, command,
// ...arguments], and go out: "result ID VALUE".

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [profile] = process.argv.slice(2);

const chromium = spawn('chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-dev-shm-usage', '--disable-background-networking',
    '--disable-component-update', '--disable-default-apps', '--disable-sync',
    '--disable-breakpad', '--disable-crash-reporter', '--no-proxy-server',
    '--hide-scrollbars', '--log-level=3', '--password-store=basic',
    '--mute-audio',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding', '--remote-debugging-pipe',
    `--user-data-dir=${profile}`, 'about:blank',
], { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'] });

const [, , , toBrowser, fromBrowser] = chromium.stdio;


function tell(what, value) {
    process.stdout.write(`${what} ${JSON.stringify(value ?? null)}\n`);
}


// --- the protocol: messages end with a zero byte

const pending = new Map();
let serial = 0;
let partial = Buffer.alloc(0);

fromBrowser.on('data', (data) => {
    partial = Buffer.concat([partial, data]);
    for (let end; (end = partial.indexOf(0)) >= 0;) {
        const message = JSON.parse(partial.subarray(0, end));

        partial = partial.subarray(end + 1);
        take(message);
    }
});


function take({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
        note(pages.find((page) => page.session === sessionId), method, params);
        return;
    }

    const { resolve, reject } = pending.get(id);

    pending.delete(id);
    error ? reject(new Error(error.message)) : resolve(result);
}


function ask(method, params, sessionId) {
    return new Promise((resolve, reject) => {
        const id = ++serial;

        pending.set(id, { resolve, reject });
        toBrowser.write(
            `${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
}


// --- pages

const pages = [];


// Whatever a page complains about, and all that it asks for.
function note(page, method, params) {
    if (!page) {
        return;
    }
    if (method === 'Runtime.exceptionThrown') {
        const { text, exception } = params.exceptionDetails;
        page.complaints.push(exception?.description ?? text);
    } else if (method === 'Log.entryAdded') {
        page.complaints.push(`${params.entry.text} ${params.entry.url ?? ''}`);
    } else if (method === 'Runtime.consoleAPICalled') {
        page.complaints.push(params.args.map((arg) => arg.value).join(' '));
    } else if (method === 'Network.requestWillBeSent') {
        page.requests.push(params.request.url);
    } else if (method === 'Network.webSocketCreated') {
        page.requests.push(params.url);
    }
}


const commands = {
    async open(url, width, height) {
        const { targetId } = await ask('Target.createTarget', {
            url: 'about:blank', newWindow: true });
        const { sessionId } = await ask('Target.attachToTarget', {
            targetId, flatten: true });

        pages.push({ session: sessionId, complaints: [], requests: [] });
        for (const domain of ['Runtime', 'Log', 'Network', 'Page']) {
            await ask(`${domain}.enable`, {}, sessionId);
        }
        await ask('Emulation.setDeviceMetricsOverride', {
            width, height, deviceScaleFactor: 1, mobile: width < 500,
        }, sessionId);
        await ask('Page.navigate', { url }, sessionId);
        return pages.length - 1;
    },

    async evaluate(page, expression) {
        const { result, exceptionDetails } = await ask('Runtime.evaluate', {
            expression, awaitPromise: true, returnByValue: true,
        }, pages[page].session);

        if (exceptionDetails) {
            throw new Error(exceptionDetails.exception?.description
                            ?? exceptionDetails.text);
        }
        return result.value;
    },

    async screenshot(page, path) {
        const { data } = await ask('Page.captureScreenshot', {},
                                   pages[page].session);
        writeFileSync(path, Buffer.from(data, 'base64'));
    },

    complaints: (page) => pages[page].complaints,
    requests: (page) => pages[page].requests,
};

const lines = createInterface({ input: process.stdin });

lines.on('line', async (line) => {
    const [id, command, ...args] = JSON.parse(line);

    try {
        tell(`result ${id}`, { value: await commands[command](...args) });
    } catch (error) {
        tell(`result ${id}`, { error: error.message });
    }
});

// --- the end: with the test, and of the browser in any case

lines.on('close', () => {
    ask('Browser.close').catch(() => {});
    setTimeout(() => chromium.kill('SIGKILL'), 10000).unref();
});
process.on('SIGTERM', () => {});
chromium.on('exit', () => process.exit());
chromium.on('error', (error) => {
    tell('failed', error.message);
    process.exit(1);
});
toBrowser.on('error', () => {});

ask('Browser.getVersion').then((version) => tell('ready', version.product));
