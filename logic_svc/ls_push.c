/*
 * Produces pushes; see ls_push.h.  A push to keys or members becomes one
 * record for each server that holds some of them, as goim has it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ls_producer.h"
#include "ls_push.h"


/* of the keys in one record, far from what Kafka refuses */
#define LS_PUSH_KEYS_BYTES  (256 * 1024)
#define LS_PUSH_WHY         256


/* A push under way: it answers when nothing is pending any more. */
typedef struct {
    ls_call_t          *call;
    ls_push_answer_pt   answer;
    int32_t             op;
    goim_str_t          body;
    size_t              pending;  /* records, and one while they are made */
    int                 rc;       /* the first failure, or GOIM_OK */
    char                why[LS_PUSH_WHY];
} ls_push_t;


static ls_push_t *
ls_push_create(ls_call_t *call, int32_t op, goim_str_t body,
    ls_push_answer_pt answer)
{
    ls_push_t  *lp;

    lp = calloc(1, sizeof(ls_push_t));
    if (lp == NULL) {
        answer(call, GOIM_NOMEM, "no memory");
        return NULL;
    }

    lp->call = call;
    lp->answer = answer;
    lp->op = op;
    lp->body = body;
    lp->pending = 1;

    return lp;
}


static void
ls_push_fail(ls_push_t *lp, int rc, const char *why)
{
    if (lp->rc == GOIM_OK) {
        lp->rc = rc;
        snprintf(lp->why, sizeof(lp->why), "%s", why);
    }
}


static void
ls_push_done(ls_push_t *lp)
{
    if (--lp->pending == 0) {
        lp->answer(lp->call, lp->rc, lp->why);
        free(lp);
    }
}


static void
ls_push_acknowledged(void *data, int rc, const char *why)
{
    ls_push_t  *lp = data;

    if (rc != GOIM_OK) {
        ls_push_fail(lp, rc, why);
    }

    ls_push_done(lp);
}


static void
ls_push_send(ls_push_t *lp, goim_push_t *push)
{
    push->op = lp->op;
    push->body = lp->body;

    lp->pending++;
    ls_producer_send(lp->call->ls->producer, push, ls_push_acknowledged, lp);
}


/* One record, of which all but operation and body is told. */
static void
ls_push_one(ls_call_t *call, int32_t op, goim_push_t *push, goim_str_t body,
    ls_push_answer_pt answer)
{
    ls_push_t  *lp;

    lp = ls_push_create(call, op, body, answer);

    if (lp) {
        ls_push_send(lp, push);
        ls_push_done(lp);
    }
}


void
ls_push_to_room(ls_call_t *call, int32_t op, goim_str_t room, goim_str_t body,
    ls_push_answer_pt answer)
{
    goim_push_t  push;

    memset(&push, 0, sizeof(goim_push_t));
    push.type = GOIM_PUSH_ROOM;
    push.room = room;

    ls_push_one(call, op, &push, body, answer);
}


void
ls_push_to_all(ls_call_t *call, int32_t op, int32_t speed, goim_str_t body,
    ls_push_answer_pt answer)
{
    goim_push_t  push;

    memset(&push, 0, sizeof(goim_push_t));
    push.type = GOIM_PUSH_BROADCAST;
    push.speed = speed;

    ls_push_one(call, op, &push, body, answer);
}


/* Places by server; those of one server stay in their order. */
static int
ls_push_compare(const void *one, const void *two)
{
    int                        rc;
    size_t                     len;
    const ls_session_place_t  *a = *(const ls_session_place_t *const *) one;
    const ls_session_place_t  *b = *(const ls_session_place_t *const *) two;

    len = a->server.len < b->server.len ? a->server.len : b->server.len;
    rc = len ? memcmp(a->server.data, b->server.data, len) : 0;

    if (rc == 0) {
        rc = (a->server.len > b->server.len) - (a->server.len < b->server.len);
    }

    return rc ? rc : (a > b) - (a < b);
}


static int
ls_push_same_server(const ls_session_place_t *a, const ls_session_place_t *b)
{
    return a->server.len == b->server.len
           && memcmp(a->server.data, b->server.data, a->server.len) == 0;
}


