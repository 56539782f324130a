
/*
 * goim's TCP protocol: the accept handler of goim_tcp servers, the PROXY
 * header and TLS in front of it, and the request that is made for a connection
 * that never sends one.
 */


#include "ngx_goim.h"


/* the longest line of version 1, and what a header of version 2 begins with */
#define NGX_GOIM_LISTEN_PROXY_V1_MAX  107
#define NGX_GOIM_LISTEN_PROXY_V2_MIN  16


static void ngx_goim_listen_accept(ngx_connection_t *c);
static void ngx_goim_listen_proxy_handler(ngx_event_t *rev);
static ngx_int_t ngx_goim_listen_proxy_read(ngx_connection_t *c);
static ngx_uint_t ngx_goim_listen_proxy_is_cut(u_char *buf, size_t len);
static ngx_int_t ngx_goim_listen_proxy_keep(ngx_connection_t *c, size_t size);
static void ngx_goim_listen_begin(ngx_connection_t *c);
static void ngx_goim_listen_request(ngx_connection_t *c);
static ngx_int_t ngx_goim_listen_header_filter(ngx_http_request_t *r);

#if (NGX_HTTP_SSL)
static void ngx_goim_listen_ssl(ngx_connection_t *c);
static void ngx_goim_listen_ssl_handshake(ngx_connection_t *c);
static void ngx_goim_listen_ssl_event_handler(ngx_event_t *ev);
static void ngx_goim_listen_ssl_handler(ngx_connection_t *c);
#endif


static ngx_http_output_header_filter_pt  ngx_goim_listen_next_header_filter;


/*
 * What speaks TCP is an address, not a server name: the default server of the
 * "listen" decides, before a byte is read.
 */
static ngx_http_goim_srv_conf_t *
ngx_goim_listen_conf(ngx_http_connection_t *hc)
{
    ngx_http_core_srv_conf_t  *cscf;

    cscf = hc->addr_conf->default_server;

    return cscf->ctx->srv_conf[ngx_http_goim_module.ctx_index];
}


ngx_uint_t
ngx_goim_listen_is_tcp(ngx_http_request_t *r)
{
    ngx_http_connection_t  *hc;

    if (ngx_goim_uplink_get(r)) {
        return 0;
    }

    /* a subrequest has none of its own; QUIC's have no address */

    hc = r->main->http_connection;

    return hc && hc->addr_conf && ngx_goim_listen_conf(hc)->tcp_uri.len != 0;
}


/* Configuration */

static ngx_int_t
ngx_goim_listen_check_addr(ngx_conf_t *cf, ngx_http_conf_addr_t *addr,
    ngx_uint_t *used)
{
    ngx_uint_t                   i;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_goim_srv_conf_t    *gscf;

    cscfp = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        gscf = cscfp[i]->ctx->srv_conf[ngx_http_goim_module.ctx_index];

        if (gscf->tcp_uri.len == 0) {
            continue;
        }

        *used = 1;

        if (cscfp[i] != addr->default_server) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"goim_tcp\" in a server that is not the default "
                          "of its \"listen %V\": make it the only one there, "
                          "or its default_server", &addr->opt.addr_text);
            return NGX_ERROR;
        }

        if (addr->opt.http2
#if (nginx_version >= 1025000)
            || addr->opt.quic
#endif
           )
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"goim_tcp\" does not go with \"http2\" or "
                          "\"quic\" on \"listen %V\"", &addr->opt.addr_text);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_goim_listen_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                   i, k;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_goim_main_conf_t   *gmcf;

    /*
     * First, and for a configuration without TCP as well: after one that is
     * refused, workers of the running one may begin with these filters.
     */

    ngx_goim_listen_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_goim_listen_header_filter;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_goim_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (k = 0; k < port[i].addrs.nelts; k++) {
            if (ngx_goim_listen_check_addr(cf, &addr[k], &gmcf->tcp)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/*
 * Runs again in each cycle.  The listeners of stream, mail and QUIC have other
 * types in ls->servers and are left alone; so is every one of http that
 * another module has taken.
 */
void
ngx_goim_listen_init(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler == ngx_http_init_connection
            && ls[i].type == SOCK_STREAM)
        {
            ls[i].handler = ngx_goim_listen_accept;
        }
    }
}


