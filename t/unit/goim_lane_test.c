/*
 * The producer's side of a lane: order, limits, room, the table, taking over,
 * damage.
 */

#include "goim_channel_fixture.h"


static void
test_lane_publishes_records_in_order(void **state)
{
    int                   i;
    fx_t                  fx;
    const goim_record_t  *r;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < 3; i++) {
        assert_int_equal(fx_put(&fx, i, "live://1", "hello"), GOIM_OK);
    }

    assert_true(goim_lane_pending(fx.lane));
    fx_expect_nothing(&fx);

    goim_lane_publish(fx.lane);
    assert_false(goim_lane_pending(fx.lane));

    for (i = 0; i < 3; i++) {
        r = fx_next(&fx, fx.rd);
        assert_non_null(r);
        assert_int_equal(r->offset, i);
        assert_int_equal(r->seq, i + 1);
        assert_int_equal(r->kind, GOIM_RECORD_ROOM);
        assert_int_equal(r->op, 1000);
        assert_int_equal(r->time, 1700000000000ULL + i);
        assert_int_equal(r->target_len, 8);
        assert_memory_equal(goim_record_target(r), "live://1", 8);
        assert_int_equal(r->body_len, 5);
        assert_memory_equal(goim_record_body(r), "hello", 5);
    }

    fx_expect_nothing(&fx);
    assert_int_equal(fx.rd->lanes[0].missed, 0);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_RECORDS), 3);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_BATCHES), 1);

    fx_stop(&fx);
}


/* Every place in which a record may meet the ring's end. */

static void
test_lane_pads_the_rings_end_at_every_remainder(void **state)
{
    int      i, round, offset;
    fx_t     fx;
    size_t   first;

    (void) state;

    for (first = sizeof(goim_record_t) + 8; first <= 1024; first += 8) {
        fx_start(&fx, 4096);
        offset = 0;

        assert_int_equal(fx_put_size(&fx, offset++, first), GOIM_OK);
        goim_lane_publish(fx.lane);
        fx_expect(&fx, 0);

        for (round = 0; round < 12; round++) {
            i = offset;

            assert_int_equal(fx_put_size(&fx, offset++, 1000), GOIM_OK);
            assert_int_equal(fx_put_size(&fx, offset++, 520), GOIM_OK);
            goim_lane_publish(fx.lane);

            for (; i < offset; i++) {
                fx_expect(&fx, i);
            }

            fx_expect_nothing(&fx);
        }

        assert_int_equal(fx.rd->lanes[0].missed, 0);
        assert_int_equal(fx.rd->lanes[0].damaged, 0);

        /* the next producer finds nothing wrong with it */

        fx_take_over(&fx);
        assert_int_equal(fx_counter(&fx, GOIM_JOB_RESETS), 0);

        fx_stop(&fx);
    }
}


static void
test_lane_takes_a_quarter_of_the_ring_and_no_byte_more(void **state)
{
    char                  body[1024];
    fx_t                  fx;
    goim_lane_message_t   m;

    (void) state;

    fx_start(&fx, 4096);
    memset(body, 'x', sizeof(body));

    m = fx_message(&fx, 0, "room",
                   (goim_str_t) { (uint8_t *) body,
                                  1024 - sizeof(goim_record_t) - 4 });
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_OK);

    m.offset = 1;
    m.body.len++;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    goim_lane_publish(fx.lane);
    fx_expect(&fx, 0);
    fx_expect_nothing(&fx);

    /* the one that was refused is skipped, and the lane goes on */

    assert_int_equal(goim_lane_skip(fx.lane, fx.topic, 0, 2), GOIM_OK);
    assert_int_equal(fx_put(&fx, 2, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_expect(&fx, 2);

    fx_stop(&fx);
}


static void
test_lane_refuses_what_is_no_message(void **state)
{
    fx_t                 fx;
    goim_lane_message_t  m;

    (void) state;

    fx_start(&fx, 4096);

    m = fx_message(&fx, 0, "room", fx_str("x"));
    m.kind = GOIM_RECORD_PADDING;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);
    m.kind = GOIM_RECORD_KINDS;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    m = fx_message(&fx, -1, "room", fx_str("x"));
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    m = fx_message(&fx, 0, "room", fx_str("x"));
    m.topic = fx.topic + 1;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    m = fx_message(&fx, 0, "room", fx_str("x"));
    m.partition = -1;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    m = fx_message(&fx, 0, "room", fx_str("x"));
    m.body.len = SIZE_MAX - 100;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_INVALID);

    assert_false(goim_lane_pending(fx.lane));

    fx_stop(&fx);
}


