/*
 * The reader's side of the channel: slots, joining, reading, what is missed,
 * damage, sleeping.
 */

#include "goim_channel_fixture.h"

#include <errno.h>
#include <poll.h>


static int
is_readable(goim_reader_t *rd)
{
    struct pollfd  pfd = { rd->pipe_fd, POLLIN, 0 };

    return poll(&pfd, 1, 0) == 1;
}


static void
put_and_publish(fx_t *fx, int64_t offset)
{
    assert_int_equal(fx_put(fx, offset, "room", "body"), GOIM_OK);
    goim_lane_publish(fx->lane);
}


/* As death leaves it. */
static void
die(goim_reader_t *rd)
{
    close(rd->lock_fd);
    close(rd->pipe_fd);
    free(rd);
}


/* Slots */

static void
test_reader_takes_a_slot_and_gives_it_back(void **state)
{
    fx_t            fx;
    uint64_t        epoch;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    rd = fx_reader(&fx);

    assert_int_equal(fx.rd->index, 0);
    assert_int_equal(rd->index, 1);
    assert_int_equal(goim_channel_slots_used(fx.rch), 2);
    assert_true(goim_channel_slot_is_held(fx.pch, 1));
    assert_int_equal(goim_channel_live_readers(fx.pch), 2);
    assert_int_equal(rd->slot->pid, getpid());

    epoch = rd->slot->epoch;
    goim_reader_count(rd, 3, 7);
    assert_int_equal(rd->slot->counters[3], 7);
    goim_reader_close(rd);

    assert_int_equal(fx.rch->slots->ended, 1);
    assert_int_equal(fx.rch->slots->ended_counters[3], 7);
    assert_int_equal(fx.rch->slots->slot[1].counters[3], 0);

    assert_false(goim_channel_slot_is_held(fx.pch, 1));
    assert_int_equal(goim_channel_live_readers(fx.pch), 1);
    assert_int_equal(fx.rch->slots->slot[1].cursors[0], GOIM_CURSOR_FREE);

    rd = fx_reader(&fx);
    assert_int_equal(rd->index, 1);
    assert_true(rd->slot->epoch > epoch);
    assert_int_equal(rd->slot->counters[3], 0);
    goim_reader_close(rd);

    fx_stop(&fx);
}


static void
test_reader_has_a_turn_until_it_gives_it_back(void **state)
{
    fx_t            fx;
    goim_reader_t  *b, *c;

    (void) state;

    fx_start(&fx, 4096);
    b = fx_reader(&fx);
    c = fx_reader(&fx);

    /* slots 0 and 2 of two: the same turn */

    assert_int_equal(goim_reader_take_turn(fx.rd, 2), GOIM_OK);
    assert_int_equal(goim_reader_take_turn(fx.rd, 2), GOIM_OK);
    assert_int_equal(goim_reader_take_turn(b, 2), GOIM_OK);
    assert_int_equal(goim_reader_take_turn(c, 2), GOIM_AGAIN);

    goim_reader_give_turn(c, 2);
    goim_reader_give_turn(b, 2);
    assert_int_equal(goim_reader_take_turn(c, 2), GOIM_AGAIN);
    goim_reader_give_turn(fx.rd, 2);
    assert_int_equal(goim_reader_take_turn(c, 2), GOIM_OK);

    /* it ends with its reader; slots are not touched by it */

    assert_int_equal(goim_reader_take_turn(fx.rd, 1), GOIM_AGAIN);
    goim_reader_close(c);
    assert_int_equal(goim_reader_take_turn(fx.rd, 1), GOIM_OK);
    assert_int_equal(goim_reader_take_turn(b, 1), GOIM_AGAIN);
    assert_int_equal(goim_channel_live_readers(fx.pch), 2);

    goim_reader_close(b);
    fx_stop(&fx);
}


