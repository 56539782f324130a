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
#include "goim_reader_int.h"


/* how often joining looks for a moment in which the lane stands still */
#define GOIM_READER_JOIN_TRIES  64

/* of 64 bytes: more than a pipe holds, so that nobody can keep us here */
#define GOIM_READER_PIPE_READS  1025


static uint64_t
goim_reader_now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
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
/* What the owner of a slot has counted goes to the sums; the caller holds the
 * slot's lock, and the owner is gone or about to. */
static void
goim_reader_add_ended(goim_channel_slots_t *slots, goim_channel_slot_t *slot)
{
    uint32_t  i;
    uint64_t  n;

    if (goim_reader_load(&slot->pid) == 0) {
        return;
    }

    atomic_store(&slot->pid, 0);
    atomic_fetch_add(&slots->ended, 1);

    for (i = 0; i < GOIM_SLOT_COUNTERS; i++) {
        n = goim_reader_load(&slot->counters[i]);
        atomic_store(&slot->counters[i], 0);
        atomic_fetch_add(&slots->ended_counters[i], n);
    }
}


/* Of those that died without doing so. */
static void
goim_reader_add_dead(const goim_reader_t *rd)
{
    uint32_t               i, used;
    uint64_t               byte;
    goim_channel_slots_t  *slots;

    slots = rd->ch->slots;
    used = goim_channel_slots_used(rd->ch);

    for (i = 0; i < used; i++) {
        byte = goim_channel_slot_lock(rd->ch, i);

        if (i != rd->index && goim_reader_load(&slots->slot[i].pid)
            && goim_lock_try(rd->lock_fd, byte) == GOIM_OK)
        {
            goim_reader_add_ended(slots, &slots->slot[i]);
            goim_lock_release(rd->lock_fd, byte);
        }
    }
}


static void
goim_reader_init_slot(goim_reader_t *rd)
{
    uint64_t              now, sleeping;
    goim_channel_slot_t  *slot;

    slot = rd->slot;
    goim_reader_add_ended(rd->ch->slots, slot);

    sleeping = goim_reader_load(&slot->sleeping);
    atomic_store(&slot->sleeping, sleeping + (sleeping & 1));

    now = goim_reader_now_ns();

    if (now <= goim_reader_load(&slot->epoch)) {
        now = goim_reader_load(&slot->epoch) + 1;
    }

    goim_reader_clear_rooms(rd);
    goim_reader_clear_board(rd);

    atomic_store(&slot->draining, 0);
    atomic_store(&slot->takes, 0);
    atomic_store(&slot->gave_up, 0);
    atomic_store(&slot->master, 0);
    atomic_store(&slot->reload, 0);
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
 * The sequence number of the record to come behind head, counted from the last
 * record before it; 0: none was seen between the two positions, or they were
 * overwritten.
 */
static uint64_t
goim_reader_join_seq(goim_reader_t *rd, uint32_t lane, uint64_t table_pos,
    uint64_t head)
{
    size_t                rest;
    uint64_t              p, seq, ring;
    goim_record_t         r;
    goim_channel_lane_t  *shm;

    shm = goim_channel_lane(rd->ch, lane);
    ring = rd->ch->size;
    seq = 0;

    for (p = table_pos; p < head && head - p <= ring; p += r.size) {
        rest = ring - (p & (ring - 1));

        memset(&r, 0, sizeof(r));
        memcpy(&r, goim_channel_ring(rd->ch, lane) + (p & (ring - 1)),
               rest < sizeof(r) ? rest : sizeof(r));

        atomic_thread_fence(memory_order_acquire);

        if (goim_reader_load(&shm->tail) > p || r.size < 8 || r.size % 8 != 0)
        {
            return 0;
        }

        if (r.kind != GOIM_RECORD_PADDING) {
            seq = r.seq + 1;
        }
    }

    return p == head ? seq : 0;
}


/*
 * Joins at head.  Between publications table_pos stands there too, and seq
 * belongs to it; else the records between the two tell.
 */
static void
goim_reader_join(goim_reader_t *rd, uint32_t lane)
{
    int                   tries;
    uint64_t              head, table_pos, seq;
    goim_reader_lane_t   *rl;
    goim_channel_lane_t  *shm;

    rl = &rd->lanes[lane];
    shm = goim_channel_lane(rd->ch, lane);

    memset(rl, 0, sizeof(goim_reader_lane_t));

    rl->word = goim_reader_position(&shm->head) | GOIM_CURSOR_LIVE;

    atomic_store_explicit(&rd->slot->cursors[lane], rl->word,
                          memory_order_relaxed);

    /*
     * Pairs with the fence that ends each publication: a producer that did
     * not see our word moves tail at most to the head that we see now.
     */

    atomic_thread_fence(memory_order_seq_cst);

    head = 0;

    for (tries = 0; tries < GOIM_READER_JOIN_TRIES && rl->seq == 0; tries++) {

        head = goim_reader_position(&shm->head);
        table_pos = goim_reader_load(&shm->table_pos);

        if (table_pos != head) {
            rl->seq = goim_reader_join_seq(rd, lane, table_pos, head);
            continue;
        }

        seq = goim_reader_load(&shm->seq);

        if (goim_reader_position(&shm->head) == head) {
            rl->seq = seq;
        }
    }

    rl->position = head;
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
    rd->lock_fd = goim_channel_lock_open(ch);

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

    /* with our slot taken nobody removes it any more */

    if (goim_channel_is_unlinked(ch)) {
        goim_channel_fail(error, 0, "\"%s\" has been removed", ch->path);
        rc = GOIM_ERROR;
        goto failed;
    }

    rc = goim_reader_open_pipe(rd, error);
    if (rc != GOIM_OK) {
        goto failed;
    }

    goim_reader_init_slot(rd);
    goim_reader_raise_used(rd);
    goim_reader_add_dead(rd);

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

    goim_reader_add_ended(rd->ch->slots, rd->slot);

    close(rd->pipe_fd);
    close(rd->lock_fd);
    free(rd);
}


int
goim_reader_take_turn(goim_reader_t *rd, uint32_t n)
{
    return goim_lock_try(rd->lock_fd,
                         goim_channel_turn_lock(rd->ch, rd->index % n));
}


void
goim_reader_give_turn(goim_reader_t *rd, uint32_t n)
{
    goim_lock_release(rd->lock_fd,
                      goim_channel_turn_lock(rd->ch, rd->index % n));
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
        head = goim_reader_position(&shm->head);

        if (head > rl->position
            || (head < rl->position
                && goim_reader_position(&shm->tail) <= head))
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
    int       i;
    char      buf[64];
    uint64_t  sleeping;

    for (i = 0; i < GOIM_READER_PIPE_READS; i++) {
        if (read(rd->pipe_fd, buf, sizeof(buf)) != sizeof(buf)) {
            break;
        }
    }

    sleeping = goim_reader_load(&rd->slot->sleeping);

    atomic_store_explicit(&rd->slot->sleeping, sleeping + (sleeping & 1),
                          memory_order_relaxed);
}