/* Accepting */

static void
ngx_goim_listen_accept(ngx_connection_t *c)
{
    ngx_uint_t               ready;
    ngx_event_t             *rev;
    ngx_http_connection_t   *hc;

    rev = c->read;

    /* with "deferred" it would begin to parse HTTP at once */

    ready = rev->ready;
    rev->ready = 0;

    ngx_http_init_connection(c);

    if (c->fd == (ngx_socket_t) -1 || c->destroyed) {
        return;
    }

    rev->ready = ready;
    hc = c->data;

    if (ngx_goim_listen_conf(hc)->tcp_uri.len == 0) {

        /* HTTP on another address of the same socket */

        if (ready) {
            ngx_post_event(rev, &ngx_posted_events);
        }

        return;
    }

    if (hc->proxy_protocol) {
        rev->handler = ngx_goim_listen_proxy_handler;

        if (ready) {
            ngx_post_event(rev, &ngx_posted_events);
        }

        return;
    }

    ngx_goim_listen_begin(c);
}


static void
ngx_goim_listen_proxy_handler(ngx_event_t *rev)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = rev->data;

    if (rev->timedout || c->close) {
        ngx_http_close_connection(c);
        return;
    }

    rc = ngx_goim_listen_proxy_read(c);

    if (rc == NGX_OK) {
        ngx_goim_listen_begin(c);
        return;
    }

    if (rc == NGX_AGAIN) {
        rev->ready = 0;
        rc = ngx_handle_read_event(rev, 0);
    }

    if (rc != NGX_OK) {
        ngx_http_close_connection(c);
    }
}


/*
 * Reads no byte behind the header, since those are TLS's.  A header may come
 * in parts; all of what came of one that is not complete is kept.
 */
