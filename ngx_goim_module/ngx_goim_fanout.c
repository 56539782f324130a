
/*
 * Records of the channel to frames: what one wake-up brought for a room
 * becomes one frame of its log, once for all members; pushes to keys go into
 * the queues of their connections.
 */


#include "ngx_goim.h"


#define NGX_GOIM_FANOUT_MAX    4096   /* records of one turn at most */
#define NGX_GOIM_FANOUT_FRAME  65536  /* bytes of a frame with several */


static ngx_goim_turn_record_t  ngx_goim_fanout_records[NGX_GOIM_FANOUT_MAX];
static uint32_t                ngx_goim_fanout_nrecords;

static ngx_goim_room_t        *ngx_goim_fanout_rooms[NGX_GOIM_FANOUT_MAX];
static uint32_t                ngx_goim_fanout_nrooms;

static ngx_goim_conn_t        *ngx_goim_fanout_conns[NGX_GOIM_FANOUT_MAX];
static uint32_t                ngx_goim_fanout_nconns;


/* Frames (goim v2, pushes on the wire) */

static size_t
ngx_goim_fanout_packet_len(const goim_record_t *record)
{
    return GOIM_PACKET_HEADER_LEN + record->body_len;
}


/* The nested packets' common header: on WebSocket a frame, and goim's op 9;
 * none on TCP. */
static u_char *
ngx_goim_fanout_header(u_char *p, size_t packets, ngx_uint_t transport)
{
    if (transport == NGX_GOIM_TCP) {
        return p;
    }

    p += goim_ws_encode_header(p, GOIM_WS_BINARY,
                               GOIM_PACKET_HEADER_LEN + packets);

    return goim_packet_encode_header(p, GOIM_VERSION, GOIM_OP_RAW, 0, packets);
}


static u_char *
ngx_goim_fanout_packet(u_char *p, const goim_record_t *record)
{
    p = goim_packet_encode_header(p, GOIM_VERSION, record->op, 0,
                                  record->body_len);

    return ngx_cpymem(p, goim_record_body(record), record->body_len);
}


static size_t
ngx_goim_fanout_len(size_t packets, ngx_uint_t transport)
{
    if (transport == NGX_GOIM_TCP) {
        return packets;
    }

    packets += GOIM_PACKET_HEADER_LEN;

    return goim_ws_header_len(packets) + packets;
}


size_t
ngx_goim_fanout_frame_len(const goim_record_t *record, ngx_uint_t transport)
{
    return ngx_goim_fanout_len(ngx_goim_fanout_packet_len(record), transport);
}


u_char *
ngx_goim_fanout_frame(u_char *p, const goim_record_t *record,
    ngx_uint_t transport)
{
    p = ngx_goim_fanout_header(p, ngx_goim_fanout_packet_len(record),
                               transport);

    return ngx_goim_fanout_packet(p, record);
}


/* Rooms */

static void
ngx_goim_fanout_room(const goim_record_t *record)
{
    uint32_t                 n;
    ngx_goim_room_t         *room;
    ngx_goim_turn_record_t  *tr;

    room = ngx_goim_room_find(record->hash, goim_record_target(record),
                              record->target_len);

    if (room == NULL || room->nmembers == 0) {
        ngx_goim_count(NGX_GOIM_NO_SUBSCRIBER, 1);
        return;
    }

    tr = &ngx_goim_fanout_records[ngx_goim_fanout_nrecords];
    tr->record = record;
    tr->next = 0;

    n = ++ngx_goim_fanout_nrecords;

    if (room->first == 0) {
        room->first = n;
        ngx_goim_fanout_rooms[ngx_goim_fanout_nrooms++] = room;

    } else {
        ngx_goim_fanout_records[room->last - 1].next = n;
    }

    room->last = n;
}


/*
 * One frame from a room's records on; returns the index + 1 of the first
 * record that did not go in.
 */
