/*
 * WebSocket framing: frames of a running goim comet, incomplete headers, all
 * that RFC 6455 forbids, the mask at every offset, the accept key.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_ws.h"


#define FIN   0x80
#define MASK  0x80


static int
decode(goim_ws_frame_t *frame, const char *bytes, size_t len)
{
    return goim_ws_decode_header(frame, (const uint8_t *) bytes, len);
}


/* The first len bytes of a header that begins with two given ones. */

static int
decode_start(uint8_t first, uint8_t second, size_t len)
{
    uint8_t          buf[GOIM_WS_MAX_HEADER] = { 0 };
    goim_ws_frame_t  frame;

    buf[0] = first;
    buf[1] = second;

    return goim_ws_decode_header(&frame, buf, len);
}


/* A header with a length of a given form: 7, 16 or 64 bits. */

static int
decode_len(goim_ws_frame_t *frame, int bits, uint64_t len)
{
    int      i, bytes;
    uint8_t  buf[GOIM_WS_MAX_HEADER] = { FIN | GOIM_WS_BINARY };

    bytes = bits == 7 ? 0 : bits / 8;
    buf[1] = bits == 7 ? (uint8_t) len : bits == 16 ? 126 : 127;

    for (i = 0; i < bytes; i++) {
        buf[2 + i] = (uint8_t) (len >> 8 * (bytes - 1 - i));
    }

    return goim_ws_decode_header(frame, buf, 2 + bytes);
}


static void
test_ws_decode_reads_the_masked_heartbeat_of_a_goim_client(void **state)
{
    static const char  wire[] =
        "\x82\x90\x37\xfa\x21\x3d"
        "\x37\xfa\x21\x2d\x37\xea\x21\x3c\x37\xfa\x21\x3f\x37\xfa\x21\x3c";

    uint8_t          payload[16];
    goim_ws_frame_t  frame;

    (void) state;

    assert_int_equal(decode(&frame, wire, sizeof(wire) - 1), GOIM_OK);
    assert_int_equal(frame.opcode, GOIM_WS_BINARY);
    assert_int_equal(frame.fin, 1);
    assert_int_equal(frame.masked, 1);
    assert_int_equal(frame.header_len, 6);
    assert_int_equal(frame.len, 16);
    assert_memory_equal(frame.mask, "\x37\xfa\x21\x3d", 4);

    memcpy(payload, wire + 6, sizeof(payload));
    goim_ws_mask(payload, sizeof(payload), frame.mask, 0);
    assert_memory_equal(payload, "\0\0\0\x10\0\x10\0\1\0\0\0\2\0\0\0\1", 16);
}


static void
test_ws_decode_reads_an_unmasked_fragment(void **state)
{
    goim_ws_frame_t  frame;

    (void) state;

    memset(&frame, 0xff, sizeof(frame));

    assert_int_equal(decode(&frame, "\x01\x03" "Hel", 5), GOIM_OK);
    assert_int_equal(frame.opcode, GOIM_WS_TEXT);
    assert_int_equal(frame.fin, 0);
    assert_int_equal(frame.masked, 0);
    assert_int_equal(frame.header_len, 2);
    assert_int_equal(frame.len, 3);
    assert_memory_equal(frame.mask, "\0\0\0\0", 4);

    assert_int_equal(decode(&frame, "\x80\x02lo", 4), GOIM_OK);
    assert_int_equal(frame.opcode, GOIM_WS_CONTINUATION);
    assert_int_equal(frame.fin, 1);
}


static void
test_ws_decode_asks_for_more_until_the_header_is_whole(void **state)
{
    static const uint64_t  lens[] = { 0, 125, 126, 65535, 65536, INT64_MAX };

    int              masked;
    size_t           i, n, header_len;
    uint8_t          buf[GOIM_WS_MAX_HEADER];
    goim_ws_frame_t  frame;

    (void) state;

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {

        for (masked = 0; masked <= 1; masked++) {
            header_len = goim_ws_encode_header(buf, GOIM_WS_BINARY, lens[i]);

            if (masked) {
                buf[1] |= MASK;
                memcpy(buf + header_len, "mask", 4);
                header_len += 4;
            }

            for (n = 0; n < header_len; n++) {
                assert_int_equal(goim_ws_decode_header(&frame, buf, n),
                                 GOIM_AGAIN);
            }

            assert_int_equal(goim_ws_decode_header(&frame, buf, n), GOIM_OK);
            assert_int_equal(frame.header_len, header_len);
            assert_true(frame.len == lens[i]);
            assert_int_equal(frame.masked, masked);
        }
    }
}


