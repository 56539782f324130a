/*
 * What the tests of both forms of a push share: goim's own bytes, and checks.
 */

#ifndef GOIM_PUSH_TEST_H_INCLUDED
#define GOIM_PUSH_TEST_H_INCLUDED


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "goim_push.h"


#define BYTES(literal)  literal, sizeof(literal) - 1


/* goim's encoders wrote these. */

#define V2_KEYS                                                               \
    "\x10\xe8\x07\x22\x07" "comet-1" "\x32\x02k1" "\x32\x02k2" "\x3a\x05hello"
#define V2_ROOM                                                               \
    "\x08\x01\x10\xe8\x07\x2a\x0blive://1000\x3a\x05hello"
#define V2_BROADCAST                                                          \
    "\x08\x02\x10\xe8\x07\x18\x40\x3a\x05hello"

#define V1_KEYS                                                               \
    "{\"op\":\"multiple\",\"server\":1,\"subkeys\":[\"1_1\",\"2_1\"],"        \
    "\"msg\":\"eyJ0ZXN0IjoxfQ==\"}"
#define V1_BROADCAST                                                          \
    "{\"op\":\"broadcast\",\"msg\":\"eyJ0ZXN0IjoxfQ==\"}"
#define V1_ROOM                                                               \
    "{\"op\":\"broadcast_room\",\"roomid\":1,\"msg\":\"eyJ0ZXN0IjoxfQ==\"}"
#define V1_ROOM_ENSURE                                                        \
    "{\"op\":\"broadcast_room\",\"roomid\":1,\"msg\":\"eyJ0ZXN0IjoxfQ==\","   \
    "\"ensure\":true}"

/* ours: kick */

#define V2_KICK                                                               \
    "\x08\x10\x22\x07" "comet-1" "\x32\x02k1" "\x82\x01\x02" "c7"             \
    "\x8a\x01\x08replaced" "\x92\x01\x02" "c6"


static const goim_push_conf_t  conf = { "test", 5 };


static inline int
decode(goim_push_t *push, const char *value, size_t len, const char **why)
{
    return goim_push_decode(push, (const uint8_t *) value, len, &conf, why);
}


static inline void
assert_view(goim_str_t view, const char *bytes, size_t len)
{
    assert_int_equal(view.len, len);

    if (len > 0) {
        assert_memory_equal(view.data, bytes, len);
    }
}


static inline void
assert_decodes(goim_push_t *push, const char *value, size_t len)
{
    const char  *why;

    why = NULL;

    if (decode(push, value, len, &why) != GOIM_OK) {
        fail_msg("refused: %s", why);
    }
}


/* Refused with exactly this sentence, and nothing is left to free. */

static inline void
assert_refused(const char *value, size_t len, const char *sentence)
{
    const char   *why;
    goim_push_t   push;

    why = NULL;

    assert_int_equal(decode(&push, value, len, &why), GOIM_INVALID);
    assert_non_null(why);
    assert_string_equal(why, sentence);
    assert_null(push.memory);

    goim_push_destroy(&push);
}


#endif /* GOIM_PUSH_TEST_H_INCLUDED */
