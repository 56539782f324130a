/*
 * goim v1's JSON form of a push: see goim_push_v1.h.
 *
 *   {"op":"multiple","server":1,"subkeys":["1_1","2_1"],"msg":"<base64>"}
 *   {"op":"broadcast","msg":"<base64>"}
 *   {"op":"broadcast_room","roomid":1,"msg":"<base64>","ensure":true}
 *
 * goim leaves out numbers that are 0.  As with goim, the case of the members'
 * names does not matter, a null is as good as nothing, the last of several
 * members with one name counts, and unknown members are skipped.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "goim_push_v1.h"
#include "goim_yajl.h"


/* nesting in unknown members: yajl keeps a stack of its own for it */

#define GOIM_PUSH_V1_DEPTH  32

#define GOIM_PUSH_V1_INT    12  /* "-2147483648" and a NUL */


typedef enum {
    GOIM_PUSH_V1_OTHER = 0,
    GOIM_PUSH_V1_OP,
    GOIM_PUSH_V1_SERVER,
    GOIM_PUSH_V1_ROOMID,
    GOIM_PUSH_V1_SUBKEYS,
    GOIM_PUSH_V1_MSG
} goim_push_v1_member_e;


typedef struct {
    goim_push_t            *push;
    goim_yajl_t             json;    /* its memory is the push's */
    const char             *why;     /* NULL: yajl's complaint, not ours */
    goim_push_v1_member_e   member;  /* the object's, whose value comes */
    unsigned                depth;   /* 1 in the object, 2 in subkeys */
    int                     has_op;
    int32_t                 server;
    int32_t                 roomid;
    size_t                  keys_max; /* allocated; push->nkeys are used */
} goim_push_v1_t;


static const struct {
    const char             *name;
    goim_push_v1_member_e   member;
} goim_push_v1_members[] = {
    { "op", GOIM_PUSH_V1_OP },
    { "server", GOIM_PUSH_V1_SERVER },
    { "roomid", GOIM_PUSH_V1_ROOMID },
    { "subkeys", GOIM_PUSH_V1_SUBKEYS },
    { "msg", GOIM_PUSH_V1_MSG },
};


static const struct {
    const char        *name;
    goim_push_type_e   type;
} goim_push_v1_ops[] = {
    { "multiple", GOIM_PUSH_KEYS },
    { "broadcast", GOIM_PUSH_BROADCAST },
    { "broadcast_room", GOIM_PUSH_ROOM },
};


#define goim_push_v1_count(array)  (sizeof(array) / sizeof((array)[0]))


/* Ends the parsing; returned from yajl's callbacks. */

static int
goim_push_v1_refuse(goim_push_v1_t *v1, const char *why)
{
    v1->why = why;

    return 0;
}


static int
goim_push_v1_refuse_type(goim_push_v1_t *v1)
{
    return goim_push_v1_refuse(v1, "a member of v1's JSON has another type");
}


static int
goim_push_v1_base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '+' ? 62 : c == '/' ? 63 : -1;
}


static int
goim_push_v1_msg(goim_push_v1_t *v1, const uint8_t *text, size_t len)
{
    int       n;
    size_t    i, padding;
    uint8_t  *body, *p;
    uint32_t  bits;

    if (len % 4 != 0) {
        goto invalid;
    }

    padding = 0;

    while (padding < 2 && padding < len && text[len - 1 - padding] == '=') {
        padding++;
    }

    body = p = goim_yajl_alloc(&v1->json, len / 4 * 3);
    bits = 0;

    for (i = 0; i < len; i++) {
        n = i < len - padding ? goim_push_v1_base64_value(text[i]) : 0;
        if (n < 0) {
            goto invalid;
        }

        bits = bits << 6 | (uint32_t) n;

        if (i % 4 == 3) {
            *p++ = (uint8_t) (bits >> 16);
            *p++ = (uint8_t) (bits >> 8);
            *p++ = (uint8_t) bits;
        }
    }

    v1->push->body.data = body;
    v1->push->body.len = len / 4 * 3 - padding;

    return 1;

invalid:

    return goim_push_v1_refuse(v1, "msg of v1's JSON is not base64");
}


