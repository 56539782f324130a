/*
 * A report in Redis, in four steps: its connections into its epoch, so that
 * whatever happens then the epoch's end finds them; keys and members; what
 * has ended out of the epoch, and rooms; its state.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_store.h"


#define LS_STORE_REPORT_ROOMS  128  /* of one call, and disconnects */


typedef struct {
    ls_store_t            *st;
    ls_report_t            report;  /* events and rooms are our own */
    ls_session_report_pt   done;
    void                  *data;

    unsigned               server;  /* where the comet has its place */
    ls_store_batch_t       batch;
    ls_session_kick_t     *kicks;
    size_t                 nkicks;

    ls_redis_command_t     command;
    unsigned               ops;     /* in the command */
    unsigned               calls;
    void                 (*next)(void *data);

    unsigned               failed:1;   /* not all could be done */
    unsigned               without:1;  /* the comet's place */
    unsigned               ignored:1;
    unsigned               resync:1;
    uint8_t                strings[];
} ls_store_report_t;


/* Its copy */

static size_t
ls_store_report_size(const ls_report_t *r)
{
    size_t  i, size;

    size = r->server.len;

    for (i = 0; i < r->nevents; i++) {
        size += r->events[i].conn.len + r->events[i].key.len
                + r->events[i].addr.len;
    }

    for (i = 0; i < r->nrooms; i++) {
        size += r->rooms[i].name.len;
    }

    return size;
}


static uint8_t *
ls_store_report_copy(goim_str_t *s, uint8_t *p)
{
    if (s->len) {
        memcpy(p, s->data, s->len);
    }

    s->data = p;

    return p + s->len;
}


static void
ls_store_report_copy_strings(ls_report_t *r, uint8_t *p)
{
    size_t  i;

    p = ls_store_report_copy(&r->server, p);

    for (i = 0; i < r->nevents; i++) {
        p = ls_store_report_copy(&r->events[i].conn, p);
        p = ls_store_report_copy(&r->events[i].key, p);
        p = ls_store_report_copy(&r->events[i].addr, p);
    }

    for (i = 0; i < r->nrooms; i++) {
        p = ls_store_report_copy(&r->rooms[i].name, p);
    }
}


static void
ls_store_report_free(ls_store_report_t *re)
{
    if (re->batch.st) {
        ls_store_batch_done(&re->batch);
    }

    ls_redis_command_done(&re->command);
    free(re->kicks);
    free(re->batch.sessions);
    free(re->report.events);
    free(re->report.rooms);
    free(re);
}


static ls_store_report_t *
ls_store_report_make(ls_store_t *st, const ls_report_t *r)
{
    ls_store_report_t  *re;

    re = calloc(1, sizeof(ls_store_report_t) + ls_store_report_size(r));
    if (re == NULL) {
        return NULL;
    }

    re->st = st;
    re->report = *r;
    re->report.memory = NULL;

    /* one more, so that none is not NULL */

    re->report.events = calloc(r->nevents + 1, sizeof(ls_report_event_t));
    re->report.rooms = calloc(r->nrooms + 1, sizeof(ls_report_room_t));
    re->batch.sessions = calloc(r->nevents + 1, sizeof(ls_store_session_t));
    re->kicks = calloc(r->nevents + 1, sizeof(ls_session_kick_t));

    if (re->report.events == NULL || re->report.rooms == NULL
        || re->batch.sessions == NULL || re->kicks == NULL)
    {
        ls_store_report_free(re);
        return NULL;
    }

    if (r->nevents) {
        memcpy(re->report.events, r->events,
               r->nevents * sizeof(ls_report_event_t));
    }

    if (r->nrooms) {
        memcpy(re->report.rooms, r->rooms,
               r->nrooms * sizeof(ls_report_room_t));
    }

    ls_store_report_copy_strings(&re->report, re->strings);
    re->server = ls_store_place(st, re->report.server);

    return re;
}


static void
ls_store_report_end(ls_store_report_t *re)
{
    int  rc;

    rc = re->failed ? GOIM_AGAIN : GOIM_OK;

    re->done(re->data, rc, re->kicks, re->nkicks,
             rc == GOIM_OK && re->resync);
    ls_store_report_free(re);
}


/* Calls */

static void
ls_store_report_leave(ls_store_report_t *re)
{
    if (--re->calls == 0) {
        re->next(re);
    }
}


/* Its end is the next step's beginning, once all calls have ended. */
static void
ls_store_report_send(ls_store_report_t *re, ls_redis_done_pt done)
{
    re->calls++;
    re->ops = 0;
    ls_store_call_bulk(re->st, re->server, &re->command, done, re);
}


static void
ls_store_report_begin_call(ls_store_report_t *re, const char *script)
{
    ls_report_t  *r;

    r = &re->report;

    ls_store_script(&re->command, script);
    ls_store_str(&re->command, r->server);
    ls_redis_command_unsigned(&re->command, r->slot);
    ls_redis_command_unsigned(&re->command, r->epoch);
    ls_redis_command_unsigned(&re->command, re->st->expire_ms);
    ls_redis_command_unsigned(&re->command, r->conns);
}


/* The end: what is no more, rooms, the state */

static void
ls_store_report_on_told(void *data, int rc, const redisReply *reply)
{
    ls_store_report_t  *re = data;

    ls_store_note(re->st, re->server, rc);

    if (rc != GOIM_OK) {
        re->failed = 1;

    } else if (ls_store_element_number(reply, 1)
               && ls_report_is_short(&re->report,
                                     ls_store_element_number(reply, 2)))
    {
        re->resync = 1;
    }

    ls_store_report_leave(re);
}


