
/*
 * Sweeps: every member of a room with something pending is visited once a
 * round and gets all of it; so is every connection, for broadcasts.  Rounds
 * are cut into slices, so that nobody else on the worker waits for them.
 */


#include "ngx_goim.h"


#define NGX_GOIM_SWEEP_VISITS  64    /* of one room before the next */
#define NGX_GOIM_SWEEP_US      2000  /* of one turn of the event loop */
#define NGX_GOIM_SWEEP_FRAMES  16    /* broadcasts of one round */


/* A broadcast, made into a frame once for all connections. */
typedef struct ngx_goim_broadcast_s  ngx_goim_broadcast_t;

struct ngx_goim_broadcast_s {
    ngx_goim_broadcast_t  *next;
    int32_t                op;
    size_t                 len;
    size_t                 header;  /* of it, that TCP does not have */
    u_char                 data[1];
};


static void ngx_goim_sweep_flush_handler(ngx_event_t *ev);
static void ngx_goim_sweep_handler(ngx_event_t *ev);


static ngx_queue_t             ngx_goim_sweep_rooms;
static ngx_event_t             ngx_goim_sweep_event;

/* those of the round come first; they were there when it began */
static ngx_goim_broadcast_t   *ngx_goim_sweep_first;
static ngx_goim_broadcast_t  **ngx_goim_sweep_last;
static uint32_t                ngx_goim_sweep_count;  /* of the round */
static uint32_t                ngx_goim_sweep_next;   /* visits left */
static uint32_t                ngx_goim_sweep_n;      /* all that wait */


void
ngx_goim_sweep_init(void)
{
    ngx_queue_init(&ngx_goim_sweep_rooms);

    ngx_goim_sweep_first = NULL;
    ngx_goim_sweep_last = &ngx_goim_sweep_first;
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


/* Broadcasts */

ngx_int_t
ngx_goim_sweep_broadcast(const goim_record_t *record)
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

    *ngx_goim_sweep_last = b;
    ngx_goim_sweep_last = &b->next;
    ngx_goim_sweep_n++;

    return NGX_OK;
}


static void
ngx_goim_sweep_begin_broadcast(void)
{
    ngx_goim_broadcast_t  *b;

    ngx_goim_sweep_count = 0;
    ngx_goim_sweep_next = ngx_goim_worker.nconns;

    for (b = ngx_goim_sweep_first;
         b && ngx_goim_sweep_count < NGX_GOIM_SWEEP_FRAMES;
         b = b->next)
    {
        ngx_goim_sweep_count++;
    }
}


static void
ngx_goim_sweep_end_broadcast(void)
{
    ngx_goim_broadcast_t  *b;

    while (ngx_goim_sweep_count) {
        b = ngx_goim_sweep_first;
        ngx_goim_sweep_first = b->next;
        ngx_goim_sweep_count--;
        ngx_goim_sweep_n--;
        ngx_free(b);
    }

    if (ngx_goim_sweep_first == NULL) {
        ngx_goim_sweep_last = &ngx_goim_sweep_first;
    }
}


static void
ngx_goim_sweep_visit(ngx_goim_conn_t *gc)
{
    int                    n;
    size_t                 header;
    uint32_t               i;
    struct iovec           iov[NGX_GOIM_SWEEP_FRAMES];
    ngx_goim_broadcast_t  *b;

    if (gc->state != NGX_GOIM_STATE_OPEN) {
        return;
    }

    n = 0;
    b = ngx_goim_sweep_first;

    for (i = 0; i < ngx_goim_sweep_count; i++, b = b->next) {

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


static void
ngx_goim_sweep_slice_broadcast(void)
{
    uint32_t  n;

    if (ngx_goim_sweep_count == 0) {
        ngx_goim_sweep_begin_broadcast();
    }

    for (n = 0; n < NGX_GOIM_SWEEP_VISITS && ngx_goim_sweep_next; n++) {

        if (--ngx_goim_sweep_next < ngx_goim_worker.nconns) {
            ngx_goim_sweep_visit(ngx_goim_worker.conns[ngx_goim_sweep_next]);
        }
    }

    if (ngx_goim_sweep_next == 0) {
        ngx_goim_sweep_end_broadcast();
    }
}


void
ngx_goim_sweep_drop(ngx_goim_conn_t *gc)
{
    uint32_t               i, n;
    ngx_goim_broadcast_t  *b;

    i = 0;
    n = 0;

    for (b = ngx_goim_sweep_first; b; b = b->next) {

        if (i++ < ngx_goim_sweep_count && gc->index >= ngx_goim_sweep_next) {

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
ngx_goim_sweep_leave(ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  *other;

    if (gc->index >= ngx_goim_sweep_next) {
        return;
    }

    other = ngx_goim_worker.conns[--ngx_goim_sweep_next];

    ngx_goim_worker.conns[gc->index] = other;
    other->index = gc->index;

    ngx_goim_worker.conns[ngx_goim_sweep_next] = gc;
    gc->index = ngx_goim_sweep_next;
}


/* 0, or 1 and how many broadcasts wait. */
ngx_uint_t
ngx_goim_sweep_pending(void)
{
    if (ngx_queue_empty(&ngx_goim_sweep_rooms) && ngx_goim_sweep_n == 0) {
        return 0;
    }

    return 1 + ngx_goim_sweep_n;
}


void
ngx_goim_sweep_run(void)
{
    uint64_t      start;
    ngx_event_t  *ev;
    ngx_queue_t  *q;

    start = ngx_goim_sweep_now();

    while (ngx_goim_sweep_pending()) {

        if (!ngx_queue_empty(&ngx_goim_sweep_rooms)) {
            q = ngx_queue_head(&ngx_goim_sweep_rooms);
            ngx_goim_sweep_slice(ngx_queue_data(q, ngx_goim_room_t,
                                                sweep_queue));
        }

        if (ngx_goim_sweep_first) {
            ngx_goim_sweep_slice_broadcast();
        }

        if (ngx_goim_sweep_now() - start >= NGX_GOIM_SWEEP_US) {
            ev = &ngx_goim_sweep_event;
            ev->handler = ngx_goim_sweep_handler;
            ev->data = ngx_goim_worker.pipe;
            ev->log = ngx_goim_worker.cycle->log;

            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }
    }

    ngx_goim_channel_resume();
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
