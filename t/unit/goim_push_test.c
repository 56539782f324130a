/*
 * Pushes as they stand in Kafka: goim v2's own bytes, our extensions, every
 * limit, broken input, and a malloc() that fails.
 */

#include "goim_push.pb-c.h"
#include "goim_push_test.h"


#ifndef __SANITIZE_ADDRESS__

/* malloc() fails when this many more calls have succeeded; -1: never. */

static int  mallocs_left = -1;


void *__libc_malloc(size_t size);


void *
malloc(size_t size)
{
    if (mallocs_left == 0) {
        return NULL;
    }

    if (mallocs_left > 0) {
        mallocs_left--;
    }

    return __libc_malloc(size);
}

#endif


static void
assert_encodes(const goim_push_t *push, const char *bytes, size_t len)
{
    size_t    value_len;
    uint8_t  *value;

    assert_int_equal(goim_push_encode(push, &value, &value_len), GOIM_OK);
    assert_int_equal(value_len, len);
    assert_memory_equal(value, bytes, len);

    free(value);
}


static goim_str_t
view_of(const char *text)
{
    goim_str_t  view;

    view.data = (const uint8_t *) text;
    view.len = strlen(text);

    return view;
}


/* KEYS with nkeys keys of key_len bytes each, encoded; freed by the caller. */

static uint8_t *
encode_keys(size_t nkeys, size_t key_len, size_t *len)
{
    size_t    i, k;
    uint8_t  *value, *p;

    value = malloc(nkeys * (key_len + 3));
    assert_non_null(value);

    p = value;

    for (i = 0; i < nkeys; i++) {
        *p++ = 0x32;

        if (key_len < 128) {
            *p++ = (uint8_t) key_len;

        } else {
            *p++ = (uint8_t) (key_len & 0x7f) | 0x80;
            *p++ = (uint8_t) (key_len >> 7);
        }

        for (k = 0; k < key_len; k++) {
            *p++ = (uint8_t) (i + k);
        }
    }

    *len = p - value;

    return value;
}


static void
test_push_decode_reads_keys_of_goim_v2(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_KEYS));

    assert_int_equal(push.type, GOIM_PUSH_KEYS);
    assert_int_equal(push.op, 1000);
    assert_view(push.server, BYTES("comet-1"));
    assert_int_equal(push.nkeys, 2);
    assert_view(push.keys[0], BYTES("k1"));
    assert_view(push.keys[1], BYTES("k2"));
    assert_view(push.body, BYTES("hello"));
    assert_int_equal(push.room.len, 0);

    goim_push_destroy(&push);
}


static void
test_push_decode_reads_a_room_of_goim_v2(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_ROOM));

    assert_int_equal(push.type, GOIM_PUSH_ROOM);
    assert_int_equal(push.op, 1000);
    assert_view(push.room, BYTES("live://1000"));
    assert_view(push.body, BYTES("hello"));
    assert_int_equal(push.nkeys, 0);

    goim_push_destroy(&push);
}


static void
test_push_decode_reads_a_broadcast_of_goim_v2(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_BROADCAST));

    assert_int_equal(push.type, GOIM_PUSH_BROADCAST);
    assert_int_equal(push.op, 1000);
    assert_int_equal(push.speed, 64);
    assert_view(push.body, BYTES("hello"));

    goim_push_destroy(&push);
}


static void
test_push_decode_reads_a_kick(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_KICK));

    assert_int_equal(push.type, GOIM_PUSH_KICK);
    assert_view(push.server, BYTES("comet-1"));
    assert_int_equal(push.nkeys, 1);
    assert_view(push.keys[0], BYTES("k1"));
    assert_view(push.spare, BYTES("c7"));
    assert_view(push.reason, BYTES("replaced"));
    assert_view(push.only, BYTES("c6"));
    assert_int_equal(push.body.len, 0);

    goim_push_destroy(&push);
}


static void
test_push_encode_writes_what_goim_v2_writes(void **state)
{
    goim_str_t   keys[2];
    goim_push_t  push = { 0 };

    (void) state;

    keys[0] = view_of("k1");
    keys[1] = view_of("k2");

    push.type = GOIM_PUSH_KEYS;
    push.op = 1000;
    push.server = view_of("comet-1");
    push.keys = keys;
    push.nkeys = 2;
    push.body = view_of("hello");
    assert_encodes(&push, BYTES(V2_KEYS));

    push.type = GOIM_PUSH_ROOM;
    push.room = view_of("live://1000");
    assert_encodes(&push, BYTES(V2_ROOM));

    push.type = GOIM_PUSH_BROADCAST;
    push.speed = 64;
    assert_encodes(&push, BYTES(V2_BROADCAST));
}


