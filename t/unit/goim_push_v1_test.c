/*
 * goim v1's JSON form of a push: goim's own bytes, what its members may hold,
 * and broken input.
 */

#include "goim_push_test.h"


static void
assert_json_refused(const char *value, const char *sentence)
{
    assert_refused(value, strlen(value), sentence);
}


static void
test_push_v1_decode_reads_keys_of_goim(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V1_KEYS));

    assert_int_equal(push.type, GOIM_PUSH_KEYS);
    assert_int_equal(push.op, 5);
    assert_view(push.server, BYTES("1"));
    assert_int_equal(push.nkeys, 2);
    assert_view(push.keys[0], BYTES("1_1"));
    assert_view(push.keys[1], BYTES("2_1"));
    assert_view(push.body, BYTES("{\"test\":1}"));

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_reads_a_broadcast_of_goim(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(V1_BROADCAST));

    assert_int_equal(push.type, GOIM_PUSH_BROADCAST);
    assert_int_equal(push.op, 5);
    assert_int_equal(push.speed, 0);
    assert_view(push.body, BYTES("{\"test\":1}"));

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_reads_rooms_of_goim(void **state)
{
    size_t       i;
    goim_push_t  push;

    (void) state;

    for (i = 0; i < 2; i++) {

        if (i == 0) {
            assert_decodes(&push, BYTES(V1_ROOM));

        } else {
            assert_decodes(&push, BYTES(V1_ROOM_ENSURE));
        }

        assert_int_equal(push.type, GOIM_PUSH_ROOM);
        assert_int_equal(push.op, 5);
        assert_view(push.room, BYTES("test://1"));
        assert_view(push.body, BYTES("{\"test\":1}"));

        goim_push_destroy(&push);
    }
}


static void
test_push_v1_decode_takes_op_and_room_type_from_the_settings(void **state)
{
    char               type[300];
    const char        *why;
    goim_push_t        push;
    goim_push_conf_t   own = { "live", 1000 };

    (void) state;

    assert_int_equal(goim_push_decode(&push, (const uint8_t *) V1_ROOM,
                                      sizeof(V1_ROOM) - 1, &own, &why),
                     GOIM_OK);
    assert_int_equal(push.op, 1000);
    assert_view(push.room, BYTES("live://1"));
    goim_push_destroy(&push);

    /* "<251>://1" is 255 bytes */

    memset(type, 't', 252);
    type[252] = '\0';
    own.v1_room_type = type;

    assert_int_equal(goim_push_decode(&push, (const uint8_t *) V1_ROOM,
                                      sizeof(V1_ROOM) - 1, &own, &why),
                     GOIM_INVALID);

    type[251] = '\0';

    assert_int_equal(goim_push_decode(&push, (const uint8_t *) V1_ROOM,
                                      sizeof(V1_ROOM) - 1, &own, &why),
                     GOIM_OK);
    assert_int_equal(push.room.len, 255);
    goim_push_destroy(&push);
}


static void
test_push_v1_decode_reads_an_object_between_white_space(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES(" \t\r\n{ \"op\" :\n\"broadcast\" }\r\n "));
    assert_int_equal(push.type, GOIM_PUSH_BROADCAST);
    goim_push_destroy(&push);

    assert_json_refused("{\"op\":\"broadcast\"} x", "not valid JSON");
    assert_json_refused("{\"op\":\"broadcast\"}{}", "not valid JSON");
}


static void
test_push_v1_decode_takes_a_missing_or_null_msg_for_empty(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("{\"op\":\"broadcast\",\"msg\":null}"));
    assert_int_equal(push.body.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("{\"op\":\"broadcast\",\"msg\":\"\"}"));
    assert_int_equal(push.body.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("{\"op\":\"broadcast\"}"));
    assert_int_equal(push.body.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("{\"op\":\"broadcast\",\"msg\":\"YQ==\","
                                "\"msg\":null}"));
    assert_int_equal(push.body.len, 0);
    goim_push_destroy(&push);
}


