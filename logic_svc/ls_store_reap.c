/*
 * The ends of epochs: slots that have fallen silent, and sessions of dead
 * epochs, a few at a time.  Every step is written down in Redis, so that any
 * goim-logic goes on where another has stopped, and two may do the same.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "ls_store.h"


#define LS_STORE_REAP_STEP  128  /* sessions */
#define LS_STORE_REAP_ID    (LS_REPORT_NAME + 64)


/* One server's dead epochs, one after another. */
typedef struct {
    ls_store_t           *st;
    unsigned              server;
    ls_redis_command_t    command;

    uint8_t               id[LS_STORE_REAP_ID];
    size_t                id_len;
    goim_str_t            comet;     /* in the id */
    uint64_t              epoch;
    char                  cursor[24];

    ls_store_batch_t      batch;
    uint8_t              *strings;   /* of its sessions */
    unsigned              failed:1;  /* something is left for later */
} ls_store_reap_t;


static void ls_store_reap_choose(ls_store_reap_t *reap);
static void ls_store_reap_scan(ls_store_reap_t *reap);


/* Slots that are silent */

static void
ls_store_reap_on_silent(void *data, int rc, const redisReply *reply)
{
    ls_store_server_t  *sv = data;

    sv->silent = 0;

    if (rc == GOIM_OK && reply->type == REDIS_REPLY_STRING) {
        sv->clock_ms = strtoull(reply->str, NULL, 10);
        sv->clock_us = goim_time_us();
    }
}


/* What the clock there shows now, or a little less; 0: not known. */
static uint64_t
ls_store_reap_clock(const ls_store_server_t *sv)
{
    return sv->clock_us
               ? sv->clock_ms + (goim_time_us() - sv->clock_us) / 1000
               : 0;
}


void
ls_store_look_for_silent(ls_store_t *st, unsigned server)
{
    uint64_t             now, before;
    ls_store_server_t   *sv;
    ls_redis_command_t   cmd = { 0 };

    sv = &st->servers[server];

    /* after an outage all are silent for a while */

    if (sv->silent || ls_redis_up_ms(st->redis, server) < st->trust_ms) {
        return;
    }

    sv->silent = 1;

    now = ls_store_reap_clock(sv);
    before = now > st->silent_ms ? now - st->silent_ms : 0;

    ls_store_script(&cmd, ls_store_script_silent);
    ls_redis_command_unsigned(&cmd, before);
    ls_redis_command_unsigned(&cmd, LS_STORE_FORGET_MS);

    ls_store_call_bulk(st, server, &cmd, ls_store_reap_on_silent, sv);
    ls_redis_command_done(&cmd);
}


/* Sessions of the dead */

static void
ls_store_reap_end(ls_store_reap_t *reap)
{
    reap->st->servers[reap->server].reaping = 0;

    if (reap->batch.st) {
        ls_store_batch_done(&reap->batch);
    }

    ls_redis_command_done(&reap->command);
    free(reap->batch.sessions);
    free(reap->strings);
    free(reap);
}


static void
ls_store_reap_on_buried(void *data, int rc, const redisReply *reply)
{
    ls_store_reap_t  *reap = data;

    (void) reply;

    if (rc != GOIM_OK || reap->failed) {

        /* again after the next tick */

        ls_store_reap_end(reap);
        return;
    }

    ls_store_reap_choose(reap);
}


/* All of the epoch's sessions have been looked at. */
static void
ls_store_reap_bury(ls_store_reap_t *reap)
{
    ls_store_script(&reap->command, ls_store_script_bury);
    ls_redis_command_add(&reap->command, reap->id, reap->id_len);
    ls_store_call_bulk(reap->st, reap->server, &reap->command,
                       ls_store_reap_on_buried, reap);
}


static void
ls_store_reap_go_on(ls_store_reap_t *reap)
{
    if (strcmp(reap->cursor, "0") == 0) {
        ls_store_reap_bury(reap);
        return;
    }

    ls_store_reap_scan(reap);
}


