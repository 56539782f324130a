/*
 * SHA-1 (FIPS 180-4), for the accept key of WebSocket only: it keeps OpenSSL
 * out of libgoim, and is no use where an attacker could choose collisions.
 */

#ifndef GOIM_SHA1_H_INCLUDED
#define GOIM_SHA1_H_INCLUDED


#include "goim.h"


#define GOIM_SHA1_LEN    20
#define GOIM_SHA1_BLOCK  64


typedef struct {
    uint32_t  state[5];
    uint64_t  len;                    /* bytes so far */
    uint8_t   block[GOIM_SHA1_BLOCK]; /* the last len % 64 of them */
} goim_sha1_t;


void goim_sha1_init(goim_sha1_t *sha1);
void goim_sha1_update(goim_sha1_t *sha1, const void *data, size_t len);

/* Writes the digest; sha1 must be initialized again before another use. */
void goim_sha1_final(goim_sha1_t *sha1, uint8_t digest[GOIM_SHA1_LEN]);


#endif /* GOIM_SHA1_H_INCLUDED */
