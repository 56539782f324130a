/*
 * What the files of the session store in Redis share: calls, sessions in
 * batches, and the jobs that go on by themselves.  Nothing else includes it.
 */

#ifndef LS_STORE_H_INCLUDED
#define LS_STORE_H_INCLUDED


#include "ls_redis.h"
#include "ls_redis_address.h"
#include "ls_redis_command.h"
#include "ls_session.h"
#include "ls_store_script.h"


/* Calls of long jobs that one server has at the same time: others, which
 * somebody waits for, come between. */
#define LS_STORE_BULK       4
#define LS_STORE_BULK_US    10000000  /* such a call waits so long at most */

#define LS_STORE_CHUNK      64    /* sessions of one call */
#define LS_STORE_TICK_MS    1000
#define LS_STORE_ID_LEN     16    /* of a store, hexadecimal */

/* A server that is away for so long is done without. */
#define LS_STORE_AWAY_MS    10000

/* After an outage workers come back only by and by: their longest delay is
 * 30 s. */
#define LS_STORE_TRUST_MS   (LS_SESSION_SILENT_MS + 35000)
#define LS_STORE_FORGET_MS  600000


typedef struct ls_store_s       ls_store_t;
typedef struct ls_store_call_s  ls_store_call_t;


/* A call that was not sent: it waits for its turn, or to be told of. */
struct ls_store_call_s {
    ls_store_call_t     *next;
    ls_redis_command_t   command;
    ls_redis_done_pt     done;
    void                *data;
    ls_store_t          *st;
    unsigned             server;
    uint64_t             late_us;
};


typedef struct {
    ls_store_call_t   *first;
    ls_store_call_t  **last;
} ls_store_queue_t;


typedef struct {
    ls_store_queue_t   waiting;     /* long jobs' calls */
    unsigned           bulk;        /* of them: in flight */
    uint64_t           failing_us;  /* changes fail since then; 0: none has */

    /* what the server calls itself: another after it lost its data */
    char               id[LS_STORE_ID_LEN + 1];  /* "": not known */
    uint64_t           clock_ms;    /* its time when ours was, or before, */
    uint64_t           clock_us;    /* then; 0: not known */
    unsigned           asking:1;    /* for its id */
    unsigned           dirty:1;     /* something was done without it */
    unsigned           silent:1;    /* silent slots are looked for */
    unsigned           reaping:1;
    unsigned           counting:1;  /* ol_<server> is written */
} ls_store_server_t;


struct ls_store_s {
    ls_session_t         head;
    struct event_base   *base;
    const goim_log_t    *log;
    ls_redis_t          *redis;
    uint64_t             expire_ms;
    uint64_t             silent_ms;
    uint64_t             trust_ms;
    uint64_t             away_ms;

    struct event        *tick;
    unsigned             ticks;
    struct event        *turn;     /* refused calls are told, others sent */
    ls_store_queue_t     refused;
    unsigned             closing:1;

    unsigned             nservers;
    ls_store_server_t    servers[LS_REDIS_SERVERS];
};


/* ls_store_call.c */

/*
 * Takes the command, which begins anew; done is called once, never before
 * this returns.
 */
void ls_store_call(ls_store_t *st, unsigned server, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data);

/* The same in a long job. */
void ls_store_call_bulk(ls_store_t *st, unsigned server,
    ls_redis_command_t *cmd, ls_redis_done_pt done, void *data);

/* Begins the call of a script. */
void ls_store_script(ls_redis_command_t *cmd, const char *script);

void ls_store_str(ls_redis_command_t *cmd, goim_str_t s);

/* Sends what waits, and tells of what was refused; whether it did. */
int ls_store_turn(ls_store_t *st);

unsigned ls_store_place(const ls_store_t *st, goim_str_t name);
unsigned ls_store_place_mid(const ls_store_t *st, int64_t mid);

/* How a change of sessions has gone. */
void ls_store_note(ls_store_t *st, unsigned server, int rc);

