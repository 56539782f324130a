/*
 * Queries: taken apart as goim does, numbers with its rules.
 */

#include "ls_faults.h"

#include "ls_query.h"


static const char *
get(const ls_query_t *query, const char *name)
{
    goim_str_t  value;

    value = ls_query_get(query, name);

    if (value.data) {
        assert_int_equal(value.data[value.len], '\0');
    }

    return (const char *) value.data;
}


static void
test_query_has_the_first_value_of_a_name(void **state)
{
    ls_query_t  query;

    (void) state;

    assert_int_equal(ls_query_parse(&query, "a=1&b=2&a=3&c&d=&=e&f=x=y"),
                     GOIM_OK);

    assert_string_equal(get(&query, "a"), "1");
    assert_string_equal(get(&query, "b"), "2");
    assert_string_equal(get(&query, "c"), "");
    assert_string_equal(get(&query, "d"), "");
    assert_string_equal(get(&query, ""), "e");
    assert_string_equal(get(&query, "f"), "x=y");
    assert_null(get(&query, "A"));
    assert_null(get(&query, "aa"));

    ls_query_done(&query);
    ls_query_done(&query);
}


static void
test_query_may_be_empty(void **state)
{
    size_t       i, n;
    goim_str_t  *values;
    ls_query_t   query;

    static const char *const  texts[] = { NULL, "", "&", "&&&", "=", "&=&" };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(ls_query_parse(&query, texts[i]), GOIM_OK);
        assert_int_equal(query.n, 0);
        assert_null(get(&query, "a"));
        assert_null(get(&query, ""));

        assert_int_equal(ls_query_list(&query, "a", &values, &n), GOIM_OK);
        assert_int_equal(n, 0);
        assert_null(values);

        ls_query_done(&query);
    }
}


static void
test_query_decodes_names_and_values(void **state)
{
    goim_str_t  value;
    ls_query_t  query;

    (void) state;

    assert_int_equal(ls_query_parse(&query, "%61%3D=%26+%2b%C3%a4&n=a%00b"),
                     GOIM_OK);
    assert_string_equal(get(&query, "a="), "& +\xc3\xa4");

    value = ls_query_get(&query, "n");
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 4);

    ls_query_done(&query);
}


static void
test_query_leaves_out_pairs_with_a_broken_encoding(void **state)
{
    size_t      i;
    char        text[64];
    ls_query_t  query;

    static const char *const  broken[] = {
        "%", "%4", "%g1", "%1g", "x%", "%%41", "%-1", "% 1", "%\x10\x11",
        "%/1", "%:1", "%@1", "%G1", "%`1",
    };

    (void) state;

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        (void) snprintf(text, sizeof(text), "a=%s&%s=1&a=2", broken[i],
                        broken[i]);
        assert_int_equal(ls_query_parse(&query, text), GOIM_OK);
        assert_int_equal(query.n, 1);
        assert_string_equal(get(&query, "a"), "2");
        ls_query_done(&query);
    }
}


static void
test_query_lists_all_values_of_a_name(void **state)
{
    size_t       n;
    goim_str_t  *values;
    ls_query_t   query;

    (void) state;

    assert_int_equal(ls_query_parse(&query, "k=1&x=2&k=&k=%33&kk=4"), GOIM_OK);
    assert_int_equal(ls_query_list(&query, "k", &values, &n), GOIM_OK);

    assert_int_equal(n, 3);
    assert_string_equal((const char *) values[0].data, "1");
    assert_string_equal((const char *) values[1].data, "");
    assert_string_equal((const char *) values[2].data, "3");
    free(values);

    assert_int_equal(ls_query_list(&query, "none", &values, &n), GOIM_OK);
    assert_int_equal(n, 0);
    assert_null(values);

    ls_query_done(&query);
}


static void
test_query_may_end_anywhere(void **state)
{
    char       *copy;
    size_t      len, i;
    ls_query_t  query;

    static const char  text[] = "ab=%41%4a&ab&=c&d=%zz&%65=+%2b&&k=1";

    (void) state;

    for (len = 0; len < sizeof(text); len++) {
        copy = __real_strndup(text, len);
        assert_non_null(copy);

        assert_int_equal(ls_query_parse(&query, copy), GOIM_OK);
        memset(copy, 'X', len);
        free(copy);

        for (i = 0; i < query.n; i++) {
            assert_int_equal(query.pairs[i].value.data
                                 [query.pairs[i].value.len], 0);
        }

        ls_query_done(&query);
    }
}


