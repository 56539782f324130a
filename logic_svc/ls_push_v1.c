/*
 * goim v1's push API: /1/push, pushs, push/room and push/all.  Its users are
 * members, its rooms become "<room_type>://<n>", its messages get one
 * operation: the settings of [v1], as goim-job has them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>
#include <yajl/yajl_tree.h>

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

/* Where "m" stands in the text: its bytes are the message as they are. */
typedef struct {
    yajl_handle  yajl;
    unsigned     depth;
    int          in_m;    /* the value that comes, or is open, is m's */
    size_t       start;
    size_t       end;
} ls_push_v1_span_t;


static int
ls_push_v1_end(ls_push_v1_span_t *span)
{
    if (span->in_m && span->depth == 1) {
        span->in_m = 0;
        span->end = yajl_get_bytes_consumed(span->yajl);
    }

    return 1;
}


static int
ls_push_v1_null(void *data)
{
    return ls_push_v1_end(data);
}


static int
ls_push_v1_boolean(void *data, int value)
{
    (void) value;

    return ls_push_v1_end(data);
}


static int
ls_push_v1_text(void *data, const char *text, size_t len)
{
    (void) text;
    (void) len;

    return ls_push_v1_end(data);
}


static int
ls_push_v1_string(void *data, const unsigned char *text, size_t len)
{
    (void) text;
    (void) len;

    return ls_push_v1_end(data);
}


static int
ls_push_v1_open(void *data)
{
    ((ls_push_v1_span_t *) data)->depth++;

    return 1;
}


static int
ls_push_v1_close(void *data)
{
    ((ls_push_v1_span_t *) data)->depth--;

    return ls_push_v1_end(data);
}


static int
ls_push_v1_key(void *data, const unsigned char *name, size_t len)
{
    ls_push_v1_span_t  *span = data;

    if (span->depth == 1 && len == 1 && (*name | 0x20) == 'm') {
        span->in_m = 1;
        span->start = yajl_get_bytes_consumed(span->yajl);
        span->end = 0;
    }

    return 1;
}


/* GOIM_INVALID: no JSON, or no "m" in it. */
static int
ls_push_v1_message(goim_str_t body, goim_str_t *message)
{
    int                 rc;
    ls_push_v1_span_t   span;

    static const yajl_callbacks  callbacks = {
        ls_push_v1_null, ls_push_v1_boolean, NULL, NULL, ls_push_v1_text,
        ls_push_v1_string, ls_push_v1_open, ls_push_v1_key, ls_push_v1_close,
        ls_push_v1_open, ls_push_v1_close
    };

    memset(&span, 0, sizeof(ls_push_v1_span_t));

    span.yajl = yajl_alloc(&callbacks, NULL, &span);
    if (span.yajl == NULL) {
        return GOIM_NOMEM;
    }

    rc = yajl_parse(span.yajl, body.data, body.len) == yajl_status_ok
         && yajl_complete_parse(span.yajl) == yajl_status_ok && span.end
         ? GOIM_OK : GOIM_INVALID;

    yajl_free(span.yajl);

    if (rc == GOIM_OK) {
        message->data = body.data + span.start;
        message->len = span.end - span.start;

        while (message->len && strchr(" \t\r\n:", *message->data)) {
            message->data++;
            message->len--;
        }
    }

    return rc;
}


/* The numbers of "u", malloc'ed. */
static int
ls_push_v1_uids(yajl_val tree, int64_t **mids, size_t *n)
{
    size_t       i;
    yajl_val     u;
    const char  *path[] = { "u", NULL };

    u = yajl_tree_get(tree, path, yajl_t_array);
    if (u == NULL) {
        return GOIM_INVALID;
    }

    *n = YAJL_GET_ARRAY(u)->len;

    *mids = malloc((*n + 1) * sizeof(int64_t));
    if (*mids == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < *n; i++) {
        if (!YAJL_IS_INTEGER(YAJL_GET_ARRAY(u)->values[i])) {
            return GOIM_INVALID;
        }

        (*mids)[i] = YAJL_GET_INTEGER(YAJL_GET_ARRAY(u)->values[i]);
    }

    return GOIM_OK;
}


void
ls_push_v1_several(ls_call_t *call)
{
    int          rc;
    char        *copy, error[64];
    size_t       n;
    int64_t     *mids;
    yajl_val     tree;
    goim_str_t   body, message;

    body = ls_call_body(call);
    rc = body.len ? ls_push_v1_message(body, &message) : GOIM_INVALID;

    if (rc != GOIM_OK) {
        ls_push_v1_result(call, rc);
        return;
    }

    mids = NULL;
    tree = NULL;

    copy = strndup((const char *) body.data, body.len);

    if (copy) {
        tree = yajl_tree_parse(copy, error, sizeof(error));
        free(copy);
    }

    rc = tree ? ls_push_v1_uids(tree, &mids, &n) : GOIM_INVALID;
    yajl_tree_free(tree);

    if (rc == GOIM_OK) {
        ls_push_to_mids(call, call->ls->conf->v1_op, mids, n, message,
                        ls_push_v1_answer);

    } else {
        ls_push_v1_result(call, rc);
    }

    free(mids);
}
