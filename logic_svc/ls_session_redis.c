/*
 * The session store in Redis: its start and end, what goes on by itself, and
 * sessions that an auth request tells of.  See ls_session_redis.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "ls_session_redis.h"
#include "ls_store.h"


#define LS_SESSION_REDIS_ROUND  10  /* ticks */


/* A session that has come, in one block with its strings. */
typedef struct {
    ls_store_batch_t      batch;
    ls_store_session_t    session;
    ls_session_kicks_pt   done;
    void                 *data;
    uint8_t               strings[];
} ls_session_redis_connect_t;


typedef struct {
    ls_store_t  *st;
    unsigned     server;
} ls_session_redis_id_t;


static int
ls_session_redis_is_up(ls_session_t *ls)
{
    unsigned     i;
    ls_store_t  *st = (ls_store_t *) ls;

    for (i = 0; i < st->nservers; i++) {

        if (ls_redis_up(st->redis, i)) {
            return 1;
        }
    }

    return 0;
}


/* connect() */

static void
ls_session_redis_connected(ls_store_batch_t *b)
{
    int                          rc;
    size_t                       n;
    ls_session_kick_t            kick;
    ls_session_redis_connect_t  *co = b->data;

    n = ls_store_batch_kicks(b, &kick);
    rc = co->session.failed ? GOIM_AGAIN : GOIM_OK;

    if (b->nomem) {
        rc = GOIM_NOMEM;
    }

    co->done(co->data, rc, &kick, n);

    ls_store_batch_done(b);
    free(co);
}


static void
ls_session_redis_copy(goim_str_t *to, goim_str_t from, uint8_t **p)
{
    if (from.len) {
        memcpy(*p, from.data, from.len);
    }

    to->data = *p;
    to->len = from.len;
    *p += from.len;
}


static void
ls_session_redis_connect(ls_session_t *ls, const ls_session_entry_t *entry,
    ls_session_kicks_pt done, void *data)
{
    uint8_t                     *p;
    ls_store_t                  *st = (ls_store_t *) ls;
    ls_session_redis_connect_t  *co;

    co = calloc(1, sizeof(ls_session_redis_connect_t) + entry->key.len
                       + entry->conn.len + entry->server.len);
    if (co == NULL) {
        done(data, GOIM_NOMEM, NULL, 0);
        return;
    }

    co->done = done;
    co->data = data;

    p = co->strings;
    ls_session_redis_copy(&co->session.key, entry->key, &p);
    ls_session_redis_copy(&co->session.conn, entry->conn, &p);
    ls_session_redis_copy(&co->batch.server, entry->server, &p);

    co->session.op = 'c';
    co->session.mid = entry->mid;
    co->session.when_ms = entry->when_ms;

    co->batch.st = st;
    co->batch.ttl_ms = st->expire_ms < LS_SESSION_EARLY_MS
                           ? st->expire_ms
                           : LS_SESSION_EARLY_MS;
    co->batch.sessions = &co->session;
    co->batch.n = 1;
    co->batch.done = ls_session_redis_connected;
    co->batch.data = co;

    ls_store_batch_run(&co->batch);
}


/* Ids of servers */

static void
ls_session_redis_on_id(void *data, int rc, const redisReply *reply)
{
    ls_store_server_t      *sv;
    ls_session_redis_id_t  *asked = data;

    sv = &asked->st->servers[asked->server];
    sv->asking = 0;

    if (rc == GOIM_OK && reply->type == REDIS_REPLY_STRING
        && reply->len <= LS_STORE_ID_LEN)
    {
        memcpy(sv->id, reply->str, reply->len);
        sv->id[reply->len] = '\0';

        /* another one than before: what it has missed is told again */

        sv->dirty = 0;
    }

    free(asked);
}


/* Asks a server for its id, gives it one, or another if it has missed
 * something that no other goim-logic has noticed yet. */
static void
ls_session_redis_ask_id(ls_store_t *st, unsigned server)
{
    char                    id[LS_STORE_ID_LEN + 1];
    uint64_t                some;
    ls_store_server_t      *sv;
    ls_redis_command_t      cmd = { 0 };
    ls_session_redis_id_t  *asked;

    sv = &st->servers[server];

    if (sv->asking || !ls_redis_up(st->redis, server)) {
        return;
    }

    asked = malloc(sizeof(ls_session_redis_id_t));
    if (asked == NULL) {
        return;
    }

    evutil_secure_rng_get_bytes(&some, sizeof(some));
    snprintf(id, sizeof(id), "%016llx", (unsigned long long) some);
    asked->st = st;
    asked->server = server;
    sv->asking = 1;

    ls_store_script(&cmd, ls_store_script_id);
    ls_redis_command_text(&cmd, id);

    if (sv->dirty) {
        ls_redis_command_text(&cmd, sv->id[0] ? sv->id : "*");

    } else {
        ls_redis_command_text(&cmd, "");
    }

    ls_store_call(st, server, &cmd, ls_session_redis_on_id, asked);
    ls_redis_command_done(&cmd);
}


