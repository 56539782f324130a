/*
 * Takes queries apart; see ls_query.h.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ls_query.h"


static int
ls_query_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* Decodes in place; GOIM_INVALID: a "%" without two digits. */
static int
ls_query_decode(char *s, size_t *len)
{
    int     high, low;
    char   *out;
    size_t  i;

    out = s;

    for (i = 0; i < *len; i++) {
        if (s[i] == '+') {
            *out++ = ' ';
            continue;
        }

        if (s[i] != '%') {
            *out++ = s[i];
            continue;
        }

        high = *len - i > 2 ? ls_query_hex(s[i + 1]) : -1;
        low = *len - i > 2 ? ls_query_hex(s[i + 2]) : -1;

        if (high < 0 || low < 0) {
            return GOIM_INVALID;
        }

        *out++ = high * 16 + low;
        i += 2;
    }

    *out = '\0';
    *len = out - s;

    return GOIM_OK;
}


static void
ls_query_take(ls_query_t *query, char *pair)
{
    char    *equal, *value;
    size_t   name_len, value_len;

    if (strchr(pair, ';')) {
        return;
    }

    equal = strchr(pair, '=');

    if (equal) {
        *equal = '\0';
        value = equal + 1;

    } else {
        value = pair + strlen(pair);
    }

    name_len = strlen(pair);
    value_len = strlen(value);

    if ((name_len == 0 && value_len == 0)
        || ls_query_decode(pair, &name_len) != GOIM_OK
        || ls_query_decode(value, &value_len) != GOIM_OK)
    {
        return;
    }

    query->pairs[query->n++] = (ls_query_pair_t) {
        { (uint8_t *) pair, name_len }, { (uint8_t *) value, value_len }
    };
}


int
ls_query_parse(ls_query_t *query, const char *text)
{
    char        *pair, *next;
    size_t       n;
    const char  *p;

    memset(query, 0, sizeof(ls_query_t));

    if (text == NULL || *text == '\0') {
        return GOIM_OK;
    }

    n = 1;

    for (p = text; *p; p++) {
        n += *p == '&';
    }

    query->memory = strdup(text);
    query->pairs = malloc(n * sizeof(ls_query_pair_t));

    if (query->memory == NULL || query->pairs == NULL) {
        ls_query_done(query);
        return GOIM_NOMEM;
    }

    next = query->memory;

    while ((pair = strsep(&next, "&")) != NULL) {
        ls_query_take(query, pair);
    }

    return GOIM_OK;
}


void
ls_query_done(ls_query_t *query)
{
    free(query->pairs);
    free(query->memory);
    memset(query, 0, sizeof(ls_query_t));
}


static int
ls_query_is(const ls_query_pair_t *pair, const char *name)
{
    return pair->name.len == strlen(name)
           && memcmp(pair->name.data, name, pair->name.len) == 0;
}


goim_str_t
ls_query_get(const ls_query_t *query, const char *name)
{
    size_t  i;

    for (i = 0; i < query->n; i++) {
        if (ls_query_is(&query->pairs[i], name)) {
            return query->pairs[i].value;
        }
    }

    return (goim_str_t) { NULL, 0 };
}


int
ls_query_list(const ls_query_t *query, const char *name, goim_str_t **values,
    size_t *n)
{
    size_t  i;

    *values = NULL;
    *n = 0;

    if (query->n == 0) {
        return GOIM_OK;
    }

    *values = malloc(query->n * sizeof(goim_str_t));
    if (*values == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < query->n; i++) {
        if (ls_query_is(&query->pairs[i], name)) {
            (*values)[(*n)++] = query->pairs[i].value;
        }
    }

    if (*n == 0) {
        free(*values);
        *values = NULL;
    }

    return GOIM_OK;
}


int
ls_query_number(const goim_str_t *value, int64_t min, int64_t max,
    int64_t *number)
{
    char        *end;
    long long    n;
    const char  *s = (const char *) value->data;

    if (value->len == 0) {
        *number = 0;
        return GOIM_OK;
    }

    if (strspn(s, "+-") > 1 || strspn(s, "+-0123456789") != value->len) {
        return GOIM_INVALID;
    }

    errno = 0;
    n = strtoll(s, &end, 10);

    if (errno || end != s + value->len || n < min || n > max) {
        return GOIM_INVALID;
    }

    *number = n;

    return GOIM_OK;
}