static void
test_lane_is_full_until_its_reader_has_read(void **state)
{
    int   i, put, got;
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    put = 0;
    got = 0;

    for (i = 0; i < 50; i++) {

        while (fx_put_size(&fx, put, 256) == GOIM_OK) {
            put++;
        }

        goim_lane_publish(fx.lane);
        assert_in_range(put - got, 12, 16);
        assert_int_equal(fx_put_size(&fx, put, 256), GOIM_FULL);

        /* room comes back with each record that is read */

        fx.batch.cap = 256;
        fx_expect(&fx, got++);
        fx.batch.cap = 4096;

        assert_int_equal(fx_put_size(&fx, put++, 256), GOIM_OK);
        goim_lane_publish(fx.lane);

        for (; got < put; got++) {
            fx_expect(&fx, got);
        }
    }

    assert_int_equal(fx.rd->lanes[0].missed, 0);

    fx_stop(&fx);
}


static void
test_lane_goes_on_without_readers(void **state)
{
    int   i;
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    goim_reader_close(fx.rd);
    fx.rd = NULL;

    for (i = 0; i < 1000; i++) {
        assert_int_equal(fx_put(&fx, i, "room", "x"), GOIM_OK);
    }

    goim_lane_publish(fx.lane);
    assert_true(goim_lane_all_read(fx.lane, goim_lane_head(fx.lane)));

    fx_stop(&fx);
}


