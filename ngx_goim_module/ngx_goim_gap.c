
/*
 * Gaps: clients that have asked for it are told, in the place where they are
 * missing, that messages of their room were skipped, and how many.
 */


#include "ngx_goim.h"


/* One notice (docs/protocol.md); messages 0: nobody knows how many. */
static u_char *
ngx_goim_gap_packet(u_char *p, ngx_uint_t transport, uint32_t messages)
{
    size_t  len;
    u_char  body[sizeof("{\"gap\":4294967295}")];

    len = ngx_sprintf(body, "{\"gap\":%uD}", messages) - body;

    if (transport != NGX_GOIM_TCP) {
        p += goim_ws_encode_header(p, GOIM_WS_BINARY,
                                   GOIM_PACKET_HEADER_LEN + len);
    }

    p = goim_packet_encode_header(p, GOIM_VERSION, GOIM_OP_NOTICE, 0, len);

    return ngx_cpymem(p, body, len);
}


size_t
ngx_goim_gap_notice(ngx_goim_conn_t *gc, ngx_goim_gap_t *gap, u_char *buf)
{
    u_char  *p;

    p = buf;

    if (gap->lost != gc->told) {
        p = ngx_goim_gap_packet(p, gc->transport, gap->lost - gc->told);
    }

    if ((uint8_t) gap->holes != gc->told_holes) {
        p = ngx_goim_gap_packet(p, gc->transport, 0);
    }

    return p - buf;
}


void
ngx_goim_gap_told(ngx_goim_conn_t *gc, ngx_goim_gap_t *gap)
{
    gc->told = gap->lost;
    gc->told_holes = (uint8_t) gap->holes;

    ngx_goim_count(NGX_GOIM_GAP_NOTICES, 1);
}


void
ngx_goim_gap_missed(void)
{
    uint32_t          i;
    ngx_uint_t        t;
    ngx_goim_room_t  *room, *next;

    for (i = 0; i < ngx_goim_room_table_size(); i++) {
        for (room = ngx_goim_room_bucket(i); room; room = next) {
            next = room->next;

            if (room->ngaps == 0) {
                continue;
            }

            for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
                room->logs[t].gap.holes++;
            }

            ngx_goim_sweep_room(room);
        }
    }
}
