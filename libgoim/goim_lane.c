/*
 * The producer's side of a lane: table, records, publication, take-over; see
 * goim_lane.h.  Judging readers is goim_lane_judge.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "goim_channel_int.h"
#include "goim_lane_int.h"
#include "goim_lock.h"


/* positions beyond this can only be damage: 2^60 bytes were never written */
#define GOIM_LANE_MAX_POSITION  (1ULL << 60)


static inline uint64_t
goim_lane_load(_Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}


static inline void
goim_lane_store(_Atomic uint64_t *p, uint64_t value)
{
    atomic_store_explicit(p, value, memory_order_release);
}


static goim_record_t *
goim_lane_record(const goim_lane_t *lane, uint64_t position)
{
    return (goim_record_t *) (lane->ring + (position & (lane->size - 1)));
}


/* The record's size if it can be one, else 0. */
static uint32_t
goim_lane_record_size(const goim_lane_t *lane, uint64_t position)
{
    uint32_t        size;
    uint64_t        rest;
    goim_record_t  *r;

    r = goim_lane_record(lane, position);
    rest = lane->size - (position & (lane->size - 1));
    size = r->size;

    if (size < 8 || size % 8 != 0 || size > rest) {
        return 0;
    }

    if (r->kind == GOIM_RECORD_PADDING) {
        return size;
    }

    if (r->kind >= GOIM_RECORD_KINDS || size < sizeof(goim_record_t)
        || (uint64_t) r->target_len + r->body_len
           > size - sizeof(goim_record_t))
    {
        return 0;
    }

    return size;
}


/* The table: the shared entries' mirror, with an open-addressed hash. */

static uint32_t
goim_lane_hash(uint32_t topic, int32_t partition)
{
    uint64_t  h;

    h = ((uint64_t) topic << 32 | (uint32_t) partition)
        * 0x9e3779b97f4a7c15ULL;

    return h >> 32;
}


static goim_lane_entry_t *
goim_lane_find(const goim_lane_t *lane, uint32_t topic, int32_t partition)
{
    uint32_t            i;
    goim_lane_entry_t  *e;

    for (i = goim_lane_hash(topic, partition);; i++) {
        i &= GOIM_LANE_BUCKETS - 1;

        if (lane->buckets[i] == 0) {
            return NULL;
        }

        e = (goim_lane_entry_t *) &lane->table[lane->buckets[i] - 1];

        if (e->topic == topic && e->partition == partition) {
            return e;
        }
    }
}


static goim_lane_entry_t *
goim_lane_entry(goim_lane_t *lane, uint32_t topic, int32_t partition)
{
    uint32_t            i;
    goim_lane_entry_t  *e;

    e = goim_lane_find(lane, topic, partition);
    if (e != NULL) {
        return e;
    }

    if (lane->entries == GOIM_CHANNEL_PARTITIONS) {
        return NULL;
    }

    e = &lane->table[lane->entries++];
    e->topic = topic;
    e->partition = partition;
    e->next = 0;
    e->dirty = 0;

    for (i = goim_lane_hash(topic, partition);; i++) {
        i &= GOIM_LANE_BUCKETS - 1;

        if (lane->buckets[i] == 0) {
            lane->buckets[i] = lane->entries;
            return e;
        }
    }
}


static void
goim_lane_move(goim_lane_t *lane, goim_lane_entry_t *e, uint64_t next)
{
    e->next = next;

    if (!e->dirty) {
        e->dirty = 1;
        lane->dirty[lane->ndirty++] = e - lane->table;
    }
}


/* Entries are appended in the mirror's order, so both have the same index. */
static void
goim_lane_store_table(goim_lane_t *lane)
{
    uint32_t                   i, k;
    uint64_t                   n;
    goim_lane_entry_t         *e;
    goim_channel_partition_t  *p;

    n = atomic_load_explicit(&lane->shm->partitions, memory_order_relaxed);

    for (k = n; k < lane->entries; k++) {
        e = &lane->table[k];
        p = &lane->shm->partition[k];
        p->topic = e->topic;
        p->partition = e->partition;
        goim_lane_store(&p->next, e->next);
    }

    if (k > n) {
        goim_lane_store(&lane->shm->partitions, k);
    }

    for (i = 0; i < lane->ndirty; i++) {
        e = &lane->table[lane->dirty[i]];
        e->dirty = 0;
        goim_lane_store(&lane->shm->partition[lane->dirty[i]].next, e->next);
    }

    lane->ndirty = 0;
}


/* The room index, and its shadow that is ahead by the pending batch. */

