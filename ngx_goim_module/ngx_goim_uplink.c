
/*
 * Requests of the worker's own towards logic: client messages, session
 * reports.  Each runs on a carrier, a connection that leads nowhere, through
 * nginx's phases to an internal location; what the location answers is kept
 * instead of sent.
 */


#include "ngx_goim.h"


/* In the carrier's pool, and found from its request; hc comes first. */
typedef struct {
    ngx_http_connection_t   hc;
    ngx_http_addr_conf_t    addr_conf;
    ngx_goim_uplink_t      *uplink;
} ngx_goim_uplink_carrier_t;


static ssize_t ngx_goim_uplink_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_goim_uplink_send(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_chain_t *ngx_goim_uplink_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static void ngx_goim_uplink_cleanup(void *data);
static void ngx_goim_uplink_done_handler(ngx_event_t *ev);
static ngx_int_t ngx_goim_uplink_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_goim_uplink_access_handler(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_goim_uplink_next_header_filter;

static ngx_socket_t  ngx_goim_uplink_fd = (ngx_socket_t) -1;


ngx_goim_uplink_t *
ngx_goim_uplink_get(ngx_http_request_t *r)
{
    ngx_goim_uplink_carrier_t  *carrier;

    /* an internal redirect clears a request's contexts, not its connection */

    if (r->connection->send_chain != ngx_goim_uplink_send_chain) {
        return NULL;
    }

    carrier = (ngx_goim_uplink_carrier_t *) r->main->http_connection;

    return carrier->uplink;
}


/* Configuration */

ngx_int_t
ngx_goim_uplink_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_goim_uplink_access_handler;

    ngx_goim_uplink_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_goim_uplink_header_filter;

    return NGX_OK;
}


/* Access was decided when the client connected, as it is for subrequests. */
static ngx_int_t
ngx_goim_uplink_access_handler(ngx_http_request_t *r)
{
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_goim_uplink_get(r)) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
        ph = cmcf->phase_engine.handlers;

        /* declining goes to the next handler: that of the next phase */

        r->phase_handler = ph[r->phase_handler].next - 1;
    }

    return NGX_DECLINED;
}


/* The status is kept, and what is sent is the body alone. */
static ngx_int_t
ngx_goim_uplink_header_filter(ngx_http_request_t *r)
{
    ngx_goim_uplink_t  *up;

    up = ngx_goim_uplink_get(r);

    if (r != r->main || up == NULL) {
        return ngx_goim_uplink_next_header_filter(r);
    }

    up->status = r->headers_out.status;

    r->header_sent = 1;

    /* files are read, with "sendfile on" as well */

    r->filter_need_in_memory = 1;

    return NGX_OK;
}


/* The carrier */

/*
 * A socket that is connected to nothing: what nginx may do to a client's fd
 * fails as it does for one that has gone.  A local one would shut down without
 * an error, and a lingering close wait for its other end.
 */
ngx_int_t
ngx_goim_uplink_init(ngx_log_t *log)
{
    ngx_goim_uplink_fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (ngx_goim_uplink_fd == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_socket_errno,
                      "goim uplink: socket() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ssize_t
ngx_goim_uplink_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_goim_uplink_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->sent += size;

    return size;
}


/* What does not fit is cut, and the answer is none. */
static void
ngx_goim_uplink_keep(ngx_goim_uplink_t *up, u_char *data, size_t len)
{
    if (len == 0 || up->cut) {
        return;
    }

    if (len > up->max - up->answer_len
        || ngx_goim_out_append(&up->answer, data, len) != NGX_OK)
    {
        up->cut = 1;
        return;
    }

    up->answer_len += len;
}


static ngx_chain_t *
ngx_goim_uplink_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    off_t                size;
    ngx_chain_t         *cl;
    ngx_goim_uplink_t   *up;
    ngx_http_request_t  *r;

    r = c->data;
    up = ngx_goim_uplink_get(r);
    size = 0;

    for (cl = in; cl; cl = cl->next) {

        if (ngx_buf_in_memory(cl->buf)) {
            ngx_goim_uplink_keep(up, cl->buf->pos,
                                 cl->buf->last - cl->buf->pos);
        }

        up->whole |= cl->buf->last_buf;

        size += ngx_buf_size(cl->buf);
    }

    c->sent += size;

    return ngx_chain_update_sent(in, size);
}


