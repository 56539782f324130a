
/*
 * Connections come from another worker at the positions up to which it had
 * read the lanes; what this worker has read beyond them already goes into
 * their own queues, before they get what it reads next.
 */


#include "ngx_goim_handover.h"


#define NGX_GOIM_REPLAY_BUFFER  (64 * 1024)


/* Behind all that is pending already, in addition to the queue's limit. */
static void
ngx_goim_replay_push(ngx_goim_taken_t *taken, const goim_record_t *record)
{
    u_char           *p;
    size_t            len;
    ngx_goim_conn_t  *gc;

    gc = taken->gc;
    len = ngx_goim_fanout_frame_len(record, gc->transport);

    p = ngx_goim_out_reserve(&gc->out, len);
    if (p == NULL) {
        taken->missed = 1;
        return;
    }

    (void) ngx_goim_fanout_frame(p, record, gc->transport);

    gc->out->end += len;
    gc->out->saved += len;
    gc->out->messages++;

    if (record->kind != GOIM_RECORD_ROOM) {
        return;
    }

    if (gc->out->saved_messages == 0) {
        gc->out->saved_class = gc->room->class;
    }

    gc->out->saved_messages++;
}


static void
ngx_goim_replay_room(const goim_record_t *record, ngx_goim_taken_t *taken,
    ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_goim_room_t  *room;

    room = ngx_goim_room_find(record->hash, goim_record_target(record),
                              record->target_len);
    if (room == NULL) {
        return;
    }

    for (i = 0; i < n; i++) {
        if (taken[i].gc && taken[i].kick == NULL && taken[i].gc->room == room)
        {
            ngx_goim_replay_push(&taken[i], record);
        }
    }
}


static void
ngx_goim_replay_broadcast(const goim_record_t *record,
    ngx_goim_taken_t *taken, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (taken[i].gc == NULL || taken[i].kick) {
            continue;
        }

        if (ngx_goim_identity_accepts(taken[i].gc->id, record->op)) {
            ngx_goim_replay_push(&taken[i], record);

        } else {
            ngx_goim_count(NGX_GOIM_DROP_ACCEPTS, 1);
        }
    }
}


/* Keys and kicks */

static void
ngx_goim_replay_kick(const goim_record_t *record, ngx_goim_taken_t *taken)
{
    size_t  len;

    len = ngx_min(record->body_len, GOIM_WS_MAX_CONTROL);

    taken->kick = ngx_alloc(len + 1, ngx_cycle->log);

    if (taken->kick == NULL) {
        taken->missed = 1;
        return;
    }

    ngx_memcpy(taken->kick, goim_record_body(record), len);
    taken->kick_len = len;
}


static void
ngx_goim_replay_key(const goim_record_t *record, ngx_goim_taken_t *taken,
    ngx_uint_t n, const u_char *key, size_t len, ngx_str_t *conn)
{
    ngx_uint_t        i;
    ngx_goim_conn_t  *gc;

    for (i = 0; i < n; i++) {
        gc = taken[i].gc;

        if (gc == NULL || taken[i].kick || gc->id->key_len != len
            || ngx_memcmp(ngx_goim_identity_key(gc->id), key, len) != 0)
        {
            continue;
        }

        if (record->kind == GOIM_RECORD_KICK) {
            if (ngx_goim_fanout_kicks(record, conn->data, conn->len, gc)) {
                ngx_goim_replay_kick(record, &taken[i]);
            }

        } else if (ngx_goim_identity_accepts(gc->id, record->op)) {
            ngx_goim_replay_push(&taken[i], record);

        } else {
            ngx_goim_count(NGX_GOIM_DROP_ACCEPTS, 1);
        }
    }
}


static void
ngx_goim_replay_keys(const goim_record_t *record, ngx_goim_taken_t *taken,
    ngx_uint_t n)
{
    size_t         len;
    uint32_t       at;
    ngx_str_t      conn;
    const u_char  *key;

    at = 0;
    ngx_str_null(&conn);

    if (record->kind == GOIM_RECORD_KICK) {
        conn.data = (u_char *) ngx_goim_fanout_key(record, &at, &conn.len);
        if (conn.data == NULL) {
            return;
        }
    }

    while ((key = ngx_goim_fanout_key(record, &at, &len)) != NULL) {
        ngx_goim_replay_key(record, taken, n, key, len, &conn);
    }
}


static void
ngx_goim_replay_record(const goim_record_t *record, ngx_goim_taken_t *taken,
    ngx_uint_t n)
{
    switch (record->kind) {

    case GOIM_RECORD_ROOM:
        ngx_goim_replay_room(record, taken, n);
        break;

    case GOIM_RECORD_BROADCAST:
        ngx_goim_replay_broadcast(record, taken, n);
        break;

    default:
        ngx_goim_replay_keys(record, taken, n);
        break;
    }
}


static ngx_int_t
ngx_goim_replay_lane(uint32_t lane, uint64_t from, ngx_goim_taken_t *taken,
    ngx_uint_t n)
{
    int                   rc;
    u_char               *buf;
    size_t                size;
    const goim_record_t  *record;
    goim_reader_batch_t   batch;

    size = NGX_GOIM_REPLAY_BUFFER;
    buf = NULL;

    do {
        if (buf == NULL) {
            buf = ngx_alloc(size, ngx_cycle->log);
            if (buf == NULL) {
                return NGX_ERROR;
            }
        }

        batch.buf = buf;
        batch.cap = size;

        rc = goim_reader_replay(ngx_goim_worker.reader, lane, &from, &batch);

        if (rc == GOIM_FULL) {
            ngx_free(buf);
            buf = NULL;
            size = ngx_align(batch.end, 8);

        } else if (rc == GOIM_OK) {

            while ((record = goim_reader_next(&batch)) != NULL) {
                ngx_goim_replay_record(record, taken, n);
            }
        }

    } while (rc == GOIM_OK || rc == GOIM_FULL);

    ngx_free(buf);

    return rc == GOIM_AGAIN ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_goim_handover_replay(const uint64_t *positions, ngx_goim_taken_t *taken,
    ngx_uint_t n)
{
    uint32_t  i;

    for (i = 0; i < ngx_goim_worker.channel->lanes; i++) {

        if (positions[i] < ngx_goim_worker.reader->lanes[i].position
            && ngx_goim_replay_lane(i, positions[i], taken, n) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