static void
ls_session_redis_on_up(void *data, unsigned server)
{
    ls_session_redis_ask_id(data, server);
}


/* Time */

static void
ls_session_redis_arm(ls_store_t *st)
{
    struct timeval  tv;

    tv.tv_sec = LS_STORE_TICK_MS / 1000;
    tv.tv_usec = LS_STORE_TICK_MS % 1000 * 1000;

    (void) event_add(st->tick, &tv);
}


static void
ls_session_redis_on_tick(evutil_socket_t fd, short what, void *data)
{
    unsigned     i;
    ls_store_t  *st = data;

    (void) fd;
    (void) what;

    st->ticks++;

    for (i = 0; i < st->nservers; i++) {

        if (!ls_redis_up(st->redis, i)) {
            continue;
        }

        ls_store_look_for_silent(st, i);
        ls_store_reap(st, i);

        if ((st->ticks + i) % LS_SESSION_REDIS_ROUND == 0) {
            ls_session_redis_ask_id(st, i);
            ls_store_count(st, i);
        }
    }

    ls_session_redis_arm(st);
}


static void
ls_session_redis_on_turn(evutil_socket_t fd, short what, void *data)
{
    (void) fd;
    (void) what;

    (void) ls_store_turn(data);
}


/* Start and end */

static void
ls_session_redis_free(ls_store_t *st)
{
    if (st->redis) {
        ls_redis_destroy(st->redis);
    }

    if (st->tick) {
        event_free(st->tick);
    }

    if (st->turn) {
        event_free(st->turn);
    }

    free(st);
}


static void
ls_session_redis_destroy(ls_session_t *ls)
{
    ls_store_t  *st = (ls_store_t *) ls;

    st->closing = 1;
    ls_redis_stop(st->redis);

    /* what ends makes others end; nothing begins any more */

    while (ls_store_turn(st)) {
        continue;
    }

    ls_session_redis_free(st);
}


static const ls_session_backend_t  ls_session_redis_backend = {
    .name = "redis",
    .connect = ls_session_redis_connect,
    .report = ls_store_report,
    .find_keys = ls_store_find_keys,
    .find_mids = ls_store_find_mids,
    .online = ls_store_online,
    .up = ls_session_redis_is_up,
    .destroy = ls_session_redis_destroy
};


ls_session_t *
ls_session_redis_create(struct event_base *base, const ls_redis_conf_t *conf,
    const goim_log_t *log, goim_error_t *error)
{
    unsigned     i;
    ls_store_t  *st;

    st = calloc(1, sizeof(ls_store_t));
    if (st == NULL) {
        goto nomem;
    }

    st->head.backend = &ls_session_redis_backend;
    st->base = base;
    st->log = log;
    st->expire_ms = conf->expire_ms;
    st->silent_ms = LS_SESSION_SILENT_MS;
    st->trust_ms = LS_STORE_TRUST_MS;
    st->away_ms = LS_STORE_AWAY_MS;
    st->refused.last = &st->refused.first;

    for (i = 0; i < LS_REDIS_SERVERS; i++) {
        st->servers[i].waiting.last = &st->servers[i].waiting.first;
    }

    st->tick = evtimer_new(base, ls_session_redis_on_tick, st);
    st->turn = event_new(base, -1, 0, ls_session_redis_on_turn, st);

    if (st->tick == NULL || st->turn == NULL) {
        goto nomem;
    }

    st->redis = ls_redis_create(base, conf, log, error);
    if (st->redis == NULL) {
        goto failed;
    }

    st->nservers = ls_redis_servers(st->redis);
    ls_redis_on_up(st->redis, ls_session_redis_on_up, st);
    ls_session_redis_arm(st);

    return &st->head;

nomem:

    error->err = 0;
    snprintf(error->text, sizeof(error->text), "no memory");

failed:

    if (st) {
        ls_session_redis_free(st);
    }

    return NULL;
}


ls_redis_t *
ls_session_redis_connections(ls_session_t *ls)
{
    return ((ls_store_t *) ls)->redis;
}


void
ls_session_redis_set_times(ls_session_t *ls, uint64_t silent_ms,
    uint64_t trust_ms, uint64_t away_ms)
{
    ls_store_t  *st = (ls_store_t *) ls;

    st->silent_ms = silent_ms;
    st->trust_ms = trust_ms;
    st->away_ms = away_ms;
}
