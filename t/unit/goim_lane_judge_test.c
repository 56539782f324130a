/*
 * The producer's judgement over the readers in its way: the dead are freed,
 * the stalled are left out, the slow are waited for.
 */

#include "goim_channel_fixture.h"

#include <signal.h>


#define SECOND  1000000ULL  /* us */


static void
fill(fx_t *fx, int *offset)
{
    int  rc;

    while ((rc = fx_put_size(fx, *offset, 256)) == GOIM_OK) {
        (*offset)++;
    }

    assert_int_equal(rc, GOIM_FULL);
    goim_lane_publish(fx->lane);
    assert_int_equal(fx_put_size(fx, *offset, 256), GOIM_FULL);
}


static uint64_t
word_state(goim_reader_t *rd)
{
    return goim_cursor_state(rd->slot->cursors[0]);
}


/* Looks every millisecond for so long. */
static void
look_for(fx_t *fx, uint64_t *now, uint64_t us)
{
    uint64_t  end;

    for (end = *now + us; *now < end; *now += 1000) {
        goim_lane_look(fx->lane, *now);
    }
}


static void
test_lane_frees_a_dead_reader_in_its_way(void **state)
{
    int       offset;
    fx_t      fx;
    uint64_t  now;

    (void) state;

    fx_start(&fx, 4096);
    offset = 0;
    now = SECOND;
    fill(&fx, &offset);

    look_for(&fx, &now, 10000);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);
    assert_int_equal(fx_put_size(&fx, offset, 256), GOIM_FULL);

    /* as its process's end does */

    close(fx.rd->lock_fd);
    look_for(&fx, &now, 10000);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_FREE);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_READERS_DEAD), 1);
    assert_int_equal(fx_put_size(&fx, offset, 256), GOIM_OK);

    fx.rd->lock_fd = open("/dev/null", 0);
    fx_stop(&fx);
}


static void
test_lane_tick_frees_the_dead_that_are_in_nobodys_way(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);

    goim_lane_tick(fx.lane, 12345);
    assert_int_equal(fx_shm(&fx)->alive_ms, 12345);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);

    close(fx.rd->lock_fd);
    goim_lane_tick(fx.lane, 12346);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_FREE);

    fx.rd->lock_fd = open("/dev/null", 0);
    fx_stop(&fx);
}


static void
test_lane_marks_a_stalled_reader_out_and_it_counts_what_it_missed(void **state)
{
    int                   i, offset, got;
    fx_t                  fx;
    uint64_t              now, lost;
    const goim_record_t  *r;

    (void) state;

    fx_start(&fx, 4096);
    offset = 0;
    now = SECOND;
    fill(&fx, &offset);

    look_for(&fx, &now, 2 * SECOND - 20000);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);

    look_for(&fx, &now, 40000);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_OUT);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_READERS_OUT), 1);
    assert_true(goim_lane_all_read(fx.lane, goim_lane_head(fx.lane)));

    for (i = 0; i < 100; i++) {
        assert_int_equal(fx_put_size(&fx, offset++, 256), GOIM_OK);
    }

    goim_lane_publish(fx.lane);

    /* it returns where the lane begins, and knows what it missed */

    r = fx_next(&fx, fx.rd);
    assert_non_null(r);
    lost = r->offset;
    assert_true(lost > 80);
    assert_int_equal(fx.rd->lanes[0].missed, lost);
    assert_int_equal(fx.rd->lanes[0].returned, 1);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);

    for (got = lost + 1; got < offset; got++) {
        fx_expect(&fx, got);
    }

    fx_expect_nothing(&fx);
    assert_int_equal(fx.rd->lanes[0].missed, lost);

    fx_stop(&fx);
}


/* Only what the producer saw counts: at most 20 ms from look to look. */

static void
test_lane_accuses_nobody_of_its_own_pauses(void **state)
{
    int       i, offset;
    fx_t      fx;
    uint64_t  now;

    (void) state;

    fx_start(&fx, 4096);
    offset = 0;
    now = SECOND;
    fill(&fx, &offset);

    for (i = 0; i < 99; i++) {
        goim_lane_look(fx.lane, now);
        now += 3600 * SECOND;
    }

    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);

    goim_lane_look(fx.lane, now);
    goim_lane_look(fx.lane, now + 3600 * SECOND);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_OUT);

    fx_stop(&fx);
}


static void
test_lane_next_producer_goes_on_counting_a_stall(void **state)
{
    int       offset;
    fx_t      fx;
    uint64_t  now;

    (void) state;

    fx_start(&fx, 4096);
    offset = 0;
    now = SECOND;
    fill(&fx, &offset);
    look_for(&fx, &now, 3 * SECOND / 2);

    fx_take_over(&fx);
    assert_int_equal(fx_put_size(&fx, offset, 256), GOIM_FULL);
    now += 1000 * SECOND;
    look_for(&fx, &now, 2 * SECOND / 5);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_LIVE);
    look_for(&fx, &now, SECOND / 5);
    assert_int_equal(word_state(fx.rd), GOIM_CURSOR_OUT);

    fx_stop(&fx);
}


