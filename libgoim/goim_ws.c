/*
 * WebSocket framing: see goim_ws.h; sections are RFC 6455's.
 */

#include <string.h>

#include "goim_sha1.h"
#include "goim_ws.h"


#define GOIM_WS_FIN     0x80
#define GOIM_WS_RSV     0x70
#define GOIM_WS_OPCODE  0x0f
#define GOIM_WS_MASK    0x80
#define GOIM_WS_LEN     0x7f

#define GOIM_WS_LEN16   126  /* values of the 7-bit length, 5.2 */
#define GOIM_WS_LEN64   127

#define GOIM_WS_GUID    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  /* 1.3 */


/* What the first byte alone decides. */

static int
goim_ws_check_first(uint8_t byte)
{
    uint8_t  opcode;

    opcode = byte & GOIM_WS_OPCODE;

    if (byte & GOIM_WS_RSV) {
        return GOIM_INVALID;
    }

    if (goim_ws_is_control(opcode)) {

        if (opcode > GOIM_WS_PONG || !(byte & GOIM_WS_FIN)) {
            return GOIM_INVALID;
        }

    } else if (opcode > GOIM_WS_BINARY) {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


/* The payload's length, whose bytes are all there. */

static int
goim_ws_decode_len(uint64_t *len, const uint8_t *buf)
{
    int  i;

    *len = buf[1] & GOIM_WS_LEN;

    if (*len < GOIM_WS_LEN16) {
        return GOIM_OK;
    }

    if (*len == GOIM_WS_LEN16) {
        *len = (uint64_t) buf[2] << 8 | buf[3];

        return *len < GOIM_WS_LEN16 ? GOIM_INVALID : GOIM_OK;
    }

    *len = 0;

    for (i = 2; i < 10; i++) {
        *len = *len << 8 | buf[i];
    }

    if (*len <= UINT16_MAX || *len > INT64_MAX) {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


int
goim_ws_decode_header(goim_ws_frame_t *frame, const uint8_t *buf, size_t len)
{
    size_t    header_len;
    uint8_t   len7, masked;
    uint64_t  payload_len;

    if (len == 0) {
        return GOIM_AGAIN;
    }

    if (goim_ws_check_first(buf[0]) != GOIM_OK) {
        return GOIM_INVALID;
    }

    if (len == 1) {
        return GOIM_AGAIN;
    }

    len7 = buf[1] & GOIM_WS_LEN;

    if (goim_ws_is_control(buf[0]) && len7 > GOIM_WS_MAX_CONTROL) {
        return GOIM_INVALID;
    }

    header_len = len7 == GOIM_WS_LEN64 ? 10 : len7 == GOIM_WS_LEN16 ? 4 : 2;

    if (len < header_len) {
        return GOIM_AGAIN;
    }

    if (goim_ws_decode_len(&payload_len, buf) != GOIM_OK) {
        return GOIM_INVALID;
    }

    masked = buf[1] & GOIM_WS_MASK;

    if (masked && len < header_len + 4) {
        return GOIM_AGAIN;
    }

    frame->opcode = buf[0] & GOIM_WS_OPCODE;
    frame->fin = (buf[0] & GOIM_WS_FIN) != 0;
    frame->masked = masked != 0;
    frame->len = payload_len;

    if (masked) {
        memcpy(frame->mask, buf + header_len, 4);
        header_len += 4;

    } else {
        memset(frame->mask, 0, 4);
    }

    frame->header_len = (uint8_t) header_len;

    return GOIM_OK;
}


void
goim_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
    size_t    i;
    uint8_t   turned[8];
    uint64_t  m, n;

    /* the mask, twice, beginning with the byte that data begins with */

    for (i = 0; i < 8; i++) {
        turned[i] = mask[(offset + i) % 4];
    }

    memcpy(&m, turned, 8);

    while (len >= 8) {
        memcpy(&n, data, 8);
        n ^= m;
        memcpy(data, &n, 8);

        data += 8;
        len -= 8;
    }

    for (i = 0; i < len; i++) {
        data[i] ^= turned[i];
    }
}


size_t
goim_ws_encode_header(uint8_t *buf, uint8_t opcode, uint64_t len)
{
    int  i;

    buf[0] = GOIM_WS_FIN | opcode;

    if (len < GOIM_WS_LEN16) {
        buf[1] = (uint8_t) len;

        return 2;
    }

    if (len <= UINT16_MAX) {
        buf[1] = GOIM_WS_LEN16;
        buf[2] = (uint8_t) (len >> 8);
        buf[3] = (uint8_t) len;

        return 4;
    }

    buf[1] = GOIM_WS_LEN64;

    for (i = 0; i < 8; i++) {
        buf[2 + i] = (uint8_t) (len >> (56 - 8 * i));
    }

    return 10;
}


size_t
goim_ws_header_len(uint64_t len)
{
    return len < GOIM_WS_LEN16 ? 2 : len <= UINT16_MAX ? 4 : 10;
}


int
goim_ws_close_code_is_valid(unsigned code)
{
    /* 1004 is reserved, 1005 and 1006 never stand in a frame; 1012 to 1014
     * were registered with IANA later; 3000 to 4999 are applications' */

    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
           || (code >= 3000 && code <= 4999);
}


void
goim_ws_accept(char accept[GOIM_WS_ACCEPT_LEN], const char *key,
    size_t key_len)
{
    static const char  base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    int          i;
    uint8_t      digest[GOIM_SHA1_LEN + 1];
    uint32_t     n;
    goim_sha1_t  sha1;

    goim_sha1_init(&sha1);
    goim_sha1_update(&sha1, key, key_len);
    goim_sha1_update(&sha1, GOIM_WS_GUID, sizeof(GOIM_WS_GUID) - 1);
    goim_sha1_final(&sha1, digest);

    /* 20 bytes are six groups of three and two bytes over: one padding sign */

    digest[GOIM_SHA1_LEN] = 0;

    for (i = 0; i < GOIM_SHA1_LEN; i += 3) {
        n = (uint32_t) digest[i] << 16 | (uint32_t) digest[i + 1] << 8
            | digest[i + 2];

        *accept++ = base64[n >> 18];
        *accept++ = base64[n >> 12 & 0x3f];
        *accept++ = base64[n >> 6 & 0x3f];
        *accept++ = base64[n & 0x3f];
    }

    accept[-1] = '=';
}
