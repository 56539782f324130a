
/*
 * limit_conn counts by a cleanup of the request's pool, so it would forget a
 * connection that leaves its request.  In goim locations its handler is given
 * the connection's pool instead, and counts until the connection ends.
 */


#include "ngx_goim.h"


static ngx_http_handler_pt  ngx_goim_limit_conn_next;


static ngx_int_t
ngx_goim_limit_conn_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_pool_t                *pool;
    ngx_pool_cleanup_t        *cln;
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_goim_module);

    if (ngx_goim_uplink_get(r)) {

        /* its client is counted already, and it is none */

        return NGX_DECLINED;
    }

    /* an HTTP/2 stream's pool is that of all, and it is never upgraded */

    if (glcf->enabled != 1 || r != r->main || r->stream) {
        return ngx_goim_limit_conn_next(r);
    }

    pool = r->pool;
    r->pool = r->connection->pool;
    cln = r->pool->cleanup;

    rc = ngx_goim_limit_conn_next(r);

    if (r->pool->cleanup != cln) {

        /* one request is counted, so there must not be a second one */

        r->keepalive = 0;
    }

    r->pool = pool;

    return rc;
}


/* By a request that is made for it: limits are by variables of one. */
void
ngx_goim_limit_conn_count(ngx_goim_conn_t *gc)
{
    ngx_pool_t             *pool;
    ngx_http_request_t     *r;
    ngx_http_connection_t   hc;

    gc->uncounted = 0;

    if (ngx_goim_limit_conn_next == NULL || gc->conf->core == NULL) {
        return;
    }

    r = ngx_goim_request_borrow(gc, &hc);
    if (r == NULL) {
        return;
    }

    r->loc_conf = gc->conf->core->loc_conf;

    pool = r->pool;
    r->pool = gc->connection->pool;

    (void) ngx_goim_limit_conn_next(r);

    r->pool = pool;

    ngx_goim_request_return(r, gc);
}


static ngx_http_module_t *
ngx_goim_limit_conn_module(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; cycle->modules[i]; i++) {
        if (ngx_strcmp(cycle->modules[i]->name, "ngx_http_limit_conn_module")
            == 0)
        {
            return cycle->modules[i]->ctx;
        }
    }

    return NULL;
}


/*
 * That handler has no name outside its module, which can be asked to push it
 * once more: what it pushes is its address.
 */
ngx_int_t
ngx_goim_limit_conn_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                  i, n;
    ngx_array_t                *handlers;
    ngx_http_module_t          *module;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    module = ngx_goim_limit_conn_module(cf->cycle);

    if (module == NULL || module->postconfiguration == NULL) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    handlers = &cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers;
    n = handlers->nelts;

    if (module->postconfiguration(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (handlers->nelts != n + 1) {
        return NGX_OK;
    }

    handlers->nelts = n;
    h = handlers->elts;

    for (i = 0; i < n; i++) {
        if (h[i] == h[n]) {
            ngx_goim_limit_conn_next = h[i];
            h[i] = ngx_goim_limit_conn_handler;
        }
    }

    return NGX_OK;
}
