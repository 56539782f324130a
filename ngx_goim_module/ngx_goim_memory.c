
/*
 * Memory for what waits, for clients or of them: counted, bounded for the
 * whole worker, and given back to the system when many have left.
 */


#include "ngx_goim.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif


#define NGX_GOIM_MEMORY_OUT   96    /* bytes of a queue, at least */
#define NGX_GOIM_MEMORY_MOVE  100   /* ms between two moves in the list */
#define NGX_GOIM_MEMORY_TRIM  256   /* that have left, at least */


static void ngx_goim_memory_handler(ngx_event_t *ev);
static void ngx_goim_memory_trim_handler(ngx_event_t *ev);


/* who holds some of it, the longest without being sent anything first */
static ngx_queue_t   ngx_goim_memory_holders;

static ngx_event_t   ngx_goim_memory_event;
static ngx_event_t   ngx_goim_memory_trim_event;

/* since the last trim */
static uint32_t      ngx_goim_memory_peaks[NGX_GOIM_MEMORY_PEAKS];


void
ngx_goim_memory_init(void)
{
    ngx_queue_init(&ngx_goim_memory_holders);

    ngx_goim_memory_event.handler = ngx_goim_memory_handler;
    ngx_goim_memory_event.log = ngx_goim_worker.cycle->log;

    ngx_goim_memory_trim_event.handler = ngx_goim_memory_trim_handler;
    ngx_goim_memory_trim_event.log = ngx_goim_worker.cycle->log;
}


static ngx_uint_t
ngx_goim_memory_is_short(void)
{
    return ngx_goim_worker.pending > ngx_goim_worker.conf->max_pending;
}


void *
ngx_goim_memory_alloc(size_t size)
{
    void  *p;

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    ngx_goim_worker.pending += size;
    ngx_goim_count(NGX_GOIM_PENDING, size);

    if (ngx_goim_memory_is_short() && !ngx_goim_memory_event.posted) {
        ngx_post_event(&ngx_goim_memory_event, &ngx_posted_events);
    }

    return p;
}


void
ngx_goim_memory_free(void *p, size_t size)
{
    ngx_goim_worker.pending -= size;
    ngx_goim_count(NGX_GOIM_PENDING, (uint64_t) 0 - size);

    ngx_free(p);
}


/* Queues */

static size_t
ngx_goim_out_size(size_t data)
{
    return offsetof(ngx_goim_out_t, data) + data;
}


u_char *
ngx_goim_out_reserve(ngx_goim_out_t **out, size_t len)
{
    size_t           used, size;
    ngx_goim_out_t  *o, *n;

    o = *out;
    used = o ? o->end - o->start : 0;

    if (o && o->size - o->end >= len) {
        return o->data + o->end;
    }

    size = ngx_max(2 * used, used + len);
    size = ngx_max(size, NGX_GOIM_MEMORY_OUT);

    if (size > NGX_MAX_UINT32_VALUE) {
        return NULL;
    }

    n = ngx_goim_memory_alloc(ngx_goim_out_size(size));
    if (n == NULL) {
        return NULL;
    }

    if (o) {
        ngx_memcpy(n, o, offsetof(ngx_goim_out_t, data));
        n->start = 0;
        ngx_memcpy(n->data, o->data + o->start, used);
        ngx_goim_out_free(&o);

    } else {
        ngx_memzero(n, offsetof(ngx_goim_out_t, data));
    }

    n->end = used;
    n->size = size;

    *out = n;

    return n->data + n->end;
}


void
ngx_goim_out_free(ngx_goim_out_t **out)
{
    if (*out) {
        ngx_goim_memory_free(*out, ngx_goim_out_size((*out)->size));
        *out = NULL;
    }
}


/* Who holds memory */

void
ngx_goim_memory_hold(ngx_goim_conn_t *gc, ngx_uint_t moved)
{
    if (gc->holds) {

        if (!moved
            || (uint32_t) ngx_current_msec - gc->held_at
               < NGX_GOIM_MEMORY_MOVE)
        {
            return;
        }

        ngx_queue_remove(&gc->holders);
    }

    gc->holds = 1;
    gc->held_at = ngx_current_msec;
    ngx_queue_insert_tail(&ngx_goim_memory_holders, &gc->holders);
}


void
ngx_goim_memory_let_go(ngx_goim_conn_t *gc)
{
    if (gc->holds) {
        gc->holds = 0;
        ngx_queue_remove(&gc->holders);
    }
}


/*
 * Too much: what is held back, by a pace or to make batches, goes out first,
 * then those who have taken nothing for the longest time make room.
 */
static void
ngx_goim_memory_handler(ngx_event_t *ev)
{
    ngx_queue_t  *q;

    ngx_goim_pace_hurry();
    ngx_goim_sweep_hurry();

    while (ngx_goim_memory_is_short()
           && !ngx_queue_empty(&ngx_goim_memory_holders))
    {
        q = ngx_queue_head(&ngx_goim_memory_holders);

        ngx_goim_conn_close(ngx_queue_data(q, ngx_goim_conn_t, holders),
                            NGX_GOIM_BY_MEMORY);
    }
}


/* Back to the system */

void
ngx_goim_memory_number(ngx_goim_memory_peak_e what, uint32_t n)
{
    uint32_t  *peak;

    peak = &ngx_goim_memory_peaks[what];

    if (n >= *peak) {
        *peak = n;
        return;
    }

    if (n <= *peak / 2 && *peak - n >= NGX_GOIM_MEMORY_TRIM) {
        *peak = n;

        if (!ngx_goim_memory_trim_event.posted) {
            ngx_post_event(&ngx_goim_memory_trim_event,
                           &ngx_posted_next_events);
        }
    }
}


/*
 * What many small allocations have left between those that stay is kept by
 * malloc for ever, unless it is told.
 */
static void
ngx_goim_memory_trim_handler(ngx_event_t *ev)
{
#if defined(__GLIBC__)
    (void) malloc_trim(0);
#endif
}
