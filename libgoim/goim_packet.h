/*
 * The goim packet: a 16-byte header and a body (goim v2, "packet header").
 * No I/O; all integers on the wire are big-endian.
 */

#ifndef GOIM_PACKET_H_INCLUDED
#define GOIM_PACKET_H_INCLUDED


#include "goim.h"


#define GOIM_PACKET_HEADER_LEN  16
#define GOIM_PACKET_MAX_BODY    4096  /* of a client's packet, goim's limit */

#define GOIM_OP_HEARTBEAT          2
#define GOIM_OP_HEARTBEAT_REPLY    3
#define GOIM_OP_SEND               4
#define GOIM_OP_SEND_REPLY         5
#define GOIM_OP_AUTH               7
#define GOIM_OP_AUTH_REPLY         8
#define GOIM_OP_RAW                9  /* on WebSocket: holds nested packets */
#define GOIM_OP_CHANGE_ROOM       12
#define GOIM_OP_CHANGE_ROOM_REPLY 13
#define GOIM_OP_SUB               14
#define GOIM_OP_SUB_REPLY         15
#define GOIM_OP_UNSUB             16
#define GOIM_OP_UNSUB_REPLY       17
#define GOIM_OP_NOTICE            18  /* ours, to those that ask for it */

#define GOIM_VERSION               1  /* "ver" of all that we send unasked */


typedef struct {
    uint16_t    ver;
    int32_t     op;
    int32_t     seq;
    goim_str_t  body;  /* points into the decoded buffer */
} goim_packet_t;


/*
 * Decodes the packet at buf.  GOIM_AGAIN: len bytes do not hold all of it yet;
 * GOIM_INVALID: a header length other than 16, a packet length below 16, or a
 * body longer than max_body (known from the header alone, before the rest has
 * arrived).  On GOIM_OK the packet took 16 + body.len bytes.
 */
GOIM_MUSTCHECK int goim_packet_decode(goim_packet_t *packet,
    const uint8_t *buf, size_t len, size_t max_body);

/* Writes a header for a body of body_len bytes; returns buf + 16.  body_len
 * is at most INT32_MAX - 16. */
uint8_t *goim_packet_encode_header(uint8_t *buf, uint16_t ver, int32_t op,
    int32_t seq, size_t body_len);


#endif /* GOIM_PACKET_H_INCLUDED */
