
/*
 * Broadcasts: every connection is visited once a round and gets those that
 * were there when the round began.
 */


#include "ngx_goim.h"


#define NGX_GOIM_BROADCAST_VISITS  64  /* of one slice */
#define NGX_GOIM_BROADCAST_FRAMES  16  /* broadcasts of one round */


/* A broadcast, made into a frame once for all connections. */
typedef struct ngx_goim_broadcast_s  ngx_goim_broadcast_t;

struct ngx_goim_broadcast_s {
    ngx_goim_broadcast_t  *next;
    int32_t                op;
    size_t                 len;
    size_t                 header;  /* of it, that TCP does not have */
    u_char                 data[1];
};


/* those of the round come first; they were there when it began */
static ngx_goim_broadcast_t   *ngx_goim_broadcast_first;
static ngx_goim_broadcast_t  **ngx_goim_broadcast_last;
static uint32_t                ngx_goim_broadcast_count;  /* of the round */
static uint32_t                ngx_goim_broadcast_next;   /* visits left */
static uint32_t                ngx_goim_broadcast_n;      /* all that wait */


void
ngx_goim_broadcast_init(void)
{
    ngx_goim_broadcast_first = NULL;
    ngx_goim_broadcast_last = &ngx_goim_broadcast_first;
}


ngx_int_t
ngx_goim_broadcast_add(const goim_record_t *record)
{
    size_t                 len;
    ngx_goim_broadcast_t  *b;

    if (ngx_goim_worker.nconns == 0) {
        ngx_goim_count(NGX_GOIM_NO_SUBSCRIBER, 1);
        return NGX_OK;
    }

    len = ngx_goim_fanout_frame_len(record, NGX_GOIM_WEBSOCKET);

    b = ngx_alloc(offsetof(ngx_goim_broadcast_t, data) + len,
                  ngx_goim_worker.cycle->log);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->next = NULL;
    b->op = record->op;
    b->len = len;
    b->header = len - ngx_goim_fanout_frame_len(record, NGX_GOIM_TCP);
    (void) ngx_goim_fanout_frame(b->data, record, NGX_GOIM_WEBSOCKET);

    *ngx_goim_broadcast_last = b;
    ngx_goim_broadcast_last = &b->next;
    ngx_goim_broadcast_n++;

    return NGX_OK;
}


static void
ngx_goim_broadcast_begin(void)
{
    ngx_goim_broadcast_t  *b;

    ngx_goim_broadcast_count = 0;
    ngx_goim_broadcast_next = ngx_goim_worker.nconns;

    for (b = ngx_goim_broadcast_first;
         b && ngx_goim_broadcast_count < NGX_GOIM_BROADCAST_FRAMES;
         b = b->next)
    {
        ngx_goim_broadcast_count++;
    }
}


static void
ngx_goim_broadcast_end(void)
{
    ngx_goim_broadcast_t  *b;

    while (ngx_goim_broadcast_count) {
        b = ngx_goim_broadcast_first;
        ngx_goim_broadcast_first = b->next;
        ngx_goim_broadcast_count--;
        ngx_goim_broadcast_n--;
        ngx_free(b);
    }

    if (ngx_goim_broadcast_first == NULL) {
        ngx_goim_broadcast_last = &ngx_goim_broadcast_first;
    }
}


static void
ngx_goim_broadcast_visit(ngx_goim_conn_t *gc)
{
    int                    n;
    size_t                 header;
    uint32_t               i;
    struct iovec           iov[NGX_GOIM_BROADCAST_FRAMES];
    ngx_goim_broadcast_t  *b;

    if (gc->state != NGX_GOIM_STATE_OPEN) {
        return;
    }

    n = 0;
    b = ngx_goim_broadcast_first;

    for (i = 0; i < ngx_goim_broadcast_count; i++, b = b->next) {

        if (!ngx_goim_identity_accepts(gc->id, b->op)) {
            ngx_goim_count(NGX_GOIM_DROP_ACCEPTS, 1);
            continue;
        }

        header = gc->transport == NGX_GOIM_TCP ? b->header : 0;

        iov[n].iov_base = b->data + header;
        iov[n].iov_len = b->len - header;
        n++;
    }

    if (n == 0) {
        return;
    }

    if (ngx_goim_send_frames(gc, iov, n) != NGX_OK) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_CLIENT);
        return;
    }

    (void) ngx_goim_conn_flush(gc);
}


void
ngx_goim_broadcast_slice(void)
{
    uint32_t  n, next;

    if (ngx_goim_broadcast_first == NULL) {
        return;
    }

    if (ngx_goim_broadcast_count == 0) {
        ngx_goim_broadcast_begin();
    }

    for (n = 0; n < NGX_GOIM_BROADCAST_VISITS; n++) {

        if (ngx_goim_broadcast_next == 0) {
            break;
        }

        next = --ngx_goim_broadcast_next;

        if (next < ngx_goim_worker.nconns) {
            ngx_goim_broadcast_visit(ngx_goim_worker.conns[next]);
        }
    }

    if (ngx_goim_broadcast_next == 0) {
        ngx_goim_broadcast_end();
    }
}


void
ngx_goim_broadcast_drop(ngx_goim_conn_t *gc)
{
    uint32_t               i, n;
    ngx_goim_broadcast_t  *b;

    i = 0;
    n = 0;

    for (b = ngx_goim_broadcast_first; b; b = b->next) {

        if (i++ < ngx_goim_broadcast_count
            && gc->index >= ngx_goim_broadcast_next)
        {

            /* visited in this round */

            continue;
        }

        n += ngx_goim_identity_accepts(gc->id, b->op);
    }

    if (n) {
        ngx_goim_count(NGX_GOIM_DROP_CLOSED, n);
        gc->skipped[NGX_GOIM_SKIP_CLOSED] += n;
    }
}


void
ngx_goim_broadcast_leave(ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  *other;

    if (gc->index >= ngx_goim_broadcast_next) {
        return;
    }

    other = ngx_goim_worker.conns[--ngx_goim_broadcast_next];

    ngx_goim_worker.conns[gc->index] = other;
    other->index = gc->index;

    ngx_goim_worker.conns[ngx_goim_broadcast_next] = gc;
    gc->index = ngx_goim_broadcast_next;
}


uint32_t
ngx_goim_broadcast_pending(void)
{
    return ngx_goim_broadcast_n;
}