static ngx_int_t
ngx_goim_listen_proxy_read(ngx_connection_t *c)
{
    u_char   *p, buf[NGX_PROXY_PROTOCOL_MAX_HEADER];
    size_t    kept, size;
    ssize_t   n;

    for ( ;; ) {
        kept = 0;

        if (c->buffer) {
            kept = c->buffer->last - c->buffer->pos;
            ngx_memcpy(buf, c->buffer->pos, kept);
        }

        n = recv(c->fd, (char *) buf + kept, sizeof(buf) - kept, MSG_PEEK);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
            return NGX_AGAIN;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        if (!ngx_goim_listen_proxy_is_cut(buf, kept + n)) {
            break;
        }

        if (ngx_goim_listen_proxy_keep(c, n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    p = ngx_proxy_protocol_read(c, buf, buf + kept + n);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* it ends behind what was kept, since that alone was not complete */

    size = p - buf - kept;

    if (c->recv(c, buf, size) != (ssize_t) size) {
        return NGX_ERROR;
    }

    if (c->buffer) {
        ngx_pfree(c->pool, c->buffer->start);
        c->buffer = NULL;
    }

    return NGX_OK;
}


/* Whether it is the beginning of a header that more bytes may complete. */
static ngx_uint_t
ngx_goim_listen_proxy_is_cut(u_char *buf, size_t len)
{
    size_t  full;

    static u_char  v1[] = "PROXY ";
    static u_char  v2[] = "\r\n\r\n\0\r\nQUIT\n";

    if (ngx_memcmp(buf, v1, ngx_min(len, sizeof(v1) - 1)) == 0) {
        return len < NGX_GOIM_LISTEN_PROXY_V1_MAX
               && ngx_strlchr(buf, buf + len, LF) == NULL;
    }

    if (ngx_memcmp(buf, v2, ngx_min(len, sizeof(v2) - 1)) != 0) {
        return 0;
    }

    if (len < NGX_GOIM_LISTEN_PROXY_V2_MIN) {
        return 1;
    }

    full = NGX_GOIM_LISTEN_PROXY_V2_MIN
           + (buf[NGX_GOIM_LISTEN_PROXY_V2_MIN - 2] << 8)
           + buf[NGX_GOIM_LISTEN_PROXY_V2_MIN - 1];

    return len < full && full <= NGX_PROXY_PROTOCOL_MAX_HEADER;
}


static ngx_int_t
ngx_goim_listen_proxy_keep(ngx_connection_t *c, size_t size)
{
    ngx_buf_t  *b;

    if (c->buffer == NULL) {
        c->buffer = ngx_create_temp_buf(c->pool,
                                        NGX_PROXY_PROTOCOL_MAX_HEADER);
        if (c->buffer == NULL) {
            return NGX_ERROR;
        }
    }

    b = c->buffer;

    if (c->recv(c, b->last, size) != (ssize_t) size) {
        return NGX_ERROR;
    }

    b->last += size;

    return NGX_OK;
}


static void
ngx_goim_listen_begin(ngx_connection_t *c)
{
#if (NGX_HTTP_SSL)

    ngx_http_connection_t  *hc;

    hc = c->data;

    if (hc->ssl) {
        ngx_goim_listen_ssl(c);
        return;
    }

#endif

    ngx_goim_listen_request(c);
}


#if (NGX_HTTP_SSL)

static void
ngx_goim_listen_ssl(ngx_connection_t *c)
{
    ngx_http_connection_t    *hc;
    ngx_http_ssl_srv_conf_t  *sscf;

    hc = c->data;
    sscf = ngx_http_get_module_srv_conf(hc->conf_ctx, ngx_http_ssl_module);

    c->log->action = "SSL handshaking";

    if (ngx_tcp_nodelay(c) != NGX_OK
        || ngx_ssl_create_connection(&sscf->ssl, c, NGX_SSL_BUFFER) != NGX_OK)
    {
        ngx_http_close_connection(c);
        return;
    }

    ngx_reusable_connection(c, 0);

    ngx_goim_listen_ssl_handshake(c);
}


/* As nginx's own handler, which does not look at c->close. */
static void
ngx_goim_listen_ssl_event_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (ev->timedout || c->close) {
        ngx_http_close_connection(c);
        return;
    }

    ngx_goim_listen_ssl_handshake(c);
}


static void
ngx_goim_listen_ssl_handshake(ngx_connection_t *c)
{
    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->read->handler = ngx_goim_listen_ssl_event_handler;
        c->write->handler = ngx_goim_listen_ssl_event_handler;

        /* what a check of the certificate (OCSP) calls at its end */

        c->ssl->handler = ngx_goim_listen_ssl_handler;
        return;
    }

    ngx_goim_listen_ssl_handler(c);
}


static void
ngx_goim_listen_ssl_handler(ngx_connection_t *c)
{
    if (!c->ssl->handshaked) {
        ngx_http_close_connection(c);
        return;
    }

    c->ssl->no_wait_shutdown = 1;

    ngx_goim_listen_request(c);
}

#endif


/* The request */

static void
ngx_goim_listen_request(ngx_connection_t *c)
{
    ngx_goim_request_t      gr;
    ngx_http_request_t     *r;
    ngx_http_connection_t  *hc;

    hc = c->data;

    gr.method = NGX_HTTP_GET;
    ngx_str_set(&gr.method_name, "GET");
    gr.uri = ngx_goim_listen_conf(hc)->tcp_uri;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_reusable_connection(c, 0);

    /*
     * header_in must be empty but real: nginx looks into it when a refused
     * request might be kept alive
     */

    c->buffer = ngx_create_temp_buf(c->pool, 8);
    if (c->buffer == NULL) {
        ngx_http_close_connection(c);
        return;
    }

    r = ngx_http_create_request(c);
    if (r == NULL) {
        ngx_http_close_connection(c);
        return;
    }

    c->data = r;
    c->log->action = "accepting goim client";

    if (ngx_goim_request_fill(r, &gr) != NGX_OK) {
        ngx_http_free_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_close_connection(c);
        return;
    }

    ngx_http_process_request(r);

    /* else an auth_request would wait for the client's next byte */

    ngx_http_run_posted_requests(c);
}


/*
 * Responses are HTTP's, and mean nothing to a goim client: it is told by the
 * end of its connection.  The status stands in the access log.
 */
static ngx_int_t
ngx_goim_listen_header_filter(ngx_http_request_t *r)
{
    if (r != r->main || !ngx_goim_listen_is_tcp(r)) {
        return ngx_goim_listen_next_header_filter(r);
    }

    return NGX_ERROR;
}
