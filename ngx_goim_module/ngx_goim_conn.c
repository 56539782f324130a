
/*
 * One connection from birth to close: its handlers once it is detached, and
 * the only place that frees it.
 */


#include "ngx_goim.h"


#define NGX_GOIM_CONN_BUFFER    16384
#define NGX_GOIM_CONN_READS     16      /* of one event, then others' turn */
#define NGX_GOIM_CONN_GOODBYE   5000    /* ms for the client's close frame */
#define NGX_GOIM_CONN_DRAIN     100     /* ms between steps of a drain */


static ngx_int_t ngx_goim_conn_list(ngx_goim_conn_t *gc);
static void ngx_goim_conn_unlist(ngx_goim_conn_t *gc);
static void ngx_goim_conn_drain_handler(ngx_event_t *ev);


ngx_str_t  ngx_goim_transport_names[NGX_GOIM_TRANSPORTS] = {
    ngx_string("websocket"),
    ngx_string("tcp")
};


static ngx_event_t  ngx_goim_conn_drain_event;
static ngx_msec_t   ngx_goim_conn_drain_end;


ngx_goim_conn_t *
ngx_goim_conn_create(ngx_connection_t *c, ngx_http_goim_loc_conf_t *glcf)
{
    ngx_goim_conn_t  *gc;

    gc = ngx_calloc(sizeof(ngx_goim_conn_t), c->log);
    if (gc == NULL) {
        return NULL;
    }

    gc->connection = c;
    gc->conf = glcf;
    gc->state = NGX_GOIM_STATE_AUTH;

    return gc;
}


void
ngx_goim_conn_destroy(ngx_goim_conn_t *gc)
{
    ngx_goim_out_free(&gc->out);
    ngx_goim_out_free(&gc->in);
    ngx_goim_out_free(&gc->message);

    if (gc->id) {

        if (gc->state == NGX_GOIM_STATE_CLOSED && gc->id->room.len) {
            ngx_free(gc->id->room.data);
        }

        ngx_free(gc->id);
    }

    ngx_free(gc);
}


size_t
ngx_goim_conn_id(ngx_goim_conn_t *gc, u_char *id)
{
    if (gc->id->conn_len) {
        ngx_memcpy(id, ngx_goim_identity_conn(gc->id), gc->id->conn_len);
        return gc->id->conn_len;
    }

    return ngx_snprintf(id, NGX_GOIM_CONN_MAX, "%xL-%xA",
                        ngx_goim_worker.epoch, gc->connection->number)
           - id;
}


void
ngx_goim_conn_client(ngx_goim_conn_t *gc, ngx_goim_client_t *client)
{
    client->key.data = ngx_goim_identity_key(gc->id);
    client->key.len = gc->id->key_len;
    client->room = gc->id->room;
    client->mid = gc->id->mid;
    client->transport = gc->transport;

    if (gc->room) {
        client->room.data = gc->room->name;
        client->room.len = gc->room->name_len;
    }
}


uint32_t
ngx_goim_conn_skipped(ngx_goim_conn_t *gc, ngx_uint_t skip)
{
    uint32_t    n;
    ngx_uint_t  i;

    if (skip < NGX_GOIM_SKIPS) {
        n = gc->skipped[skip];

        return gc->room && skip < NGX_GOIM_SKIP_BY_ROOM
               ? n + ngx_goim_conn_log(gc)->skipped[skip] : n;
    }

    n = 0;

    for (i = 0; i < NGX_GOIM_SKIPS; i++) {
        n += ngx_goim_conn_skipped(gc, i);
    }

    return n;
}


