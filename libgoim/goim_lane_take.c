/*
 * Taking a lane: checking what its last producer left, finishing what that one
 * had published but not noted, and emptying a lane that is damaged.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "goim_channel_int.h"
#include "goim_lane_int.h"
#include "goim_lock.h"


uint32_t
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


static int
goim_lane_check_bounds(const goim_lane_t *lane, uint64_t table_pos)
{
    return lane->tail >= lane->size && lane->tail <= table_pos
           && table_pos <= lane->head && lane->head - lane->tail <= lane->size
           && lane->head <= GOIM_LANE_MAX_POSITION
           && ((lane->tail | table_pos | lane->head) & 7) == 0;
}


/* Whether it can follow the record that seq was counted up to; 0: unknown. */
static int
goim_lane_check_record(const goim_lane_t *lane, const goim_record_t *r,
    uint64_t seq)
{
    return r->topic < lane->topics && r->partition >= 0 && r->offset >= 0
           && r->offset < INT64_MAX && r->seq != 0
           && (seq == 0 || r->seq == seq);
}


/*
 * Every record from tail to head must be one, their sequence numbers must
 * follow each other, and table_pos must stand between two of them.
 */
static int
goim_lane_check(const goim_lane_t *lane, uint64_t table_pos)
{
    int             met;
    uint32_t        size;
    uint64_t        p, seq;
    goim_record_t  *r;

    if (!goim_lane_check_bounds(lane, table_pos)) {
        return GOIM_INVALID;
    }

    met = table_pos == lane->head;
    seq = 0;

    for (p = lane->tail; p < lane->head; p += size) {
        r = goim_lane_record(lane, p);
        size = goim_lane_record_size(lane, p);

        if (size == 0 || p + size > lane->head) {
            return GOIM_INVALID;
        }

        met |= p == table_pos;

        if (r->kind == GOIM_RECORD_PADDING) {
            continue;
        }

        if (!goim_lane_check_record(lane, r, seq)) {
            return GOIM_INVALID;
        }

        seq = r->seq + 1;
    }

    /* the shared number is behind while records are to be replayed */

    if (table_pos == lane->head && seq != 0 && lane->seq != seq) {
        return GOIM_INVALID;
    }

    return met && lane->seq != 0 ? GOIM_OK : GOIM_INVALID;
}


/*
 * A multiple of the ring's size above all positions there are, those of the
 * readers too.  Those that can't be true are left out.
 */
static uint64_t
goim_lane_reset_position(const goim_lane_t *lane)
{
    uint32_t  i, used;
    uint64_t  p, max;

    max = lane->size;
    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used + 4; i++) {
        p = i == used ? lane->tail
            : i == used + 1 ? lane->end
            : i == used + 2 ? goim_lane_load(&lane->shm->head)
            : i == used + 3 ? goim_lane_load(&lane->shm->table_pos)
            : goim_cursor_position(goim_lane_load(
                  &lane->ch->slots->slot[i].cursors[lane->number]));

        if (p > max && p <= GOIM_LANE_MAX_POSITION / 2) {
            max = p;
        }
    }

    return (max / lane->size + 1) * lane->size;
}


/* Messages that were pending are gone too; their numbers tell. */
void
goim_lane_reset(goim_lane_t *lane)
{
    uint64_t  p;

    p = goim_lane_reset_position(lane);

    if (lane->seq > GOIM_LANE_MAX_POSITION) {
        lane->seq = 0;
    }

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
    lane->records = 0;

    goim_lane_count(lane, GOIM_JOB_RESETS, 1);
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

        e = goim_lane_table_get(lane, r->topic, r->partition);
        if (e == NULL) {
            return GOIM_INVALID;
        }

        goim_lane_table_move(lane, e, r->offset + 1);
        lane->seq = r->seq + 1;
    }

    goim_lane_table_store(lane);
    goim_lane_index_store(lane, table_pos, lane->head);
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

    if (goim_lane_table_load(lane) != GOIM_OK
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


void
goim_lane_free(goim_lane_t *lane)
{
    close(lane->lock_fd);
    free(lane->shadow);
    free(lane);
}


/* Returns the descriptor that holds the lane's lock, or what went wrong. */
static int
goim_lane_lock(goim_channel_t *ch, uint32_t index, goim_error_t *error)
{
    int  fd, rc;

    fd = goim_channel_lock_open(ch);

    if (fd < 0) {
        goim_channel_fail(error, errno, "can't open \"%s\" for a lane",
                          ch->path);
        return GOIM_ERROR;
    }

    rc = goim_lock_try(fd, goim_channel_lane_lock(ch, index));

    if (rc != GOIM_OK) {
        goim_channel_fail(error, rc == GOIM_AGAIN ? 0 : errno,
                          "can't lock a lane of \"%s\"", ch->path);
        close(fd);
        return rc;
    }

    return fd;
}


static goim_lane_t *
goim_lane_alloc(goim_channel_t *ch, uint32_t index, int lock_fd)
{
    goim_lane_t  *lane;

    lane = calloc(1, sizeof(goim_lane_t));
    if (lane == NULL) {
        return NULL;
    }

    lane->ch = ch;
    lane->number = index;
    lane->lock_fd = lock_fd;
    lane->shm = goim_channel_lane(ch, index);
    lane->index = goim_channel_index(ch, index);
    lane->ring = goim_channel_ring(ch, index);
    lane->size = ch->size;

    goim_wakeup_init(&lane->wakeup, ch);

    lane->shadow = aligned_alloc(_Alignof(goim_index_bucket_t),
                                 ch->index_buckets
                                 * sizeof(goim_index_bucket_t));
    if (lane->shadow == NULL) {
        free(lane);
        return NULL;
    }

    return lane;
}


int
goim_lane_take(goim_channel_t *ch, uint32_t index, goim_lane_t **result,
    goim_error_t *error)
{
    int           fd;
    goim_lane_t  *lane;

    if (index >= ch->lanes || ch->mode != GOIM_CHANNEL_PRODUCER) {
        goim_channel_fail(error, EINVAL, "no such lane to take in \"%s\"",
                          ch->path);
        return GOIM_ERROR;
    }

    /* first: a standby tries often */

    fd = goim_lane_lock(ch, index, error);
    if (fd < 0) {
        return fd;
    }

    lane = goim_lane_alloc(ch, index, fd);
    if (lane == NULL) {
        goim_channel_fail(error, ENOMEM, "no memory for a lane of \"%s\"",
                          ch->path);
        close(fd);
        return GOIM_NOMEM;
    }

    goim_lane_recover(lane);

    goim_lane_count(lane, GOIM_JOB_TAKEN, 1);
    goim_lane_store(&lane->shm->pid, getpid());
    goim_lane_store(&lane->shm->alive_ms, goim_lane_now_ms());

    if (ch->broken) {
        goim_channel_fail(error, 0, "\"%s\" was cut short", ch->path);
        goim_lane_free(lane);
        return GOIM_ERROR;
    }

    goim_wakeup_all(&lane->wakeup);

    *result = lane;

    return GOIM_OK;
}
