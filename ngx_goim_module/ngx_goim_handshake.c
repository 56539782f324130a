
/*
 * The handshake: the WebSocket upgrade, the 101, and waiting for the auth
 * packet and its answer on the kept request.
 */


#include "ngx_goim.h"


#define NGX_GOIM_HANDSHAKE_BUFFER  16384
#define NGX_GOIM_HANDSHAKE_READS   16     /* of one event, then others' turn */


static ngx_int_t ngx_goim_handshake_check(ngx_http_request_t *r,
    ngx_str_t *key, ngx_uint_t *answered);
static ngx_int_t ngx_goim_handshake_send(ngx_http_request_t *r,
    ngx_str_t *key);
static void ngx_goim_handshake_begin(ngx_goim_handshake_t *hs);
static void ngx_goim_handshake_read(ngx_http_request_t *r);
static void ngx_goim_handshake_write(ngx_http_request_t *r);
static void ngx_goim_handshake_end(ngx_http_request_t *r, ngx_uint_t status);
static void ngx_goim_handshake_timeout_handler(ngx_event_t *ev);
static void ngx_goim_handshake_cleanup(void *data);


ngx_goim_handshake_t *
ngx_goim_handshake_get(ngx_connection_t *c)
{
    ngx_goim_ctx_t      *ctx;
    ngx_http_request_t  *r;

    /* while a request lasts, c->data is it or one of its subrequests */

    r = c->data;
    ctx = ngx_http_get_module_ctx(r->main, ngx_http_goim_module);

    return ctx->handshake;
}


