/*
 * Whether bytes are UTF-8 (RFC 3629), in pieces of any size.
 */

#ifndef GOIM_UTF8_H_INCLUDED
#define GOIM_UTF8_H_INCLUDED


#include "goim.h"


#define GOIM_UTF8_START    0   /* behind whole characters; where all begins */
#define GOIM_UTF8_INVALID  15  /* no more bytes can make it right */


/*
 * What a text that stood in a state is after len more bytes: START, INVALID,
 * or between them, from 1 to 7, within a character.  It is INVALID from the
 * first byte on that no character can go on with.
 */
GOIM_MUSTCHECK uint8_t goim_utf8_check(uint8_t state, const uint8_t *data,
    size_t len);


#endif /* GOIM_UTF8_H_INCLUDED */