static void
test_ws_decode_judges_every_first_byte_as_the_rfc_does(void **state)
{
    int  byte, opcode, ok;

    (void) state;

    for (byte = 0; byte < 256; byte++) {
        opcode = byte & 0x0f;
        ok = (byte & 0x70) == 0
             && (opcode <= 2
                 || (opcode >= 8 && opcode <= 10 && (byte & FIN)));

        assert_int_equal(decode_start((uint8_t) byte, 0, 1),
                         ok ? GOIM_AGAIN : GOIM_INVALID);
        assert_int_equal(decode_start((uint8_t) byte, 0, 2),
                         ok ? GOIM_OK : GOIM_INVALID);
    }
}


static void
test_ws_decode_refuses_a_control_frame_over_125_bytes(void **state)
{
    (void) state;

    assert_int_equal(decode_start(FIN | GOIM_WS_PING, 124, 2), GOIM_OK);
    assert_int_equal(decode_start(FIN | GOIM_WS_PING, 125, 2), GOIM_OK);
    assert_int_equal(decode_start(FIN | GOIM_WS_PING, 126, 2), GOIM_INVALID);
    assert_int_equal(decode_start(FIN | GOIM_WS_CLOSE, 127, 2), GOIM_INVALID);
    assert_int_equal(decode_start(FIN | GOIM_WS_PONG, MASK | 126, 2),
                     GOIM_INVALID);
    assert_int_equal(decode_start(FIN | GOIM_WS_PONG, MASK | 125, 6),
                     GOIM_OK);
}


static void
test_ws_decode_refuses_a_length_not_in_its_shortest_form(void **state)
{
    goim_ws_frame_t  frame;

    (void) state;

    assert_int_equal(decode_len(&frame, 7, 125), GOIM_OK);
    assert_int_equal(decode_len(&frame, 16, 0), GOIM_INVALID);
    assert_int_equal(decode_len(&frame, 16, 125), GOIM_INVALID);
    assert_int_equal(decode_len(&frame, 16, 126), GOIM_OK);
    assert_int_equal(frame.len, 126);
    assert_int_equal(decode_len(&frame, 16, 127), GOIM_OK);
    assert_int_equal(decode_len(&frame, 16, 65535), GOIM_OK);
    assert_int_equal(frame.len, 65535);
    assert_int_equal(decode_len(&frame, 64, 0), GOIM_INVALID);
    assert_int_equal(decode_len(&frame, 64, 65535), GOIM_INVALID);
    assert_int_equal(decode_len(&frame, 64, 65536), GOIM_OK);
    assert_int_equal(frame.len, 65536);
}


static void
test_ws_decode_refuses_a_length_with_its_highest_bit(void **state)
{
    goim_ws_frame_t  frame;

    (void) state;

    assert_int_equal(decode_len(&frame, 64, 0x7fffffffffffffffULL), GOIM_OK);
    assert_int_equal(decode_len(&frame, 64, 0x8000000000000000ULL),
                     GOIM_INVALID);
    assert_int_equal(decode_len(&frame, 64, 0xffffffffffffffffULL),
                     GOIM_INVALID);
}


static void
test_ws_mask_is_that_of_the_rfc(void **state)
{
    uint8_t  data[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };

    (void) state;

    /* RFC 6455, 5.7: a masked text message */

    goim_ws_mask(data, 5, (const uint8_t *) "\x37\xfa\x21\x3d", 0);
    assert_memory_equal(data, "Hello", 5);
}


static void
test_ws_mask_is_the_same_at_every_place_and_offset(void **state)
{
    static const uint8_t   mask[4] = { 0x01, 0x80, 0xfe, 0x55 };
    static const uint64_t  bases[] = { 0, 4096, UINT32_MAX,
                                       INT64_MAX - 64 };

    size_t    b, i, place, len;
    uint8_t   data[64], expected[64];
    uint64_t  offset;

    (void) state;

    for (b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {

        for (offset = bases[b]; offset < bases[b] + 8; offset++) {

            for (place = 0; place < 9; place++) {

                for (len = 0; len <= 40; len++) {

                    for (i = 0; i < sizeof(data); i++) {
                        data[i] = expected[i] = (uint8_t) (i * 11);
                    }

                    for (i = 0; i < len; i++) {
                        expected[place + i] ^= mask[(offset + i) % 4];
                    }

                    goim_ws_mask(data + place, len, mask, offset);
                    assert_memory_equal(data, expected, sizeof(data));
                }
            }
        }
    }
}


static void
test_ws_mask_does_not_depend_on_where_the_payload_is_split(void **state)
{
    static const uint8_t  mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

    size_t   split;
    uint8_t  whole[50] = { 0 }, pieces[50];

    (void) state;

    goim_ws_mask(whole, sizeof(whole), mask, 0);

    for (split = 0; split <= sizeof(whole); split++) {
        memset(pieces, 0, sizeof(pieces));
        goim_ws_mask(pieces, split, mask, 0);
        goim_ws_mask(pieces + split, sizeof(pieces) - split, mask, split);

        assert_memory_equal(pieces, whole, sizeof(whole));
    }
}


static void
test_ws_encode_writes_the_headers_of_goim(void **state)
{
    uint8_t  buf[GOIM_WS_MAX_SEND_HEADER];

    (void) state;

    assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_BINARY, 16), 2);
    assert_memory_equal(buf, "\x82\x10", 2);

    assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_BINARY, 20), 2);
    assert_memory_equal(buf, "\x82\x14", 2);

    assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_BINARY, 63), 2);
    assert_memory_equal(buf, "\x82\x3f", 2);

    assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_BINARY, 52), 2);
    assert_memory_equal(buf, "\x82\x34", 2);

    assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_CLOSE, 0), 2);
    assert_memory_equal(buf, "\x88\x00", 2);
}