static uint32_t
ngx_goim_fanout_room_frame(ngx_goim_room_t *room, ngx_uint_t transport,
    uint32_t first)
{
    u_char                  *p;
    size_t                   len, packets;
    uint32_t                 i, n, end;
    uint64_t                 lost;
    ngx_goim_turn_record_t  *tr;

    n = 0;
    packets = 0;

    for (end = first; end; end = tr->next) {
        tr = &ngx_goim_fanout_records[end - 1];
        len = ngx_goim_fanout_packet_len(tr->record);

        if (n && packets + len > NGX_GOIM_FANOUT_FRAME) {
            break;
        }

        packets += len;
        n++;
    }

    p = ngx_goim_log_append(&room->logs[transport],
                            ngx_goim_fanout_len(packets, transport), n);

    if (p == NULL) {
        lost = (uint64_t) n * room->nspeak[transport];

        ngx_goim_count(NGX_GOIM_DROP_NOMEM, lost);
        ngx_goim_count_class(room->class, NGX_GOIM_CLASS_DROP_NOMEM, lost);
        room->logs[transport].skipped[NGX_GOIM_SKIP_NOMEM] += n;
        ngx_goim_log_lose(&room->logs[transport], n);

        return end;
    }

    p = ngx_goim_fanout_header(p, packets, transport);

    for (i = first; i != end; i = ngx_goim_fanout_records[i - 1].next) {
        p = ngx_goim_fanout_packet(p, ngx_goim_fanout_records[i - 1].record);
    }

    return end;
}


/* Takes n of the turn's records off a room: nobody is to get them. */
static void
ngx_goim_fanout_skip(ngx_goim_room_t *room, uint32_t n)
{
    ngx_uint_t  t;

    ngx_goim_count(NGX_GOIM_DROP_RATE, (uint64_t) n * room->nmembers);
    ngx_goim_count_class(room->class, NGX_GOIM_CLASS_DROP_RATE,
                         (uint64_t) n * room->nmembers);

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        room->logs[t].skipped[NGX_GOIM_SKIP_RATE] += n;
        ngx_goim_log_lose(&room->logs[t], n);
    }
}


/* Of the room's records those that max_rate lets through. */
static void
ngx_goim_fanout_sample(ngx_goim_room_t *room)
{
    uint32_t                 i, n, skipped, *link;
    ngx_uint_t               priority;
    ngx_goim_turn_record_t  *tr;

    n = 0;
    priority = 0;

    for (i = room->first; i; i = tr->next) {
        tr = &ngx_goim_fanout_records[i - 1];

        tr->priority = ngx_goim_rate_is_priority(room->class, tr->record->op);
        priority += tr->priority;
        n++;
    }

    ngx_goim_rate_turn(room, n - priority, priority);

    skipped = 0;
    link = &room->first;

    for (i = room->first; i; i = tr->next) {
        tr = &ngx_goim_fanout_records[i - 1];

        if (tr->priority || ngx_goim_rate_admits(room, tr->record)) {
            *link = i;
            link = &tr->next;

        } else {
            skipped++;
        }
    }

    *link = 0;

    if (skipped) {
        ngx_goim_fanout_skip(room, skipped);
    }
}


static void
ngx_goim_fanout_finish_rooms(void)
{
    uint32_t          i, first, next;
    ngx_uint_t        t;
    ngx_goim_room_t  *room;

    for (i = 0; i < ngx_goim_fanout_nrooms; i++) {
        room = ngx_goim_fanout_rooms[i];

        if (room->class->max_rate && room->nmembers) {
            ngx_goim_fanout_sample(room);
        }

        /* once for each format that a member speaks */

        for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
            for (next = room->first; next && room->nspeak[t]; /* void */) {
                next = ngx_goim_fanout_room_frame(room, t, next);
            }
        }

        first = room->first;

        room->first = 0;
        room->last = 0;

        /*
         * Its last member may have left since, or be about to.  Where
         * max_rate left nothing, members are told with what comes next.
         */

        if (first || room->nmembers == 0) {
            ngx_goim_sweep_room(room);
        }
    }

    ngx_goim_fanout_nrooms = 0;
    ngx_goim_fanout_nrecords = 0;
}


/* Keys */

/* Each is a 16-bit length and bytes. */
const u_char *
ngx_goim_fanout_key(const goim_record_t *record, uint32_t *at, size_t *len)
{
    uint16_t       n;
    const u_char  *p;

    if (record->target_len - *at < 2) {
        return NULL;
    }

    p = goim_record_target(record) + *at;
    ngx_memcpy(&n, p, 2);

    if (record->target_len - *at - 2 < n) {
        return NULL;
    }

    *at += 2 + n;
    *len = n;

    return p + 2;
}