static void
ls_store_report_add_told(ls_store_report_t *re, const char *op,
    goim_str_t name, uint32_t members)
{
    if (re->ops == 0) {
        ls_store_report_begin_call(re, ls_store_script_tell);
        ls_redis_command_text(&re->command, "");
    }

    ls_redis_command_text(&re->command, op);
    ls_store_str(&re->command, name);
    ls_redis_command_unsigned(&re->command, members);

    if (++re->ops == LS_STORE_REPORT_ROOMS) {
        ls_store_report_send(re, ls_store_report_on_told);
    }
}


static void
ls_store_report_finish(void *data)
{
    ls_store_report_end(data);
}


/* Only when all else has been done: the state ends epochs. */
static void
ls_store_report_state(void *data)
{
    ls_store_report_t  *re = data;

    static const char *const  states[] = { "p", "c", "l" };

    if (re->failed) {
        ls_store_report_end(re);
        return;
    }

    re->next = ls_store_report_finish;

    ls_store_report_begin_call(re, ls_store_script_tell);
    ls_redis_command_text(&re->command, states[re->report.state]);
    ls_store_report_send(re, ls_store_report_on_told);
}


static void
ls_store_report_tell(ls_store_report_t *re)
{
    size_t               i;
    ls_store_session_t  *s;

    re->next = ls_store_report_state;
    re->calls = 1;

    for (i = 0; i < re->batch.n; i++) {
        s = &re->batch.sessions[i];

        /* one that failed is left to the end of the epoch */

        if (s->op == 'd' && !s->failed) {
            ls_store_report_add_told(re, "d", s->conn, 0);
        }
    }

    for (i = 0; i < re->report.nrooms; i++) {
        ls_store_report_add_told(re, "r", re->report.rooms[i].name,
                                 re->report.rooms[i].members);
    }

    if (re->ops) {
        ls_store_report_send(re, ls_store_report_on_told);
    }

    ls_store_report_leave(re);
}


/* Keys and members */

static void
ls_store_report_on_batch(ls_store_batch_t *b)
{
    unsigned            i;
    ls_store_report_t  *re = b->data;

    re->nkicks = ls_store_batch_kicks(b, re->kicks);
    re->failed = b->nomem;

    for (i = 0; i < re->st->nservers; i++) {

        if (b->failed[i] && !ls_store_do_without(re->st, i)) {
            re->failed = 1;
        }
    }

    if (re->failed || re->without) {
        ls_store_report_end(re);
        return;
    }

    ls_store_report_tell(re);
}


static void
ls_store_report_sessions(void *data)
{
    size_t               i;
    ls_store_batch_t    *b;
    ls_report_event_t   *event;
    ls_store_report_t   *re = data;
    ls_store_session_t  *s;

    static const char  ops[] = { 'c', 'd', 'r' };

    if (re->failed && ls_store_do_without(re->st, re->server)) {
        re->failed = 0;
        re->without = 1;
    }

    if (re->failed || re->ignored) {
        ls_store_report_end(re);
        return;
    }

    b = &re->batch;
    b->st = re->st;
    b->server = re->report.server;
    b->epoch = re->report.epoch;
    b->ttl_ms = re->st->expire_ms;
    b->n = re->report.nevents;
    b->bulk = 1;
    b->done = ls_store_report_on_batch;
    b->data = re;

    for (i = 0; i < b->n; i++) {
        event = &re->report.events[i];
        s = &b->sessions[i];

        s->op = ops[event->kind];
        s->key = event->key;
        s->conn = event->conn;
        s->mid = event->mid;
        s->when_ms = event->kind == LS_REPORT_CONNECT ? event->when_ms : 0;
    }

    ls_store_batch_run(b);
}


/* The beginning: connections into the epoch */

static void
ls_store_report_on_come(void *data, int rc, const redisReply *reply)
{
    ls_store_report_t  *re = data;

    ls_store_note(re->st, re->server, rc);

    if (rc != GOIM_OK) {
        re->failed = 1;

    } else if (ls_store_element_number(reply, 0) == 0) {
        re->ignored = 1;

    } else if (ls_store_element_number(reply, 1)) {
        re->resync = 1;
    }

    ls_store_report_leave(re);
}


static void
ls_store_report_begin_come(ls_store_report_t *re)
{
    char  generation[LS_STORE_ID_LEN + 1];

    ls_store_generation(re->st, generation);
    ls_store_report_begin_call(re, ls_store_script_come);
    ls_redis_command_text(&re->command, generation);
}


static void
ls_store_report_come(ls_store_report_t *re)
{
    size_t              i;
    ls_report_event_t  *event;

    re->next = ls_store_report_sessions;
    re->calls = 1;

    ls_store_report_begin_come(re);

    for (i = 0; i < re->report.nevents; i++) {
        event = &re->report.events[i];

        if (event->kind == LS_REPORT_DISCONNECT) {
            continue;
        }

        if (re->ops == LS_STORE_CHUNK) {
            ls_store_report_send(re, ls_store_report_on_come);
            ls_store_report_begin_come(re);
        }

        ls_redis_command_text(&re->command,
                              event->kind == LS_REPORT_CONNECT ? "c" : "r");
        ls_store_str(&re->command, event->conn);
        ls_redis_command_number(&re->command, event->mid);
        ls_store_str(&re->command, event->addr);
        ls_store_str(&re->command, event->key);
        re->ops++;
    }

    ls_store_report_send(re, ls_store_report_on_come);
    ls_store_report_leave(re);
}


void
ls_store_report(ls_session_t *ls, const ls_report_t *report,
    ls_session_report_pt done, void *data)
{
    ls_store_report_t  *re;

    re = ls_store_report_make((ls_store_t *) ls, report);
    if (re == NULL) {
        done(data, GOIM_NOMEM, NULL, 0, 0);
        return;
    }

    re->done = done;
    re->data = data;

    ls_store_report_come(re);
}
