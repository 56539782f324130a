
/*
 * What a client's packet does (goim v2, requests and replies).  All replies
 * copy ver and seq.
 */


#include "ngx_goim.h"


/* The members of the connection's room, for op 3. */
static ngx_int_t
ngx_goim_op_heartbeat_reply(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    u_char    body[4];
    uint32_t  n;

    n = gc->room ? gc->room->nmembers : 0;

    body[0] = (u_char) (n >> 24);
    body[1] = (u_char) (n >> 16);
    body[2] = (u_char) (n >> 8);
    body[3] = (u_char) n;

    return ngx_goim_send_packet(gc, packet->ver, GOIM_OP_HEARTBEAT_REPLY,
                                packet->seq, body, sizeof(body));
}


static ngx_int_t
ngx_goim_op_reply(ngx_goim_conn_t *gc, const goim_packet_t *packet,
    int32_t op)
{
    return ngx_goim_send_packet(gc, packet->ver, op, packet->seq, NULL, 0);
}


static ngx_int_t
ngx_goim_op_open(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    switch (packet->op) {

    case GOIM_OP_HEARTBEAT:
        ngx_goim_heartbeat_touch(gc);
        return ngx_goim_op_heartbeat_reply(gc, packet);

    case GOIM_OP_HEARTBEAT_REPLY:
        return ngx_goim_op_heartbeat_reply(gc, packet);

    case GOIM_OP_AUTH:

        /* goim's clients always send one, known to goim_identity or not */

        return ngx_goim_op_reply(gc, packet, gc->conf->identity
                                             ? GOIM_OP_AUTH_REPLY
                                             : GOIM_OP_AUTH);

    default:
        return ngx_goim_op_reply(gc, packet, packet->op);
    }
}


ngx_int_t
ngx_goim_op_packet(ngx_goim_conn_t *gc, const goim_packet_t *packet,
    ngx_uint_t *code)
{
    if (gc->state == NGX_GOIM_STATE_OPEN) {
        *code = GOIM_WS_CLOSE_TRY_LATER;
        return ngx_goim_op_open(gc, packet);
    }

    /* before authentication everything else is discarded, as in goim */

    if (gc->state == NGX_GOIM_STATE_AUTH && packet->op == GOIM_OP_AUTH) {
        return ngx_goim_handshake_auth(gc, packet);
    }

    return NGX_OK;
}
