
/*
 * Messages come back as they are: a build for conformance suites, which then
 * see the real framing (make WS_ECHO=1).  Empty in any other.
 */


#include "ngx_goim.h"


#if (NGX_GOIM_WS_ECHO)


void
ngx_goim_echo_warn(ngx_conf_t *cf)
{
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "this module only echoes: it was built with WS_ECHO=1");
}


ngx_int_t
ngx_goim_echo_message(ngx_goim_conn_t *gc, u_char *data, size_t len)
{
    u_char  *p;
    size_t   n;

    p = ngx_goim_out_reserve(&gc->out, GOIM_WS_MAX_SEND_HEADER + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = goim_ws_encode_header(p, gc->text ? GOIM_WS_TEXT : GOIM_WS_BINARY,
                              len);
    ngx_memcpy(p + n, data, len);

    gc->out->end += n + len;

    /* pongs behind it must not find the queue full */

    gc->out->saved += n + len;

    return NGX_OK;
}


#endif
