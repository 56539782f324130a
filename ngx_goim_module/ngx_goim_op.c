
/*
 * What a client's packet does (goim v2, requests and replies).  All replies
 * copy ver and seq.
 */


#include "ngx_goim.h"


/* With the members of the connection's room. */
static ngx_int_t
ngx_goim_op_heartbeat_reply(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    u_char    body[4];
    uint64_t  n;

    n = gc->room ? ngx_goim_session_online(gc->room) : 0;
    n = ngx_min(n, INT32_MAX);

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


/* Some replies bring the request's body back. */
static ngx_int_t
ngx_goim_op_echo(ngx_goim_conn_t *gc, const goim_packet_t *packet, int32_t op)
{
    return ngx_goim_send_packet(gc, packet->ver, op, packet->seq,
                                packet->body.data, packet->body.len);
}


/*
 * Another room, or with an empty body none; the reply is the same if the name
 * is none or the room full, and the connection stays where it is, as it does
 * in its own room.
 */
static ngx_int_t
ngx_goim_op_change_room(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    ngx_str_t         name;
    ngx_goim_room_t  *room;

    name.data = (u_char *) packet->body.data;
    name.len = packet->body.len;

    room = gc->room;

    if (name.len
        && (goim_room_name_check(name.data, name.len) != GOIM_OK
            || (room && room->name_len == name.len
                && ngx_memcmp(room->name, name.data, name.len) == 0)
            || !ngx_goim_room_admits(&name)))
    {
        return ngx_goim_op_echo(gc, packet, GOIM_OP_CHANGE_ROOM_REPLY);
    }

    /* the old room's messages as far as they can be sent, then no more */

    if (ngx_goim_conn_flush(gc) == NGX_DONE) {
        return NGX_DONE;
    }

    if (ngx_goim_send_settle(gc) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_goim_room_leave(gc);

    if (name.len && ngx_goim_room_join(gc, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_goim_op_echo(gc, packet, GOIM_OP_CHANGE_ROOM_REPLY);
}


/* A malformed list changes nothing, and the reply is the same. */
static ngx_int_t
ngx_goim_op_subscribe(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    ngx_str_t   text;
    ngx_uint_t  add;

    text.data = (u_char *) packet->body.data;
    text.len = packet->body.len;

    add = packet->op == GOIM_OP_SUB;

    if (ngx_goim_identity_change(&gc->id, &text, add, gc->connection->log)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    return ngx_goim_op_echo(gc, packet, add ? GOIM_OP_SUB_REPLY
                                            : GOIM_OP_UNSUB_REPLY);
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

    case GOIM_OP_SEND:
        return gc->conf->publish_uri.len
               ? ngx_goim_publish(gc, packet)
               : ngx_goim_op_reply(gc, packet, packet->op);

    case GOIM_OP_CHANGE_ROOM:
        return ngx_goim_op_change_room(gc, packet);

    case GOIM_OP_SUB:
    case GOIM_OP_UNSUB:
        return ngx_goim_op_subscribe(gc, packet);

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
