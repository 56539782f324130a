
/*
 * Sweeps: every member of a room with something pending is visited once a
 * round and gets all of it.  Rounds are cut into slices, those of broadcasts
 * among them, so that nobody else on the worker waits for them.
 */


#include "ngx_goim.h"


#define NGX_GOIM_SWEEP_VISITS  64    /* of one room before the next */
#define NGX_GOIM_SWEEP_US      2000  /* of one turn of the event loop */


static void ngx_goim_sweep_flush_handler(ngx_event_t *ev);
static void ngx_goim_sweep_handler(ngx_event_t *ev);


static ngx_queue_t  ngx_goim_sweep_rooms;
static ngx_event_t  ngx_goim_sweep_event;


void
ngx_goim_sweep_init(void)
{
    ngx_queue_init(&ngx_goim_sweep_rooms);
}


static uint64_t
ngx_goim_sweep_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* Rooms */

static void
ngx_goim_sweep_begin(ngx_goim_room_t *room)
{
    ngx_uint_t  t;

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        room->sweep_end[t] = room->logs[t].end;
        room->sweep_messages[t] = room->logs[t].messages;
        room->sweep_gap[t] = room->logs[t].gap;
    }

    room->next_member = room->nmembers;
}


static void
ngx_goim_sweep_start(ngx_goim_room_t *room)
{
    if (room->waiting) {
        ngx_queue_remove(&room->sweep_queue);
        room->waiting = 0;
    }

    room->sweeping = 1;
    ngx_goim_sweep_begin(room);
    ngx_queue_insert_tail(&ngx_goim_sweep_rooms, &room->sweep_queue);
}


/*
 * As many as a batch is to have; and more than a member may leave pending
 * can't be held back for all.
 */
static ngx_uint_t
ngx_goim_sweep_is_urgent(ngx_goim_room_t *room)
{
    uint32_t         count;
    ngx_uint_t       t;
    ngx_goim_log_t  *log;

    count = room->class->flush_count;

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        log = &room->logs[t];

        if (log->end - log->keep > room->class->backlog
            || (count && log->messages - room->sweep_messages[t] >= count))
        {
            return 1;
        }
    }

    return 0;
}


/* Holds the sweep back: all rooms of a class wait equally long. */
static void
ngx_goim_sweep_wait(ngx_goim_room_t *room)
{
    ngx_event_t            *ev;
    ngx_goim_room_class_t  *class;

    class = room->class;

    room->waiting = 1;
    room->flush_end = ngx_current_msec + class->flush;
    ngx_queue_insert_tail(&class->waiting, &room->sweep_queue);

    ev = &class->event;

    if (!ev->timer_set) {
        ev->handler = ngx_goim_sweep_flush_handler;
        ev->data = ngx_goim_worker.pipe;
        ev->log = ngx_goim_worker.cycle->log;

        /* who is let go at a worker's end gets what is pending before */

        ev->cancelable = 1;

        ngx_add_timer(ev, class->flush);
    }
}


void
ngx_goim_sweep_room(ngx_goim_room_t *room)
{
    if (room->sweeping) {

        /* members not yet visited take it along, the others next round */

        return;
    }

    if (room->class->flush == 0 || ngx_goim_sweep_is_urgent(room)) {
        ngx_goim_sweep_start(room);

    } else if (!room->waiting) {
        ngx_goim_sweep_wait(room);
    }
}


/* The first rooms of a class have waited long enough. */
static void
ngx_goim_sweep_flush_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q;
    ngx_msec_int_t          left;
    ngx_goim_room_t        *room;
    ngx_goim_room_class_t  *class;

    class = (ngx_goim_room_class_t *)
                ((u_char *) ev - offsetof(ngx_goim_room_class_t, event));

    while (!ngx_queue_empty(&class->waiting)) {
        q = ngx_queue_head(&class->waiting);
        room = ngx_queue_data(q, ngx_goim_room_t, sweep_queue);

        left = (ngx_msec_int_t) (room->flush_end - ngx_current_msec);

        if (left > 0) {
            ngx_add_timer(ev, left);
            break;
        }

        ngx_goim_sweep_start(room);
    }

    ngx_goim_sweep_run_once();
}


