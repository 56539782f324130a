
/*
 * The end of a worker without the end of its connections: while others take
 * clients, they get these as well, a slice at a time.  For each slice reading
 * stops at some position of every lane; who takes it goes on from there.
 */


#include "ngx_goim_handover.h"


#define NGX_GOIM_HANDOVER_ANSWER   1000  /* ms until they go back */
#define NGX_GOIM_HANDOVER_WAIT     20000 /* ms for others to listen */
#define NGX_GOIM_HANDOVER_SLOW     60000 /* ms for one of them to answer */
#define NGX_GOIM_HANDOVER_RETRY    50    /* ms until they are looked for */
#define NGX_GOIM_HANDOVER_PAUSE    8000  /* ms likewise, at most, of clients'
                                            turn between slow ones */
#define NGX_GOIM_HANDOVER_SWEEPS   20    /* ms for what is pending to go out */
#define NGX_GOIM_HANDOVER_TURN     50    /* ms of clients' turn between slices,
                                            at most */
#define NGX_GOIM_HANDOVER_GOAL     4000  /* ms for all, if it can be done */
#define NGX_GOIM_HANDOVER_QUEUE    3     /* ms until it is asked again whether
                                            it is this worker's turn */
#define NGX_GOIM_HANDOVER_LEAST    250   /* connections of a slice */


typedef struct {
    ngx_event_t           event;     /* not cancelable: the next step, or the
                                        time for an answer is over */
    unsigned              started:1;
    unsigned              over:1;    /* nobody takes what is left */
    unsigned              slice:1;   /* one has begun: it has the turn, and a
                                        target, and holds the channel */
    ngx_msec_t            until;     /* somebody to listen is waited for */
    ngx_msec_t            slow;      /* likewise, one of them to answer */
    ngx_msec_t            pause;     /* until they are asked again */
    ngx_msec_t            sweeps;    /* until what is pending has gone out */
    ngx_msec_t            began;     /* the slice */
    ngx_msec_t            took;      /* the last one, with clients' turn */
    ngx_msec_t            goal;      /* all are to be with others */
    uint64_t              room;      /* connections that the target takes */
    uint32_t              moved;     /* connections so far */
} ngx_goim_handover_t;


static void ngx_goim_handover_handler(ngx_event_t *ev);


static ngx_goim_handover_t  ngx_goim_handover;


/* Who can be offered, now or later */

static ngx_uint_t
ngx_goim_handover_may_move(ngx_goim_conn_t *gc)
{
    return gc->state == NGX_GOIM_STATE_OPEN && !gc->stays
           && gc->connection->ssl == NULL && gc->connection->listening
           && gc->conf->place.len;
}


ngx_uint_t
ngx_goim_handover_covers(ngx_goim_conn_t *gc)
{
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    return gc->moving
           || (ho->started && !ho->over && ngx_goim_handover_may_move(gc));
}


/* An answer of logic is to reach the worker that has asked. */
ngx_uint_t
ngx_goim_handover_is_ready(ngx_goim_conn_t *gc)
{
    return ngx_goim_handover_may_move(gc) && !gc->publishing && !gc->deaf
           && !gc->connection->close && !gc->connection->error;
}


/* ms until then; not above 0: it is over. */
static ngx_msec_int_t
ngx_goim_handover_left(ngx_msec_t until)
{
    return (ngx_msec_int_t) (until - ngx_current_msec);
}


static void
ngx_goim_handover_has_time(void)
{
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    ho->until = ngx_current_msec + NGX_GOIM_HANDOVER_WAIT;
    ho->slow = ngx_current_msec + NGX_GOIM_HANDOVER_SLOW;
    ho->pause = NGX_GOIM_HANDOVER_RETRY;
}


void
ngx_goim_handover_start(void)
{
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (!ho->started) {
        ho->started = 1;
        ho->goal = ngx_current_msec + NGX_GOIM_HANDOVER_GOAL;
        ngx_goim_handover_has_time();

        ho->event.handler = ngx_goim_handover_handler;
        ho->event.data = ngx_goim_worker.pipe;
        ho->event.log = ngx_goim_worker.cycle->log;

        ho->over = !ngx_goim_worker.conf->handover
                   || ngx_goim_worker.conf->shared == NULL
                   || ngx_goim_worker.reader == NULL
                   || !(ngx_event_flags & NGX_USE_EPOLL_EVENT);
    }

    if (!ho->over && ngx_goim_worker.nconns && !ho->event.timer_set) {
        ngx_add_timer(&ho->event, 1);
    }
}


