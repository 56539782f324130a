
/*
 * Session reports: who came, who left, who is still there and how many each
 * room has, in batches of lines to the location of goim_session
 * (docs/http_api.md), one report at a time; its answer tells how many the
 * rooms have everywhere.
 */


#include "ngx_goim.h"


#define NGX_GOIM_SESSION_BODY    (256 * 1024)   /* of a report, about */
#define NGX_GOIM_SESSION_NOTES   (512 * 1024)   /* kept for the next report:
                                                   both stay below nginx's 1m
                                                   for a request's body */
#define NGX_GOIM_SESSION_ANSWER  (512 * 1024)
#define NGX_GOIM_SESSION_LINE    2048  /* more than the longest line */
#define NGX_GOIM_SESSION_ROOMS   10000 /* ms until all rooms were reported */
#define NGX_GOIM_SESSION_SILENT  10000 /* ms without a report at most */
#define NGX_GOIM_SESSION_FRESH   30    /* s that an answered count is good */
#define NGX_GOIM_SESSION_DELAY   30000 /* ms between attempts at most */
#define NGX_GOIM_SESSION_LAST    3     /* attempts of a worker that exits */
#define NGX_GOIM_SESSION_CUT     1000  /* ms for the very last one */
#define NGX_GOIM_SESSION_HURRY   20    /* ms until what came is reported */
#define NGX_GOIM_SESSION_QUIET   500   /* ms, and an interval, that others get
                                          to tell of what went to them */


typedef struct {
    ngx_event_t          event;     /* the next report */
    ngx_goim_uplink_t   *uplink;    /* under way; NULL: none */

    /* what is asked, and asked again until it is answered; NULL: none */
    ngx_goim_out_t      *report;
    unsigned             last:1;    /* it is the worker's last one */
    unsigned             full:1;    /* not everything went in */
    unsigned             cut:1;     /* worker_shutdown_timeout is over */

    /* still to be reported */
    ngx_goim_out_t      *notes;     /* lines of what is over */
    ngx_goim_conn_t    **conns;     /* that came; NULL: left since */
    uint32_t             nconns;
    uint32_t             nalloc;

    uint64_t             epoch;     /* of the sessions; a new one after what
                                       could not be kept */
    uint32_t             listing;   /* connections below have to be reported
                                       in this epoch, walking down */
    uint32_t             renewal;   /* connections below have to be renewed in
                                       this round, walking down */
    uint64_t             renew_rest;  /* of a connection, in ms of the round */
    uint32_t             bucket;    /* of rooms: the next one */

    uint32_t             hurried;   /* buckets of rooms to be reported at
                                       once */
    ngx_msec_t           quiet;     /* no report before; 0: no matter */
    ngx_msec_t           reported;  /* when the last report was made */
    ngx_uint_t           failures;  /* in a row */
} ngx_goim_session_t;


static void ngx_goim_session_handler(ngx_event_t *ev);
static void ngx_goim_session_done(ngx_goim_uplink_t *up);


static ngx_goim_session_t  ngx_goim_session;


static ngx_uint_t
ngx_goim_session_is_off(void)
{
    return ngx_goim_worker.conf->session_uri.len == 0
           || ngx_goim_worker.reader == NULL;
}


static void
ngx_goim_session_arm(ngx_msec_t delay)
{
    ngx_event_t  *ev;

    ev = &ngx_goim_session.event;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    /* a worker that exits waits for its last report */

    ev->cancelable = !ngx_goim_worker.exiting;

    ngx_add_timer(ev, delay);
}


void
ngx_goim_session_init(void)
{
    ngx_event_t  *ev;

    if (ngx_goim_session_is_off()) {
        return;
    }

    ngx_goim_session.epoch = ngx_goim_worker.epoch;

    ev = &ngx_goim_session.event;
    ev->handler = ngx_goim_session_handler;
    ev->data = ngx_goim_worker.pipe;
    ev->log = ngx_goim_worker.cycle->log;

    /* its predecessor's sessions end with the first one */

    ngx_goim_session_arm(1);
}


