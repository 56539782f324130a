/*
 * The reader's side of the channel: slot, cursors, sleeping; see
 * goim_reader.h.  A room's history is goim_reader_history.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "goim_channel_int.h"
#include "goim_lock.h"
#include "goim_reader.h"


/* how often joining looks for a moment in which the lane stands still */
#define GOIM_READER_JOIN_TRIES  64

/* a lane whose tail runs away in one call is left to the next call */
#define GOIM_READER_TRIES       4


static uint64_t
goim_reader_now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static inline uint64_t
goim_reader_load(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}


/* Slots */

/* GOIM_OK, GOIM_FULL or GOIM_ERROR. */
static int
goim_reader_take_slot(goim_reader_t *rd)
{
    int       rc;
    uint32_t  i;

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        rc = goim_lock_try(rd->lock_fd, goim_channel_slot_lock(rd->ch, i));

        if (rc == GOIM_OK) {
            rd->index = i;
            rd->slot = &rd->ch->slots->slot[i];
            return GOIM_OK;
        }

        if (rc == GOIM_ERROR) {
            return GOIM_ERROR;
        }
    }

    return GOIM_FULL;
}


static void
goim_reader_raise_used(goim_reader_t *rd)
{
    uint64_t           used;
    _Atomic uint64_t  *p;

    p = &rd->ch->slots->used;
    used = goim_reader_load(p);

    while (used < rd->index + 1
           && !atomic_compare_exchange_weak(p, &used, rd->index + 1))
    {
        /* void */
    }
}


/*
 * A new owner: it counts on from the last one's "sleeping", so that no
 * producer takes its sleep for one that it has answered already.
 */
static void
goim_reader_init_slot(goim_reader_t *rd)
{
    uint32_t              i;
    uint64_t              now, sleeping;
    goim_channel_slot_t  *slot;

    slot = rd->slot;

    sleeping = goim_reader_load(&slot->sleeping);
    atomic_store(&slot->sleeping, sleeping + (sleeping & 1));

    now = goim_reader_now_ns();

    if (now <= goim_reader_load(&slot->epoch)) {
        now = goim_reader_load(&slot->epoch) + 1;
    }

    for (i = 0; i < GOIM_SLOT_COUNTERS; i++) {
        atomic_store_explicit(&slot->counters[i], 0, memory_order_relaxed);
    }

    atomic_store(&slot->draining, 0);
    atomic_store(&slot->pid, getpid());
    atomic_store(&slot->epoch, now);
}


