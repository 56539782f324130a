/*
 * goim v2's push API: /goim/push/keys, mids, room and all.  What is asked,
 * which status and code are answered and what counts as missing are goim's.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "goim_room_name.h"
#include "ls_endpoints.h"
#include "ls_push.h"


#define LS_PUSH_V2_NAME  1024  /* a room's name, before it is checked */


/* goim says -500 when Redis or Kafka fails, and -400 for keys. */
static void
ls_push_v2_answer(ls_call_t *call, int rc, const char *why)
{
    ls_call_result(call, rc == GOIM_OK ? LS_CODE_OK : LS_CODE_SERVER, why);
}


static void
ls_push_v2_answer_keys(ls_call_t *call, int rc, const char *why)
{
    ls_call_result(call, rc == GOIM_OK ? LS_CODE_OK : LS_CODE_BAD, why);
}


/* A number of 32 bits; if it must be there, 0 is as good as missing. */
static int
ls_push_v2_number(ls_call_t *call, const char *name, int required, int32_t *n)
{
    char        message[128];
    int64_t     number;
    goim_str_t  value;

    value = ls_query_get(&call->query, name);

    if (ls_query_number(&value, INT32_MIN, INT32_MAX, &number) != GOIM_OK) {
        snprintf(message, sizeof(message), "%s: it must be a number of 32 "
                 "bits", name);
        ls_call_bad_query(call, message);
        return GOIM_INVALID;
    }

    if (required && number == 0) {
        snprintf(message, sizeof(message), "%s: it is required, and must not "
                 "be 0", name);
        ls_call_bad_query(call, message);
        return GOIM_INVALID;
    }

    *n = number;

    return GOIM_OK;
}


void
ls_push_keys(ls_call_t *call)
{
    size_t       n;
    int32_t      op;
    goim_str_t  *keys;

    if (ls_push_v2_number(call, "operation", 0, &op) != GOIM_OK) {
        return;
    }

    if (ls_query_list(&call->query, "keys", &keys, &n) != GOIM_OK) {
        ls_call_result(call, LS_CODE_BAD, "no memory");
        return;
    }

    if (n == 0) {
        ls_call_result(call, LS_CODE_BAD, "keys: at least one is required");

    } else {
        ls_push_to_keys(call, op, keys, n, ls_call_body(call),
                        ls_push_v2_answer_keys);
    }

    free(keys);
}


static int
ls_push_v2_mids(const goim_str_t *values, size_t n, int64_t *mids)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (ls_query_number(&values[i], INT64_MIN, INT64_MAX, &mids[i])
            != GOIM_OK)
        {
            return GOIM_INVALID;
        }
    }

    return GOIM_OK;
}


void
ls_push_mids(ls_call_t *call)
{
    size_t       n;
    int32_t      op;
    int64_t     *mids;
    goim_str_t  *values;

    if (ls_push_v2_number(call, "operation", 0, &op) != GOIM_OK) {
        return;
    }

    mids = NULL;

    if (ls_query_list(&call->query, "mids", &values, &n) != GOIM_OK
        || (mids = malloc((n + 1) * sizeof(int64_t))) == NULL)
    {
        ls_call_result(call, LS_CODE_SERVER, "no memory");

    } else if (ls_push_v2_mids(values, n, mids) != GOIM_OK) {
        ls_call_bad_query(call, "mids: each must be a number of 64 bits; "
                          "several are given as mids=1&mids=2");

    } else {
        ls_push_to_mids(call, op, mids, n, ls_call_body(call),
                        ls_push_v2_answer);
    }

    free(values);
    free(mids);
}


/* The full name of a room: "<type>://<room>". */
static int
ls_push_v2_room(ls_call_t *call, char *name, goim_str_t *room)
{
    int         len;
    goim_str_t  type, id;

    type = ls_query_get(&call->query, "type");
    id = ls_query_get(&call->query, "room");

    if (type.len == 0 || id.len == 0) {
        ls_call_bad_query(call, type.len ? "room: it is required"
                                         : "type: it is required");
        return GOIM_INVALID;
    }

    len = snprintf(name, LS_PUSH_V2_NAME, "%.*s://%.*s", (int) type.len,
                   type.data, (int) id.len, id.data);

    if (len > GOIM_ROOM_NAME_MAX || (size_t) len != type.len + 3 + id.len) {
        ls_call_result(call, LS_CODE_SERVER, "type and room: together they "
                       "must not have more than 252 bytes, nor a NUL");
        return GOIM_INVALID;
    }

    *room = (goim_str_t) { (uint8_t *) name, len };

    return GOIM_OK;
}


void
ls_push_room(ls_call_t *call)
{
    char        name[LS_PUSH_V2_NAME];
    int32_t     op;
    goim_str_t  room;

    if (ls_push_v2_number(call, "operation", 1, &op) != GOIM_OK
        || ls_push_v2_room(call, name, &room) != GOIM_OK)
    {
        return;
    }

    ls_push_to_room(call, op, room, ls_call_body(call), ls_push_v2_answer);
}


void
ls_push_all(ls_call_t *call)
{
    int32_t  op, speed;

    if (ls_push_v2_number(call, "operation", 1, &op) != GOIM_OK
        || ls_push_v2_number(call, "speed", 0, &speed) != GOIM_OK)
    {
        return;
    }

    ls_push_to_all(call, op, speed, ls_call_body(call), ls_push_v2_answer);
}
