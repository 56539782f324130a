/*
 * goim v1's push API: /1/push, pushs, push/room and push/all.  Its users are
 * members, its rooms become "<room_type>://<n>", its messages get one
 * operation: the settings of [v1], as goim-job has them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "goim_yajl.h"
#include "ls_endpoints.h"
#include "ls_push.h"
#include "ls_report.h"


#define LS_PUSH_V1_OK      1
#define LS_PUSH_V1_FAILED  65535


void
ls_push_v1_result(ls_call_t *call, int rc)
{
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf) {
        evbuffer_add_printf(buf, "{\"ret\":%d}",
                            rc == GOIM_OK ? LS_PUSH_V1_OK : LS_PUSH_V1_FAILED);
    }

    ls_call_reply(call, buf ? 200 : 500, LS_HTTP_TEXT, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


static void
ls_push_v1_answer(ls_call_t *call, int rc, const char *why)
{
    (void) why;

    ls_push_v1_result(call, rc);
}


void
ls_push_v1_uid(ls_call_t *call)
{
    int64_t     mid;
    goim_str_t  uid;

    uid = ls_query_get(&call->query, "uid");

    if (uid.len == 0
        || ls_query_number(&uid, INT64_MIN, INT64_MAX, &mid) != GOIM_OK)
    {
        ls_push_v1_result(call, GOIM_INVALID);
        return;
    }

    ls_push_to_mids(call, call->ls->conf->v1_op, &mid, 1, ls_call_body(call),
                    ls_push_v1_answer);
}


void
ls_push_v1_room(ls_call_t *call)
{
    int         len;
    char        name[LS_REPORT_NAME + 1];
    int64_t     n;
    goim_str_t  rid;

    rid = ls_query_get(&call->query, "rid");

    if (rid.len == 0
        || ls_query_number(&rid, INT32_MIN, INT32_MAX, &n) != GOIM_OK)
    {
        ls_push_v1_result(call, GOIM_INVALID);
        return;
    }

    len = snprintf(name, sizeof(name), "%s://%d",
                   call->ls->conf->v1_room_type, (int) n);

    ls_push_to_room(call, call->ls->conf->v1_op,
                    (goim_str_t) { (uint8_t *) name, len },
                    ls_call_body(call), ls_push_v1_answer);
}


void
ls_push_v1_all(ls_call_t *call)
{
    ls_push_to_all(call, call->ls->conf->v1_op, 0, ls_call_body(call),
                   ls_push_v1_answer);
}


/* --- /1/pushs: {"m":<any JSON>,"u":[1,2]} */

#define LS_PUSH_V1_DEPTH   1000  /* m's, and what else there is */
#define LS_PUSH_V1_DIGITS  24    /* more than 64 bits have */


typedef enum {
    LS_PUSH_V1_OTHER = 0,
    LS_PUSH_V1_M,
    LS_PUSH_V1_U
} ls_push_v1_member_e;


/* What is to be taken: the bytes of "m" as they are, the numbers of "u". */
typedef struct {
    goim_yajl_t           json;
    unsigned              depth;
    ls_push_v1_member_e   member;  /* whose value comes, or is open */
    size_t                start;   /* of m */
    size_t                end;     /* 0: not yet */
    int                   has_u;
    int                   nomem;
    int64_t              *mids;
    size_t                n;
    size_t                max;
} ls_push_v1_several_t;


/* A value has ended. */
static int
ls_push_v1_end(ls_push_v1_several_t *several)
{
    if (several->depth == 1) {
        if (several->member == LS_PUSH_V1_M) {
            several->end = yajl_get_bytes_consumed(several->json.yajl);
        }

        several->member = LS_PUSH_V1_OTHER;
    }

    return 1;
}


/* One that can't be u's. */
static int
ls_push_v1_other(ls_push_v1_several_t *several)
{
    return several->member == LS_PUSH_V1_U ? 0 : ls_push_v1_end(several);
}


static int
ls_push_v1_null(void *data)
{
    return ls_push_v1_other(data);
}


static int
ls_push_v1_boolean(void *data, int value)
{
    (void) value;

    return ls_push_v1_other(data);
}


static int
ls_push_v1_string(void *data, const unsigned char *text, size_t len)
{
    (void) text;
    (void) len;

    return ls_push_v1_other(data);
}


