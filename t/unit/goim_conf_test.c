/*
 * What the daemons' settings are made of: numbers, times, sizes, and where in
 * a file a mistake is.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "goim_conf.h"


#define YEARS_MS  (1000ULL * 366 * 24 * 3600 * 1000)  /* a thousand */


static void
test_conf_times_have_units(void **state)
{
    size_t    i;
    uint64_t  ms;

    static const struct {
        const char  *value;
        uint64_t     ms;
    } good[] = {
        { "0", 0 }, { "0ms", 0 }, { "7", 7000 }, { "007", 7000 },
        { "7ms", 7 }, { "7s", 7000 }, { "7m", 420000 }, { "7h", 25200000 },
        { "31622400000000ms", YEARS_MS }, { "31622400000", YEARS_MS },
        { "31622400000s", YEARS_MS }, { "527040000m", YEARS_MS },
        { "8784000h", YEARS_MS },
    };

    static const char *const  bad[] = {
        "", "s", "ms", "-1", "-1s", "+1", " 1", "1 ", "1 s", "1S", "1M", "1H",
        "1MS", "1d", "1w", "1mss", "1sm", "1h30m", "1.5h", "0x10", "1e3",
        "31622400000001ms", "31622400001", "527040001m", "8784001h",
        "18446744073709551615", "18446744073709551616", "18446744073709552h",
        "99999999999999999999999ms",
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ms = 99;
        assert_int_equal(goim_conf_time(good[i].value, &ms), GOIM_OK);
        assert_true(ms == good[i].ms);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ms = 99;

        if (goim_conf_time(bad[i], &ms) != GOIM_INVALID || ms != 99) {
            fail_msg("\"%s\" is not refused", bad[i]);
        }
    }
}


static void
test_conf_sizes_have_units(void **state)
{
    size_t    i;
    uint64_t  bytes;

    static const struct {
        const char  *value;
        uint64_t     bytes;
    } good[] = {
        { "0", 0 }, { "7", 7 }, { "7k", 7168 }, { "7K", 7168 },
        { "7m", 7340032 }, { "7M", 7340032 },
        { "9223372036854775807", INT64_MAX },
        { "9007199254740991k", 9223372036854774784ULL },
        { "8796093022207m", 9223372036853727232ULL },
    };

    static const char *const  bad[] = {
        "", "k", "-1", "+1", " 1", "1 ", "1 k", "1kb", "1b", "1g", "1G",
        "1.5m", "0x10", "9223372036854775808", "9007199254740992k",
        "8796093022208m", "18446744073709551616", "17592186044416m",
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        bytes = 99;
        assert_int_equal(goim_conf_size(good[i].value, &bytes), GOIM_OK);
        assert_true(bytes == good[i].bytes);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bytes = 99;

        if (goim_conf_size(bad[i], &bytes) != GOIM_INVALID || bytes != 99) {
            fail_msg("\"%s\" is not refused", bad[i]);
        }
    }
}


static void
test_conf_numbers_are_decimal_and_within_limits(void **state)
{
    size_t   i;
    int64_t  n;

    static const struct {
        const char  *value;
        int64_t      n;
    } good[] = {
        { "0", 0 }, { "-0", 0 }, { "7", 7 }, { "-7", -7 }, { "007", 7 },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775808", INT64_MIN },
    };

    static const char *const  bad[] = {
        "", "-", "--1", "-+1", "+1", " 1", "1 ", "- 1", "1x", "x", "0x10",
        "1.0", "1e3", "1k", "9223372036854775808", "-9223372036854775809",
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        n = 99;
        assert_int_equal(goim_conf_number(good[i].value, INT64_MIN, INT64_MAX,
                                          &n),
                         GOIM_OK);
        assert_true(n == good[i].n);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        n = 99;

        if (goim_conf_number(bad[i], INT64_MIN, INT64_MAX, &n) != GOIM_INVALID
            || n != 99)
        {
            fail_msg("\"%s\" is not refused", bad[i]);
        }
    }

    assert_int_equal(goim_conf_number("-6", -5, 5, &n), GOIM_INVALID);
    assert_int_equal(goim_conf_number("-5", -5, 5, &n), GOIM_OK);
    assert_int_equal(goim_conf_number("5", -5, 5, &n), GOIM_OK);
    assert_int_equal(goim_conf_number("6", -5, 5, &n), GOIM_INVALID);
}


static void
test_conf_control_characters_are_seen(void **state)
{
    (void) state;

    assert_false(goim_conf_has_control(""));
    assert_false(goim_conf_has_control("a b~\xc3\xa4\xff"));
    assert_true(goim_conf_has_control("a\tb"));
    assert_true(goim_conf_has_control("\x7f"));
    assert_true(goim_conf_has_control("a\x01"));
}


static void
test_conf_strings_are_replaced(void **state)
{
    char  *field = NULL;

    (void) state;

    assert_null(goim_conf_set_string(&field, "one"));
    assert_string_equal(field, "one");
    assert_null(goim_conf_set_string(&field, "two"));
    assert_string_equal(field, "two");
    assert_null(goim_conf_set_string(&field, field));
    assert_string_equal(field, "two");

    free(field);
}


