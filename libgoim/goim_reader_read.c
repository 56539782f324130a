/*
 * Copying records out of a lane while its producer may overwrite them, and
 * keeping the reader's word; see goim_reader.h.
 */

#include <string.h>

#include "goim_reader_int.h"


/* a lane that overtakes us in one call is left to the next call */
#define GOIM_READER_TRIES   8

/* what is read before the producer is told: it may be waiting for it */
#define GOIM_READER_STRIDE  65536


/* Someone who was out, or taken for dead, comes back where it was. */
static void
goim_reader_return(goim_reader_t *rd, uint32_t lane)
{
    uint64_t             word, tail;
    _Atomic uint64_t    *cursor;
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];
    cursor = &rd->slot->cursors[lane];
    word = goim_reader_load(cursor);
    rl->returned++;

    do {
        tail = goim_reader_position(&goim_channel_lane(rd->ch, lane)->tail);

        if (rl->position < tail) {
            rl->position = tail;
        }

        rl->word = rl->position | GOIM_CURSOR_LIVE;

    } while (!atomic_compare_exchange_weak_explicit(
        cursor, &word, rl->word, memory_order_acq_rel, memory_order_acquire));
}


/* Tells the producer what has been read. */
static void
goim_reader_move(goim_reader_t *rd, uint32_t lane)
{
    uint64_t             word, expected;
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];
    word = rl->position | GOIM_CURSOR_LIVE;
    expected = rl->word;

    if (atomic_compare_exchange_strong_explicit(
            &rd->slot->cursors[lane], &expected, word, memory_order_release,
            memory_order_relaxed))
    {
        rl->word = word;
        return;
    }

    goim_reader_return(rd, lane);
}


/* The size of the record in the copy if it can be one, else 0. */
static uint32_t
goim_reader_record_size(const uint8_t *p, size_t rest)
{
    uint32_t              size;
    const goim_record_t  *r;

    if (rest < 8) {
        return 0;
    }

    r = (const goim_record_t *) p;
    size = r->size;

    if (size < 8 || size % 8 != 0) {
        return 0;
    }

    if (r->kind == GOIM_RECORD_PADDING) {
        return size;
    }

    if (r->kind >= GOIM_RECORD_KINDS || size < sizeof(goim_record_t)
        || (rest >= sizeof(goim_record_t)
            && (uint64_t) r->target_len + r->body_len
               > size - sizeof(goim_record_t)))
    {
        return 0;
    }

    return size;
}


/*
 * What lies between the record that was expected and the one that came.  A
 * lower number than expected: the lane was reset, and at least one is gone.
 */
static void
goim_reader_check_seq(goim_reader_lane_t *rl, uint64_t seq)
{
    if (rl->seq != 0 && seq != rl->seq) {
        rl->missed += seq > rl->seq ? seq - rl->seq : 1;
    }

    rl->seq = seq + 1;
}


/*
 * Cuts the copy behind its last whole record.  GOIM_OK: there is one;
 * GOIM_FULL: not even one, *need is the size of the first; GOIM_INVALID: the
 * first is no record.
 */
static int
goim_reader_cut(goim_reader_t *rd, uint32_t lane, goim_reader_batch_t *batch,
    uint32_t *need)
{
    size_t                p;
    uint32_t              size;
    const goim_record_t  *r;

    size = 0;

    for (p = batch->at; p < batch->end; p += size) {
        size = goim_reader_record_size(batch->buf + p, batch->end - p);

        if (size == 0 || size > rd->ch->size / 4 || size > batch->end - p) {
            break;
        }

        r = (const goim_record_t *) (batch->buf + p);

        if (r->kind != GOIM_RECORD_PADDING) {
            goim_reader_check_seq(&rd->lanes[lane], r->seq);
        }
    }

    if (p == batch->at) {
        *need = size;
        return size != 0 && size <= rd->ch->size / 4 ? GOIM_FULL
                                                     : GOIM_INVALID;
    }

    batch->end = p;

    return GOIM_OK;
}


/*
 * Something that is no record, at a place that was not overwritten: the lane
 * is damaged.  Its end is the only place to go on from, unless it is the whole
 * file that was written over.
 */
static void
goim_reader_damaged(goim_reader_t *rd, uint32_t lane)
{
    goim_reader_lane_t  *rl;

    if (!goim_channel_is_whole(rd->ch)) {
        return;
    }

    rl = &rd->lanes[lane];

    rl->damaged++;
    rl->position = goim_reader_position(
        &goim_channel_lane(rd->ch, lane)->head);

    goim_reader_move(rd, lane);
}