static void
goim_lane_index_set(goim_lane_t *lane, goim_index_bucket_t *index,
    uint64_t hash, uint64_t position)
{
    uint32_t             i;
    uint64_t             p, oldest;
    goim_index_entry_t  *e, *victim;

    e = index[hash & (lane->ch->index_buckets - 1)].entries;
    victim = &e[0];
    oldest = UINT64_MAX;

    for (i = 0; i < GOIM_INDEX_WAYS; i++) {
        if (atomic_load_explicit(&e[i].hash, memory_order_relaxed) == hash) {
            goim_lane_store(&e[i].position, position);
            return;
        }

        p = atomic_load_explicit(&e[i].position, memory_order_relaxed);

        if (p < oldest) {
            oldest = p;
            victim = &e[i];
        }
    }

    /* an entry below tail is the oldest as well */

    goim_lane_store(&victim->position, 0);
    goim_lane_store(&victim->hash, hash);
    goim_lane_store(&victim->position, position);
}


/* The room's last position in this lane if it can still be read, else 0. */
static uint64_t
goim_lane_index_get(goim_lane_t *lane, uint64_t hash)
{
    uint32_t             i;
    uint64_t             p;
    goim_index_entry_t  *e;

    e = lane->shadow[hash & (lane->ch->index_buckets - 1)].entries;

    for (i = 0; i < GOIM_INDEX_WAYS; i++) {
        if (atomic_load_explicit(&e[i].hash, memory_order_relaxed) == hash) {
            p = atomic_load_explicit(&e[i].position, memory_order_relaxed);
            return p >= lane->tail && p < lane->end ? p : 0;
        }
    }

    return 0;
}


/* Brings the shared index up to the records from one position to another. */
static void
goim_lane_store_index(goim_lane_t *lane, uint64_t from, uint64_t to)
{
    uint32_t        size;
    goim_record_t  *r;

    while (from < to) {
        r = goim_lane_record(lane, from);
        size = goim_lane_record_size(lane, from);

        if (size == 0) {
            return;
        }

        if (r->kind == GOIM_RECORD_ROOM) {
            goim_lane_index_set(lane, lane->index, r->hash, from);
        }

        from += size;
    }
}


/* Taking a lane over. */

static int
goim_lane_check_bounds(const goim_lane_t *lane, uint64_t table_pos)
{
    return lane->tail >= lane->size && lane->tail <= table_pos
           && table_pos <= lane->head && lane->head - lane->tail <= lane->size
           && lane->head <= GOIM_LANE_MAX_POSITION
           && ((lane->tail | table_pos | lane->head) & 7) == 0;
}


/*
 * Every record from tail to head must be one, and table_pos must stand
 * between two of them.
 */
static int
goim_lane_check(const goim_lane_t *lane, uint64_t table_pos)
{
    int             met;
    uint32_t        size;
    uint64_t        p, topics;
    goim_record_t  *r;

    if (!goim_lane_check_bounds(lane, table_pos)) {
        return GOIM_INVALID;
    }

    met = table_pos == lane->head;
    topics = goim_lane_load(&lane->shm->topics);

    for (p = lane->tail; p < lane->head; p += size) {
        r = goim_lane_record(lane, p);
        size = goim_lane_record_size(lane, p);

        if (size == 0 || p + size > lane->head
            || (r->kind != GOIM_RECORD_PADDING
                && (r->topic >= topics || r->partition < 0 || r->offset < 0)))
        {
            return GOIM_INVALID;
        }

        met |= p == table_pos;
    }

    return met ? GOIM_OK : GOIM_INVALID;
}


/* Empties the lane at a position above all that were ever used. */
void
goim_lane_reset(goim_lane_t *lane)
{
    uint64_t  p, table_pos;

    table_pos = goim_lane_load(&lane->shm->table_pos);

    p = lane->head > lane->tail ? lane->head : lane->tail;
    p = p > table_pos ? p : table_pos;
    p = p > GOIM_LANE_MAX_POSITION ? GOIM_LANE_MAX_POSITION : p;
    p = (p / lane->size + 1) * lane->size;

    /*
     * tail first: a reader that meets the old head finds itself below tail
     * and goes on there.
     */

    goim_lane_store(&lane->shm->tail, p);
    goim_lane_store(&lane->shm->head, p);
    goim_lane_store(&lane->shm->seq, ++lane->seq);
    goim_lane_store(&lane->shm->table_pos, p);

    lane->tail = p;
    lane->head = p;
    lane->end = p;

    goim_lane_count(lane, GOIM_JOB_RESETS, 1);
}