static void
test_reader_adds_what_a_dead_one_has_counted(void **state)
{
    fx_t            fx;
    goim_reader_t  *b, *c;

    (void) state;

    fx_start(&fx, 4096);
    b = fx_reader(&fx);
    c = fx_reader(&fx);

    goim_reader_count(fx.rd, 5, 1);
    goim_reader_count(c, 5, 7);
    die(c);
    assert_int_equal(fx.rch->slots->ended, 0);

    /* in another slot than the dead one's; then in that */

    goim_reader_close(b);
    b = fx_reader(&fx);
    assert_int_equal(b->index, 1);
    c = fx_reader(&fx);
    assert_int_equal(c->index, 2);

    assert_int_equal(fx.rch->slots->ended, 2);
    assert_int_equal(fx.rch->slots->ended_counters[5], 7);
    assert_int_equal(fx.rd->slot->counters[5], 1);

    goim_reader_close(b);
    goim_reader_close(c);
    fx_stop(&fx);
}


static void
test_reader_is_refused_when_all_slots_are_taken(void **state)
{
    int             i;
    fx_t            fx;
    goim_reader_t  *rd, *last;

    (void) state;

    fx_start(&fx, 4096);

    /* locks alone do: 1023 others */

    for (i = 1; i < GOIM_CHANNEL_SLOTS - 1; i++) {
        struct flock  fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        fl.l_start = goim_channel_slot_lock(fx.pch, i);
        fl.l_len = 1;
        assert_int_equal(fcntl(fx.pch->fd, F_OFD_SETLK, &fl), 0);
    }

    last = fx_reader(&fx);
    assert_int_equal(last->index, GOIM_CHANNEL_SLOTS - 1);
    assert_int_equal(goim_channel_slots_used(fx.pch), GOIM_CHANNEL_SLOTS);
    assert_int_equal(goim_reader_open(fx.rch, &rd, &fx.error), GOIM_FULL);

    /* the last slot is read and woken like any other */

    assert_int_equal(goim_reader_sleep(last), GOIM_OK);
    put_and_publish(&fx, 0);
    assert_true(is_readable(last));
    assert_non_null(fx_next(&fx, last));

    goim_reader_close(last);
    fx_stop(&fx);
}


static void
test_reader_does_not_join_a_generation_that_was_removed(void **state)
{
    fx_t            fx;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    goim_reader_close(fx.rd);
    fx.rd = NULL;

    goim_channel_remove(fx.path, fx.generation);
    assert_true(goim_channel_is_unlinked(fx.rch));
    assert_int_equal(goim_reader_open(fx.rch, &rd, &fx.error), GOIM_ERROR);

    fx_stop(&fx);
}


/* Joining */

static void
test_reader_joins_at_the_end(void **state)
{
    fx_t            fx;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    put_and_publish(&fx, 0);

    rd = fx_reader(&fx);
    assert_null(fx_next(&fx, rd));
    assert_int_equal(rd->lanes[0].seq, 2);

    put_and_publish(&fx, 1);
    assert_int_equal(fx_next(&fx, rd)->offset, 1);
    assert_null(fx_next(&fx, rd));

    goim_reader_close(rd);
    fx_stop(&fx);
}


/* The producer died between head and table_pos. */

static void
test_reader_joins_behind_a_record_that_the_table_lacks(void **state)
{
    fx_t            fx;
    uint64_t        table_pos, seq;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    put_and_publish(&fx, 0);

    table_pos = fx_shm(&fx)->table_pos;
    seq = fx_shm(&fx)->seq;
    put_and_publish(&fx, 1);
    put_and_publish(&fx, 2);
    fx_shm(&fx)->table_pos = table_pos;
    fx_shm(&fx)->seq = seq;

    rd = fx_reader(&fx);
    assert_int_equal(rd->lanes[0].seq, 4);
    assert_int_equal(rd->lanes[0].position, fx_shm(&fx)->head);
    goim_reader_close(rd);

    fx_take_over(&fx);
    assert_int_equal(fx_shm(&fx)->seq, 4);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_RESETS), 0);

    fx_stop(&fx);
}


/* Reading */

