/*
 * Parses JSON with yajl's callbacks, out of memory that goes at once: yajl
 * does not look whether it got any.
 */

#ifndef LS_YAJL_H_INCLUDED
#define LS_YAJL_H_INCLUDED


#include <yajl/yajl_parse.h>

#include "goim.h"


/*
 * *yajl is there before the first callback, for yajl_get_bytes_consumed(), and
 * gone afterwards.  GOIM_INVALID: no JSON, or a callback returned 0.
 * GOIM_NOMEM.  Callbacks must limit the depth: yajl's memory grows with its
 * square.
 */
GOIM_MUSTCHECK int ls_yajl_parse(const yajl_callbacks *callbacks, void *ctx,
    yajl_handle *yajl, const uint8_t *text, size_t len);


#endif /* LS_YAJL_H_INCLUDED */