/* A configuration has come since, and workers of it are to be expected. */
static ngx_uint_t
ngx_goim_handover_is_reload(void)
{
    ngx_goim_shared_t  *shared;

    shared = ngx_goim_worker.conf->shared;

    return shared->handover && shared->reload > ngx_goim_worker.conf->reload;
}


/* Turns */

/* How many workers move connections at once: other cores are for traffic. */
static ngx_uint_t
ngx_goim_handover_movers(void)
{
    return ngx_max(ngx_ncpu / 2, 1);
}


/* Once there is no time left, nobody waits for others. */
static ngx_uint_t
ngx_goim_handover_waits_for_turn(void)
{
    return ngx_goim_handover_left(ngx_goim_handover.goal) > 0
           && goim_reader_take_turn(ngx_goim_worker.reader,
                                    ngx_goim_handover_movers())
              == GOIM_AGAIN;
}


/* Between slices: others move theirs, and this worker reads on. */
static void
ngx_goim_handover_rest(void)
{
    ngx_goim_handover.slice = 0;
    ngx_goim_channel_release();

    goim_reader_give_turn(ngx_goim_worker.reader, ngx_goim_handover_movers());
}


/* What is left goes by goim_drain. */
static void
ngx_goim_handover_end(void)
{
    ngx_uint_t            level;
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (ho->over) {
        return;
    }

    ho->over = 1;
    ngx_goim_handover_rest();
    ngx_goim_conn_drain_begin();

    level = ngx_goim_handover_is_reload() ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, ngx_goim_worker.cycle->log, 0,
                  "goim handover: no worker takes the %uD connections that "
                  "are left after %uD", ngx_goim_worker.nconns, ho->moved);
}


/* Nobody there is no reason to wait, unless a configuration is on its way. */
static ngx_uint_t
ngx_goim_handover_is_hopeless(void)
{
    return ngx_goim_handover_left(ngx_goim_handover.until) <= 0
           || !ngx_goim_handover_is_reload();
}


/* Steps */

/* How many may be offered now; *later: whether others may be, later. */
static ngx_uint_t
ngx_goim_handover_has_more(ngx_uint_t *later)
{
    uint32_t          i;
    ngx_goim_conn_t  *gc;

    *later = 0;

    for (i = 0; i < ngx_goim_worker.nconns; i++) {
        gc = ngx_goim_worker.conns[i];

        if (ngx_goim_handover_is_ready(gc)) {
            return 1;
        }

        *later |= ngx_goim_handover_may_move(gc);
    }

    return 0;
}


/* A slice is over: channel and clients have their turn before the next. */
static void
ngx_goim_handover_go_on(ngx_msec_t delay)
{
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (ho->event.timer_set) {
        ngx_del_timer(&ho->event);
    }

    ngx_goim_handover_rest();
    ngx_add_timer(&ho->event, delay);
}


void
ngx_goim_handover_answered(uint32_t moved)
{
    ngx_goim_handover.moved += moved;

    ngx_goim_handover_has_time();
    ngx_goim_session_wait();
}


void
ngx_goim_handover_moves(void)
{
    if (ngx_goim_handover.event.timer_set) {
        ngx_add_timer(&ngx_goim_handover.event, NGX_GOIM_HANDOVER_ANSWER);
    }
}


void
ngx_goim_handover_late(void)
{
    ngx_log_error(NGX_LOG_WARN, ngx_goim_worker.cycle->log, 0,
                  "goim handover: the worker in slot %uD does not answer",
                  ngx_goim_target_slot());

    ngx_goim_target_avoid();
}


void
ngx_goim_handover_slice_done(ngx_uint_t answered)
{
    ngx_msec_t            turn;
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    /* as long as channel and clients have waited for it */

    turn = ngx_current_msec - ho->began;
    turn = ngx_min(ngx_max(turn, 1), NGX_GOIM_HANDOVER_TURN);

    if (ngx_goim_handover_left(ho->goal) <= 0) {
        turn = 1;
    }

    ho->took = ngx_current_msec - ho->began + turn;

    ngx_goim_handover_go_on(answered ? turn : NGX_GOIM_HANDOVER_RETRY);
}


