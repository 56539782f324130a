/*
 * The memory behind one decoded push: see goim_push_memory.h.
 */

#include <stdlib.h>

#include "goim_push_memory.h"


/* what malloc() is asked for at least; larger pieces get their own chunk */

#define GOIM_PUSH_MEMORY_CHUNK  4096

/* far beyond what can be had, and far from overflows */

#define GOIM_PUSH_MEMORY_MAX  (SIZE_MAX / 2)


struct goim_push_chunk_s {
    _Alignas(max_align_t) goim_push_chunk_t  *next;
};


#define goim_push_memory_align(size)                                          \
    (((size) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1))


goim_push_memory_t *
goim_push_memory_create(size_t size)
{
    size_t               own;
    goim_push_chunk_t   *chunk;
    goim_push_memory_t  *memory;

    if (size > GOIM_PUSH_MEMORY_MAX) {
        return NULL;
    }

    own = goim_push_memory_align(sizeof(goim_push_memory_t));

    chunk = malloc(sizeof(goim_push_chunk_t) + own + size);
    if (chunk == NULL) {
        return NULL;
    }

    chunk->next = NULL;

    memory = (goim_push_memory_t *) (chunk + 1);
    memory->chunks = chunk;
    memory->pos = (uint8_t *) memory + own;
    memory->end = memory->pos + size;
    memory->failed = 0;

    return memory;
}


void
goim_push_memory_destroy(goim_push_memory_t *memory)
{
    goim_push_chunk_t  *chunk, *next;

    /* memory itself goes with the last chunk */

    for (chunk = memory->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}


void *
goim_push_memory_alloc(goim_push_memory_t *memory, size_t size)
{
    size_t              chunk_size;
    uint8_t            *p;
    goim_push_chunk_t  *chunk;

    if (size > GOIM_PUSH_MEMORY_MAX) {
        goto failed;
    }

    size = goim_push_memory_align(size);

    if (size > (size_t) (memory->end - memory->pos)) {
        chunk_size = size > GOIM_PUSH_MEMORY_CHUNK ? size
                                                   : GOIM_PUSH_MEMORY_CHUNK;

        chunk = malloc(sizeof(goim_push_chunk_t) + chunk_size);
        if (chunk == NULL) {
            goto failed;
        }

        chunk->next = memory->chunks;
        memory->chunks = chunk;
        memory->pos = (uint8_t *) (chunk + 1);
        memory->end = memory->pos + chunk_size;
    }

    p = memory->pos;
    memory->pos += size;

    return p;

failed:

    memory->failed = 1;

    return NULL;
}
