/*
 * goim's token: the JSON object in a client's auth packet.  Pure: no I/O.
 */

#ifndef LS_TOKEN_H_INCLUDED
#define LS_TOKEN_H_INCLUDED


#include "goim.h"


#define LS_TOKEN_MAX      (64 * 1024)  /* bytes of a token */
#define LS_TOKEN_ACCEPTS  1024         /* operations */


typedef struct {
    int64_t   mid;       /* 0: none */
    char     *key;       /* NULL: none; 1 to 255 bytes */
    char     *room;      /* NULL: none; a room's full name */
    int32_t  *accepts;
    size_t    naccepts;
    char     *jwt;       /* NULL: none; a signed token, ls_jwt.h */
    int       gap;       /* it wants to be told of messages it misses */
} ls_token_t;


/*
 * Members' names in any case, unknown ones skipped, null as good as nothing,
 * the last of several counts.  GOIM_INVALID: no JSON object, a member of
 * another type, more than 32 levels, or a value that a header can't carry
 * (control characters, a space at an end); *why is then a static sentence.
 * GOIM_NOMEM.  On GOIM_OK the caller frees with ls_token_done().
 */
GOIM_MUSTCHECK int ls_token_parse(ls_token_t *token, const uint8_t *text,
    size_t len, const char **why);

void ls_token_done(ls_token_t *token);


#endif /* LS_TOKEN_H_INCLUDED */
