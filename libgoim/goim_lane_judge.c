/*
 * Judging a lane's readers: who is dead, who stalls.  Nobody is waited for
 * longer than the channel's stall time, and nobody is accused by the time in
 * which the producer itself, or the machine, stood still.
 */

#include "goim_lane_int.h"


#define GOIM_LANE_LOOK_US  20000  /* one look counts for this at the most */
#define GOIM_LANE_TEST_US  2000   /* between tests of a reader's lock */
#define GOIM_LANE_ALONE    4      /* stalls, for a reader that creeps */

/* as make and -t accept it, whatever the header says */
#define GOIM_LANE_MIN_STALL_US  (1000ULL * GOIM_CHANNEL_MIN_STALL)
#define GOIM_LANE_MAX_STALL_US  (1000ULL * GOIM_CHANNEL_MAX_STALL)


typedef struct {
    goim_lane_t  *lane;
    uint64_t      stall_us;
    uint64_t      passed_us;  /* since the last look */
    int           test;       /* locks are tested in this look */
    int           alone;      /* of several live readers one is behind */
} goim_lane_look_t;


static _Atomic uint64_t *
goim_lane_cursor(goim_lane_t *lane, uint32_t slot)
{
    return &lane->ch->slots->slot[slot].cursors[lane->number];
}


static uint64_t
goim_lane_word(goim_lane_t *lane, uint32_t slot)
{
    return atomic_load_explicit(goim_lane_cursor(lane, slot),
                                memory_order_acquire);
}


/* Changes a word only if it is the very one that was judged. */
static int
goim_lane_mark(goim_lane_t *lane, uint32_t slot, uint64_t word,
    uint64_t state)
{
    return atomic_compare_exchange_strong_explicit(
        goim_lane_cursor(lane, slot), &word,
        goim_cursor_position(word) | state, memory_order_acq_rel,
        memory_order_relaxed);
}


static void
goim_lane_free_if_dead(goim_lane_t *lane, uint32_t slot, uint64_t word)
{
    uint64_t  marked;

    if (goim_channel_slot_is_held(lane->ch, slot)
        || !goim_lane_mark(lane, slot, word, GOIM_CURSOR_FREE))
    {
        return;
    }

    /*
     * Between test and mark the slot may have found a new owner that joined
     * with the very same word.  It gets it back: nothing was overwritten yet,
     * as that is up to us.
     */

    if (goim_channel_slot_is_held(lane->ch, slot)) {
        marked = goim_cursor_position(word) | GOIM_CURSOR_FREE;

        (void) atomic_compare_exchange_strong_explicit(
            goim_lane_cursor(lane, slot), &marked, word, memory_order_acq_rel,
            memory_order_relaxed);

        return;
    }

    goim_lane_count(lane, GOIM_JOB_READERS_DEAD, 1);
}


static void
goim_lane_acquit(goim_channel_judge_t *j, uint64_t word)
{
    j->word = word;
    j->from = goim_cursor_position(word);
    j->in_way_us = 0;
    j->alone_us = 0;
}


/*
 * Counts the time since the last look against a reader.  One that moves is
 * accused only if it alone holds up others and takes longer than that for a
 * whole ring: who is merely slower than the producer loses nothing.
 */
static void
goim_lane_accuse(goim_lane_look_t *look, uint32_t slot,
    goim_channel_judge_t *j, uint64_t word)
{
    uint64_t              epoch;
    goim_channel_slot_t  *s;

    s = &look->lane->ch->slots->slot[slot];
    epoch = atomic_load_explicit(&s->epoch, memory_order_relaxed);

    if (j->epoch != epoch
        || goim_cursor_position(word) - j->from >= look->lane->size)
    {
        j->epoch = epoch;
        goim_lane_acquit(j, word);
    }

    if (j->word != word) {
        j->word = word;
        j->in_way_us = 0;

    } else {
        j->in_way_us += look->passed_us;
    }

    if (look->alone) {
        j->alone_us += look->passed_us;
    }
}


static void
goim_lane_judge(goim_lane_look_t *look, uint32_t slot, uint64_t word)
{
    goim_lane_t           *lane;
    goim_channel_judge_t  *j;

    lane = look->lane;
    j = &lane->shm->judge[slot];

    goim_lane_accuse(look, slot, j, word);

    if (j->in_way_us < look->stall_us
        && j->alone_us < GOIM_LANE_ALONE * look->stall_us)
    {
        return;
    }

    goim_lane_acquit(j, word);

    if (goim_lane_mark(lane, slot, word, GOIM_CURSOR_OUT)) {
        goim_lane_count(lane, GOIM_JOB_READERS_OUT, 1);
    }
}


/* Several live readers, and one of them alone has not read everything. */
static int
goim_lane_one_is_behind(goim_lane_t *lane)
{
    uint32_t  i, live, behind, used;
    uint64_t  word;

    live = 0;
    behind = 0;
    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used; i++) {
        word = goim_lane_word(lane, i);

        if (goim_cursor_state(word) == GOIM_CURSOR_LIVE) {
            live++;
            behind += goim_cursor_position(word) < lane->head;
        }
    }

    return live > 1 && behind == 1;
}


static uint64_t
goim_lane_stall_us(const goim_lane_t *lane)
{
    uint64_t  ms, us;

    ms = atomic_load_explicit(&goim_channel_header(lane->ch)->stall_ms,
                              memory_order_relaxed);
    us = ms < GOIM_CHANNEL_MAX_STALL ? 1000 * ms : GOIM_LANE_MAX_STALL_US;

    return us > GOIM_LANE_MIN_STALL_US ? us : GOIM_LANE_MIN_STALL_US;
}


void
goim_lane_look(goim_lane_t *lane, uint64_t now_us)
{
    uint32_t          i, used;
    uint64_t          word;
    goim_lane_look_t  look;

    look.lane = lane;
    look.stall_us = goim_lane_stall_us(lane);

    /* our first look counts for nothing, a late one for little */

    look.passed_us = now_us - lane->looked_us;

    if (look.passed_us > GOIM_LANE_LOOK_US) {
        look.passed_us = lane->looked_us ? GOIM_LANE_LOOK_US : 0;
    }

    lane->looked_us = now_us;

    look.test = now_us - lane->tested_us >= GOIM_LANE_TEST_US;

    if (look.test) {
        lane->tested_us = now_us;
    }

    look.alone = goim_lane_one_is_behind(lane);
    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used; i++) {
        word = goim_lane_word(lane, i);

        if (goim_cursor_state(word) != GOIM_CURSOR_LIVE
            || goim_cursor_position(word) >= lane->need)
        {
            continue;
        }

        if (look.test) {
            goim_lane_free_if_dead(lane, i, word);
        }

        if (goim_lane_word(lane, i) == word) {
            goim_lane_judge(&look, i, word);
        }
    }
}


void
goim_lane_tick(goim_lane_t *lane, uint64_t now_ms)
{
    uint32_t  i, used;
    uint64_t  word;

    atomic_store_explicit(&lane->shm->alive_ms, now_ms, memory_order_relaxed);

    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used; i++) {
        word = goim_lane_word(lane, i);

        if (goim_cursor_state(word) == GOIM_CURSOR_FREE) {
            continue;
        }

        goim_lane_free_if_dead(lane, i, word);

        /* who has read everything creeps no longer */

        if (goim_cursor_position(word) >= lane->head) {
            goim_lane_acquit(&lane->shm->judge[i], word);
        }
    }
}
