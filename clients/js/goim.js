// The client: one connection at a time to a comet of ngx_goim, or of goim v2,
// by WebSocket, that comes back by itself into its room.  README.md here has
// its use, docs/protocol.md the packets.

const HEADER_LEN = 16;
const VERSION = 1;

// requests; the reply to each is its number plus one
const OP = {
    HEARTBEAT: 2, SEND: 4, AUTH: 7, CHANGE_ROOM: 12, SUBSCRIBE: 14,
    UNSUBSCRIBE: 16,
};
const CONTROL = new Set(Object.values(OP).flatMap((op) => [op, op + 1]));

const OP_RAW = 9;
// ngx_goim's own, to those that have asked for it
const OP_NOTICE = 18;

const OPEN = 1;  // of a WebSocket

const NORMAL = 1000;
const REFUSED = 1008;

// the "close" event's codes for what this side finds (RFC 6455, 7.4.2)
export const CLOSE = {
    SILENT: 4000, MALFORMED: 4001, TIMEOUT: 4002, FAILED: 4003, NO_TOKEN: 4004,
};

const DEFAULTS = {
    token: {},
    heartbeat: 30000,
    heartbeatTimeout: 10000,
    connectTimeout: 10000,
    requestTimeout: 10000,
    minDelay: 1000,
    maxDelay: 30000,
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();


function toBytes(value) {
    if (value instanceof Uint8Array) {
        return value;
    }
    return encoder.encode(typeof value === 'string' ? value
                                                    : JSON.stringify(value));
}


function encode(op, seq, body) {
    const bytes = new Uint8Array(HEADER_LEN + body.length);
    const view = new DataView(bytes.buffer);

    view.setInt32(0, bytes.length);
    view.setInt16(4, HEADER_LEN);
    view.setInt16(6, VERSION);
    view.setInt32(8, op);
    view.setInt32(12, seq);
    bytes.set(body, HEADER_LEN);
    return bytes;
}


// The packets that fill the bytes to their end; null if something else does.
function decode(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const packets = [];

    for (let at = 0, length; at < bytes.length; at += length) {
        const left = bytes.length - at;

        length = left < HEADER_LEN ? 0 : view.getInt32(at);
        if (length < HEADER_LEN || length > left
            || view.getInt16(at + 4) !== HEADER_LEN)
        {
            return null;
        }
        packets.push({
            op: view.getInt32(at + 8),
            seq: view.getInt32(at + 12),
            body: bytes.subarray(at + HEADER_LEN, at + length),
        });
    }
    return packets;
}


export class GoimError extends Error {
    constructor(code, message, answer) {
        super(message);
        this.name = 'GoimError';
        this.code = code;
        this.answer = answer;
    }
}


export class GoimClient {
    #url;
    #options;
    #listeners = {};
    #state = 'closed';
    #ws = null;
    #timer;
    #failures = 0;
    #openedAt = null;

    // whatever still comes for an earlier life of the connection is dropped
    #life = 0;

    #seq = 0;
    #pending = new Map();

    // the token in use, and the next one if it had to be asked for already
    #token;
    #nextToken = null;

    // what was asked for beyond the token: a room, and operations => whether
    // they are subscribed to; and how much of this the auth packet has told
    #room;
    #ops = new Map();
    #told;

    constructor(url, options = {}) {
        const given = Object.entries(options).filter(
            ([, value]) => value !== undefined);

        this.#url = url;
        this.#options = { WebSocket: globalThis.WebSocket, ...DEFAULTS,
                          ...Object.fromEntries(given) };

        if (typeof this.#options.WebSocket !== 'function') {
            throw new TypeError('no WebSocket here: pass one as an option');
        }
    }

    // 'closed', 'connecting', 'open' or, between two connections, 'waiting'
    get state() {
        return this.#state;
    }

    on(name, listener) {
        this.#listeners[name] = [...this.#listeners[name] ?? [], listener];
        return this;
    }

    off(name, listener) {
        this.#listeners[name] = this.#listeners[name]?.filter(
            (other) => other !== listener);
        return this;
    }

    connect() {
        if (this.#state === 'closed') {
            this.#failures = 0;
            this.#nextToken = null;
        }
        if (this.#state === 'closed' || this.#state === 'waiting') {
            this.#begin();
        }
        return this;
    }

    close() {
        if (this.#state === 'waiting') {
            clearTimeout(this.#timer);
            this.#state = 'closed';
        } else if (this.#state !== 'closed') {
            this.#end(NORMAL, '', false);
        }
    }

    send(body) {
        return new Promise((resolve, reject) => {
            this.#request(OP.SEND, toBytes(body), (error, reply) => {
                if (!error) {
                    [error, reply] = readAnswer(reply);
                }
                error ? reject(error) : resolve(reply);
            });
        });
    }

    // These say whether the server has answered; if it has not, what was
    // asked for holds from the next connection on.

    async changeRoom(room) {
        this.#room = String(room);

        const changed = this.#change(OP.CHANGE_ROOM, this.#room);
        if (this.#state === 'open') {
            // how many are in the new one?
            this.#beat();
        }
        return changed;
    }

    async subscribe(ops) {
        return this.#changeOps(OP.SUBSCRIBE, ops);
    }

    async unsubscribe(ops) {
        return this.#changeOps(OP.UNSUBSCRIBE, ops);
    }

    // --- a connection's life

    // A new life, which onTimeout ends unless it is open in time.
    #enter(onTimeout) {
        this.#state = 'connecting';
        clearTimeout(this.#timer);
        this.#timer = setTimeout(onTimeout, this.#options.connectTimeout);
        return ++this.#life;
    }

    async #begin() {
        const { token, WebSocket } = this.#options;
        const life = this.#enter(
            () => this.#end(CLOSE.TIMEOUT, 'not connected in time'));

        try {
            const got = this.#nextToken ?? (typeof token === 'function'
                ? await this.#askToken(false, '') : token);

            if (life !== this.#life) {
                return;
            }
            this.#token = got;
            this.#nextToken = null;
            if (got == null) {
                this.#end(CLOSE.NO_TOKEN, 'no token', false);
            } else {
                this.#attach(this.#authBody(), new WebSocket(this.#url));
            }
        } catch (error) {
            if (life === this.#life) {
                this.#fail(CLOSE.FAILED, error);
            }
        }
    }

    // The server wants another token: it is asked for before "close" tells
    // whether there will be another connection.
    async #refused(reason) {
        const life = this.#enter(() => this.#end(REFUSED, reason, false));
        let other = false;

        this.#failPending();
        try {
            const token = await this.#askToken(true, reason);

            other = token != null
                && `${toBytes(token)}` !== `${toBytes(this.#token)}`;
            if (life === this.#life) {
                this.#nextToken = other ? token : null;
            }
        } catch (error) {
            if (life === this.#life) {
                this.#emit('error', error);
            }
        }
        if (life === this.#life) {
            this.#end(REFUSED, reason, other);
        }
    }

    #askToken(refused, reason) {
        return this.#options.token(
            { attempt: this.#failures, refused, reason });
    }

    #attach(auth, ws) {
        this.#ws = ws;
        ws.binaryType = 'arraybuffer';
        ws.onopen = () => this.#request(
            OP.AUTH, auth, (error) => error || this.#open());
        ws.onmessage = (event) => this.#frame(event.data);
        // onclose follows, and browsers tell no more in this one
        ws.onerror = () => {};
        ws.onclose = ({ code, reason }) => {
            this.#ws = null;
            if (code === REFUSED && typeof this.#options.token === 'function')
            {
                this.#refused(reason);
            } else {
                this.#end(code, reason, code !== REFUSED);
            }
        };
    }

    // A token that is no object is the auth service's own affair: what was
    // asked for beyond it is asked for again when the connection is open.
    #authBody() {
        const token = this.#token;

        if (typeof token !== 'object' || token instanceof Uint8Array) {
            this.#told = { ops: new Map(), gap: false };
            return toBytes(token);
        }

        const merged = { ...token };

        if (this.#room !== undefined) {
            merged.room_id = this.#room;
        }
        if (this.#ops.size) {
            const accepts = new Set(merged.accepts);

            for (const [op, on] of this.#ops) {
                on ? accepts.add(op) : accepts.delete(op);
            }
            merged.accepts = [...accepts];
        }

        const gap = Boolean(this.#listeners.gap?.length);

        if (gap) {
            merged.goim = { ...token.goim, gap };
        }

        this.#told = { room: this.#room, ops: new Map(this.#ops), gap };
        return toBytes(merged);
    }

    #open() {
        const { room, ops } = this.#told;
        const untold = [...this.#ops].filter(([op, on]) => ops.get(op) !== on);

        this.#state = 'open';
        this.#openedAt = Date.now();

        if (this.#room !== room) {
            this.#change(OP.CHANGE_ROOM, this.#room);
        }
        for (const on of [true, false]) {
            const list = untold.filter((one) => one[1] === on);

            if (list.length) {
                this.#change(on ? OP.SUBSCRIBE : OP.UNSUBSCRIBE,
                             list.map((one) => one[0]).join());
            }
        }
        this.#beat();
        this.#emit('open');
    }

    #beat() {
        const { heartbeat, heartbeatTimeout } = this.#options;

        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#beat(), heartbeat);

        this.#request(OP.HEARTBEAT, toBytes(''), (error, body) => {
            if (!error && body.length >= 4) {
                const view = new DataView(body.buffer, body.byteOffset);
                this.#emit('online', view.getInt32(0));
            } else if (!error) {
                this.#malformed();
            } else if (error.code === 'timeout') {
                this.#end(CLOSE.SILENT, 'heartbeat not answered');
            }
        }, heartbeatTimeout);
    }

    // The one place where a connection, or the attempt at one, ends.
    #end(code, reason, willReconnect = true) {
        const { minDelay, maxDelay } = this.#options;
        const ws = this.#ws;
        let delay = 0;

        // who has lasted had no failure; a server that lets clients in only
        // to drop them has
        if (this.#openedAt && Date.now() - this.#openedAt > maxDelay) {
            this.#failures = 0;
        }

        this.#life++;
        this.#ws = null;
        this.#openedAt = null;
        this.#state = willReconnect ? 'waiting' : 'closed';
        clearTimeout(this.#timer);

        if (willReconnect) {
            const most = Math.min(maxDelay, minDelay * 2 ** this.#failures++);

            delay = Math.round(most * (1 + Math.random()) / 2);
            this.#timer = setTimeout(() => this.#begin(), delay);
        }
        if (ws) {
            discard(ws, code, reason);
        }
        this.#failPending();
        this.#emit('close', { code, reason, willReconnect, delay });
    }

    #fail(code, error) {
        const life = this.#life;

        this.#emit('error', error);
        // a listener may have closed
        if (life === this.#life) {
            this.#end(code, String(error?.message ?? error));
        }
    }

    // --- packets

    // done(error, body of the reply) is called once, whatever happens.
    #request(op, body, done, timeout = this.#options.requestTimeout) {
        if (this.#state !== 'open' && op !== OP.AUTH) {
            done(new GoimError('closed', 'not connected'));
            return;
        }

        // 0 is a push's
        const seq = this.#seq = this.#seq % 0x7fffffff + 1;
        const timer = setTimeout(() => {
            this.#pending.delete(seq);
            done(new GoimError('timeout', 'not answered in time'));
        }, timeout);

        this.#pending.set(seq, { op, timer, done });

        // one that is closing would throw it away and complain; its end, which
        // is near, fails the request
        if (this.#ws.readyState === OPEN) {
            this.#ws.send(encode(op, seq, body));
        }
    }

    #failPending() {
        const pending = [...this.#pending.values()];

        this.#pending.clear();
        for (const { timer, done } of pending) {
            clearTimeout(timer);
            done(new GoimError('closed', 'the connection has ended'));
        }
    }

    #frame(data) {
        const packets = data instanceof ArrayBuffer
            ? decode(new Uint8Array(data)) : null;
        const packet = packets?.length === 1 ? packets[0] : null;
        const pushes = packet?.op === OP_RAW ? decode(packet.body) : [];

        if (packet === null || pushes === null) {
            this.#malformed();
        } else if (packet.op === OP_NOTICE && this.#told.gap) {
            this.#notice(packet.body);
        } else if (packet.op !== OP_RAW) {
            this.#reply(packet);
        } else {
            this.#deliver(pushes);
        }
    }

    // What comes bare is a reply, perhaps too late a one, or a push that a
    // server has not wrapped.
    #reply({ op, seq, body }) {
        const request = this.#pending.get(seq);
        // a server that takes no messages answers them by their own operation
        const untaken = op === OP.SEND && request?.op === OP.SEND;

        if (request && (op === request.op + 1 || untaken)) {
            this.#pending.delete(seq);
            clearTimeout(request.timer);
            request.done(untaken
                ? new GoimError('untaken', 'the server takes no messages')
                : null, body);
        } else if (!CONTROL.has(op)) {
            this.#deliver([{ op, body }]);
        }
    }

    // What else it may tell is for later versions.
    #notice(body) {
        const { gap } = parse(decoder.decode(body)) ?? {};

        if (typeof gap === 'number' && this.#state === 'open') {
            this.#emit('gap', gap);
        }
    }

    #deliver(pushes) {
        const life = this.#life;

        for (const { op, body } of pushes) {
            // a listener may close
            if (life === this.#life && this.#state === 'open') {
                const text = () => decoder.decode(body);
                this.#emit('message', { op, body, text });
            }
        }
    }

    #malformed() {
        this.#fail(CLOSE.MALFORMED,
                   new GoimError('malformed', 'malformed frame'));
    }

    #change(op, text) {
        return new Promise((resolve) => {
            this.#request(op, toBytes(text), (error) => resolve(!error));
        });
    }

    #changeOps(op, list) {
        const ops = [...list];

        if (ops.some((one) => one !== (one | 0))) {
            throw new TypeError('operations are 32-bit integers');
        }
        for (const one of ops) {
            this.#ops.set(one, op === OP.SUBSCRIBE);
        }
        return ops.length ? this.#change(op, ops.join()) : true;
    }

    // A listener's own error is thrown where it keeps nobody from anything.
    #emit(name, value) {
        for (const listener of this.#listeners[name] ?? []) {
            try {
                listener(value);
            } catch (error) {
                setTimeout(() => { throw error; });
            }
        }
    }
}


// Nothing, if it is no JSON.
function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}


// What a reply to a message says: an error, or none and the answer.
function readAnswer(body) {
    const text = decoder.decode(body);
    const answer = parse(text);

    if (answer === undefined) {
        return [new GoimError('answer', 'the answer is not JSON', text)];
    }
    if (answer?.code !== 0) {
        return [new GoimError(answer?.code ?? 'answer',
                              String(answer?.message ?? 'refused'), answer)];
    }
    return [null, answer];
}


// Nothing of it is heard any more, whether the other side answers or not.
function discard(ws, code, reason) {
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.onerror = () => {};

    // node's would wait half a minute for a dead server's answer
    if (ws.terminate && (code === CLOSE.SILENT || code === CLOSE.TIMEOUT)) {
        ws.terminate();
    } else {
        ws.close(code, reason);
    }
}