/* What could not be kept: all that is there is told anew. */
static void
ngx_goim_session_resync(void)
{
    uint32_t             i;
    struct timespec      ts;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;

    for (i = 0; i < gs->nconns; i++) {
        if (gs->conns[i]) {
            gs->conns[i]->session = 0;
        }
    }

    gs->nconns = 0;

    ngx_goim_out_free(&gs->notes);
    ngx_goim_out_free(&gs->report);

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    gs->epoch = ngx_max(gs->epoch + 1,
                        (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec);
    gs->listing = ngx_goim_worker.nconns;

    ngx_goim_count(NGX_GOIM_SESSION_RESYNCS, 1);
}


/* Lines */

static u_char *
ngx_goim_session_field(u_char *p, const u_char *data, size_t len)
{
    *p++ = ' ';

    return (u_char *) ngx_escape_uri(p, (u_char *) data, len, NGX_ESCAPE_URI);
}


/* " <connection id> <key> <mid>" */
static u_char *
ngx_goim_session_who(u_char *p, ngx_goim_conn_t *gc)
{
    u_char  id[NGX_GOIM_CONN_MAX];

    p = ngx_goim_session_field(p, id, ngx_goim_conn_id(gc, id));
    p = ngx_goim_session_field(p, ngx_goim_identity_key(gc->id),
                               gc->id->key_len);

    *p++ = ' ';

    return ngx_goim_identity_print_mid(p, gc->id->mid);
}


static ngx_int_t
ngx_goim_session_append(ngx_goim_out_t **out, u_char *line, u_char *last)
{
    return ngx_goim_out_append(out, line, last - line);
}


/* In ms since 1970; of two connections with one key the later one counts. */
static uint64_t
ngx_goim_session_since(ngx_goim_conn_t *gc)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec
           - (ngx_current_msec - gc->connection->start_time);
}


static ngx_int_t
ngx_goim_session_put_connect(ngx_goim_out_t **out, ngx_goim_conn_t *gc)
{
    u_char  *p, line[NGX_GOIM_SESSION_LINE];

    p = ngx_cpymem(line, "connect", sizeof("connect") - 1);
    p = ngx_goim_session_who(p, gc);
    p = ngx_sprintf(p, " %V", &ngx_goim_transport_names[gc->transport]);
    p = ngx_goim_session_field(p, gc->connection->addr_text.data,
                               gc->connection->addr_text.len);
    p = ngx_sprintf(p, " %uL\n", ngx_goim_session_since(gc));

    return ngx_goim_session_append(out, line, p);
}


static ngx_int_t
ngx_goim_session_put_renew(ngx_goim_out_t **out, ngx_goim_conn_t *gc)
{
    u_char  *p, line[NGX_GOIM_SESSION_LINE];

    p = ngx_cpymem(line, "renew", sizeof("renew") - 1);
    p = ngx_goim_session_who(p, gc);
    *p++ = '\n';

    return ngx_goim_session_append(out, line, p);
}


static ngx_int_t
ngx_goim_session_put_room(ngx_goim_out_t **out, ngx_goim_room_t *room)
{
    u_char  *p, line[NGX_GOIM_SESSION_LINE];

    p = ngx_cpymem(line, "room", sizeof("room") - 1);
    p = ngx_goim_session_field(p, room->name, room->name_len);
    p = ngx_sprintf(p, " %uD\n", room->nmembers);

    return ngx_goim_session_append(out, line, p);
}


/* Events */

/* A line of something that is over is kept until it is reported. */
static void
ngx_goim_session_note(u_char *line, u_char *last)
{
    ngx_goim_out_t  *notes;

    notes = ngx_goim_session.notes;

    if ((notes && notes->end + (last - line) > NGX_GOIM_SESSION_NOTES)
        || ngx_goim_session_append(&ngx_goim_session.notes, line, last)
           != NGX_OK)
    {
        ngx_goim_session_resync();
    }
}


void
ngx_goim_session_connect(ngx_goim_conn_t *gc)
{
    ngx_goim_session_t  *gs;

    if (ngx_goim_session_is_off()) {
        return;
    }

    gs = &ngx_goim_session;

    if (ngx_goim_conn_grow(&gs->conns, gs->nconns, &gs->nalloc,
                           gc->connection->log)
        != NGX_OK)
    {
        ngx_goim_session_resync();
        return;
    }

    gs->conns[gs->nconns++] = gc;
    gc->session = gs->nconns;

    if (!gs->event.timer_set && gs->uplink == NULL) {

        /* it came after the worker's last report */

        ngx_goim_session_arm(1);
    }
}


void
ngx_goim_session_disconnect(ngx_goim_conn_t *gc, ngx_goim_reason_e reason)
{
    u_char  *p, line[NGX_GOIM_SESSION_LINE];

    if (ngx_goim_session_is_off()) {
        return;
    }

    if (gc->session) {
        ngx_goim_session.conns[gc->session - 1] = NULL;
        gc->session = 0;
    }

    /* reported or not: the auth service may know of it */

    p = ngx_cpymem(line, "disconnect", sizeof("disconnect") - 1);
    p = ngx_goim_session_who(p, gc);
    p = ngx_sprintf(p, " %s\n", ngx_goim_status_reason(reason));

    ngx_goim_session_note(line, p);
}


