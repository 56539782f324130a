/*
 * Takes a worker's session report and answers with how many members its rooms
 * have everywhere (docs/http_api.md, session reports).
 */

#include <stdlib.h>
#include <stdio.h>

#include "ls_endpoints.h"
#include "ls_online.h"
#include "ls_push.h"
#include "ls_report.h"


/* Between the report and the store's answer. */
typedef struct {
    ls_call_t    *call;
    ls_report_t   report;
} ls_sync_t;


static void
ls_sync_free(ls_sync_t *sync)
{
    ls_report_done(&sync->report);
    free(sync);
}


static void
ls_sync_answer(ls_sync_t *sync, int resync)
{
    ls_call_t        *call = sync->call;
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf) {
        if (resync) {
            evbuffer_add(buf, "resync\n", 7);
        }

        ls_online_add_rooms(call->ls->online, &sync->report, buf);
    }

    ls_sync_free(sync);
    ls_call_reply(call, buf ? 200 : 503, LS_HTTP_TEXT, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


static void
ls_sync_stored(void *data, int rc, const ls_session_kick_t *kicks, size_t n,
    int resync)
{
    ls_t       *ls;
    ls_sync_t  *sync = data;
    ls_call_t  *call = sync->call;

    /* also of a report that will come again: it won't give these again */

    ls = call->ls;
    ls_push_kicks(ls, kicks, n);

    if (rc != GOIM_OK) {
        ls_sync_free(sync);
        ls_call_error(call, 503, LS_CODE_SERVER, "the session store can't be "
                      "reached");
        return;
    }

    ls->reports++;
    ls->resyncs += resync != 0;

    ls_sync_answer(sync, resync);
}


void
ls_sync(ls_call_t *call)
{
    int          rc;
    char         message[256];
    goim_str_t   body;
    ls_sync_t   *sync;
    const char  *why;

    sync = calloc(1, sizeof(ls_sync_t));
    if (sync == NULL) {
        ls_call_error(call, 503, LS_CODE_SERVER, "no memory");
        return;
    }

    sync->call = call;
    body = ls_call_body(call);

    rc = ls_report_parse(&sync->report, body.data, body.len, &why);

    if (rc != GOIM_OK) {
        free(sync);

        snprintf(message, sizeof(message), "the report is refused: %s",
                 rc == GOIM_INVALID ? why : "no memory");
        ls_call_error(call, rc == GOIM_INVALID ? 400 : 503,
                      rc == GOIM_INVALID ? LS_CODE_BAD : LS_CODE_SERVER,
                      message);
        return;
    }

    ls_session_report(call->ls->session, &sync->report, ls_sync_stored, sync);
}
