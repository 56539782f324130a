
/*
 * goim_access_log: a line when a detached connection ends, in nginx's own
 * formats.  The directive is that of nginx's log module, given a configuration
 * of its own; the line is written by that module's handler for a request which
 * is made for it.
 */


#include "ngx_goim.h"


extern ngx_module_t  ngx_http_log_module;


static ngx_http_handler_pt  ngx_goim_access_log_handler;


char *
ngx_goim_access_log_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_loc_conf_t  *glcf = conf;

    ngx_command_t      *c;
    ngx_http_module_t  *module;

    module = ngx_http_log_module.ctx;

    if (glcf->access_log == NULL) {
        glcf->access_log = module->create_loc_conf(cf);
        if (glcf->access_log == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (c = ngx_http_log_module.commands; c->name.len; c++) {
        if (ngx_strcmp(c->name.data, "access_log") == 0) {
            return c->set(cf, c, glcf->access_log);
        }
    }

    return "is not supported by this nginx";
}


/*
 * The location's configurations once more, with the log module's replaced;
 * called when those of the log module are merged already.
 */
char *
ngx_goim_access_log_merge(ngx_conf_t *cf, ngx_http_goim_loc_conf_t *glcf)
{
    void                      *llcf;
    char                      *rv;
    ngx_http_module_t         *module;
    ngx_http_core_loc_conf_t  *clcf;

    if (glcf->access_log == NULL) {
        return NGX_CONF_OK;
    }

    module = ngx_http_log_module.ctx;
    llcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_log_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    rv = module->merge_loc_conf(cf, llcf, glcf->access_log);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    glcf->log_conf = ngx_palloc(cf->pool,
                                sizeof(void *) * ngx_http_max_module);
    if (glcf->log_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(glcf->log_conf, clcf->loc_conf,
               sizeof(void *) * ngx_http_max_module);

    glcf->log_conf[ngx_http_log_module.ctx_index] = glcf->access_log;

    return NGX_CONF_OK;
}


/*
 * The log module's handler has no name outside of it, and in the phase others
 * may stand before it: Lua's puts itself first.  So the module is asked to
 * register it once more, in a configuration with nothing else in it.
 */
ngx_int_t
ngx_goim_access_log_postconfiguration(ngx_conf_t *cf)
{
    ngx_conf_t                  alone;
    ngx_array_t                *handlers;
    ngx_http_module_t          *module;
    ngx_http_conf_ctx_t         ctx;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    module = ngx_http_log_module.ctx;

    ngx_memzero(&ctx, sizeof(ngx_http_conf_ctx_t));

    alone = *cf;
    alone.ctx = &ctx;

    ctx.main_conf = ngx_pcalloc(cf->pool,
                                sizeof(void *) * ngx_http_max_module);
    cmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_core_main_conf_t));

    if (ctx.main_conf == NULL || cmcf == NULL) {
        return NGX_ERROR;
    }

    ctx.main_conf[ngx_http_core_module.ctx_index] = cmcf;
    ctx.main_conf[ngx_http_log_module.ctx_index]
        = module->create_main_conf(&alone);

    if (ctx.main_conf[ngx_http_log_module.ctx_index] == NULL) {
        return NGX_ERROR;
    }

    handlers = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (ngx_array_init(handlers, cf->pool, 1, sizeof(ngx_http_handler_pt))
        != NGX_OK
        || module->postconfiguration(&alone) != NGX_OK)
    {
        return NGX_ERROR;
    }

    h = handlers->elts;
    ngx_goim_access_log_handler = handlers->nelts ? h[0] : NULL;

    return NGX_OK;
}


/* As long as the connection has lasted: $request_time. */
static void
ngx_goim_access_log_set_start(ngx_http_request_t *r)
{
    ngx_msec_t  lasted;

    lasted = ngx_current_msec - r->connection->start_time;

    if (r->start_msec < lasted % 1000) {
        r->start_sec--;
        r->start_msec += 1000;
    }

    r->start_sec -= lasted / 1000;
    r->start_msec -= lasted % 1000;
}


void
ngx_goim_access_log_write(ngx_goim_conn_t *gc)
{
    ngx_goim_ctx_t             ctx;
    ngx_http_request_t        *r;
    ngx_http_connection_t      hc;
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = gc->conf;

    if (glcf->log_conf == NULL || ngx_goim_access_log_handler == NULL) {
        return;
    }

    r = ngx_goim_request_borrow(gc, &hc);
    if (r == NULL) {
        return;
    }

    ctx.handshake = NULL;
    ctx.conn = gc;
    ngx_http_set_ctx(r, &ctx, ngx_http_goim_module);

    r->loc_conf = glcf->log_conf;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_goim_access_log_set_start(r);

    (void) ngx_goim_access_log_handler(r);

    ngx_goim_request_return(r, gc);
}
