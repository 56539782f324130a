/*
 * JSON as Go's encoding/json writes it, byte by byte.
 */

#include "ls_faults.h"

#include "ls_json.h"


static void
assert_written(const char *data, size_t len, const char *wanted)
{
    char             *copy;
    struct evbuffer  *buf;

    buf = evbuffer_new();
    assert_non_null(buf);

    /* from memory of its own, so that nothing behind it can be read */

    copy = __real_malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);

    ls_json_string(buf, copy, len);
    free(copy);

    evbuffer_add(buf, "", 1);
    assert_string_equal((char *) evbuffer_pullup(buf, -1), wanted);

    evbuffer_free(buf);
}


#define assert_json(text, wanted)                                             \
    assert_written(text, sizeof(text) - 1, "\"" wanted "\"")


static void
test_json_string_stands_as_it_is_mostly(void **state)
{
    (void) state;

    assert_json("", "");
    assert_json("hello", "hello");
    assert_json("a/b'c`{}[]:,", "a/b'c`{}[]:,");
    assert_json("\x7f", "\x7f");
    assert_json("\xc2\x80 \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
                "\xc2\x80 \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");

    /* the last of each length, and the neighbours of the line separators */

    assert_json("\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
                "\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf");
    assert_json("\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\xe3\x80\xa8",
                "\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\xe3\x80\xa8");
}


static void
test_json_string_escapes_what_go_escapes(void **state)
{
    int   c;
    char  byte[1], wanted[16];

    (void) state;

    assert_json("\"\\\n\r\t", "\\\"\\\\\\n\\r\\t");
    assert_json("<a&b>", "\\u003ca\\u0026b\\u003e");
    assert_json("\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029");
    assert_json("x<", "x\\u003c");
    assert_json("<x", "\\u003cx");

    for (c = 0; c < 0x20; c++) {
        if (c == '\n' || c == '\r' || c == '\t') {
            continue;
        }

        byte[0] = c;
        (void) snprintf(wanted, sizeof(wanted), "\"\\u%04x\"", c);
        assert_written(byte, 1, wanted);
    }
}


/* Each byte that is no part of a character becomes one. */
static void
test_json_string_replaces_what_is_no_utf8(void **state)
{
    (void) state;

    assert_json("\x80", "\\ufffd");
    assert_json("\xff", "\\ufffd");
    assert_json("a\xc3", "a\\ufffd");
    assert_json("\xc3z", "\\ufffdz");
    assert_json("\xc3\"", "\\ufffd\\\"");
    assert_json("\xe2\x82", "\\ufffd\\ufffd");
    assert_json("\xe2\x82z", "\\ufffd\\ufffdz");
    assert_json("\xe2\x80\xc3\xa4", "\\ufffd\\ufffd\xc3\xa4");
    assert_json("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd");
    assert_json("\xc0\x80", "\\ufffd\\ufffd");
    assert_json("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");
    assert_json("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    assert_json("\xf8\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    assert_json("\xc3\xa4\xa4", "\xc3\xa4\\ufffd");
}


static void
test_json_string_may_end_anywhere(void **state)
{
    size_t            len;
    struct evbuffer  *buf;

    static const char  text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80<\n";

    (void) state;

    for (len = 0; len < sizeof(text); len++) {
        char  *copy;

        copy = __real_malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);

        buf = evbuffer_new();
        assert_non_null(buf);
        ls_json_string(buf, copy, len);
        assert_true(evbuffer_get_length(buf) >= len + 2);

        evbuffer_free(buf);
        free(copy);
    }

    buf = evbuffer_new();
    assert_non_null(buf);
    ls_json_string(buf, NULL, 0);
    assert_int_equal(evbuffer_get_length(buf), 2);
    evbuffer_free(buf);
}


static void
test_json_string_may_be_long(void **state)
{
    char             *text;
    struct evbuffer  *buf;

    (void) state;

    text = __real_malloc(1 << 20);
    assert_non_null(text);
    memset(text, '<', 1 << 20);

    buf = evbuffer_new();
    assert_non_null(buf);
    ls_json_string(buf, text, 1 << 20);
    assert_int_equal(evbuffer_get_length(buf), (6 << 20) + 2);

    evbuffer_free(buf);
    free(text);
}


static void
test_json_envelope_has_code_and_message_and_no_end(void **state)
{
    struct evbuffer  *buf;

    (void) state;

    buf = evbuffer_new();
    assert_non_null(buf);

    ls_json_envelope(buf, -400, "a \"b\"");
    evbuffer_add(buf, "", 1);
    assert_string_equal((char *) evbuffer_pullup(buf, -1),
                        "{\"code\":-400,\"message\":\"a \\\"b\\\"\"");

    evbuffer_free(buf);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_json_string_stands_as_it_is_mostly),
        cmocka_unit_test(test_json_string_escapes_what_go_escapes),
        cmocka_unit_test(test_json_string_replaces_what_is_no_utf8),
        cmocka_unit_test(test_json_string_may_end_anywhere),
        cmocka_unit_test(test_json_string_may_be_long),
        cmocka_unit_test(test_json_envelope_has_code_and_message_and_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
