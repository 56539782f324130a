
/*
 * Bytes to packets: a stream of them on TCP; on WebSocket frames, fragments,
 * control frames.  Who sent nothing incomplete holds no buffer.
 */


#include "ngx_goim.h"


static ngx_int_t ngx_goim_read_frames(ngx_goim_conn_t *gc, u_char *data,
    size_t *len, ngx_uint_t *code);
static ngx_int_t ngx_goim_read_packets(ngx_goim_conn_t *gc, u_char *data,
    size_t *len, ngx_uint_t *code);


static ngx_uint_t
ngx_goim_read_allowed(ngx_goim_conn_t *gc)
{
    return gc->state == NGX_GOIM_STATE_AUTH
           || (gc->state == NGX_GOIM_STATE_OPEN && !gc->publishing)
           || gc->state == NGX_GOIM_STATE_CLOSING;
}


static ngx_int_t
ngx_goim_read_keep(ngx_goim_conn_t *gc, u_char *data, size_t len)
{
    u_char  *p;

    if (len == 0) {
        return NGX_OK;
    }

    p = ngx_goim_send_reserve(&gc->in, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, data, len);
    gc->in->end += len;

    return NGX_OK;
}


static void
ngx_goim_read_drop_kept(ngx_goim_conn_t *gc, size_t used)
{
    gc->in->start += used;

    if (gc->in->start == gc->in->end) {
        ngx_free(gc->in);
        gc->in = NULL;
    }
}


ngx_int_t
ngx_goim_read_input(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    size_t      used;
    ngx_int_t   rc;
    ngx_uint_t  kept;

    *code = GOIM_WS_CLOSE_INTERNAL;
    kept = gc->in != NULL;

    if (kept) {
        if (ngx_goim_read_keep(gc, data, len) != NGX_OK) {
            return NGX_ERROR;
        }

        data = gc->in->data + gc->in->start;
        len = gc->in->end - gc->in->start;
    }

    used = len;
    rc = gc->transport == NGX_GOIM_TCP
         ? ngx_goim_read_packets(gc, data, &used, code)
         : ngx_goim_read_frames(gc, data, &used, code);

    if (rc == NGX_DONE || rc == NGX_ERROR) {
        return rc;
    }

    if (kept) {
        ngx_goim_read_drop_kept(gc, used);

    } else if (ngx_goim_read_keep(gc, data + used, len - used) != NGX_OK) {
        *code = GOIM_WS_CLOSE_INTERNAL;
        return NGX_ERROR;
    }

    return rc;
}


/*
 * The first packet of a message; what follows it is ignored, as in goim.  A
 * packet that claims more than the message holds is refused: goim answers it
 * with other clients' memory.
 */
static ngx_int_t
ngx_goim_read_message(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    goim_packet_t  packet;

    if (goim_packet_decode(&packet, data, len,
                           gc->conf->max_packet - GOIM_PACKET_HEADER_LEN)
        != GOIM_OK)
    {
        *code = GOIM_WS_CLOSE_PROTOCOL;
        return NGX_ERROR;
    }

    ngx_goim_count(NGX_GOIM_PACKETS_IN, 1);

    return ngx_goim_op_packet(gc, &packet, code);
}


static ngx_int_t
ngx_goim_read_fragment(ngx_goim_conn_t *gc, goim_ws_frame_t *frame,
    u_char *data, ngx_uint_t *code)
{
    u_char          *p;
    ngx_int_t        rc;
    ngx_goim_out_t  *message;

    if ((gc->message != NULL) != (frame->opcode == GOIM_WS_CONTINUATION)) {
        *code = GOIM_WS_CLOSE_PROTOCOL;
        return NGX_ERROR;
    }

    if (gc->message
        && gc->message->end + frame->len > gc->conf->max_packet)
    {
        *code = GOIM_WS_CLOSE_TOO_BIG;
        return NGX_ERROR;
    }

    p = ngx_goim_send_reserve(&gc->message, frame->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, data, frame->len);
    gc->message->end += frame->len;

    if (!frame->fin) {
        return NGX_OK;
    }

    message = gc->message;
    gc->message = NULL;

    rc = ngx_goim_read_message(gc, message->data, message->end, code);

    ngx_free(message);

    return rc;
}


/*
 * The client closes: its code comes back (RFC 6455, 5.5.1), and the
 * connection ends when that is sent.  In the answer to our own close frame
 * there is nothing left to say.
 */
