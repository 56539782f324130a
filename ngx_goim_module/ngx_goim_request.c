
/*
 * Requests that no client has sent: what nginx's phases look at in a parsed
 * one, header entries, and a body in memory; and what their connections have
 * from nginx otherwise.
 */


#include "ngx_goim.h"


ngx_int_t
ngx_goim_request_fill(ngx_http_request_t *r, ngx_goim_request_t *gr)
{
    u_char  *p;
    size_t   len;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 12,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* for logs: what it would have been */

    len = gr->method_name.len + 1 + gr->uri.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->request_line.len = len;
    r->request_line.data = p;
    p = ngx_cpymem(p, gr->method_name.data, gr->method_name.len);
    *p++ = ' ';
    ngx_memcpy(p, gr->uri.data, gr->uri.len);

    r->method = gr->method;
    r->method_name = gr->method_name;
    ngx_str_set(&r->http_protocol, "goim");

    r->uri = gr->uri;
    r->unparsed_uri = gr->uri;
    r->valid_unparsed_uri = 1;

    r->headers_in.connection_type = NGX_HTTP_CONNECTION_CLOSE;
    r->keepalive = 0;
    r->lingering_close = 0;

    ngx_http_set_exten(r);

    return NGX_OK;
}


ngx_table_elt_t *
ngx_goim_request_header(ngx_http_request_t *r, const char *name,
    const char *lower, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->lowcase_key = (u_char *) lower;
    h->hash = ngx_hash_key(h->lowcase_key, h->key.len);
    h->value = *value;

    return h;
}


/*
 * One buffer in memory; start == pos, since a retry on another upstream
 * server sets pos back to start.
 */
static ngx_int_t
ngx_goim_request_buffer(ngx_http_request_t *r, const u_char *data, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_create_temp_buf(r->pool, len);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, data, len);
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    r->request_body->bufs = cl;
    r->request_body->buf = b;

    return NGX_OK;
}


ngx_int_t
ngx_goim_request_body(ngx_http_request_t *r, const u_char *data, size_t len)
{
    u_char     *p;
    ngx_str_t   value;

    r->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);

    if (r->request_body == NULL || p == NULL) {
        return NGX_ERROR;
    }

    if (len && ngx_goim_request_buffer(r, data, len) != NGX_OK) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%uz", len) - p;

    r->headers_in.content_length_n = len;
    r->headers_in.content_length = ngx_goim_request_header(r,
                                                           "Content-Length",
                                                           "content-length",
                                                           &value);

    return r->headers_in.content_length ? NGX_OK : NGX_ERROR;
}


/* Which connection, on which comet. */
ngx_int_t
ngx_goim_request_client(ngx_http_request_t *r, ngx_uint_t transport)
{
    ngx_str_t  *names;

    names = ngx_goim_transport_names;

    if (ngx_goim_request_header(r, "X-Real-IP", "x-real-ip",
                                &r->connection->addr_text)
        == NULL
        || ngx_goim_request_header(r, "X-Goim-Server", "x-goim-server",
                                   &ngx_goim_worker.conf->server_id)
           == NULL
        || ngx_goim_request_header(r, "X-Goim-Transport", "x-goim-transport",
                                   &names[transport])
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Of a connection */

static u_char *
ngx_goim_request_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char              *p;
    ngx_http_log_ctx_t  *ctx;

    p = buf;
    ctx = log->data;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    p = ngx_snprintf(buf, len, ", client: %V", &ctx->connection->addr_text);
    len -= p - buf;

    if (ctx->request) {
        p = ctx->request->log_handler(ctx->request, ctx->current_request, p,
                                      len);
    }

    return p;
}


ngx_int_t
ngx_goim_request_set_log(ngx_connection_t *c, ngx_log_t *base, char *action)
{
    ngx_log_t           *log;
    ngx_http_log_ctx_t  *ctx;

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    ctx = ngx_palloc(c->pool, sizeof(ngx_http_log_ctx_t));

    if (log == NULL || ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->connection = c;
    ctx->request = NULL;
    ctx->current_request = NULL;

    *log = *base;
    log->connection = c->number;
    log->handler = ngx_goim_request_log_error;
    log->data = ctx;
    log->action = action;

    c->log = log;
    c->pool->log = log;
    c->read->log = log;
    c->write->log = log;

    return NGX_OK;
}


ngx_http_request_t *
ngx_goim_request_borrow(ngx_goim_conn_t *gc, ngx_http_connection_t *hc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = gc->connection;

    ngx_memzero(hc, sizeof(ngx_http_connection_t));
    hc->conf_ctx = gc->conf->server_ctx;

    c->data = hc;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        c->data = gc;
        return NULL;
    }

    /* it is none to be counted */

    c->requests--;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_requests, -1);
#endif

    return r;
}


void
ngx_goim_request_return(ngx_http_request_t *r, ngx_goim_conn_t *gc)
{
    ngx_connection_t  *c;

    c = gc->connection;

    r->logged = 1;
    ngx_http_free_request(r, 0);

    c->destroyed = 0;
    c->data = gc;
    c->log->action = "serving goim client";

    /* the request had its server's */

    ngx_set_connection_log(c, gc->conf->core->error_log);
}
