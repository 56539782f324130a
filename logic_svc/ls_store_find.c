/*
 * Where keys and members are: one call for each server and a few hundred of
 * them, all at once.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_store.h"


#define LS_STORE_FIND_KEYS  512  /* of one call */
#define LS_STORE_FIND_MIDS  64


typedef struct {
    ls_store_t            *st;
    ls_session_places_pt   done;
    void                  *data;

    ls_session_place_t    *places;
    size_t                 n;
    size_t                 size;     /* of places */

    unsigned               calls;
    unsigned               failed:1;
    unsigned               nomem:1;

    /* what found strings are in */
    uint8_t              **blocks;
    size_t                 nblocks;
    size_t                 blocks_size;

    ls_redis_command_t     commands[LS_REDIS_SERVERS];
    struct ls_store_find_call_s  *pending[LS_REDIS_SERVERS];
} ls_store_find_t;


/* What one call is about: indices of keys. */
typedef struct ls_store_find_call_s {
    ls_store_find_t  *find;
    size_t            n;
    size_t            keys[LS_STORE_FIND_KEYS];
} ls_store_find_call_t;


static void
ls_store_find_free(ls_store_find_t *f)
{
    size_t  i;

    for (i = 0; i < f->nblocks; i++) {
        free(f->blocks[i]);
    }

    for (i = 0; i < f->st->nservers; i++) {
        ls_redis_command_done(&f->commands[i]);
        free(f->pending[i]);
    }

    free(f->blocks);
    free(f->places);
    free(f);
}


static void
ls_store_find_leave(ls_store_find_t *f)
{
    int  rc;

    if (--f->calls) {
        return;
    }

    rc = f->failed ? GOIM_AGAIN : GOIM_OK;

    if (f->nomem) {
        rc = GOIM_NOMEM;
    }

    f->done(f->data, rc, f->places, f->nomem ? 0 : f->n);
    ls_store_find_free(f);
}


/* A block that lives as long as the search; NULL: no memory. */
static uint8_t *
ls_store_find_block(ls_store_find_t *f, size_t len)
{
    size_t     size;
    uint8_t   *block, **blocks;

    if (f->nblocks == f->blocks_size) {
        size = f->blocks_size * 2 + 8;
        blocks = realloc(f->blocks, size * sizeof(uint8_t *));

        if (blocks == NULL) {
            f->nomem = 1;
            return NULL;
        }

        f->blocks = blocks;
        f->blocks_size = size;
    }

    block = malloc(len + 1);

    if (block == NULL) {
        f->nomem = 1;
        return NULL;
    }

    f->blocks[f->nblocks++] = block;

    return block;
}


/* Bytes of an array's strings. */
static size_t
ls_store_find_size(const redisReply *reply)
{
    size_t  i, size;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return 0;
    }

    size = 0;

    for (i = 0; i < reply->elements; i++) {
        size += ls_store_element(reply, i).len;
    }

    return size;
}


static uint8_t *
ls_store_find_copy(goim_str_t *to, goim_str_t from, uint8_t *p)
{
    memcpy(p, from.data, from.len);
    to->data = p;
    to->len = from.len;

    return p + from.len;
}


static ls_store_find_t *
ls_store_find_make(ls_session_t *ls, ls_session_places_pt done, void *data)
{
    ls_store_find_t  *f;

    f = calloc(1, sizeof(ls_store_find_t));
    if (f == NULL) {
        return NULL;
    }

    f->st = (ls_store_t *) ls;
    f->done = done;
    f->data = data;
    f->calls = 1;

    return f;
}


/* Keys */

static void
ls_store_find_on_keys(void *data, int rc, const redisReply *reply)
{
    size_t                 i;
    uint8_t               *p;
    ls_store_find_t       *f;
    ls_store_find_call_t  *call = data;

    f = call->find;

    if (rc != GOIM_OK) {
        f->failed = 1;

    } else if ((p = ls_store_find_block(f, ls_store_find_size(reply)))) {

        for (i = 0; i < call->n; i++) {
            p = ls_store_find_copy(&f->places[call->keys[i]].server,
                                   ls_store_element(reply, i), p);
        }
    }

    free(call);
    ls_store_find_leave(f);
}


static void
ls_store_find_send_keys(ls_store_find_t *f, unsigned server)
{
    ls_store_find_call_t  *call;

    call = f->pending[server];
    f->pending[server] = NULL;
    f->calls++;

    ls_store_call(f->st, server, &f->commands[server], ls_store_find_on_keys,
                  call);
}