static int
ls_push_v1_add_mid(ls_push_v1_several_t *several, const char *text, size_t len)
{
    char         copy[LS_PUSH_V1_DIGITS];
    size_t       max;
    int64_t     *mids;
    goim_str_t   number = { (uint8_t *) copy, len };

    if (len >= sizeof(copy)) {
        return 0;
    }

    memcpy(copy, text, len);
    copy[len] = '\0';

    if (several->n == several->max) {
        max = several->max * 2 + 16;

        mids = realloc(several->mids, max * sizeof(int64_t));
        if (mids == NULL) {
            several->nomem = 1;
            return 0;
        }

        several->mids = mids;
        several->max = max;
    }

    return ls_query_number(&number, INT64_MIN, INT64_MAX,
                           &several->mids[several->n++])
           == GOIM_OK;
}


static int
ls_push_v1_text(void *data, const char *text, size_t len)
{
    ls_push_v1_several_t  *several = data;

    if (several->member == LS_PUSH_V1_U && several->depth > 1) {
        return ls_push_v1_add_mid(several, text, len);
    }

    return ls_push_v1_other(several);
}


static int
ls_push_v1_open(ls_push_v1_several_t *several)
{
    return several->depth++ < LS_PUSH_V1_DEPTH;
}


static int
ls_push_v1_open_map(void *data)
{
    ls_push_v1_several_t  *several = data;

    return several->member != LS_PUSH_V1_U && ls_push_v1_open(several);
}


static int
ls_push_v1_open_array(void *data)
{
    ls_push_v1_several_t  *several = data;

    if (several->depth == 0
        || (several->member == LS_PUSH_V1_U && several->depth > 1))
    {
        return 0;
    }

    if (several->member == LS_PUSH_V1_U) {
        several->has_u = 1;
        several->n = 0;
    }

    return ls_push_v1_open(several);
}


static int
ls_push_v1_close(void *data)
{
    ls_push_v1_several_t  *several = data;

    several->depth--;

    return ls_push_v1_end(several);
}


static int
ls_push_v1_key(void *data, const unsigned char *name, size_t len)
{
    ls_push_v1_several_t  *several = data;

    if (several->depth > 1 || len != 1) {
        return 1;
    }

    if ((*name | 0x20) == 'm') {
        several->member = LS_PUSH_V1_M;
        several->start = yajl_get_bytes_consumed(several->json.yajl);

    } else if ((*name | 0x20) == 'u') {
        several->member = LS_PUSH_V1_U;
    }

    return 1;
}


/* GOIM_INVALID: no JSON, or "m" or "u" is not as it should be. */
static int
ls_push_v1_parse(ls_push_v1_several_t *several, goim_str_t body)
{
    int  rc;

    static const yajl_callbacks  callbacks = {
        ls_push_v1_null, ls_push_v1_boolean, NULL, NULL, ls_push_v1_text,
        ls_push_v1_string, ls_push_v1_open_map, ls_push_v1_key,
        ls_push_v1_close, ls_push_v1_open_array, ls_push_v1_close
    };

    memset(several, 0, sizeof(ls_push_v1_several_t));

    if (body.len == 0) {
        return GOIM_INVALID;
    }

    rc = goim_yajl_parse(&callbacks, several, &several->json, body.data,
                         body.len);

    if (several->nomem) {
        return GOIM_NOMEM;
    }

    if (rc == GOIM_OK && (several->end == 0 || !several->has_u)) {
        return GOIM_INVALID;
    }

    return rc;
}


void
ls_push_v1_several(ls_call_t *call)
{
    int                    rc;
    goim_str_t             body, message;
    ls_push_v1_several_t   several;

    body = ls_call_body(call);
    rc = ls_push_v1_parse(&several, body);

    if (rc != GOIM_OK) {
        ls_push_v1_result(call, rc);

    } else {
        message.data = body.data + several.start;
        message.len = several.end - several.start;

        while (message.len && strchr(" \t\r\n\v\f:", *message.data)) {
            message.data++;
            message.len--;
        }

        ls_push_to_mids(call, call->ls->conf->v1_op, several.mids, several.n,
                        message, ls_push_v1_answer);
    }

    free(several.mids);
}
