/*
 * Parses JSON with yajl's callbacks, out of memory that goes at once.  yajl
 * does not look whether it got any, so where there is none this jumps out of
 * it.  Only the daemons use it.
 */

#ifndef GOIM_YAJL_H_INCLUDED
#define GOIM_YAJL_H_INCLUDED


#include <setjmp.h>

#include <yajl/yajl_parse.h>

#include "goim_push_memory.h"


/* While it is set, goim_yajl_alloc() may be called. */
typedef struct {
    goim_push_memory_t  *memory;
    jmp_buf              nomem;  /* setjmp()'s, of whom it is to jump to */
    yajl_handle          yajl;   /* for yajl_get_bytes_consumed() */
} goim_yajl_t;


/* Never NULL: it jumps to nomem instead. */
void *goim_yajl_alloc(goim_yajl_t *gy, size_t size);

/*
 * After setjmp(gy->nomem).  any_bytes: strings need not be UTF-8.
 * GOIM_INVALID: no JSON, or a callback returned 0.  Callbacks must limit the
 * depth where memory counts: yajl's grows with its square.
 */
GOIM_MUSTCHECK int goim_yajl_run(goim_yajl_t *gy,
    const yajl_callbacks *callbacks, void *ctx, int any_bytes,
    const uint8_t *text, size_t len);

/* Both, with memory of its own in gy, for callbacks only.  GOIM_NOMEM, too. */
GOIM_MUSTCHECK int goim_yajl_parse(const yajl_callbacks *callbacks, void *ctx,
    goim_yajl_t *gy, const uint8_t *text, size_t len);


#endif /* GOIM_YAJL_H_INCLUDED */