/* The part of the table that passes its checks; GOIM_INVALID if not all did. */
static int
goim_lane_load_table(goim_lane_t *lane)
{
    uint64_t                   i, n, topics;
    goim_lane_entry_t         *e;
    goim_channel_partition_t  *p;

    topics = goim_lane_load(&lane->shm->topics);
    n = goim_lane_load(&lane->shm->partitions);

    if (topics > GOIM_CHANNEL_TOPICS || n > GOIM_CHANNEL_PARTITIONS) {
        goto damaged;
    }

    for (i = 0; i < topics; i++) {
        if (lane->shm->topic[i][0] == '\0'
            || memchr(lane->shm->topic[i], '\0', GOIM_CHANNEL_TOPIC_LEN)
               == NULL)
        {
            goto damaged;
        }
    }

    for (i = 0; i < n; i++) {
        p = &lane->shm->partition[i];

        if (p->topic >= topics || p->partition < 0
            || goim_lane_find(lane, p->topic, p->partition) != NULL)
        {
            goto damaged;
        }

        e = goim_lane_entry(lane, p->topic, p->partition);
        e->next = goim_lane_load(&p->next);
    }

    return GOIM_OK;

damaged:

    /* Kafka's committed offsets are the next best */

    memset(lane->buckets, 0, sizeof(lane->buckets));
    lane->entries = 0;
    goim_lane_store(&lane->shm->partitions, 0);
    goim_lane_store(&lane->shm->topics, 0);

    return GOIM_INVALID;
}


/*
 * Does what the last producer had left to do after it stored head: offsets
 * (set, not maximum: the table may be ahead by skipped messages that will be
 * skipped again), index and sequence number.
 */
static int
goim_lane_replay(goim_lane_t *lane, uint64_t table_pos)
{
    uint64_t            p;
    goim_record_t      *r;
    goim_lane_entry_t  *e;

    for (p = table_pos; p < lane->head; p += r->size) {
        r = goim_lane_record(lane, p);

        if (r->kind == GOIM_RECORD_PADDING) {
            continue;
        }

        e = goim_lane_entry(lane, r->topic, r->partition);
        if (e == NULL) {
            return GOIM_INVALID;
        }

        goim_lane_move(lane, e, r->offset + 1);
        lane->seq = r->seq + 1;
    }

    goim_lane_store_table(lane);
    goim_lane_store_index(lane, table_pos, lane->head);
    goim_lane_store(&lane->shm->seq, lane->seq);
    goim_lane_store(&lane->shm->table_pos, lane->head);

    return GOIM_OK;
}


static void
goim_lane_recover(goim_lane_t *lane)
{
    uint64_t  table_pos;

    lane->tail = goim_lane_load(&lane->shm->tail);
    lane->head = goim_lane_load(&lane->shm->head);
    lane->end = lane->head;
    lane->seq = goim_lane_load(&lane->shm->seq);
    table_pos = goim_lane_load(&lane->shm->table_pos);

    if (goim_lane_load_table(lane) != GOIM_OK
        || goim_lane_check(lane, table_pos) != GOIM_OK
        || goim_lane_replay(lane, table_pos) != GOIM_OK)
    {
        goim_lane_reset(lane);
    }

    memcpy((void *) lane->shadow, (void *) lane->index,
           lane->ch->index_buckets * sizeof(goim_index_bucket_t));
}


static uint64_t
goim_lane_now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
goim_lane_free(goim_lane_t *lane)
{
    if (lane->lock_fd >= 0) {
        close(lane->lock_fd);
    }

    free(lane->shadow);
    free(lane);
}


int
goim_lane_take(goim_channel_t *ch, uint32_t index, goim_lane_t **result,
    goim_error_t *error)
{
    int           rc;
    goim_lane_t  *lane;

    lane = calloc(1, sizeof(goim_lane_t));
    if (lane == NULL) {
        goim_channel_fail(error, 0, "no memory for a lane of \"%s\"", ch->path);
        return GOIM_NOMEM;
    }

    lane->ch = ch;
    lane->number = index;
    lane->shm = goim_channel_lane(ch, index);
    lane->index = goim_channel_index(ch, index);
    lane->ring = goim_channel_ring(ch, index);
    lane->size = ch->size;

    lane->shadow = aligned_alloc(64, ch->index_buckets
                                     * sizeof(goim_index_bucket_t));
    lane->lock_fd = goim_lock_open(ch->path);

    if (lane->shadow == NULL || lane->lock_fd < 0) {
        goim_channel_fail(error, 0, "can't open \"%s\" for a lane", ch->path);
        goim_lane_free(lane);
        return GOIM_ERROR;
    }

    rc = goim_lock_try(lane->lock_fd, goim_channel_lane_lock(ch, index));
    if (rc != GOIM_OK) {
        goim_channel_fail(error, 0, "can't lock a lane of \"%s\"", ch->path);
        goim_lane_free(lane);
        return rc;
    }

    goim_lane_recover(lane);
    goim_lane_count(lane, GOIM_JOB_TAKEN, 1);
    goim_lane_store(&lane->shm->pid, getpid());
    goim_lane_store(&lane->shm->alive_ms, goim_lane_now_ms());

    goim_wakeup_init(&lane->wakeup, ch);
    goim_wakeup_all(&lane->wakeup);

    *result = lane;

    return GOIM_OK;
}