void
ngx_goim_session_forget(ngx_goim_conn_t *gc)
{
    if (gc->session) {
        ngx_goim_session.conns[gc->session - 1] = NULL;
        gc->session = 0;
    }
}


void
ngx_goim_session_hurry(void)
{
    ngx_goim_session_t  *gs;

    if (ngx_goim_session_is_off()) {
        return;
    }

    gs = &ngx_goim_session;

    if (gs->hurried == 0 && gs->uplink == NULL && gs->failures == 0) {
        ngx_goim_session_arm(NGX_GOIM_SESSION_HURRY);
    }

    gs->hurried = ngx_goim_room_table_size();
}


void
ngx_goim_session_wait(void)
{
    ngx_goim_session.quiet = ngx_current_msec + NGX_GOIM_SESSION_QUIET
                             + ngx_goim_worker.conf->session_interval;
    ngx_goim_session.quiet |= 1;
}


void
ngx_goim_session_empty_room(ngx_goim_room_t *room)
{
    u_char  *p, line[NGX_GOIM_SESSION_LINE];

    if (ngx_goim_session_is_off()) {
        return;
    }

    p = ngx_cpymem(line, "room", sizeof("room") - 1);
    p = ngx_goim_session_field(p, room->name, room->name_len);
    p = ngx_cpymem(p, " 0\n", 3);

    ngx_goim_session_note(line, p);
}


void
ngx_goim_session_exit(void)
{
    if (!ngx_goim_session_is_off() && ngx_goim_session.uplink == NULL) {
        ngx_goim_session_arm(1);
    }
}


void
ngx_goim_session_cut(void)
{
    ngx_goim_session.cut = 1;
}


/* Reports */

static ngx_uint_t
ngx_goim_session_is_full(void)
{
    return ngx_goim_session.report->end >= NGX_GOIM_SESSION_BODY;
}


