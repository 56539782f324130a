/*
 * Questions between readers: who knows answers, who does not says so, and
 * nothing else is taken for an answer.
 */

#include "goim_channel_fixture.h"


static fx_t  fx;


typedef struct {
    goim_reader_t   *asker;
    goim_reader_t   *other;
    goim_question_t  q;
    uint8_t          data[GOIM_MAIL_DATA];
    size_t           len;
} ask_t;


static void
ask_start(ask_t *a)
{
    memset(a, 0, sizeof(*a));

    fx_start(&fx, 4096);

    a->asker = fx.rd;
    a->other = fx_reader(&fx);
}


static void
ask_stop(ask_t *a)
{
    goim_reader_close(a->other);
    fx_stop(&fx);
}


static void
ask(ask_t *a, goim_reader_t *rd, const char *question)
{
    assert_int_equal(goim_reader_ask(rd, &a->q, (const uint8_t *) question,
                                     strlen(question)),
                     GOIM_OK);
}


static int
collect(ask_t *a, goim_reader_t *rd)
{
    return goim_reader_collect(rd, &a->q, a->data, &a->len);
}


/* "me" is what it knows. */
static size_t
knows_me(const uint8_t *question, size_t len, uint8_t *answer)
{
    if (len != 2 || memcmp(question, "me", 2) != 0) {
        return 0;
    }

    memcpy(answer, "here", 4);

    return 4;
}


static size_t
knows_nothing(const uint8_t *question, size_t len, uint8_t *answer)
{
    (void) question;
    (void) len;
    (void) answer;

    return 0;
}


static int
pipe_has_a_byte(goim_reader_t *rd)
{
    char  c;

    return read(rd->pipe_fd, &c, 1) == 1;
}


static void
test_ask_gets_the_answer_of_who_knows(void **state)
{
    ask_t           a;
    goim_reader_t  *third;

    (void) state;

    ask_start(&a);
    third = fx_reader(&fx);

    assert_false(goim_reader_is_asked(a.other));
    ask(&a, a.asker, "me");

    assert_true(pipe_has_a_byte(a.other));
    assert_true(pipe_has_a_byte(third));
    assert_true(goim_reader_is_asked(a.other));
    assert_false(goim_reader_is_asked(a.other));

    goim_reader_answer(third, knows_nothing);
    assert_true(pipe_has_a_byte(a.asker));
    assert_int_equal(collect(&a, a.asker), GOIM_AGAIN);

    goim_reader_answer(a.other, knows_me);
    assert_true(pipe_has_a_byte(a.asker));
    assert_int_equal(collect(&a, a.asker), GOIM_OK);
    assert_int_equal(a.len, 4);
    assert_memory_equal(a.data, "here", 4);

    goim_reader_close(third);
    ask_stop(&a);
}


static void
test_ask_ends_when_all_have_looked_and_nobody_knows(void **state)
{
    ask_t  a;

    (void) state;

    ask_start(&a);

    ask(&a, a.asker, "you");
    assert_int_equal(collect(&a, a.asker), GOIM_AGAIN);
    goim_reader_answer(a.other, knows_me);
    assert_int_equal(collect(&a, a.asker), GOIM_INVALID);

    /* and at once if there is nobody */

    goim_reader_close(a.other);
    ask(&a, a.asker, "me");
    assert_int_equal(collect(&a, a.asker), GOIM_INVALID);

    a.other = fx_reader(&fx);
    ask_stop(&a);
}


static void
test_ask_takes_no_older_answer_for_its_own(void **state)
{
    ask_t  a;

    (void) state;

    ask_start(&a);

    ask(&a, a.asker, "me");
    goim_reader_answer(a.other, knows_me);
    assert_int_equal(collect(&a, a.asker), GOIM_OK);
    goim_reader_withdraw(a.asker, &a.q);

    /* a question that was withdrawn is not answered any more */

    pipe_has_a_byte(a.asker);
    goim_reader_answer(a.other, knows_me);
    assert_false(pipe_has_a_byte(a.asker));

    ask(&a, a.asker, "you");
    assert_int_equal(collect(&a, a.asker), GOIM_AGAIN);
    goim_reader_answer(a.other, knows_me);
    assert_int_equal(collect(&a, a.asker), GOIM_INVALID);

    /* nor does the slot's next owner, with the same question */

    ask(&a, a.asker, "me");
    goim_reader_answer(a.other, knows_me);

    goim_reader_close(fx.rd);
    fx.rd = a.asker = fx_reader(&fx);

    ask(&a, a.asker, "me");
    assert_int_equal(collect(&a, a.asker), GOIM_AGAIN);

    ask_stop(&a);
}