static void
test_ws_encode_uses_the_shortest_length(void **state)
{
    static const struct {
        uint64_t     len;
        size_t       header_len;
        const char  *header;
    } cases[] = {
        { 0, 2, "\x82\x00" },
        { 1, 2, "\x82\x01" },
        { 124, 2, "\x82\x7c" },
        { 125, 2, "\x82\x7d" },
        { 126, 4, "\x82\x7e\x00\x7e" },
        { 127, 4, "\x82\x7e\x00\x7f" },
        { 65534, 4, "\x82\x7e\xff\xfe" },
        { 65535, 4, "\x82\x7e\xff\xff" },
        { 65536, 10, "\x82\x7f\0\0\0\0\0\1\0\0" },
        { 70016, 10, "\x82\x7f\0\0\0\0\0\1\x11\x80" },
        { INT64_MAX, 10, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff" },
    };

    size_t   i;
    uint8_t  buf[GOIM_WS_MAX_SEND_HEADER];

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(goim_ws_encode_header(buf, GOIM_WS_BINARY,
                                               cases[i].len),
                         cases[i].header_len);
        assert_int_equal(goim_ws_header_len(cases[i].len),
                         cases[i].header_len);
        assert_memory_equal(buf, cases[i].header, cases[i].header_len);
    }
}


static void
test_ws_close_code_is_valid_when_a_peer_may_send_it(void **state)
{
    int       expected;
    unsigned  code;

    (void) state;

    for (code = 0; code <= 65536; code++) {
        expected = code >= 3000 && code <= 4999;

        switch (code) {
        case 1000: case 1001: case 1002: case 1003: case 1007: case 1008:
        case 1009: case 1010: case 1011: case 1012: case 1013: case 1014:
            expected = 1;
        }

        assert_int_equal(goim_ws_close_code_is_valid(code), expected);
    }
}


static void
test_ws_accept_answers_the_key_of_the_rfc(void **state)
{
    char  accept[GOIM_WS_ACCEPT_LEN + 1] = { 0 };

    (void) state;

    goim_ws_accept(accept, "dGhlIHNhbXBsZSBub25jZQ==", 24);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}


static void
test_ws_accept_takes_keys_of_any_length(void **state)
{
    char  accept[GOIM_WS_ACCEPT_LEN + 1] = { 0 }, key[300];

    (void) state;

    memset(key, 'k', sizeof(key));

    goim_ws_accept(accept, key, 0);
    assert_string_equal(accept, "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");

    goim_ws_accept(accept, key, sizeof(key));
    assert_string_equal(accept, "0epks0nN8rNytIigCrEHZPQGWfI=");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            test_ws_decode_reads_the_masked_heartbeat_of_a_goim_client),
        cmocka_unit_test(test_ws_decode_reads_an_unmasked_fragment),
        cmocka_unit_test(
            test_ws_decode_asks_for_more_until_the_header_is_whole),
        cmocka_unit_test(
            test_ws_decode_judges_every_first_byte_as_the_rfc_does),
        cmocka_unit_test(
            test_ws_decode_refuses_a_control_frame_over_125_bytes),
        cmocka_unit_test(
            test_ws_decode_refuses_a_length_not_in_its_shortest_form),
        cmocka_unit_test(test_ws_decode_refuses_a_length_with_its_highest_bit),
        cmocka_unit_test(test_ws_mask_is_that_of_the_rfc),
        cmocka_unit_test(test_ws_mask_is_the_same_at_every_place_and_offset),
        cmocka_unit_test(
            test_ws_mask_does_not_depend_on_where_the_payload_is_split),
        cmocka_unit_test(test_ws_encode_writes_the_headers_of_goim),
        cmocka_unit_test(test_ws_encode_uses_the_shortest_length),
        cmocka_unit_test(test_ws_close_code_is_valid_when_a_peer_may_send_it),
        cmocka_unit_test(test_ws_accept_answers_the_key_of_the_rfc),
        cmocka_unit_test(test_ws_accept_takes_keys_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