static void
ls_store_reap_on_forgotten(void *data, int rc, const redisReply *reply)
{
    ls_store_reap_t  *reap = data;

    (void) reply;

    if (rc != GOIM_OK) {
        ls_store_reap_end(reap);
        return;
    }

    ls_store_reap_go_on(reap);
}


/* Keys and members of these are gone, or stand for others. */
static void
ls_store_reap_on_batch(ls_store_batch_t *b)
{
    size_t            i, n;
    ls_store_reap_t  *reap = b->data;

    n = 0;

    ls_store_script(&reap->command, ls_store_script_forget);
    ls_redis_command_add(&reap->command, reap->id, reap->id_len);

    for (i = 0; i < b->n; i++) {

        if (b->sessions[i].failed) {
            reap->failed = 1;
            continue;
        }

        ls_store_str(&reap->command, b->sessions[i].conn);
        n++;
    }

    if (n == 0) {
        ls_redis_command_reset(&reap->command);
        ls_store_reap_go_on(reap);
        return;
    }

    ls_store_call_bulk(reap->st, reap->server, &reap->command,
                       ls_store_reap_on_forgotten, reap);
}


/* A field and its value, "<mid> <length of addr> <addr><key>". */
static int
ls_store_reap_parse(ls_store_session_t *s, goim_str_t conn, goim_str_t value)
{
    char           text[64], *end;
    size_t         n;
    unsigned long  addr_len;

    memset(s, 0, sizeof(ls_store_session_t));

    n = value.len < sizeof(text) - 1 ? value.len : sizeof(text) - 1;
    memcpy(text, value.data, n);
    text[n] = '\0';

    s->mid = strtoll(text, &end, 10);
    if (end == text || *end != ' ') {
        return GOIM_INVALID;
    }

    addr_len = strtoul(end, &end, 10);
    if (*end != ' ') {
        return GOIM_INVALID;
    }

    n = end + 1 - text;

    if (addr_len > value.len - n) {
        return GOIM_INVALID;
    }

    s->op = 'x';
    s->conn = conn;
    s->key.data = value.data + n + addr_len;
    s->key.len = value.len - n - addr_len;

    return GOIM_OK;
}


/* Sessions out of a list of fields and values, whose strings are copied;
 * GOIM_AGAIN: there is none. */
static int
ls_store_reap_take(ls_store_reap_t *reap, const redisReply *list)
{
    size_t               i, n, size;
    uint8_t             *p;
    goim_str_t           conn, value;
    ls_store_session_t  *sessions;

    size = 0;
    n = 0;

    for (i = 0; i + 1 < list->elements; i += 2) {
        size += ls_store_element(list, i).len
                + ls_store_element(list, i + 1).len;
        n++;
    }

    if (n == 0) {
        return GOIM_AGAIN;
    }

    free(reap->strings);
    reap->strings = malloc(size + 1);
    sessions = realloc(reap->batch.sessions, n * sizeof(ls_store_session_t));

    if (sessions) {
        reap->batch.sessions = sessions;
    }

    if (reap->strings == NULL || sessions == NULL) {
        return GOIM_NOMEM;
    }

    p = reap->strings;
    n = 0;

    for (i = 0; i + 1 < list->elements; i += 2) {
        conn = ls_store_element(list, i);
        value = ls_store_element(list, i + 1);

        memcpy(p, conn.data, conn.len);
        conn.data = p;
        p += conn.len;

        memcpy(p, value.data, value.len);
        value.data = p;
        p += value.len;

        if (ls_store_reap_parse(&sessions[n], conn, value) != GOIM_OK) {

            /* nobody of ours has written that: only to be forgotten */

            sessions[n].op = 'x';
            sessions[n].conn = conn;
            sessions[n].mid = 0;
            sessions[n].key.len = 0;
        }

        n++;
    }

    reap->batch.n = n;

    return GOIM_OK;
}


