/*
 * A channel's file is cut short under its mappings: nobody crashes, the
 * channel is broken.
 */

#include "goim_channel_fixture.h"
#include "goim_sigbus.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>


static void
cut_short(fx_t *fx, off_t size)
{
    char  name[GOIM_CHANNEL_PATH_MAX];

    goim_channel_file_name(fx->path, fx->generation, name, sizeof(name));
    assert_int_equal(truncate(name, size), 0);
}


static void
test_sigbus_breaks_a_readers_channel(void **state)
{
    int   i;
    fx_t  fx;

    (void) state;

    for (i = 0; i < 3; i++) {
        fx_start(&fx, 4096);
        assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
        goim_lane_publish(fx.lane);

        cut_short(&fx, i == 0 ? 0 : i == 1 ? 65536 : (off_t) fx.rch->lanes_at);

        assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_AGAIN);
        assert_true(fx.rch->broken);
        assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_AGAIN);
        assert_int_equal(goim_reader_sleep(fx.rd), GOIM_OK);
        goim_reader_wake(fx.rd);
        goim_reader_count(fx.rd, 1, 1);

        fx_stop(&fx);
    }
}


static void
test_sigbus_breaks_a_producers_channel(void **state)
{
    int       i, rc;
    fx_t      fx;
    uint64_t  head;

    (void) state;

    fx_start(&fx, 4096);
    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    head = goim_lane_head(fx.lane);
    assert_non_null(fx_next(&fx, fx.rd));
    assert_true(goim_lane_all_read(fx.lane, head));

    cut_short(&fx, 0);

    for (i = 1, rc = GOIM_OK; i < 100 && rc == GOIM_OK; i++) {
        rc = fx_put(&fx, i, "room", "x");
        goim_lane_publish(fx.lane);
        goim_lane_look(fx.lane, i * 1000);
        goim_lane_tick(fx.lane, i);
    }

    assert_int_equal(rc, GOIM_ERROR);
    assert_true(fx.pch->broken);

    /* nothing may be committed any more */

    assert_false(goim_lane_all_read(fx.lane, head));

    fx_stop(&fx);
}


static void
test_sigbus_leaves_other_channels_alone(void **state)
{
    fx_t  fx, other;

    (void) state;

    fx_start(&fx, 4096);
    fx_start(&other, 4096);
    cut_short(&fx, 0);

    assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_AGAIN);
    assert_true(fx.rch->broken);
    assert_false(other.rch->broken);

    assert_int_equal(fx_put(&other, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(other.lane);
    fx_expect(&other, 0);

    fx_stop(&other);
    fx_stop(&fx);
}


/* An access of somebody else's ends the process as it would without us (cmocka
 * has a handler of its own, which the child takes away first). */

static void
test_sigbus_of_others_goes_its_way(void **state)
{
    int    status;
    char  *p;
    fx_t   fx;
    FILE  *file;
    pid_t  pid;

    (void) state;

    fx_start(&fx, 4096);
    pid = fork();

    if (pid == 0) {
        file = tmpfile();
        p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
        signal(SIGBUS, SIG_DFL);
        (void) fx_open(&fx, GOIM_CHANNEL_LOOK);
        close(STDERR_FILENO);
        _exit(p == MAP_FAILED ? 2 : 3 + (*(volatile char *) p & 1));
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);

    fx_stop(&fx);
}


static void
test_sigbus_guards_a_limited_number(void **state)
{
    int              i;
    fx_t             fx;
    goim_channel_t  *ch[32];

    (void) state;

    fx_folder(&fx);
    fx_make(&fx);

    for (i = 0; i < 32; i++) {
        if (goim_channel_open(fx.path, fx.generation, GOIM_CHANNEL_LOOK,
                              &ch[i], &fx.error)
            != GOIM_OK)
        {
            break;
        }
    }

    assert_int_equal(i, 16);

    while (i-- > 0) {
        goim_channel_close(ch[i]);
    }

    fx.pch = fx_open(&fx, GOIM_CHANNEL_PRODUCER);
    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sigbus_breaks_a_readers_channel),
        cmocka_unit_test(test_sigbus_breaks_a_producers_channel),
        cmocka_unit_test(test_sigbus_leaves_other_channels_alone),
        cmocka_unit_test(test_sigbus_of_others_goes_its_way),
        cmocka_unit_test(test_sigbus_guards_a_limited_number)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