static void
test_push_encode_writes_a_kick_with_fields_16_to_18(void **state)
{
    goim_str_t   key;
    goim_push_t  push = { 0 };

    (void) state;

    key = view_of("k1");

    push.type = GOIM_PUSH_KICK;
    push.server = view_of("comet-1");
    push.keys = &key;
    push.nkeys = 1;
    push.spare = view_of("c7");
    push.reason = view_of("replaced");
    push.only = view_of("c6");

    assert_encodes(&push, BYTES(V2_KICK));
}


static void
test_push_encode_leaves_out_what_is_zero(void **state)
{
    goim_str_t   key;
    goim_push_t  push = { 0 };

    (void) state;

    key = view_of("k");
    push.keys = &key;
    push.nkeys = 1;
    assert_encodes(&push, BYTES("\x32\x01k"));

    push.type = GOIM_PUSH_BROADCAST;
    push.speed = -1;
    assert_encodes(&push, BYTES("\x08\x02"));

    push.type = GOIM_PUSH_KICK;
    assert_encodes(&push, BYTES("\x08\x10\x32\x01k"));
}


static void
test_push_encode_refuses_what_decode_would(void **state)
{
    size_t       len;
    uint8_t     *value;
    goim_str_t   key;
    goim_push_t  push = { 0 };

    (void) state;

    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);

    key = view_of("");
    push.keys = &key;
    push.nkeys = 1;
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);

    push.type = GOIM_PUSH_ROOM;
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);

    push.room = view_of("a\nb");
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);

    push.type = (goim_push_type_e) 3;
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);

    /* one byte more than a packet's length can say; nothing is read */

    push.type = GOIM_PUSH_BROADCAST;
    push.body.data = (const uint8_t *) "";
    push.body.len = (size_t) INT32_MAX - 15;
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_INVALID);
}


static void
test_push_op_and_speed_may_be_any_int32(void **state)
{
    static const int32_t  ops[] = { INT32_MIN, -1, 0, 1, INT32_MAX };

    size_t        i, len;
    uint8_t      *value;
    const char   *why;
    goim_push_t   push = { 0 }, back;

    (void) state;

    push.type = GOIM_PUSH_BROADCAST;

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        push.op = push.speed = ops[i];

        assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_OK);
        assert_int_equal(goim_push_decode(&back, value, len, &conf, &why),
                         GOIM_OK);
        assert_int_equal(back.op, ops[i]);
        assert_int_equal(back.speed, ops[i] < 0 ? 0 : ops[i]);

        goim_push_destroy(&back);
        free(value);
    }
}


static void
test_push_decode_takes_a_negative_speed_for_none(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("\x08\x02\x18\xff\xff\xff\xff\xff"
                                "\xff\xff\xff\xff\x01"));
    assert_int_equal(push.speed, 0);

    goim_push_destroy(&push);
}


static void
test_push_decode_refuses_types_that_it_does_not_know(void **state)
{
    (void) state;

    assert_refused(BYTES("\x08\x03\x32\x01k"), "unknown type");
    assert_refused(BYTES("\x08\x0f\x32\x01k"), "unknown type");
    assert_refused(BYTES("\x08\x11\x32\x01k"), "unknown type");
    assert_refused(BYTES("\x08\xff\xff\xff\xff\x07\x32\x01k"), "unknown type");
    assert_refused(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                   "unknown type");
}


static void
test_push_decode_skips_fields_that_it_does_not_know(void **state)
{
    goim_push_t  push;

    (void) state;

    /* 19 and 100: varint, 64 bits, bytes, 32 bits */

    assert_decodes(&push, BYTES(V2_ROOM "\x98\x01\xac\x02"
                                "\x99\x01" "12345678"
                                "\xa2\x06\x03xyz"
                                "\xa5\x06" "1234"));
    assert_view(push.room, BYTES("live://1000"));
    assert_view(push.body, BYTES("hello"));

    goim_push_destroy(&push);
}