static int
goim_reader_open_pipe(goim_reader_t *rd, goim_error_t *error)
{
    char  name[GOIM_CHANNEL_PATH_MAX + 64];

    goim_channel_pipe_name(rd->ch->path, rd->index, name, sizeof(name));

    /* read and write, so that it never ends when a producer does */

    rd->pipe_fd = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

    if (rd->pipe_fd == -1) {
        goim_channel_fail(error, errno, "can't open the pipe \"%s\"", name);
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


/* Lanes */

/*
 * Joins at head.  Between publications head, table_pos and seq belong
 * together, and the sequence number of the first record to come is known;
 * else it is taken from that record.
 */
static void
goim_reader_join(goim_reader_t *rd, uint32_t lane)
{
    int                   tries;
    uint64_t              head, seq;
    goim_reader_lane_t   *rl;
    goim_channel_lane_t  *shm;

    rl = &rd->lanes[lane];
    shm = goim_channel_lane(rd->ch, lane);

    memset(rl, 0, sizeof(goim_reader_lane_t));

    head = goim_reader_load(&shm->head);
    rl->word = head | GOIM_CURSOR_LIVE;
    atomic_store(&rd->slot->cursors[lane], rl->word);

    for (tries = 0; tries < GOIM_READER_JOIN_TRIES; tries++) {
        head = goim_reader_load(&shm->head);
        seq = goim_reader_load(&shm->seq);

        if (goim_reader_load(&shm->table_pos) == head
            && goim_reader_load(&shm->head) == head)
        {
            rl->seq = seq;
            break;
        }
    }

    rl->position = head;
}


/* Someone who was out, or taken for dead, comes back where it was. */
static void
goim_reader_return(goim_reader_t *rd, uint32_t lane)
{
    uint64_t              word, tail;
    _Atomic uint64_t     *cursor;
    goim_reader_lane_t   *rl;

    rl = &rd->lanes[lane];
    cursor = &rd->slot->cursors[lane];
    word = goim_reader_load(cursor);
    rl->returned++;

    do {
        tail = goim_reader_load(&goim_channel_lane(rd->ch, lane)->tail);

        if (rl->position < tail) {
            rl->position = tail;
        }

        rl->word = rl->position | GOIM_CURSOR_LIVE;

    } while (!atomic_compare_exchange_weak(cursor, &word, rl->word));
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


int
goim_reader_open(goim_channel_t *ch, goim_reader_t **result,
    goim_error_t *error)
{
    int             rc;
    uint32_t        i;
    goim_reader_t  *rd;

    rd = calloc(1, sizeof(goim_reader_t));
    if (rd == NULL) {
        goim_channel_fail(error, ENOMEM, "no memory for a reader of \"%s\"",
                          ch->path);
        return GOIM_NOMEM;
    }

    rd->ch = ch;
    rd->pipe_fd = -1;
    rd->lock_fd = goim_lock_open(ch->path);

    if (rd->lock_fd < 0) {
        goim_channel_fail(error, errno, "can't open \"%s\"", ch->path);
        rc = GOIM_ERROR;
        goto failed;
    }

    rc = goim_reader_take_slot(rd);
    if (rc != GOIM_OK) {
        goim_channel_fail(error, rc == GOIM_FULL ? 0 : errno,
                          "no free slot in \"%s\"", ch->path);
        goto failed;
    }

    rc = goim_reader_open_pipe(rd, error);
    if (rc != GOIM_OK) {
        goto failed;
    }

    goim_reader_init_slot(rd);
    goim_reader_raise_used(rd);

    for (i = 0; i < ch->lanes; i++) {
        goim_reader_join(rd, i);
    }

    *result = rd;

    return GOIM_OK;

failed:

    if (rd->lock_fd >= 0) {
        close(rd->lock_fd);
    }

    free(rd);

    return rc;
}


void
goim_reader_close(goim_reader_t *rd)
{
    uint32_t  i;

    for (i = 0; i < rd->ch->lanes; i++) {
        atomic_store(&rd->slot->cursors[i], GOIM_CURSOR_FREE);
    }

    close(rd->pipe_fd);
    close(rd->lock_fd);
    free(rd);
}


/* Reading */

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


/* What lies between the record that was expected and the one that came. */
static void
goim_reader_check_seq(goim_reader_lane_t *rl, uint64_t seq, int jumped)
{
    if (rl->seq != 0 && seq > rl->seq) {
        rl->missed += seq - rl->seq;

    } else if (jumped && rl->seq != 0 && seq != rl->seq) {

        /* a lane that was reset: at least one is gone */

        rl->missed++;
    }

    rl->seq = seq + 1;
}


/*
 * Cuts the copy behind its last whole record.  Returns GOIM_INVALID if
 * something in it is no record.
 */
static int
goim_reader_cut(goim_reader_t *rd, uint32_t lane, goim_reader_batch_t *batch,
    int jumped)
{
    int                   first;
    size_t                p;
    uint32_t              size;
    const goim_record_t  *r;

    first = 1;

    for (p = batch->at; p < batch->end; p += size) {
        size = goim_reader_record_size(batch->buf + p, batch->end - p);

        if (size == 0 || size > rd->ch->size / 2) {
            batch->end = p;
            return GOIM_INVALID;
        }

        if (size > batch->end - p) {
            break;
        }

        r = (const goim_record_t *) (batch->buf + p);

        if (r->kind != GOIM_RECORD_PADDING) {
            goim_reader_check_seq(&rd->lanes[lane], r->seq, jumped && first);
            first = 0;
        }
    }

    if (p == batch->at && p < batch->end) {

        /* not even one */

        batch->end = size;
        return GOIM_FULL;
    }

    batch->end = p;

    return GOIM_OK;
}


/*
 * Something that is no record, at a place that was not overwritten: the lane
 * is damaged.  Its end is the only place to go on from.
 */
static void
goim_reader_damaged(goim_reader_t *rd, uint32_t lane)
{
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];

    rl->damaged++;
    rl->seq = 0;
    rl->position = goim_reader_load(&goim_channel_lane(rd->ch, lane)->head)
                   & ~7ULL;

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


/* head is not above our position. */
static int
goim_reader_empty(goim_reader_t *rd, uint32_t lane, uint64_t head)
{
    uint64_t             tail;
    goim_reader_lane_t  *rl;

    rl = &rd->lanes[lane];

    if (head < rl->position) {
        tail = goim_reader_load(&goim_channel_lane(rd->ch, lane)->tail);

        /* else the lane is being reset, and head about to follow tail */

        if (tail <= head) {
            goim_reader_damaged(rd, lane);
        }

        return GOIM_AGAIN;
    }

    if (atomic_load_explicit(&rd->slot->cursors[lane], memory_order_relaxed)
        != rl->word)
    {
        goim_reader_return(rd, lane);
    }

    return GOIM_AGAIN;
}


int
goim_reader_read(goim_reader_t *rd, uint32_t lane, goim_reader_batch_t *batch)
{
    int                   rc, tries, jumped;
    size_t                n;
    uint64_t              head, tail;
    goim_reader_lane_t   *rl;
    goim_channel_lane_t  *shm;

    rl = &rd->lanes[lane];
    shm = goim_channel_lane(rd->ch, lane);
    batch->at = 0;
    batch->end = 0;
    jumped = 0;

    for (tries = 0; tries < GOIM_READER_TRIES; tries++) {

        if (rd->ch->broken) {
            return GOIM_AGAIN;
        }

        head = goim_reader_load(&shm->head);

        if (head <= rl->position) {
            return goim_reader_empty(rd, lane, head);
        }

        n = goim_reader_span(rd, rl->position, head, batch->cap);

        memcpy(batch->buf,
               goim_channel_ring(rd->ch, lane)
               + (rl->position & (rd->ch->size - 1)), n);

        /* pairs with the fence in goim_lane_make_room() */

        atomic_thread_fence(memory_order_acquire);
        tail = atomic_load_explicit(&shm->tail, memory_order_relaxed);

        if (tail >= rl->position + n) {
            rl->position = tail & ~7ULL;
            jumped = 1;
            continue;
        }

        if (tail > rl->position) {

            /* tail is a record's start, and what lies behind it is whole */

            batch->at = (tail & ~7ULL) - rl->position;
            jumped = 1;
        }

        batch->end = n;
        rc = goim_reader_cut(rd, lane, batch, jumped);

        if (rc == GOIM_FULL && batch->at != 0) {

            /* the next record fits when the copy begins with it */

            rl->position += batch->at;
            batch->at = 0;
            continue;
        }

        if (rc == GOIM_FULL && n == batch->cap) {
            return GOIM_FULL;
        }

        /* a record that ends beyond head is none */

        if (rc == GOIM_FULL) {
            batch->end = 0;
        }

        if (batch->end > batch->at) {
            rl->position += batch->end;
            goim_reader_move(rd, lane);
            return GOIM_OK;
        }

        goim_reader_damaged(rd, lane);

        return GOIM_AGAIN;
    }

    goim_reader_move(rd, lane);

    return GOIM_AGAIN;
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


/* Sleeping */

static int
goim_reader_has_more(goim_reader_t *rd)
{
    uint32_t              i;
    uint64_t              head;
    goim_reader_lane_t   *rl;
    goim_channel_lane_t  *shm;

    if (rd->ch->broken) {
        return 0;
    }

    for (i = 0; i < rd->ch->lanes; i++) {
        rl = &rd->lanes[i];
        shm = goim_channel_lane(rd->ch, i);
        head = goim_reader_load(&shm->head);

        if (head > rl->position
            || (head < rl->position && goim_reader_load(&shm->tail) <= head))
        {
            return 1;
        }

        if (atomic_load_explicit(&rd->slot->cursors[i], memory_order_relaxed)
            != rl->word)
        {
            return 1;
        }
    }

    return 0;
}


int
goim_reader_sleep(goim_reader_t *rd)
{
    uint64_t  sleeping;

    sleeping = goim_reader_load(&rd->slot->sleeping) | 1;
    atomic_store_explicit(&rd->slot->sleeping, sleeping,
                          memory_order_relaxed);

    /* pairs with the fence in goim_wakeup_sleepers() */

    atomic_thread_fence(memory_order_seq_cst);

    if (goim_reader_has_more(rd)) {
        atomic_store_explicit(&rd->slot->sleeping, sleeping + 1,
                              memory_order_relaxed);
        return GOIM_AGAIN;
    }

    return GOIM_OK;
}


void
goim_reader_wake(goim_reader_t *rd)
{
    char      buf[64];
    uint64_t  sleeping;

    while (read(rd->pipe_fd, buf, sizeof(buf)) == sizeof(buf)) {
        /* void */
    }

    sleeping = goim_reader_load(&rd->slot->sleeping);

    atomic_store_explicit(&rd->slot->sleeping, sleeping + (sleeping & 1),
                          memory_order_relaxed);
}
