/*
 * Death between each two stores: a producer runs one instruction at a time,
 * and whenever it has changed the lane, the lane is copied.  Each copy is
 * taken over by a new producer, which must continue it so that a reader gets
 * every message once and in order.
 */

#include "goim_channel_fixture.h"

#include <malloc.h>
#include <signal.h>


#define IMAGES      800
#define PARTITIONS  3
#define LOG_END     12   /* offsets per partition in the end */


typedef struct {
    fx_t      fx;         /* where the steps are done */
    fx_t      copy;       /* where the images are tried */
    uint8_t  *lane;       /* the stepped lane's bytes */
    size_t    len;
    uint8_t  *images;
    int       n;
    int       stepping;   /* what is called for the lane is stepped through */
} steps_t;


static steps_t  steps;


/* What a producer changes here; the rest of a lane is large, and looked at
 * after each instruction. */
static int
is_changed(const uint8_t *image)
{
    size_t    i;
    uint64_t  index_at = steps.fx.pch->index_at;

    const struct {
        size_t  at;
        size_t  len;
    } parts[] = {
        { 0, offsetof(goim_channel_lane_t, counters) },
        { offsetof(goim_channel_lane_t, topic), 2 * GOIM_CHANNEL_TOPIC_LEN },
        { offsetof(goim_channel_lane_t, partition), 256 },
        { index_at, steps.len - index_at }
    };

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (memcmp(image + parts[i].at, steps.lane + parts[i].at,
                   parts[i].len)
            != 0)
        {
            return 1;
        }
    }

    return 0;
}


#if defined(__x86_64__)

#define CAN_STEP  1

static void
step_handler(int signo)
{
    (void) signo;

    if (is_changed(steps.images + (steps.n - 1) * steps.len)
        && steps.n < IMAGES)
    {
        memcpy(steps.images + steps.n++ * steps.len, steps.lane, steps.len);
    }
}


__attribute__((noinline)) static void
step_on(void)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = step_handler;
    sigaction(SIGTRAP, &sa, NULL);

    __asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");
}


__attribute__((noinline)) static void
step_off(void)
{
    __asm__ volatile("sub $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");
}

#else

/* Elsewhere only the first and the last image are tried. */

#define CAN_STEP  0

static void
step_on(void)
{
}


static void
step_off(void)
{
    (void) is_changed(steps.images);
    memcpy(steps.images + steps.n++ * steps.len, steps.lane, steps.len);
}

#endif


/* Every third message is not for this lane's readers. */
static int
is_skipped(int partition, uint64_t offset)
{
    return (offset + partition) % 3 == 2;
}


static void
put_next(fx_t *fx, int partition)
{
    int                  rc;
    char                 body[300], room[32];
    uint64_t             next;
    goim_lane_message_t  m;

    if (goim_lane_next(fx->lane, fx->topic, partition, &next) != GOIM_OK) {
        next = 0;
    }

    if (is_skipped(partition, next)) {
        assert_int_equal(goim_lane_skip(fx->lane, fx->topic, partition,
                                        next + 1), GOIM_OK);
        return;
    }

    snprintf(room, sizeof(room), "room://%d", (int) next % 2);
    memset(body, 'a' + partition, sizeof(body));
    m = fx_message(fx, next, room,
                   (goim_str_t) { (uint8_t *) body, 100 + next * 17 % 200 });
    m.partition = partition;

    if (steps.stepping) {
        step_on();
    }

    rc = goim_lane_put(fx->lane, &m);

    if (steps.stepping) {
        step_off();
    }

    assert_int_equal(rc, GOIM_OK);
}


static void
publish_stepping(fx_t *fx)
{
    step_on();
    goim_lane_publish(fx->lane);
    step_off();
}


/* Begins to copy what comes. */
static void
steps_begin(void)
{
    steps.n = 1;
    memcpy(steps.images, steps.lane, steps.len);
}


/*
 * One image: a reader that stood at position joins, a producer takes over and
 * brings all partitions to their end.  first: what the reader may expect.
 */
