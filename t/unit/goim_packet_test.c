/*
 * The packet codec: goim's own bytes in both directions, incomplete input,
 * and every limit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_packet.h"


typedef struct {
    const char  *name;
    uint16_t     ver;
    int32_t      op;
    int32_t      seq;
    const char  *body;
    size_t       body_len;
    const char  *wire;
} packet_vector_t;


#define AUTH_BODY                                                             \
    "{\"mid\":123, \"room_id\":\"live://1000\", \"platform\":\"web\", "       \
    "\"accepts\":[1000,1001,1002]}"

#define VECTOR(name, ver, op, seq, body, wire)                                \
    { name, ver, op, seq, body, sizeof(body) - 1, wire }


/* what goim's encoders and a running comet write */

static const packet_vector_t  vectors[] = {
    VECTOR("auth", 1, GOIM_OP_AUTH, 1, AUTH_BODY,
           "\0\0\0\x62\0\x10\0\1\0\0\0\7\0\0\0\1" AUTH_BODY),
    VECTOR("auth reply", 1, GOIM_OP_AUTH_REPLY, 1, "",
           "\0\0\0\x10\0\x10\0\1\0\0\0\x08\0\0\0\1"),
    VECTOR("heartbeat", 1, GOIM_OP_HEARTBEAT, 1, "",
           "\0\0\0\x10\0\x10\0\1\0\0\0\2\0\0\0\1"),
    VECTOR("heartbeat reply", 1, GOIM_OP_HEARTBEAT_REPLY, 1, "\0\0\0\3",
           "\0\0\0\x14\0\x10\0\1\0\0\0\3\0\0\0\1\0\0\0\3"),
    VECTOR("change room", 1, GOIM_OP_CHANGE_ROOM, 4, "live://2000",
           "\0\0\0\x1b\0\x10\0\1\0\0\0\x0c\0\0\0\4live://2000"),
    VECTOR("change room reply", 1, GOIM_OP_CHANGE_ROOM_REPLY, 4,
           "live://2000",
           "\0\0\0\x1b\0\x10\0\1\0\0\0\x0d\0\0\0\4live://2000"),
    VECTOR("sub", 1, GOIM_OP_SUB, 9, "1003,1004",
           "\0\0\0\x19\0\x10\0\1\0\0\0\x0e\0\0\0\x09" "1003,1004"),
    VECTOR("sub reply", 1, GOIM_OP_SUB_REPLY, 9, "1003,1004",
           "\0\0\0\x19\0\x10\0\1\0\0\0\x0f\0\0\0\x09" "1003,1004"),
    VECTOR("push", 1, 1000, 0, "hello",
           "\0\0\0\x15\0\x10\0\1\0\0\3\xe8\0\0\0\0hello"),
    VECTOR("push of JSON", 1, 1001, 0, "{\"test\":1}",
           "\0\0\0\x1a\0\x10\0\1\0\0\3\xe9\0\0\0\0{\"test\":1}"),
    VECTOR("v1 auth", 1, GOIM_OP_AUTH, 1, "1",
           "\0\0\0\x11\0\x10\0\1\0\0\0\7\0\0\0\1" "1"),
    VECTOR("v1 push", 0, GOIM_OP_SEND_REPLY, 0, "{\"test\":2}",
           "\0\0\0\x1a\0\x10\0\0\0\0\0\5\0\0\0\0{\"test\":2}"),
    VECTOR("largest numbers", 65535, INT32_MAX, INT32_MAX, "",
           "\0\0\0\x10\0\x10\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff"),
    VECTOR("negative numbers", 1, -1, INT32_MIN, "",
           "\0\0\0\x10\0\x10\0\1\xff\xff\xff\xff\x80\0\0\0"),
};

#define NVECTORS  (sizeof(vectors) / sizeof(vectors[0]))


static size_t
wire_len(const packet_vector_t *v)
{
    return GOIM_PACKET_HEADER_LEN + v->body_len;
}


