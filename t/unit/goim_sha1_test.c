/*
 * SHA-1: the examples of FIPS 180 and RFC 3174, every length around a
 * block's end, and input in pieces.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_sha1.h"


static void
digest_of(uint8_t digest[GOIM_SHA1_LEN], const void *data, size_t len)
{
    goim_sha1_t  sha1;

    goim_sha1_init(&sha1);
    goim_sha1_update(&sha1, data, len);
    goim_sha1_final(&sha1, digest);
}


static void
assert_digest(const char *text, const char *digest)
{
    uint8_t  got[GOIM_SHA1_LEN];

    digest_of(got, text, strlen(text));
    assert_memory_equal(got, digest, GOIM_SHA1_LEN);
}


static void
test_sha1_gives_the_digests_of_the_standard(void **state)
{
    (void) state;

    assert_digest("",
                  "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55"
                  "\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09");
    assert_digest("abc",
                  "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e"
                  "\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d");
    assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae"
                  "\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1");
}


static void
test_sha1_gives_the_digest_of_a_million_letters(void **state)
{
    int          i;
    uint8_t      letters[1000], digest[GOIM_SHA1_LEN];
    goim_sha1_t  sha1;

    (void) state;

    memset(letters, 'a', sizeof(letters));
    goim_sha1_init(&sha1);

    for (i = 0; i < 1000; i++) {
        goim_sha1_update(&sha1, letters, sizeof(letters));
    }

    goim_sha1_final(&sha1, digest);

    assert_memory_equal(digest,
                        "\x34\xaa\x97\x3c\xd4\xc4\xda\xa4\xf6\x1e"
                        "\xeb\x2b\xdb\xad\x27\x31\x65\x34\x01\x6f",
                        GOIM_SHA1_LEN);
}


static void
test_sha1_pads_every_length_as_the_standard_says(void **state)
{
    size_t       len;
    uint8_t      letters[200], digest[GOIM_SHA1_LEN];
    goim_sha1_t  all;

    (void) state;

    /* the digest of all digests, of 0 to 200 letters: computed elsewhere */

    memset(letters, 'a', sizeof(letters));
    goim_sha1_init(&all);

    for (len = 0; len <= sizeof(letters); len++) {
        digest_of(digest, letters, len);
        goim_sha1_update(&all, digest, sizeof(digest));
    }

    goim_sha1_final(&all, digest);
    assert_memory_equal(digest,
                        "\xf6\xf3\x32\xe8\xf8\x9c\x35\xee\x3d\xf7"
                        "\x4d\x34\xef\x8f\xda\x77\x7d\x96\x47\xb9",
                        GOIM_SHA1_LEN);
}


static void
test_sha1_does_not_depend_on_where_the_input_is_split(void **state)
{
    size_t       i;
    uint8_t      data[150], whole[GOIM_SHA1_LEN], split[GOIM_SHA1_LEN];
    goim_sha1_t  sha1;

    (void) state;

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t) (i * 7);
    }

    digest_of(whole, data, sizeof(data));

    for (i = 0; i <= sizeof(data); i++) {
        goim_sha1_init(&sha1);
        goim_sha1_update(&sha1, data, i);
        goim_sha1_update(&sha1, data + i, sizeof(data) - i);
        goim_sha1_final(&sha1, split);

        assert_memory_equal(split, whole, GOIM_SHA1_LEN);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha1_gives_the_digests_of_the_standard),
        cmocka_unit_test(test_sha1_gives_the_digest_of_a_million_letters),
        cmocka_unit_test(test_sha1_pads_every_length_as_the_standard_says),
        cmocka_unit_test(
            test_sha1_does_not_depend_on_where_the_input_is_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
