/*
 * The recent records of one room, newest first, from what a lane still holds:
 * the room index gives the last one, each record the one before it.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_reader.h"


typedef struct {
    goim_reader_t        *rd;
    goim_channel_lane_t  *shm;
    const uint8_t        *ring;
    uint32_t              lane;
    uint64_t              hash;
    goim_str_t            room;
    uint8_t              *buf;  /* of cap bytes, for copies */
    size_t                cap;
} goim_history_t;


/* Copies n bytes; GOIM_AGAIN if they were, or are being, overwritten. */
static int
goim_history_copy(goim_history_t *h, uint64_t position, size_t n)
{
    memcpy(h->buf, h->ring + (position & (h->rd->ch->size - 1)), n);

    atomic_thread_fence(memory_order_acquire);

    return position >= atomic_load_explicit(&h->shm->tail,
                                            memory_order_relaxed)
           ? GOIM_OK : GOIM_AGAIN;
}


/* The record at a position, copied and checked, padding included. */
static int
goim_history_record(goim_history_t *h, uint64_t position)
{
    size_t          rest;
    uint8_t        *buf;
    uint32_t        size;
    goim_record_t  *r;

    rest = h->rd->ch->size - (position & (h->rd->ch->size - 1));

    if (position % 8 != 0 || goim_history_copy(h, position, 8) != GOIM_OK) {
        return GOIM_AGAIN;
    }

    r = (goim_record_t *) h->buf;
    size = r->size;

    if (size < 8 || size % 8 != 0 || size > rest
        || size > h->rd->ch->size / 4 || r->kind >= GOIM_RECORD_KINDS)
    {
        return GOIM_INVALID;
    }

    if (r->kind == GOIM_RECORD_PADDING) {
        return GOIM_OK;
    }

    if (size > h->cap) {
        buf = realloc(h->buf, size);
        if (buf == NULL) {
            return GOIM_NOMEM;
        }

        h->buf = buf;
        h->cap = size;
    }

    if (size < sizeof(goim_record_t)
        || goim_history_copy(h, position, size) != GOIM_OK)
    {
        return GOIM_AGAIN;
    }

    r = (goim_record_t *) h->buf;

    return r->size == size
           && (uint64_t) r->target_len + r->body_len
              <= size - sizeof(goim_record_t)
           ? GOIM_OK : GOIM_INVALID;
}


static int
goim_history_is_room(const goim_history_t *h)
{
    const goim_record_t  *r = (const goim_record_t *) h->buf;

    return r->kind == GOIM_RECORD_ROOM && r->hash == h->hash
           && r->target_len == h->room.len
           && memcmp(goim_record_target(r), h->room.data, h->room.len) == 0;
}


static uint64_t
goim_history_indexed(const goim_history_t *h)
{
    uint32_t              i;
    goim_index_bucket_t  *b;

    b = &goim_channel_index(h->rd->ch, h->lane)
            [h->hash & (h->rd->ch->index_buckets - 1)];

    for (i = 0; i < GOIM_INDEX_WAYS; i++) {
        if (atomic_load_explicit(&b->entries[i].hash, memory_order_acquire)
            == h->hash)
        {
            return atomic_load_explicit(&b->entries[i].position,
                                        memory_order_acquire);
        }
    }

    return 0;
}


/*
 * The room's newest record below our cursor.  The index may lag behind what
 * is published: records from table_pos up to our cursor are looked through.
 */
static int
goim_history_newest(goim_history_t *h, uint64_t *newest)
{
    int       rc;
    uint64_t  p, end;

    p = atomic_load_explicit(&h->shm->table_pos, memory_order_acquire);
    end = h->rd->lanes[h->lane].position;

    *newest = goim_history_indexed(h);

    if (p < end && end - p > h->rd->ch->size) {
        return GOIM_INVALID;
    }

    while (p < end) {
        rc = goim_history_record(h, p);
        if (rc != GOIM_OK) {
            return rc;
        }

        if (((goim_record_t *) h->buf)->kind != GOIM_RECORD_PADDING
            && goim_history_is_room(h))
        {
            *newest = p;
        }

        p += ((goim_record_t *) h->buf)->size;
    }

    return GOIM_OK;
}


static int
goim_history_walk(goim_history_t *h, goim_reader_visit_pt visit, void *data)
{
    int       rc;
    uint64_t  p, end, prev;

    rc = goim_history_newest(h, &p);
    end = h->rd->lanes[h->lane].position;

    while (rc == GOIM_OK && p != 0) {
        rc = goim_history_record(h, p);

        if (rc != GOIM_OK
            || ((goim_record_t *) h->buf)->kind == GOIM_RECORD_PADDING
            || !goim_history_is_room(h))
        {
            break;
        }

        prev = ((goim_record_t *) h->buf)->prev;

        if (p < end && !visit((goim_record_t *) h->buf, data)) {
            return GOIM_OK;
        }

        if (prev >= p) {
            break;
        }

        p = prev;
    }

    return rc == GOIM_NOMEM ? GOIM_NOMEM : GOIM_AGAIN;
}


int
goim_reader_history(goim_reader_t *rd, uint32_t lane, uint64_t hash,
    goim_str_t room, goim_reader_visit_pt visit, void *data)
{
    int             rc;
    goim_history_t  h;

    if (rd->ch->broken) {
        return GOIM_AGAIN;
    }

    h.rd = rd;
    h.lane = lane;
    h.shm = goim_channel_lane(rd->ch, lane);
    h.ring = goim_channel_ring(rd->ch, lane);
    h.hash = hash;
    h.room = room;
    h.cap = 4096;

    h.buf = malloc(h.cap);
    if (h.buf == NULL) {
        return GOIM_NOMEM;
    }

    rc = goim_history_walk(&h, visit, data);

    free(h.buf);

    return rc;
}
