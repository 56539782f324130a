/*
 * yajl's memory: see ls_yajl.h.
 */

#include <setjmp.h>
#include <string.h>

#include "goim_push_memory.h"
#include "ls_yajl.h"


#define LS_YAJL_MEMORY  2048  /* what yajl needs for a common token */

/* each piece follows its size, for realloc */
#define LS_YAJL_SIZE    _Alignof(max_align_t)


typedef struct {
    goim_push_memory_t  *memory;
    jmp_buf              nomem;
} ls_yajl_t;


/* Never returns NULL: yajl would use it.  It jumps out of yajl instead. */
static void *
ls_yajl_malloc(void *ctx, size_t size)
{
    uint8_t    *p;
    ls_yajl_t  *ly = ctx;

    p = goim_push_memory_alloc(ly->memory, LS_YAJL_SIZE + size);
    if (p == NULL) {
        longjmp(ly->nomem, 1);
    }

    memcpy(p, &size, sizeof(size_t));

    return p + LS_YAJL_SIZE;
}


static void *
ls_yajl_realloc(void *ctx, void *old, size_t size)
{
    void    *p;
    size_t   old_size;

    p = ls_yajl_malloc(ctx, size);

    if (old) {
        memcpy(&old_size, (uint8_t *) old - LS_YAJL_SIZE, sizeof(size_t));
        memcpy(p, old, old_size < size ? old_size : size);
    }

    return p;
}


static void
ls_yajl_free(void *ctx, void *p)
{
    (void) ctx;
    (void) p;
}


static int
ls_yajl_run(ls_yajl_t *ly, const yajl_callbacks *callbacks, void *ctx,
    yajl_handle *yajl, const uint8_t *text, size_t len)
{
    yajl_alloc_funcs  memory = {
        ls_yajl_malloc, ls_yajl_realloc, ls_yajl_free, ly
    };

    *yajl = yajl_alloc(callbacks, &memory, ctx);

    if (yajl_parse(*yajl, text, len) != yajl_status_ok
        || yajl_complete_parse(*yajl) != yajl_status_ok)
    {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


int
ls_yajl_parse(const yajl_callbacks *callbacks, void *ctx, yajl_handle *yajl,
    const uint8_t *text, size_t len)
{
    int        rc;
    ls_yajl_t  ly;

    ly.memory = goim_push_memory_create(LS_YAJL_MEMORY);
    if (ly.memory == NULL) {
        return GOIM_NOMEM;
    }

    rc = setjmp(ly.nomem) == 0
         ? ls_yajl_run(&ly, callbacks, ctx, yajl, text, len) : GOIM_NOMEM;

    goim_push_memory_destroy(ly.memory);
    *yajl = NULL;

    return rc;
}