static void
test_push_v1_decode_takes_missing_numbers_for_0(void **state)
{
    goim_push_t  push;

    (void) state;

    /* goim leaves out zeros: room 0 exists, server 0 does not */

    assert_decodes(&push, BYTES("{\"op\":\"broadcast_room\"}"));
    assert_view(push.room, BYTES("test://0"));
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("{\"op\":\"multiple\",\"subkeys\":[\"k\"]}"));
    assert_int_equal(push.server.len, 0);
    goim_push_destroy(&push);

    assert_decodes(&push, BYTES("{\"op\":\"multiple\",\"subkeys\":[\"k\"],"
                                "\"server\":null,\"op\":null}"));
    assert_int_equal(push.server.len, 0);
    goim_push_destroy(&push);
}


static void
test_push_v1_decode_reads_numbers_that_are_int32(void **state)
{
    static const struct {
        const char  *number;
        const char  *room;
    } cases[] = {
        { "0", "test://0" },
        { "-0", "test://0" },
        { "-1", "test://-1" },
        { "2147483646", "test://2147483646" },
        { "2147483647", "test://2147483647" },
        { "2147483648", NULL },
        { "-2147483647", "test://-2147483647" },
        { "-2147483648", "test://-2147483648" },
        { "-2147483649", NULL },
        { "99999999999", NULL },
        { "100000000000", NULL },
        { "18446744073709551617", NULL },
        { "1.0", NULL },
        { "1e3", NULL },
    };

    char          value[100];
    size_t        i, len;
    goim_push_t   push;

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = (size_t) snprintf(value, sizeof(value),
                                "{\"op\":\"broadcast_room\",\"roomid\":%s}",
                                cases[i].number);

        if (cases[i].room) {
            assert_decodes(&push, value, len);
            assert_view(push.room, cases[i].room, strlen(cases[i].room));
            goim_push_destroy(&push);

        } else {
            assert_json_refused(value,
                                "a number of v1's JSON is not an int32");
        }
    }

    assert_decodes(&push, BYTES("{\"op\":\"multiple\",\"subkeys\":[\"k\"],"
                                "\"server\":-2147483648}"));
    assert_view(push.server, BYTES("-2147483648"));
    goim_push_destroy(&push);
}


static void
test_push_v1_decode_reads_escapes_and_any_bytes(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("{\"\\u006fp\":\"mult\\u0069ple\","
                                "\"subkeys\":[\"\\u0000\\n\\\"\",\"\xff\xfe\","
                                "\"\\u00e9\"],\"msg\":\"\\/\\/8=\"}"));
    assert_int_equal(push.nkeys, 3);
    assert_view(push.keys[0], BYTES("\0\n\""));
    assert_view(push.keys[1], BYTES("\xff\xfe"));
    assert_view(push.keys[2], BYTES("\xc3\xa9"));
    assert_view(push.body, BYTES("\xff\xff"));

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_keeps_what_long_escapes_hold(void **state)
{
    char         *value, *p;
    size_t        i;
    uint8_t       body[6000];
    goim_push_t   push;

    (void) state;

    /* yajl decodes escapes in memory that grows; "/" is 63 in base64 */

    value = malloc(2 * sizeof(body) / 3 * 4 + 100);
    assert_non_null(value);

    p = value + sprintf(value, "{\"op\":\"broadcast\",\"msg\":\"");

    for (i = 0; i < sizeof(body); i += 3) {
        p += sprintf(p, "QUI\\/");
        memcpy(body + i, "AB?", 3);
    }

    p += sprintf(p, "\"}");

    assert_decodes(&push, value, p - value);
    assert_view(push.body, (const char *) body, sizeof(body));

    goim_push_destroy(&push);
    free(value);
}


static void
test_push_v1_decode_ignores_the_case_of_members(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("{\"Op\":\"broadcast_room\",\"RoomId\":7,"
                                "\"MSG\":\"YQ==\"}"));
    assert_view(push.room, BYTES("test://7"));
    assert_view(push.body, BYTES("a"));
    goim_push_destroy(&push);

    assert_json_refused("{\"op\":\"Broadcast\"}", "unknown op in v1's JSON");
}


