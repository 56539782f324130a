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


/*
 * head or tail, as a position that a record can begin at: what is less than a
 * record beyond it, which only damage can be, would be looked at for ever.
 */
static inline uint64_t
goim_reader_position(const _Atomic uint64_t *p)
{
    return goim_reader_load(p) & ~GOIM_CURSOR_STATE;
}


/* For a slot's new owner. */
void goim_reader_clear_board(goim_reader_t *rd);


#endif /* GOIM_READER_INT_H_INCLUDED */