static void
test_push_decode_leaves_out_what_the_type_does_not_use(void **state)
{
    goim_push_t  push;

    (void) state;

    /* all fields, for each type */

#define ALL_FIELDS                                                            \
    "\x10\x01\x18\x02\x22\x01s\x2a\x01r\x32\x01k\x3a\x01" "b"                 \
    "\x82\x01\x01p\x8a\x01\x01" "e\x92\x01\x01o"

    assert_decodes(&push, BYTES(ALL_FIELDS));
    assert_int_equal(push.speed + push.room.len, 0);
    assert_int_equal(push.spare.len + push.reason.len + push.only.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("\x08\x01" ALL_FIELDS));
    assert_int_equal(push.speed + push.server.len + push.nkeys, 0);
    assert_int_equal(push.spare.len + push.reason.len + push.only.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("\x08\x02" ALL_FIELDS));
    assert_int_equal(push.room.len + push.server.len + push.nkeys, 0);
    assert_int_equal(push.spare.len + push.reason.len + push.only.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("\x08\x10" ALL_FIELDS));
    assert_int_equal(push.speed + push.room.len, 0);
    goim_push_destroy(&push);
}


static void
test_push_decode_takes_the_last_of_a_field(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_KEYS V2_ROOM "\x2a\x01x\x3a\0"));
    assert_int_equal(push.type, GOIM_PUSH_ROOM);
    assert_view(push.room, BYTES("x"));
    assert_int_equal(push.body.len, 0);

    goim_push_destroy(&push);
}


static void
test_push_decode_keeps_bytes_behind_a_nul(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("\x22\x03s\0t\x32\x03k\0l\x32\x01\0"
                                "\x3a\x03" "b\0c"));
    assert_view(push.server, BYTES("s\0t"));
    assert_view(push.keys[0], BYTES("k\0l"));
    assert_view(push.keys[1], BYTES("\0"));
    assert_view(push.body, BYTES("b\0c"));

    goim_push_destroy(&push);
}


static void
test_push_decode_refuses_a_push_without_its_target(void **state)
{
    (void) state;

    assert_refused(BYTES("\x3a\x05hello"), "a push to keys without a key");
    assert_refused(BYTES("\x08\x10\x8a\x01\x01r"),
                   "a push to keys without a key");
    assert_refused(BYTES("\x08\x01\x3a\x05hello"),
                   "a push to a room without a room");
    assert_refused(BYTES("\x08\x01\x2a\0\x3a\x05hello"),
                   "a push to a room without a room");
}


static void
test_push_decode_refuses_an_empty_value(void **state)
{
    (void) state;

    assert_refused(NULL, 0, "an empty value");
    assert_refused("", 0, "an empty value");
}


static void
test_push_decode_refuses_values_of_neither_form(void **state)
{
    static const char  sentence[] = "neither a PushMsg nor v1's JSON";

    (void) state;

    assert_refused(BYTES("hello"), sentence);
    assert_refused(BYTES("[]"), sentence);
    assert_refused(BYTES("\"op\""), sentence);
    assert_refused(BYTES(" "), sentence);
    assert_refused(BYTES("\x00"), sentence);
    assert_refused(BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                   sentence);

    /* known fields with another wire type, a length beyond the end */

    assert_refused(BYTES("\x0a\x01\x01"), sentence);
    assert_refused(BYTES("\x28\x01"), sentence);
    assert_refused(BYTES("\x3a\x06hello"), sentence);
    assert_refused(BYTES("\x3a\xff\xff\xff\xff\x0fhello"), sentence);
    assert_refused(BYTES("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hello"),
                   sentence);
}


/* Cut anywhere, a value is whole or refused, never read beyond its end. */

static void
test_push_decode_survives_values_cut_at_every_byte(void **state)
{
    static const struct {
        const char  *value;
        size_t       len;
    } values[] = {
        { BYTES(V2_KEYS) }, { BYTES(V2_ROOM) }, { BYTES(V2_BROADCAST) },
        { BYTES(V2_KICK) }, { BYTES(V1_KEYS) }, { BYTES(V1_BROADCAST) },
        { BYTES(V1_ROOM) }, { BYTES(V1_ROOM_ENSURE) },
    };

    int           status;
    char         *cut;
    size_t        i, len;
    const char   *why;
    goim_push_t   push;

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {

        for (len = 0; len < values[i].len; len++) {

            /* of its exact size, for the sanitizer */

            cut = malloc(len);
            assert_non_null(cut);
            memcpy(cut, values[i].value, len);

            why = NULL;
            status = decode(&push, cut, len, &why);

            if (status == GOIM_OK) {
                assert_int_not_equal(cut[0], '{');
                goim_push_destroy(&push);

            } else {
                assert_int_equal(status, GOIM_INVALID);
                assert_non_null(why);
            }

            free(cut);
        }
    }
}