/*
 * Changes have failed there for longer than a short break, and not on all
 * servers: what is to be done goes on without it, and is told again when it is
 * back.
 */
int ls_store_do_without(ls_store_t *st, unsigned server);

/* A number for all servers' ids, as text: another one when a server has lost
 * what it had; "": not known. */
void ls_store_generation(const ls_store_t *st, char text[LS_STORE_ID_LEN + 1]);

/* Element i of an array as a string; len 0: it is none. */
goim_str_t ls_store_element(const redisReply *reply, size_t i);
uint64_t ls_store_element_number(const redisReply *reply, size_t i);


/* ls_store_batch.c: sessions, their keys first, then their members */

typedef struct {
    char         op;       /* c, r, d, x: ls_store_script_keys */
    char         code;     /* its answer; 0: none */
    unsigned     failed:1; /* not done, or not whole */
    goim_str_t   key;
    goim_str_t   conn;
    int64_t      mid;
    uint64_t     when_ms;

    /* who else stands, or has stood for the key; malloc'ed */
    uint8_t     *other;
    goim_str_t   other_conn;
    goim_str_t   other_server;
    int64_t      other_mid;
} ls_store_session_t;


typedef struct ls_store_batch_s  ls_store_batch_t;

struct ls_store_batch_s {
    ls_store_t          *st;
    goim_str_t           server;
    uint64_t             epoch;     /* 0: only authenticated */
    uint64_t             ttl_ms;
    ls_store_session_t  *sessions;
    size_t               n;
    unsigned             bulk:1;

    void               (*done)(ls_store_batch_t *b);
    void                *data;

    /* after done: servers that failed */
    uint8_t              failed[LS_REDIS_SERVERS];
    unsigned             nomem:1;

    /* its own */
    unsigned             calls;
    unsigned             members:1;
    ls_redis_command_t   commands[LS_REDIS_SERVERS];
    struct ls_store_chunk_s  *chunks[LS_REDIS_SERVERS];
};

/* What it points to must live until done, which may be before this returns. */
void ls_store_batch_run(ls_store_batch_t *b);

/* Frees what it has, not sessions. */
void ls_store_batch_done(ls_store_batch_t *b);

/* Kicks, at most one for each session: returns how many. */
size_t ls_store_batch_kicks(const ls_store_batch_t *b,
    ls_session_kick_t *kicks);


/* ls_store_report.c, ls_store_find.c */

void ls_store_report(ls_session_t *ls, const ls_report_t *report,
    ls_session_report_pt done, void *data);

void ls_store_find_keys(ls_session_t *ls, const goim_str_t *keys, size_t n,
    ls_session_places_pt done, void *data);
void ls_store_find_mids(ls_session_t *ls, const int64_t *mids, size_t n,
    ls_session_places_pt done, void *data);


/* ls_store_walk.c: the servers that have their place on a Redis server, and
 * their rooms */

typedef struct {

    /* One that lives; rooms are its until the next or the end. */
    void  (*server)(void *data, const ls_session_server_t *server);
    void  (*room)(void *data, goim_str_t name, uint32_t members);
    void  (*end)(void *data, int rc);
} ls_store_visitor_t;

/* GOIM_NOMEM: end is not called. */
GOIM_MUSTCHECK int ls_store_walk(ls_store_t *st, unsigned server,
    const ls_store_visitor_t *visitor, void *data);


/* ls_store_online.c */

void ls_store_online(ls_session_t *ls, const ls_session_online_t *visitor,
    void *data);

/* Writes ol_<server> as goim's logic does, if no other goim-logic has. */
void ls_store_count(ls_store_t *st, unsigned server);


/* ls_store_reap.c: the ends of epochs */

void ls_store_look_for_silent(ls_store_t *st, unsigned server);
void ls_store_reap(ls_store_t *st, unsigned server);


#endif /* LS_STORE_H_INCLUDED */