static int
goim_push_v1_op(goim_push_v1_t *v1, const uint8_t *text, size_t len)
{
    size_t  i;

    for (i = 0; i < goim_push_v1_count(goim_push_v1_ops); i++) {

        if (len == strlen(goim_push_v1_ops[i].name)
            && memcmp(text, goim_push_v1_ops[i].name, len) == 0)
        {
            v1->push->type = goim_push_v1_ops[i].type;
            v1->has_op = 1;

            return 1;
        }
    }

    return goim_push_v1_refuse(v1, "unknown op in v1's JSON");
}


static int
goim_push_v1_subkey(goim_push_v1_t *v1, const uint8_t *text, size_t len)
{
    uint8_t      *copy;
    goim_str_t   *keys;
    goim_push_t  *push;

    push = v1->push;

    if (push->nkeys == v1->keys_max) {
        keys = goim_yajl_alloc(&v1->json, (v1->keys_max * 2 + 8)
                                      * sizeof(goim_str_t));

        if (push->nkeys > 0) {
            memcpy(keys, push->keys, push->nkeys * sizeof(goim_str_t));
        }

        push->keys = keys;
        v1->keys_max = v1->keys_max * 2 + 8;
    }

    copy = goim_yajl_alloc(&v1->json, len);
    memcpy(copy, text, len);

    push->keys[push->nkeys].data = copy;
    push->keys[push->nkeys].len = len;
    push->nkeys++;

    return 1;
}


static int
goim_push_v1_null_handler(void *ctx)
{
    goim_push_v1_t  *v1 = ctx;

    if (v1->member == GOIM_PUSH_V1_SUBKEYS) {

        if (v1->depth > 1) {
            return goim_push_v1_refuse_type(v1);
        }

        v1->push->nkeys = 0;

    } else if (v1->member == GOIM_PUSH_V1_MSG) {
        v1->push->body.len = 0;
    }

    return 1;
}


static int
goim_push_v1_boolean_handler(void *ctx, int value)
{
    goim_push_v1_t  *v1 = ctx;

    (void) value;

    return v1->member == GOIM_PUSH_V1_OTHER ? 1 : goim_push_v1_refuse_type(v1);
}


static int
goim_push_v1_number_handler(void *ctx, const char *text, size_t len)
{
    char            *end, number[GOIM_PUSH_V1_INT];
    int32_t         *to;
    long long        n;
    goim_push_v1_t  *v1 = ctx;

    switch (v1->member) {

    case GOIM_PUSH_V1_OTHER:
        return 1;

    case GOIM_PUSH_V1_SERVER:
        to = &v1->server;
        break;

    case GOIM_PUSH_V1_ROOMID:
        to = &v1->roomid;
        break;

    default:
        return goim_push_v1_refuse_type(v1);
    }

    if (len >= sizeof(number)) {
        goto invalid;
    }

    memcpy(number, text, len);
    number[len] = '\0';

    n = strtoll(number, &end, 10);

    if (*end != '\0' || n < INT32_MIN || n > INT32_MAX) {
        goto invalid;
    }

    *to = (int32_t) n;

    return 1;

invalid:

    return goim_push_v1_refuse(v1, "a number of v1's JSON is not an int32");
}


static int
goim_push_v1_string_handler(void *ctx, const unsigned char *text, size_t len)
{
    goim_push_v1_t  *v1 = ctx;

    switch (v1->member) {

    case GOIM_PUSH_V1_OTHER:
        return 1;

    case GOIM_PUSH_V1_OP:
        return goim_push_v1_op(v1, text, len);

    case GOIM_PUSH_V1_MSG:
        return goim_push_v1_msg(v1, text, len);

    case GOIM_PUSH_V1_SUBKEYS:

        if (v1->depth > 1) {
            return goim_push_v1_subkey(v1, text, len);
        }

        break;

    default:
        break;
    }

    return goim_push_v1_refuse_type(v1);
}


static int
goim_push_v1_start(goim_push_v1_t *v1)
{
    if (v1->depth == GOIM_PUSH_V1_DEPTH) {
        return goim_push_v1_refuse(v1, "v1's JSON is nested too deep");
    }

    v1->depth++;

    return 1;
}


static int
goim_push_v1_start_map_handler(void *ctx)
{
    goim_push_v1_t  *v1 = ctx;

    if (v1->member != GOIM_PUSH_V1_OTHER) {
        return goim_push_v1_refuse_type(v1);
    }

    return goim_push_v1_start(v1);
}