void
ngx_goim_sweep_hurry(void)
{
    ngx_uint_t              i;
    ngx_queue_t            *q;
    ngx_goim_room_class_t  *class;

    for (i = 0; (class = ngx_goim_room_class_get(ngx_goim_worker.conf, i));
         i++)
    {
        while (!ngx_queue_empty(&class->waiting)) {
            q = ngx_queue_head(&class->waiting);
            ngx_goim_sweep_start(ngx_queue_data(q, ngx_goim_room_t,
                                                sweep_queue));
        }
    }

    ngx_goim_sweep_run_once();
}


/* The room's last round is over. */
static void
ngx_goim_sweep_end(ngx_goim_room_t *room)
{
    ngx_queue_remove(&room->sweep_queue);
    room->sweeping = 0;

    ngx_goim_room_destroy(room);
}


/* What came during a round gets one of its own. */
static void
ngx_goim_sweep_again(ngx_goim_room_t *room)
{
    if (room->class->flush == 0) {
        ngx_goim_sweep_begin(room);
        return;
    }

    ngx_queue_remove(&room->sweep_queue);
    room->sweeping = 0;

    ngx_goim_sweep_room(room);
}


/*
 * A few visits, downwards; a member that is closed meanwhile is replaced by
 * the last one, which was visited or joined since.  Every member that does
 * not lag then stands at the round's end or later.
 */
static void
ngx_goim_sweep_slice(ngx_goim_room_t *room)
{
    uint32_t          n;
    ngx_uint_t        t, more;
    ngx_goim_conn_t  *gc;

    for (n = 0; n < NGX_GOIM_SWEEP_VISITS && room->next_member; n++) {

        if (--room->next_member >= room->nmembers) {
            continue;
        }

        gc = room->members[room->next_member];

        if (gc->pos != room->logs[gc->transport].end
            || ngx_goim_gap_untold(gc))
        {
            (void) ngx_goim_conn_flush(gc);
        }
    }

    if (room->next_member) {

        /* other rooms have their turn */

        ngx_queue_remove(&room->sweep_queue);
        ngx_queue_insert_tail(&ngx_goim_sweep_rooms, &room->sweep_queue);
        return;
    }

    more = 0;

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        ngx_goim_log_trim(&room->logs[t], room->sweep_end[t]);
        more |= room->logs[t].end != room->sweep_end[t]
                || room->logs[t].gap.lost != room->sweep_gap[t].lost
                || room->logs[t].gap.holes != room->sweep_gap[t].holes;
    }

    if (more && room->nmembers) {
        ngx_goim_sweep_again(room);
        return;
    }

    ngx_goim_sweep_end(room);
}


ngx_uint_t
ngx_goim_sweep_pending(void)
{
    uint32_t  n;

    n = ngx_goim_broadcast_pending();

    if (ngx_queue_empty(&ngx_goim_sweep_rooms) && n == 0) {
        return 0;
    }

    return 1 + n;
}


void
ngx_goim_sweep_run(void)
{
    uint64_t      start;
    ngx_event_t  *ev;
    ngx_queue_t  *q;

    start = ngx_goim_sweep_now();

    while (!ngx_queue_empty(&ngx_goim_sweep_rooms)
           || ngx_goim_broadcast_is_due())
    {

        if (!ngx_queue_empty(&ngx_goim_sweep_rooms)) {
            q = ngx_queue_head(&ngx_goim_sweep_rooms);
            ngx_goim_sweep_slice(ngx_queue_data(q, ngx_goim_room_t,
                                                sweep_queue));
        }

        ngx_goim_broadcast_slice();

        if (ngx_goim_sweep_now() - start >= NGX_GOIM_SWEEP_US) {
            ev = &ngx_goim_sweep_event;
            ev->handler = ngx_goim_sweep_handler;
            ev->data = ngx_goim_worker.pipe;
            ev->log = ngx_goim_worker.cycle->log;

            ngx_post_event(ev, &ngx_posted_next_events);
            break;
        }
    }

    /* broadcasts with a pace hold nothing up */

    if (!ngx_goim_sweep_pending()) {
        ngx_goim_channel_resume();
    }
}


void
ngx_goim_sweep_run_once(void)
{
    if (!ngx_goim_sweep_event.posted) {
        ngx_goim_sweep_run();
    }
}


static void
ngx_goim_sweep_handler(ngx_event_t *ev)
{
    ngx_goim_sweep_run();
}