static void
ls_store_reap_on_scanned(void *data, int rc, const redisReply *reply)
{
    goim_str_t         cursor;
    ls_store_reap_t   *reap = data;
    ls_store_batch_t  *b;

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        ls_store_reap_end(reap);
        return;
    }

    cursor = ls_store_element(reply, 0);

    if (cursor.len == 0 || cursor.len >= sizeof(reap->cursor)) {
        ls_store_reap_end(reap);
        return;
    }

    memcpy(reap->cursor, cursor.data, cursor.len);
    reap->cursor[cursor.len] = '\0';

    b = &reap->batch;

    if (b->st) {
        ls_store_batch_done(b);
        b->n = 0;
    }

    switch (ls_store_reap_take(reap, reply->element[1])) {

    case GOIM_OK:
        break;

    case GOIM_AGAIN:
        ls_store_reap_go_on(reap);
        return;

    default:
        ls_store_reap_end(reap);
        return;
    }

    b->st = reap->st;
    b->server = reap->comet;
    b->epoch = reap->epoch;
    b->ttl_ms = reap->st->expire_ms;
    b->bulk = 1;
    b->done = ls_store_reap_on_batch;
    b->data = reap;

    ls_store_batch_run(b);
}


static void
ls_store_reap_scan(ls_store_reap_t *reap)
{
    ls_redis_command_text(&reap->command, "HSCAN");
    ls_redis_command_join(&reap->command, "goim:sessions:", reap->id,
                          reap->id_len);
    ls_redis_command_text(&reap->command, reap->cursor);
    ls_redis_command_text(&reap->command, "COUNT");
    ls_redis_command_unsigned(&reap->command, LS_STORE_REAP_STEP);

    ls_store_call_bulk(reap->st, reap->server, &reap->command,
                       ls_store_reap_on_scanned, reap);
}


/* "<slot>:<epoch>:<server>" */
static int
ls_store_reap_set_id(ls_store_reap_t *reap, goim_str_t id)
{
    char           *end;
    const uint8_t  *p, *last;

    if (id.len >= sizeof(reap->id)) {
        return GOIM_INVALID;
    }

    memcpy(reap->id, id.data, id.len);
    reap->id[id.len] = '\0';
    reap->id_len = id.len;
    last = reap->id + id.len;

    p = memchr(reap->id, ':', id.len);
    if (p == NULL) {
        return GOIM_INVALID;
    }

    reap->epoch = strtoull((const char *) p + 1, &end, 10);
    if (*end != ':') {
        return GOIM_INVALID;
    }

    reap->comet.data = (const uint8_t *) end + 1;
    reap->comet.len = last - reap->comet.data;

    return GOIM_OK;
}


static void
ls_store_reap_on_chosen(void *data, int rc, const redisReply *reply)
{
    goim_str_t        id;
    ls_store_reap_t  *reap = data;

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_STRING) {

        /* nothing is dead */

        ls_store_reap_end(reap);
        return;
    }

    id.data = (const uint8_t *) reply->str;
    id.len = reply->len;

    if (ls_store_reap_set_id(reap, id) != GOIM_OK) {
        ls_store_reap_end(reap);
        return;
    }

    strcpy(reap->cursor, "0");
    ls_store_reap_scan(reap);
}


/* Any one: several goim-logic take different ones. */
static void
ls_store_reap_choose(ls_store_reap_t *reap)
{
    ls_redis_command_text(&reap->command, "SRANDMEMBER");
    ls_redis_command_text(&reap->command, "goim:dead");

    ls_store_call_bulk(reap->st, reap->server, &reap->command,
                       ls_store_reap_on_chosen, reap);
}


void
ls_store_reap(ls_store_t *st, unsigned server)
{
    ls_store_reap_t  *reap;

    if (st->servers[server].reaping) {
        return;
    }

    reap = calloc(1, sizeof(ls_store_reap_t));
    if (reap == NULL) {
        return;
    }

    reap->st = st;
    reap->server = server;
    st->servers[server].reaping = 1;

    ls_store_reap_choose(reap);
}
