/*
 * The memory behind one decoded push: allocated piece by piece, freed at
 * once.  It is handed to protobuf-c and yajl as their allocator, so that
 * nothing of theirs can leak, whichever way decoding ends.  goim-logic
 * parses tokens in it.
 */

#ifndef GOIM_PUSH_MEMORY_H_INCLUDED
#define GOIM_PUSH_MEMORY_H_INCLUDED


#include "goim.h"


typedef struct goim_push_chunk_s  goim_push_chunk_t;

typedef struct {
    goim_push_chunk_t  *chunks;  /* newest first; the oldest holds this */
    uint8_t            *pos;     /* what is free in the newest: pos..end */
    uint8_t            *end;
    int                 failed;  /* 1: malloc() has failed */
} goim_push_memory_t;


/* Has size bytes ready; NULL: malloc() failed. */
goim_push_memory_t *goim_push_memory_create(size_t size);

void goim_push_memory_destroy(goim_push_memory_t *memory);

/* Aligned for any type, never NULL for a size of 0; NULL sets failed. */
void *goim_push_memory_alloc(goim_push_memory_t *memory, size_t size);


#endif /* GOIM_PUSH_MEMORY_H_INCLUDED */
