/*
 * Parses tokens with yajl; see ls_token.h.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yajl/yajl_tree.h>

#include "goim_room_name.h"
#include "ls_report.h"
#include "ls_token.h"


typedef int (*ls_token_take_pt)(ls_token_t *token, yajl_val value);


/* As Go has it: decimal digits and a sign, no fraction, no exponent. */
static int
ls_token_number(yajl_val value, int64_t min, int64_t max, int64_t *number)
{
    char       *end;
    long long   n;

    if (!YAJL_IS_NUMBER(value)) {
        return GOIM_INVALID;
    }

    errno = 0;
    n = strtoll(YAJL_GET_NUMBER(value), &end, 10);

    if (errno || *end != '\0' || n < min || n > max) {
        return GOIM_INVALID;
    }

    *number = n;

    return GOIM_OK;
}


static int
ls_token_take_mid(ls_token_t *token, yajl_val value)
{
    return ls_token_number(value, INT64_MIN, INT64_MAX, &token->mid);
}


/* An empty string is as good as none; yajl's strings may hold a NUL. */
static int
ls_token_string(char **field, yajl_val value)
{
    char        *copy;
    const char  *s;

    s = YAJL_GET_STRING(value);
    if (s == NULL) {
        return GOIM_INVALID;
    }

    copy = NULL;

    if (*s) {
        copy = strdup(s);
        if (copy == NULL) {
            return GOIM_NOMEM;
        }
    }

    free(*field);
    *field = copy;

    return GOIM_OK;
}


static int
ls_token_take_key(ls_token_t *token, yajl_val value)
{
    return ls_token_string(&token->key, value);
}


static int
ls_token_take_room(ls_token_t *token, yajl_val value)
{
    return ls_token_string(&token->room, value);
}


static int
ls_token_take_jwt(ls_token_t *token, yajl_val value)
{
    return ls_token_string(&token->jwt, value);
}


static int
ls_token_take_platform(ls_token_t *token, yajl_val value)
{
    (void) token;

    return YAJL_IS_STRING(value) ? GOIM_OK : GOIM_INVALID;
}


static int
ls_token_take_accepts(ls_token_t *token, yajl_val value)
{
    size_t    i;
    int64_t   n;
    int32_t  *accepts;

    if (!YAJL_IS_ARRAY(value)
        || YAJL_GET_ARRAY(value)->len > LS_TOKEN_ACCEPTS)
    {
        return GOIM_INVALID;
    }

    accepts = malloc((YAJL_GET_ARRAY(value)->len + 1) * sizeof(int32_t));
    if (accepts == NULL) {
        return GOIM_NOMEM;
    }

    free(token->accepts);
    token->accepts = accepts;
    token->naccepts = 0;

    for (i = 0; i < YAJL_GET_ARRAY(value)->len; i++) {
        if (ls_token_number(YAJL_GET_ARRAY(value)->values[i], INT32_MIN,
                            INT32_MAX, &n)
            != GOIM_OK)
        {
            return GOIM_INVALID;
        }

        accepts[token->naccepts++] = n;
    }

    return GOIM_OK;
}


static int
ls_token_take(ls_token_t *token, const char *name, yajl_val value,
    const char **why)
{
    size_t  i;

    static const struct {
        const char        *name;
        ls_token_take_pt   take;
        const char        *why;
    } members[] = {
        { "mid", ls_token_take_mid, "\"mid\" is no number of 64 bits" },
        { "key", ls_token_take_key, "\"key\" is no string" },
        { "room_id", ls_token_take_room, "\"room_id\" is no string" },
        { "platform", ls_token_take_platform, "\"platform\" is no string" },
        { "accepts", ls_token_take_accepts, "\"accepts\" is no array of at "
          "most 1024 numbers of 32 bits" },
        { "token", ls_token_take_jwt, "\"token\" is no string" },
    };

    if (YAJL_IS_NULL(value)) {
        return GOIM_OK;
    }

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcasecmp(members[i].name, name) == 0) {
            *why = members[i].why;
            return members[i].take(token, value);
        }
    }

    return GOIM_OK;
}


static int
ls_token_has_control(const char *s)
{
    for (; *s; s++) {
        if ((uint8_t) *s < ' ' || *s == 127) {
            return 1;
        }
    }

    return 0;
}


static int
ls_token_check(const ls_token_t *token, const char **why)
{
    if (token->key
        && (strlen(token->key) > LS_REPORT_NAME
            || ls_token_has_control(token->key)))
    {
        *why = "\"key\" is longer than 255 bytes, or has control characters";
        return GOIM_INVALID;
    }

    if (token->room
        && goim_room_name_check((uint8_t *) token->room, strlen(token->room))
           != GOIM_OK)
    {
        *why = "\"room_id\" is longer than 255 bytes, or has control "
               "characters";
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


static int
ls_token_members(ls_token_t *token, yajl_val tree, const char **why)
{
    int     rc;
    size_t  i;

    for (i = 0; i < YAJL_GET_OBJECT(tree)->len; i++) {
        rc = ls_token_take(token, YAJL_GET_OBJECT(tree)->keys[i],
                           YAJL_GET_OBJECT(tree)->values[i], why);
        if (rc != GOIM_OK) {
            return rc;
        }
    }

    return ls_token_check(token, why);
}


int
ls_token_parse(ls_token_t *token, const uint8_t *text, size_t len,
    const char **why)
{
    int        rc;
    char      *copy, error[64];
    yajl_val   tree;

    memset(token, 0, sizeof(ls_token_t));

    if (len > LS_TOKEN_MAX || (len && memchr(text, '\0', len) != NULL)) {
        *why = "it is longer than 64 KB, or has a NUL";
        return GOIM_INVALID;
    }

    copy = strndup(len ? (const char *) text : "", len);
    if (copy == NULL) {
        return GOIM_NOMEM;
    }

    tree = yajl_tree_parse(copy, error, sizeof(error));
    free(copy);

    if (tree == NULL || !YAJL_IS_OBJECT(tree)) {
        *why = "it is no JSON object";
        rc = GOIM_INVALID;

    } else {
        rc = ls_token_members(token, tree, why);
    }

    yajl_tree_free(tree);

    if (rc != GOIM_OK) {
        ls_token_done(token);
    }

    return rc;
}


void
ls_token_done(ls_token_t *token)
{
    free(token->key);
    free(token->room);
    free(token->accepts);
    free(token->jwt);
    memset(token, 0, sizeof(ls_token_t));
}