/* The smaller a slice, the less its clients wait; but it is to have an end. */
static uint64_t
ngx_goim_handover_slice(void)
{
    uint64_t        n;
    ngx_msec_int_t  left;

    left = ngx_goim_handover_left(ngx_goim_handover.goal);
    n = (uint64_t) ngx_goim_worker.nconns * ngx_goim_handover.took
        / ngx_max(left, 1);

    return ngx_max(n, NGX_GOIM_HANDOVER_LEAST);
}


/* Without a target: another look later, or the end. */
static void
ngx_goim_handover_wait(void)
{
    ngx_msec_t            delay;
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;
    delay = NGX_GOIM_HANDOVER_RETRY;

    ngx_goim_handover_rest();

    if (ngx_goim_target_forgive() && ngx_goim_handover_left(ho->slow) > 0) {

        /* they may only be slow */

        delay = ho->pause;
        ho->pause = ngx_min(delay * 2, NGX_GOIM_HANDOVER_PAUSE);

    } else if (ngx_goim_handover_is_hopeless()) {
        ngx_goim_handover_end();
        return;
    }

    ngx_add_timer(&ho->event, delay);
}


/*
 * The turn and a target, and nothing is read any more.  NGX_AGAIN: not yet;
 * the next step is set.
 */
static ngx_int_t
ngx_goim_handover_begin_slice(void)
{
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (ngx_goim_handover_waits_for_turn()) {
        ngx_add_timer(&ho->event, NGX_GOIM_HANDOVER_QUEUE);
        return NGX_AGAIN;
    }

    if (ngx_goim_target_find(&ho->room) != NGX_OK) {
        ngx_goim_handover_wait();
        return NGX_AGAIN;
    }

    ho->slice = 1;
    ho->began = ngx_current_msec;
    ho->sweeps = ngx_current_msec + NGX_GOIM_HANDOVER_SWEEPS;

    ngx_goim_channel_hold();
    ngx_goim_sweep_hurry();

    return NGX_OK;
}


static void
ngx_goim_handover_step(void)
{
    uint64_t              max;
    ngx_int_t             rc;
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (!ho->slice && ngx_goim_handover_begin_slice() != NGX_OK) {
        return;
    }

    if (ngx_goim_sweep_pending() && ngx_goim_handover_left(ho->sweeps) > 0) {

        /* what has been read goes out first, if it takes no time */

        ngx_add_timer(&ho->event, 1);
        return;
    }

    if (ngx_goim_offer_connect(ngx_goim_target_slot()) != NGX_OK) {
        ngx_goim_target_avoid();
        ngx_goim_handover_go_on(NGX_GOIM_HANDOVER_RETRY);
        return;
    }

    max = ngx_goim_handover_slice();
    max = ngx_min(max, ho->room);

    rc = ngx_goim_offer_slice(max);

    if (rc != NGX_OK) {
        if (rc == NGX_ERROR) {
            ngx_goim_target_avoid();
        }

        ngx_goim_offer_end();
        ngx_goim_handover_go_on(NGX_GOIM_HANDOVER_RETRY);
        return;
    }

    ngx_add_timer(&ho->event, NGX_GOIM_HANDOVER_ANSWER);
}


static void
ngx_goim_handover_handler(ngx_event_t *ev)
{
    ngx_uint_t            later;
    ngx_goim_handover_t  *ho;

    ho = &ngx_goim_handover;

    if (ngx_goim_handover_is_busy()) {
        ngx_goim_offer_give_up();
        return;
    }

    if (ho->over) {
        return;
    }

    if (ngx_goim_channel_is_past()) {

        /* in another generation positions mean something else */

        ngx_goim_handover_end();
        return;
    }

    if (ngx_goim_handover_has_more(&later)) {
        ngx_goim_handover_step();

        return;
    }

    ngx_goim_handover_rest();

    if (later) {
        ngx_add_timer(ev, NGX_GOIM_HANDOVER_RETRY);
    }
}
