/*
 * Waking: one byte per sleep, nobody at the other end, pipes that are full or
 * gone.
 */

#include "goim_channel_fixture.h"
#include "goim_wakeup.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>


static int
bytes(goim_reader_t *rd)
{
    int   n;
    char  buf[4096];

    n = read(rd->pipe_fd, buf, sizeof(buf));

    return n > 0 ? n : 0;
}


static void
test_wakeup_writes_once_per_sleep(void **state)
{
    fx_t           fx;
    goim_wakeup_t  w;

    (void) state;

    fx_start(&fx, 4096);
    goim_wakeup_init(&w, fx.pch);

    assert_int_equal(goim_wakeup_sleepers(&w), 0);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    assert_int_equal(goim_wakeup_sleepers(&w), 1);
    assert_int_equal(goim_wakeup_sleepers(&w), 0);
    assert_int_equal(bytes(fx.rd), 1);

    /* emptied but not yet awake: it will look at its lanes */

    assert_int_equal(goim_wakeup_sleepers(&w), 0);
    goim_reader_wake(fx.rd);
    assert_int_equal(goim_wakeup_sleepers(&w), 0);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    assert_int_equal(goim_wakeup_sleepers(&w), 1);

    goim_wakeup_done(&w);
    fx_stop(&fx);
}


static void
test_wakeup_of_all_reaches_who_is_awake_too(void **state)
{
    fx_t           fx;
    goim_wakeup_t  w;

    (void) state;

    fx_start(&fx, 4096);
    goim_wakeup_init(&w, fx.pch);
    (void) bytes(fx.rd);

    goim_wakeup_all(&w);
    assert_int_equal(bytes(fx.rd), 1);
    goim_reader_wake(fx.rd);

    goim_wakeup_done(&w);
    fx_stop(&fx);
}


static void
test_wakeup_of_the_dead_harms_nobody(void **state)
{
    fx_t           fx;
    goim_wakeup_t  w, later;

    (void) state;

    signal(SIGPIPE, SIG_IGN);
    fx_start(&fx, 4096);
    goim_wakeup_init(&w, fx.pch);
    goim_wakeup_init(&later, fx.pch);

    /* one producer has the pipe open, the other meets ENXIO */

    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    assert_int_equal(goim_wakeup_sleepers(&w), 1);

    close(fx.rd->pipe_fd);
    fx.rd->pipe_fd = open("/dev/null", O_RDWR);
    fx.rd->slot->sleeping += 2;

    assert_int_equal(goim_wakeup_sleepers(&w), 0);
    assert_int_equal(goim_wakeup_sleepers(&later), 0);
    goim_wakeup_all(&w);
    goim_wakeup_all(&later);

    goim_wakeup_done(&w);
    goim_wakeup_done(&later);
    fx_stop(&fx);
}


static void
test_wakeup_passes_over_a_full_pipe(void **state)
{
    fx_t           fx;
    goim_wakeup_t  w;

    (void) state;

    fx_start(&fx, 4096);
    goim_wakeup_init(&w, fx.pch);

    while (write(fx.rd->pipe_fd, "x", 1) == 1) {
        /* void */
    }

    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    assert_int_equal(goim_wakeup_sleepers(&w), 0);

    /* however much there is, waking empties it */

    goim_reader_wake(fx.rd);
    assert_int_equal(bytes(fx.rd), 0);

    goim_wakeup_done(&w);
    fx_stop(&fx);
}


/* Without descriptors the wake-up is only put off. */

static void
test_wakeup_tries_again_when_descriptors_were_out(void **state)
{
    int            i, fds[64];
    fx_t           fx;
    goim_wakeup_t  w;

    (void) state;

    fx_start(&fx, 4096);
    goim_wakeup_init(&w, fx.pch);
    assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
    (void) bytes(fx.rd);

    {
        struct rlimit  rl, none;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
        i = dup(0);
        none = rl;
        none.rlim_cur = i;
        close(i);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);

        for (i = 0; i < 64 && (fds[i] = dup(0)) != -1; i++) {
            /* void */
        }

        assert_int_equal(goim_wakeup_sleepers(&w), 0);

        while (i-- > 0) {
            close(fds[i]);
        }

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
    }

    assert_int_equal(goim_wakeup_sleepers(&w), 1);
    assert_int_equal(bytes(fx.rd), 1);

    goim_wakeup_done(&w);
    fx_stop(&fx);
}


/*
 * A producer that publishes while its reader is falling asleep, with a reader
 * that has no other look: each record must reach it.
 */

static void
read_for_ever(fx_t *fx)
{
    unsigned       i, spin;
    volatile int   n;
    struct pollfd  pfd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);

    fx->rch = fx_open(fx, GOIM_CHANNEL_READER);
    fx->rd = fx_reader(fx);
    pfd.fd = fx->rd->pipe_fd;
    pfd.events = POLLIN;

    for (i = 0; /* void */; i++) {
        while (fx_next(fx, fx->rd) != NULL) {
            /* void */
        }

        for (n = 0, spin = i * 104729 % 4000; n < (int) spin; n++) {
            /* void */
        }

        if (goim_reader_sleep(fx->rd) == GOIM_OK) {
            (void) poll(&pfd, 1, -1);
        }

        goim_reader_wake(fx->rd);
    }
}


static uint64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static int
all_read_within(fx_t *fx, uint64_t us)
{
    uint64_t  end;

    for (end = now_us() + us; now_us() < end; /* void */) {
        if (goim_lane_all_read(fx->lane, goim_lane_head(fx->lane))) {
            return 1;
        }
    }

    return 0;
}


static void
test_wakeup_reaches_a_reader_that_is_falling_asleep(void **state)
{
    int           i, late, spin;
    fx_t          fx;
    pid_t         pid;
    uint64_t      end;
    volatile int  n;

    (void) state;

    fx_start(&fx, 4096);
    goim_reader_close(fx.rd);
    goim_channel_close(fx.rch);
    fx.rd = NULL;
    fx.rch = NULL;

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        read_for_ever(&fx);
    }

    while (goim_channel_live_readers(fx.pch) == 0
           || goim_cursor_state(fx.pch->slots->slot[0].cursors[0])
              != GOIM_CURSOR_LIVE)
    {
        usleep(1000);
    }

    end = now_us() + (getenv("GOIM_TEST_LONG") ? 60000000 : 1500000);

    late = 0;

    for (i = 0; now_us() < end; i++) {
        if (fx_put(&fx, i, "room", "x") != GOIM_OK) {
            break;
        }

        goim_lane_publish(fx.lane);

        late = !all_read_within(&fx, 2000000);

        if (late) {
            break;
        }

        /* all places in which the reader may be met */

        for (n = 0, spin = i * 7919 % 1500; n < spin; n++) {
            /* void */
        }
    }

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);

    if (late) {
        fail_msg("record %d was slept through", i);
    }

    print_message("# %d records, %d wake-ups\n", i,
                  (int) fx_counter(&fx, GOIM_JOB_WAKEUPS));
    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_wakeup_writes_once_per_sleep),
        cmocka_unit_test(test_wakeup_of_all_reaches_who_is_awake_too),
        cmocka_unit_test(test_wakeup_of_the_dead_harms_nobody),
        cmocka_unit_test(test_wakeup_passes_over_a_full_pipe),
        cmocka_unit_test(test_wakeup_tries_again_when_descriptors_were_out),
        cmocka_unit_test(test_wakeup_reaches_a_reader_that_is_falling_asleep)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
