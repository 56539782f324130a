/*
 * Parses tokens with yajl; see ls_token.h.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "goim_room_name.h"
#include "goim_yajl.h"
#include "ls_report.h"
#include "ls_token.h"


#define LS_TOKEN_DEPTH   32  /* nesting in unknown members */
#define LS_TOKEN_DIGITS  24  /* more than 64 bits have */


typedef enum {
    LS_TOKEN_OTHER = 0,
    LS_TOKEN_MID,
    LS_TOKEN_KEY,
    LS_TOKEN_ROOM,
    LS_TOKEN_PLATFORM,
    LS_TOKEN_OPS,
    LS_TOKEN_JWT,
    LS_TOKEN_GOIM        /* abilities of our own that it asks for */
} ls_token_member_e;


typedef struct {
    ls_token_t         *token;
    int                 rc;      /* why we ended the parsing, else GOIM_OK */
    const char         *why;
    ls_token_member_e   member;  /* the object's, whose value comes */
    unsigned            depth;   /* 1 in the object, 2 in accepts, in goim */
    int                 gap;     /* "gap" is what comes next, in goim */
} ls_token_reader_t;


static const struct {
    const char  *name;
    const char  *why;   /* of a value that it can't have */
} ls_token_members[] = {
    { "", "" },
    { "mid", "\"mid\" is no number of 64 bits" },
    { "key", "\"key\" is no string" },
    { "room_id", "\"room_id\" is no string" },
    { "platform", "\"platform\" is no string" },
    { "accepts", "\"accepts\" is no array of at most 1024 numbers of 32 "
      "bits" },
    { "token", "\"token\" is no string" },
    { "goim", "" },
};

#define LS_TOKEN_MEMBERS                                                      \
    (sizeof(ls_token_members) / sizeof(ls_token_members[0]))


/* What may be anything: what is not understood there is skipped. */
static int
ls_token_is_free(const ls_token_reader_t *rd)
{
    return rd->member == LS_TOKEN_OTHER || rd->member == LS_TOKEN_GOIM;
}


/* --- values; what is returned tells yajl whether to go on */

static int
ls_token_end(ls_token_reader_t *rd, int rc, const char *why)
{
    rd->rc = rc;
    rd->why = why;

    return 0;
}


static int
ls_token_refuse(ls_token_reader_t *rd)
{
    return ls_token_end(rd, GOIM_INVALID, ls_token_members[rd->member].why);
}


static int
ls_token_take_null(void *ctx)
{
    ls_token_reader_t  *rd = ctx;

    if (rd->depth == 1 || ls_token_is_free(rd)) {
        return 1;
    }

    return ls_token_refuse(rd);
}


static int
ls_token_take_boolean(void *ctx, int value)
{
    ls_token_reader_t  *rd = ctx;

    if (rd->member == LS_TOKEN_GOIM && rd->depth == 2 && rd->gap) {
        rd->token->gap = value;
    }

    return ls_token_is_free(rd) ? 1 : ls_token_refuse(rd);
}


/* As Go has it: decimal digits and a sign, no fraction, no exponent. */
static int
ls_token_number(const char *text, size_t len, int64_t min, int64_t max,
    int64_t *number)
{
    char       *end, copy[LS_TOKEN_DIGITS];
    long long   n;

    if (len >= sizeof(copy)) {
        return GOIM_INVALID;
    }

    memcpy(copy, text, len);
    copy[len] = '\0';

    errno = 0;
    n = strtoll(copy, &end, 10);

    if (errno || *end != '\0' || n < min || n > max) {
        return GOIM_INVALID;
    }

    *number = n;

    return GOIM_OK;
}


static int
ls_token_take_number(void *ctx, const char *text, size_t len)
{
    int64_t             n;
    ls_token_t         *token;
    ls_token_reader_t  *rd = ctx;

    token = rd->token;

    if (ls_token_is_free(rd)) {
        return 1;
    }

    if (rd->member == LS_TOKEN_MID
        && ls_token_number(text, len, INT64_MIN, INT64_MAX, &token->mid)
           == GOIM_OK)
    {
        return 1;
    }

    if (rd->member == LS_TOKEN_OPS && rd->depth > 1
        && token->naccepts < LS_TOKEN_ACCEPTS
        && ls_token_number(text, len, INT32_MIN, INT32_MAX, &n) == GOIM_OK)
    {
        token->accepts[token->naccepts++] = n;
        return 1;
    }

    return ls_token_refuse(rd);
}


