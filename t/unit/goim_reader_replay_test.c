/*
 * Records that a reader has left behind, once more: the very same, from any
 * of them on, unless they were overwritten.
 */

#include "goim_channel_fixture.h"


#define RECORDS  40


static void
fill(fx_t *fx, int from, int to)
{
    int  i;

    for (i = from; i < to; i++) {
        assert_int_equal(fx_put(fx, i, "room", "a body of a few bytes"),
                         GOIM_OK);
        goim_lane_publish(fx->lane);
    }
}


/* The offsets from a position on: all of them, one after the other. */
static void
expect_replay(fx_t *fx, uint64_t from, int first, int last, size_t cap)
{
    int                   rc;
    uint8_t              *buf;
    const goim_record_t  *r;
    goim_reader_batch_t   batch;

    buf = aligned_alloc(8, cap);
    assert_non_null(buf);

    for (;;) {
        batch.buf = buf;
        batch.cap = cap;

        rc = goim_reader_replay(fx->rd, 0, &from, &batch);
        if (rc == GOIM_AGAIN) {
            break;
        }

        assert_int_equal(rc, GOIM_OK);

        while ((r = goim_reader_next(&batch)) != NULL) {
            assert_int_equal(r->offset, first++);
        }
    }

    assert_int_equal(first, last);
    assert_int_equal(from, fx->rd->lanes[0].position);

    free(buf);
}


static void
test_replay_gives_records_once_more(void **state)
{
    int       i;
    fx_t      fx;
    uint64_t  at[RECORDS + 1];

    (void) state;

    fx_start(&fx, 4096);

    /* over the ring's end, padding included */

    fill(&fx, 0, 20);

    for (i = 0; i < 20; i++) {
        fx_expect(&fx, i);
    }

    for (i = 20; i < RECORDS; i++) {
        at[i] = fx.rd->lanes[0].position;
        fill(&fx, i, i + 1);
        fx_expect(&fx, i);
    }

    for (i = 20; i < RECORDS; i++) {
        expect_replay(&fx, at[i], i, RECORDS, 4096);
        expect_replay(&fx, at[i], i, RECORDS, 256);
    }

    expect_replay(&fx, fx.rd->lanes[0].position, 0, 0, 4096);

    fx_stop(&fx);
}


static void
test_replay_tells_the_size_of_what_does_not_fit(void **state)
{
    fx_t                 fx;
    uint8_t              buf[64];
    uint64_t             from;
    goim_reader_batch_t  batch = { buf, sizeof(buf), 0, 0 };

    (void) state;

    fx_start(&fx, 4096);

    from = fx.rd->lanes[0].position;
    assert_int_equal(fx_put_size(&fx, 0, 512), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_expect(&fx, 0);

    assert_int_equal(goim_reader_replay(fx.rd, 0, &from, &batch), GOIM_FULL);
    assert_int_equal(batch.end, 512);
    expect_replay(&fx, from, 0, 1, 512);

    fx_stop(&fx);
}


static void
test_replay_refuses_what_is_overwritten(void **state)
{
    int                  i;
    fx_t                 fx;
    uint64_t             from;

    (void) state;

    fx_start(&fx, 4096);

    from = fx.rd->lanes[0].position;

    for (i = 0; i < 200; i++) {
        fill(&fx, i, i + 1);
        fx_expect(&fx, i);
    }

    assert_int_equal(goim_reader_replay(fx.rd, 0, &from, &fx.batch),
                     GOIM_INVALID);

    /* nor does it begin in the middle of a record */

    from = fx.rd->lanes[0].position - 4;
    assert_int_equal(goim_reader_replay(fx.rd, 0, &from, &fx.batch),
                     GOIM_INVALID);

    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_replay_gives_records_once_more),
        cmocka_unit_test(test_replay_tells_the_size_of_what_does_not_fit),
        cmocka_unit_test(test_replay_refuses_what_is_overwritten)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
