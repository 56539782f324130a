/*
 * What the goim_reader files share; nobody else includes it.
 */

#ifndef GOIM_READER_INT_H_INCLUDED
#define GOIM_READER_INT_H_INCLUDED


#include "goim_reader.h"


static inline uint64_t
goim_reader_load(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}


#endif /* GOIM_READER_INT_H_INCLUDED */