static void
test_push_nkeys_is_limited_to_65535(void **state)
{
    size_t        n, len;
    uint8_t      *value;
    const char   *why;
    goim_push_t   push;

    (void) state;

    for (n = 65534; n <= 65536; n++) {
        value = encode_keys(n, 3, &len);

        if (n <= GOIM_PUSH_MAX_KEYS) {
            assert_int_equal(goim_push_decode(&push, value, len, &conf, &why),
                             GOIM_OK);
            assert_int_equal(push.nkeys, n);
            assert_memory_equal(push.keys[n - 1].data, value + len - 3, 3);
            assert_encodes(&push, (const char *) value, len);
            goim_push_destroy(&push);

        } else {
            assert_refused((const char *) value, len, "more than 65535 keys");
        }

        free(value);
    }
}


static void
test_push_key_is_1_to_255_bytes(void **state)
{
    size_t        n, len;
    uint8_t      *value;
    const char   *why;
    goim_push_t   push;

    (void) state;

    for (n = 0; n <= 256; n++) {
        value = encode_keys(1, n, &len);

        if (n == 0) {
            assert_refused((const char *) value, len, "a key is empty");

        } else if (n <= GOIM_PUSH_MAX_KEY) {
            assert_int_equal(goim_push_decode(&push, value, len, &conf, &why),
                             GOIM_OK);
            assert_int_equal(push.keys[0].len, n);
            assert_encodes(&push, (const char *) value, len);
            goim_push_destroy(&push);

        } else {
            assert_refused((const char *) value, len,
                           "a key is longer than 255 bytes");
        }

        free(value);
    }
}


static void
test_push_spare_and_only_are_at_most_255_bytes(void **state)
{
    size_t        i, n;
    char          value[300];
    goim_push_t   push;

    static const struct {
        const char  *tag, *why;
    } fields[] = {
        { "\x82\x01", "spare is longer than 255 bytes" },
        { "\x92\x01", "only is longer than 255 bytes" },
    };

    (void) state;

    memcpy(value, "\x08\x10\x32\x01k", 5);

    for (i = 0; i < 2; i++) {
        memcpy(value + 5, fields[i].tag, 2);

        for (n = 254; n <= 256; n++) {
            value[7] = (char) ((n & 0x7f) | 0x80);
            value[8] = (char) (n >> 7);
            memset(value + 9, 's', n);

            if (n <= GOIM_PUSH_MAX_KEY) {
                assert_decodes(&push, value, 9 + n);
                assert_int_equal(i ? push.only.len : push.spare.len, n);
                goim_push_destroy(&push);

            } else {
                assert_refused(value, 9 + n, fields[i].why);
            }
        }
    }
}


static void
test_push_room_has_a_name_that_is_allowed(void **state)
{
    static const char  sentence[] =
        "a room's name is longer than 255 bytes or has a control character";

    size_t        n;
    char          value[300];
    goim_push_t   push;

    (void) state;

    memcpy(value, "\x08\x01\x2a", 3);

    for (n = 254; n <= 256; n++) {
        value[3] = (char) ((n & 0x7f) | 0x80);
        value[4] = (char) (n >> 7);
        memset(value + 5, 'r', n);

        if (n <= 255) {
            assert_decodes(&push, value, 5 + n);
            assert_int_equal(push.room.len, n);
            goim_push_destroy(&push);

        } else {
            assert_refused(value, 5 + n, sentence);
        }
    }

    assert_refused(BYTES("\x08\x01\x2a\x03" "a\nb"), sentence);
    assert_refused(BYTES("\x08\x01\x2a\x03" "a\0b"), sentence);
}


static void
test_push_msg_never_begins_as_json_does(void **state)
{
    static const char  starts[] = "{ \t\r\n";

    size_t                 i, len;
    uint8_t                value[16];
    unsigned               n, seed;
    Goim__Logic__PushMsg  *msg;

    (void) state;

    seed = 1;

    for (i = 0; i < sizeof(starts) - 1; i++) {

        for (n = 0; n < 20000; n++) {
            value[0] = (uint8_t) starts[i];

            for (len = 1; len < sizeof(value); len++) {
                seed = seed * 1103515245 + 12345;
                value[len] = (uint8_t) (seed >> 16) & (n % 2 ? 0xff : 0x0f);
            }

            msg = goim__logic__push_msg__unpack(NULL, 1 + n % 16, value);
            assert_null(msg);
        }
    }
}


static void
test_push_destroy_may_be_called_twice(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V2_KEYS));
    goim_push_destroy(&push);
    assert_int_equal(push.nkeys, 0);
    goim_push_destroy(&push);
}


