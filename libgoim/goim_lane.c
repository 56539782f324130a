/*
 * The producer's side of a lane: making room, writing records, publishing;
 * see goim_lane.h.  Table, room index, taking over and judging readers have
 * files of their own.
 */

#include <string.h>

#include "goim_lane_int.h"
#include "goim_wakeup.h"


/* tail moves by this part of the ring more than it must */
#define GOIM_LANE_AHEAD  16


/* The lowest position that a live reader may still read at; head at most. */
static uint64_t
goim_lane_lowest_reader(const goim_lane_t *lane)
{
    uint32_t  i, used;
    uint64_t  word, lowest;

    lowest = lane->head;
    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used; i++) {
        word = goim_lane_load(&lane->ch->slots->slot[i].cursors[lane->number]);

        if (goim_cursor_state(word) == GOIM_CURSOR_LIVE
            && goim_cursor_position(word) < lowest)
        {
            lowest = goim_cursor_position(word);
        }
    }

    return lowest;
}


/*
 * Makes the bytes up to position "end" writable.  tail moves by a sixteenth
 * of the ring more than needed where it can, so that readers are looked at a
 * few times per round of the ring, not once per record.
 */
static int
goim_lane_make_room(goim_lane_t *lane, uint64_t end)
{
    uint32_t  size;
    uint64_t  p, need, want, limit;

    if (end <= lane->tail + lane->size) {
        return GOIM_OK;
    }

    need = end - lane->size;
    want = need + lane->size / GOIM_LANE_AHEAD;
    limit = goim_lane_lowest_reader(lane);

    for (p = lane->tail; p < want; p += size) {
        size = goim_lane_record_size(lane, p);

        if (size == 0) {

            /* somebody else has written into the ring */

            goim_lane_reset(lane);
            return GOIM_OK;
        }

        if (p + size > limit) {
            break;
        }
    }

    if (p < need) {
        lane->need = need;
        return GOIM_FULL;
    }

    lane->tail = p;
    goim_lane_store(&lane->shm->tail, p);

    /*
     * Pairs with the reader's acquire fence between its copy and its look at
     * tail: who copied any byte written from here on sees this tail.
     */
    atomic_thread_fence(memory_order_release);

    return GOIM_OK;
}


static void
goim_lane_write(goim_lane_t *lane, const goim_lane_message_t *m,
    uint32_t size)
{
    uint8_t        *p;
    goim_record_t  *r;

    r = goim_lane_record(lane, lane->end);

    r->size = size;
    r->kind = m->kind;
    memset(r->reserved, 0, sizeof(r->reserved));
    r->seq = lane->seq++;
    r->hash = 0;
    r->prev = 0;
    r->offset = m->offset;
    r->time = m->time;
    r->partition = m->partition;
    r->topic = m->topic;
    r->op = m->op;
    r->arg = m->arg;
    r->target_len = m->target.len;
    r->body_len = m->body.len;

    if (m->kind == GOIM_RECORD_ROOM) {
        r->hash = m->hash;
        r->prev = goim_lane_index_get(lane, m->hash);
        goim_lane_index_set(lane, lane->shadow, m->hash, lane->end);
    }

    p = (uint8_t *) (r + 1);

    if (m->target.len) {
        memcpy(p, m->target.data, m->target.len);
        p += m->target.len;
    }

    if (m->body.len) {
        memcpy(p, m->body.data, m->body.len);
        p += m->body.len;
    }

    memset(p, 0, (uint8_t *) r + size - p);

    lane->end += size;
    lane->records++;
}


static void
goim_lane_write_padding(goim_lane_t *lane, uint32_t size)
{
    goim_record_t  *r;

    r = goim_lane_record(lane, lane->end);

    r->size = size;
    r->kind = GOIM_RECORD_PADDING;
    memset(r->reserved, 0, sizeof(r->reserved));

    lane->end += size;
}


