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

typedef void (*damage_pt)(fx_t *fx, goim_channel_lane_t *shm);


static goim_record_t *
record_at(fx_t *fx, uint64_t position)
{
    return (goim_record_t *) (goim_channel_ring(fx->pch, 0)
                              + (position & (fx->pch->size - 1)));
}


/* clang-format off */
static void d_head_up(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->head += 8; }
static void d_head_odd(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->head += 1; }
static void d_head_huge(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->head = UINT64_MAX; }
static void d_head_null(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->head = 0; }
static void d_tail_null(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->tail = 0; }
static void d_tail_huge(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->tail = UINT64_MAX - 7; }
static void d_table_pos_huge(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->table_pos = UINT64_MAX; }
static void d_table_pos_between(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->table_pos -= 8; }
static void d_seq(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->seq += 5; }
static void d_seq_null(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->seq = 0; }
static void d_topics(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->topics = 65; }
static void d_topic_name(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->topic[0][0] = '\0'; }
static void d_topic_end(fx_t *fx, goim_channel_lane_t *s) { (void) fx; memset(s->topic[0], 'x', sizeof(s->topic[0])); }
static void d_partitions(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->partitions = UINT64_MAX; }
static void d_partition(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->partition[0].partition = -1; }
static void d_partition_topic(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->partition[0].topic = 9; }
static void d_next(fx_t *fx, goim_channel_lane_t *s) { (void) fx; s->partition[0].next = UINT64_MAX; }
static void d_size_null(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->size = 0; }
static void d_size_odd(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->size++; }
static void d_size_huge(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->size = UINT32_MAX - 7; }
static void d_kind(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->kind = 77; }
static void d_body_len(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->body_len = UINT32_MAX; }
static void d_offset(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->offset = -1; }
static void d_record_seq(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->seq = 99; }
static void d_record_topic(fx_t *fx, goim_channel_lane_t *s) { record_at(fx, s->tail)->topic = 1; }
/* clang-format on */

static const damage_pt  damages[] = {
    d_head_up, d_head_odd, d_head_huge, d_head_null, d_tail_null, d_tail_huge,
    d_table_pos_huge, d_table_pos_between, d_seq, d_seq_null, d_topics,
    d_topic_name, d_topic_end, d_partitions, d_partition, d_partition_topic,
    d_next, d_size_null, d_size_odd, d_size_huge, d_kind, d_body_len, d_offset,
    d_record_seq, d_record_topic
};


static void
test_lane_is_emptied_when_damaged_and_goes_on(void **state)
{
    int            fresh;
    fx_t           fx;
    size_t         i;
    uint64_t       head;
    goim_reader_t *rd;

    (void) state;

    for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        fx_start(&fx, 4096);

        assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
        assert_int_equal(fx_put(&fx, 1, "room", "y"), GOIM_OK);
        goim_lane_publish(fx.lane);
        head = goim_lane_head(fx.lane);

        /* one reader has read it all, another nothing */

        rd = fx_reader(&fx);
        fx_expect(&fx, 0);
        fx_expect(&fx, 1);

        damages[i](&fx, fx_shm(&fx));
        fx_take_over(&fx);

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

        fresh = rd->lanes[0].missed;
        assert_int_equal(fresh, 0);
        assert_true(fx.rd->lanes[0].missed > 0);

        /* the damage is gone */

        fx_take_over(&fx);
        assert_int_equal(fx_counter(&fx, GOIM_JOB_RESETS), 1);

        goim_reader_close(rd);
        fx_stop(&fx);
    }
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