ngx_int_t
ngx_goim_conn_grow(ngx_goim_conn_t ***conns, uint32_t n, uint32_t *nalloc,
    ngx_log_t *log)
{
    uint32_t           size;
    ngx_goim_conn_t  **p;

    if (n < *nalloc) {
        return NGX_OK;
    }

    size = ngx_max(2 * n, 64);

    p = ngx_alloc(size * sizeof(ngx_goim_conn_t *), log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (*conns) {
        ngx_memcpy(p, *conns, n * sizeof(ngx_goim_conn_t *));
        ngx_free(*conns);
    }

    *conns = p;
    *nalloc = size;

    return NGX_OK;
}


/* All detached connections of the worker, for broadcasts and drains. */
static ngx_int_t
ngx_goim_conn_list(ngx_goim_conn_t *gc)
{
    if (ngx_goim_conn_grow(&ngx_goim_worker.conns, ngx_goim_worker.nconns,
                           &ngx_goim_worker.nconns_alloc, gc->connection->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    gc->index = ngx_goim_worker.nconns;
    gc->listed = 1;
    ngx_goim_worker.conns[ngx_goim_worker.nconns++] = gc;

    ngx_goim_memory_number(NGX_GOIM_MEMORY_CONNS, ngx_goim_worker.nconns);

    ngx_goim_count(NGX_GOIM_CONNECTIONS, 1);
    ngx_goim_count(NGX_GOIM_CONNECTIONS_TCP, gc->transport == NGX_GOIM_TCP);

    return NGX_OK;
}


/* The array follows the number of connections; without memory it stays. */
static void
ngx_goim_conn_shrink(void)
{
    uint32_t           size;
    ngx_goim_conn_t  **p;

    size = ngx_goim_worker.nconns_alloc / 2;

    if (size < 64 || ngx_goim_worker.nconns > size / 2) {
        return;
    }

    p = ngx_alloc(size * sizeof(ngx_goim_conn_t *), ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(p, ngx_goim_worker.conns,
               ngx_goim_worker.nconns * sizeof(ngx_goim_conn_t *));
    ngx_free(ngx_goim_worker.conns);

    ngx_goim_worker.conns = p;
    ngx_goim_worker.nconns_alloc = size;
}


/* The last one takes the place. */
static void
ngx_goim_conn_unlist(ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  *last;

    if (!gc->listed) {
        return;
    }

    ngx_goim_broadcast_leave(gc);

    last = ngx_goim_worker.conns[--ngx_goim_worker.nconns];
    ngx_goim_worker.conns[gc->index] = last;
    last->index = gc->index;
    gc->listed = 0;

    ngx_goim_count(NGX_GOIM_CONNECTIONS, (uint64_t) -1);

    if (gc->transport == NGX_GOIM_TCP) {
        ngx_goim_count(NGX_GOIM_CONNECTIONS_TCP, (uint64_t) -1);
    }

    ngx_goim_memory_number(NGX_GOIM_MEMORY_CONNS, ngx_goim_worker.nconns);
    ngx_goim_conn_shrink();
}


ngx_int_t
ngx_goim_conn_attach(ngx_goim_conn_t *gc)
{
    gc->handshake = NULL;

    if (ngx_goim_conn_list(gc) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_exiting || ngx_goim_worker.broken) {
        ngx_goim_conn_drain();
    }

    return NGX_OK;
}


/* Its place in the room is that of the connection which it replaces. */
static ngx_uint_t
ngx_goim_conn_is_member(ngx_goim_conn_t *gc, ngx_str_t *room)
{
    return gc && gc->room && gc->room->name_len == room->len
           && ngx_memcmp(gc->room->name, room->data, room->len) == 0;
}


ngx_int_t
ngx_goim_conn_open(ngx_goim_conn_t *gc, ngx_str_t *room)
{
    ngx_goim_conn_t  *old;

    old = ngx_goim_key_find(ngx_goim_identity_key(gc->id), gc->id->key_len);

    if (room->len && !ngx_goim_conn_is_member(old, room)
        && !ngx_goim_room_admits(room))
    {

        /* the auth service may know of it */

        ngx_goim_session_disconnect(gc, NGX_GOIM_BY_REFUSAL);

        return NGX_DECLINED;
    }

    gc->state = NGX_GOIM_STATE_OPEN;
    gc->gaps = (gc->id->features & NGX_GOIM_FEATURE_GAP) != 0;

    if (old) {
        ngx_goim_conn_say_goodbye(old, GOIM_WS_CLOSE_POLICY,
                                  NGX_GOIM_BY_REPLACEMENT);
    }

    ngx_goim_key_add(gc);

    if (ngx_goim_heartbeat_add(gc, ngx_goim_heartbeat_allowed(gc))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (room->len && ngx_goim_room_join(gc, room) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_goim_session_connect(gc);

    return NGX_OK;
}


/* The name of the room that is left, for the log. */
static void
ngx_goim_conn_keep_room(ngx_goim_conn_t *gc)
{
    ngx_str_t  *name;

    if (gc->room == NULL || gc->conf->log_conf == NULL) {
        return;
    }

    name = &gc->id->room;

    name->data = ngx_alloc(gc->room->name_len, gc->connection->log);
    if (name->data == NULL) {
        return;
    }

    name->len = gc->room->name_len;
    ngx_memcpy(name->data, gc->room->name, name->len);
}


/* Out of everything through which messages find a connection. */
static void
ngx_goim_conn_withdraw(ngx_goim_conn_t *gc)
{
    if (gc->state == NGX_GOIM_STATE_OPEN) {
        ngx_goim_broadcast_drop(gc);
        ngx_goim_session_disconnect(gc, gc->reason);
    }

    ngx_goim_conn_keep_room(gc);

    ngx_goim_room_leave(gc);
    ngx_goim_key_remove(gc);
    ngx_goim_heartbeat_remove(gc);
    ngx_goim_fanout_clean(gc);
}


static void
ngx_goim_conn_count_closing(ngx_goim_conn_t *gc, uint64_t n)
{
    ngx_goim_count(NGX_GOIM_CLOSING, n);

    if (gc->transport == NGX_GOIM_TCP) {
        ngx_goim_count(NGX_GOIM_CLOSING_TCP, n);
    }
}


void
ngx_goim_conn_close(ngx_goim_conn_t *gc, ngx_goim_reason_e reason)
{
    ngx_connection_t  *c;

    c = gc->connection;

    if (gc->state != NGX_GOIM_STATE_CLOSING) {
        gc->reason = reason;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0, "goim conn close: %d",
                   gc->reason);

    ngx_goim_count(NGX_GOIM_CLOSED + gc->reason, 1);

    ngx_goim_send_drop(gc);

    if (gc->state == NGX_GOIM_STATE_CLOSING) {
        ngx_goim_conn_count_closing(gc, (uint64_t) -1);
    }

    /* nothing is to be sent any more, not even the rest of a frame */

    gc->due = 0;

    ngx_goim_conn_withdraw(gc);

    gc->state = NGX_GOIM_STATE_CLOSED;
    ngx_goim_access_log_write(gc);

    if (gc->offered) {
        (void) shutdown(c->fd, SHUT_RDWR);
    }

    ngx_goim_memory_let_go(gc);
    ngx_goim_conn_unlist(gc);
    ngx_goim_conn_destroy(gc);

    ngx_http_close_connection(c);
}


ngx_int_t
ngx_goim_conn_adopt(ngx_goim_conn_t *gc, ngx_str_t *room, ngx_msec_t silent)
{
    gc->state = NGX_GOIM_STATE_OPEN;
    gc->gaps = (gc->id->features & NGX_GOIM_FEATURE_GAP) != 0;

    if (ngx_goim_conn_list(gc) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_goim_key_add(gc);

    if (ngx_goim_heartbeat_resume(gc, silent) != NGX_OK
        || (room->len && ngx_goim_room_join(gc, room) != NGX_OK))
    {
        return NGX_ERROR;
    }

    ngx_goim_session_connect(gc);
    ngx_goim_session_hurry();

    return NGX_OK;
}


void
ngx_goim_conn_moved(ngx_goim_conn_t *gc)
{
    ngx_connection_t  *c;

    c = gc->connection;

    ngx_goim_send_forget(gc);
    ngx_goim_session_forget(gc);

    ngx_goim_room_leave(gc);
    ngx_goim_key_remove(gc);
    ngx_goim_heartbeat_remove(gc);
    ngx_goim_fanout_clean(gc);

    ngx_goim_memory_let_go(gc);
    ngx_goim_conn_unlist(gc);
    ngx_goim_conn_destroy(gc);

    /* of the client's connection this is one of two ends here */

    ngx_http_close_connection(c);
}


/*
 * The connection is left alone but for its own queue: what was started, and
 * the close frame.
 */
static ngx_int_t
ngx_goim_conn_begin_close(ngx_goim_conn_t *gc, const u_char *data, size_t len,
    ngx_goim_reason_e reason)
{
    if (ngx_goim_send_settle(gc) != NGX_OK) {
        return NGX_ERROR;
    }

    gc->reason = reason;

    ngx_goim_conn_withdraw(gc);

    ngx_goim_out_free(&gc->message);

    gc->state = NGX_GOIM_STATE_CLOSING;
    gc->publishing = 0;
    gc->paused = 0;

    ngx_goim_conn_count_closing(gc, 1);

    if (gc->transport == NGX_GOIM_TCP) {

        /* as goim does: no word, and no answer to wait for */

        gc->close_out = 1;
    }

    if (ngx_goim_send_control(gc, GOIM_WS_CLOSE, data, len) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_goim_heartbeat_add(gc, NGX_GOIM_CONN_GOODBYE);
}


/* What is pending goes out, and the client's answer is read. */
static void
ngx_goim_conn_go_on(ngx_goim_conn_t *gc)
{
    ngx_connection_t  *c;

    c = gc->connection;

    if (ngx_goim_conn_flush(gc) == NGX_OK && c->read->ready) {

        /* it may be there, and raises no further event */

        ngx_post_event(c->read, &ngx_posted_next_events);
    }
}


static void
ngx_goim_conn_goodbye(ngx_goim_conn_t *gc, ngx_uint_t code, ngx_str_t *text,
    ngx_goim_reason_e reason)
{
    u_char  data[GOIM_WS_MAX_CONTROL];

    if (gc->state == NGX_GOIM_STATE_CLOSING) {
        return;
    }

    /* it comes back, elsewhere, to no broadcast that has begun */

    if (gc->state == NGX_GOIM_STATE_OPEN && reason == NGX_GOIM_BY_SHUTDOWN
        && ngx_goim_broadcast_give(gc) == NGX_DONE)
    {
        return;
    }

    /* what came before is sent before, as far as it can be */

    if (gc->state == NGX_GOIM_STATE_OPEN
        && ngx_goim_conn_flush(gc) == NGX_DONE)
    {
        return;
    }

    data[0] = (u_char) (code >> 8);
    data[1] = (u_char) code;
    ngx_memcpy(data + 2, text->data, text->len);

    if (ngx_goim_conn_begin_close(gc, data, 2 + text->len, reason) != NGX_OK) {
        ngx_goim_conn_close(gc, reason);
        return;
    }

    ngx_goim_conn_go_on(gc);
}


void
ngx_goim_conn_say_goodbye(ngx_goim_conn_t *gc, ngx_uint_t code,
    ngx_goim_reason_e reason)
{
    ngx_str_t  none = ngx_null_string;

    ngx_goim_conn_goodbye(gc, code, &none, reason);
}


void
ngx_goim_conn_kick(ngx_goim_conn_t *gc, const u_char *text, size_t len)
{
    size_t     i;
    uint8_t    state;
    ngx_str_t  reason;

    reason.data = (u_char *) text;
    reason.len = 0;

    state = GOIM_UTF8_START;
    len = ngx_min(len, GOIM_WS_MAX_CONTROL - 2);

    /* whole characters only */

    for (i = 0; i < len && state != GOIM_UTF8_INVALID; i++) {
        state = goim_utf8_check(state, text + i, 1);

        if (state == GOIM_UTF8_START) {
            reason.len = i + 1;
        }
    }

    ngx_goim_conn_goodbye(gc, GOIM_WS_CLOSE_POLICY, &reason,
                          NGX_GOIM_BY_KICK);
}


/*
 * The client's close frame was answered, or ours said what is wrong.  Where
 * something comes behind, closing at once would reset the connection, and that
 * might overtake our close frame (RFC 6455, 7.1.1): the client is told the end
 * first, and what it sends until its own end is discarded.
 */
static ngx_int_t
ngx_goim_conn_finish(ngx_goim_conn_t *gc)
{
    ngx_connection_t  *c;

    c = gc->connection;

    if (gc->close_out && (!c->read->ready || gc->transport == NGX_GOIM_TCP)) {
        ngx_goim_conn_close(gc, gc->reason);
        return NGX_DONE;
    }

    if (!gc->deaf || gc->shut) {
        return NGX_OK;
    }

    gc->shut = 1;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->shutdown_without_free = 1;

        if (ngx_ssl_shutdown(c) != NGX_OK) {
            c->ssl->shutdown_without_free = 0;
            ngx_goim_conn_close(gc, gc->reason);
            return NGX_DONE;
        }
    }

#endif

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {
        ngx_goim_conn_close(gc, gc->reason);
        return NGX_DONE;
    }

    return NGX_OK;
}


ngx_int_t
ngx_goim_conn_flush(ngx_goim_conn_t *gc)
{
    off_t  sent;

    if (gc->moving) {
        return NGX_OK;
    }

    sent = gc->connection->sent;

    switch (ngx_goim_send_flush(gc)) {

    case NGX_ERROR:
        ngx_goim_conn_close(gc, NGX_GOIM_BY_CLIENT);
        return NGX_DONE;

    case NGX_DECLINED:
        ngx_goim_conn_close(gc, NGX_GOIM_BY_BACKLOG);
        return NGX_DONE;
    }

    if (gc->out || gc->block || gc->in || gc->message) {
        ngx_goim_memory_hold(gc, gc->connection->sent != sent);

    } else {
        ngx_goim_memory_let_go(gc);
    }

    if (gc->state == NGX_GOIM_STATE_CLOSING && gc->out == NULL) {
        return ngx_goim_conn_finish(gc);
    }

    return NGX_OK;
}


/* Why nothing more is read. */
static ngx_goim_reason_e
ngx_goim_conn_input_reason(ngx_goim_conn_t *gc, ngx_uint_t code)
{
    if (gc->close_out) {
        return NGX_GOIM_BY_CLIENT;
    }

    switch (code) {

    case GOIM_WS_CLOSE_TRY_LATER:

        /* its replies pile up */

        return NGX_GOIM_BY_BACKLOG;

    case GOIM_WS_CLOSE_INTERNAL:
        return NGX_GOIM_BY_ERROR;

    default:
        return NGX_GOIM_BY_PROTOCOL;
    }
}


/* NGX_DONE: gc is gone. */
static ngx_int_t
ngx_goim_conn_input(ngx_goim_conn_t *gc, u_char *data, size_t len)
{
    ngx_int_t   rc;
    ngx_uint_t  code;

    code = 0;
    ngx_goim_count(NGX_GOIM_BYTES_IN, len);

    if (gc->deaf) {
        ngx_goim_out_free(&gc->in);
        return NGX_OK;
    }

    rc = ngx_goim_read_input(gc, data, len, &code);

    if (rc != NGX_ERROR) {
        return rc;
    }

    ngx_goim_out_free(&gc->in);

    if (gc->state == NGX_GOIM_STATE_CLOSING) {
        ngx_goim_conn_go_on(gc);

    } else {
        ngx_goim_conn_say_goodbye(gc, code,
                                  ngx_goim_conn_input_reason(gc, code));
    }

    return NGX_DONE;
}


/* Reads until the socket is empty; NGX_DONE: gc is gone. */
static ngx_int_t
ngx_goim_conn_read(ngx_goim_conn_t *gc)
{
    ssize_t            n;
    ngx_uint_t         reads;
    ngx_connection_t  *c;

    static u_char      buf[NGX_GOIM_CONN_BUFFER];

    c = gc->connection;

    for (reads = 0; reads < NGX_GOIM_CONN_READS; reads++) {

        if (gc->publishing || gc->paused) {
            return NGX_OK;
        }

        n = c->recv(c, buf, sizeof(buf));

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_goim_conn_close(gc, NGX_GOIM_BY_ERROR);
                return NGX_DONE;
            }

            return NGX_OK;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_goim_conn_close(gc, NGX_GOIM_BY_CLIENT);
            return NGX_DONE;
        }

        if (ngx_goim_conn_input(gc, buf, n) == NGX_DONE) {
            return NGX_DONE;
        }

        /* replies to a long burst must not fill the queue */

        if (n == sizeof(buf) && ngx_goim_conn_flush(gc) == NGX_DONE) {
            return NGX_DONE;
        }
    }

    ngx_post_event(c->read, &ngx_posted_next_events);

    return NGX_OK;
}


/*
 * worker_shutdown_timeout: the client is told if its socket takes it at once,
 * and closed in any case.
 */
static void
ngx_goim_conn_shutdown(ngx_goim_conn_t *gc)
{
    uint32_t  n;

    n = ngx_goim_worker.nconns;

    ngx_goim_conn_say_goodbye(gc, GOIM_WS_CLOSE_RESTART, NGX_GOIM_BY_SHUTDOWN);

    if (ngx_goim_worker.nconns == n) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_SHUTDOWN);
    }
}


void
ngx_goim_conn_read_handler(ngx_event_t *rev)
{
    ngx_goim_conn_t   *gc;
    ngx_connection_t  *c;

    c = rev->data;
    gc = c->data;

    if (gc->moving) {

        /* worker_shutdown_timeout: c->close tells when it comes back */

        return;
    }

    if (c->close) {
        ngx_goim_conn_shutdown(gc);
        return;
    }

    if (ngx_goim_packet_rate_is_paused(gc)) {
        return;
    }

    /* what was kept while an answer was awaited */

    if (gc->in && ngx_goim_conn_input(gc, NULL, 0) == NGX_DONE) {
        return;
    }

    if (ngx_goim_conn_read(gc) == NGX_DONE) {
        return;
    }

    (void) ngx_goim_conn_flush(gc);
}


void
ngx_goim_conn_write_handler(ngx_event_t *wev)
{
    ngx_connection_t  *c;

    c = wev->data;

    (void) ngx_goim_conn_flush(c->data);
}


/* The end of a worker */

void
ngx_goim_conn_drain_begin(void)
{
    ngx_goim_conn_drain_end = ngx_current_msec + ngx_goim_worker.conf->drain;
}


void
ngx_goim_conn_drain(void)
{
    ngx_event_t  *ev;

    ev = &ngx_goim_conn_drain_event;

    if (!ngx_goim_worker.exiting) {
        ngx_goim_worker.exiting = 1;

        ngx_goim_conn_drain_begin();
        ngx_goim_handover_unlisten();

        atomic_store(&ngx_goim_worker.reader->slot->draining, 1);

        ev->handler = ngx_goim_conn_drain_handler;
        ev->data = ngx_goim_worker.pipe;
        ev->log = ngx_goim_worker.cycle->log;
    }

    /*
     * Not cancelable, and armed in the call itself: with no timer left the
     * worker would exit at once, with all its clients.
     */

    if (ngx_goim_worker.nconns && !ev->timer_set) {
        ngx_add_timer(ev, NGX_GOIM_CONN_DRAIN);
    }

    ngx_goim_handover_start();
    ngx_goim_session_exit();
}


/*
 * As many as keep the pace that ends with the time; what is less than one is
 * kept for the next step.
 */
static uint32_t
ngx_goim_conn_drain_share(uint32_t n)
{
    uint64_t         share;
    ngx_msec_int_t   left;

    static uint64_t  rest;  /* thousandths of a connection */

    left = (ngx_msec_int_t) (ngx_goim_conn_drain_end - ngx_current_msec);

    if (left <= NGX_GOIM_CONN_DRAIN) {
        return n;
    }

    rest += (uint64_t) n * NGX_GOIM_CONN_DRAIN * 1000 / left;
    share = rest / 1000;
    rest %= 1000;

    return share;
}


static ngx_uint_t
ngx_goim_conn_may_go(ngx_goim_conn_t *gc)
{
    return gc->state == NGX_GOIM_STATE_OPEN && !ngx_goim_handover_covers(gc);
}


static void
ngx_goim_conn_drain_handler(ngx_event_t *ev)
{
    uint32_t          i, n, open;
    ngx_goim_conn_t  *gc;

    open = 0;

    for (i = 0; i < ngx_goim_worker.nconns; i++) {
        open += ngx_goim_conn_may_go(ngx_goim_worker.conns[i]);
    }

    n = ngx_goim_conn_drain_share(open);

    for (i = ngx_goim_worker.nconns; i > 0 && n > 0; i--) {

        if (i > ngx_goim_worker.nconns) {
            continue;
        }

        gc = ngx_goim_worker.conns[i - 1];

        if (ngx_goim_conn_may_go(gc)) {
            ngx_goim_count(NGX_GOIM_HANDOVER_DRAINED,
                           ngx_goim_worker.conf->handover);
            ngx_goim_conn_say_goodbye(gc, GOIM_WS_CLOSE_RESTART,
                                      NGX_GOIM_BY_SHUTDOWN);
            n--;
        }
    }

    if (ngx_goim_worker.nconns) {
        ngx_add_timer(ev, NGX_GOIM_CONN_DRAIN);
    }
}
