/*
 * UTF-8: every number in every form, bytes at all limits held against a
 * decoder that computes, and any place to split at.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_utf8.h"


static uint8_t
check(const void *data, size_t len)
{
    return goim_utf8_check(GOIM_UTF8_START, data, len);
}


/* Writes any number as UTF-8 would have it, allowed or not. */

static size_t
encode(uint8_t *buf, uint32_t c, size_t len)
{
    size_t  i;

    static const uint8_t  first[] = { 0, 0, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc };

    if (len == 1) {
        buf[0] = (uint8_t) c;
        return 1;
    }

    for (i = len - 1; i > 0; i--) {
        buf[i] = 0x80 | (c & 0x3f);
        c >>= 6;
    }

    buf[0] = (uint8_t) (first[len] | c);

    return len;
}


/* How long the character is whose first byte that is; 0: it is none's. */

static size_t
char_len(uint8_t byte)
{
    return byte < 0x80 ? 1 : (byte & 0xe0) == 0xc0 ? 2
           : (byte & 0xf0) == 0xe0 ? 3 : (byte & 0xf8) == 0xf0 ? 4 : 0;
}


/* The longest beginning that some text could have, by decoding it. */

static size_t
good_beginning(const uint8_t *data, size_t len)
{
    size_t    at, i, n;
    uint32_t  low, high, c;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    for (at = 0; at < len; at += n) {
        n = char_len(data[at]);

        if (n == 0) {
            return at;
        }

        c = n == 1 ? data[at] : data[at] & (0x7f >> n);

        for (i = 0; i < n; i++) {

            if (i > 0) {

                if (at + i == len) {
                    return len;
                }

                if ((data[at + i] & 0xc0) != 0x80) {
                    return at + i;
                }

                c = c << 6 | (data[at + i] & 0x3f);
            }

            /* what the bytes still to come could make of it */

            low = c << 6 * (n - 1 - i);
            high = low | ((1U << 6 * (n - 1 - i)) - 1);

            if (high < least[n] || low > 0x10ffff
                || (low >= 0xd800 && high <= 0xdfff))
            {
                return at + i;
            }
        }
    }

    return len;
}


/* Byte by byte: right as long as the beginning is, then wrong for good. */

static void
compare(const uint8_t *data, size_t len)
{
    size_t   i, good;
    uint8_t  state;

    state = GOIM_UTF8_START;
    good = good_beginning(data, len);

    for (i = 0; i < len; i++) {
        state = goim_utf8_check(state, data + i, 1);

        if ((state == GOIM_UTF8_INVALID) != (i >= good)) {
            fail_msg("%02x %02x %02x %02x: wrong at %zu", data[0],
                     len > 1 ? data[1] : 0, len > 2 ? data[2] : 0,
                     len > 3 ? data[3] : 0, i);
        }
    }

    assert_int_equal(check(data, len), state);
}


static void
test_utf8_takes_every_character_in_its_shortest_form_only(void **state)
{
    size_t    len, shortest;
    uint8_t   buf[6], got;
    uint32_t  c;

    (void) state;

    for (c = 0; c < 0x200000; c++) {
        shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        for (len = shortest; len <= 6; len++) {
            got = check(buf, encode(buf, c, len));

            if (len == shortest && c <= 0x10ffff
                && (c < 0xd800 || c > 0xdfff))
            {
                assert_int_equal(got, GOIM_UTF8_START);

            } else {
                assert_int_equal(got, GOIM_UTF8_INVALID);
            }
        }
    }
}


static void
test_utf8_fails_at_the_first_byte_that_can_not_be_right(void **state)
{
    uint8_t   buf[4];
    uint32_t  i;

    (void) state;

    /* all first bytes but ASCII, with the ends of ASCII and all others */

    for (i = 0; i < 1U << 24; i++) {
        buf[0] = (uint8_t) (i >> 16);
        buf[1] = (uint8_t) (i >> 8);
        buf[2] = (uint8_t) i;

        if (buf[0] < 0x7f || (buf[1] > 0x02 && buf[1] < 0x7e)
            || (buf[2] > 0x02 && buf[2] < 0x7e))
        {
            continue;
        }

        for (buf[3] = 0x7e; buf[3] != 0xc2; buf[3]++) {
            compare(buf, 4);

            if (buf[3] == 0x80) {
                buf[3] = 0xbe;
            }
        }
    }
}


static void
test_utf8_does_not_depend_on_where_it_is_split(void **state)
{
    static const char *const  texts[] = {
        "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-"
        "UTF-8!!",
        "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
        "0123456789abcdef\xe2\x82\xac" "0123456789abcdef",
        "0123456789\xed\xa0\x80" "0123456789abcdef",
        "\xce\xba\xe1\xbd\xb9\xcf\x83\xf4\x90\x80\x80" "edited",
        "0123456789abcdef0123456789abcdef\xe2\x82",
    };

    size_t   i, len, a, b;
    uint8_t  whole, got;

    const uint8_t  *text;

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text = (const uint8_t *) texts[i];
        len = strlen(texts[i]);
        whole = check(text, len);

        for (a = 0; a <= len; a++) {

            for (b = a; b <= len; b++) {
                got = check(text, a);
                got = goim_utf8_check(got, text + a, b - a);
                got = goim_utf8_check(got, text + b, len - b);

                assert_int_equal(got, whole);
            }
        }
    }
}


static void
test_utf8_is_unfinished_within_a_character(void **state)
{
    size_t   n;
    uint8_t  got;

    static const char  euro[] = "12345678\xe2\x82\xac";

    (void) state;

    assert_int_equal(check("", 0), GOIM_UTF8_START);

    for (n = 0; n < sizeof(euro); n++) {
        got = check(euro, n);

        assert_int_not_equal(got, GOIM_UTF8_INVALID);
        assert_int_equal(got == GOIM_UTF8_START, n <= 8 || n == 11);
    }
}


static void
test_utf8_finds_a_wrong_byte_at_every_place_of_a_word(void **state)
{
    size_t   at, offset;
    uint8_t  buf[48];

    (void) state;

    for (offset = 0; offset < 8; offset++) {

        for (at = offset; at < sizeof(buf); at++) {
            memset(buf, 'a', sizeof(buf));
            assert_int_equal(check(buf + offset, sizeof(buf) - offset),
                             GOIM_UTF8_START);

            buf[at] = 0xff;
            assert_int_equal(check(buf + offset, sizeof(buf) - offset),
                             GOIM_UTF8_INVALID);
        }
    }
}


static void
test_utf8_stays_wrong(void **state)
{
    (void) state;

    assert_int_equal(goim_utf8_check(GOIM_UTF8_INVALID,
                                     (const uint8_t *) "abc", 3),
                     GOIM_UTF8_INVALID);
    assert_int_equal(goim_utf8_check(GOIM_UTF8_INVALID,
                                     (const uint8_t *) "", 0),
                     GOIM_UTF8_INVALID);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            test_utf8_takes_every_character_in_its_shortest_form_only),
        cmocka_unit_test(
            test_utf8_fails_at_the_first_byte_that_can_not_be_right),
        cmocka_unit_test(test_utf8_does_not_depend_on_where_it_is_split),
        cmocka_unit_test(test_utf8_is_unfinished_within_a_character),
        cmocka_unit_test(
            test_utf8_finds_a_wrong_byte_at_every_place_of_a_word),
        cmocka_unit_test(test_utf8_stays_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