static void
test_lane_marks_a_reader_out_that_creeps_before_others(void **state)
{
    int             i, offset;
    fx_t            fx;
    uint64_t        now;
    goim_reader_t  *other;

    (void) state;

    fx_start(&fx, 4096);
    other = fx_reader(&fx);
    offset = 0;
    now = SECOND;

    /* one record a second, and the other one reads everything */

    for (i = 0; i < 10 && word_state(fx.rd) == GOIM_CURSOR_LIVE; i++) {
        fill(&fx, &offset);

        while (fx_next(&fx, other) != NULL) {
            /* void */
        }

        look_for(&fx, &now, SECOND);

        fx.batch.cap = 256;
        (void) fx_next(&fx, fx.rd);
        fx.batch.cap = 4096;
    }

    /* out at 4 stalls of 2 s, and back with its next read */

    assert_int_equal(fx_counter(&fx, GOIM_JOB_READERS_OUT), 1);
    assert_in_range(now, 8 * SECOND, 12 * SECOND);

    goim_reader_close(other);
    fx_stop(&fx);
}


/* Who reads a ring in that time is slow, and loses nothing. */

static void
test_lane_waits_for_a_reader_that_is_merely_slower(void **state)
{
    int             i, offset, got;
    fx_t            fx;
    uint64_t        now;
    goim_reader_t  *other;

    (void) state;

    fx_start(&fx, 4096);
    other = fx_reader(&fx);
    offset = 0;
    got = 0;
    now = SECOND;

    for (i = 0; i < 60; i++) {
        fill(&fx, &offset);

        while (fx_next(&fx, other) != NULL) {
            /* void */
        }

        look_for(&fx, &now, SECOND);

        fx.batch.cap = 3 * 256;
        assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_OK);
        fx.batch.cap = 4096;

        while (goim_reader_next(&fx.batch) != NULL) {
            got++;
        }
    }

    assert_int_equal(fx_counter(&fx, GOIM_JOB_READERS_OUT), 0);
    assert_int_equal(fx.rd->lanes[0].missed, 0);
    assert_true(got > 60);

    goim_reader_close(other);
    fx_stop(&fx);
}


static void
test_lane_waits_for_a_lone_reader_however_slow(void **state)
{
    int       i, offset;
    fx_t      fx;
    uint64_t  now;

    (void) state;

    fx_start(&fx, 4096);
    offset = 0;
    now = SECOND;

    for (i = 0; i < 60; i++) {
        fill(&fx, &offset);
        look_for(&fx, &now, SECOND);

        fx.batch.cap = 256;
        fx_expect(&fx, i);
        fx.batch.cap = 4096;
    }

    assert_int_equal(fx_counter(&fx, GOIM_JOB_READERS_OUT), 0);

    fx_stop(&fx);
}


#if defined(__x86_64__)

/* sanitizers make three times as many instructions of it */

#ifdef __SANITIZE_ADDRESS__
#define JOIN_STEP  5
#else
#define JOIN_STEP  1
#endif


/* A new owner joins while its slot's last one is found dead: after each single
 * instruction of the search, by the trap flag. */

static fx_t               *joins_fx;
static volatile unsigned   joins_at;


static void
join_handler(int signo)
{
    (void) signo;

    if (joins_at && --joins_at == 0) {
        joins_fx->rd = fx_reader(joins_fx);
    }
}


__attribute__((noinline)) static void
tick_while_joining(fx_t *fx, unsigned at)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = join_handler;
    sigaction(SIGTRAP, &sa, NULL);

    joins_fx = fx;
    joins_at = at;

    /* past the red zone */

    __asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");

    goim_lane_tick(fx->lane, 1);

    __asm__ volatile("sub $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");
}


static void
test_lane_never_frees_a_slots_next_owner(void **state)
{
    fx_t      fx;
    unsigned  at;

    (void) state;

    fx_start(&fx, 4096);

    for (at = 1; /* void */; at += JOIN_STEP) {

        /* the last owner dies at the position that the next one joins at */

        close(fx.rd->lock_fd);
        close(fx.rd->pipe_fd);
        free(fx.rd);
        fx.rd = NULL;

        tick_while_joining(&fx, at);

        if (fx.rd == NULL) {
            break;
        }

        if (word_state(fx.rd) != GOIM_CURSOR_LIVE) {
            fail_msg("joined after %u instructions, and was freed", at);
        }
    }

    print_message("# %u instructions\n", at);
    assert_true(at > 100);
    fx_stop(&fx);
}

#endif


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_lane_frees_a_dead_reader_in_its_way),
        cmocka_unit_test(
            test_lane_tick_frees_the_dead_that_are_in_nobodys_way),
        cmocka_unit_test(
            test_lane_marks_a_stalled_reader_out_and_it_counts_what_it_missed),
        cmocka_unit_test(test_lane_accuses_nobody_of_its_own_pauses),
        cmocka_unit_test(test_lane_next_producer_goes_on_counting_a_stall),
        cmocka_unit_test(
            test_lane_marks_a_reader_out_that_creeps_before_others),
        cmocka_unit_test(test_lane_waits_for_a_reader_that_is_merely_slower),
        cmocka_unit_test(test_lane_waits_for_a_lone_reader_however_slow),
#if defined(__x86_64__)
        cmocka_unit_test(test_lane_never_frees_a_slots_next_owner),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
