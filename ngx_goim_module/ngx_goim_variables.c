
/*
 * The $goim_... variables: who a connection is, and how it went.
 */


#include "ngx_goim.h"


/* what ngx_goim_variables_count() tells */
#define NGX_GOIM_VARIABLES_SENT     0
#define NGX_GOIM_VARIABLES_DROPPED  1


static ngx_int_t ngx_goim_variables_key(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_mid(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_room(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_transport(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_close_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_count(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_goim_variables_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* clang-format off */
static ngx_http_variable_t  ngx_goim_variables[] = {

    { ngx_string("goim_key"), NULL, ngx_goim_variables_key,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_mid"), NULL, ngx_goim_variables_mid,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_room"), NULL, ngx_goim_variables_room,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_transport"), NULL, ngx_goim_variables_transport,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_token"), NULL, ngx_goim_variables_token,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_close_reason"), NULL, ngx_goim_variables_close_reason,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_sent"), NULL, ngx_goim_variables_count,
      NGX_GOIM_VARIABLES_SENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("goim_dropped"), NULL, ngx_goim_variables_count,
      NGX_GOIM_VARIABLES_DROPPED, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};
/* clang-format on */


ngx_int_t
ngx_goim_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_goim_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* The connection that a request is about, if it is one of this worker's. */
static ngx_goim_conn_t *
ngx_goim_variables_conn(ngx_http_request_t *r)
{
    ngx_goim_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_goim_module);

    return ctx ? ctx->conn : NULL;
}


/* NGX_DECLINED: nobody, or not known yet. */
static ngx_int_t
ngx_goim_variables_client(ngx_http_request_t *r, ngx_goim_client_t *client)
{
    ngx_goim_conn_t    *gc;
    ngx_goim_uplink_t  *up;

    up = ngx_goim_uplink_get(r);

    if (up) {
        *client = up->client;
        return up->client.key.len ? NGX_OK : NGX_DECLINED;
    }

    gc = ngx_goim_variables_conn(r);

    if (gc == NULL || gc->id == NULL) {
        return NGX_DECLINED;
    }

    ngx_goim_conn_client(gc, client);

    return NGX_OK;
}


static void
ngx_goim_variables_set(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value->data;
    v->len = value->len;
}


static ngx_int_t
ngx_goim_variables_set_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t n)
{
    u_char     *p;
    ngx_str_t   text;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;
    text.len = ngx_goim_identity_print_mid(p, n) - p;

    ngx_goim_variables_set(v, &text);

    return NGX_OK;
}


static ngx_int_t
ngx_goim_variables_key(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_goim_client_t  client;

    if (ngx_goim_variables_client(r, &client) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_goim_variables_set(v, &client.key);

    return NGX_OK;
}


static ngx_int_t
ngx_goim_variables_mid(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_goim_client_t  client;

    if (ngx_goim_variables_client(r, &client) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_goim_variables_set_number(r, v, client.mid);
}


static ngx_int_t
ngx_goim_variables_room(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_goim_client_t  client;

    if (ngx_goim_variables_client(r, &client) != NGX_OK
        || client.room.len == 0)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_goim_variables_set(v, &client.room);

    return NGX_OK;
}


/* Known from the start, for conditions in access phases. */
static ngx_int_t
ngx_goim_variables_transport(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                 transport;
    ngx_goim_client_t          client;
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r->main, ngx_http_goim_module);

    if (ngx_goim_variables_client(r, &client) == NGX_OK) {
        transport = client.transport;

    } else if (ngx_goim_listen_is_tcp(r)) {
        transport = NGX_GOIM_TCP;

    } else if (glcf->enabled == 1) {
        transport = NGX_GOIM_WEBSOCKET;

    } else {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_goim_variables_set(v, &ngx_goim_transport_names[transport]);

    return NGX_OK;
}


static ngx_int_t
ngx_goim_variables_close_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t         name;
    ngx_goim_conn_t  *gc;

    gc = ngx_goim_variables_conn(r);

    if (gc == NULL || gc->state != NGX_GOIM_STATE_CLOSED) {
        v->not_found = 1;
        return NGX_OK;
    }

    name.data = (u_char *) ngx_goim_status_reason(gc->reason);
    name.len = ngx_strlen(name.data);

    ngx_goim_variables_set(v, &name);

    return NGX_OK;
}


static ngx_int_t
ngx_goim_variables_count(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    uint32_t          n;
    ngx_goim_conn_t  *gc;

    gc = ngx_goim_variables_conn(r);

    if (gc == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    n = data == NGX_GOIM_VARIABLES_SENT
        ? gc->sent
        : ngx_goim_conn_skipped(gc, NGX_GOIM_SKIPS);

    return ngx_goim_variables_set_number(r, v, n);
}


/* While the connection has its request, from the auth packet on. */
static ngx_int_t
ngx_goim_variables_token(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_goim_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_goim_module);

    if (ctx == NULL || ctx->handshake == NULL
        || ctx->handshake->token.len == 0)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_goim_variables_set(v, &ctx->handshake->token);

    return NGX_OK;
}
