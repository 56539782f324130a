
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
           || (gc->state == NGX_GOIM_STATE_OPEN && !gc->publishing
               && !gc->paused)
           || gc->state == NGX_GOIM_STATE_CLOSING;
}


static ngx_int_t
ngx_goim_read_keep(ngx_goim_conn_t *gc, u_char *data, size_t len)
{
    return len ? ngx_goim_out_append(&gc->in, data, len) : NGX_OK;
}


static void
ngx_goim_read_drop_kept(ngx_goim_conn_t *gc, size_t used)
{
    gc->in->start += used;

    if (gc->in->start == gc->in->end) {
        ngx_goim_out_free(&gc->in);
    }
}


static ngx_int_t
ngx_goim_read_all(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    size_t      used;
    ngx_int_t   rc;
    ngx_uint_t  kept;

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


ngx_int_t
ngx_goim_read_input(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    ngx_int_t  rc;

    *code = GOIM_WS_CLOSE_INTERNAL;

    rc = ngx_goim_read_all(gc, data, len, code);

    if (rc == NGX_ERROR) {
        gc->deaf = 1;
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

#if (NGX_GOIM_WS_ECHO)
    if (gc->state == NGX_GOIM_STATE_OPEN) {
        return ngx_goim_echo_message(gc, data, len);
    }
#endif

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
    ngx_int_t        rc;
    ngx_goim_out_t  *message;

    if (ngx_goim_out_append(&gc->message, data, frame->len) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!frame->fin) {
        return NGX_OK;
    }

    message = gc->message;
    gc->message = NULL;

    rc = ngx_goim_read_message(gc, message->data, message->end, code);

    ngx_goim_out_free(&message);

    return rc;
}


/*
 * The client closes: its code comes back (RFC 6455, 5.5.1), and the
 * connection ends when that is sent.
 */
static ngx_int_t
ngx_goim_read_close(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code)
{
    if (gc->state == NGX_GOIM_STATE_CLOSING || len == 0) {
        *code = GOIM_WS_CLOSE_NORMAL;
        gc->close_out = 1;

    } else if (len == 1
               || !goim_ws_close_code_is_valid(data[0] << 8 | data[1]))
    {
        *code = GOIM_WS_CLOSE_PROTOCOL;

    } else if (goim_utf8_check(GOIM_UTF8_START, data + 2, len - 2)
               != GOIM_UTF8_START)
    {
        *code = GOIM_WS_CLOSE_INVALID;

    } else {
        *code = data[0] << 8 | data[1];
        gc->close_out = 1;
    }

    return NGX_ERROR;
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

        *code = GOIM_WS_CLOSE_TRY_LATER;
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


/* What the header of a data frame tells, before its payload is there. */
static ngx_int_t
ngx_goim_read_check(ngx_goim_conn_t *gc, goim_ws_frame_t *frame,
    ngx_uint_t *code)
{
    uint64_t  len;

    len = frame->len;

    if (gc->state != NGX_GOIM_STATE_CLOSING) {

        if ((gc->message != NULL) != (frame->opcode == GOIM_WS_CONTINUATION)) {
            *code = GOIM_WS_CLOSE_PROTOCOL;
            return NGX_ERROR;
        }

        if (gc->message) {
            len += gc->message->end;
        }
    }

    if (len > gc->conf->max_packet) {
        *code = GOIM_WS_CLOSE_TOO_BIG;
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * As much of a frame's payload as has come: unmasked in its place, and, if it
 * is text, the new part checked at once (RFC 6455, 8.1).
 */
static ngx_int_t
ngx_goim_read_open(ngx_goim_conn_t *gc, goim_ws_frame_t *frame, u_char *data,
    size_t len)
{
    size_t      old;
    ngx_uint_t  whole;

    old = gc->opened;
    whole = len == frame->len;
    gc->opened = whole ? 0 : len;

    if (frame->masked) {
        goim_ws_mask(data + old, len - old, frame->mask, old);
    }

    if (goim_ws_is_control(frame->opcode)
        || gc->state == NGX_GOIM_STATE_CLOSING)
    {
        return NGX_OK;
    }

    if (old == 0 && frame->opcode != GOIM_WS_CONTINUATION) {
        gc->text = frame->opcode == GOIM_WS_TEXT;
        gc->utf8 = GOIM_UTF8_START;
    }

    if (!gc->text) {
        return NGX_OK;
    }

    gc->utf8 = goim_utf8_check(gc->utf8, data + old, len - old);

    if (gc->utf8 == GOIM_UTF8_INVALID
        || (whole && frame->fin && gc->utf8 != GOIM_UTF8_START))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * One frame at data.  NGX_DECLINED: it is not there yet; NGX_BUSY: it has to
 * wait; else *len, which was how much is there, is what it took.
 */
static ngx_int_t
ngx_goim_read_next(ngx_goim_conn_t *gc, u_char *data, size_t *len,
    ngx_uint_t *code)
{
    size_t           have;
    ngx_int_t        rc;
    goim_ws_frame_t  frame;

    rc = goim_ws_decode_header(&frame, data, *len);

    if (rc == GOIM_AGAIN) {
        return NGX_DECLINED;
    }

    if (rc == GOIM_INVALID) {
        *code = GOIM_WS_CLOSE_PROTOCOL;
        return NGX_ERROR;
    }

    if (!goim_ws_is_control(frame.opcode)
        && ngx_goim_read_check(gc, &frame, code) != NGX_OK)
    {
        return NGX_ERROR;
    }

    data += frame.header_len;
    have = ngx_min(frame.len, *len - frame.header_len);

    if (have == frame.len && ngx_goim_packet_rate_take(gc) != NGX_OK) {
        return NGX_BUSY;
    }

    if (ngx_goim_read_open(gc, &frame, data, have) != NGX_OK) {
        *code = GOIM_WS_CLOSE_INVALID;
        return NGX_ERROR;
    }

    if (have < frame.len) {
        return NGX_DECLINED;
    }

    *len = frame.header_len + frame.len;

    return ngx_goim_read_frame(gc, &frame, data, code);
}


/* *len: of the data, then what was used of it. */
static ngx_int_t
ngx_goim_read_frames(ngx_goim_conn_t *gc, u_char *data, size_t *len,
    ngx_uint_t *code)
{
    size_t     at, n;
    ngx_int_t  rc;

    rc = NGX_OK;

    for (at = 0; at < *len; at += n) {

        if (!ngx_goim_read_allowed(gc)) {
            rc = NGX_AGAIN;
            break;
        }

        n = *len - at;
        rc = ngx_goim_read_next(gc, data + at, &n, code);

        if (rc == NGX_DECLINED || rc == NGX_BUSY) {
            rc = rc == NGX_BUSY ? NGX_AGAIN : NGX_OK;
            break;
        }

        if (rc == NGX_DONE || rc == NGX_ERROR) {
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

        if (ngx_goim_packet_rate_take(gc) != NGX_OK) {
            rc = NGX_AGAIN;
            break;
        }

        at += GOIM_PACKET_HEADER_LEN + packet.body.len;

        ngx_goim_count(NGX_GOIM_PACKETS_IN, 1);

        rc = ngx_goim_op_packet(gc, &packet, code);

    } while (rc == NGX_OK);

    *len = at;

    return rc;
}