static int
number(const char *text, int64_t min, int64_t max, int64_t *n)
{
    goim_str_t  value = { (const uint8_t *) text, text ? strlen(text) : 0 };

    return ls_query_number(&value, min, max, n);
}


static void
test_query_numbers_are_decimal(void **state)
{
    size_t   i;
    int64_t  n;

    static const struct {
        const char  *text;
        int64_t      n;
    } good[] = {
        { NULL, 0 }, { "", 0 }, { "0", 0 }, { "-0", 0 }, { "7", 7 },
        { "+7", 7 }, { "-7", -7 }, { "007", 7 },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775808", INT64_MIN },
    };

    static const char *const  bad[] = {
        " 7", "7 ", "7x", "x", "-", "+", "+-7", "--7", "++7", "7-", "7+",
        "1e3", "0x10", "1.0", "1,2", "\t7", "9223372036854775808",
        "-9223372036854775809", "99999999999999999999999999",
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        n = 99;
        assert_int_equal(number(good[i].text, INT64_MIN, INT64_MAX, &n),
                         GOIM_OK);
        assert_true(n == good[i].n);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (number(bad[i], INT64_MIN, INT64_MAX, &n) != GOIM_INVALID) {
            fail_msg("\"%s\" is not refused", bad[i]);
        }
    }
}


static void
test_query_numbers_have_limits(void **state)
{
    int64_t     n;
    goim_str_t  value = { (const uint8_t *) "7\0" "8", 3 };

    (void) state;

    assert_int_equal(number("4", 5, 7, &n), GOIM_INVALID);
    assert_int_equal(number("5", 5, 7, &n), GOIM_OK);
    assert_int_equal(number("7", 5, 7, &n), GOIM_OK);
    assert_int_equal(number("8", 5, 7, &n), GOIM_INVALID);
    assert_int_equal(number("2147483647", INT32_MIN, INT32_MAX, &n), GOIM_OK);
    assert_int_equal(number("2147483648", INT32_MIN, INT32_MAX, &n),
                     GOIM_INVALID);
    assert_int_equal(number("-2147483648", INT32_MIN, INT32_MAX, &n), GOIM_OK);
    assert_int_equal(number("-2147483649", INT32_MIN, INT32_MAX, &n),
                     GOIM_INVALID);

    /* nothing is 0, whatever the limits are */

    assert_int_equal(number("", 5, 7, &n), GOIM_OK);
    assert_int_equal(n, 0);

    assert_int_equal(ls_query_number(&value, 0, 9, &n), GOIM_INVALID);
}


static void
test_query_without_memory_says_so(void **state)
{
    int          at;
    size_t       n;
    goim_str_t  *values;
    ls_query_t   query;

    (void) state;

    for (at = 1; at <= 2; at++) {
        fail_at = at;
        assert_int_equal(ls_query_parse(&query, "a=1"), GOIM_NOMEM);
        assert_null(query.memory);
        assert_null(query.pairs);
    }

    fail_at = 0;
    assert_int_equal(ls_query_parse(&query, "a=1"), GOIM_OK);

    fail_at = 1;
    assert_int_equal(ls_query_list(&query, "a", &values, &n), GOIM_NOMEM);
    assert_null(values);
    assert_int_equal(n, 0);

    ls_query_done(&query);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_query_has_the_first_value_of_a_name),
        cmocka_unit_test(test_query_may_be_empty),
        cmocka_unit_test(test_query_decodes_names_and_values),
        cmocka_unit_test(test_query_leaves_out_pairs_with_a_broken_encoding),
        cmocka_unit_test(test_query_lists_all_values_of_a_name),
        cmocka_unit_test(test_query_may_end_anywhere),
        cmocka_unit_test(test_query_numbers_are_decimal),
        cmocka_unit_test(test_query_numbers_have_limits),
        cmocka_unit_test(test_query_without_memory_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
