
/*
 * The auth subrequest: the token goes to the location that goim_auth names,
 * who the client is comes back in its answer's headers.
 */


#include "ngx_goim.h"


static ngx_int_t ngx_goim_auth_done(ngx_http_request_t *sr, void *data,
    ngx_int_t rc);


/* Headers of the handshake that must not reach the auth service. */
static ngx_uint_t
ngx_goim_auth_is_hidden(ngx_str_t *name)
{
    ngx_uint_t  i;

    static ngx_str_t  hidden[] = {
        ngx_string("connection"),
        ngx_string("upgrade"),
        ngx_string("content-length"),
        ngx_string("transfer-encoding"),
        ngx_string("x-real-ip"),
        ngx_null_string
    };

    for (i = 0; hidden[i].len; i++) {
        if (name->len == hidden[i].len
            && ngx_strncasecmp(name->data, hidden[i].data, name->len) == 0)
        {
            return 1;
        }
    }

    return (name->len > 14
            && ngx_strncasecmp(name->data, (u_char *) "sec-websocket-", 14)
               == 0)
           || (name->len > 7
               && ngx_strncasecmp(name->data, (u_char *) "x-goim-", 7) == 0);
}


/* The client's address goes behind those that its own proxies have added. */
static ngx_int_t
ngx_goim_auth_join(ngx_pool_t *pool, ngx_str_t *list, ngx_str_t *item)
{
    u_char  *p, *start;

    if (list->len == 0) {
        *list = *item;
        return NGX_OK;
    }

    start = ngx_pnalloc(pool, list->len + 2 + item->len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(start, list->data, list->len);
    p = ngx_cpymem(p, ", ", 2);
    p = ngx_cpymem(p, item->data, item->len);

    list->data = start;
    list->len = p - start;

    return NGX_OK;
}


static ngx_uint_t
ngx_goim_auth_header_is(ngx_table_elt_t *h, const char *name, size_t len)
{
    return h->key.len == len
           && ngx_strncasecmp(h->key.data, (u_char *) name, len) == 0;
}


/*
 * sr->headers_in is a copy of the parent's whose list is the parent's own: a
 * new list takes what may pass.
 */
static ngx_int_t
ngx_goim_auth_headers(ngx_http_request_t *sr, ngx_http_request_t *r)
{
    ngx_str_t          forwarded;
    ngx_uint_t         i;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *h, *copy;

    if (ngx_list_init(&sr->headers_in.headers, r->pool, 16,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&forwarded);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_goim_auth_is_hidden(&h[i].key)) {
                continue;
            }

            if (ngx_goim_auth_header_is(&h[i], "x-forwarded-for", 15)) {
                if (ngx_goim_auth_join(r->pool, &forwarded, &h[i].value)
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }

                continue;
            }

            copy = ngx_list_push(&sr->headers_in.headers);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = h[i];
        }
    }

    if (ngx_goim_auth_join(r->pool, &forwarded, &r->connection->addr_text)
        != NGX_OK
        || ngx_goim_request_header(sr, "X-Forwarded-For", "x-forwarded-for",
                                   &forwarded)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_goim_auth_start(ngx_goim_handshake_t *hs, goim_str_t token)
{
    ngx_http_request_t          *r, *sr;
    ngx_http_post_subrequest_t  *ps;

    r = hs->request;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_goim_auth_done;
    ps->data = hs;

    if (ngx_http_subrequest(r, &hs->conn->conf->auth_uri, NULL, &sr, ps,
                            NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sr->header_only = 1;
    sr->method = NGX_HTTP_POST;
    ngx_str_set(&sr->method_name, "POST");

    sr->headers_in.upgrade = NULL;
    sr->headers_in.connection = NULL;

    hs->subrequest = sr;

    /*
     * Once it exists, the subrequest runs: one that could not be filled is
     * ended by its own handlers, with an empty body at worst.
     */

    if (ngx_goim_auth_headers(sr, r) != NGX_OK
        || ngx_goim_request_body(sr, token.data, token.len) != NGX_OK
        || ngx_goim_request_client(sr, hs->conn->transport) != NGX_OK)
    {
        hs->close_code = GOIM_WS_CLOSE_TRY_LATER;
        return NGX_OK;
    }

    if (token.len) {
        hs->token.data = sr->request_body->bufs->buf->start;
        hs->token.len = token.len;
    }

    return NGX_OK;
}


/*
 * May run more than once, and before an end of the whole request, which it is
 * if the location failed in a way that nginx has no response for.
 */
static ngx_int_t
ngx_goim_auth_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_goim_handshake_t  *hs = data;

    hs->status = sr->headers_out.status;

    if ((rc == NGX_ERROR || rc == NGX_HTTP_CLOSE) && !hs->done
        && !sr->connection->error)
    {
        ngx_goim_count(NGX_GOIM_AUTH_FAILED, 1);
        ngx_goim_handshake_last_word(hs, GOIM_WS_CLOSE_TRY_LATER);
    }

    hs->done = 1;

    return rc;
}


/*
 * headers_out holds what proxy, fastcgi, return and njs alike have been
 * answered.
 */
static void
ngx_goim_auth_texts(ngx_http_request_t *sr, ngx_goim_identity_text_t *text)
{
    ngx_uint_t        i, k;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static struct {
        const char  *name;
        size_t       len;
        size_t       offset;
    } names[] = {

#define ngx_goim_auth_name(name, field)                                       \
    { name, sizeof(name) - 1, offsetof(ngx_goim_identity_text_t, field) }

        ngx_goim_auth_name("X-Goim-Mid", mid),
        ngx_goim_auth_name("X-Goim-Key", key),
        ngx_goim_auth_name("X-Goim-Room", room),
        ngx_goim_auth_name("X-Goim-Accepts", accepts),
        ngx_goim_auth_name("X-Goim-Conn", conn),
        ngx_goim_auth_name("X-Goim-Heartbeat", heartbeat),
        ngx_goim_auth_name("X-Goim-Features", features)

#undef ngx_goim_auth_name
    };

    ngx_memzero(text, sizeof(ngx_goim_identity_text_t));

    for (part = &sr->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0) {
                continue;
            }

            for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
                if (ngx_goim_auth_header_is(&h[i], names[k].name,
                                            names[k].len))
                {
                    *(ngx_str_t *) ((u_char *) text + names[k].offset) =
                        h[i].value;
                }
            }
        }
    }
}


