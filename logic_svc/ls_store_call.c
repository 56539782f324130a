/*
 * Calls of the session store: long jobs take turns with what somebody waits
 * for, and every call ends in a turn of its own.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "ls_store.h"


static void
ls_store_put(ls_store_queue_t *q, ls_store_call_t *call)
{
    call->next = NULL;
    *q->last = call;
    q->last = &call->next;
}


static ls_store_call_t *
ls_store_take(ls_store_queue_t *q)
{
    ls_store_call_t  *call;

    call = q->first;

    if (call) {
        q->first = call->next;

        if (q->first == NULL) {
            q->last = &q->first;
        }
    }

    return call;
}


static void
ls_store_free_call(ls_store_call_t *call)
{
    ls_redis_command_done(&call->command);
    free(call);
}


static void
ls_store_refuse(ls_store_t *st, ls_store_call_t *call)
{
    ls_store_put(&st->refused, call);
    event_active(st->turn, 0, 0);
}


static void
ls_store_bulk_done(void *data, int rc, const redisReply *reply)
{
    ls_store_t       *st;
    ls_store_call_t  *call = data;

    st = call->st;
    st->servers[call->server].bulk--;

    if (st->servers[call->server].waiting.first) {
        event_active(st->turn, 0, 0);
    }

    call->done(call->data, rc, reply);
    ls_store_free_call(call);
}


/* Sends the first that waits; another goes back into the queue. */
static void
ls_store_send_bulk(ls_store_t *st, unsigned server)
{
    ls_store_call_t    *call;
    ls_store_server_t  *sv;

    sv = &st->servers[server];
    call = ls_store_take(&sv->waiting);

    if (goim_time_us() >= call->late_us
        || ls_redis_call(st->redis, server, &call->command,
                         ls_store_bulk_done, call)
           != GOIM_OK)
    {
        ls_store_refuse(st, call);
        return;
    }

    sv->bulk++;
    ls_redis_command_done(&call->command);
}


static void
ls_store_send_waiting(ls_store_t *st)
{
    unsigned            i;
    ls_store_server_t  *sv;

    for (i = 0; i < st->nservers; i++) {
        sv = &st->servers[i];

        while (sv->waiting.first && (sv->bulk < LS_STORE_BULK || st->closing))
        {
            ls_store_send_bulk(st, i);
        }
    }
}


int
ls_store_turn(ls_store_t *st)
{
    int                did;
    ls_store_call_t   *call;
    ls_store_queue_t   refused;

    ls_store_send_waiting(st);

    did = 0;
    refused = st->refused;

    if (refused.first) {

        /* what these make of it is told of in the next turn */

        st->refused.first = NULL;
        st->refused.last = &st->refused.first;
    }

    while (refused.first) {
        did = 1;
        call = refused.first;
        refused.first = call->next;

        call->done(call->data, GOIM_AGAIN, NULL);
        ls_store_free_call(call);
    }

    return did;
}


static ls_store_call_t *
ls_store_make_call(ls_store_t *st, unsigned server, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data)
{
    ls_store_call_t  *call;

    call = malloc(sizeof(ls_store_call_t));
    if (call == NULL) {
        return NULL;
    }

    call->st = st;
    call->server = server;
    call->done = done;
    call->data = data;
    call->late_us = goim_time_us() + LS_STORE_BULK_US;
    call->command = *cmd;

    memset(cmd, 0, sizeof(ls_redis_command_t));

    return call;
}


/*
 * Nothing is left to tell of the call with: it ends after all, within the
 * caller's turn.  Callers count their calls first, so that this does no harm.
 */
static void
ls_store_end_now(ls_redis_command_t *cmd, ls_redis_done_pt done, void *data)
{
    ls_redis_command_reset(cmd);
    done(data, GOIM_AGAIN, NULL);
}


