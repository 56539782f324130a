/*
 * Any bytes as what one client sends, through the parsers as they run inside
 * its connection: frames, fragments, control frames, packets, and readings
 * that wait for an answer or for goim_packet_rate.  Whatever pieces the bytes
 * come in, the same must happen: whole, byte by byte, and in two pieces.
 *
 * The first byte of an input: 1 TCP, 2 before authentication, 4 closing, 8 a
 * small goim_max_packet; the second says where it is cut in two.
 */

#include "ngx_goim_fuzz.h"


/* What a run has done, to be compared. */
typedef struct {
    uint64_t    hash;
    uint32_t    events;
    ngx_int_t   rc;
    ngx_uint_t  code;
    ngx_uint_t  state;
    size_t      kept;
    size_t      message;
} fuzz_run_t;


ngx_module_t        ngx_http_goim_module;
ngx_goim_worker_t   ngx_goim_worker;

static fuzz_run_t  *fuzz_run;
static uint32_t     fuzz_takes;


/* --- what the parsers call */

static void
fuzz_note(uint64_t kind, uint64_t number, const u_char *data, size_t len)
{
    size_t    i;
    uint64_t  h;

    h = (fuzz_run->hash ^ kind) * 0x100000001b3;
    h = (h ^ number) * 0x100000001b3;
    h = (h ^ len) * 0x100000001b3;

    for (i = 0; i < len; i++) {
        h = (h ^ data[i]) * 0x100000001b3;
    }

    fuzz_run->hash = h;
    fuzz_run->events++;
}


ngx_int_t
ngx_goim_send_control(ngx_goim_conn_t *gc, ngx_uint_t opcode,
    const u_char *data, size_t len)
{
    if (gc->transport == NGX_GOIM_TCP || len > GOIM_WS_MAX_CONTROL) {
        __builtin_trap();
    }

    fuzz_note(opcode, 1, data, len);

    return NGX_OK;
}


/* Some packets let in, wait for an answer, or end it. */
ngx_int_t
ngx_goim_op_packet(ngx_goim_conn_t *gc, const goim_packet_t *packet,
    ngx_uint_t *code)
{
    if (GOIM_PACKET_HEADER_LEN + packet->body.len > gc->conf->max_packet) {
        __builtin_trap();
    }

    fuzz_note(packet->op, ((uint64_t) packet->ver << 32)
                          ^ (uint32_t) packet->seq,
              packet->body.data, packet->body.len);

    if (gc->state == NGX_GOIM_STATE_AUTH) {

        if (packet->op == GOIM_OP_AUTH) {
            gc->state = NGX_GOIM_STATE_SUBREQUEST;
            return NGX_AGAIN;
        }

        return NGX_OK;
    }

    switch (packet->op) {

    case GOIM_OP_SEND:
        gc->publishing = 1;
        return NGX_AGAIN;

    case GOIM_OP_CHANGE_ROOM:
        *code = GOIM_WS_CLOSE_TRY_LATER;
        return NGX_ERROR;

    default:
        return NGX_OK;
    }
}


/* Every third waits, once. */
ngx_int_t
ngx_goim_packet_rate_take(ngx_goim_conn_t *gc)
{
    if (gc->state == NGX_GOIM_STATE_OPEN && ++fuzz_takes % 4 == 3) {
        gc->paused = 1;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


/* --- one run */

static ngx_int_t
fuzz_give(ngx_goim_conn_t *gc, u_char *data, size_t len)
{
    fuzz_run->rc = ngx_goim_read_input(gc, data, len, &fuzz_run->code);

    if (fuzz_run->rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (fuzz_run->rc == NGX_DONE) {
        __builtin_trap();
    }

    return NGX_OK;
}


/* As the event handlers do: what was kept first, once reading may go on. */
static ngx_int_t
fuzz_go_on(ngx_goim_conn_t *gc)
{
    while (gc->publishing || gc->paused
           || gc->state == NGX_GOIM_STATE_SUBREQUEST)
    {
        gc->publishing = 0;
        gc->paused = 0;

        if (gc->state == NGX_GOIM_STATE_SUBREQUEST) {
            gc->state = NGX_GOIM_STATE_OPEN;
        }

        if (gc->in && fuzz_give(gc, NULL, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
fuzz_piece(ngx_goim_conn_t *gc, const uint8_t *data, size_t len)
{
    u_char     *copy;
    ngx_int_t   rc;

    /* it is unmasked in place, and may not be read beyond */

    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(copy, data, len);

    rc = fuzz_give(gc, copy, len);
    free(copy);

    return rc == NGX_OK ? fuzz_go_on(gc) : rc;
}


static void
fuzz_one(fuzz_run_t *run, uint8_t options, const uint8_t *data, size_t size,
    size_t piece)
{
    size_t                     n, at;
    ngx_goim_conn_t            gc;
    ngx_http_goim_loc_conf_t   conf;

    ngx_memzero(run, sizeof(fuzz_run_t));
    ngx_memzero(&gc, sizeof(ngx_goim_conn_t));
    ngx_memzero(&conf, sizeof(ngx_http_goim_loc_conf_t));

    fuzz_run = run;
    fuzz_takes = 0;

    conf.max_packet = options & 8 ? 40 : 4112;
    gc.conf = &conf;
    gc.transport = options & 1 ? NGX_GOIM_TCP : NGX_GOIM_WEBSOCKET;
    gc.state = options & 4 ? NGX_GOIM_STATE_CLOSING
                           : options & 2 ? NGX_GOIM_STATE_AUTH
                                         : NGX_GOIM_STATE_OPEN;

    for (at = 0; at < size; at += n) {
        n = ngx_min(piece, size - at);

        if (fuzz_piece(&gc, data + at, n) != NGX_OK) {
            break;
        }
    }

    run->state = gc.state * 256 + gc.close_out * 2 + gc.deaf;

    if (run->rc == NGX_ERROR) {
        if (!gc.deaf) {
            __builtin_trap();
        }

    } else {
        run->rc = NGX_OK;
        run->code = 0;
        run->kept = gc.in ? gc.in->end - gc.in->start : 0;

        if (run->kept > GOIM_WS_MAX_HEADER + ngx_max(conf.max_packet,
                                                     GOIM_WS_MAX_CONTROL))
        {
            __builtin_trap();
        }
    }

    run->message = gc.message ? gc.message->end : 0;

    if (run->message > conf.max_packet) {
        __builtin_trap();
    }

    ngx_goim_out_free(&gc.in);
    ngx_goim_out_free(&gc.message);
}


static void
fuzz_compare(const fuzz_run_t *a, const fuzz_run_t *b)
{
    if (a->hash != b->hash || a->events != b->events || a->rc != b->rc
        || a->code != b->code || a->state != b->state || a->kept != b->kept
        || a->message != b->message)
    {
        __builtin_trap();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t     options, cut;
    fuzz_run_t  whole, pieces;

    if (size < 3) {
        return 0;
    }

    options = data[0];
    cut = data[1];
    data += 2;
    size -= 2;

    fuzz_one(&whole, options, data, size, size);

    fuzz_one(&pieces, options, data, size, 1);
    fuzz_compare(&whole, &pieces);

    fuzz_one(&pieces, options, data, size, 1 + (size_t) cut * size / 256);
    fuzz_compare(&whole, &pieces);

    return 0;
}