/* --- files: two settings of our own */

typedef struct {
    char  *one;
    int    completed;
    char   others[256];
} conf_t;


/* What was logged while the last file was read. */
static char  logged[65536];


static const char *
set_one(void *data, const char *value)
{
    if (strcmp(value, "bad") == 0) {
        return "it must be good";
    }

    return goim_conf_set_string(&((conf_t *) data)->one, value);
}


static int
take_other(goim_conf_reader_t *rd, void *data, const char *section,
    const char *name, const char *value)
{
    conf_t  *conf = data;

    if (strcmp(section, "b") != 0) {
        return 0;
    }

    if (strcmp(value, "bad") == 0) {
        goim_conf_error(rd, goim_conf_line(rd), "other %s", name);
    }

    strcat(conf->others, name);

    return 1;
}


static void
complete(goim_conf_reader_t *rd, void *data)
{
    conf_t  *conf = data;

    conf->completed++;

    if (conf->one == NULL && goim_conf_errors(rd) == 0) {
        goim_conf_error(rd, 0, "one is missing");
    }
}


static const goim_conf_setting_t  settings[] = {
    goim_conf_custom("a", "one", set_one),
};

static const goim_conf_schema_t  schema = {
    settings, 1, "[a] or [b]", take_other, complete
};


static int
read_bytes(conf_t *conf, const char *text, size_t len)
{
    int         fd, rc;
    char        name[] = "/tmp/goim_conf_test.XXXXXX";
    FILE       *out;
    ssize_t     n;
    goim_log_t  log;

    memset(conf, 0, sizeof(conf_t));

    fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t) len);
    close(fd);

    out = tmpfile();
    assert_non_null(out);

    log.fd = fileno(out);
    log.level = GOIM_LOG_DEBUG;
    log.actor = "test";

    rc = goim_conf_read(&schema, name, conf, &log);

    n = pread(log.fd, logged, sizeof(logged) - 1, 0);
    assert_true(n >= 0);
    logged[n] = '\0';

    fclose(out);
    unlink(name);
    assert_int_equal(conf->completed, 1);

    return rc;
}


static void
assert_told(const char *text, size_t len, const char *what)
{
    conf_t  conf;

    assert_int_equal(read_bytes(&conf, text, len), GOIM_INVALID);
    free(conf.one);

    if (strstr(logged, what) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", what, logged);
    }
}


#define told(text, what)  assert_told(text, sizeof(text) - 1, what)


static void
test_conf_files_have_sections_comments_and_settings(void **state)
{
    conf_t  conf;

    static const char  text[] =
        "# one\n; two\r\n\n[a]\r\n  one =  a # b ; c  \r\n[b]\nx: 1\ny=2";

    (void) state;

    assert_int_equal(read_bytes(&conf, text, sizeof(text) - 1), GOIM_OK);
    assert_string_equal(conf.one, "a # b ; c");
    assert_string_equal(conf.others, "xy");
    assert_string_equal(logged, "");
    free(conf.one);
}


static void
test_conf_mistakes_are_told_with_their_line(void **state)
{
    (void) state;

    told("[a]\none = bad\n",
         ":2: \"one\" in [a] can't be \"bad\": it must be good");
    told("[a]\n\n\none = 1\n#\none = 2\n",
         ":6: \"one\" in [a]: it is set in line 4 already");
    told("[a]\ntwo = 1\n", ":2: there is no setting \"two\" in [a]");
    told("[c]\none = 1\n",
         ":2: \"one\" stands in [c]: it must stand in [a] or [b]");
    told("[a] or [b]\none = 1\n[]\none=1\n", ":4: \"one\" stands in []");
    told("one = 1\n", ":1: \"one\" stands in []");
    told("[a]\none =\n", ":2: \"one\" in [a] has no value");
    told("[a]\none\n", ":2: this is neither");
    told("[b]\nx = bad\n", ":2: other x");
    told("", ": one is missing");
    told("[a]\none = bad\n[b]\nx = bad\ny = bad", ":5: other y");

    /* lines behind a NUL keep their numbers */

    told("[b]\nx = 1\0 and\ny = 2\nz = bad\n", ":4: other z");
    told("[b]\n\0x = 1\ny = 2\nz = bad\n", ":4: other z");
}


static void
test_conf_file_with_a_nul_is_refused(void **state)
{
    (void) state;

    told("[a]\none = 1\0 2\n", ":2: there is a NUL in the line");
    told("[a]\none = 1\n\0\n", ":3: there is a NUL in the line");
    told("[a]\none = 1\n#\0", ":3: there is a NUL in the line");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_conf_times_have_units),
        cmocka_unit_test(test_conf_sizes_have_units),
        cmocka_unit_test(test_conf_numbers_are_decimal_and_within_limits),
        cmocka_unit_test(test_conf_control_characters_are_seen),
        cmocka_unit_test(test_conf_strings_are_replaced),
        cmocka_unit_test(test_conf_files_have_sections_comments_and_settings),
        cmocka_unit_test(test_conf_mistakes_are_told_with_their_line),
        cmocka_unit_test(test_conf_file_with_a_nul_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
