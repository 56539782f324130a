/*
 * Any bytes as packets.  The first two set the limit of a body; the rest is
 * a stream.  The answer must not depend on how much has arrived, except for
 * "more", and what was decoded must encode to the same header.
 */

#include <string.h>

#include "goim_packet.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* The answer for each beginning of what gave status in the whole. */

static void
check_beginnings(int status, const uint8_t *data, size_t size,
    size_t max_body, size_t decided)
{
    int            got;
    size_t         n;
    goim_packet_t  packet;

    for (n = 0; n < size; n++) {
        got = goim_packet_decode(&packet, data, n, max_body);

        if (got != (n < decided ? GOIM_AGAIN : status)) {
            __builtin_trap();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             status;
    size_t          max_body;
    uint8_t         header[GOIM_PACKET_HEADER_LEN];
    goim_packet_t   packet;

    if (size < 2) {
        return 0;
    }

    max_body = (size_t) data[0] << 8 | data[1];
    data += 2;
    size -= 2;

    while ((status = goim_packet_decode(&packet, data, size, max_body))
           == GOIM_OK)
    {
        if (packet.body.len > max_body
            || packet.body.data != data + GOIM_PACKET_HEADER_LEN
            || packet.body.len > size - GOIM_PACKET_HEADER_LEN)
        {
            __builtin_trap();
        }

        (void) goim_packet_encode_header(header, packet.ver, packet.op,
                                         packet.seq, packet.body.len);

        if (memcmp(header, data, sizeof(header)) != 0) {
            __builtin_trap();
        }

        check_beginnings(GOIM_OK, data, size, max_body,
                         sizeof(header) + packet.body.len);

        data += sizeof(header) + packet.body.len;
        size -= sizeof(header) + packet.body.len;
    }

    check_beginnings(status, data, size, max_body,
                     status == GOIM_AGAIN ? size : GOIM_PACKET_HEADER_LEN);

    return 0;
}