static int
goim_push_v1_map_key_handler(void *ctx, const unsigned char *name, size_t len)
{
    size_t           i;
    const char      *known;
    goim_push_v1_t  *v1 = ctx;

    if (v1->depth > 1) {
        return 1;
    }

    v1->member = GOIM_PUSH_V1_OTHER;

    for (i = 0; i < goim_push_v1_count(goim_push_v1_members); i++) {
        known = goim_push_v1_members[i].name;

        if (len == strlen(known)
            && strncasecmp((const char *) name, known, len) == 0)
        {
            v1->member = goim_push_v1_members[i].member;
            break;
        }
    }

    return 1;
}


static int
goim_push_v1_start_array_handler(void *ctx)
{
    goim_push_v1_t  *v1 = ctx;

    if (v1->member == GOIM_PUSH_V1_SUBKEYS && v1->depth == 1) {
        v1->push->nkeys = 0;

    } else if (v1->member != GOIM_PUSH_V1_OTHER) {
        return goim_push_v1_refuse_type(v1);
    }

    return goim_push_v1_start(v1);
}


static int
goim_push_v1_end_handler(void *ctx)
{
    goim_push_v1_t  *v1 = ctx;

    v1->depth--;

    return 1;
}


static const yajl_callbacks  goim_push_v1_callbacks = {
    goim_push_v1_null_handler,
    goim_push_v1_boolean_handler,
    NULL,  /* integers and doubles: all numbers come as text */
    NULL,
    goim_push_v1_number_handler,
    goim_push_v1_string_handler,
    goim_push_v1_start_map_handler,
    goim_push_v1_map_key_handler,
    goim_push_v1_end_handler,
    goim_push_v1_start_array_handler,
    goim_push_v1_end_handler,
};


static int
goim_push_v1_parse(goim_push_v1_t *v1, const uint8_t *value, size_t len)
{
    /* keys may hold any bytes, as in a PushMsg */

    if (goim_yajl_run(&v1->json, &goim_push_v1_callbacks, v1, 1, value, len)
        != GOIM_OK)
    {
        if (v1->why == NULL) {
            v1->why = "not valid JSON";
        }

        return GOIM_INVALID;
    }

    if (!v1->has_op) {
        v1->why = "v1's JSON without an op";
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


static void
goim_push_v1_set_room(goim_push_v1_t *v1, const char *type)
{
    char    *room;
    size_t   size;

    size = strlen(type) + sizeof("://") + GOIM_PUSH_V1_INT;
    room = goim_yajl_alloc(&v1->json, size);

    v1->push->room.len = (size_t) snprintf(room, size, "%s://%ld", type,
                                           (long) v1->roomid);
    v1->push->room.data = (const uint8_t *) room;
}


/* An absent server is 0 to goim, which is no comet's id. */

static void
goim_push_v1_set_server(goim_push_v1_t *v1)
{
    char  *server;

    if (v1->server == 0) {
        return;
    }

    server = goim_yajl_alloc(&v1->json, GOIM_PUSH_V1_INT);

    v1->push->server.len = (size_t) snprintf(server, GOIM_PUSH_V1_INT, "%ld",
                                             (long) v1->server);
    v1->push->server.data = (const uint8_t *) server;
}


int
goim_push_v1_is(const uint8_t *value, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        switch (value[i]) {

        case ' ':
        case '\t':
        case '\n':
        case '\r':
            continue;

        default:
            return value[i] == '{';
        }
    }

    return 0;
}


int
goim_push_v1_decode(goim_push_t *push, goim_push_memory_t *memory,
    const uint8_t *value, size_t len, const goim_push_conf_t *conf,
    const char **why)
{
    goim_push_v1_t  v1;

    memset(&v1, 0, sizeof(v1));
    v1.push = push;
    v1.json.memory = memory;

    if (setjmp(v1.json.nomem) != 0) {
        return GOIM_NOMEM;
    }

    if (goim_push_v1_parse(&v1, value, len) != GOIM_OK) {
        *why = v1.why;
        return GOIM_INVALID;
    }

    push->op = conf->v1_op;

    if (push->type == GOIM_PUSH_KEYS) {
        goim_push_v1_set_server(&v1);

    } else {

        /* goim ignores subkeys of the others */

        push->keys = NULL;
        push->nkeys = 0;
    }

    if (push->type == GOIM_PUSH_ROOM) {
        goim_push_v1_set_room(&v1, conf->v1_room_type);
    }

    return GOIM_OK;
}
