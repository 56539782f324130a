/*
 * Names and a count for each, for sums over many parts.  Pure.
 */

#ifndef LS_NAME_MAP_H_INCLUDED
#define LS_NAME_MAP_H_INCLUDED


#include "goim.h"


typedef struct {
    uint64_t  hash;
    uint64_t  count;
    uint8_t  *name;  /* NULL: free */
    size_t    len;
} ls_name_map_entry_t;


/* Begins as all zeros. */
typedef struct {
    ls_name_map_entry_t  *entries;  /* the names stand anywhere in it */
    size_t                size;     /* a power of two, or 0 */
    size_t                n;
} ls_name_map_t;


/* The entry of a name, a new one with count 0; NULL: no memory.  Lives until
 * the next call. */
ls_name_map_entry_t *ls_name_map_get(ls_name_map_t *map, goim_str_t name);

/* As it was at the start. */
void ls_name_map_clear(ls_name_map_t *map);


#endif /* LS_NAME_MAP_H_INCLUDED */
