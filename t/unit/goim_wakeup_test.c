/*
 * Waking: one byte per sleep, nobody at the other end, pipes that are full or
 * gone.
 */

#include "goim_channel_fixture.h"
#include "goim_wakeup.h"

#include <signal.h>
#include <sys/resource.h>


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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_wakeup_writes_once_per_sleep),
        cmocka_unit_test(test_wakeup_of_all_reaches_who_is_awake_too),
        cmocka_unit_test(test_wakeup_of_the_dead_harms_nobody),
        cmocka_unit_test(test_wakeup_passes_over_a_full_pipe),
        cmocka_unit_test(test_wakeup_tries_again_when_descriptors_were_out)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
