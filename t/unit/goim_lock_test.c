/*
 * Locks on single bytes: they belong to a description, stand beyond the file's
 * end, and end with their process.
 */

#include "goim_channel_fixture.h"
#include "goim_lock.h"

#include <signal.h>
#include <sys/wait.h>


static void
make_file(fx_t *fx)
{
    int  fd;

    fx_folder(fx);
    fd = open(fx->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}


static void
test_lock_has_one_holder_per_byte(void **state)
{
    int   a, b;
    fx_t  fx;

    (void) state;

    make_file(&fx);
    a = goim_lock_open(fx.path);
    b = goim_lock_open(fx.path);
    assert_true(a >= 0 && b >= 0);
    assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);

    assert_int_equal(goim_lock_try(a, 1000), GOIM_OK);
    assert_int_equal(goim_lock_try(a, 1000), GOIM_OK);
    assert_int_equal(goim_lock_try(b, 1000), GOIM_AGAIN);
    assert_int_equal(goim_lock_try(b, 1001), GOIM_OK);
    assert_int_equal(goim_lock_try(b, 999), GOIM_OK);

    assert_true(goim_lock_is_held(b, 1000));
    assert_false(goim_lock_is_held(a, 1000));
    assert_false(goim_lock_is_held(b, 998));

    /* only its holder ends it */

    goim_lock_release(b, 1000);
    assert_true(goim_lock_is_held(b, 1000));
    goim_lock_release(b, 999);
    assert_false(goim_lock_is_held(a, 999));
    assert_true(goim_lock_is_held(a, 1001));

    /* closing another descriptor of the file takes nothing away */

    close(goim_lock_open(fx.path));
    assert_int_equal(goim_lock_try(b, 1000), GOIM_AGAIN);
    close(a);
    assert_false(goim_lock_is_held(b, 1000));
    close(b);

    fx_stop(&fx);
}


static void
test_lock_of_a_range_is_whole_or_not_at_all(void **state)
{
    int   a, b;
    fx_t  fx;

    (void) state;

    make_file(&fx);
    a = goim_lock_open(fx.path);
    b = goim_lock_open(fx.path);

    assert_int_equal(goim_lock_try(a, 15), GOIM_OK);
    assert_int_equal(goim_lock_try_range(b, 10, 10), GOIM_AGAIN);
    assert_false(goim_lock_is_held(a, 10));
    assert_int_equal(goim_lock_try_range(b, 10, 5), GOIM_OK);
    assert_true(goim_lock_is_held(a, 14));
    close(a);
    close(b);

    fx_stop(&fx);
}


static void
test_lock_ends_with_its_process(void **state)
{
    int    fd;
    char   byte;
    int    pipes[2];
    fx_t   fx;
    pid_t  pid;

    (void) state;

    make_file(&fx);
    assert_int_equal(pipe(pipes), 0);
    pid = fork();

    if (pid == 0) {
        fd = goim_lock_open(fx.path);

        if (goim_lock_try(fd, 7) == GOIM_OK && write(pipes[1], "", 1) == 1) {
            pause();
        }

        _exit(1);
    }

    assert_int_equal(read(pipes[0], &byte, 1), 1);
    fd = goim_lock_open(fx.path);
    assert_true(goim_lock_is_held(fd, 7));
    assert_int_equal(goim_lock_try(fd, 7), GOIM_AGAIN);

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(goim_lock_is_held(fd, 7));
    assert_int_equal(goim_lock_try(fd, 7), GOIM_OK);

    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    fx_stop(&fx);
}


static void
test_lock_says_held_when_it_cannot_tell(void **state)
{
    (void) state;

    assert_true(goim_lock_is_held(-1, 0));
    assert_int_equal(goim_lock_try(-1, 0), GOIM_ERROR);
    assert_int_equal(goim_lock_open("/nonexistent/file"), GOIM_ERROR);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_lock_has_one_holder_per_byte),
        cmocka_unit_test(test_lock_of_a_range_is_whole_or_not_at_all),
        cmocka_unit_test(test_lock_ends_with_its_process),
        cmocka_unit_test(test_lock_says_held_when_it_cannot_tell)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