static void
test_reader_asks_for_a_larger_buffer(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(fx_put_size(&fx, 0, 128), GOIM_OK);
    assert_int_equal(fx_put_size(&fx, 1, 1024), GOIM_OK);
    goim_lane_publish(fx.lane);

    fx.batch.cap = 120;
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_FULL);
    assert_int_equal(fx.batch.end, 128);
    fx.batch.cap = 128;
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_OK);
    assert_int_equal(goim_reader_next(&fx.batch)->offset, 0);
    assert_null(goim_reader_next(&fx.batch));
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_FULL);
    assert_int_equal(fx.batch.end, 1024);
    fx.batch.cap = 4096;
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_OK);
    assert_int_equal(goim_reader_next(&fx.batch)->offset, 1);
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_AGAIN);

    fx_stop(&fx);
}


/* Who has no larger one passes over the record, and knows what is missing. */

static void
test_reader_passes_over_what_it_has_no_room_for(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(fx_put_size(&fx, 0, 128), GOIM_OK);
    assert_int_equal(fx_put_size(&fx, 1, 1024), GOIM_OK);
    assert_int_equal(fx_put_size(&fx, 2, 128), GOIM_OK);
    goim_lane_publish(fx.lane);

    fx.batch.cap = 128;
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_OK);
    assert_int_equal(goim_reader_next(&fx.batch)->offset, 0);
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_FULL);

    goim_reader_skip(fx.rd, 0, fx.batch.end);
    assert_int_equal(fx.rd->lanes[0].missed, 1);

    fx.batch.cap = 128;
    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_OK);
    assert_int_equal(goim_reader_next(&fx.batch)->offset, 2);
    assert_int_equal(fx.rd->lanes[0].missed, 1);

    fx_stop(&fx);
}


/* A record may be larger than one stride. */

static void
test_reader_reads_records_of_any_size(void **state)
{
    int     i, n;
    fx_t    fx;
    size_t  size;

    (void) state;

    fx_start(&fx, 1 << 20);
    n = 0;

    for (i = 0; i < 200; i++) {
        size = i % 3 == 0 ? 80 + i * 8 : i % 3 == 1 ? 262144 : 65536 + i * 8;
        assert_int_equal(fx_put_size(&fx, i, size), GOIM_OK);
        goim_lane_publish(fx.lane);

        if (i % 2) {
            for (; n <= i; n++) {
                fx_expect(&fx, n);
            }

            fx_expect_nothing(&fx);
        }
    }

    assert_int_equal(fx.rd->lanes[0].missed, 0);

    fx_stop(&fx);
}


/* Whatever the place at which it was left behind. */

static void
test_reader_that_was_out_counts_exactly_what_it_missed(void **state)
{
    int                   i, read, more, offset;
    fx_t                  fx;
    uint64_t              word;
    const goim_record_t  *r;

    (void) state;

    for (more = 1; more < 120; more++) {
        fx_start(&fx, 4096);
        offset = 0;

        for (i = 0; i < more % 7; i++) {
            put_and_publish(&fx, offset++);
        }

        for (read = 0; read < more % 7; read++) {
            fx_expect(&fx, read);
        }

        word = fx.rd->slot->cursors[0];
        fx.rd->slot->cursors[0] = (word & ~GOIM_CURSOR_STATE)
                                  | (more % 2 ? GOIM_CURSOR_OUT
                                              : GOIM_CURSOR_FREE);

        for (i = 0; i < more; i++) {
            assert_int_equal(fx_put_size(&fx, offset, 80 + offset % 5 * 48),
                             GOIM_OK);
            offset++;
            goim_lane_publish(fx.lane);
        }

        r = fx_next(&fx, fx.rd);
        assert_non_null(r);
        assert_int_equal(fx.rd->lanes[0].missed, r->offset - read);
        assert_int_equal(fx.rd->lanes[0].returned, 1);

        for (i = r->offset + 1; i < offset; i++) {
            fx_expect(&fx, i);
        }

        fx_expect_nothing(&fx);
        assert_int_equal(fx.rd->slot->cursors[0],
                         fx_shm(&fx)->head | GOIM_CURSOR_LIVE);

        fx_stop(&fx);
    }
}


