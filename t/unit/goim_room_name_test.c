/*
 * Names of rooms: the hash that stands in the channel, which names are
 * allowed, and the patterns of room classes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_room_name.h"


static uint64_t
hash(const char *name)
{
    return goim_room_name_hash((const uint8_t *) name, strlen(name));
}


static int
matches(const char *pattern, const char *name)
{
    return goim_room_name_matches((const uint8_t *) pattern, strlen(pattern),
                                  (const uint8_t *) name, strlen(name));
}


static void
test_room_name_hash_is_fnv_1a_and_the_finalizer_of_murmur3(void **state)
{
    (void) state;

    /* computed apart from this code; part of the channel's layout */

    assert_true(hash("") == 0xefd01f60ba992926ULL);
    assert_true(hash("a") == 0x82a2a958a9bece5bULL);
    assert_true(hash("foobar") == 0x2c22194922d1672bULL);
    assert_true(hash("live://1000") == 0xcf100a895ec88e20ULL);
    assert_true(hash("test://1") == 0x3f0d5adc6e4d8b26ULL);
}


static void
test_room_name_hash_is_1_where_it_would_be_0(void **state)
{
    /* FNV-1a makes 0 of these, and the finalizer leaves it */

    static const uint8_t  zero[] = { 0xd5, 0x6b, 0xb9, 0x53,
                                     0x42, 0x87, 0x08, 0x36 };

    (void) state;

    assert_true(goim_room_name_hash(zero, sizeof(zero)) == 1);
}


static void
test_room_name_check_allows_1_to_255_bytes(void **state)
{
    size_t   len;
    uint8_t  name[GOIM_ROOM_NAME_MAX + 1];

    (void) state;

    memset(name, 'r', sizeof(name));

    assert_int_equal(goim_room_name_check(name, 0), GOIM_INVALID);
    assert_int_equal(goim_room_name_check(NULL, 0), GOIM_INVALID);

    for (len = 1; len <= GOIM_ROOM_NAME_MAX; len++) {
        assert_int_equal(goim_room_name_check(name, len), GOIM_OK);
    }

    assert_int_equal(goim_room_name_check(name, len), GOIM_INVALID);
}


static void
test_room_name_check_refuses_control_characters_anywhere(void **state)
{
    int      byte, expected;
    size_t   i;
    uint8_t  name[3];

    (void) state;

    for (byte = 0; byte < 256; byte++) {
        expected = byte < 32 || byte == 127 ? GOIM_INVALID : GOIM_OK;

        for (i = 0; i < sizeof(name); i++) {
            memset(name, 'r', sizeof(name));
            name[i] = (uint8_t) byte;

            assert_int_equal(goim_room_name_check(name, sizeof(name)),
                             expected);
        }
    }
}


static void
test_room_name_matches_an_equal_pattern_only(void **state)
{
    (void) state;

    assert_true(matches("live://1", "live://1"));
    assert_false(matches("live://1", "live://2"));
    assert_false(matches("live://1", "live://10"));
    assert_false(matches("live://10", "live://1"));
    assert_false(matches("live://1", ""));
    assert_false(matches("", "live://1"));
    assert_true(matches("", ""));
}


static void
test_room_name_matches_what_stands_before_a_star(void **state)
{
    (void) state;

    assert_true(matches("live://*", "live://1"));
    assert_true(matches("live://*", "live://"));
    assert_false(matches("live://*", "live:/"));
    assert_false(matches("live://*", "test://1"));
    assert_true(matches("*", "live://1"));
    assert_true(matches("*", ""));
}


static void
test_room_name_takes_a_star_literally_except_at_the_end(void **state)
{
    (void) state;

    assert_false(matches("*://1", "live://1"));
    assert_true(matches("*://1", "*://1"));
    assert_true(matches("a**", "a*b"));
    assert_false(matches("a**", "ab"));
    assert_false(matches("live://1", "live://*"));
}


static void
test_room_name_matches_views_without_data(void **state)
{
    (void) state;

    assert_true(goim_room_name_matches(NULL, 0, NULL, 0));
    assert_true(goim_room_name_matches((const uint8_t *) "*", 1, NULL, 0));
    assert_false(goim_room_name_matches((const uint8_t *) "a", 1, NULL, 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            test_room_name_hash_is_fnv_1a_and_the_finalizer_of_murmur3),
        cmocka_unit_test(test_room_name_hash_is_1_where_it_would_be_0),
        cmocka_unit_test(test_room_name_check_allows_1_to_255_bytes),
        cmocka_unit_test(
            test_room_name_check_refuses_control_characters_anywhere),
        cmocka_unit_test(test_room_name_matches_an_equal_pattern_only),
        cmocka_unit_test(test_room_name_matches_what_stands_before_a_star),
        cmocka_unit_test(
            test_room_name_takes_a_star_literally_except_at_the_end),
        cmocka_unit_test(test_room_name_matches_views_without_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