static int
decode_header(uint32_t packet_len, uint16_t header_len, size_t have,
    size_t max_body)
{
    uint8_t        buf[GOIM_PACKET_HEADER_LEN + 32] = { 0 };
    goim_packet_t  packet;

    buf[0] = (uint8_t) (packet_len >> 24);
    buf[1] = (uint8_t) (packet_len >> 16);
    buf[2] = (uint8_t) (packet_len >> 8);
    buf[3] = (uint8_t) packet_len;
    buf[4] = (uint8_t) (header_len >> 8);
    buf[5] = (uint8_t) header_len;

    return goim_packet_decode(&packet, buf, have, max_body);
}


static void
test_packet_decode_reads_what_goim_writes(void **state)
{
    size_t                  i;
    goim_packet_t           packet;
    const packet_vector_t  *v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];
        print_message("# %s\n", v->name);

        assert_int_equal(goim_packet_decode(&packet,
                                            (const uint8_t *) v->wire,
                                            wire_len(v),
                                            GOIM_PACKET_MAX_BODY),
                         GOIM_OK);
        assert_int_equal(packet.ver, v->ver);
        assert_int_equal(packet.op, v->op);
        assert_int_equal(packet.seq, v->seq);
        assert_int_equal(packet.body.len, v->body_len);
        assert_ptr_equal(packet.body.data, v->wire + GOIM_PACKET_HEADER_LEN);
        assert_memory_equal(packet.body.data, v->body, v->body_len);
    }
}


static void
test_packet_encode_writes_what_goim_writes(void **state)
{
    size_t                  i;
    uint8_t                 buf[GOIM_PACKET_HEADER_LEN];
    const packet_vector_t  *v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];
        print_message("# %s\n", v->name);

        assert_ptr_equal(goim_packet_encode_header(buf, v->ver, v->op, v->seq,
                                                   v->body_len),
                         buf + GOIM_PACKET_HEADER_LEN);
        assert_memory_equal(buf, v->wire, GOIM_PACKET_HEADER_LEN);
    }
}


static void
test_packet_encode_nests_a_room_push_in_op_9(void **state)
{
    /* WebSocket, two messages: goim's bytes behind the frame header */

    static const char  wire[] =
        "\0\0\0\x3f\0\x10\0\1\0\0\0\x09\0\0\0\0"
        "\0\0\0\x15\0\x10\0\1\0\0\3\xe8\0\0\0\0hello"
        "\0\0\0\x1a\0\x10\0\1\0\0\3\xe9\0\0\0\0{\"test\":1}";

    uint8_t  buf[sizeof(wire) - 1], *p;

    (void) state;

    p = goim_packet_encode_header(buf, GOIM_VERSION, GOIM_OP_RAW, 0, 47);
    p = goim_packet_encode_header(p, GOIM_VERSION, 1000, 0, 5);
    memcpy(p, "hello", 5);
    p = goim_packet_encode_header(p + 5, GOIM_VERSION, 1001, 0, 10);
    memcpy(p, "{\"test\":1}", 10);

    assert_ptr_equal(p + 10, buf + sizeof(buf));
    assert_memory_equal(buf, wire, sizeof(buf));
}


static void
test_packet_encode_writes_the_length_of_the_largest_body(void **state)
{
    uint8_t  buf[GOIM_PACKET_HEADER_LEN];

    (void) state;

    (void) goim_packet_encode_header(buf, 1, 1, 0, INT32_MAX - 16);
    assert_memory_equal(buf, "\x7f\xff\xff\xff", 4);
}


static void
test_packet_decode_asks_for_more_until_all_has_arrived(void **state)
{
    size_t                  i, len;
    goim_packet_t           packet;
    const packet_vector_t  *v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];

        for (len = 0; len < wire_len(v); len++) {
            assert_int_equal(goim_packet_decode(&packet,
                                                (const uint8_t *) v->wire,
                                                len, GOIM_PACKET_MAX_BODY),
                             GOIM_AGAIN);
        }
    }
}