static uint64_t
goim_lane_message_size(const goim_lane_t *lane, const goim_lane_message_t *m)
{
    uint64_t  size;

    if (m->kind == GOIM_RECORD_PADDING || m->kind >= GOIM_RECORD_KINDS
        || m->partition < 0 || m->offset < 0
        || m->offset == INT64_MAX || m->topic >= lane->topics
        || m->target.len > UINT32_MAX || m->body.len > UINT32_MAX)
    {
        return 0;
    }

    size = sizeof(goim_record_t) + m->target.len + m->body.len;
    size = (size + 7) & ~7ULL;

    return size <= lane->size / 4 ? size : 0;
}


/* What it takes to reach the ring's end if the record does not fit there. */
static uint64_t
goim_lane_padding(const goim_lane_t *lane, uint64_t size)
{
    uint64_t  rest;

    rest = lane->size - (lane->end & (lane->size - 1));

    return rest < size ? rest : 0;
}


int
goim_lane_put(goim_lane_t *lane, const goim_lane_message_t *m)
{
    uint64_t            size, pad;
    goim_lane_entry_t  *e;

    if (lane->ch->broken) {
        return GOIM_ERROR;
    }

    e = goim_lane_table_find(lane, m->topic, m->partition);

    if (e != NULL && m->offset >= 0 && (uint64_t) m->offset < e->next) {
        return GOIM_AGAIN;
    }

    size = goim_lane_message_size(lane, m);
    if (size == 0) {
        return GOIM_INVALID;
    }

    pad = goim_lane_padding(lane, size);

    if (lane->end - lane->head + pad + size > lane->size / 4) {
        goim_lane_publish(lane);
    }

    if (goim_lane_make_room(lane, lane->end + pad + size) != GOIM_OK) {
        return GOIM_FULL;
    }

    e = goim_lane_table_get(lane, m->topic, m->partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    /* again: the lane may have been reset */

    pad = goim_lane_padding(lane, size);

    if (pad) {
        goim_lane_write_padding(lane, pad);
    }

    goim_lane_write(lane, m, size);
    goim_lane_table_move(lane, e, (uint64_t) m->offset + 1);

    return GOIM_OK;
}


int
goim_lane_skip(goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t next)
{
    goim_lane_entry_t  *e;

    e = goim_lane_table_get(lane, topic, partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    if (next > e->next) {
        goim_lane_table_move(lane, e, next);
    }

    return GOIM_OK;
}


int
goim_lane_set_next(goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t next)
{
    goim_lane_entry_t  *e;

    goim_lane_publish(lane);

    e = goim_lane_table_get(lane, topic, partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    goim_lane_table_move(lane, e, next);
    goim_lane_table_store(lane);

    return GOIM_OK;
}


int
goim_lane_pending(const goim_lane_t *lane)
{
    return lane->end != lane->head || lane->ndirty != 0;
}


void
goim_lane_publish(goim_lane_t *lane)
{
    unsigned  woken;
    uint64_t  from;

    if (lane->end == lane->head) {
        goim_lane_table_store(lane);
        return;
    }

    from = lane->head;
    lane->head = lane->end;

    goim_lane_store(&lane->shm->head, lane->head);

    goim_lane_table_store(lane);
    goim_lane_index_store(lane, from, lane->head);
    goim_lane_store(&lane->shm->seq, lane->seq);
    goim_lane_store(&lane->shm->table_pos, lane->head);

    woken = goim_wakeup_sleepers(&lane->wakeup);

    goim_lane_count(lane, GOIM_JOB_RECORDS, lane->records);
    goim_lane_count(lane, GOIM_JOB_BYTES, lane->head - from);
    goim_lane_count(lane, GOIM_JOB_BATCHES, 1);
    goim_lane_count(lane, GOIM_JOB_WAKEUPS, woken);

    lane->records = 0;
}


uint64_t
goim_lane_head(const goim_lane_t *lane)
{
    return lane->head;
}


int
goim_lane_all_read(const goim_lane_t *lane, uint64_t position)
{
    return goim_lane_lowest_reader(lane) >= position && !lane->ch->broken;
}


void
goim_lane_leave(goim_lane_t *lane)
{
    goim_lane_publish(lane);
    goim_wakeup_done(&lane->wakeup);
    goim_lane_free(lane);
}


void
goim_lane_count(goim_lane_t *lane, goim_job_counter_e counter, uint64_t n)
{
    _Atomic uint64_t  *c = &lane->shm->counters[counter];

    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
