/*
 * Addresses of Redis servers: every form, and what is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ls_redis_address.h"


static ls_redis_address_t  list[LS_REDIS_SERVERS];


static void
test_address_list_takes_every_form(void **state)
{
    unsigned  n;

    (void) state;

    assert_null(ls_redis_address_list(
        "127.0.0.1:6380,redis.example, [::1]:6381 ,[fe80::1],unix:/run/r.sock",
        list, &n));
    assert_int_equal(n, 5);

    assert_string_equal(list[0].host, "127.0.0.1");
    assert_int_equal(list[0].port, 6380);
    assert_string_equal(list[0].name, "127.0.0.1:6380");
    assert_string_equal(list[1].host, "redis.example");
    assert_int_equal(list[1].port, 6379);
    assert_string_equal(list[1].name, "redis.example:6379");
    assert_string_equal(list[2].host, "::1");
    assert_int_equal(list[2].port, 6381);
    assert_string_equal(list[2].name, "[::1]:6381");
    assert_string_equal(list[3].host, "fe80::1");
    assert_int_equal(list[3].port, 6379);
    assert_string_equal(list[4].host, "/run/r.sock");
    assert_int_equal(list[4].port, 0);
    assert_string_equal(list[4].name, "unix:/run/r.sock");
}


static void
test_address_tells_names_from_numbers(void **state)
{
    unsigned  i, n;

    (void) state;

    assert_null(ls_redis_address_list("127.0.0.1,[::1]:1,unix:/a,localhost",
                                      list, &n));

    for (i = 0; i < n; i++) {
        assert_int_equal(ls_redis_address_is_numeric(&list[i]), i < 3);
    }
}


static void
test_address_list_refuses_what_is_none(void **state)
{
    size_t    i;
    unsigned  n;

    static const char *const  wrong[] = {
        "", " ", ",", "a,", ",a", "a,,b", ":6379", "a:", "a:0", "a:65536",
        "a:99999999999999999999", "a:1x", "a:-1", "a: 1", "a:+1", "a b:1",
        "::1", "[::1", "[::1]1", "[]:1", "[::1]:", "[a]:1", "unix:",
        "unix:relative"
    };

    (void) state;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {

        if (ls_redis_address_list(wrong[i], list, &n) == NULL) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
    }
}


static void
test_address_list_keeps_its_limits(void **state)
{
    char      text[1024];
    unsigned  i, n;

    (void) state;

    /* a name */

    memset(text, 'a', sizeof(text));
    text[LS_REDIS_HOST] = '\0';
    assert_null(ls_redis_address_list(text, list, &n));

    text[LS_REDIS_HOST] = 'a';
    text[LS_REDIS_HOST + 1] = '\0';
    assert_non_null(ls_redis_address_list(text, list, &n));

    /* a path */

    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:/", 6);
    text[5 + LS_REDIS_PATH] = '\0';
    assert_null(ls_redis_address_list(text, list, &n));
    assert_int_equal(strlen(list[0].name), 5 + LS_REDIS_PATH);

    text[5 + LS_REDIS_PATH] = 'a';
    text[5 + LS_REDIS_PATH + 1] = '\0';
    assert_non_null(ls_redis_address_list(text, list, &n));

    /* how many */

    for (i = 0; i < LS_REDIS_SERVERS; i++) {
        memcpy(text + 2 * i, "a,", 2);
    }

    text[2 * LS_REDIS_SERVERS - 1] = '\0';
    assert_null(ls_redis_address_list(text, list, &n));
    assert_int_equal(n, LS_REDIS_SERVERS);

    strcpy(text + 2 * LS_REDIS_SERVERS - 1, ",a");
    assert_non_null(ls_redis_address_list(text, list, &n));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_address_list_takes_every_form),
        cmocka_unit_test(test_address_tells_names_from_numbers),
        cmocka_unit_test(test_address_list_refuses_what_is_none),
        cmocka_unit_test(test_address_list_keeps_its_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
