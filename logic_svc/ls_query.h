/*
 * The query of a URL: names may come several times, and goim's rules for
 * numbers and for what is missing.
 */

#ifndef LS_QUERY_H_INCLUDED
#define LS_QUERY_H_INCLUDED


#include "goim.h"


typedef struct {
    goim_str_t  name;
    goim_str_t  value;  /* followed by a NUL */
} ls_query_pair_t;


typedef struct {
    ls_query_pair_t  *pairs;
    size_t            n;
    char             *memory;
} ls_query_t;


/*
 * Takes apart what stands behind "?"; NULL is as good as "".  A pair whose
 * encoding is broken, or that has a ";", is left out, as in goim.  GOIM_NOMEM.
 */
GOIM_MUSTCHECK int ls_query_parse(ls_query_t *query, const char *text);

void ls_query_done(ls_query_t *query);

/* The first value with this name; len 0 and data NULL if there is none. */
goim_str_t ls_query_get(const ls_query_t *query, const char *name);

/*
 * All values with this name, *n of them, malloc'ed (NULL if there are none).
 * GOIM_NOMEM.
 */
GOIM_MUSTCHECK int ls_query_list(const ls_query_t *query, const char *name,
    goim_str_t **values, size_t *n);

/*
 * A decimal number, with a sign or without; empty: 0.  GOIM_INVALID: it is
 * none, or out of range.
 */
GOIM_MUSTCHECK int ls_query_number(const goim_str_t *value, int64_t min,
    int64_t max, int64_t *number);


#endif /* LS_QUERY_H_INCLUDED */
