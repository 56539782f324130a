// Runs one GoimClient for a test, see t/lib/Test/Goim/JsClient.pm.  Lines of
// JSON come in, [id, method, ...arguments]; what happens goes out, a line
// each: "result ID VALUE", "EVENT VALUE".

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import { GoimClient } from '../../clients/js/goim.js';

const WebSocket = createRequire(import.meta.url)('/usr/share/nodejs/ws');

const [url, text] = process.argv.slice(2);
const { tokens, gaps, ...options } = JSON.parse(text);


function tell(what, value) {
    process.stdout.write(`${what} ${JSON.stringify(value ?? null)}\n`);
}


function errorOf({ name, code, message, answer }) {
    return { name, code, message, answer };
}


// A token function's answers, one after the other, the last one for ever.
async function nextToken(context) {
    tell('token', context);

    const next = tokens.length > 1 ? tokens.shift() : tokens[0];

    if (next?.throw) {
        throw new Error(next.throw);
    }
    if (next?.hang) {
        await new Promise(() => {});
    }
    return next;
}


if (tokens) {
    options.token = nextToken;
}

const client = new GoimClient(url, { WebSocket, ...options });

const events = {
    open: () => null,
    message: (message) => ({
        op: message.op, text: message.text(),
        hex: Buffer.from(message.body).toString('hex'),
    }),
    online: (count) => count,
    close: (event) => event,
    error: errorOf,
};

// who listens to it asks for it
if (gaps) {
    events.gap = (messages) => messages;
}

for (const [name, value] of Object.entries(events)) {
    client.on(name, (event) => tell(name, value(event)));
}

const commands = {
    state: () => client.state,
    connect: () => { client.connect(); },
    sendBytes: (hex) => client.send(Buffer.from(hex, 'hex')),
    // a listener that makes a mistake
    blunder: (name) => { client.on(name, () => { throw new Error(name); }); },
    closeOn: (name) => { client.on(name, () => client.close()); },
    // nothing but the client may keep this process now
    letGo: () => { lines.close(); process.stdin.destroy(); },
};

// the error of a listener ends a process that does not care
process.on('uncaughtException', (error) => tell('uncaught', errorOf(error)));
process.on('unhandledRejection', (error) => tell('unhandled', errorOf(error)));

const lines = createInterface({ input: process.stdin });

lines.on('line', async (line) => {
    const [id, method, ...args] = JSON.parse(line);

    try {
        const value = commands[method] ? await commands[method](...args)
                                       : await client[method](...args);
        tell(`result ${id}`, { value });
    } catch (error) {
        tell(`result ${id}`, { error: errorOf(error) });
    }
});

// the test has ended; its letting go is no end
process.stdin.on('end', () => process.exit());

tell('ready');
