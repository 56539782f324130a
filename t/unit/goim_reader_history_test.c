/*
 * The recent records of a room: what the index and the chain of previous
 * records lead to, and where they end.
 */

#include "goim_channel_fixture.h"


typedef struct {
    int      n;
    int      max;
    int64_t  offsets[64];
} visited_t;


static int
visit(const goim_record_t *r, void *data)
{
    visited_t  *v = data;

    v->offsets[v->n++] = r->offset;

    return v->n < v->max;
}


static visited_t
history(fx_t *fx, const char *room, int max)
{
    int         rc;
    visited_t   v = { 0, max, { 0 } };
    goim_str_t  name = fx_str(room);

    rc = goim_reader_history(fx->rd, 0,
                             goim_room_name_hash(name.data, name.len), name,
                             visit, &v);

    assert_int_equal(rc, v.n == max ? GOIM_OK : GOIM_AGAIN);

    return v;
}


static void
read_all(fx_t *fx)
{
    while (fx_next(fx, fx->rd) != NULL) {
        /* void */
    }
}


static void
test_history_shows_a_rooms_records_newest_first(void **state)
{
    int        i;
    fx_t       fx;
    visited_t  v;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < 10; i++) {
        assert_int_equal(fx_put(&fx, i, i % 2 ? "odd" : "even", "x"), GOIM_OK);

        /* several in a batch: the chain goes through it */

        if (i % 3 == 0) {
            goim_lane_publish(fx.lane);
        }
    }

    goim_lane_publish(fx.lane);
    read_all(&fx);

    v = history(&fx, "odd", 64);
    assert_int_equal(v.n, 5);

    for (i = 0; i < 5; i++) {
        assert_int_equal(v.offsets[i], 9 - 2 * i);
    }

    v = history(&fx, "even", 2);
    assert_int_equal(v.n, 2);
    assert_int_equal(v.offsets[0], 8);
    assert_int_equal(v.offsets[1], 6);

    v = history(&fx, "nobody", 64);
    assert_int_equal(v.n, 0);

    fx_stop(&fx);
}


static void
test_history_stops_before_what_was_not_read_yet(void **state)
{
    int        i;
    fx_t       fx;
    visited_t  v;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < 3; i++) {
        assert_int_equal(fx_put(&fx, i, "room", "x"), GOIM_OK);
    }

    goim_lane_publish(fx.lane);
    read_all(&fx);

    for (; i < 6; i++) {
        assert_int_equal(fx_put(&fx, i, "room", "x"), GOIM_OK);
    }

    goim_lane_publish(fx.lane);

    v = history(&fx, "room", 64);
    assert_int_equal(v.n, 3);
    assert_int_equal(v.offsets[0], 2);

    fx_stop(&fx);
}


static void
test_history_ends_where_records_were_overwritten(void **state)
{
    int        i, k;
    fx_t       fx;
    visited_t  v;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < 500; i++) {
        assert_int_equal(fx_put(&fx, i, i % 7 ? "room" : "other", "x"),
                         GOIM_OK);
        goim_lane_publish(fx.lane);
        read_all(&fx);

        v = history(&fx, "room", 64);
        assert_in_range(v.n, i < 1 ? 0 : 1, 64);

        for (k = 1; k < v.n; k++) {
            assert_true(v.offsets[k] < v.offsets[k - 1]);
            assert_true(v.offsets[k] % 7 != 0);
        }
    }

    /* nearly the whole ring is history */

    assert_true(v.n > 30);

    fx_stop(&fx);
}


/* The index has 16 buckets of 8: the room that was silent longest goes. */

