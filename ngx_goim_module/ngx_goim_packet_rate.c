
/*
 * How many packets a client may send: one that is faster is read from more
 * slowly, so that it is its own socket that fills.
 */


#include "ngx_goim.h"


#define NGX_GOIM_PACKET_RATE_MAX  100000


char *
ngx_goim_packet_rate_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_goim_loc_conf_t  *glcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (glcf->packet_rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        glcf->packet_rate = 0;
        glcf->packet_burst = 1;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > NGX_GOIM_PACKET_RATE_MAX) {
        return "takes packets per second, between 1 and 100000, or \"off\"";
    }

    glcf->packet_rate = n;
    glcf->packet_burst = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = NGX_ERROR;

    if (ngx_strncmp(value[2].data, "burst=", 6) == 0) {
        n = ngx_atoi(value[2].data + 6, value[2].len - 6);
    }

    if (n < 1 || n > NGX_GOIM_PACKET_RATE_MAX) {
        return "takes a \"burst=\" between 1 and 100000 packets";
    }

    glcf->packet_burst = n;

    return NGX_CONF_OK;
}


/*
 * Until a tenth of a second's packets may be taken, or the burst: a wake-up
 * for each would cost more than they do.
 */
static void
ngx_goim_packet_rate_pause(ngx_goim_conn_t *gc, uint64_t early)
{
    uint64_t                   n;
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = gc->conf;

    n = ngx_min(glcf->packet_rate / 10, glcf->packet_burst);
    early += (n ? n - 1 : 0) * 1000000 / glcf->packet_rate;

    gc->paused = 1;
    ngx_add_timer(gc->connection->read, early / 1000 + 1);

    ngx_goim_count(NGX_GOIM_RATE_PAUSES, 1);
}


ngx_int_t
ngx_goim_packet_rate_take(ngx_goim_conn_t *gc)
{
    uint64_t                   now, one, burst;
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = gc->conf;

    if (glcf->packet_rate == 0 || gc->state != NGX_GOIM_STATE_OPEN) {
        return NGX_OK;
    }

    now = (uint64_t) ngx_current_msec * 1000;
    one = 1000000 / glcf->packet_rate;
    burst = (glcf->packet_burst - 1) * one;

    if (gc->rate_time > now + burst) {
        ngx_goim_packet_rate_pause(gc, gc->rate_time - now - burst);
        return NGX_AGAIN;
    }

    gc->rate_time = ngx_max(gc->rate_time, now) + one;

    return NGX_OK;
}


ngx_uint_t
ngx_goim_packet_rate_is_paused(ngx_goim_conn_t *gc)
{
    ngx_event_t  *rev;

    rev = gc->connection->read;

    if (rev->timedout) {
        rev->timedout = 0;
        gc->paused = 0;
    }

    return gc->paused;
}
