/*
 * Members of rooms over all readers: what one tells, others sum.
 */

#include "goim_channel_fixture.h"


static uint64_t
members(fx_t *fx, uint64_t hash)
{
    return goim_channel_room_members(fx->rch, hash, GOIM_CHANNEL_SLOTS);
}


static void
test_members_are_summed_over_readers(void **state)
{
    fx_t            fx;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    rd = fx_reader(&fx);

    assert_int_equal(members(&fx, 77), 0);
    assert_int_equal(goim_reader_set_room(fx.rd, 77, 3), GOIM_OK);
    assert_int_equal(goim_reader_set_room(rd, 77, 4), GOIM_OK);
    assert_int_equal(goim_reader_set_room(rd, 78, 50), GOIM_OK);

    assert_int_equal(members(&fx, 77), 7);
    assert_int_equal(members(&fx, 78), 50);
    assert_int_equal(goim_channel_room_members(fx.rch, 77, rd->index), 3);

    assert_int_equal(goim_reader_set_room(fx.rd, 77, 0), GOIM_OK);
    assert_int_equal(members(&fx, 77), 4);

    goim_reader_close(rd);
    assert_int_equal(members(&fx, 77), 0);

    fx_stop(&fx);
}


static void
test_rooms_of_a_slot_end_with_its_owner(void **state)
{
    fx_t            fx;
    goim_reader_t  *rd;

    (void) state;

    fx_start(&fx, 4096);
    rd = fx_reader(&fx);

    assert_int_equal(goim_reader_set_room(rd, 5, 9), GOIM_OK);
    goim_reader_close(rd);

    rd = fx_reader(&fx);
    assert_int_equal(rd->index, 1);
    assert_int_equal(members(&fx, 5), 0);

    goim_reader_close(rd);
    fx_stop(&fx);
}


static void
test_room_takes_an_entry_that_has_no_members(void **state)
{
    fx_t      fx;
    uint64_t  i, hash;

    (void) state;

    fx_start(&fx, 4096);

    /* all of them would stand at the table's last entry, and go round it */

    for (i = 1; i <= GOIM_CHANNEL_ROOM_TRIES; i++) {
        hash = i * GOIM_CHANNEL_ROOMS - 1;
        assert_int_equal(goim_reader_set_room(fx.rd, hash, i), GOIM_OK);
    }

    hash = i * GOIM_CHANNEL_ROOMS - 1;
    assert_int_equal(goim_reader_set_room(fx.rd, hash, 99), GOIM_FULL);
    assert_int_equal(members(&fx, hash), 0);

    assert_int_equal(goim_reader_set_room(fx.rd, 4 * GOIM_CHANNEL_ROOMS - 1,
                                          0), GOIM_OK);
    assert_int_equal(goim_reader_set_room(fx.rd, hash, 99), GOIM_OK);
    assert_int_equal(members(&fx, hash), 99);
    assert_int_equal(members(&fx, 4 * GOIM_CHANNEL_ROOMS - 1), 0);
    assert_int_equal(members(&fx, 5 * GOIM_CHANNEL_ROOMS - 1), 5);

    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_members_are_summed_over_readers),
        cmocka_unit_test(test_rooms_of_a_slot_end_with_its_owner),
        cmocka_unit_test(test_room_takes_an_entry_that_has_no_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
