/*
 * UTF-8: see goim_utf8.h.  The states and what they take are the table of
 * RFC 3629, section 4, which leaves out surrogates and what has a shorter
 * form.
 */

#include <string.h>

#include "goim_utf8.h"


enum {
    GOIM_UTF8_LAST1 = 1,  /* one to three more bytes, 80..BF each */
    GOIM_UTF8_LAST2,
    GOIM_UTF8_LAST3,
    GOIM_UTF8_E0,         /* behind that byte, which narrows the next one */
    GOIM_UTF8_ED,
    GOIM_UTF8_F0,
    GOIM_UTF8_F4,
    GOIM_UTF8_STATES
};


/* The next byte of a character, and what comes then. */
static const struct {
    uint8_t  low;
    uint8_t  high;
    uint8_t  next;
} goim_utf8_next[GOIM_UTF8_STATES] = {
    [GOIM_UTF8_LAST1] = { 0x80, 0xbf, GOIM_UTF8_START },
    [GOIM_UTF8_LAST2] = { 0x80, 0xbf, GOIM_UTF8_LAST1 },
    [GOIM_UTF8_LAST3] = { 0x80, 0xbf, GOIM_UTF8_LAST2 },
    [GOIM_UTF8_E0] = { 0xa0, 0xbf, GOIM_UTF8_LAST1 },
    [GOIM_UTF8_ED] = { 0x80, 0x9f, GOIM_UTF8_LAST1 },
    [GOIM_UTF8_F0] = { 0x90, 0xbf, GOIM_UTF8_LAST2 },
    [GOIM_UTF8_F4] = { 0x80, 0x8f, GOIM_UTF8_LAST2 },
};


static uint8_t
goim_utf8_first(uint8_t byte)
{
    if (byte < 0x80) {
        return GOIM_UTF8_START;
    }

    if (byte < 0xc2 || byte > 0xf4) {
        return GOIM_UTF8_INVALID;
    }

    switch (byte) {
    case 0xe0:
        return GOIM_UTF8_E0;
    case 0xed:
        return GOIM_UTF8_ED;
    case 0xf0:
        return GOIM_UTF8_F0;
    case 0xf4:
        return GOIM_UTF8_F4;
    }

    return byte < 0xe0 ? GOIM_UTF8_LAST1
           : byte < 0xf0 ? GOIM_UTF8_LAST2 : GOIM_UTF8_LAST3;
}


/* How many bytes of ASCII the data begins with, in whole words. */
static size_t
goim_utf8_ascii(const uint8_t *data, size_t len)
{
    size_t    n;
    uint64_t  word;

    for (n = 0; len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, data + n, sizeof(word));

        if (word & 0x8080808080808080ULL) {
            break;
        }
    }

    return n;
}


uint8_t
goim_utf8_check(uint8_t state, const uint8_t *data, size_t len)
{
    size_t  i;

    i = 0;

    while (i < len) {

        if (state == GOIM_UTF8_INVALID) {
            break;
        }

        if (state != GOIM_UTF8_START) {
            state = data[i] >= goim_utf8_next[state].low
                    && data[i] <= goim_utf8_next[state].high
                    ? goim_utf8_next[state].next : GOIM_UTF8_INVALID;
            i++;
            continue;
        }

        i += goim_utf8_ascii(data + i, len - i);

        if (i < len) {
            state = goim_utf8_first(data[i++]);
        }
    }

    return state;
}