void
ls_store_call(ls_store_t *st, unsigned server, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data)
{
    ls_store_call_t  *call;

    if (!st->closing
        && ls_redis_call(st->redis, server, cmd, done, data) == GOIM_OK)
    {
        ls_redis_command_reset(cmd);
        return;
    }

    call = ls_store_make_call(st, server, cmd, done, data);
    if (call == NULL) {
        ls_store_end_now(cmd, done, data);
        return;
    }

    ls_store_refuse(st, call);
}


void
ls_store_call_bulk(ls_store_t *st, unsigned server, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data)
{
    ls_store_call_t  *call;

    call = ls_store_make_call(st, server, cmd, done, data);
    if (call == NULL) {
        ls_store_end_now(cmd, done, data);
        return;
    }

    ls_store_put(&st->servers[server].waiting, call);
    event_active(st->turn, 0, 0);
}


void
ls_store_script(ls_redis_command_t *cmd, const char *script)
{
    ls_redis_command_text(cmd, "EVAL");
    ls_redis_command_text(cmd, script);
    ls_redis_command_text(cmd, "0");
}


void
ls_store_str(ls_redis_command_t *cmd, goim_str_t s)
{
    ls_redis_command_add(cmd, s.data, s.len);
}


unsigned
ls_store_place(const ls_store_t *st, goim_str_t name)
{
    return ls_redis_place(st->redis, name.data, name.len);
}


unsigned
ls_store_place_mid(const ls_store_t *st, int64_t mid)
{
    int   n;
    char  text[24];

    n = snprintf(text, sizeof(text), "%" PRId64, mid);

    return ls_redis_place(st->redis, text, n);
}


void
ls_store_note(ls_store_t *st, unsigned server, int rc)
{
    ls_store_server_t  *sv;

    sv = &st->servers[server];

    if (rc == GOIM_OK) {
        sv->failing_us = 0;

    } else if (sv->failing_us == 0) {
        sv->failing_us = goim_time_us();
    }
}


int
ls_store_do_without(ls_store_t *st, unsigned server)
{
    unsigned            i;
    ls_store_server_t  *sv;

    sv = &st->servers[server];

    if (sv->failing_us == 0
        || goim_time_us() - sv->failing_us < st->away_ms * 1000)
    {
        return 0;
    }

    for (i = 0; i < st->nservers; i++) {

        if (st->servers[i].failing_us == 0 && ls_redis_up(st->redis, i)) {
            sv->dirty = 1;
            return 1;
        }
    }

    return 0;
}


void
ls_store_generation(const ls_store_t *st, char text[LS_STORE_ID_LEN + 1])
{
    unsigned     i;
    uint64_t     hash;
    const char  *p;

    hash = 14695981039346656037ULL;

    for (i = 0; i < st->nservers; i++) {

        if (st->servers[i].id[0] == '\0') {
            text[0] = '\0';
            return;
        }

        for (p = st->servers[i].id; *p; p++) {
            hash = (hash ^ (uint8_t) *p) * 1099511628211ULL;
        }
    }

    snprintf(text, LS_STORE_ID_LEN + 1, "%016" PRIx64, hash);
}


goim_str_t
ls_store_element(const redisReply *reply, size_t i)
{
    goim_str_t         s = { (const uint8_t *) "", 0 };
    const redisReply  *element;

    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements) {
        return s;
    }

    element = reply->element[i];

    if (element->type == REDIS_REPLY_STRING
        || element->type == REDIS_REPLY_STATUS)
    {
        s.data = (const uint8_t *) element->str;
        s.len = element->len;
    }

    return s;
}


uint64_t
ls_store_element_number(const redisReply *reply, size_t i)
{
    const redisReply  *element;

    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements) {
        return 0;
    }

    element = reply->element[i];

    switch (element->type) {

    case REDIS_REPLY_INTEGER:
        return element->integer > 0 ? element->integer : 0;

    case REDIS_REPLY_STRING:
        return strtoull(element->str, NULL, 10);
    }

    return 0;
}
