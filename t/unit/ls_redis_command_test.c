/*
 * Commands for Redis: the bytes that go over the wire, and growing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ls_redis_command.h"


static void
assert_wire(ls_redis_command_t *cmd, const char *expected)
{
    goim_str_t  wire;

    assert_int_equal(ls_redis_command_wire(cmd, &wire), GOIM_OK);
    assert_int_equal(wire.len, strlen(expected));
    assert_memory_equal(wire.data, expected, wire.len);
}


static void
test_command_is_an_array_of_strings(void **state)
{
    ls_redis_command_t  cmd = { 0 };

    (void) state;

    ls_redis_command_text(&cmd, "SET");
    ls_redis_command_join(&cmd, "key_", "k1", 2);
    ls_redis_command_add(&cmd, "", 0);
    ls_redis_command_number(&cmd, INT64_MIN);
    ls_redis_command_unsigned(&cmd, UINT64_MAX);

    assert_wire(&cmd, "*5\r\n$3\r\nSET\r\n$6\r\nkey_k1\r\n$0\r\n\r\n"
                      "$20\r\n-9223372036854775808\r\n"
                      "$20\r\n18446744073709551615\r\n");

    /* the same again, then another */

    assert_wire(&cmd, "*5\r\n$3\r\nSET\r\n$6\r\nkey_k1\r\n$0\r\n\r\n"
                      "$20\r\n-9223372036854775808\r\n"
                      "$20\r\n18446744073709551615\r\n");

    ls_redis_command_reset(&cmd);
    ls_redis_command_text(&cmd, "PING");
    assert_wire(&cmd, "*1\r\n$4\r\nPING\r\n");

    ls_redis_command_done(&cmd);
}


static void
test_command_without_arguments_is_none(void **state)
{
    goim_str_t          wire;
    ls_redis_command_t  cmd = { 0 };

    (void) state;

    assert_int_equal(ls_redis_command_wire(&cmd, &wire), GOIM_NOMEM);
    ls_redis_command_done(&cmd);
}


static void
test_command_grows_with_its_arguments(void **state)
{
    size_t              i, len;
    goim_str_t          wire;
    static char         big[100000];
    ls_redis_command_t  cmd = { 0 };

    (void) state;

    memset(big, 'x', sizeof(big));

    len = strlen("*301\r\n");

    for (i = 0; i <= 300; i++) {
        ls_redis_command_add(&cmd, big, i * 333);
        len += snprintf(NULL, 0, "$%zu\r\n\r\n", i * 333) + i * 333;
    }

    assert_int_equal(ls_redis_command_wire(&cmd, &wire), GOIM_OK);
    assert_int_equal(wire.len, len);
    assert_memory_equal(wire.data, "*301\r\n$0\r\n\r\n$333\r\nx", 19);
    assert_memory_equal(wire.data + wire.len - 4, "xx\r\n", 4);

    ls_redis_command_done(&cmd);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_command_is_an_array_of_strings),
        cmocka_unit_test(test_command_without_arguments_is_none),
        cmocka_unit_test(test_command_grows_with_its_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