static void
test_push_v1_decode_takes_the_last_of_a_member(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push,
                   BYTES("{\"op\":\"broadcast\",\"subkeys\":[\"a\",\"b\"],"
                         "\"msg\":\"YQ==\",\"server\":1,\"op\":\"multiple\","
                         "\"subkeys\":[\"c\"],\"msg\":\"Yg==\","
                         "\"server\":2}"));
    assert_int_equal(push.type, GOIM_PUSH_KEYS);
    assert_int_equal(push.nkeys, 1);
    assert_view(push.keys[0], BYTES("c"));
    assert_view(push.body, BYTES("b"));
    assert_view(push.server, BYTES("2"));

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_leaves_out_what_the_op_does_not_use(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push, BYTES("{\"op\":\"broadcast\",\"subkeys\":[\"a\"],"
                                "\"server\":1,\"roomid\":2}"));
    assert_int_equal(push.nkeys + push.server.len + push.room.len, 0);
    assert_null(push.keys);

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_skips_members_that_it_does_not_know(void **state)
{
    goim_push_t  push;

    (void) state;

    assert_decodes(&push,
                   BYTES("{\"a\":null,\"b\":true,\"c\":1e999,\"d\":\"x\","
                         "\"e\":[{\"op\":\"x\",\"msg\":1},[[]],null,false],"
                         "\"f\":{\"subkeys\":{\"op\":[]}},"
                         "\"\":18446744073709551617,"
                         "\"opp\":1,\"o\":2,\"op\":\"broadcast\"}"));
    assert_int_equal(push.type, GOIM_PUSH_BROADCAST);

    goim_push_destroy(&push);
}


static void
test_push_v1_decode_limits_the_depth(void **state)
{
    char          value[300], *p;
    int           depth, i;
    goim_push_t   push;

    (void) state;

    /* the object is the first level */

    for (depth = 31; depth <= 33; depth++) {
        p = value + sprintf(value, "{\"op\":\"broadcast\",\"x\":");

        for (i = 1; i < depth; i++) {
            *p++ = '[';
        }

        for (i = 1; i < depth; i++) {
            *p++ = ']';
        }

        *p++ = '}';
        *p = '\0';

        if (depth <= 32) {
            assert_decodes(&push, value, p - value);
            goim_push_destroy(&push);

        } else {
            assert_json_refused(value, "v1's JSON is nested too deep");
        }
    }
}


static void
test_push_v1_decode_refuses_members_with_another_type(void **state)
{
    static const char *const  values[] = {
        "{\"op\":1}", "{\"op\":true}", "{\"op\":[]}", "{\"op\":{}}",
        "{\"msg\":1}", "{\"msg\":false}", "{\"msg\":[]}", "{\"msg\":{}}",
        "{\"server\":\"1\"}", "{\"server\":true}", "{\"server\":[1]}",
        "{\"roomid\":\"1\"}", "{\"roomid\":{}}",
        "{\"subkeys\":\"k\"}", "{\"subkeys\":1}", "{\"subkeys\":{}}",
        "{\"subkeys\":[1]}", "{\"subkeys\":[null]}", "{\"subkeys\":[true]}",
        "{\"subkeys\":[[\"k\"]]}", "{\"subkeys\":[{\"k\":\"k\"}]}",
    };

    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_json_refused(values[i],
                            "a member of v1's JSON has another type");
    }
}


static void
test_push_v1_decode_refuses_an_object_without_a_known_op(void **state)
{
    (void) state;

    assert_json_refused("{}", "v1's JSON without an op");
    assert_json_refused("{\"op\":null}", "v1's JSON without an op");
    assert_json_refused("{\"op\":\"\"}", "unknown op in v1's JSON");
    assert_json_refused("{\"op\":\"broadcast_\"}", "unknown op in v1's JSON");
    assert_json_refused("{\"op\":\"broadcast\\u0000\"}",
                        "unknown op in v1's JSON");
}


