/*
 * Any bytes as a stream of WebSocket frames, unmasked as they come.  The
 * answer must not depend on how much has arrived, except for "more"; headers
 * as a server writes them must encode to the same bytes; masking in pieces
 * must be masking byte by byte.  And as text: UTF-8 is the same in pieces.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_utf8.h"
#include "goim_ws.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/*
 * Each beginning of the input asks for more, until the bytes that decide are
 * there; from then on the answer is that of the whole.
 */

static void
check_beginnings(int status, const uint8_t *data, size_t size)
{
    int              got, decided;
    size_t           n;
    goim_ws_frame_t  frame;

    decided = 0;

    for (n = 0; n < size && n <= GOIM_WS_MAX_HEADER; n++) {
        got = goim_ws_decode_header(&frame, data, n);

        if (got != GOIM_AGAIN) {
            decided = 1;
        }

        if (got != (decided ? status : GOIM_AGAIN)) {
            __builtin_trap();
        }

        if (got == GOIM_OK && n < frame.header_len) {
            __builtin_trap();
        }
    }
}


static void
check_frame(const goim_ws_frame_t *frame, const uint8_t *data)
{
    uint8_t  header[GOIM_WS_MAX_SEND_HEADER];

    if (goim_ws_header_len(frame->len) + (frame->masked ? 4 : 0)
        != frame->header_len)
    {
        __builtin_trap();
    }

    if (goim_ws_is_control(frame->opcode)
        && (!frame->fin || frame->len > GOIM_WS_MAX_CONTROL))
    {
        __builtin_trap();
    }

    if (!frame->fin || frame->masked) {
        return;
    }

    if (goim_ws_encode_header(header, frame->opcode, frame->len)
        != frame->header_len
        || memcmp(header, data, frame->header_len) != 0)
    {
        __builtin_trap();
    }
}


static void
check_mask(const goim_ws_frame_t *frame, const uint8_t *payload, size_t len)
{
    size_t    i, split;
    uint8_t  *copy;

    if (len == 0) {
        return;
    }

    copy = malloc(len);
    if (copy == NULL) {
        return;
    }

    memcpy(copy, payload, len);
    split = payload[0] % (len + 1);

    goim_ws_mask(copy, split, frame->mask, 0);
    goim_ws_mask(copy + split, len - split, frame->mask, split);

    for (i = 0; i < len; i++) {

        if (copy[i] != (payload[i] ^ frame->mask[i % 4])) {
            __builtin_trap();
        }
    }

    free(copy);
}


/*
 * Split at every byte it is what it is whole, and once wrong it stays wrong.
 */

static void
check_utf8(const uint8_t *data, size_t size)
{
    size_t   split;
    uint8_t  whole, start;

    whole = goim_utf8_check(GOIM_UTF8_START, data, size);
    start = GOIM_UTF8_START;

    for (split = 0; split < size; split++) {

        if (goim_utf8_check(start, data + split, size - split) != whole) {
            __builtin_trap();
        }

        if (start == GOIM_UTF8_INVALID && whole != GOIM_UTF8_INVALID) {
            __builtin_trap();
        }

        start = goim_utf8_check(start, data + split, 1);
    }

    if (start != whole) {
        __builtin_trap();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              status;
    char             accept[GOIM_WS_ACCEPT_LEN];
    size_t           len;
    goim_ws_frame_t  frame;

    goim_ws_accept(accept, (const char *) data, size);

    if (accept[GOIM_WS_ACCEPT_LEN - 1] != '=') {
        __builtin_trap();
    }

    check_utf8(data, size);

    for (;;) {
        status = goim_ws_decode_header(&frame, data, size);

        check_beginnings(status, data, size);

        if (status != GOIM_OK) {
            return 0;
        }

        check_frame(&frame, data);

        data += frame.header_len;
        size -= frame.header_len;
        len = frame.len < size ? (size_t) frame.len : size;

        check_mask(&frame, data, len);

        data += len;
        size -= len;
    }
}
