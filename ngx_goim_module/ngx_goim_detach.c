
/*
 * Detaching a connection from its HTTP request: the request is freed (and
 * logged), the connection becomes ours.
 */


#include "ngx_goim.h"


#define NGX_GOIM_DETACH_RETRY  10  /* ms until it detaches after all */


static void ngx_goim_detach_handler(ngx_event_t *ev);


void
ngx_goim_detach_init(ngx_goim_handshake_t *hs)
{
    ngx_event_t  *ev;

    ev = &hs->detach;
    ev->handler = ngx_goim_detach_handler;
    ev->data = hs->request->connection;
    ev->log = hs->request->connection->log;
}


void
ngx_goim_detach_start(ngx_goim_handshake_t *hs)
{
    hs->conn->state = NGX_GOIM_STATE_DETACH;

    ngx_post_event(&hs->detach, &ngx_posted_events);
}


/* Memory that a request may leave behind in the connection's pool. */
static void
ngx_goim_detach_free_buffers(ngx_connection_t *c,
    ngx_http_connection_t *hc)
{
    ngx_chain_t  *cl, *ln;

    for (cl = hc->free; cl; /* void */) {
        ln = cl;
        cl = cl->next;
        ngx_pfree(c->pool, ln->buf->start);
        ngx_free_chain(c->pool, ln);
    }

    for (cl = hc->busy; cl; /* void */) {
        ln = cl;
        cl = cl->next;
        ngx_pfree(c->pool, ln->buf->start);
        ngx_free_chain(c->pool, ln);
    }

    hc->free = NULL;
    hc->busy = NULL;
    hc->nbusy = 0;

    if (c->buffer) {
        ngx_pfree(c->pool, c->buffer->start);
        c->buffer = NULL;
    }

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        ngx_ssl_free_buffer(c);

        /* our writes may be cut anywhere, and their bytes may move */

        SSL_set_mode(c->ssl->connection,
                     SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }

#endif
}


/*
 * realip sets the proxy's address again when the request's pool dies; the
 * client's goes into the connection's pool.
 */
static ngx_int_t
ngx_goim_detach_keep_address(ngx_connection_t *c, struct sockaddr *old,
    ngx_sockaddr_t *sa, socklen_t socklen, ngx_str_t *text)
{
    if (c->sockaddr == old) {
        return NGX_OK;
    }

    c->sockaddr = ngx_palloc(c->pool, socklen);
    c->addr_text.data = ngx_pnalloc(c->pool, text->len);

    if (c->sockaddr == NULL || c->addr_text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, sa, socklen);
    ngx_memcpy(c->addr_text.data, text->data, text->len);
    c->socklen = socklen;
    c->addr_text.len = text->len;

    return NGX_OK;
}


/* The request is freed (and logged), the connection becomes ours. */
static ngx_int_t
ngx_goim_detach_free_request(ngx_http_request_t *r, ngx_goim_conn_t *gc)
{
    u_char                  buf[NGX_SOCKADDR_STRLEN];
    socklen_t               socklen;
    ngx_int_t               rc;
    ngx_str_t               text;
    ngx_sockaddr_t          sa;
    struct sockaddr        *old;
    ngx_connection_t       *c;
    ngx_http_connection_t  *hc;

    c = r->connection;
    hc = r->http_connection;

    old = c->sockaddr;
    socklen = ngx_min(c->socklen, (socklen_t) sizeof(ngx_sockaddr_t));
    ngx_memcpy(&sa, old, socklen);

    text.data = buf;
    text.len = ngx_min(c->addr_text.len, sizeof(buf));
    ngx_memcpy(buf, c->addr_text.data, text.len);

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    ngx_http_free_request(r, 0);

    c->destroyed = 0;
    c->data = gc;
    c->read->handler = ngx_goim_conn_read_handler;
    c->write->handler = ngx_goim_conn_write_handler;
    c->log->action = "serving goim client";
    c->idle = 0;

    ngx_reusable_connection(c, 0);

    rc = ngx_goim_detach_keep_address(c, old, &sa, socklen, &text);

    ngx_goim_detach_free_buffers(c, hc);

    if (c->tcp_nopush == NGX_TCP_NOPUSH_SET && ngx_tcp_push(c->fd) != -1) {
        c->tcp_nopush = NGX_TCP_NOPUSH_UNSET;
    }

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        rc = NGX_ERROR;
    }

    return rc;
}


/* The identity's text dies with the request. */
static void
ngx_goim_detach_take_room(ngx_goim_conn_t *gc, ngx_str_t *room, u_char *name)
{
    ngx_str_null(room);

    if (gc->id && gc->id->room.len) {
        ngx_memcpy(name, gc->id->room.data, gc->id->room.len);

        room->data = name;
        room->len = gc->id->room.len;
    }
}


static void
ngx_goim_detach_handler(ngx_event_t *ev)
{
    u_char                 name[GOIM_ROOM_NAME_MAX];
    int32_t                seq;
    uint16_t               ver;
    ngx_str_t              room;
    ngx_int_t              rc;
    ngx_uint_t             code, reply;
    ngx_goim_conn_t       *gc;
    ngx_goim_reason_e      reason;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_goim_handshake_t  *hs;

    c = ev->data;
    hs = ngx_goim_handshake_get(c);
    r = hs->request;
    gc = hs->conn;

    /*
     * a mirror subrequest, an asynchronous filter, a full socket; or its key
     * may be that of a connection which is under way to another worker
     */

    if (r->main->count != 1 || r->main->blocked || r->buffered || c->buffered
        || r->postponed || c->data != r || ngx_goim_handover_is_busy())
    {
        ngx_add_timer(ev, NGX_GOIM_DETACH_RETRY);
        return;
    }

    code = hs->close_code;
    reason = hs->reason;
    reply = hs->reply;
    seq = hs->seq;
    ver = hs->ver;

    /* not ended with the request, whose log line may still name it */

    hs->conn = NULL;

    ngx_goim_detach_take_room(gc, &room, name);

    rc = ngx_goim_detach_free_request(r, gc);

    if (gc->id) {
        ngx_str_null(&gc->id->room);
    }

    if (rc != NGX_OK || ngx_goim_conn_attach(gc) != NGX_OK) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_ERROR);
        return;
    }

    if (code) {
        ngx_goim_conn_say_goodbye(gc, code, reason);
        return;
    }

    rc = ngx_goim_conn_open(gc, &room);

    if (rc == NGX_DECLINED) {
        ngx_goim_conn_say_goodbye(gc, GOIM_WS_CLOSE_TRY_LATER,
                                  NGX_GOIM_BY_REFUSAL);
        return;
    }

    if (rc != NGX_OK
        || (reply
            && ngx_goim_send_packet(gc, ver, GOIM_OP_AUTH_REPLY, seq, NULL, 0)
               != NGX_OK))
    {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_ERROR);
        return;
    }

    /* reads what is kept and what waits in the socket, then sends */

    ngx_goim_conn_read_handler(c->read);
}
