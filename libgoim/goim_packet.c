/*
 * The goim packet codec: see goim_packet.h.
 *
 * The header, big-endian: 4 bytes length of header and body, 2 length of the
 * header, 2 version, 4 operation, 4 sequence number.
 */

#include "goim_packet.h"


static uint32_t
goim_packet_get32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
           | (uint32_t) p[2] << 8 | p[3];
}


static uint16_t
goim_packet_get16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}


static uint8_t *
goim_packet_put32(uint8_t *p, uint32_t n)
{
    p[0] = (uint8_t) (n >> 24);
    p[1] = (uint8_t) (n >> 16);
    p[2] = (uint8_t) (n >> 8);
    p[3] = (uint8_t) n;

    return p + 4;
}


static uint8_t *
goim_packet_put16(uint8_t *p, uint16_t n)
{
    p[0] = (uint8_t) (n >> 8);
    p[1] = (uint8_t) n;

    return p + 2;
}


int
goim_packet_decode(goim_packet_t *packet, const uint8_t *buf, size_t len,
    size_t max_body)
{
    size_t    body_len;
    uint32_t  packet_len;

    if (len < GOIM_PACKET_HEADER_LEN) {
        return GOIM_AGAIN;
    }

    packet_len = goim_packet_get32(buf);

    /* the length is an int32 on the wire: negative ones end here, too */

    if (packet_len < GOIM_PACKET_HEADER_LEN || packet_len > INT32_MAX
        || goim_packet_get16(buf + 4) != GOIM_PACKET_HEADER_LEN)
    {
        return GOIM_INVALID;
    }

    body_len = packet_len - GOIM_PACKET_HEADER_LEN;

    if (body_len > max_body) {
        return GOIM_INVALID;
    }

    if (len - GOIM_PACKET_HEADER_LEN < body_len) {
        return GOIM_AGAIN;
    }

    packet->ver = goim_packet_get16(buf + 6);
    packet->op = (int32_t) goim_packet_get32(buf + 8);
    packet->seq = (int32_t) goim_packet_get32(buf + 12);
    packet->body.data = buf + GOIM_PACKET_HEADER_LEN;
    packet->body.len = body_len;

    return GOIM_OK;
}


uint8_t *
goim_packet_encode_header(uint8_t *buf, uint16_t ver, int32_t op, int32_t seq,
    size_t body_len)
{
    buf = goim_packet_put32(buf,
                            (uint32_t) (GOIM_PACKET_HEADER_LEN + body_len));
    buf = goim_packet_put16(buf, GOIM_PACKET_HEADER_LEN);
    buf = goim_packet_put16(buf, ver);
    buf = goim_packet_put32(buf, (uint32_t) op);

    return goim_packet_put32(buf, (uint32_t) seq);
}
