
/*
 * The channel in a worker: its slot, being woken, and the turns in which it
 * reads the lanes.  The directive is ngx_goim_channel_conf.c.
 */


#include "ngx_goim.h"


/* bytes of records that one turn takes before others get theirs */
#define NGX_GOIM_CHANNEL_TURN  (256 * 1024)

/*
 * Broadcasts that wait when reading stops: each goes to every connection, and
 * a reader that has not moved for too long is marked out by the producer.
 */
#define NGX_GOIM_CHANNEL_WAITING  32

/* a buffer that one large record needed is given back beyond this */
#define NGX_GOIM_CHANNEL_KEEP  (1024 * 1024)


static void ngx_goim_channel_pipe_handler(ngx_event_t *rev);
static void ngx_goim_channel_turn_handler(ngx_event_t *ev);
static void ngx_goim_channel_look_handler(ngx_event_t *ev);


static ngx_event_t  ngx_goim_channel_turn_event;
static ngx_event_t  ngx_goim_channel_look_event;

static u_char      *ngx_goim_channel_buf;
static size_t       ngx_goim_channel_size;

static size_t       ngx_goim_channel_ahead;  /* bytes read since all sweeps
                                                were over */
static ngx_uint_t   ngx_goim_channel_waits;  /* for the sweeps */
static ngx_uint_t   ngx_goim_channel_held;


static ngx_int_t
ngx_goim_channel_take_slot(ngx_cycle_t *cycle)
{
    goim_error_t                error;
    ngx_http_goim_main_conf_t  *gmcf;

    gmcf = ngx_goim_worker.conf;

    if (goim_channel_open((char *) gmcf->path.data, gmcf->generation,
                          GOIM_CHANNEL_READER, &ngx_goim_worker.channel,
                          &error)
        != GOIM_OK)
    {
        ngx_goim_worker.channel = NULL;
        goto failed;
    }

    if (goim_reader_open(ngx_goim_worker.channel, &ngx_goim_worker.reader,
                         &error)
        == GOIM_OK)
    {
        ngx_goim_worker.epoch =
            atomic_load(&ngx_goim_worker.reader->slot->epoch);
        return NGX_OK;
    }

    goim_channel_close(ngx_goim_worker.channel);

    ngx_goim_worker.channel = NULL;
    ngx_goim_worker.reader = NULL;

failed:

    ngx_log_error(NGX_LOG_CRIT, cycle->log, error.err,
                  "goim channel: %s; this worker refuses goim connections",
                  error.text);

    return NGX_ERROR;
}


/*
 * The pipe's connection is "idle", so that a graceful shutdown calls its
 * handler, the one call a module gets; it is a "channel", so that the worker
 * does not complain of an open socket when it exits.  From the shutdown on it
 * is neither: worker_shutdown_timeout calls it as well, and what exits in
 * grace closes it before.
 */
static ngx_int_t
ngx_goim_channel_add_pipe(ngx_cycle_t *cycle)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ngx_goim_worker.reader->pipe_fd, cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->idle = 1;
    c->read->channel = 1;
    c->write->channel = 1;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->handler = ngx_goim_channel_pipe_handler;

    if (ngx_add_event(c->read, NGX_READ_EVENT, 0) != NGX_OK) {
        ngx_free_connection(c);
        return NGX_ERROR;
    }

    ngx_goim_worker.pipe = c;

    return NGX_OK;
}


static ngx_int_t
ngx_goim_channel_grow(size_t size)
{
    u_char  *buf;

    buf = ngx_alloc(size, ngx_goim_worker.cycle->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (ngx_goim_channel_buf) {
        ngx_free(ngx_goim_channel_buf);
    }

    ngx_goim_channel_buf = buf;
    ngx_goim_channel_size = size;

    return NGX_OK;
}


void
ngx_goim_channel_open(ngx_cycle_t *cycle)
{
    ngx_event_t  *ev;

    if (ngx_goim_channel_take_slot(cycle) != NGX_OK) {
        return;
    }

    if (ngx_goim_channel_grow(NGX_GOIM_CHANNEL_TURN) != NGX_OK
        || ngx_goim_channel_add_pipe(cycle) != NGX_OK)
    {
        ngx_goim_channel_close();
        return;
    }

    ev = &ngx_goim_channel_turn_event;
    ev->handler = ngx_goim_channel_turn_handler;
    ev->data = ngx_goim_worker.pipe;
    ev->log = cycle->log;

    ev = &ngx_goim_channel_look_event;
    ev->handler = ngx_goim_channel_look_handler;
    ev->data = ngx_goim_worker.pipe;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, 1000);

    /* something may have been published since the lanes were joined */

    ngx_post_event(&ngx_goim_channel_turn_event, &ngx_posted_events);
}


