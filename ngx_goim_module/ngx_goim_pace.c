
/*
 * The pace of broadcasts that have goim's speed: one timer gives each of them
 * credit for so many visits as this worker's share of the speed allows.
 */


#include "ngx_goim.h"


/* ms between two steps, at least and, as the shares change, at most */
#define NGX_GOIM_PACE_STEP      10
#define NGX_GOIM_PACE_STEP_MAX  1000

/* what is under way; beyond this the oldest go on without a pace */
#define NGX_GOIM_PACE_MAX       8
#define NGX_GOIM_PACE_BYTES     (1024 * 1024)  /* unless it is one */

/* more is as good as at once, and would overflow */
#define NGX_GOIM_PACE_SPEED     10000000


static void ngx_goim_pace_handler(ngx_event_t *ev);


static ngx_event_t  ngx_goim_pace_event;
static ngx_msec_t   ngx_goim_pace_last;   /* the last step */
static uint64_t     ngx_goim_pace_total;  /* connections of the host, then */


/* The connections of all workers of this host, from their gauges. */
static uint64_t
ngx_goim_pace_count(void)
{
    uint32_t              i, used;
    uint64_t              n, word;
    goim_channel_t       *ch;
    goim_channel_slot_t  *slot;

    n = 0;
    ch = ngx_goim_worker.channel;
    used = goim_channel_slots_used(ch);

    for (i = 0; i < used; i++) {
        slot = &ch->slots->slot[i];

        /* every reader that lives is in lane 0 */

        word = atomic_load_explicit(&slot->cursors[0], memory_order_relaxed);

        if (goim_cursor_state(word) != GOIM_CURSOR_FREE) {
            n += atomic_load_explicit(&slot->counters[NGX_GOIM_CONNECTIONS],
                                      memory_order_relaxed);
        }
    }

    return ngx_max(n, ngx_goim_worker.nconns);
}


/*
 * This worker's share of the speed, in thousandths of a connection per second;
 * however small, it comes to an end.
 */
static uint64_t
ngx_goim_pace_rate(ngx_goim_broadcast_t *b)
{
    uint64_t  rate;

    rate = (uint64_t) ngx_min(b->speed, NGX_GOIM_PACE_SPEED) * 1000
           * ngx_goim_worker.nconns / ngx_max(ngx_goim_pace_total, 1);

    return ngx_max(rate, 1);
}


/* Credit for the time since the last step. */
static void
ngx_goim_pace_step(void)
{
    uint64_t               credit;
    ngx_msec_t             elapsed;
    ngx_goim_broadcast_t  *b;

    elapsed = ngx_current_msec - ngx_goim_pace_last;
    elapsed = ngx_min(elapsed, NGX_GOIM_PACE_STEP_MAX);

    ngx_goim_pace_last = ngx_current_msec;
    ngx_goim_pace_total = ngx_goim_pace_count();

    if (elapsed == 0) {
        return;
    }

    for (b = ngx_goim_broadcast_paced(); b; b = b->next) {

        if (b->speed == 0) {
            continue;
        }

        /* who could not use it, as it waits for an older one, or the worker is
         * busy, has one step's to catch up with */

        credit = ngx_goim_pace_rate(b) * elapsed;
        b->credit = ngx_min(b->credit, credit + NGX_GOIM_PACE_VISIT) + credit;
    }
}


/* ms until somebody may be visited. */
static ngx_msec_t
ngx_goim_pace_wait(void)
{
    uint32_t               before;
    uint64_t               rate, wait, min;
    ngx_goim_broadcast_t  *b;

    min = NGX_GOIM_PACE_STEP_MAX;
    before = 0;

    for (b = ngx_goim_broadcast_paced(); b; b = b->next) {

        /* one that stands where an older one does waits for that */

        if (b->speed && b->left > before) {
            rate = ngx_goim_pace_rate(b);
            wait = b->credit < NGX_GOIM_PACE_VISIT
                   ? (NGX_GOIM_PACE_VISIT - b->credit + rate - 1) / rate : 0;
            min = ngx_min(min, wait);
        }

        before = b->left;
    }

    return ngx_max(min, NGX_GOIM_PACE_STEP);
}


static void
ngx_goim_pace_start_timer(void)
{
    ngx_event_t  *ev;

    ev = &ngx_goim_pace_event;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ev->handler = ngx_goim_pace_handler;
    ev->data = ngx_goim_worker.pipe;
    ev->log = ngx_goim_worker.cycle->log;

    /* who is let go at a worker's end gets what it has not got before */

    ev->cancelable = 1;

    ngx_add_timer(ev, ngx_goim_pace_wait());
}


static void
ngx_goim_pace_handler(ngx_event_t *ev)
{
    ngx_goim_pace_step();
    ngx_goim_sweep_run_once();

    if (ngx_goim_broadcast_paced()) {
        ngx_goim_pace_start_timer();
    }
}


static void
ngx_goim_pace_lose(ngx_goim_broadcast_t *b)
{
    ngx_goim_broadcast_hurry(b);

    ngx_goim_count(NGX_GOIM_PACED, (uint64_t) -1);
    ngx_goim_count(NGX_GOIM_PACED_HURRIED, 1);
}


void
ngx_goim_pace_hurry(void)
{
    ngx_goim_broadcast_t  *b;

    for (b = ngx_goim_broadcast_paced(); b; b = b->next) {
        if (b->speed) {
            ngx_goim_pace_lose(b);
        }
    }
}


/* More than may be under way: the oldest have to be quick. */
static void
ngx_goim_pace_limit(void)
{
    size_t                 bytes;
    ngx_uint_t             n;
    ngx_goim_broadcast_t  *b;

    n = 0;
    bytes = 0;

    for (b = ngx_goim_broadcast_paced(); b; b = b->next) {
        if (b->speed) {
            n++;
            bytes += b->len;
        }
    }

    for (b = ngx_goim_broadcast_paced();
         n > 1 && (n > NGX_GOIM_PACE_MAX || bytes > NGX_GOIM_PACE_BYTES);
         b = b->next)
    {
        if (b->speed) {
            n--;
            bytes -= b->len;

            ngx_goim_pace_lose(b);
        }
    }
}


void
ngx_goim_pace_begin(ngx_goim_broadcast_t *b)
{
    ngx_goim_count(NGX_GOIM_PACED, 1);

    ngx_goim_pace_step();

    /* with small shares, all workers would come to their next visit at once */

    b->credit = ngx_random() % NGX_GOIM_PACE_VISIT;

    ngx_goim_pace_limit();
    ngx_goim_pace_start_timer();
}


void
ngx_goim_pace_end(void)
{
    ngx_goim_count(NGX_GOIM_PACED, (uint64_t) -1);
}