static void
test_ask_is_told_when_its_answer_was_replaced(void **state)
{
    ask_t            a;
    goim_reader_t   *third;
    goim_question_t  first;

    (void) state;

    ask_start(&a);
    third = fx_reader(&fx);

    ask(&a, a.asker, "me");
    first = a.q;
    ask(&a, third, "me");
    goim_reader_answer(a.other, knows_me);
    goim_reader_answer(a.asker, knows_nothing);
    goim_reader_answer(third, knows_nothing);

    assert_int_equal(collect(&a, third), GOIM_OK);

    a.q = first;
    assert_int_equal(collect(&a, a.asker), GOIM_FULL);

    goim_reader_withdraw(third, &a.q);
    ask(&a, a.asker, "me");
    goim_reader_answer(a.other, knows_me);
    assert_int_equal(collect(&a, a.asker), GOIM_OK);

    goim_reader_close(third);
    ask_stop(&a);
}


static void
test_ask_refuses_an_answer_that_is_being_written(void **state)
{
    ask_t                  a;
    goim_channel_board_t  *board;

    (void) state;

    ask_start(&a);

    ask(&a, a.asker, "me");
    goim_reader_answer(a.other, knows_me);

    board = goim_reader_board(a.other);
    atomic_fetch_add(&board->answer.seq, 1);
    assert_int_equal(collect(&a, a.asker), GOIM_FULL);

    atomic_fetch_add(&board->answer.seq, 1);
    atomic_store(&board->answer.len, GOIM_MAIL_DATA + 1);
    assert_int_equal(collect(&a, a.asker), GOIM_FULL);

    ask_stop(&a);
}


static void
test_ask_counts_those_without_a_board(void **state)
{
    ask_t           a;
    uint32_t        i;
    goim_reader_t  *rd[GOIM_CHANNEL_ROOM_SLOTS];

    (void) state;

    ask_start(&a);

    for (i = 0; i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        rd[i] = fx_reader(&fx);
    }

    ask(&a, a.asker, "me");
    assert_int_equal(a.q.deaf, 2);

    i = GOIM_CHANNEL_ROOM_SLOTS - 1;
    assert_true(rd[i]->index >= GOIM_CHANNEL_ROOM_SLOTS);
    assert_int_equal(goim_reader_ask(rd[i], &a.q, (const uint8_t *) "me", 2),
                     GOIM_FULL);
    goim_reader_answer(rd[i], knows_me);

    for (i = 0; i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        goim_reader_close(rd[i]);
    }

    ask_stop(&a);
}


static void
test_class_is_named_as_far_as_there_is_room(void **state)
{
    char                   name[2 * GOIM_BOARD_NAME];
    ask_t                  a;
    goim_channel_board_t  *board;

    (void) state;

    ask_start(&a);
    board = goim_reader_board(a.asker);
    memset(name, 'n', sizeof(name));

    assert_ptr_equal(goim_reader_set_class(a.asker, 0, "a", 1),
                     board->classes[0].counters);
    assert_string_equal(board->classes[0].name, "a");

    assert_non_null(goim_reader_set_class(a.asker, GOIM_BOARD_CLASSES - 1,
                                          name, sizeof(name)));
    assert_int_equal(strlen(board->classes[GOIM_BOARD_CLASSES - 1].name),
                     GOIM_BOARD_NAME - 1);

    assert_null(goim_reader_set_class(a.asker, GOIM_BOARD_CLASSES, "a", 1));
    assert_null(goim_reader_set_class(a.asker, 1, "", 0));

    ask_stop(&a);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ask_gets_the_answer_of_who_knows),
        cmocka_unit_test(test_ask_ends_when_all_have_looked_and_nobody_knows),
        cmocka_unit_test(test_ask_takes_no_older_answer_for_its_own),
        cmocka_unit_test(test_ask_is_told_when_its_answer_was_replaced),
        cmocka_unit_test(test_ask_refuses_an_answer_that_is_being_written),
        cmocka_unit_test(test_ask_counts_those_without_a_board),
        cmocka_unit_test(test_class_is_named_as_far_as_there_is_room)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