static void
ls_store_find_add_key(ls_store_find_t *f, size_t i)
{
    unsigned               server;
    goim_str_t             key;
    ls_store_find_call_t  *call;

    key = f->places[i].key;
    server = ls_store_place(f->st, key);
    call = f->pending[server];

    if (call == NULL) {
        call = malloc(sizeof(ls_store_find_call_t));
        if (call == NULL) {
            f->nomem = 1;
            return;
        }

        call->find = f;
        call->n = 0;
        f->pending[server] = call;
        ls_redis_command_text(&f->commands[server], "MGET");
    }

    ls_redis_command_join(&f->commands[server], "key_", key.data, key.len);
    call->keys[call->n++] = i;

    if (call->n == LS_STORE_FIND_KEYS) {
        ls_store_find_send_keys(f, server);
    }
}


void
ls_store_find_keys(ls_session_t *ls, const goim_str_t *keys, size_t n,
    ls_session_places_pt done, void *data)
{
    size_t            i, len;
    uint8_t          *p;
    ls_store_find_t  *f;

    f = ls_store_find_make(ls, done, data);
    if (f == NULL) {
        done(data, GOIM_NOMEM, NULL, 0);
        return;
    }

    len = 0;

    for (i = 0; i < n; i++) {
        len += keys[i].len;
    }

    f->places = calloc(n + 1, sizeof(ls_session_place_t));
    p = ls_store_find_block(f, len);

    if (f->places == NULL || p == NULL) {
        f->nomem = 1;
        ls_store_find_leave(f);
        return;
    }

    f->n = n;

    for (i = 0; i < n; i++) {
        p = ls_store_find_copy(&f->places[i].key, keys[i], p);
        ls_store_find_add_key(f, i);
    }

    for (i = 0; i < f->st->nservers; i++) {

        if (f->pending[i]) {
            ls_store_find_send_keys(f, i);
        }
    }

    ls_store_find_leave(f);
}


/* Members */

static void
ls_store_find_add_places(ls_store_find_t *f, const redisReply *found)
{
    size_t               i, size;
    uint8_t             *p;
    ls_session_place_t  *places;

    if (found->type != REDIS_REPLY_ARRAY || found->elements < 2) {
        return;
    }

    if (f->n + found->elements / 2 > f->size) {
        size = f->size * 2 + found->elements / 2 + 16;
        places = realloc(f->places, size * sizeof(ls_session_place_t));

        if (places == NULL) {
            f->nomem = 1;
            return;
        }

        f->places = places;
        f->size = size;
    }

    p = ls_store_find_block(f, ls_store_find_size(found));
    if (p == NULL) {
        return;
    }

    for (i = 0; i + 1 < found->elements; i += 2) {
        p = ls_store_find_copy(&f->places[f->n].key,
                               ls_store_element(found, i), p);
        p = ls_store_find_copy(&f->places[f->n].server,
                               ls_store_element(found, i + 1), p);
        f->n++;
    }
}


static void
ls_store_find_on_mids(void *data, int rc, const redisReply *reply)
{
    size_t            i;
    ls_store_find_t  *f = data;

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_ARRAY) {
        f->failed = 1;

    } else {

        for (i = 0; i < reply->elements; i++) {
            ls_store_find_add_places(f, reply->element[i]);
        }
    }

    ls_store_find_leave(f);
}


static void
ls_store_find_send_mids(ls_store_find_t *f, unsigned server)
{
    f->calls++;
    ls_store_call(f->st, server, &f->commands[server], ls_store_find_on_mids,
                  f);
}


void
ls_store_find_mids(ls_session_t *ls, const int64_t *mids, size_t n,
    ls_session_places_pt done, void *data)
{
    size_t               i;
    unsigned             server;
    ls_store_find_t     *f;
    ls_redis_command_t  *cmd;

    f = ls_store_find_make(ls, done, data);
    if (f == NULL) {
        done(data, GOIM_NOMEM, NULL, 0);
        return;
    }

    for (i = 0; i < n; i++) {
        server = ls_store_place_mid(f->st, mids[i]);
        cmd = &f->commands[server];

        if (cmd->args == 0) {
            ls_store_script(cmd, ls_store_script_find_mids);
        }

        ls_redis_command_number(cmd, mids[i]);

        if (cmd->args == 3 + LS_STORE_FIND_MIDS) {
            ls_store_find_send_mids(f, server);
        }
    }

    for (i = 0; i < f->st->nservers; i++) {

        if (f->commands[i].args) {
            ls_store_find_send_mids(f, i);
        }
    }

    ls_store_find_leave(f);
}