/* One that has read everything returns without having missed anything. */

static void
test_reader_returns_even_when_there_is_nothing_to_read(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    put_and_publish(&fx, 0);
    fx_expect(&fx, 0);

    fx.rd->slot->cursors[0] = goim_cursor_position(fx.rd->slot->cursors[0]);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_AGAIN);
    fx_expect_nothing(&fx);
    assert_int_equal(goim_cursor_state(fx.rd->slot->cursors[0]),
                     GOIM_CURSOR_LIVE);
    assert_int_equal(fx.rd->lanes[0].missed, 0);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);

    fx_stop(&fx);
}


/* A producer died in a reset, between tail and head: nothing is there to read
 * until the next one comes, and no reason to stay awake. */

static void
test_reader_returns_while_a_reset_is_broken_off(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    put_and_publish(&fx, 0);
    fx_shm(&fx)->tail = 8192;
    fx_expect_nothing(&fx);
    assert_int_equal(fx.rd->lanes[0].position, 8192);

    fx.rd->slot->cursors[0] = 8192 | GOIM_CURSOR_OUT;
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_AGAIN);
    fx_expect_nothing(&fx);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    assert_int_equal(fx.rd->slot->cursors[0], 8192 | GOIM_CURSOR_LIVE);

    fx_take_over(&fx);
    put_and_publish(&fx, 1);
    fx_expect(&fx, 1);
    assert_int_equal(fx.rd->lanes[0].missed, 2);

    fx_stop(&fx);
}


/* Damage: it is counted, and reading goes on at the lane's end. */

static void
test_reader_survives_every_damage(void **state)
{
    int                   i, n, found, offset;
    fx_t                  fx;
    uint8_t              *p;
    uint64_t              old;
    const goim_record_t  *r;

    (void) state;

    for (i = 0; i < 64; i++) {
        fx_start(&fx, 4096);
        put_and_publish(&fx, 0);
        put_and_publish(&fx, 1);

        p = goim_channel_ring(fx.pch, 0) + (fx_shm(&fx)->tail & 4095);
        old = fx_shm(&fx)->head;

        switch (i) {

        case 0:
            fx_shm(&fx)->head = 0;
            break;

        case 1:
            fx_shm(&fx)->head = UINT64_MAX;
            break;

        case 2:
            fx_shm(&fx)->head += 3;
            break;

        case 3:
            fx_shm(&fx)->tail = UINT64_MAX;
            break;

        case 4:
            fx_shm(&fx)->tail = old + 5;
            break;

        default:
            p[(i - 5) % 56] ^= 1 << i % 8;
            p[(i - 5) % 56 + 1] ^= 0x80;
            break;
        }

        /* whatever it finds, it comes to its sleep */

        for (n = 0; n < 4; n++) {
            while (fx_next(&fx, fx.rd) != NULL) {
                /* void */
            }

            if (goim_reader_sleep(fx.rd) == GOIM_OK) {
                break;
            }
        }

        assert_true(n < 4);
        goim_reader_wake(fx.rd);

        /*
         * The next producer finds the damage, or it was in a body.  A reader
         * that was led astray finds back with the first record it sees.
         */

        fx_take_over(&fx);

        for (found = 0, offset = 100; offset < 102; offset++) {
            put_and_publish(&fx, offset);

            for (n = 0; n < 10; n++) {
                r = fx_next(&fx, fx.rd);
                found = r != NULL ? r->offset : found;
            }
        }

        assert_int_equal(found, 101);
        fx_stop(&fx);
    }
}


/* A head far above tail would lead round and round the ring. */

static void
test_reader_reads_no_ring_twice(void **state)
{
    int   i, n;
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < 64; i++) {
        assert_int_equal(fx_put_size(&fx, i, 256), GOIM_OK);
        goim_lane_publish(fx.lane);
        fx_expect(&fx, i);
    }

    fx_shm(&fx)->head += 100 * 4096;

    for (n = 0; n < 100 && fx_next(&fx, fx.rd) != NULL; n++) {
        /* void */
    }

    assert_int_equal(n, 0);
    assert_true(fx.rd->lanes[0].damaged > 0);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);

    fx_stop(&fx);
}


