/*
 * Sessions in batches: their keys on the servers of the keys, then, for those
 * whose connection stands for its key, their members on the servers of the
 * members.  Both decide by connection ids and times, so batches of several
 * goim-logic may cross.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_store.h"


/* What one call is about: indices of sessions. */
typedef struct ls_store_chunk_s {
    ls_store_batch_t  *batch;
    unsigned           server;
    size_t             n;
    size_t             sessions[2 * LS_STORE_CHUNK];
} ls_store_chunk_t;


static void ls_store_batch_leave(ls_store_batch_t *b);


static void
ls_store_batch_free_others(ls_store_batch_t *b)
{
    size_t  i;

    for (i = 0; i < b->n; i++) {
        free(b->sessions[i].other);
        b->sessions[i].other = NULL;
    }
}


void
ls_store_batch_done(ls_store_batch_t *b)
{
    unsigned  i;

    ls_store_batch_free_others(b);

    for (i = 0; i < b->st->nservers; i++) {
        ls_redis_command_done(&b->commands[i]);
    }
}


/* The answer about one session's key. */
static int
ls_store_batch_answer(ls_store_session_t *s, const redisReply *reply,
    size_t i)
{
    goim_str_t  code, conn, server;

    code = ls_store_element(reply, i);
    conn = ls_store_element(reply, i + 1);
    server = ls_store_element(reply, i + 2);

    if (code.len != 1) {
        return GOIM_INVALID;
    }

    s->code = code.data[0];

    if (s->code == '=') {
        s->when_ms = ls_store_element_number(reply, i + 3);
    }

    if (conn.len + server.len == 0) {
        return GOIM_OK;
    }

    free(s->other);
    s->other = malloc(conn.len + server.len);

    if (s->other == NULL) {
        return GOIM_NOMEM;
    }

    memcpy(s->other, conn.data, conn.len);
    memcpy(s->other + conn.len, server.data, server.len);

    s->other_conn.data = s->other;
    s->other_conn.len = conn.len;
    s->other_server.data = s->other + conn.len;
    s->other_server.len = server.len;
    s->other_mid = strtoll((const char *) ls_store_element(reply, i + 3).data,
                           NULL, 10);

    return GOIM_OK;
}


static void
ls_store_batch_on_reply(void *data, int rc, const redisReply *reply)
{
    size_t               i;
    ls_store_batch_t    *b;
    ls_store_chunk_t    *chunk = data;
    ls_store_session_t  *s;

    b = chunk->batch;
    ls_store_note(b->st, chunk->server, rc);

    if (rc != GOIM_OK) {
        b->failed[chunk->server] = 1;
    }

    for (i = 0; i < chunk->n; i++) {
        s = &b->sessions[chunk->sessions[i]];

        if (rc != GOIM_OK) {
            s->failed = 1;

        } else if (!b->members
                   && ls_store_batch_answer(s, reply, 4 * i) != GOIM_OK)
        {
            s->failed = 1;
            b->failed[chunk->server] = 1;
        }
    }

    free(chunk);
    ls_store_batch_leave(b);
}


static void
ls_store_batch_send(ls_store_batch_t *b, unsigned server)
{
    ls_store_chunk_t  *chunk;

    chunk = b->chunks[server];
    b->chunks[server] = NULL;
    b->calls++;

    if (b->bulk) {
        ls_store_call_bulk(b->st, server, &b->commands[server],
                           ls_store_batch_on_reply, chunk);

    } else {
        ls_store_call(b->st, server, &b->commands[server],
                      ls_store_batch_on_reply, chunk);
    }
}