/* Nobody can say who it is: whether it is let in all the same. */
static ngx_int_t
ngx_goim_auth_fallback(ngx_goim_handshake_t *hs, ngx_goim_identity_t **id)
{
    ngx_goim_identity_conf_t  *gic;

    gic = hs->conn->conf->fallback;

    if (gic == NULL || hs->status < NGX_HTTP_INTERNAL_SERVER_ERROR
        || ngx_goim_identity_eval(hs->request, gic, id) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_goim_count(NGX_GOIM_AUTH_FALLBACK, 1);

    return NGX_OK;
}


ngx_int_t
ngx_goim_auth_answer(ngx_goim_handshake_t *hs, ngx_goim_identity_t **id)
{
    ngx_connection_t          *c;
    ngx_goim_identity_text_t   text;

    c = hs->request->connection;

    if (hs->close_code) {
        ngx_goim_count(NGX_GOIM_AUTH_FAILED, 1);
        return NGX_DECLINED;
    }

    if (hs->status == NGX_HTTP_UNAUTHORIZED
        || hs->status == NGX_HTTP_FORBIDDEN)
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "goim auth: client was refused with %ui", hs->status);
        ngx_goim_count(NGX_GOIM_AUTH_REFUSED, 1);
        hs->close_code = GOIM_WS_CLOSE_POLICY;
        return NGX_DECLINED;
    }

    if (hs->status == NGX_HTTP_TOO_MANY_REQUESTS) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "goim auth: client was told to try later with %ui",
                      hs->status);
        ngx_goim_count(NGX_GOIM_AUTH_REFUSED, 1);
        hs->close_code = GOIM_WS_CLOSE_TRY_LATER;
        return NGX_DECLINED;
    }

    if (hs->status == NGX_HTTP_OK) {
        ngx_goim_auth_texts(hs->subrequest, &text);

        if (ngx_goim_identity_parse(&text, id, c->log) == NGX_OK) {
            ngx_goim_count(NGX_GOIM_AUTH_ACCEPTED, 1);
            return NGX_OK;
        }

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "goim auth: \"%V\" answered %ui, which is none of 200, "
                      "401, 403 and 429", &hs->conn->conf->auth_uri,
                      hs->status);

        if (ngx_goim_auth_fallback(hs, id) == NGX_OK) {
            return NGX_OK;
        }
    }

    ngx_goim_count(NGX_GOIM_AUTH_FAILED, 1);
    hs->close_code = GOIM_WS_CLOSE_TRY_LATER;

    return NGX_DECLINED;
}