/* Those that came, then, after a resync, all others. */
static ngx_int_t
ngx_goim_session_add_connects(void)
{
    uint32_t             i, n;
    ngx_goim_conn_t     *gc;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;

    for (i = 0; i < gs->nconns && !ngx_goim_session_is_full(); i++) {
        gc = gs->conns[i];

        if (gc && ngx_goim_session_put_connect(&gs->report, gc) != NGX_OK) {
            return NGX_ERROR;
        }

        if (gc) {
            gc->session = 0;
        }
    }

    for (n = 0; i < gs->nconns; i++) {
        gc = gs->conns[i];

        if (gc) {
            gs->conns[n++] = gc;
            gc->session = n;
        }
    }

    gs->nconns = n;

    gs->listing = ngx_min(gs->listing, ngx_goim_worker.nconns);

    while (gs->listing && !ngx_goim_session_is_full()) {
        gc = ngx_goim_worker.conns[--gs->listing];

        if (gc->state == NGX_GOIM_STATE_OPEN && gc->session == 0
            && ngx_goim_session_put_connect(&gs->report, gc) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* So many that all are renewed in the time of a round. */
static ngx_int_t
ngx_goim_session_add_renewals(ngx_msec_t elapsed)
{
    uint64_t             n;
    ngx_msec_t           round;
    ngx_goim_conn_t     *gc;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    round = ngx_goim_worker.conf->session_renew;

    gs->renew_rest += (uint64_t) ngx_goim_worker.nconns
                      * ngx_min(elapsed, round);
    n = gs->renew_rest / round;
    gs->renew_rest %= round;

    while (n && ngx_goim_worker.nconns && !ngx_goim_session_is_full()) {
        n--;

        gs->renewal = ngx_min(gs->renewal, ngx_goim_worker.nconns);

        if (gs->renewal == 0) {
            gs->renewal = ngx_goim_worker.nconns;
        }

        gc = ngx_goim_worker.conns[--gs->renewal];

        if (gc->state == NGX_GOIM_STATE_OPEN && gc->session == 0
            && ngx_goim_session_put_renew(&gs->report, gc) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_goim_session_add_rooms(ngx_msec_t elapsed)
{
    uint32_t             n, size;
    ngx_goim_room_t     *room;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    size = ngx_goim_room_table_size();

    n = (uint64_t) size * ngx_min(elapsed, NGX_GOIM_SESSION_ROOMS)
        / NGX_GOIM_SESSION_ROOMS + 1;
    n = ngx_min(ngx_max(n, gs->hurried), size);

    while (n-- && !ngx_goim_session_is_full()) {
        gs->hurried -= gs->hurried != 0;
        gs->bucket = (gs->bucket + 1) & (size - 1);

        for (room = ngx_goim_room_bucket(gs->bucket); room; room = room->next)
        {
            if (room->nmembers
                && ngx_goim_session_put_room(&gs->report, room) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_goim_session_is_over(void)
{
    return ngx_goim_worker.exiting && ngx_goim_worker.nconns == 0;
}


/*
 * The first line: version, server, slot, epoch, what the report is part of,
 * connections of this worker.
 */
static ngx_int_t
ngx_goim_session_add_head(void)
{
    u_char              *p, line[NGX_GOIM_SESSION_LINE];
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    gs->last = ngx_goim_session_is_over();

    p = ngx_sprintf(line, "session 1 %V %uD %uL %s %uD\n",
                    &ngx_goim_worker.conf->server_id,
                    ngx_goim_worker.reader->index, gs->epoch,
                    gs->last ? "last" : gs->listing ? "partial" : "complete",
                    ngx_goim_worker.nconns);

    return ngx_goim_session_append(&gs->report, line, p);
}


static ngx_int_t
ngx_goim_session_make_report(ngx_msec_t elapsed)
{
    ngx_goim_out_t      *notes;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;

    if (ngx_goim_session_add_head() != NGX_OK) {
        return NGX_ERROR;
    }

    notes = gs->notes;

    if (notes) {
        if (ngx_goim_session_append(&gs->report, notes->data + notes->start,
                                    notes->data + notes->end)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_goim_out_free(&gs->notes);
    }

    if (ngx_goim_session_add_connects() != NGX_OK
        || ngx_goim_session_add_renewals(elapsed) != NGX_OK
        || ngx_goim_session_add_rooms(elapsed) != NGX_OK)
    {
        return NGX_ERROR;
    }

    gs->full = ngx_goim_session_is_full();
    gs->reported = ngx_current_msec;

    return NGX_OK;
}


/* Nothing has happened, and logic has heard of us not long ago. */
static ngx_uint_t
ngx_goim_session_may_be_silent(ngx_msec_t elapsed)
{
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;

    return gs->notes == NULL && gs->nconns == 0 && gs->listing == 0
           && ngx_goim_worker.nconns == 0 && !ngx_goim_session_is_over()
           && gs->reported && elapsed < NGX_GOIM_SESSION_SILENT;
}


static void
ngx_goim_session_send(void)
{
    ngx_goim_session_t         *gs;
    ngx_goim_uplink_request_t   ur;

    gs = &ngx_goim_session;

    ur.ctx = ngx_goim_worker.conf->session_ctx;
    ur.uri = ngx_goim_worker.conf->session_uri;
    ur.from = NULL;
    ur.client = NULL;
    ur.body = gs->report->data + gs->report->start;
    ur.len = gs->report->end - gs->report->start;
    ngx_str_set(&ur.type, "text/plain; charset=utf-8");
    ur.max = NGX_GOIM_SESSION_ANSWER;
    ur.done = ngx_goim_session_done;

    gs->uplink = ngx_goim_uplink_start(&ur);

    ngx_goim_count(NGX_GOIM_SESSION_REPORTS, 1);
}


/* Until the next report, or the next attempt. */
static ngx_msec_t
ngx_goim_session_delay(void)
{
    ngx_msec_t           delay;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    delay = ngx_goim_worker.conf->session_interval;

    if (gs->failures) {
        delay = ngx_max(delay, ngx_min(delay << ngx_min(gs->failures - 1, 5),
                                       NGX_GOIM_SESSION_DELAY));

    } else if (gs->full) {

        /* what did not fit goes at once */

        delay = 1;
    }

    return ngx_goim_worker.exiting ? ngx_min(delay, 1000) : delay;
}


static void
ngx_goim_session_failed(ngx_uint_t status)
{
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    gs->failures++;

    ngx_goim_count(NGX_GOIM_SESSION_FAILED, 1);

    ngx_log_error(NGX_LOG_ERR, ngx_goim_worker.cycle->log, 0,
                  "goim session: \"%V\" answered %ui instead of 200, the "
                  "report is kept", &ngx_goim_worker.conf->session_uri,
                  status);

    if (ngx_goim_session_is_over() && gs->failures >= NGX_GOIM_SESSION_LAST) {

        /* its epoch ends its sessions, when another takes the slot */

        return;
    }

    ngx_goim_session_arm(ngx_goim_session_delay());
}


static void
ngx_goim_session_handler(ngx_event_t *ev)
{
    ngx_msec_t           elapsed;
    ngx_msec_int_t       left;
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;

    if (ngx_goim_session_is_off()) {
        return;
    }

    if (gs->uplink) {
        if (gs->cut) {
            ngx_goim_uplink_end(gs->uplink);
        }

        return;
    }

    if (gs->quiet && !gs->cut) {
        left = (ngx_msec_int_t) (gs->quiet - ngx_current_msec);

        if (left > 0) {
            ngx_goim_session_arm(left);
            return;
        }

        gs->quiet = 0;
    }

    elapsed = gs->reported ? ngx_current_msec - gs->reported
                           : ngx_goim_worker.conf->session_interval;

    if (gs->report == NULL) {

        if (ngx_goim_session_may_be_silent(elapsed)) {
            ngx_goim_session_arm(ngx_goim_session_delay());
            return;
        }

        if (ngx_goim_session_make_report(elapsed) != NGX_OK) {
            ngx_goim_session_resync();
            ngx_goim_session_failed(0);
            return;
        }
    }

    ngx_goim_session_send();

    if (gs->uplink == NULL) {
        ngx_goim_session_failed(NGX_HTTP_SERVICE_UNAVAILABLE);
        return;
    }

    if (gs->cut) {
        gs->failures = NGX_GOIM_SESSION_LAST;
        ngx_goim_session_arm(NGX_GOIM_SESSION_CUT);
    }
}


/* Answers */

/* "<name> <count>" */
static void
ngx_goim_session_read_room(u_char *p, u_char *last)
{
    size_t            len;
    u_char           *space, *dst, name[3 * GOIM_ROOM_NAME_MAX];
    ngx_int_t         n;
    ngx_goim_room_t  *room;

    space = ngx_strlchr(p, last, ' ');

    if (space == NULL || space - p > (ssize_t) sizeof(name)) {
        return;
    }

    n = ngx_atoi(space + 1, last - space - 1);
    if (n == NGX_ERROR) {
        return;
    }

    dst = name;
    ngx_unescape_uri(&dst, &p, space - p, 0);
    len = dst - name;

    room = ngx_goim_room_find(goim_room_name_hash(name, len), name, len);

    if (room) {
        room->online = (uint32_t) ngx_min(n, NGX_MAX_INT32_VALUE);
        room->online_at = ngx_time();
    }
}


/* Lines that are not known are for others, or for later versions. */
static void
ngx_goim_session_read_answer(ngx_goim_out_t *answer)
{
    u_char  *p, *end, *last;

    last = answer->data + answer->end;

    for (p = answer->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '\n');
        if (end == NULL) {
            end = last;
        }

        if (end - p > 5 && ngx_strncmp(p, "room ", 5) == 0) {
            ngx_goim_session_read_room(p + 5, end);

        } else if (end - p == 6 && ngx_strncmp(p, "resync", 6) == 0) {
            ngx_goim_session_resync();
        }
    }
}


static void
ngx_goim_session_done(ngx_goim_uplink_t *up)
{
    ngx_goim_session_t  *gs;

    gs = &ngx_goim_session;
    gs->uplink = NULL;

    if (ngx_goim_session_is_off()) {
        return;
    }

    if (gs->event.timer_set) {
        ngx_del_timer(&gs->event);
    }

    if (up->status != NGX_HTTP_OK) {
        ngx_goim_session_failed(up->status);
        return;
    }

    if (gs->failures) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_goim_worker.cycle->log, 0,
                      "goim session: reports are taken again");
        gs->failures = 0;
    }

    if (gs->report) {
        ngx_goim_out_free(&gs->report);

        if (gs->last) {

            /* the worker may go */

            return;
        }
    }

    /* the end of one that was cut may be half a line */

    if (up->answer && !up->cut) {
        ngx_goim_session_read_answer(up->answer);
    }

    ngx_goim_session_arm(ngx_goim_session_delay());
}


uint64_t
ngx_goim_session_online(ngx_goim_room_t *room)
{
    if (room->online_at
        && ngx_time() - (time_t) room->online_at < NGX_GOIM_SESSION_FRESH)
    {
        return room->online;
    }

    return ngx_goim_room_online(room);
}