static void
test_packet_decode_leaves_what_follows_the_packet(void **state)
{
    static const char  wire[] =
        "\0\0\0\x15\0\x10\0\1\0\0\3\xe8\0\0\0\0hello"
        "\0\0\0\x1a\0\x10\0\1\0\0\3\xe9\0\0\0\0{\"test\":1}";

    goim_packet_t   packet;
    const uint8_t  *p;

    (void) state;

    p = (const uint8_t *) wire;

    assert_int_equal(goim_packet_decode(&packet, p, 47, 4096), GOIM_OK);
    assert_int_equal(packet.op, 1000);
    assert_int_equal(packet.body.len, 5);

    assert_int_equal(goim_packet_decode(&packet, p + 21, 26, 4096), GOIM_OK);
    assert_int_equal(packet.op, 1001);
    assert_int_equal(packet.body.len, 10);
}


static void
test_packet_decode_refuses_a_length_below_the_header(void **state)
{
    uint32_t  len;

    (void) state;

    for (len = 0; len < 16; len++) {
        assert_int_equal(decode_header(len, 16, 32, 4096), GOIM_INVALID);
    }

    assert_int_equal(decode_header(16, 16, 32, 4096), GOIM_OK);
    assert_int_equal(decode_header(17, 16, 32, 4096), GOIM_OK);
}


static void
test_packet_decode_refuses_a_negative_length(void **state)
{
    uint32_t  d;

    (void) state;

    for (d = 0; d < 32; d++) {
        assert_int_equal(decode_header(0x80000000U + d, 16, 32, SIZE_MAX),
                         GOIM_INVALID);
        assert_int_equal(decode_header(0xffffffffU - d, 16, 32, SIZE_MAX),
                         GOIM_INVALID);
    }

    assert_int_equal(decode_header(0x7fffffffU, 16, 32, SIZE_MAX), GOIM_AGAIN);
}


static void
test_packet_decode_refuses_another_header_length(void **state)
{
    (void) state;

    assert_int_equal(decode_header(16, 0, 32, 4096), GOIM_INVALID);
    assert_int_equal(decode_header(16, 15, 32, 4096), GOIM_INVALID);
    assert_int_equal(decode_header(16, 16, 32, 4096), GOIM_OK);
    assert_int_equal(decode_header(17, 17, 32, 4096), GOIM_INVALID);
    assert_int_equal(decode_header(16, 0x1000, 32, 4096), GOIM_INVALID);
    assert_int_equal(decode_header(16, 0x1010, 32, 4096), GOIM_INVALID);
}


static void
test_packet_decode_refuses_a_body_over_the_limit_by_the_header(void **state)
{
    (void) state;

    assert_int_equal(decode_header(16 + 4095, 16, 16, 4096), GOIM_AGAIN);
    assert_int_equal(decode_header(16 + 4096, 16, 16, 4096), GOIM_AGAIN);
    assert_int_equal(decode_header(16 + 4097, 16, 16, 4096), GOIM_INVALID);

    assert_int_equal(decode_header(16, 16, 16, 0), GOIM_OK);
    assert_int_equal(decode_header(17, 16, 17, 0), GOIM_INVALID);
}


static void
test_packet_decode_does_not_judge_before_the_header_is_whole(void **state)
{
    size_t  have;

    (void) state;

    for (have = 0; have < GOIM_PACKET_HEADER_LEN; have++) {
        assert_int_equal(decode_header(0, 0, have, 4096), GOIM_AGAIN);
    }

    assert_int_equal(decode_header(0, 0, have, 4096), GOIM_INVALID);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_packet_decode_reads_what_goim_writes),
        cmocka_unit_test(test_packet_encode_writes_what_goim_writes),
        cmocka_unit_test(test_packet_encode_nests_a_room_push_in_op_9),
        cmocka_unit_test(
            test_packet_encode_writes_the_length_of_the_largest_body),
        cmocka_unit_test(
            test_packet_decode_asks_for_more_until_all_has_arrived),
        cmocka_unit_test(test_packet_decode_leaves_what_follows_the_packet),
        cmocka_unit_test(test_packet_decode_refuses_a_length_below_the_header),
        cmocka_unit_test(test_packet_decode_refuses_a_negative_length),
        cmocka_unit_test(test_packet_decode_refuses_another_header_length),
        cmocka_unit_test(
            test_packet_decode_refuses_a_body_over_the_limit_by_the_header),
        cmocka_unit_test(
            test_packet_decode_does_not_judge_before_the_header_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
