/*
 * WebSocket framing (RFC 6455): frame headers, the mask, close codes, the
 * accept key.  No I/O.
 */

#ifndef GOIM_WS_H_INCLUDED
#define GOIM_WS_H_INCLUDED


#include "goim.h"


#define GOIM_WS_CONTINUATION  0x0  /* opcodes, section 5.2 */
#define GOIM_WS_TEXT          0x1
#define GOIM_WS_BINARY        0x2
#define GOIM_WS_CLOSE         0x8
#define GOIM_WS_PING          0x9
#define GOIM_WS_PONG          0xA

#define goim_ws_is_control(opcode)  ((opcode) & 0x8)

#define GOIM_WS_MAX_CONTROL     125  /* payload of a control frame, 5.5 */
#define GOIM_WS_MAX_HEADER      14   /* client's: with length and mask */
#define GOIM_WS_MAX_SEND_HEADER 10   /* server's: never masked */

#define GOIM_WS_CLOSE_NORMAL      1000  /* close codes, section 7.4.1 */
#define GOIM_WS_CLOSE_AWAY        1001
#define GOIM_WS_CLOSE_PROTOCOL    1002
#define GOIM_WS_CLOSE_UNSUPPORTED 1003
#define GOIM_WS_CLOSE_INVALID     1007
#define GOIM_WS_CLOSE_POLICY      1008
#define GOIM_WS_CLOSE_TOO_BIG     1009
#define GOIM_WS_CLOSE_INTERNAL    1011
#define GOIM_WS_CLOSE_RESTART     1012
#define GOIM_WS_CLOSE_TRY_LATER   1013

#define GOIM_WS_ACCEPT_LEN      28   /* base64 of a SHA-1 */


typedef struct {
    uint8_t   opcode;
    uint8_t   fin;        /* 0 or 1 */
    uint8_t   masked;     /* 0 or 1 */
    uint8_t   mask[4];
    uint8_t   header_len; /* 2..14 */
    uint64_t  len;        /* of the payload */
} goim_ws_frame_t;


/*
 * Decodes a frame header.  GOIM_AGAIN: more bytes are needed; GOIM_INVALID:
 * a reserved bit, a reserved opcode, a fragmented or too long control frame,
 * a length with its highest bit set or not in its shortest form (5.2).
 */
GOIM_MUSTCHECK int goim_ws_decode_header(goim_ws_frame_t *frame,
    const uint8_t *buf, size_t len);

/* Masks or unmasks in place; offset is the place of data in the payload. */
void goim_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4],
    uint64_t offset);

/* The header of an unfragmented, unmasked frame; returns its length: 2, 4 or
 * 10.  buf holds GOIM_WS_MAX_SEND_HEADER bytes. */
size_t goim_ws_encode_header(uint8_t *buf, uint8_t opcode, uint64_t len);

/* How long that header is. */
size_t goim_ws_header_len(uint64_t len);

/* A close code that a peer may send (7.4): 1 or 0. */
int goim_ws_close_code_is_valid(unsigned code);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (4.2.2), not NUL-terminated. */
void goim_ws_accept(char accept[GOIM_WS_ACCEPT_LEN], const char *key,
    size_t key_len);


#endif /* GOIM_WS_H_INCLUDED */