static void
try_image(int i, const uint8_t *before, const int *first)
{
    int                   p, expected[PARTITIONS];
    fx_t                 *fx = &steps.copy;
    uint64_t              next;
    const goim_record_t  *r;

    memcpy(goim_channel_lane(fx->pch, 0), before, steps.len);
    fx->rd = fx_reader(fx);
    memcpy(expected, first, sizeof(expected));

    memcpy(goim_channel_lane(fx->pch, 0), steps.images + i * steps.len,
           steps.len);
    fx->lane = fx_take(fx, 0);

    if (fx_counter(fx, GOIM_JOB_RESETS) != 0) {
        fail_msg("image %d of %d was taken for damaged", i, steps.n);
    }

    for (p = 0; p < PARTITIONS; p++) {
        do {
            put_next(fx, p);
            goim_lane_publish(fx->lane);
            assert_int_equal(goim_lane_next(fx->lane, fx->topic, p, &next),
                             GOIM_OK);

            while ((r = fx_next(fx, fx->rd)) != NULL) {
                while (is_skipped(r->partition, expected[r->partition])) {
                    expected[r->partition]++;
                }

                if (r->offset != expected[r->partition]) {
                    fail_msg("image %d of %d: partition %d, offset %d, not %d",
                             i, steps.n, r->partition, (int) r->offset,
                             expected[r->partition]);
                }

                assert_int_equal(goim_record_body(r)[0], 'a' + r->partition);
                expected[r->partition]++;
            }

        } while (next < LOG_END);
    }

    for (p = 0; p < PARTITIONS; p++) {
        assert_in_range(expected[p], LOG_END - 1, LOG_END);
    }

    assert_int_equal(fx->rd->lanes[0].missed, 0);
    assert_int_equal(fx->rd->lanes[0].damaged, 0);

    goim_lane_leave(fx->lane);
    goim_reader_close(fx->rd);
    fx->lane = NULL;
    fx->rd = NULL;
}


/* Batches of all kinds before the steps, so that the ring has gone round. */
static void
steps_start(int rounds, int *first)
{
    int                   i;
    fx_t                 *fx = &steps.fx;
    const goim_record_t  *r;

    memset(&steps, 0, sizeof(steps));
    fx_start(&steps.fx, 4096);
    fx_start(&steps.copy, 4096);
    goim_lane_leave(steps.copy.lane);
    goim_reader_close(steps.copy.rd);
    steps.copy.lane = NULL;
    steps.copy.rd = NULL;

    steps.lane = (uint8_t *) goim_channel_lane(fx->pch, 0);
    steps.len = fx->pch->lane_step;
    steps.images = malloc(steps.len * IMAGES);
    assert_non_null(steps.images);

    for (i = 0; i < PARTITIONS; i++) {
        first[i] = 0;
    }

    for (i = 0; i < rounds; i++) {
        put_next(fx, i % 2);
        goim_lane_publish(fx->lane);

        while ((r = fx_next(fx, fx->rd)) != NULL) {
            first[r->partition] = r->offset + 1;
        }
    }
}


static void
steps_stop(void)
{
    free(steps.images);
    fx_stop(&steps.fx);
    fx_stop(&steps.copy);
}


static void
try_all_images(const int *first)
{
    int       i;
    uint8_t  *before;

    before = malloc(steps.len);
    assert_non_null(before);
    memcpy(before, steps.images, steps.len);

    print_message("# %d images\n", steps.n);
    assert_in_range(steps.n, CAN_STEP ? 50 : 1, IMAGES - 1);

    for (i = 0; i < steps.n; i++) {
        try_image(i, before, first);
    }

    free(before);
}


static void
test_takeover_continues_after_any_store_of_a_batch(void **state)
{
    int  i, rounds, first[PARTITIONS];

    (void) state;

    for (rounds = 0; rounds < 16; rounds += 5) {
        steps_start(rounds, first);
        steps_begin();
        steps.stepping = 1;

        for (i = 0; i < 7; i++) {
            put_next(&steps.fx, i % PARTITIONS);
        }

        publish_stepping(&steps.fx);
        put_next(&steps.fx, 2);
        publish_stepping(&steps.fx);

        steps.stepping = 0;
        try_all_images(first);
        steps_stop();
    }
}


/* A lane that has gone round often: tail moves, records are overwritten. */

static void
test_takeover_continues_after_any_store_that_makes_room(void **state)
{
    int       i, p, first[PARTITIONS];
    uint64_t  next;

    (void) state;

    steps_start(0, first);

    for (i = 0; i < 100; i++) {
        assert_int_equal(fx_put_size(&steps.fx, i, 256), GOIM_OK);
        goim_lane_publish(steps.fx.lane);

        while (fx_next(&steps.fx, steps.fx.rd) != NULL) {
            /* void */
        }
    }

    /* back to the log's begin: Kafka's log was reset */

    steps_begin();
    step_on();

    for (p = 0; p < PARTITIONS; p++) {
        assert_int_equal(goim_lane_set_next(steps.fx.lane, steps.fx.topic, p,
                                            0), GOIM_OK);
    }

    step_off();

    for (i = 0; i < steps.n; i++) {
        memcpy(goim_channel_lane(steps.copy.pch, 0),
               steps.images + i * steps.len, steps.len);
        steps.copy.lane = fx_take(&steps.copy, 0);
        assert_int_equal(fx_counter(&steps.copy, GOIM_JOB_RESETS), 0);
        assert_int_equal(goim_lane_next(steps.copy.lane, 0, 0, &next),
                         GOIM_OK);
        assert_true(next == 0 || next == 100);
        goim_lane_leave(steps.copy.lane);
        steps.copy.lane = NULL;
    }

    /* now batches that need room */

    steps_begin();
    steps.stepping = 1;

    for (i = 0; i < 6; i++) {
        put_next(&steps.fx, i % PARTITIONS);
    }

    publish_stepping(&steps.fx);
    steps.stepping = 0;
    try_all_images(first);
    steps_stop();
}