static ngx_int_t
ngx_goim_read_close(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    if (len == 1
        || (len >= 2
            && !goim_ws_close_code_is_valid(data[0] << 8 | data[1])))
    {
        *code = GOIM_WS_CLOSE_PROTOCOL;
        return NGX_ERROR;
    }

    if (gc->state == NGX_GOIM_STATE_CLOSING) {
        ngx_goim_conn_close(gc, gc->reason);
        return NGX_DONE;
    }

    *code = len ? (ngx_uint_t) (data[0] << 8 | data[1]) : GOIM_WS_CLOSE_NORMAL;
    gc->close_out = 1;

    if (gc->handshake) {

        /* said once it is detached */

        return NGX_ERROR;
    }

    ngx_goim_conn_say_goodbye(gc, *code, NGX_GOIM_BY_CLIENT);

    /* that may have closed it, or the rest goes out later */

    return NGX_DONE;
}


static ngx_int_t
ngx_goim_read_frame(ngx_goim_conn_t *gc, goim_ws_frame_t *frame,
    u_char *data, ngx_uint_t *code)
{
    switch (frame->opcode) {

    case GOIM_WS_CLOSE:
        return ngx_goim_read_close(gc, data, frame->len, code);

    case GOIM_WS_PING:
        if (gc->state == NGX_GOIM_STATE_CLOSING) {
            return NGX_OK;
        }

        return ngx_goim_send_control(gc, GOIM_WS_PONG, data, frame->len);

    case GOIM_WS_PONG:
        return NGX_OK;
    }

    if (gc->state == NGX_GOIM_STATE_CLOSING) {
        return NGX_OK;
    }

    if (frame->fin && frame->opcode != GOIM_WS_CONTINUATION
        && gc->message == NULL)
    {
        return ngx_goim_read_message(gc, data, frame->len, code);
    }

    return ngx_goim_read_fragment(gc, frame, data, code);
}


/* *len: of the data, then what was used of it. */
static ngx_int_t
ngx_goim_read_frames(ngx_goim_conn_t *gc, u_char *data, size_t *len,
    ngx_uint_t *code)
{
    size_t           size, at;
    ngx_int_t        rc;
    goim_ws_frame_t  frame;

    size = *len;
    rc = NGX_OK;

    for (at = 0; at < size; at += frame.header_len + frame.len) {

        if (!ngx_goim_read_allowed(gc)) {
            rc = NGX_AGAIN;
            break;
        }

        rc = goim_ws_decode_header(&frame, data + at, size - at);

        if (rc == GOIM_INVALID) {
            *code = GOIM_WS_CLOSE_PROTOCOL;
            return NGX_ERROR;
        }

        if (rc == GOIM_OK && frame.len > gc->conf->max_packet
            && !goim_ws_is_control(frame.opcode))
        {
            *code = GOIM_WS_CLOSE_TOO_BIG;
            return NGX_ERROR;
        }

        if (rc == GOIM_AGAIN || frame.len > size - at - frame.header_len) {
            rc = NGX_OK;
            break;
        }

        if (frame.masked) {
            goim_ws_mask(data + at + frame.header_len, frame.len, frame.mask,
                         0);
        }

        rc = ngx_goim_read_frame(gc, &frame, data + at + frame.header_len,
                                 code);

        if (rc == NGX_AGAIN) {
            at += frame.header_len + frame.len;
            break;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    *len = at;

    return rc;
}


/* As above, on TCP; a length below the header's closes, unlike in goim. */
static ngx_int_t
ngx_goim_read_packets(ngx_goim_conn_t *gc, u_char *data, size_t *len,
    ngx_uint_t *code)
{
    size_t         size, at;
    ngx_int_t      rc;
    goim_packet_t  packet;

    size = *len;
    at = 0;

    do {
        if (!ngx_goim_read_allowed(gc)) {
            rc = NGX_AGAIN;
            break;
        }

        rc = goim_packet_decode(&packet, data + at, size - at,
                                gc->conf->max_packet - GOIM_PACKET_HEADER_LEN);

        if (rc == GOIM_INVALID) {
            *code = GOIM_WS_CLOSE_PROTOCOL;
            return NGX_ERROR;
        }

        if (rc == GOIM_AGAIN) {
            rc = NGX_OK;
            break;
        }

        at += GOIM_PACKET_HEADER_LEN + packet.body.len;

        ngx_goim_count(NGX_GOIM_PACKETS_IN, 1);

        rc = ngx_goim_op_packet(gc, &packet, code);

    } while (rc == NGX_OK);

    *len = at;

    return rc;
}