/* Whether a header can carry it: nginx takes spaces from its ends. */
static int
ls_token_name_check(const uint8_t *s, size_t len)
{
    if (goim_room_name_check(s, len) != GOIM_OK
        || s[0] == ' ' || s[len - 1] == ' ')
    {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


/* An empty one is as good as none. */
static int
ls_token_text(ls_token_reader_t *rd, char **field, const uint8_t *s,
    size_t len)
{
    char  *copy;

    copy = NULL;

    if (len) {
        copy = strndup((const char *) s, len);
        if (copy == NULL) {
            return ls_token_end(rd, GOIM_NOMEM, NULL);
        }
    }

    free(*field);
    *field = copy;

    return 1;
}


static int
ls_token_name(ls_token_reader_t *rd, char **field, const uint8_t *s,
    size_t len, const char *why)
{
    if (len && ls_token_name_check(s, len) != GOIM_OK) {
        return ls_token_end(rd, GOIM_INVALID, why);
    }

    return ls_token_text(rd, field, s, len);
}


static int
ls_token_take_string(void *ctx, const unsigned char *s, size_t len)
{
    ls_token_reader_t  *rd = ctx;

    switch (rd->member) {

    case LS_TOKEN_OTHER:
    case LS_TOKEN_PLATFORM:
    case LS_TOKEN_GOIM:
        return 1;

    case LS_TOKEN_KEY:
        return ls_token_name(rd, &rd->token->key, s, len,
                             "\"key\" is longer than 255 bytes, has control "
                             "characters, or a space at an end");

    case LS_TOKEN_ROOM:
        return ls_token_name(rd, &rd->token->room, s, len,
                             "\"room_id\" is longer than 255 bytes, has "
                             "control characters, or a space at an end");

    case LS_TOKEN_JWT:
        return len == 0 || memchr(s, '\0', len) == NULL
               ? ls_token_text(rd, &rd->token->jwt, s, len)
               : ls_token_refuse(rd);

    default:
        return ls_token_refuse(rd);
    }
}


/* --- the object and what is nested in it */

static int
ls_token_begin(ls_token_reader_t *rd)
{
    if (rd->depth == LS_TOKEN_DEPTH) {
        return ls_token_end(rd, GOIM_INVALID, "it is nested too deep");
    }

    rd->depth++;

    return 1;
}


static int
ls_token_begin_map(void *ctx)
{
    ls_token_reader_t  *rd = ctx;

    return ls_token_is_free(rd) ? ls_token_begin(rd) : ls_token_refuse(rd);
}


static int
ls_token_map_key(void *ctx, const unsigned char *name, size_t len)
{
    size_t              i;
    ls_token_reader_t  *rd = ctx;

    if (rd->depth > 1) {
        rd->gap = rd->depth == 2 && len == 3 && memcmp(name, "gap", 3) == 0;
        return 1;
    }

    rd->member = LS_TOKEN_OTHER;
    rd->gap = 0;

    for (i = 1; i < LS_TOKEN_MEMBERS; i++) {
        if (len == strlen(ls_token_members[i].name)
            && strncasecmp((const char *) name, ls_token_members[i].name, len)
               == 0)
        {
            rd->member = i;
        }
    }

    if (rd->member == LS_TOKEN_GOIM) {
        rd->token->gap = 0;
    }

    return 1;
}


static int
ls_token_begin_array(void *ctx)
{
    ls_token_reader_t  *rd = ctx;

    if (rd->depth == 0) {
        return ls_token_end(rd, GOIM_INVALID, "it is no JSON object");
    }

    if (rd->member == LS_TOKEN_OPS && rd->depth == 1) {
        rd->token->naccepts = 0;

        if (rd->token->accepts == NULL) {
            rd->token->accepts = malloc(LS_TOKEN_ACCEPTS * sizeof(int32_t));
        }

        if (rd->token->accepts == NULL) {
            return ls_token_end(rd, GOIM_NOMEM, NULL);
        }

    } else if (!ls_token_is_free(rd)) {
        return ls_token_refuse(rd);
    }

    return ls_token_begin(rd);
}


static int
ls_token_leave(void *ctx)
{
    ls_token_reader_t  *rd = ctx;

    rd->depth--;

    return 1;
}


static const yajl_callbacks  ls_token_callbacks = {
    ls_token_take_null,
    ls_token_take_boolean,
    NULL,  /* integers and doubles: all numbers come as text */
    NULL,
    ls_token_take_number,
    ls_token_take_string,
    ls_token_begin_map,
    ls_token_map_key,
    ls_token_leave,
    ls_token_begin_array,
    ls_token_leave,
};


/* yajl takes a bare value as well; it would end in no object. */
static int
ls_token_is_object(const uint8_t *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r'
            && text[i] != '\n')
        {
            return text[i] == '{';
        }
    }

    return 0;
}


int
ls_token_parse(ls_token_t *token, const uint8_t *text, size_t len,
    const char **why)
{
    int                 rc;
    goim_yajl_t         json;
    ls_token_reader_t   rd;

    memset(token, 0, sizeof(ls_token_t));

    if (len > LS_TOKEN_MAX) {
        *why = "it is longer than 64 KB";
        return GOIM_INVALID;
    }

    memset(&rd, 0, sizeof(ls_token_reader_t));
    rd.token = token;
    rd.why = "it is no JSON object";

    rc = ls_token_is_object(text, len)
         ? goim_yajl_parse(&ls_token_callbacks, &rd, &json, text, len)
         : GOIM_INVALID;

    if (rc == GOIM_OK) {
        return GOIM_OK;
    }

    ls_token_done(token);

    if (rd.rc != GOIM_OK) {
        rc = rd.rc;
    }

    if (rc == GOIM_INVALID) {
        *why = rd.why;
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