void
goim_lane_leave(goim_lane_t *lane)
{
    goim_lane_publish(lane);
    goim_wakeup_done(&lane->wakeup);
    goim_lane_free(lane);
}


int
goim_lane_topic(goim_lane_t *lane, const char *name, uint32_t *topic)
{
    size_t    len;
    uint64_t  i, n;

    len = strlen(name);

    if (len == 0 || len >= GOIM_CHANNEL_TOPIC_LEN) {
        return GOIM_INVALID;
    }

    n = goim_lane_load(&lane->shm->topics);

    for (i = 0; i < n && i < GOIM_CHANNEL_TOPICS; i++) {
        if (strcmp(lane->shm->topic[i], name) == 0) {
            *topic = i;
            return GOIM_OK;
        }
    }

    if (n >= GOIM_CHANNEL_TOPICS) {
        return GOIM_FULL;
    }

    memcpy(lane->shm->topic[n], name, len + 1);
    goim_lane_store(&lane->shm->topics, n + 1);
    *topic = n;

    return GOIM_OK;
}


int
goim_lane_knows_topic(const goim_lane_t *lane, uint32_t topic)
{
    uint32_t  i;

    for (i = 0; i < lane->entries; i++) {
        if (lane->table[i].topic == topic) {
            return 1;
        }
    }

    return 0;
}


int
goim_lane_next(const goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t *next)
{
    goim_lane_entry_t  *e;

    e = goim_lane_find(lane, topic, partition);
    if (e == NULL) {
        return GOIM_AGAIN;
    }

    *next = e->next;

    return GOIM_OK;
}


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
    want = need + lane->size / 16;
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
        || m->topic >= goim_lane_load(&lane->shm->topics)
        || m->target.len > UINT32_MAX || m->body.len > UINT32_MAX)
    {
        return 0;
    }

    size = sizeof(goim_record_t) + m->target.len + m->body.len;
    size = (size + 7) & ~7ULL;

    return size <= lane->size / 4 ? size : 0;
}


int
goim_lane_put(goim_lane_t *lane, const goim_lane_message_t *m)
{
    uint64_t            size, rest, pad;
    goim_lane_entry_t  *e;

    e = goim_lane_find(lane, m->topic, m->partition);

    if (e != NULL && (uint64_t) m->offset < e->next && m->offset >= 0) {
        return GOIM_AGAIN;
    }

    size = goim_lane_message_size(lane, m);
    if (size == 0) {
        return GOIM_INVALID;
    }

    if (lane->end - lane->head + size > lane->size / 4) {
        goim_lane_publish(lane);
    }

    rest = lane->size - (lane->end & (lane->size - 1));
    pad = rest < size ? rest : 0;

    if (goim_lane_make_room(lane, lane->end + pad + size) != GOIM_OK) {
        return GOIM_FULL;
    }

    /* the lane may have been reset */

    rest = lane->size - (lane->end & (lane->size - 1));
    pad = rest < size ? rest : 0;

    e = goim_lane_entry(lane, m->topic, m->partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    if (pad) {
        goim_lane_write_padding(lane, pad);
    }

    goim_lane_write(lane, m, size);
    goim_lane_move(lane, e, (uint64_t) m->offset + 1);

    return GOIM_OK;
}


int
goim_lane_skip(goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t next)
{
    goim_lane_entry_t  *e;

    e = goim_lane_entry(lane, topic, partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    if (next > e->next) {
        goim_lane_move(lane, e, next);
    }

    return GOIM_OK;
}


int
goim_lane_set_next(goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t next)
{
    goim_lane_entry_t  *e;

    goim_lane_publish(lane);

    e = goim_lane_entry(lane, topic, partition);
    if (e == NULL) {
        return GOIM_NOMEM;
    }

    goim_lane_move(lane, e, next);
    goim_lane_store_table(lane);

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
        goim_lane_store_table(lane);
        return;
    }

    from = lane->head;
    lane->head = lane->end;

    goim_lane_store(&lane->shm->head, lane->head);

    goim_lane_store_table(lane);
    goim_lane_store_index(lane, from, lane->head);
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
    return goim_lane_lowest_reader(lane) >= position;
}


int
goim_lane_partition(const goim_lane_t *lane, uint32_t i, const char **topic,
    int32_t *partition, uint64_t *next)
{
    if (i >= lane->entries) {
        return GOIM_AGAIN;
    }

    *topic = lane->shm->topic[lane->table[i].topic];
    *partition = lane->table[i].partition;
    *next = lane->table[i].next;

    return GOIM_OK;
}


void
goim_lane_count(goim_lane_t *lane, goim_job_counter_e counter, uint64_t n)
{
    _Atomic uint64_t  *c = &lane->shm->counters[counter];

    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