/* The bytes from our position that can be copied in one piece. */
static size_t
goim_reader_span(const goim_reader_t *rd, uint64_t position, uint64_t head,
    size_t cap)
{
    uint64_t  n, rest;

    n = head - position;
    rest = rd->ch->size - (position & (rd->ch->size - 1));

    n = n < rest ? n : rest;

    return n < cap ? n : cap;
}


/*
 * head is not above our position.  If it is below it, the lane is being reset,
 * and head about to follow tail; or it is damaged.
 */
static int
goim_reader_empty(goim_reader_t *rd, uint32_t lane, uint64_t head)
{
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];

    if (head < rl->position
        && goim_reader_position(&goim_channel_lane(rd->ch, lane)->tail)
           <= head)
    {
        goim_reader_damaged(rd, lane);
    }

    if (atomic_load_explicit(&rd->slot->cursors[lane], memory_order_relaxed)
        != rl->word)
    {
        goim_reader_return(rd, lane);
    }

    return GOIM_AGAIN;
}


/*
 * Copies at most max bytes from our position and throws away what the
 * producer has taken back meanwhile; the batch is empty if that was all.
 * GOIM_INVALID: head is more than a ring above tail, so the ring's records
 * would be read again and again on the way there.
 */
static int
goim_reader_copy(goim_reader_t *rd, uint32_t lane, goim_reader_batch_t *batch,
    uint64_t head, size_t max)
{
    size_t               n;
    uint64_t             tail;
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];
    n = goim_reader_span(rd, rl->position, head, max);

    memcpy(batch->buf,
           goim_channel_ring(rd->ch, lane)
           + (rl->position & (rd->ch->size - 1)), n);

    /* pairs with the fence in goim_lane_make_room() */

    atomic_thread_fence(memory_order_acquire);
    tail = goim_reader_position(&goim_channel_lane(rd->ch, lane)->tail);

    if (head > tail && head - tail > rd->ch->size) {
        return GOIM_INVALID;
    }

    batch->at = 0;
    batch->end = n;

    if (tail >= rl->position + n) {
        rl->position = tail;
        batch->end = 0;

    } else if (tail > rl->position) {

        /* tail is a record's start, and what lies behind it is whole */

        batch->at = tail - rl->position;
    }

    return GOIM_OK;
}


int
goim_reader_read(goim_reader_t *rd, uint32_t lane, goim_reader_batch_t *batch)
{
    int                  rc, tries;
    size_t               max;
    uint32_t             need;
    uint64_t             head, missed;
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];
    missed = rl->missed;
    max = batch->cap < GOIM_READER_STRIDE ? batch->cap : GOIM_READER_STRIDE;
    batch->at = 0;
    batch->end = 0;

    for (tries = 0; tries < GOIM_READER_TRIES && !rd->ch->broken; tries++) {

        head = goim_reader_position(&goim_channel_lane(rd->ch, lane)->head);

        if (head <= rl->position) {
            return goim_reader_empty(rd, lane, head);
        }

        if (goim_reader_copy(rd, lane, batch, head, max) != GOIM_OK) {
            goim_reader_damaged(rd, lane);
            return GOIM_AGAIN;
        }

        if (batch->end == 0) {
            goim_reader_move(rd, lane);
            continue;
        }

        rc = goim_reader_cut(rd, lane, batch, &need);

        if (rl->missed != missed && !goim_channel_is_whole(rd->ch)) {

            /* they are not behind who was slow, but in a file that is none */

            batch->end = 0;
            return GOIM_AGAIN;
        }

        if (rc == GOIM_OK) {
            rl->position += batch->end;
            goim_reader_move(rd, lane);
            return GOIM_OK;
        }

        rl->position += batch->at;
        batch->at = 0;
        batch->end = 0;

        if (rc == GOIM_INVALID
            || need > goim_reader_span(rd, rl->position, head, need))
        {
            goim_reader_damaged(rd, lane);
            return GOIM_AGAIN;
        }

        if (need > batch->cap) {
            batch->end = need;
            return GOIM_FULL;
        }

        max = max < need ? need : max;
    }

    return GOIM_AGAIN;
}


void
goim_reader_skip(goim_reader_t *rd, uint32_t lane, size_t size)
{
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];

    rl->position += size;
    rl->missed++;

    if (rl->seq != 0) {
        rl->seq++;
    }

    goim_reader_move(rd, lane);
}


const goim_record_t *
goim_reader_next(goim_reader_batch_t *batch)
{
    const goim_record_t  *r;

    while (batch->at < batch->end) {
        r = (const goim_record_t *) (batch->buf + batch->at);
        batch->at += r->size;

        if (r->kind != GOIM_RECORD_PADDING) {
            return r;
        }
    }

    return NULL;
}
