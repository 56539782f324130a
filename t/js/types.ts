// Every use of the client that its types must let through, and, each behind a
// ts-expect-error, those that they must not.

import {
    CLOSE, GoimClient, GoimError, type GoimAnswer, type GoimTokenContext,
} from '../../clients/js/goim.js';

const client: GoimClient = new GoimClient('ws://localhost/sub', {
    token: { mid: 1, key: 'k', room_id: 'live://1', platform: 'web',
             accepts: [1000], anything: { more: true } },
    heartbeat: 1, heartbeatTimeout: 1, connectTimeout: 1, requestTimeout: 1,
    minDelay: 1, maxDelay: 1, WebSocket,
});

new GoimClient(new URL('ws://localhost/sub'));
new GoimClient('', { token: 'text' });
new GoimClient('', { token: new Uint8Array(1) });
new GoimClient('', { token: () => null });
new GoimClient('', {
    token: async ({ attempt, refused, reason }: GoimTokenContext) =>
        refused ? undefined : { mid: attempt, key: reason },
});

client.connect()
    .on('open', () => {})
    .on('message', ({ op, body, text }) => {
        const all: [number, Uint8Array, string] = [op, body, text()];
        console.log(all);
    })
    .on('online', (count) => count.toFixed())
    .on('close', ({ code, reason, willReconnect, delay }) => {
        const all: [number, string, boolean, number]
            = [code, reason, willReconnect, delay];
        console.log(all, code === CLOSE.SILENT, client.state === 'waiting');
    })
    .on('error', (error) => {
        if (error instanceof GoimError) {
            console.log(error.code, error.answer);
        }
    })
    .off('open', () => {})
    .close();

const answer: Promise<GoimAnswer> = client.send('text');
const changes: Promise<boolean>[] = [
    client.changeRoom('live://1'), client.subscribe([1]),
    client.unsubscribe(new Set([1])),
];
client.send(new Uint8Array(1));
client.send({ any: 'thing' });
console.log(answer, changes);

// @ts-expect-error: no such event
client.on('opened', () => {});
// @ts-expect-error: a listener of another event
client.on('online', (count: string) => count);
// @ts-expect-error: operations are numbers
client.subscribe(['1000']);
// @ts-expect-error: no such option
new GoimClient('', { hearbeat: 1 });
// @ts-expect-error: accepts are numbers
new GoimClient('', { token: { accepts: ['1000'] } });
// @ts-expect-error: the state is not set from outside
client.state = 'open';
// @ts-expect-error: no state of that name
client.state === 'opened';
// @ts-expect-error: a number is no message
client.send(1);