/* Taking over is done anew by the next one, wherever it was broken off. */

static void
test_takeover_can_be_broken_off_after_any_store(void **state)
{
    int                   i, first[PARTITIONS];
    uint8_t              *before;
    goim_lane_t          *lane;
    goim_channel_lane_t  *shm;

    (void) state;

    steps_start(5, first);
    before = malloc(steps.len);
    assert_non_null(before);
    memcpy(before, steps.lane, steps.len);

    for (i = 0; i < 7; i++) {
        put_next(&steps.fx, i % PARTITIONS);
    }

    goim_lane_publish(steps.fx.lane);
    goim_lane_leave(steps.fx.lane);

    /* all of step 4 is undone */

    shm = (goim_channel_lane_t *) before;

    memcpy(steps.lane + steps.fx.pch->index_at,
           before + steps.fx.pch->index_at,
           steps.fx.pch->index_buckets * sizeof(goim_index_bucket_t));
    memcpy((void *) fx_shm(&steps.fx)->partition, (void *) shm->partition,
           sizeof(shm->partition));
    fx_shm(&steps.fx)->partitions = shm->partitions;
    fx_shm(&steps.fx)->seq = shm->seq;
    fx_shm(&steps.fx)->table_pos = shm->table_pos;

    steps_begin();
    step_on();
    i = goim_lane_take(steps.fx.pch, 0, &lane, &steps.fx.error);
    step_off();

    assert_int_equal(i, GOIM_OK);
    steps.fx.lane = lane;

    assert_in_range(steps.n, CAN_STEP ? 10 : 1, IMAGES - 1);

    for (i = 0; i < steps.n; i++) {
        try_image(i, before, first);
    }

    free(before);
    steps_stop();
}


/* So is emptying a damaged lane: the reader sees a gap, nothing else. */

static void
test_takeover_of_a_broken_off_reset_empties_the_lane(void **state)
{
    int                   i, first[PARTITIONS];
    uint8_t              *before;
    fx_t                 *fx;
    goim_lane_t          *lane;
    const goim_record_t  *r;

    (void) state;

    steps_start(8, first);
    fx = &steps.copy;

    goim_lane_leave(steps.fx.lane);
    fx_shm(&steps.fx)->table_pos -= 8;

    before = malloc(steps.len);
    assert_non_null(before);
    memcpy(before, steps.lane, steps.len);

    steps_begin();
    step_on();
    i = goim_lane_take(steps.fx.pch, 0, &lane, &steps.fx.error);
    step_off();

    assert_int_equal(i, GOIM_OK);
    steps.fx.lane = lane;
    assert_in_range(steps.n, CAN_STEP ? 4 : 1, IMAGES - 1);

    for (i = 0; i < steps.n; i++) {
        memcpy(goim_channel_lane(fx->pch, 0), before, steps.len);
        fx->rd = fx_reader(fx);
        memcpy(goim_channel_lane(fx->pch, 0), steps.images + i * steps.len,
               steps.len);

        fx_expect_nothing(fx);
        fx->lane = fx_take(fx, 0);
        assert_int_equal(fx_shm(fx)->head, fx_shm(fx)->tail);
        assert_int_equal(fx_shm(fx)->head, fx_shm(fx)->table_pos);
        assert_true(fx_shm(fx)->head % 4096 == 0);

        assert_int_equal(fx_put(fx, 500, "room", "x"), GOIM_OK);
        goim_lane_publish(fx->lane);
        r = fx_next(fx, fx->rd);
        assert_non_null(r);
        assert_int_equal(r->offset, 500);

        goim_lane_leave(fx->lane);
        goim_reader_close(fx->rd);
        fx->lane = NULL;
        fx->rd = NULL;
    }

    free(before);
    steps_stop();
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_takeover_continues_after_any_store_of_a_batch),
        cmocka_unit_test(
            test_takeover_continues_after_any_store_that_makes_room),
        cmocka_unit_test(test_takeover_can_be_broken_off_after_any_store),
        cmocka_unit_test(test_takeover_of_a_broken_off_reset_empties_the_lane)
    };

    /* else calloc() clears a lane's memory itself, step by step */

    (void) mallopt(M_MMAP_THRESHOLD, 65536);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
