/*
 * Which Kafka offsets may be committed.
 */

#include "goim_channel_fixture.h"
#include "jw_offset.h"


static void
put(fx_t *fx, int32_t partition, int64_t offset)
{
    goim_lane_message_t  m;

    m = fx_message(fx, offset, "live://1", fx_str("body"));
    m.partition = partition;

    assert_int_equal(goim_lane_put(fx->lane, &m), GOIM_OK);
    goim_lane_publish(fx->lane);
}


/* The reader reads all there is, and says so in its slot. */
static void
read_all(fx_t *fx)
{
    do {
        fx->batch.at = 0;
        fx->batch.end = 0;
    } while (goim_reader_read(fx->rd, 0, &fx->batch) == GOIM_OK);
}


static void
test_offset_is_safe_at_once_without_readers(void **state)
{
    fx_t         fx;
    uint64_t     next;
    jw_offset_t  o = { 0 };

    (void) state;

    fx_start(&fx, 64 * 1024);
    goim_reader_close(fx.rd);
    fx.rd = NULL;

    put(&fx, 3, 41);

    jw_offset_update(&o, fx.lane);
    assert_int_equal(jw_offset_safe(&o, 0, &next), GOIM_AGAIN);

    jw_offset_update(&o, fx.lane);
    assert_int_equal(jw_offset_safe(&o, 0, &next), GOIM_OK);
    assert_int_equal(next, 42);
    assert_int_equal(jw_offset_safe(&o, 1, &next), GOIM_AGAIN);

    jw_offset_done(&o);
    fx_stop(&fx);
}


static void
test_offset_waits_for_the_slowest_reader(void **state)
{
    fx_t         fx;
    uint64_t     next;
    jw_offset_t  o = { 0 };

    (void) state;

    fx_start(&fx, 64 * 1024);

    put(&fx, 0, 10);

    jw_offset_update(&o, fx.lane);
    jw_offset_update(&o, fx.lane);
    assert_int_equal(jw_offset_safe(&o, 0, &next), GOIM_AGAIN);

    /* what comes after the note must not become part of it */

    put(&fx, 0, 11);
    read_all(&fx);

    jw_offset_update(&o, fx.lane);
    assert_int_equal(jw_offset_safe(&o, 0, &next), GOIM_OK);
    assert_int_equal(next, 11);

    jw_offset_update(&o, fx.lane);
    assert_int_equal(jw_offset_safe(&o, 0, &next), GOIM_OK);
    assert_int_equal(next, 12);

    jw_offset_done(&o);
    fx_stop(&fx);
}


static void
test_offset_note_holds_every_partition(void **state)
{
    fx_t         fx;
    int32_t      i;
    uint64_t     next;
    jw_offset_t  o = { 0 };

    (void) state;

    fx_start(&fx, 64 * 1024);

    for (i = 0; i < 100; i++) {
        put(&fx, i, 1000 + i);
    }

    read_all(&fx);

    jw_offset_update(&o, fx.lane);
    jw_offset_update(&o, fx.lane);

    for (i = 0; i < 100; i++) {
        assert_int_equal(jw_offset_safe(&o, i, &next), GOIM_OK);
        assert_int_equal(next, 1001 + i);
    }

    jw_offset_done(&o);
    fx_stop(&fx);
}


static void
test_offset_vote_takes_the_smallest_of_all_lanes(void **state)
{
    uint64_t          next;
    jw_offset_vote_t  v;

    (void) state;

    jw_offset_vote_begin(&v);
    jw_offset_vote_add(&v, 30);
    assert_int_equal(jw_offset_vote(&v, 2, -1, &next), GOIM_AGAIN);

    jw_offset_vote_add(&v, 20);
    assert_int_equal(jw_offset_vote(&v, 2, -1, &next), GOIM_OK);
    assert_int_equal(next, 20);
}


static void
test_offset_vote_is_silent_without_a_lane(void **state)
{
    uint64_t          next;
    jw_offset_vote_t  v;

    (void) state;

    jw_offset_vote_begin(&v);
    assert_int_equal(jw_offset_vote(&v, 0, -1, &next), GOIM_AGAIN);
}


static void
test_offset_vote_repeats_no_commit(void **state)
{
    uint64_t          next;
    jw_offset_vote_t  v;

    (void) state;

    jw_offset_vote_begin(&v);
    jw_offset_vote_add(&v, 20);

    assert_int_equal(jw_offset_vote(&v, 1, 20, &next), GOIM_AGAIN);
    assert_int_equal(jw_offset_vote(&v, 1, 19, &next), GOIM_OK);

    /* after an offset was set backwards */

    assert_int_equal(jw_offset_vote(&v, 1, 21, &next), GOIM_OK);
    assert_int_equal(next, 20);
}


static void
test_offset_vote_commits_the_beginning(void **state)
{
    uint64_t          next;
    jw_offset_vote_t  v;

    (void) state;

    jw_offset_vote_begin(&v);
    jw_offset_vote_add(&v, 0);

    assert_int_equal(jw_offset_vote(&v, 1, -1, &next), GOIM_OK);
    assert_int_equal(next, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_offset_is_safe_at_once_without_readers),
        cmocka_unit_test(test_offset_waits_for_the_slowest_reader),
        cmocka_unit_test(test_offset_note_holds_every_partition),
        cmocka_unit_test(test_offset_vote_takes_the_smallest_of_all_lanes),
        cmocka_unit_test(test_offset_vote_is_silent_without_a_lane),
        cmocka_unit_test(test_offset_vote_repeats_no_commit),
        cmocka_unit_test(test_offset_vote_commits_the_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