static void
test_history_forgets_rooms_that_the_index_has_no_place_for(void **state)
{
    int        i, known;
    char       room[32];
    fx_t       fx;
    visited_t  v;

    (void) state;

    fx_start(&fx, 65536);
    assert_int_equal(fx.pch->index_buckets, 16);

    for (i = 0; i < 400; i++) {
        snprintf(room, sizeof(room), "room://%d", i);
        assert_int_equal(fx_put(&fx, i, room, "x"), GOIM_OK);

        if (i % 10 == 0) {
            goim_lane_publish(fx.lane);
            read_all(&fx);
        }
    }

    goim_lane_publish(fx.lane);
    read_all(&fx);
    known = 0;

    for (i = 0; i < 400; i++) {
        snprintf(room, sizeof(room), "room://%d", i);
        v = history(&fx, room, 64);
        assert_in_range(v.n, 0, 1);

        if (v.n) {
            assert_int_equal(v.offsets[0], i);
            known++;
        }
    }

    assert_int_equal(known, 128);

    /* one that was forgotten begins anew: unknown before */

    assert_int_equal(fx_put(&fx, 1000, "room://0", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    read_all(&fx);
    v = history(&fx, "room://0", 64);
    assert_int_equal(v.n, 1);
    assert_int_equal(v.offsets[0], 1000);

    fx_stop(&fx);
}


/* The producer died before the index: the reader looks itself. */

static void
test_history_looks_at_records_that_the_index_lacks(void **state)
{
    fx_t                 fx;
    visited_t            v;
    goim_index_bucket_t  index[16];
    uint64_t             table_pos, seq, next;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);

    memcpy((void *) index, goim_channel_index(fx.pch, 0), sizeof(index));
    table_pos = fx_shm(&fx)->table_pos;
    seq = fx_shm(&fx)->seq;
    next = fx_shm(&fx)->partition[0].next;

    assert_int_equal(fx_put(&fx, 1, "room", "x"), GOIM_OK);
    assert_int_equal(fx_put(&fx, 2, "other", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);

    memcpy((void *) goim_channel_index(fx.pch, 0), index, sizeof(index));
    fx_shm(&fx)->table_pos = table_pos;
    fx_shm(&fx)->seq = seq;
    fx_shm(&fx)->partition[0].next = next;

    read_all(&fx);
    v = history(&fx, "room", 64);
    assert_int_equal(v.n, 2);
    assert_int_equal(v.offsets[0], 1);
    assert_int_equal(v.offsets[1], 0);
    v = history(&fx, "other", 64);
    assert_int_equal(v.n, 1);

    /* the next producer does what the last one had left to do */

    fx_take_over(&fx);
    assert_int_equal(fx_shm(&fx)->table_pos, fx_shm(&fx)->head);
    v = history(&fx, "other", 64);
    assert_int_equal(v.n, 1);
    assert_int_equal(fx_put(&fx, 2, "room", "x"), GOIM_AGAIN);

    fx_stop(&fx);
}


/* Two rooms of one hash share an entry; names decide. */

static void
test_history_compares_names(void **state)
{
    fx_t                 fx;
    visited_t            v;
    goim_lane_message_t  m;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);

    m = fx_message(&fx, 1, "other", fx_str("x"));
    m.hash = goim_room_name_hash((const uint8_t *) "room", 4);
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_OK);
    goim_lane_publish(fx.lane);
    read_all(&fx);

    v = history(&fx, "room", 64);
    assert_int_equal(v.n, 0);

    fx_stop(&fx);
}


static void
test_history_of_a_damaged_lane_ends(void **state)
{
    int                  i;
    fx_t                 fx;
    visited_t            v;
    goim_index_bucket_t *index;

    (void) state;

    for (i = 0; i < 6; i++) {
        fx_start(&fx, 4096);
        assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
        assert_int_equal(fx_put(&fx, 1, "room", "x"), GOIM_OK);
        goim_lane_publish(fx.lane);
        read_all(&fx);

        index = goim_channel_index(fx.pch, 0)
                + (goim_room_name_hash((const uint8_t *) "room", 4) & 15);

        switch (i) {

        case 0:
            index->entries[0].position += 4096;
            break;

        case 1:
            index->entries[0].position += 3;
            break;

        case 2:
            index->entries[0].position = UINT64_MAX;
            break;

        case 3:
            fx_shm(&fx)->table_pos = 0;
            fx_shm(&fx)->tail = 0;
            break;

        case 4:
            memset(goim_channel_ring(fx.pch, 0), 0, 4096);
            break;

        case 5:
            memset(goim_channel_ring(fx.pch, 0), 0xff, 4096);
            break;
        }

        v = history(&fx, "room", 64);
        assert_in_range(v.n, 0, 2);

        fx_stop(&fx);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_history_shows_a_rooms_records_newest_first),
        cmocka_unit_test(test_history_stops_before_what_was_not_read_yet),
        cmocka_unit_test(test_history_ends_where_records_were_overwritten),
        cmocka_unit_test(
            test_history_forgets_rooms_that_the_index_has_no_place_for),
        cmocka_unit_test(test_history_looks_at_records_that_the_index_lacks),
        cmocka_unit_test(test_history_compares_names),
        cmocka_unit_test(test_history_of_a_damaged_lane_ends)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
