/*
 * Any text as the query of a URL: each pair lies in the query's own memory
 * and has a NUL behind it, and names find just what they name.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_query.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        __builtin_trap();
    }
}


static void
check_number(const goim_str_t *value)
{
    int64_t  n;

    if (ls_query_number(value, INT32_MIN, INT32_MAX, &n) == GOIM_OK) {
        check(n >= INT32_MIN && n <= INT32_MAX);
        check(value->len > 0 || n == 0);
    }
}


static void
check_pair(const ls_query_t *query, const ls_query_pair_t *pair)
{
    size_t       n;
    goim_str_t  *values, first;

    check(pair->name.data[pair->name.len] == '\0');
    check(pair->value.data[pair->value.len] == '\0');
    check_number(&pair->value);

    /* a name that no C string can be is not found */

    if (memchr(pair->name.data, '\0', pair->name.len)) {
        return;
    }

    first = ls_query_get(query, (const char *) pair->name.data);
    check(first.data != NULL);

    check(ls_query_list(query, (const char *) pair->name.data, &values, &n)
          == GOIM_OK);
    check(n >= 1 && n <= query->n);
    check(values[0].data == first.data && values[0].len == first.len);

    free(values);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *text;
    size_t       i;
    ls_query_t   query;

    text = strndup((const char *) data, size);
    check(text != NULL);

    check(ls_query_parse(&query, text) == GOIM_OK);
    free(text);

    /* each pair looks through all of them */

    for (i = 0; i < query.n && i < 100; i++) {
        check_pair(&query, &query.pairs[i]);
    }

    ls_query_done(&query);

    return 0;
}