/* Sleeping */

static void
test_reader_is_woken_once_per_sleep(void **state)
{
    fx_t      fx;
    uint64_t  sleeping;

    (void) state;

    fx_start(&fx, 4096);

    /* awake: no system call */

    put_and_publish(&fx, 0);
    assert_false(is_readable(fx.rd));
    assert_int_equal(fx_counter(&fx, GOIM_JOB_WAKEUPS), 0);

    /* not asleep as long as there is something */

    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_AGAIN);
    assert_int_equal(fx.rd->slot->sleeping & 1, 0);
    fx_expect(&fx, 0);

    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    sleeping = fx.rd->slot->sleeping;
    assert_int_equal(sleeping & 1, 1);

    put_and_publish(&fx, 1);
    put_and_publish(&fx, 2);
    assert_true(is_readable(fx.rd));
    assert_int_equal(fx_counter(&fx, GOIM_JOB_WAKEUPS), 1);

    goim_reader_wake(fx.rd);
    assert_false(is_readable(fx.rd));
    assert_int_equal(fx.rd->slot->sleeping, sleeping + 1);
    fx_expect(&fx, 1);
    fx_expect(&fx, 2);

    /* and the next sleep is another one */

    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    put_and_publish(&fx, 3);
    assert_true(is_readable(fx.rd));
    assert_int_equal(fx_counter(&fx, GOIM_JOB_WAKEUPS), 2);

    fx_stop(&fx);
}


/* The last owner died asleep, and was woken: its next owner's sleep is not
 * taken for the one that was answered. */

static void
test_reader_counts_on_from_the_last_owner_of_its_slot(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    put_and_publish(&fx, 0);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_WAKEUPS), 1);

    die(fx.rd);

    put_and_publish(&fx, 1);
    fx.rd = fx_reader(&fx);
    assert_int_equal(fx.rd->index, 0);
    assert_int_equal(fx.rd->slot->sleeping & 1, 0);
    goim_reader_wake(fx.rd);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);

    put_and_publish(&fx, 2);
    assert_true(is_readable(fx.rd));
    fx_expect(&fx, 2);

    fx_stop(&fx);
}


/* A producer died between publishing and writing: its successor writes. */

static void
test_reader_is_woken_by_the_next_producer(void **state)
{
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    fx_take_over(&fx);
    assert_true(is_readable(fx.rd));

    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_reader_takes_a_slot_and_gives_it_back),
        cmocka_unit_test(test_reader_has_a_turn_until_it_gives_it_back),
        cmocka_unit_test(test_reader_adds_what_a_dead_one_has_counted),
        cmocka_unit_test(test_reader_is_refused_when_all_slots_are_taken),
        cmocka_unit_test(
            test_reader_does_not_join_a_generation_that_was_removed),
        cmocka_unit_test(test_reader_joins_at_the_end),
        cmocka_unit_test(
            test_reader_joins_behind_a_record_that_the_table_lacks),
        cmocka_unit_test(test_reader_asks_for_a_larger_buffer),
        cmocka_unit_test(test_reader_passes_over_what_it_has_no_room_for),
        cmocka_unit_test(test_reader_reads_records_of_any_size),
        cmocka_unit_test(
            test_reader_that_was_out_counts_exactly_what_it_missed),
        cmocka_unit_test(
            test_reader_returns_even_when_there_is_nothing_to_read),
        cmocka_unit_test(test_reader_returns_while_a_reset_is_broken_off),
        cmocka_unit_test(test_reader_survives_every_damage),
        cmocka_unit_test(test_reader_reads_no_ring_twice),
        cmocka_unit_test(test_reader_is_woken_once_per_sleep),
        cmocka_unit_test(
            test_reader_counts_on_from_the_last_owner_of_its_slot),
        cmocka_unit_test(test_reader_is_woken_by_the_next_producer)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
