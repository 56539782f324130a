/*
 * Boards: texts that others read whole or not at all.
 */

#include "goim_channel_fixture.h"

#include <signal.h>
#include <sys/wait.h>


static void
test_mail_is_read_as_it_was_written(void **state)
{
    fx_t                   fx;
    size_t                 len;
    uint8_t                data[GOIM_MAIL_DATA], text[GOIM_MAIL_DATA + 1];
    uint64_t               seq, last, about;
    goim_channel_board_t  *board;

    (void) state;

    fx_start(&fx, 4096);
    board = goim_reader_board(fx.rd);
    assert_non_null(board);

    memset(text, 'x', sizeof(text));

    assert_int_equal(goim_mail_read(&board->answer, &last, &about, data, &len),
                     GOIM_OK);
    assert_int_equal(len, 0);

    goim_mail_write(&board->answer, 7, text, 3);
    assert_int_equal(goim_mail_read(&board->answer, &seq, &about, data, &len),
                     GOIM_OK);
    assert_true(seq > last);
    assert_int_equal(about, 7);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "xxx", 3);

    goim_mail_write(&board->answer, 8, text, sizeof(text));
    assert_int_equal(goim_mail_read(&board->answer, &seq, &about, data, &len),
                     GOIM_OK);
    assert_int_equal(len, GOIM_MAIL_DATA);

    fx_stop(&fx);
}


static void
test_mail_of_a_writer_that_died_is_not_read(void **state)
{
    fx_t                   fx;
    size_t                 len;
    uint8_t                data[GOIM_MAIL_DATA];
    uint64_t               seq, about;
    goim_channel_board_t  *board;

    (void) state;

    fx_start(&fx, 4096);
    board = goim_reader_board(fx.rd);

    atomic_fetch_add(&board->question.seq, 1);
    assert_int_equal(goim_mail_read(&board->question, &seq, &about, data,
                                    &len),
                     GOIM_AGAIN);

    goim_mail_write(&board->question, 1, (const uint8_t *) "a", 1);
    assert_int_equal(goim_mail_read(&board->question, &seq, &about, data,
                                    &len),
                     GOIM_OK);
    assert_int_equal(len, 1);

    fx_stop(&fx);
}


static void
test_mail_with_a_length_that_lies_is_not_read(void **state)
{
    fx_t                   fx;
    size_t                 len;
    uint8_t                data[GOIM_MAIL_DATA];
    uint64_t               seq, about;
    goim_channel_board_t  *board;

    (void) state;

    fx_start(&fx, 4096);
    board = goim_reader_board(fx.rd);

    atomic_store(&board->answer.len, GOIM_MAIL_DATA + 1);
    assert_int_equal(goim_mail_read(&board->answer, &seq, &about, data, &len),
                     GOIM_AGAIN);

    fx_stop(&fx);
}


/* Another process writes texts of one letter each, as long as it can. */
static void
write_letters(goim_channel_mail_t *mail)
{
    size_t   n;
    uint8_t  text[GOIM_MAIL_DATA];

    for (n = 0;; n++) {
        memset(text, 'a' + n % 26, sizeof(text));
        goim_mail_write(mail, 'a' + n % 26, text, 1 + n % sizeof(text));
    }
}


static void
test_mail_is_never_torn(void **state)
{
    fx_t                   fx;
    int                    read;
    pid_t                  pid;
    size_t                 i, len;
    uint8_t                data[GOIM_MAIL_DATA];
    uint64_t               seq, about;
    goim_channel_board_t  *board;

    (void) state;

    fx_start(&fx, 4096);
    board = goim_reader_board(fx.rd);

    pid = fork();
    assert_true(pid != -1);

    if (pid == 0) {
        write_letters(&board->answer);
    }

    for (read = 0; read < 20000; /* void */) {

        if (goim_mail_read(&board->answer, &seq, &about, data, &len)
            != GOIM_OK)
        {
            continue;
        }

        for (i = 0; i < len; i++) {
            assert_int_equal(data[i], about);
        }

        read++;
    }

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    fx_stop(&fx);
}


static void
test_board_is_empty_for_its_next_owner(void **state)
{
    fx_t                   fx;
    size_t                 len;
    uint8_t                data[GOIM_MAIL_DATA];
    uint32_t               index;
    uint64_t               seq, about;
    goim_reader_t         *rd;
    goim_channel_board_t  *board;

    (void) state;

    fx_start(&fx, 4096);
    rd = fx_reader(&fx);
    index = rd->index;
    board = goim_reader_board(rd);

    strcpy(board->classes[0].name, "live://*");
    atomic_store(&board->classes[0].counters[0], 9);
    goim_mail_write(&board->question, 3, (const uint8_t *) "key", 3);

    goim_reader_close(rd);
    rd = fx_reader(&fx);
    assert_int_equal(rd->index, index);

    board = goim_reader_board(rd);
    assert_int_equal(board->classes[0].name[0], 0);
    assert_int_equal(atomic_load(&board->classes[0].counters[0]), 0);
    assert_int_equal(goim_mail_read(&board->question, &seq, &about, data,
                                    &len),
                     GOIM_OK);
    assert_int_equal(len, 0);

    goim_reader_close(rd);
    fx_stop(&fx);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_mail_is_read_as_it_was_written),
        cmocka_unit_test(test_mail_of_a_writer_that_died_is_not_read),
        cmocka_unit_test(test_mail_with_a_length_that_lies_is_not_read),
        cmocka_unit_test(test_mail_is_never_torn),
        cmocka_unit_test(test_board_is_empty_for_its_next_owner)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
