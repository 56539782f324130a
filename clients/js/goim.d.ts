// The types of goim.js; README.md tells what all of it means.

/** What goim-logic knows; an auth service may know other fields. */
export interface GoimToken {
    /** A JSON Web Token that says who this is. */
    token?: string;
    mid?: number;
    key?: string;
    room_id?: string;
    platform?: string;
    accepts?: number[];
    /** Abilities of ngx_goim's own; the client asks for those it uses. */
    goim?: { gap?: boolean; [ability: string]: unknown };
    [field: string]: unknown;
}

/** An object is sent as JSON, with the room and operations last asked for. */
export type GoimAnyToken = GoimToken | string | Uint8Array;

export interface GoimTokenContext {
    /** Attempts that have failed since the last connection that lasted. */
    attempt: number;
    /** The last token was refused, or the connection that it made ended. */
    refused: boolean;
    /** The server's words for that, or none. */
    reason: string;
}

/** Nothing: the client stays away. */
export type GoimTokenFunction = (context: GoimTokenContext) =>
    | GoimAnyToken | null | undefined
    | Promise<GoimAnyToken | null | undefined>;

/** What is used of a WebSocket. */
export interface GoimWebSocket {
    binaryType: string;
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    send(data: Uint8Array): void;
    close(code?: number, reason?: string): void;
    terminate?(): void;
}

/** Times are in milliseconds. */
export interface GoimOptions {
    token?: GoimAnyToken | GoimTokenFunction;
    heartbeat?: number;
    heartbeatTimeout?: number;
    connectTimeout?: number;
    requestTimeout?: number;
    minDelay?: number;
    maxDelay?: number;
    WebSocket?: new (url: string) => GoimWebSocket;
}

export interface GoimMessage {
    readonly op: number;
    readonly body: Uint8Array;
    text(): string;
}

export interface GoimCloseEvent {
    readonly code: number;
    readonly reason: string;
    readonly willReconnect: boolean;
    /** Until the next attempt; 0 if there is none. */
    readonly delay: number;
}

export interface GoimEvents {
    open: () => void;
    message: (message: GoimMessage) => void;
    online: (count: number) => void;
    /** Messages of the room that were skipped here; 0: nobody knows. */
    gap: (messages: number) => void;
    close: (event: GoimCloseEvent) => void;
    error: (error: Error) => void;
}

export interface GoimAnswer {
    code: 0;
    [field: string]: unknown;
}

export class GoimError extends Error {
    readonly code: number | string;
    readonly answer?: unknown;
}

export const CLOSE: {
    readonly SILENT: 4000;
    readonly MALFORMED: 4001;
    readonly TIMEOUT: 4002;
    readonly FAILED: 4003;
    readonly NO_TOKEN: 4004;
};

export class GoimClient {
    constructor(url: string | URL, options?: GoimOptions);
    readonly state: 'closed' | 'connecting' | 'open' | 'waiting';
    on<Name extends keyof GoimEvents>(
        name: Name, listener: GoimEvents[Name]): this;
    off<Name extends keyof GoimEvents>(
        name: Name, listener: GoimEvents[Name]): this;
    connect(): this;
    close(): void;
    send(body: string | Uint8Array | object): Promise<GoimAnswer>;
    changeRoom(room: string): Promise<boolean>;
    subscribe(ops: Iterable<number>): Promise<boolean>;
    unsubscribe(ops: Iterable<number>): Promise<boolean>;
}