static void
test_lane_knows_what_it_has_already(void **state)
{
    fx_t      fx;
    uint64_t  next;

    (void) state;

    fx_start(&fx, 4096);

    assert_int_equal(goim_lane_next(fx.lane, fx.topic, 0, &next), GOIM_AGAIN);
    assert_false(goim_lane_knows_topic(fx.lane, fx.topic));

    assert_int_equal(fx_put(&fx, 7, "room", "x"), GOIM_OK);
    assert_int_equal(fx_put(&fx, 7, "room", "x"), GOIM_AGAIN);
    assert_int_equal(fx_put(&fx, 3, "room", "x"), GOIM_AGAIN);
    assert_int_equal(goim_lane_next(fx.lane, fx.topic, 0, &next), GOIM_OK);
    assert_int_equal(next, 8);
    assert_true(goim_lane_knows_topic(fx.lane, fx.topic));

    /* nothing of it was published: a new producer begins anew */

    fx_take_over(&fx);
    assert_int_equal(goim_lane_next(fx.lane, fx.topic, 0, &next), GOIM_AGAIN);

    assert_int_equal(fx_put(&fx, 7, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_take_over(&fx);
    assert_int_equal(fx_put(&fx, 7, "room", "x"), GOIM_AGAIN);
    assert_int_equal(fx_put(&fx, 8, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);

    fx_expect(&fx, 7);
    fx_expect(&fx, 8);
    fx_expect_nothing(&fx);

    fx_stop(&fx);
}


static void
test_lane_skips_forwards_and_resets_backwards(void **state)
{
    fx_t      fx;
    uint64_t  next;

    (void) state;

    fx_start(&fx, 4096);

    assert_int_equal(goim_lane_skip(fx.lane, fx.topic, 5, 100), GOIM_OK);
    assert_int_equal(fx_shm(&fx)->partitions, 0);
    assert_true(goim_lane_pending(fx.lane));
    goim_lane_publish(fx.lane);
    assert_int_equal(fx_shm(&fx)->partition[0].next, 100);
    assert_int_equal(fx_shm(&fx)->partition[0].partition, 5);

    assert_int_equal(goim_lane_skip(fx.lane, fx.topic, 5, 50), GOIM_OK);
    assert_int_equal(goim_lane_next(fx.lane, fx.topic, 5, &next), GOIM_OK);
    assert_int_equal(next, 100);

    assert_int_equal(goim_lane_set_next(fx.lane, fx.topic, 5, 50), GOIM_OK);
    assert_int_equal(fx_shm(&fx)->partition[0].next, 50);
    fx_take_over(&fx);
    assert_int_equal(goim_lane_next(fx.lane, fx.topic, 5, &next), GOIM_OK);
    assert_int_equal(next, 50);

    fx_stop(&fx);
}


static void
test_lane_table_has_an_end(void **state)
{
    int                  i;
    fx_t                 fx;
    const char          *topic;
    int32_t              partition;
    uint64_t             next;
    goim_lane_message_t  m;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 0; i < GOIM_CHANNEL_PARTITIONS; i++) {
        assert_int_equal(goim_lane_skip(fx.lane, fx.topic, i, i + 1), GOIM_OK);
    }

    assert_int_equal(goim_lane_skip(fx.lane, fx.topic, i, 1), GOIM_NOMEM);
    m = fx_message(&fx, 1, "room", fx_str("x"));
    m.partition = i;
    assert_int_equal(goim_lane_put(fx.lane, &m), GOIM_NOMEM);
    goim_lane_publish(fx.lane);
    fx_take_over(&fx);

    for (i = 0; goim_lane_partition(fx.lane, i, &topic, &partition, &next)
                == GOIM_OK; i++)
    {
        assert_string_equal(topic, FX_TOPIC);
        assert_int_equal(partition, i);
        assert_int_equal(next, i + 1);
    }

    assert_int_equal(i, GOIM_CHANNEL_PARTITIONS);

    fx_stop(&fx);
}


static void
test_lane_topics_keep_their_ids(void **state)
{
    int       i;
    char      name[300];
    fx_t      fx;
    uint32_t  id;

    (void) state;

    fx_start(&fx, 4096);

    for (i = 1; i < GOIM_CHANNEL_TOPICS; i++) {
        snprintf(name, sizeof(name), "topic-%d", i);
        assert_int_equal(goim_lane_topic(fx.lane, name, &id), GOIM_OK);
        assert_int_equal(id, i);
    }

    assert_int_equal(goim_lane_topic(fx.lane, "one more", &id), GOIM_FULL);
    fx_take_over(&fx);
    assert_int_equal(goim_lane_topic(fx.lane, "topic-63", &id), GOIM_OK);
    assert_int_equal(id, 63);

    memset(name, 'x', sizeof(name));
    name[256] = '\0';
    assert_int_equal(goim_lane_topic(fx.lane, name, &id), GOIM_INVALID);
    assert_int_equal(goim_lane_topic(fx.lane, "", &id), GOIM_INVALID);

    fx_stop(&fx);
}


static void
test_lane_has_one_producer(void **state)
{
    fx_t          fx;
    goim_lane_t  *lane;

    (void) state;

    fx_start(&fx, 4096);

    assert_int_equal(goim_lane_take(fx.pch, 0, &lane, &fx.error), GOIM_AGAIN);
    assert_true(goim_channel_lane_is_held(fx.rch, 0));
    assert_int_equal(goim_lane_take(fx.pch, 1, &lane, &fx.error), GOIM_ERROR);
    assert_int_equal(goim_lane_take(fx.rch, 0, &lane, &fx.error), GOIM_ERROR);

    goim_lane_leave(fx.lane);
    assert_false(goim_channel_lane_is_held(fx.rch, 0));
    fx.lane = fx_take(&fx, 0);
    assert_int_equal(fx_counter(&fx, GOIM_JOB_TAKEN), 2);

    fx_stop(&fx);
}


/* Damage */

static goim_record_t *
record_at(fx_t *fx, uint64_t position)
{
    return (goim_record_t *) (goim_channel_ring(fx->pch, 0)
                              + (position & (fx->pch->size - 1)));
}


/* The n-th kind of damage; 0: there are no more. */
static int
damage(fx_t *fx, goim_channel_lane_t *s, size_t n)
{
    goim_record_t  *r = record_at(fx, s->tail);

    /* clang-format off */
    switch (n) {
    case 0: s->head += 8; break;
    case 1: s->head += 1; break;
    case 2: s->head = UINT64_MAX; break;
    case 3: s->head = 0; break;
    case 4: s->tail = 0; break;
    case 5: s->tail = UINT64_MAX - 7; break;
    case 6: s->table_pos = UINT64_MAX; break;
    case 7: s->table_pos -= 8; break;
    case 8: s->seq += 5; break;
    case 9: s->seq = 0; break;
    case 10: s->topics = 65; break;
    case 11: s->topic[0][0] = '\0'; break;
    case 12: memset(s->topic[0], 'x', sizeof(s->topic[0])); break;
    case 13: s->partitions = UINT64_MAX; break;
    case 14: s->partition[0].partition = -1; break;
    case 15: s->partition[0].topic = 9; break;
    case 16: s->partition[0].next = UINT64_MAX; break;
    case 17: r->size = 0; break;
    case 18: r->size++; break;
    case 19: r->size = UINT32_MAX - 7; break;
    case 20: r->kind = 77; break;
    case 21: r->body_len = UINT32_MAX; break;
    case 22: r->offset = -1; break;
    case 23: r->seq = 99; break;
    case 24: r->topic = 1; break;
    default: return 0;
    }
    /* clang-format on */

    return 1;
}


static void
test_lane_is_emptied_when_damaged_and_goes_on(void **state)
{
    int             more;
    fx_t            fx;
    size_t          i;
    uint64_t        head;
    goim_reader_t  *rd;

    (void) state;

    for (i = 0; /* void */; i++) {
        fx_start(&fx, 4096);

        assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
        assert_int_equal(fx_put(&fx, 1, "room", "y"), GOIM_OK);
        goim_lane_publish(fx.lane);
        head = goim_lane_head(fx.lane);

        /* one reader has read both records, another joins behind them */

        rd = fx_reader(&fx);
        fx_expect(&fx, 0);
        fx_expect(&fx, 1);

        more = damage(&fx, fx_shm(&fx), i);
        fx_take_over(&fx);

        if (!more) {
            assert_int_equal(fx_counter(&fx, GOIM_JOB_RESETS), 0);
            goim_reader_close(rd);
            fx_stop(&fx);
            break;
        }

        if (fx_counter(&fx, GOIM_JOB_RESETS) != 1) {
            fail_msg("damage %zu was not noticed", i);
        }

        /* an empty lane, above all that was, at a multiple of the size */

        assert_true(goim_lane_head(fx.lane) > head);
        assert_int_equal(goim_lane_head(fx.lane) % 4096, 0);
        assert_int_equal(fx_shm(&fx)->tail, goim_lane_head(fx.lane));
        assert_int_equal(fx_shm(&fx)->head, goim_lane_head(fx.lane));
        assert_int_equal(fx_shm(&fx)->table_pos, goim_lane_head(fx.lane));

        assert_int_equal(fx_put(&fx, 5, "room", "z"), GOIM_OK);
        goim_lane_publish(fx.lane);
        fx_expect(&fx, 5);
        fx_expect_nothing(&fx);

        /* both see a gap, whatever its size */

        assert_true(fx.rd->lanes[0].missed > 0);
        assert_non_null(fx_next(&fx, rd));
        assert_true(rd->lanes[0].missed > 0);

        /* the damage is gone */

        fx_take_over(&fx);
        assert_int_equal(fx_counter(&fx, GOIM_JOB_RESETS), 1);

        goim_reader_close(rd);
        fx_stop(&fx);
    }

    assert_int_equal(i, 25);
}


/* A producer that dies in the reset leaves it to the next one. */

static void
test_lane_reset_can_be_broken_off(void **state)
{
    fx_t      fx;
    uint64_t  head;

    (void) state;

    fx_start(&fx, 4096);

    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_expect(&fx, 0);

    head = fx_shm(&fx)->head;
    fx_shm(&fx)->tail = 8192;
    fx_expect_nothing(&fx);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    goim_reader_wake(fx.rd);

    fx_take_over(&fx);
    assert_true(goim_lane_head(fx.lane) > head);
    assert_int_equal(fx_put(&fx, 1, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_expect(&fx, 1);

    fx_stop(&fx);
}


static void
test_lane_commits_only_what_all_live_readers_have_read(void **state)
{
    fx_t      fx;
    uint64_t  head;

    (void) state;

    fx_start(&fx, 4096);

    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    head = goim_lane_head(fx.lane);
    assert_false(goim_lane_all_read(fx.lane, head));

    fx_expect(&fx, 0);
    assert_true(goim_lane_all_read(fx.lane, head));

    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_lane_publishes_records_in_order),
        cmocka_unit_test(test_lane_pads_the_rings_end_at_every_remainder),
        cmocka_unit_test(
            test_lane_takes_a_quarter_of_the_ring_and_no_byte_more),
        cmocka_unit_test(test_lane_refuses_what_is_no_message),
        cmocka_unit_test(test_lane_is_full_until_its_reader_has_read),
        cmocka_unit_test(test_lane_goes_on_without_readers),
        cmocka_unit_test(test_lane_knows_what_it_has_already),
        cmocka_unit_test(test_lane_skips_forwards_and_resets_backwards),
        cmocka_unit_test(test_lane_table_has_an_end),
        cmocka_unit_test(test_lane_topics_keep_their_ids),
        cmocka_unit_test(test_lane_has_one_producer),
        cmocka_unit_test(test_lane_is_emptied_when_damaged_and_goes_on),
        cmocka_unit_test(test_lane_reset_can_be_broken_off),
        cmocka_unit_test(
            test_lane_commits_only_what_all_live_readers_have_read)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