void
ngx_goim_channel_close(void)
{
    ngx_connection_t  *c;

    c = ngx_goim_worker.pipe;

    if (c) {
        if (c->read->active) {
            ngx_del_event(c->read, NGX_READ_EVENT, 0);
        }

        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
        ngx_goim_worker.pipe = NULL;
    }

    if (ngx_goim_worker.reader) {
        goim_reader_close(ngx_goim_worker.reader);
        ngx_goim_worker.reader = NULL;
    }

    if (ngx_goim_worker.channel) {
        goim_channel_close(ngx_goim_worker.channel);
        ngx_goim_worker.channel = NULL;
    }
}


ngx_uint_t
ngx_goim_channel_ready(void)
{
    return ngx_goim_worker.reader != NULL && !ngx_goim_worker.channel->broken;
}


/* What the reader has found out about its lanes goes into the counters. */
static void
ngx_goim_channel_account(void)
{
    uint32_t             i;
    goim_reader_lane_t  *rl;

    for (i = 0; i < ngx_goim_worker.channel->lanes; i++) {
        rl = &ngx_goim_worker.reader->lanes[i];

        if (rl->missed) {
            ngx_log_error(NGX_LOG_WARN, ngx_goim_worker.cycle->log, 0,
                          "goim channel: missed %uL records of lane %uD",
                          rl->missed, i);
            ngx_goim_count(NGX_GOIM_DROP_MISSED, rl->missed);
            rl->missed = 0;
        }

        if (rl->damaged) {
            ngx_log_error(NGX_LOG_ERR, ngx_goim_worker.cycle->log, 0,
                          "goim channel: lane %uD is damaged, going on at "
                          "its end", i);
            ngx_goim_count(NGX_GOIM_CHANNEL_DAMAGED, rl->damaged);
            rl->damaged = 0;
        }

        if (rl->returned) {
            ngx_goim_count(NGX_GOIM_CHANNEL_RETURNED, rl->returned);
            rl->returned = 0;
        }
    }

    if (ngx_goim_worker.channel->broken && !ngx_goim_worker.broken) {
        ngx_goim_worker.broken = 1;
        ngx_log_error(NGX_LOG_CRIT, ngx_goim_worker.cycle->log, 0,
                      "goim channel: \"%s\" was cut short or written over; no "
                      "messages, and no clients, until the next start or "
                      "reload",
                      ngx_goim_worker.channel->path);

        /* they would miss everything without knowing it */

        ngx_goim_conn_drain();
    }
}


/*
 * Copies records of one lane behind the turn's others.  NGX_OK: some;
 * NGX_AGAIN: the lane is empty; NGX_DECLINED: the turn is full.
 */
static ngx_int_t
ngx_goim_channel_read_lane(uint32_t lane, size_t *used)
{
    int                   rc;
    size_t                need;
    uint64_t              missed;
    const goim_record_t  *record;
    goim_reader_lane_t   *rl;
    goim_reader_batch_t   batch;

    if (ngx_goim_channel_size - *used < 64 * 1024) {
        return NGX_DECLINED;
    }

    rl = &ngx_goim_worker.reader->lanes[lane];
    missed = rl->missed + rl->damaged;

    batch.buf = ngx_goim_channel_buf + *used;
    batch.cap = 64 * 1024;

    rc = goim_reader_read(ngx_goim_worker.reader, lane, &batch);

    if (rc == GOIM_FULL) {
        need = batch.end;

        if (need > ngx_goim_channel_size - *used) {
            if (*used) {
                return NGX_DECLINED;
            }

            if (ngx_goim_channel_grow(ngx_align(need, 64 * 1024)) != NGX_OK) {

                /* waiting for memory would hold up all others */

                goim_reader_skip(ngx_goim_worker.reader, lane, need);
                ngx_goim_fanout_missed();
                return NGX_OK;
            }

            batch.buf = ngx_goim_channel_buf;
        }

        batch.cap = ngx_align(need, 8);
        rc = goim_reader_read(ngx_goim_worker.reader, lane, &batch);
    }

    if (rl->missed + rl->damaged != missed) {
        ngx_goim_fanout_missed();
    }

    if (rc != GOIM_OK) {
        return NGX_AGAIN;
    }

    *used += ngx_align(batch.end, 8);

    while ((record = goim_reader_next(&batch)) != NULL) {
        ngx_goim_fanout_record(record);
    }

    return NGX_OK;
}


/*
 * One turn: records of all lanes until they are empty or the turn is full.
 * Returns whether there may be more.
 */
