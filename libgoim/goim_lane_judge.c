/*
 * Judging a lane's readers: who is dead, who stalls.  Nobody is waited for
 * longer than the channel's stall time, and nobody is accused by the time in
 * which the producer itself, or the machine, stood still.
 */

#include "goim_lane_int.h"


#define GOIM_LANE_LOOK_US  20000  /* one look counts for this at the most */
#define GOIM_LANE_TEST_US  2000   /* between tests of a reader's lock */
#define GOIM_LANE_ALONE    4      /* stalls, for a reader that creeps */


typedef struct {
    goim_lane_t  *lane;
    uint64_t      stall_us;
    uint64_t      passed_us;  /* since the last look */
    int           test;       /* locks are tested in this look */
    int           alone;      /* one reader only is behind */
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
    if (!goim_channel_slot_is_held(lane->ch, slot)
        && goim_lane_mark(lane, slot, word, GOIM_CURSOR_FREE))
    {
        goim_lane_count(lane, GOIM_JOB_READERS_DEAD, 1);
    }
}


static void
goim_lane_judge(goim_lane_look_t *look, uint32_t slot, uint64_t word)
{
    uint64_t               epoch;
    goim_lane_t           *lane;
    goim_channel_judge_t  *j;

    lane = look->lane;
    j = &lane->shm->judge[slot];

    epoch = atomic_load_explicit(&lane->ch->slots->slot[slot].epoch,
                                 memory_order_relaxed);

    if (j->epoch != epoch) {
        j->epoch = epoch;
        j->word = 0;
        j->alone_us = 0;
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

    if (j->in_way_us < look->stall_us
        && j->alone_us < GOIM_LANE_ALONE * look->stall_us)
    {
        return;
    }

    j->in_way_us = 0;
    j->alone_us = 0;

    if (goim_lane_mark(lane, slot, word, GOIM_CURSOR_OUT)) {
        goim_lane_count(lane, GOIM_JOB_READERS_OUT, 1);
    }
}


static uint32_t
goim_lane_behind(goim_lane_t *lane)
{
    uint32_t  i, n, used;
    uint64_t  word;

    n = 0;
    used = goim_channel_slots_used(lane->ch);

    for (i = 0; i < used; i++) {
        word = goim_lane_word(lane, i);

        n += goim_cursor_state(word) == GOIM_CURSOR_LIVE
             && goim_cursor_position(word) < lane->head;
    }

    return n;
}


void
goim_lane_look(goim_lane_t *lane, uint64_t now_us)
{
    uint32_t          i, used;
    uint64_t          word;
    goim_lane_look_t  look;

    look.lane = lane;
    look.stall_us = 1000 * atomic_load_explicit(
        &goim_channel_header(lane->ch)->stall_ms, memory_order_relaxed);

    /* a first look after a pause counts for nothing, a late one for little */

    look.passed_us = now_us - lane->looked_us;

    if (look.passed_us > GOIM_LANE_LOOK_US) {
        look.passed_us = lane->looked_us ? GOIM_LANE_LOOK_US : 0;
    }

    lane->looked_us = now_us;

    look.test = now_us - lane->tested_us >= GOIM_LANE_TEST_US;

    if (look.test) {
        lane->tested_us = now_us;
    }

    look.alone = goim_lane_behind(lane) == 1;
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
            lane->shm->judge[i].in_way_us = 0;
            lane->shm->judge[i].alone_us = 0;
        }
    }
}