static ngx_goim_handshake_t *
ngx_goim_handshake_create(ngx_http_request_t *r)
{
    ngx_event_t           *ev;
    ngx_connection_t      *c;
    ngx_http_cleanup_t    *cln;
    ngx_goim_handshake_t  *hs;

    c = r->connection;

    hs = ngx_pcalloc(r->pool, sizeof(ngx_goim_handshake_t));
    if (hs == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    hs->conn = ngx_goim_conn_create(c, ngx_http_get_module_loc_conf(r,
                                                     ngx_http_goim_module));
    if (hs->conn == NULL) {
        return NULL;
    }

    hs->request = r;
    hs->reason = NGX_GOIM_BY_REFUSAL;
    hs->conn->handshake = hs;

    ngx_goim_detach_init(hs);

    ev = &hs->timeout;
    ev->handler = ngx_goim_handshake_timeout_handler;
    ev->data = c;
    ev->log = c->log;

    cln->handler = ngx_goim_handshake_cleanup;
    cln->data = hs;

    ngx_goim_memory_number(NGX_GOIM_MEMORY_HANDSHAKES,
                           ++ngx_goim_worker.nhandshakes);
    ngx_goim_count(NGX_GOIM_HANDSHAKING, 1);
    ngx_goim_count(NGX_GOIM_HANDSHAKING_TCP, ngx_goim_listen_is_tcp(r));

    return hs;
}


/* The request ends, detached from or not. */
static void
ngx_goim_handshake_cleanup(void *data)
{
    ngx_goim_handshake_t  *hs = data;

    ngx_goim_memory_number(NGX_GOIM_MEMORY_HANDSHAKES,
                           --ngx_goim_worker.nhandshakes);
    ngx_goim_count(NGX_GOIM_HANDSHAKING, (uint64_t) -1);

    if (ngx_goim_listen_is_tcp(hs->request)) {
        ngx_goim_count(NGX_GOIM_HANDSHAKING_TCP, (uint64_t) -1);
    }

    if (hs->detach.posted) {
        ngx_delete_posted_event(&hs->detach);
    }

    if (hs->detach.timer_set) {
        ngx_del_timer(&hs->detach);
    }

    if (hs->timeout.timer_set) {
        ngx_del_timer(&hs->timeout);
    }

    /* a request that is blocked (by a thread) outlives its cleanup */

    hs->request->read_event_handler = ngx_http_block_reading;
    hs->request->write_event_handler = ngx_http_request_empty_handler;

    if (hs->conn) {
        ngx_goim_conn_destroy(hs->conn);
        hs->conn = NULL;
        hs->ctx.conn = NULL;
    }
}


ngx_int_t
ngx_goim_handshake_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  key;
    ngx_uint_t                 answered, transport;
    ngx_goim_identity_t       *id;
    ngx_goim_handshake_t      *hs;
    ngx_http_goim_loc_conf_t  *glcf;

    ngx_str_null(&key);

    if (!ngx_goim_channel_ready()) {
        ngx_goim_count(NGX_GOIM_UNAVAILABLE, 1);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    answered = 0;

    transport = ngx_goim_listen_is_tcp(r) ? NGX_GOIM_TCP : NGX_GOIM_WEBSOCKET;

    rc = transport == NGX_GOIM_TCP
         ? (r == r->main ? NGX_OK : NGX_HTTP_BAD_REQUEST)
         : ngx_goim_handshake_check(r, &key, &answered);

    if (rc != NGX_OK || answered) {
        ngx_goim_count(NGX_GOIM_HANDSHAKE_ERRORS, 1);
        return rc;
    }

    id = NULL;
    glcf = ngx_http_get_module_loc_conf(r, ngx_http_goim_module);

    if (glcf->identity) {
        rc = ngx_goim_identity_eval(r, glcf->identity, &id);

        if (rc != NGX_OK) {
            ngx_goim_count(NGX_GOIM_AUTH_FAILED, 1);
            return rc == NGX_DECLINED ? NGX_HTTP_BAD_REQUEST
                                      : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    hs = ngx_goim_handshake_create(r);
    if (hs == NULL) {
        if (id) {
            ngx_free(id);
        }

        ngx_goim_count(NGX_GOIM_UNAVAILABLE, 1);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    hs->conn->id = id;
    hs->conn->transport = transport;

    hs->ctx.handshake = hs;
    hs->ctx.conn = hs->conn;
    ngx_http_set_ctx(r, &hs->ctx, ngx_http_goim_module);

    if (transport == NGX_GOIM_TCP) {

        /* for the access log */

        r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
        rc = NGX_OK;

    } else {
        rc = ngx_goim_handshake_send(r, &key);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_goim_count(NGX_GOIM_HANDSHAKES, 1);

    r->main->count++;
    ngx_goim_handshake_begin(hs);

    return NGX_DONE;
}


/* RFC 6455, 4.2.1; the answers are HTTP's. */

/* The request's next header with that name, from *i on. */
static ngx_table_elt_t *
ngx_goim_handshake_next(ngx_http_request_t *r, ngx_str_t *name, ngx_uint_t *i)
{
    ngx_uint_t        first;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    first = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        for ( /* void */ ; *i < first + part->nelts; (*i)++) {
            h = (ngx_table_elt_t *) part->elts + (*i - first);

            if (h->key.len == name->len
                && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
            {
                (*i)++;
                return h;
            }
        }

        first += part->nelts;
    }

    return NULL;
}


/* NGX_DECLINED: there is none; NGX_ERROR: there are several. */
static ngx_int_t
ngx_goim_handshake_single(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    i = 0;

    h = ngx_goim_handshake_next(r, name, &i);
    if (h == NULL) {
        return NGX_DECLINED;
    }

    *value = h->value;

    return ngx_goim_handshake_next(r, name, &i) ? NGX_ERROR : NGX_OK;
}


/* An element of a list (RFC 7230, 7), in any letters. */
static ngx_uint_t
ngx_goim_handshake_in_list(ngx_str_t *list, ngx_str_t *token)
{
    u_char  *p, *last, *next, *end;

    end = list->data + list->len;

    for (p = list->data; p < end; p = next + 1) {
        next = ngx_strlchr(p, end, ',');

        if (next == NULL) {
            next = end;
        }

        last = next;

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        while (p < last && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }

        if ((size_t) (last - p) == token->len
            && ngx_strncasecmp(p, token->data, token->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* In some header with that name, each of which is a list. */
static ngx_uint_t
ngx_goim_handshake_has(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *token)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    i = 0;

    do {
        h = ngx_goim_handshake_next(r, name, &i);

    } while (h && !ngx_goim_handshake_in_list(&h->value, token));

    return h != NULL;
}


static ngx_int_t
ngx_goim_handshake_add_header(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = value;
    h->value.len = len;

    return NGX_OK;
}


/*
 * What would be right stands in the answer: 426 (RFC 7231, 6.5.15).  nginx
 * adds a Connection header for itself.
 */
static ngx_int_t
ngx_goim_handshake_upgrade_required(ngx_http_request_t *r)
{
    if (ngx_goim_handshake_add_header(r, "Upgrade", (u_char *) "websocket", 9)
        != NGX_OK
        || ngx_goim_handshake_add_header(r, "Connection",
                                         (u_char *) "upgrade", 7)
           != NGX_OK
        || ngx_goim_handshake_add_header(r, "Sec-WebSocket-Version",
                                         (u_char *) "13", 2)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nginx does not know the number: its own answer would have no text */

    r->headers_out.status = 426;
    ngx_str_set(&r->headers_out.status_line, "426 Upgrade Required");
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


/* Base64 of 16 bytes. */
static ngx_int_t
ngx_goim_handshake_check_key(ngx_str_t *key)
{
    u_char     buf[32];
    ngx_str_t  dst;

    if (key->len != 24 || key->data[22] != '=' || key->data[23] != '=') {
        return NGX_ERROR;
    }

    dst.data = buf;

    return ngx_decode_base64(&dst, key) == NGX_OK && dst.len == 16
           ? NGX_OK : NGX_ERROR;
}


/* headers_in.connection is not set by all versions of nginx. */
static ngx_uint_t
ngx_goim_handshake_is_upgrade(ngx_http_request_t *r)
{
    static ngx_str_t  upgrade = ngx_string("Upgrade");
    static ngx_str_t  websocket = ngx_string("websocket");
    static ngx_str_t  connection = ngx_string("Connection");

    return ngx_goim_handshake_has(r, &upgrade, &websocket)
           && ngx_goim_handshake_has(r, &connection, &upgrade);
}


/* NGX_OK and the key, or what the content handler is to return. */
static ngx_int_t
ngx_goim_handshake_check(ngx_http_request_t *r, ngx_str_t *key,
    ngx_uint_t *answered)
{
    ngx_int_t  rc;
    ngx_str_t  version;

    static ngx_str_t  version_name = ngx_string("Sec-WebSocket-Version");
    static ngx_str_t  key_name = ngx_string("Sec-WebSocket-Key");

    /* an error page could not be sent as 101 */

    if (r != r->main || r->err_status) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (r->method != NGX_HTTP_GET) {
        if (ngx_goim_handshake_add_header(r, "Allow", (u_char *) "GET", 3)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    if (r->http_version != NGX_HTTP_VERSION_11
        || r->headers_in.content_length_n > 0 || r->headers_in.chunked)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    rc = ngx_goim_handshake_single(r, &version_name, &version);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (rc == NGX_DECLINED || version.len != 2
        || ngx_strncmp(version.data, "13", 2) != 0
        || !ngx_goim_handshake_is_upgrade(r))
    {
        *answered = 1;
        return ngx_goim_handshake_upgrade_required(r);
    }

    if (ngx_goim_handshake_single(r, &key_name, key) != NGX_OK
        || ngx_goim_handshake_check_key(key) != NGX_OK)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_goim_handshake_send(ngx_http_request_t *r, ngx_str_t *key)
{
    u_char     *accept;
    ngx_int_t   rc;

    accept = ngx_pnalloc(r->pool, GOIM_WS_ACCEPT_LEN);
    if (accept == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    goim_ws_accept((char *) accept, (char *) key->data, key->len);

    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
    r->keepalive = 0;

    if (ngx_goim_handshake_add_header(r, "Upgrade", (u_char *) "websocket", 9)
        != NGX_OK
        || ngx_goim_handshake_add_header(r, "Sec-WebSocket-Accept", accept,
                                         GOIM_WS_ACCEPT_LEN)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    rc = ngx_http_send_special(r, NGX_HTTP_FLUSH);

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* What goes on with the rest of the input: NGX_DONE if nothing does. */
static ngx_int_t
ngx_goim_handshake_input(ngx_goim_handshake_t *hs, u_char *data, size_t len)
{
    ngx_int_t   rc;
    ngx_uint_t  code;

    code = 0;
    ngx_goim_count(NGX_GOIM_BYTES_IN, len);

    rc = ngx_goim_read_input(hs->conn, data, len, &code);

    if (rc == NGX_ERROR) {
        hs->close_code = code;
        hs->reason = hs->conn->close_out ? NGX_GOIM_BY_CLIENT
                                         : NGX_GOIM_BY_PROTOCOL;
        ngx_goim_detach_start(hs);
    }

    return rc;
}


static void
ngx_goim_handshake_begin(ngx_goim_handshake_t *hs)
{
    ngx_buf_t           *b;
    ngx_http_request_t  *r;

    r = hs->request;

    r->read_event_handler = ngx_goim_handshake_read;
    r->write_event_handler = ngx_goim_handshake_write;

    if (r->connection->buffered) {

        /* its end tells; without the event the timeout does */

        (void) ngx_handle_write_event(r->connection->write, 0);
    }

    ngx_add_timer(&hs->timeout, hs->conn->conf->handshake_timeout);

    if (hs->conn->id) {
        ngx_goim_detach_start(hs);
    }

    /* what came behind the request's header is our first input */

    b = r->header_in;

    if (b->pos < b->last) {
        (void) ngx_goim_handshake_input(hs, b->pos, b->last - b->pos);
        b->pos = b->last;
    }

    /* and what came since will raise no event of its own */

    if (hs->conn->state == NGX_GOIM_STATE_AUTH && r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
}


/*
 * Client events during a subrequest end there (its handlers are empty), and
 * after it the connection is detached and read until NGX_AGAIN.
 */
static void
ngx_goim_handshake_read(ngx_http_request_t *r)
{
    ssize_t                n;
    ngx_uint_t             reads;
    ngx_connection_t      *c;
    ngx_goim_handshake_t  *hs;

    static u_char          buf[NGX_GOIM_HANDSHAKE_BUFFER];

    c = r->connection;
    hs = ngx_goim_handshake_get(c);

    for (reads = 0; hs->conn->state == NGX_GOIM_STATE_AUTH; reads++) {

        if (reads == NGX_GOIM_HANDSHAKE_READS) {
            ngx_post_event(c->read, &ngx_posted_next_events);
            return;
        }

        n = c->recv(c, buf, sizeof(buf));

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_goim_handshake_end(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_goim_handshake_end(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
            return;
        }

        if (ngx_goim_handshake_input(hs, buf, n) != NGX_OK) {
            return;
        }
    }
}


/* The subrequest is over, or the connection takes more of the 101. */
static void
ngx_goim_handshake_write(ngx_http_request_t *r)
{
    ngx_goim_handshake_t  *hs;

    hs = ngx_goim_handshake_get(r->connection);

    if (r->connection->buffered
        && ngx_http_output_filter(r, NULL) == NGX_ERROR)
    {
        ngx_goim_handshake_end(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return;
    }

    if (!hs->done || hs->conn->state != NGX_GOIM_STATE_SUBREQUEST) {
        return;
    }

    (void) ngx_goim_auth_answer(hs, &hs->conn->id);

    ngx_goim_detach_start(hs);
}


ngx_int_t
ngx_goim_handshake_auth(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    ngx_goim_handshake_t  *hs;

    hs = gc->handshake;

    hs->ver = packet->ver;
    hs->seq = packet->seq;
    hs->reply = 1;

    gc->state = NGX_GOIM_STATE_SUBREQUEST;

    if (ngx_goim_auth_start(hs, packet->body) != NGX_OK) {
        ngx_goim_count(NGX_GOIM_AUTH_FAILED, 1);
        hs->close_code = GOIM_WS_CLOSE_TRY_LATER;
        ngx_goim_detach_start(hs);
    }

    return NGX_AGAIN;
}


/*
 * The request, its subrequests and the connection end at once, by nginx's own
 * way for a connection that must close.  Finalized, the request might run a
 * post_action: without what it knows of us, but with our timers.
 */
static void
ngx_goim_handshake_end(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (c->sent == 0) {

        /* on TCP nobody was told another one */

        r->headers_out.status = status;
    }

    c->close = 1;
    c->read->handler(c->read);
}


void
ngx_goim_handshake_last_word(ngx_goim_handshake_t *hs, ngx_uint_t code)
{
    u_char             frame[4];
    ngx_connection_t  *c;

    c = hs->request->connection;

    if (c->buffered || c->error || hs->conn->transport == NGX_GOIM_TCP) {
        return;
    }

    frame[0] = 0x80 | GOIM_WS_CLOSE;
    frame[1] = 2;
    frame[2] = (u_char) (code >> 8);
    frame[3] = (u_char) code;

    (void) c->send(c, frame, sizeof(frame));
}


static void
ngx_goim_handshake_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_goim_handshake_t  *hs;

    c = ev->data;
    hs = ngx_goim_handshake_get(c);

    if (hs->conn->state != NGX_GOIM_STATE_DETACH) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "goim handshake: client was not authenticated in time");
        ngx_goim_count(NGX_GOIM_AUTH_TIMEOUT, 1);
    }

    if (hs->conn->state == NGX_GOIM_STATE_AUTH) {
        hs->close_code = GOIM_WS_CLOSE_POLICY;
        ngx_goim_detach_start(hs);

        /* what keeps it from being detached gets as much time again */

        ngx_add_timer(ev, hs->conn->conf->handshake_timeout);
        return;
    }

    if (hs->conn->state == NGX_GOIM_STATE_SUBREQUEST) {

        /* the request ends with its subrequest */

        ngx_goim_handshake_last_word(hs, GOIM_WS_CLOSE_TRY_LATER);
    }

    ngx_goim_handshake_end(hs->request, NGX_HTTP_REQUEST_TIME_OUT);
}