static ngx_uint_t
ngx_goim_channel_turn(void)
{
    size_t            used;
    uint32_t          empty;
    ngx_int_t         rc;

    static uint32_t   lane;

    used = 0;
    empty = 0;
    rc = NGX_AGAIN;

    while (empty < ngx_goim_worker.channel->lanes) {
        lane = (lane + 1) % ngx_goim_worker.channel->lanes;

        rc = ngx_goim_channel_read_lane(lane, &used);

        if (rc == NGX_DECLINED) {
            break;
        }

        if (ngx_goim_sweep_pending() > NGX_GOIM_CHANNEL_WAITING) {
            rc = NGX_DECLINED;
            break;
        }

        empty = rc == NGX_AGAIN ? empty + 1 : 0;
    }

    ngx_goim_channel_ahead += used;

    ngx_goim_channel_account();
    ngx_goim_fanout_finish();

    if (ngx_goim_channel_size > NGX_GOIM_CHANNEL_KEEP) {
        (void) ngx_goim_channel_grow(NGX_GOIM_CHANNEL_TURN);
    }

    return rc == NGX_DECLINED;
}


static void
ngx_goim_channel_turn_handler(ngx_event_t *ev)
{
    if (ngx_goim_worker.reader == NULL) {
        return;
    }

    goim_reader_wake(ngx_goim_worker.reader);
    ngx_goim_query_look();

    if (ngx_goim_channel_held) {
        return;
    }

    if (!ngx_goim_sweep_pending()) {
        ngx_goim_channel_ahead = 0;

    } else if (ngx_goim_channel_ahead >= NGX_GOIM_CHANNEL_TURN
               || ngx_goim_sweep_pending() > NGX_GOIM_CHANNEL_WAITING)
    {

        /*
         * Reading on would only pile up what has no chance of being sent yet,
         * beyond the backlog of members that take all they are given.
         */

        ngx_goim_channel_waits = 1;
        return;
    }

    if (ngx_goim_channel_turn()
        || goim_reader_sleep(ngx_goim_worker.reader) == GOIM_AGAIN)
    {
        ngx_post_event(ev, &ngx_posted_next_events);
    }

    ngx_goim_handover_look();
}


void
ngx_goim_channel_resume(void)
{
    if (ngx_goim_channel_waits) {
        ngx_goim_channel_waits = 0;
        ngx_post_event(&ngx_goim_channel_turn_event, &ngx_posted_next_events);
    }
}


void
ngx_goim_channel_hold(void)
{
    ngx_goim_channel_held = 1;
}


void
ngx_goim_channel_release(void)
{
    if (ngx_goim_channel_held) {
        ngx_goim_channel_held = 0;
        ngx_post_event(&ngx_goim_channel_turn_event, &ngx_posted_next_events);
    }
}


void
ngx_goim_channel_turn_soon(void)
{
    if (!ngx_goim_channel_waits && !ngx_goim_channel_turn_event.posted) {
        ngx_post_event(&ngx_goim_channel_turn_event, &ngx_posted_next_events);
    }
}


void
ngx_goim_channel_positions(uint64_t *positions)
{
    uint32_t  i;

    for (i = 0; i < ngx_goim_worker.channel->lanes; i++) {
        positions[i] = ngx_goim_worker.reader->lanes[i].position;
    }
}


ngx_uint_t
ngx_goim_channel_is_at(const uint64_t *positions)
{
    uint32_t  i;

    for (i = 0; i < ngx_goim_worker.channel->lanes; i++) {
        if (ngx_goim_worker.reader->lanes[i].position < positions[i]) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_goim_channel_is_past(void)
{
    goim_channel_t  *ch;

    ch = ngx_goim_worker.channel;

    return ngx_goim_worker.reader == NULL || ch->broken
           || atomic_load(&goim_channel_header(ch)->successor) != 0;
}


static void
ngx_goim_channel_pipe_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {

        /* nginx closes its idle connections: the worker is shutting down */

        c->close = 0;
        c->idle = 0;
        rev->channel = 0;

        ngx_goim_conn_drain();

        if (c->error) {

            /* worker_shutdown_timeout */

            ngx_goim_session_cut();
        }
    }

    ngx_goim_channel_turn_handler(&ngx_goim_channel_turn_event);
}


/* A producer that was killed between publishing and waking; a file that has
 * become something else. */
static void
ngx_goim_channel_look_handler(ngx_event_t *ev)
{
    if (ngx_goim_worker.reader) {
        (void) goim_channel_is_whole(ngx_goim_worker.channel);
    }

    ngx_goim_channel_turn_handler(&ngx_goim_channel_turn_event);

    ngx_add_timer(ev, 1000);
}
