/*
 * yajl and its memory: see goim_yajl.h.
 */

#include <stddef.h>
#include <string.h>

#include "goim_yajl.h"


#define GOIM_YAJL_MEMORY  2048  /* what yajl needs for a common token */

/* each of yajl's pieces follows its size, for realloc */
#define GOIM_YAJL_SIZE    _Alignof(max_align_t)


void *
goim_yajl_alloc(goim_yajl_t *gy, size_t size)
{
    void  *p;

    p = goim_push_memory_alloc(gy->memory, size);
    if (p == NULL) {
        longjmp(gy->nomem, 1);
    }

    return p;
}


static void *
goim_yajl_malloc(void *ctx, size_t size)
{
    uint8_t  *p;

    p = goim_yajl_alloc(ctx, GOIM_YAJL_SIZE + size);
    memcpy(p, &size, sizeof(size_t));

    return p + GOIM_YAJL_SIZE;
}


static void *
goim_yajl_realloc(void *ctx, void *old, size_t size)
{
    void    *p;
    size_t   old_size;

    p = goim_yajl_malloc(ctx, size);

    if (old) {
        memcpy(&old_size, (uint8_t *) old - GOIM_YAJL_SIZE, sizeof(size_t));
        memcpy(p, old, old_size < size ? old_size : size);
    }

    return p;
}


static void
goim_yajl_free(void *ctx, void *p)
{
    /* goes with the rest of the memory */

    (void) ctx;
    (void) p;
}


int
goim_yajl_run(goim_yajl_t *gy, const yajl_callbacks *callbacks, void *ctx,
    int any_bytes, const uint8_t *text, size_t len)
{
    yajl_alloc_funcs  memory = {
        goim_yajl_malloc, goim_yajl_realloc, goim_yajl_free, gy
    };

    gy->yajl = yajl_alloc(callbacks, &memory, ctx);

    if (any_bytes) {
        (void) yajl_config(gy->yajl, yajl_dont_validate_strings, 1);
    }

    if (yajl_parse(gy->yajl, text, len) != yajl_status_ok
        || yajl_complete_parse(gy->yajl) != yajl_status_ok)
    {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


int
goim_yajl_parse(const yajl_callbacks *callbacks, void *ctx, goim_yajl_t *gy,
    const uint8_t *text, size_t len)
{
    int  rc;

    gy->memory = goim_push_memory_create(GOIM_YAJL_MEMORY);
    if (gy->memory == NULL) {
        return GOIM_NOMEM;
    }

    rc = setjmp(gy->nomem) == 0
         ? goim_yajl_run(gy, callbacks, ctx, 0, text, len) : GOIM_NOMEM;

    goim_push_memory_destroy(gy->memory);

    return rc;
}