static ngx_int_t
ngx_goim_uplink_copy_addr(ngx_pool_t *pool, struct sockaddr **dst,
    struct sockaddr *src, socklen_t len)
{
    *dst = ngx_palloc(pool, len);
    if (*dst == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(*dst, src, len);

    return NGX_OK;
}


/* The client's addresses, or those of a connection from this host. */
static ngx_int_t
ngx_goim_uplink_set_addr(ngx_connection_t *c, ngx_connection_t *from)
{
    static struct sockaddr_in  loopback;

    if (from == NULL) {
        loopback.sin_family = AF_INET;
        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

        c->sockaddr = (struct sockaddr *) &loopback;
        c->socklen = sizeof(loopback);
        c->local_sockaddr = (struct sockaddr *) &loopback;
        c->local_socklen = sizeof(loopback);
        ngx_str_set(&c->addr_text, "127.0.0.1");

        return NGX_OK;
    }

    c->socklen = from->socklen;
    c->local_socklen = from->local_socklen;
    c->addr_text.len = from->addr_text.len;
    c->addr_text.data = ngx_pstrdup(c->pool, &from->addr_text);

    if (c->addr_text.data == NULL
        || ngx_goim_uplink_copy_addr(c->pool, &c->sockaddr, from->sockaddr,
                                     from->socklen)
           != NGX_OK
        || ngx_goim_uplink_copy_addr(c->pool, &c->local_sockaddr,
                                     from->local_sockaddr,
                                     from->local_socklen)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_connection_t *
ngx_goim_uplink_connection(void)
{
    ngx_socket_t       fd;
    ngx_connection_t  *c;

    if (ngx_cycle->free_connection_n == 0) {

        /* nginx would call it an alert */

        return NULL;
    }

    fd = fcntl(ngx_goim_uplink_fd, F_DUPFD_CLOEXEC, 0);
    if (fd == (ngx_socket_t) -1) {
        return NULL;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        (void) ngx_close_socket(fd);
        return NULL;
    }

    c->pool = ngx_create_pool(1024, ngx_cycle->log);
    if (c->pool == NULL) {
        ngx_close_connection(c);
        return NULL;
    }

    return c;
}


/*
 * Active and not ready for the read side, both for the write side: whichever
 * way nginx asks for events, nothing is ever registered.
 */
static void
ngx_goim_uplink_set_events(ngx_connection_t *c)
{
    c->read->active = 1;
    c->read->ready = 0;

    c->write->active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
    c->write->ready = 1;

    c->recv = ngx_goim_uplink_recv;
    c->send = ngx_goim_uplink_send;
    c->send_chain = ngx_goim_uplink_send_chain;

    /* an answer without it has broken off */

    c->need_last_buf = 1;

    c->type = SOCK_STREAM;
    c->log_error = NGX_ERROR_INFO;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
}


static ngx_int_t
ngx_goim_uplink_fill_connection(ngx_connection_t *c, ngx_goim_uplink_t *up,
    ngx_goim_uplink_request_t *ur)
{
    ngx_goim_uplink_carrier_t  *carrier;

    carrier = ngx_pcalloc(c->pool, sizeof(ngx_goim_uplink_carrier_t));

    /* empty but real: nginx looks into it */

    c->buffer = ngx_create_temp_buf(c->pool, 8);

    if (carrier == NULL || c->buffer == NULL
        || ngx_goim_uplink_set_addr(c, ur->from) != NGX_OK)
    {
        return NGX_ERROR;
    }

    carrier->uplink = up;
    carrier->hc.conf_ctx = ur->ctx;
    carrier->hc.addr_conf = &carrier->addr_conf;
    carrier->addr_conf.default_server =
        ngx_http_get_module_srv_conf(ur->ctx, ngx_http_core_module);

    c->data = &carrier->hc;

    return NGX_OK;
}


/* The request */

static ngx_int_t
ngx_goim_uplink_client_headers(ngx_http_request_t *r, ngx_goim_uplink_t *up)
{
    u_char     *p;
    ngx_str_t   mid;

    if (up->client.key.len == 0) {
        return ngx_goim_request_header(r, "X-Goim-Server", "x-goim-server",
                                       &ngx_goim_worker.conf->server_id)
               ? NGX_OK : NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    mid.data = p;
    mid.len = ngx_goim_identity_print_mid(p, up->client.mid) - p;

    if (ngx_goim_request_client(r, up->client.transport) != NGX_OK
        || ngx_goim_request_header(r, "X-Goim-Key", "x-goim-key",
                                   &up->client.key)
           == NULL
        || ngx_goim_request_header(r, "X-Goim-Mid", "x-goim-mid", &mid)
           == NULL
        || ngx_goim_request_header(r, "X-Goim-Room", "x-goim-room",
                                   &up->client.room)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_goim_uplink_fill_request(ngx_http_request_t *r, ngx_goim_uplink_t *up,
    ngx_goim_uplink_request_t *ur)
{
    ngx_goim_request_t   gr;
    ngx_pool_cleanup_t  *cln;

    gr.method = NGX_HTTP_POST;
    ngx_str_set(&gr.method_name, "POST");
    gr.uri = ur->uri;

    if (ngx_goim_request_fill(r, &gr) != NGX_OK
        || ngx_goim_uplink_client_headers(r, up) != NGX_OK
        || ngx_goim_request_body(r, ur->body, ur->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_in.content_type = ngx_goim_request_header(r, "Content-Type",
                                                         "content-type",
                                                         &ur->type);

    /* the pool's: a request that is blocked (by a thread) outlives its own */

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (r->headers_in.content_type == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    /* counted until the cleanup */

    ngx_goim_count(NGX_GOIM_UPLINKS, 1);

    cln->handler = ngx_goim_uplink_cleanup;
    cln->data = up;

    up->request = r;
    r->internal = 1;

    return NGX_OK;
}


static void
ngx_goim_uplink_run(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_process_request(r);
    ngx_http_run_posted_requests(c);
}


/* One piece of memory: the struct, and copies of key and room. */
static ngx_goim_uplink_t *
ngx_goim_uplink_create(ngx_goim_uplink_request_t *ur)
{
    u_char             *p;
    ngx_goim_uplink_t  *up;
    ngx_goim_client_t   none;

    ngx_memzero(&none, sizeof(ngx_goim_client_t));

    if (ur->client == NULL) {
        ur->client = &none;
    }

    up = ngx_calloc(sizeof(ngx_goim_uplink_t) + ur->client->key.len
                    + ur->client->room.len, ngx_cycle->log);
    if (up == NULL) {
        return NULL;
    }

    up->client = *ur->client;
    up->max = ur->max;
    up->done = ur->done;

    p = (u_char *) (up + 1);

    up->client.key.data = p;
    p = ngx_cpymem(p, ur->client->key.data, ur->client->key.len);
    up->client.room.data = p;
    ngx_memcpy(p, ur->client->room.data, ur->client->room.len);

    return up;
}


ngx_goim_uplink_t *
ngx_goim_uplink_start(ngx_goim_uplink_request_t *ur)
{
    ngx_connection_t    *c;
    ngx_goim_uplink_t   *up;
    ngx_http_request_t  *r;

    up = ngx_goim_uplink_create(ur);
    if (up == NULL) {
        return NULL;
    }

    c = ngx_goim_uplink_connection();
    if (c == NULL) {
        goto failed;
    }

    /* from here on ngx_http_close_connection() ends it, and counts */

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    ngx_goim_uplink_set_events(c);

    if (ngx_goim_request_set_log(c, ngx_cycle->log, "asking logic") != NGX_OK
        || ngx_goim_uplink_fill_connection(c, up, ur) != NGX_OK)
    {
        goto close;
    }

    r = ngx_http_create_request(c);
    if (r == NULL) {
        goto close;
    }

    c->data = r;

    if (ngx_goim_uplink_fill_request(r, up, ur) != NGX_OK) {
        r->logged = 1;
        ngx_http_free_request(r, 0);
        goto close;
    }

    ngx_goim_uplink_run(r);

    return up;

close:

    ngx_http_close_connection(c);

failed:

    ngx_free(up);

    return NULL;
}


void
ngx_goim_uplink_end(ngx_goim_uplink_t *up)
{
    ngx_connection_t  *c;

    if (up->request == NULL) {
        return;
    }

    c = up->request->connection;

    /* as nginx does after worker_shutdown_timeout */

    c->close = 1;
    c->error = 1;

    c->read->handler(c->read);
}


/*
 * The request ends.  It may do so before ngx_goim_uplink_start() has returned,
 * so what its answer leads to waits for its own turn.
 */
static void
ngx_goim_uplink_cleanup(void *data)
{
    ngx_goim_uplink_t  *up = data;

    ngx_http_request_t  *r;

    r = up->request;

    if (!up->whole) {
        up->status = r->headers_out.status >= NGX_HTTP_BAD_REQUEST
                     ? r->headers_out.status : 0;
    }

    up->request = NULL;

    up->event.handler = ngx_goim_uplink_done_handler;
    up->event.data = ngx_goim_worker.pipe;
    up->event.log = ngx_cycle->log;

    ngx_post_event(&up->event, &ngx_posted_events);
}


static void
ngx_goim_uplink_done_handler(ngx_event_t *ev)
{
    ngx_goim_uplink_t  *up;

    up = (ngx_goim_uplink_t *)
             ((u_char *) ev - offsetof(ngx_goim_uplink_t, event));

    ngx_goim_count(NGX_GOIM_UPLINKS, (uint64_t) -1);

    up->done(up);

    ngx_goim_out_free(&up->answer);
    ngx_free(up);
}