/* One record for each server, or more where there are very many keys. */
static void
ls_push_to_places(ls_push_t *lp, const ls_session_place_t **places, size_t n,
    goim_str_t *keys)
{
    size_t       i, bytes;
    goim_push_t  push;

    memset(&push, 0, sizeof(goim_push_t));
    push.type = GOIM_PUSH_KEYS;
    push.keys = keys;

    bytes = 0;

    for (i = 0; i < n; i++) {
        keys[push.nkeys++] = places[i]->key;
        bytes += places[i]->key.len;

        if (i + 1 < n && ls_push_same_server(places[i], places[i + 1])
            && bytes < LS_PUSH_KEYS_BYTES && push.nkeys < GOIM_PUSH_MAX_KEYS)
        {
            continue;
        }

        push.server = places[i]->server;
        ls_push_send(lp, &push);

        push.nkeys = 0;
        bytes = 0;
    }
}


/* The store has found who is where; nobody anywhere is no error. */
static void
ls_push_found(void *data, int rc, const ls_session_place_t *places, size_t n)
{
    size_t                      i, found;
    goim_str_t                 *keys;
    ls_push_t                  *lp = data;
    const ls_session_place_t  **sorted;

    if (rc != GOIM_OK) {
        ls_push_fail(lp, rc, "the session store can't be reached");
        ls_push_done(lp);
        return;
    }

    sorted = malloc((n + 1) * sizeof(ls_session_place_t *));
    keys = malloc((n + 1) * sizeof(goim_str_t));

    if (sorted && keys) {
        for (found = 0, i = 0; i < n; i++) {
            if (places[i].server.len) {
                sorted[found++] = &places[i];
            }
        }

        qsort(sorted, found, sizeof(ls_session_place_t *), ls_push_compare);
        ls_push_to_places(lp, sorted, found, keys);

    } else {
        ls_push_fail(lp, GOIM_NOMEM, "no memory");
    }

    free(sorted);
    free(keys);

    ls_push_done(lp);
}


void
ls_push_to_keys(ls_call_t *call, int32_t op, const goim_str_t *keys, size_t n,
    goim_str_t body, ls_push_answer_pt answer)
{
    ls_push_t  *lp;

    lp = ls_push_create(call, op, body, answer);

    if (lp) {
        ls_session_find_keys(call->ls->session, keys, n, ls_push_found, lp);
    }
}


static int
ls_push_compare_mids(const void *one, const void *two)
{
    const int64_t  *a = one;
    const int64_t  *b = two;

    return (*a > *b) - (*a < *b);
}


void
ls_push_to_mids(ls_call_t *call, int32_t op, const int64_t *mids, size_t n,
    goim_str_t body, ls_push_answer_pt answer)
{
    size_t      i, kept;
    int64_t    *sorted;
    ls_push_t  *lp;

    lp = ls_push_create(call, op, body, answer);
    if (lp == NULL) {
        return;
    }

    sorted = malloc((n + 1) * sizeof(int64_t));

    if (sorted == NULL) {
        ls_push_fail(lp, GOIM_NOMEM, "no memory");
        ls_push_done(lp);
        return;
    }

    for (i = 0; i < n; i++) {
        sorted[i] = mids[i];
    }

    qsort(sorted, n, sizeof(int64_t), ls_push_compare_mids);

    for (i = 0, kept = 0; i < n; i++) {
        if (kept == 0 || sorted[i] != sorted[kept - 1]) {
            sorted[kept++] = sorted[i];
        }
    }

    ls_session_find_mids(call->ls->session, sorted, kept, ls_push_found, lp);

    free(sorted);
}


static void
ls_push_kicked(void *data, int rc, const char *why)
{
    ls_t  *ls = data;

    (void) why;

    if (rc == GOIM_OK) {
        ls->kicks++;

    } else {
        ls->kicks_failed++;
    }
}


void
ls_push_kicks(ls_t *ls, const ls_session_kick_t *kicks, size_t n)
{
    size_t       i;
    goim_push_t  push;

    static const uint8_t  reason[] = "replaced";

    for (i = 0; i < n; i++) {
        memset(&push, 0, sizeof(goim_push_t));
        push.type = GOIM_PUSH_KICK;
        push.server = kicks[i].server;
        push.keys = (goim_str_t *) &kicks[i].key;
        push.nkeys = 1;
        push.spare = kicks[i].spare;
        push.only = kicks[i].only;
        push.reason = (goim_str_t) { reason, sizeof(reason) - 1 };

        ls_producer_send(ls->producer, &push, ls_push_kicked, ls);
    }
}