#ifndef __SANITIZE_ADDRESS__

/* Fails each malloc() in turn; returns how many there are. */

static int
fail_each_malloc_of_decode(const char *value, size_t len)
{
    int           n, status;
    const char   *why;
    goim_push_t   push;

    for (n = 0; ; n++) {
        mallocs_left = n;
        status = decode(&push, value, len, &why);
        mallocs_left = -1;

        if (status == GOIM_OK) {
            goim_push_destroy(&push);
            return n;
        }

        assert_int_equal(status, GOIM_NOMEM);
        assert_null(push.memory);
    }
}


static void
test_push_decode_reports_each_allocation_that_fails(void **state)
{
    char      *json, *p;
    size_t     i, len;
    uint8_t   *value;

    (void) state;

    assert_int_equal(fail_each_malloc_of_decode(BYTES(V2_KEYS)), 1);
    assert_int_equal(fail_each_malloc_of_decode(BYTES(V1_ROOM)), 1);

    value = encode_keys(3000, 20, &len);
    assert_true(fail_each_malloc_of_decode((char *) value, len) > 10);
    free(value);

    /* escapes make yajl allocate, too */

    json = malloc(100000);
    assert_non_null(json);

    p = json + sprintf(json, "{\"op\":\"multiple\",\"x\":\"");

    for (i = 0; i < 5000; i++) {
        p += sprintf(p, "\\u00e9");
    }

    p += sprintf(p, "\",\"subkeys\":[\"k\"");

    for (i = 0; i < 3000; i++) {
        p += sprintf(p, ",\"key-%zu\"", i);
    }

    p += sprintf(p, "]}");

    assert_true(fail_each_malloc_of_decode(json, p - json) > 10);
    free(json);
}


static void
test_push_encode_reports_each_allocation_that_fails(void **state)
{
    int           n, status;
    size_t        len;
    uint8_t      *value;
    goim_push_t   push;

    (void) state;

    assert_decodes(&push, BYTES(V2_KEYS));

    for (n = 0; ; n++) {
        mallocs_left = n;
        status = goim_push_encode(&push, &value, &len);
        mallocs_left = -1;

        if (status == GOIM_OK) {
            break;
        }

        assert_int_equal(status, GOIM_NOMEM);
    }

    assert_int_equal(n, 2);

    free(value);
    goim_push_destroy(&push);
}

#endif


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_push_decode_reads_keys_of_goim_v2),
        cmocka_unit_test(test_push_decode_reads_a_room_of_goim_v2),
        cmocka_unit_test(test_push_decode_reads_a_broadcast_of_goim_v2),
        cmocka_unit_test(test_push_decode_reads_a_kick),
        cmocka_unit_test(test_push_encode_writes_what_goim_v2_writes),
        cmocka_unit_test(test_push_encode_writes_a_kick_with_fields_16_to_18),
        cmocka_unit_test(test_push_encode_leaves_out_what_is_zero),
        cmocka_unit_test(test_push_encode_refuses_what_decode_would),
        cmocka_unit_test(test_push_op_and_speed_may_be_any_int32),
        cmocka_unit_test(test_push_decode_takes_a_negative_speed_for_none),
        cmocka_unit_test(test_push_decode_refuses_types_that_it_does_not_know),
        cmocka_unit_test(test_push_decode_skips_fields_that_it_does_not_know),
        cmocka_unit_test(
            test_push_decode_leaves_out_what_the_type_does_not_use),
        cmocka_unit_test(test_push_decode_takes_the_last_of_a_field),
        cmocka_unit_test(test_push_decode_keeps_bytes_behind_a_nul),
        cmocka_unit_test(test_push_decode_refuses_a_push_without_its_target),
        cmocka_unit_test(test_push_decode_refuses_an_empty_value),
        cmocka_unit_test(test_push_decode_refuses_values_of_neither_form),
        cmocka_unit_test(test_push_decode_survives_values_cut_at_every_byte),
        cmocka_unit_test(test_push_nkeys_is_limited_to_65535),
        cmocka_unit_test(test_push_key_is_1_to_255_bytes),
        cmocka_unit_test(test_push_spare_and_only_are_at_most_255_bytes),
        cmocka_unit_test(test_push_room_has_a_name_that_is_allowed),
        cmocka_unit_test(test_push_msg_never_begins_as_json_does),
        cmocka_unit_test(test_push_destroy_may_be_called_twice),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(test_push_decode_reports_each_allocation_that_fails),
        cmocka_unit_test(test_push_encode_reports_each_allocation_that_fails),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
