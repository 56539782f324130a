// The page: one client, what the user writes, what comes, and the screen it
// flies across.  What others have written is data of theirs: it is checked,
// cut, and only ever set as text.

import { GoimClient } from './js/goim.js';
import { Danmaku } from './danmaku.js';
import { drawScene } from './scene.js';

const OP_COMMENT = 1000;

const NAME_MAX = 20;
const TEXT_MAX = 100;
const LOG_MAX = 60;

const SCENE_OF = { 'live://1000': 'night', 'live://2000': 'day' };

const page = Object.fromEntries(
    [...document.querySelectorAll('[id]')].map((one) => [one.id, one]));


// --- who I am

const me = Math.floor(Math.random() * 1e9) + 1;
const sent = new Map();         // comments of mine on their way => since when
let serial = 0;

page.name.value = sessionStorage.getItem('name') ?? `Guest ${me % 1000}`;
page.name.addEventListener('change', () => {
    sessionStorage.setItem('name', page.name.value);
});


// A name has the same colour everywhere.
function colorOf(name) {
    let hash = 0x811c9dc5;      // FNV-1a

    for (const char of name) {
        hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
    }
    // by the golden angle: names that are alike get colours that are not
    return hexOf((hash >>> 0) * 137.508 % 360, 0.85, 0.72);
}


function hexOf(hue, saturation, lightness) {
    const part = (n) => {
        const k = (n + hue / 30) % 12;
        const a = saturation * Math.min(lightness, 1 - lightness);
        const value = lightness - a * Math.max(
            -1, Math.min(k - 3, 9 - k, 1));

        return Math.round(value * 255).toString(16).padStart(2, '0');
    };

    return `#${part(0)}${part(8)}${part(4)}`;
}


// --- the connection

let room = document.querySelector('[name=room]:checked').value;
let countdown;

const address = new URL('sub', location.href);
address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
address.search = address.hash = '';

const client = new GoimClient(address.href, {
    token: { mid: me, room_id: room, platform: 'web', accepts: [OP_COMMENT] },
    // the online count comes with it
    heartbeat: 5000,
    maxDelay: 10000,
});

client.on('open', () => tellState('connected'));
client.on('online', (count) => { page.online.textContent = count; });
client.on('message', (message) => {
    if (message.op === OP_COMMENT) {
        show(readComment(message.text()));
    }
});
client.on('close', ({ reason, willReconnect, delay }) => {
    page.online.textContent = '–';
    sent.clear();
    if (willReconnect) {
        countDown(Date.now() + delay);
    } else {
        tellState(`closed${reason ? `: ${reason}` : ''}`);
    }
});


function tellState(text) {
    clearInterval(countdown);
    page.state.textContent = text;
    page.state.dataset.state = client.state;
    page.send.disabled = client.state !== 'open';
    page.again.hidden = !['closed', 'waiting'].includes(client.state);
}


function countDown(until) {
    const tell = () => {
        const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));

        page.state.textContent = left ? `connection lost, back in ${left} s`
                                      : 'connecting';
    };

    tellState('');
    tell();
    countdown = setInterval(tell, 500);
}


function connect() {
    client.connect();
    tellState('connecting');
}


page.again.addEventListener('click', connect);
window.addEventListener('online', connect);

page.rooms.addEventListener('change', async (event) => {
    room = event.target.value;
    page.online.textContent = '–';
    page.text.focus();
    clear();
    // until then the old one's comments come
    await client.changeRoom(room);
    clear();
});


function clear() {
    sent.clear();
    danmaku.clear();
    page.log.replaceChildren();
    page.empty.hidden = false;
}


// --- comments

page.composer.addEventListener('submit', async (event) => {
    event.preventDefault();

    const name = page.name.value.trim();
    const text = page.text.value.trim();
    if (!name || !text || client.state !== 'open') {
        return;
    }

    const id = `${me}-${++serial}`;

    page.text.value = '';
    page.note.textContent = '';
    sent.set(id, performance.now());
    try {
        await client.send({ name, text, color: colorOf(name), id });
    } catch (error) {
        sent.delete(id);
        page.note.textContent = `not sent: ${error.message}`;
        page.text.value ||= text;
    }
});


// What came, whoever has made it: a comment of this page's, or any other text.
function readComment(body) {
    let comment;

    try {
        comment = JSON.parse(body);
    } catch {
        // a text, then
    }
    if (typeof comment?.text !== 'string') {
        comment = { name: '', text: body };
    }

    const { name, text, color, id } = comment;

    return {
        name: clean(name, NAME_MAX),
        text: clean(text, TEXT_MAX),
        color: /^#[0-9a-f]{6}$/i.test(color) ? color : '#ffffff',
        mine: sent.has(id), id,
    };
}


// Control characters and those that turn the direction of what follows go.
function clean(value, most) {
    const text = typeof value === 'string' ? value : '';

    return [...text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')].slice(0, most).join('');
}


function show(comment) {
    if (comment.mine) {
        const took = performance.now() - sent.get(comment.id);

        sent.delete(comment.id);
        page.latency.textContent = `last comment took ${took.toFixed(1)} ms`;
    }
    // nobody sees what would fly now
    if (!document.hidden) {
        danmaku.add(comment);
    }
    log(comment);
}


function log({ name, text, color }) {
    const atEnd = page.log.scrollHeight - page.log.scrollTop
        - page.log.clientHeight < 40;
    const line = document.createElement('li');

    if (name) {
        const who = document.createElement('b');

        who.textContent = name;
        who.style.color = color;
        line.append(who);
    }
    line.append(text);
    page.log.append(line);
    page.empty.hidden = true;

    while (page.log.children.length > LOG_MAX) {
        page.log.firstChild.remove();
    }
    if (atEnd) {
        page.log.scrollTop = page.log.scrollHeight;
    }
}


// --- the screen

const danmaku = new Danmaku();
const context = page.screen.getContext('2d');
const still = matchMedia('(prefers-reduced-motion: reduce)');
let before = performance.now();

new ResizeObserver(() => {
    const { clientWidth, clientHeight } = page.screen;
    const scale = Math.min(devicePixelRatio, 2);

    page.screen.width = clientWidth * scale;
    page.screen.height = clientHeight * scale;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    danmaku.resize(clientWidth, clientHeight);
}).observe(page.screen);


function frame(now) {
    const { clientWidth, clientHeight } = page.screen;

    drawScene(context, SCENE_OF[room], clientWidth, clientHeight,
              still.matches ? 6 : now / 1000);
    // after a pause of the page nothing jumps
    danmaku.draw(context, Math.min(0.1, (now - before) / 1000));
    before = now;
    requestAnimationFrame(frame);
}


requestAnimationFrame(frame);
connect();

// for whoever looks at it from the console
globalThis.demo = { client, danmaku };