static void
test_push_v1_decode_refuses_a_push_without_its_keys(void **state)
{
    (void) state;

    assert_json_refused("{\"op\":\"multiple\"}",
                        "a push to keys without a key");
    assert_json_refused("{\"op\":\"multiple\",\"subkeys\":[]}",
                        "a push to keys without a key");
    assert_json_refused("{\"op\":\"multiple\",\"subkeys\":[\"a\"],"
                        "\"subkeys\":null}",
                        "a push to keys without a key");
    assert_json_refused("{\"op\":\"multiple\",\"subkeys\":[\"a\",\"\"]}",
                        "a key is empty");
}


static void
test_push_v1_decode_refuses_a_msg_that_is_not_base64(void **state)
{
    static const char *const  texts[] = {
        "Y", "YQ", "YQ=", "YQ===", "=", "====", "Y===", "=YQ=", "Y=Q=",
        "YQ==YQ==", "YQ=A", "YQ-_", "YQ A", "YQ\\u0000\\u0000", "YWJj\\n",
    };

    char    value[100];
    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        (void) snprintf(value, sizeof(value),
                        "{\"op\":\"broadcast\",\"msg\":\"%s\"}", texts[i]);
        assert_json_refused(value, "msg of v1's JSON is not base64");
    }
}


static void
test_push_v1_decode_reads_every_byte_from_base64(void **state)
{
    static const char  base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    char          value[500], *p;
    size_t        n, i;
    uint8_t       bytes[256 + 3] = { 0 };
    goim_push_t   push;

    (void) state;

    for (i = 0; i < 256; i++) {
        bytes[i] = (uint8_t) i;
    }

    for (n = 254; n <= 256; n++) {
        p = value + sprintf(value, "{\"op\":\"broadcast\",\"msg\":\"");

        for (i = 0; i < n; i += 3) {
            *p++ = base64[bytes[i] >> 2];
            *p++ = base64[(bytes[i] << 4 | bytes[i + 1] >> 4) & 63];
            *p++ = base64[(bytes[i + 1] << 2 | bytes[i + 2] >> 6) & 63];
            *p++ = base64[bytes[i + 2] & 63];
        }

        memset(p - (i - n), '=', i - n);
        memcpy(p, "\"}", 2);

        assert_decodes(&push, value, p + 2 - value);
        assert_view(push.body, (const char *) bytes, n);
        goim_push_destroy(&push);

        bytes[n] = (uint8_t) n;
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_push_v1_decode_reads_keys_of_goim),
        cmocka_unit_test(test_push_v1_decode_reads_a_broadcast_of_goim),
        cmocka_unit_test(test_push_v1_decode_reads_rooms_of_goim),
        cmocka_unit_test(
            test_push_v1_decode_takes_op_and_room_type_from_the_settings),
        cmocka_unit_test(
            test_push_v1_decode_reads_an_object_between_white_space),
        cmocka_unit_test(
            test_push_v1_decode_takes_a_missing_or_null_msg_for_empty),
        cmocka_unit_test(test_push_v1_decode_takes_missing_numbers_for_0),
        cmocka_unit_test(test_push_v1_decode_reads_numbers_that_are_int32),
        cmocka_unit_test(test_push_v1_decode_reads_escapes_and_any_bytes),
        cmocka_unit_test(test_push_v1_decode_keeps_what_long_escapes_hold),
        cmocka_unit_test(test_push_v1_decode_ignores_the_case_of_members),
        cmocka_unit_test(test_push_v1_decode_takes_the_last_of_a_member),
        cmocka_unit_test(
            test_push_v1_decode_leaves_out_what_the_op_does_not_use),
        cmocka_unit_test(
            test_push_v1_decode_skips_members_that_it_does_not_know),
        cmocka_unit_test(test_push_v1_decode_limits_the_depth),
        cmocka_unit_test(
            test_push_v1_decode_refuses_members_with_another_type),
        cmocka_unit_test(
            test_push_v1_decode_refuses_an_object_without_a_known_op),
        cmocka_unit_test(test_push_v1_decode_refuses_a_push_without_its_keys),
        cmocka_unit_test(test_push_v1_decode_refuses_a_msg_that_is_not_base64),
        cmocka_unit_test(test_push_v1_decode_reads_every_byte_from_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
