/*
 * SHA-1: see goim_sha1.h.
 */

#include <string.h>

#include "goim_sha1.h"


static uint32_t
goim_sha1_rotate(uint32_t n, int bits)
{
    return n << bits | n >> (32 - bits);
}


/* f and K of round t, FIPS 180-4, sections 4.1.1 and 4.2.1 */

static uint32_t
goim_sha1_round(int t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20) {
        return ((b & c) | (~b & d)) + 0x5a827999;
    }

    if (t < 40) {
        return (b ^ c ^ d) + 0x6ed9eba1;
    }

    if (t < 60) {
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    }

    return (b ^ c ^ d) + 0xca62c1d6;
}


static void
goim_sha1_block(uint32_t state[5], const uint8_t *p)
{
    int       t;
    uint32_t  a, b, c, d, e, n, w[80];

    for (t = 0; t < 16; t++, p += 4) {
        w[t] = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
               | (uint32_t) p[2] << 8 | p[3];
    }

    for (; t < 80; t++) {
        w[t] = goim_sha1_rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16],
                                1);
    }

    a = state[0];
    b = state[1];
    c = state[2];
    d = state[3];
    e = state[4];

    for (t = 0; t < 80; t++) {
        n = goim_sha1_rotate(a, 5) + goim_sha1_round(t, b, c, d) + e + w[t];
        e = d;
        d = c;
        c = goim_sha1_rotate(b, 30);
        b = a;
        a = n;
    }

    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}


void
goim_sha1_init(goim_sha1_t *sha1)
{
    sha1->state[0] = 0x67452301;
    sha1->state[1] = 0xefcdab89;
    sha1->state[2] = 0x98badcfe;
    sha1->state[3] = 0x10325476;
    sha1->state[4] = 0xc3d2e1f0;
    sha1->len = 0;
}


void
goim_sha1_update(goim_sha1_t *sha1, const void *data, size_t len)
{
    size_t          n, used;
    const uint8_t  *p;

    p = data;

    while (len > 0) {
        used = sha1->len % GOIM_SHA1_BLOCK;
        n = GOIM_SHA1_BLOCK - used;

        if (n > len) {
            n = len;
        }

        memcpy(sha1->block + used, p, n);
        sha1->len += n;
        p += n;
        len -= n;

        if (used + n == GOIM_SHA1_BLOCK) {
            goim_sha1_block(sha1->state, sha1->block);
        }
    }
}


void
goim_sha1_final(goim_sha1_t *sha1, uint8_t digest[GOIM_SHA1_LEN])
{
    int       i;
    size_t    used, pad;
    uint8_t   end[GOIM_SHA1_BLOCK + 8];
    uint64_t  bits;

    bits = sha1->len * 8;
    used = sha1->len % GOIM_SHA1_BLOCK;

    /* a 1 bit, zeros up to 8 bytes before a block's end, the length */

    pad = (used < 56 ? 56 : 56 + GOIM_SHA1_BLOCK) - used;

    memset(end, 0, pad);
    end[0] = 0x80;

    for (i = 0; i < 8; i++) {
        end[pad + i] = (uint8_t) (bits >> (56 - 8 * i));
    }

    goim_sha1_update(sha1, end, pad + 8);

    for (i = 0; i < GOIM_SHA1_LEN; i++) {
        digest[i] = (uint8_t) (sha1->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