static void
ngx_goim_fanout_keys(const goim_record_t *record)
{
    size_t            len;
    uint32_t          at, found;
    const u_char     *key;
    ngx_goim_conn_t  *gc;

    at = 0;
    found = 0;

    while ((key = ngx_goim_fanout_key(record, &at, &len)) != NULL) {

        gc = ngx_goim_key_find(key, len);
        if (gc == NULL) {
            continue;
        }

        found++;

        if (!ngx_goim_identity_accepts(gc->id, record->op)) {
            ngx_goim_count(NGX_GOIM_DROP_ACCEPTS, 1);
            continue;
        }

        if (ngx_goim_send_push(gc, record) != NGX_OK) {
            ngx_goim_count(NGX_GOIM_DROP_CLOSED, 1);

            /* what its room has had in this turn is pending, too */

            ngx_goim_fanout_finish_rooms();
            ngx_goim_conn_close(gc, NGX_GOIM_BY_BACKLOG);
            continue;
        }

        ngx_goim_fanout_dirty(gc);
    }

    if (found == 0) {
        ngx_goim_count(NGX_GOIM_NO_SUBSCRIBER, 1);
    }
}


ngx_uint_t
ngx_goim_fanout_kicks(const goim_record_t *record, const u_char *conn,
    size_t len, ngx_goim_conn_t *gc)
{
    u_char      id[NGX_GOIM_CONN_MAX];
    ngx_uint_t  is_it;

    is_it = len && ngx_goim_conn_id(gc, id) == len
            && ngx_memcmp(id, conn, len) == 0;

    return record->arg == GOIM_KICK_ONLY ? is_it : !is_it;
}


/* Ends connections by key, all that it is for. */
static void
ngx_goim_fanout_kick(const goim_record_t *record)
{
    size_t            len, conn_len;
    uint32_t          at;
    const u_char     *key, *conn;
    ngx_goim_conn_t  *gc;

    at = 0;

    conn = ngx_goim_fanout_key(record, &at, &conn_len);
    if (conn == NULL) {
        return;
    }

    while ((key = ngx_goim_fanout_key(record, &at, &len)) != NULL) {

        gc = ngx_goim_key_find(key, len);

        if (gc && ngx_goim_fanout_kicks(record, conn, conn_len, gc)) {
            ngx_goim_conn_kick(gc, goim_record_body(record),
                               record->body_len);
        }
    }
}


void
ngx_goim_fanout_dirty(ngx_goim_conn_t *gc)
{
    if (gc->dirty) {
        return;
    }

    if (ngx_goim_fanout_nconns == NGX_GOIM_FANOUT_MAX) {
        ngx_goim_fanout_finish_rooms();
        (void) ngx_goim_conn_flush(gc);
        return;
    }

    ngx_goim_fanout_conns[ngx_goim_fanout_nconns++] = gc;
    gc->dirty = ngx_goim_fanout_nconns;
}


void
ngx_goim_fanout_clean(ngx_goim_conn_t *gc)
{
    if (gc->dirty) {
        ngx_goim_fanout_conns[gc->dirty - 1] = NULL;
        gc->dirty = 0;
    }
}


static void
ngx_goim_fanout_finish_conns(void)
{
    uint32_t          i;
    ngx_goim_conn_t  *gc;

    for (i = 0; i < ngx_goim_fanout_nconns; i++) {
        gc = ngx_goim_fanout_conns[i];

        if (gc) {
            gc->dirty = 0;
            (void) ngx_goim_conn_flush(gc);
        }
    }

    ngx_goim_fanout_nconns = 0;
}


/* A turn */

void
ngx_goim_fanout_record(const goim_record_t *record)
{
    ngx_goim_count(NGX_GOIM_RECORDS, 1);

    switch (record->kind) {

    case GOIM_RECORD_ROOM:
        ngx_goim_fanout_room(record);

        if (ngx_goim_fanout_nrecords == NGX_GOIM_FANOUT_MAX) {
            ngx_goim_fanout_finish_rooms();
        }

        break;

    case GOIM_RECORD_BROADCAST:
        if (ngx_goim_broadcast_add(record) != NGX_OK) {
            ngx_goim_count(NGX_GOIM_DROP_NOMEM, ngx_goim_worker.nconns);
        }

        break;

    case GOIM_RECORD_KEYS:
        ngx_goim_fanout_keys(record);
        break;

    case GOIM_RECORD_KICK:

        /* who is kicked gets what came before, as frames at least */

        ngx_goim_fanout_finish_rooms();
        ngx_goim_sweep_run_once();
        ngx_goim_fanout_kick(record);
        break;
    }
}


void
ngx_goim_fanout_missed(void)
{
    /* what came before it is in its frames */

    ngx_goim_fanout_finish_rooms();
    ngx_goim_gap_missed();
}


void
ngx_goim_fanout_finish(void)
{
    ngx_goim_fanout_finish_rooms();
    ngx_goim_fanout_finish_conns();
    ngx_goim_sweep_run();
}