/* One more op in the call to a server. */
static void
ls_store_batch_add(ls_store_batch_t *b, unsigned server, size_t i, char op,
    goim_str_t conn, int64_t mid)
{
    ls_store_chunk_t    *chunk;
    ls_store_session_t  *s;
    ls_redis_command_t  *cmd;

    s = &b->sessions[i];
    cmd = &b->commands[server];
    chunk = b->chunks[server];

    if (chunk == NULL) {
        chunk = malloc(sizeof(ls_store_chunk_t));
        if (chunk == NULL) {
            s->failed = 1;
            b->nomem = 1;
            return;
        }

        chunk->batch = b;
        chunk->server = server;
        chunk->n = 0;
        b->chunks[server] = chunk;

        ls_store_script(cmd, b->members ? ls_store_script_mids
                                        : ls_store_script_keys);
        ls_store_str(cmd, b->server);
        ls_redis_command_unsigned(cmd, b->epoch);
        ls_redis_command_unsigned(cmd, b->ttl_ms);
    }

    ls_redis_command_add(cmd, &op, 1);
    ls_store_str(cmd, s->key);
    ls_store_str(cmd, conn);
    ls_redis_command_number(cmd, mid);
    ls_redis_command_unsigned(cmd, s->when_ms);

    chunk->sessions[chunk->n++] = i;

    if (chunk->n == LS_STORE_CHUNK) {
        ls_store_batch_send(b, server);
    }
}


/* What follows for the members from a key's answer. */
static void
ls_store_batch_add_member(ls_store_batch_t *b, size_t i)
{
    ls_store_session_t  *s;

    s = &b->sessions[i];

    /* a key that fails goes on here when the batch comes again */

    if (s->failed) {
        return;
    }

    if (s->code == '>' && s->other_mid && s->other_mid != s->mid
        && s->other_conn.len)
    {
        ls_store_batch_add(b, ls_store_place_mid(b->st, s->other_mid), i, 'd',
                           s->other_conn, s->other_mid);
    }

    if (s->mid == 0 || s->code == '<') {
        return;
    }

    ls_store_batch_add(b, ls_store_place_mid(b->st, s->mid), i,
                       s->code == '-' ? s->op : 's', s->conn, s->mid);
}


static void
ls_store_batch_send_rest(ls_store_batch_t *b)
{
    unsigned  i;

    for (i = 0; i < b->st->nservers; i++) {

        if (b->chunks[i]) {
            ls_store_batch_send(b, i);
        }
    }
}


/* One of its calls has ended, or all have been made. */
static void
ls_store_batch_leave(ls_store_batch_t *b)
{
    size_t  i;

    if (--b->calls) {
        return;
    }

    if (b->members) {
        b->done(b);
        return;
    }

    b->members = 1;
    b->calls = 1;

    for (i = 0; i < b->n; i++) {
        ls_store_batch_add_member(b, i);
    }

    ls_store_batch_send_rest(b);
    ls_store_batch_leave(b);
}


void
ls_store_batch_run(ls_store_batch_t *b)
{
    size_t               i;
    ls_store_session_t  *s;

    ls_store_batch_free_others(b);
    b->calls = 1;
    b->members = 0;

    for (i = 0; i < b->n; i++) {
        s = &b->sessions[i];
        s->code = 0;
        s->failed = 0;
        ls_store_batch_add(b, ls_store_place(b->st, s->key), i, s->op,
                           s->conn, s->mid);
    }

    ls_store_batch_send_rest(b);
    ls_store_batch_leave(b);
}


size_t
ls_store_batch_kicks(const ls_store_batch_t *b, ls_session_kick_t *kicks)
{
    size_t                     i, n;
    const ls_store_session_t  *s;

    n = 0;

    for (i = 0; i < b->n; i++) {
        s = &b->sessions[i];

        if (s->code == '<') {
            kicks[n].server = b->server;
            kicks[n].spare = s->other_conn;
            kicks[n].only = s->conn;

        } else if (s->code == '>') {
            kicks[n].server = s->other_server;
            kicks[n].spare = s->conn;
            kicks[n].only = s->other_conn;

        } else {
            continue;
        }

        kicks[n++].key = s->key;
    }

    return n;
}
