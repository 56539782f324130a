/*
 * The session store: who is connected where.  One interface, two backends:
 * ls_session_redis.c and ls_session_memory.c.
 *
 * A session is a connection with its key, its member and the server (comet)
 * that holds it.  A key stands for one connection, the youngest that came with
 * it; what an older one's end says later is not heard.  Which is younger the
 * times tell (ls_session_entry_t.when_ms), and of two with the same time the
 * one that is told of later.
 *
 * Calls are asynchronous: each calls back exactly once, maybe before it
 * returns, with GOIM_OK or
 *   GOIM_AGAIN  the store can't be reached, or did not answer in time
 *   GOIM_NOMEM
 * What the caller passes is copied where it is needed later.  What a callback
 * is given lives until it returns.  Everything runs in one thread.
 */

#ifndef LS_SESSION_H_INCLUDED
#define LS_SESSION_H_INCLUDED


#include "goim.h"
#include "ls_report.h"


/* A session that has come. */
typedef struct {
    goim_str_t  key;      /* 1 to 255 bytes */
    int64_t     mid;      /* 0: no member: not to be found by mid */
    goim_str_t  server;
    goim_str_t  conn;     /* connection id, 1 to 32 bytes */
    uint64_t    when_ms;  /* when the connection came, ms since 1970 */
} ls_session_entry_t;


/*
 * A connection that has to go, since another with its key is younger: a kick
 * of the key at server that is for this connection id alone.  Whoever has the
 * key when the kick arrives may be younger than both.
 */
typedef struct {
    goim_str_t  key;
    goim_str_t  server;
    goim_str_t  spare;    /* the younger one's id */
    goim_str_t  only;     /* the one that goes */
} ls_session_kick_t;


/* A connection key and the server that holds it; len 0: nobody does. */
typedef struct {
    goim_str_t  key;
    goim_str_t  server;
} ls_session_place_t;


/* Sum of the live slots of a server. */
typedef struct {
    goim_str_t  server;
    uint64_t    conns;
    uint64_t    addrs;  /* different addresses of clients on it */
} ls_session_server_t;


typedef void (*ls_session_kicks_pt)(void *data, int rc,
    const ls_session_kick_t *kicks, size_t n);

/*
 * resync: the worker is to tell of all its connections again.  Kicks count
 * with a failure too: they are for what was taken before it failed.
 */
typedef void (*ls_session_report_pt)(void *data, int rc,
    const ls_session_kick_t *kicks, size_t n, int resync);

typedef void (*ls_session_places_pt)(void *data, int rc,
    const ls_session_place_t *places, size_t n);


/* What is online now, in any number of calls, done() last. */
typedef struct {
    void  (*server)(void *data, const ls_session_server_t *server);

    /* a part of a room: a room may be told of several times, parts add up */
    void  (*room)(void *data, goim_str_t name, uint32_t members);

    void  (*done)(void *data, int rc);
} ls_session_online_t;


typedef struct ls_session_s  ls_session_t;


/* A backend; ls_session_…() below are its callers' way in. */
typedef struct {
    const char  *name;

    void  (*connect)(ls_session_t *ls, const ls_session_entry_t *entry,
                     ls_session_kicks_pt done, void *data);
    void  (*report)(ls_session_t *ls, const ls_report_t *report,
                    ls_session_report_pt done, void *data);
    void  (*find_keys)(ls_session_t *ls, const goim_str_t *keys, size_t n,
                       ls_session_places_pt done, void *data);
    void  (*find_mids)(ls_session_t *ls, const int64_t *mids, size_t n,
                       ls_session_places_pt done, void *data);
    void  (*online)(ls_session_t *ls, const ls_session_online_t *visitor,
                    void *data);
    int   (*up)(ls_session_t *ls);
    void  (*destroy)(ls_session_t *ls);
} ls_session_backend_t;


/* The head of each backend's own struct. */
struct ls_session_s {
    const ls_session_backend_t  *backend;
};


/* A slot whose worker has not reported for so long has no worker any more. */
#define LS_SESSION_SILENT_MS  30000

/*
 * A session that only the auth request has told of lives this long: the
 * worker's report makes it last.
 */
#define LS_SESSION_EARLY_MS   120000


/*
 * Registers a session when its client is authenticated.  At most one kick: the
 * older connection with this key, wherever it is; or this very one, if a
 * younger is there already.
 */
static inline void
ls_session_connect(ls_session_t *ls, const ls_session_entry_t *entry,
    ls_session_kicks_pt done, void *data)
{
    ls->backend->connect(ls, entry, done, data);
}


/*
 * Takes a worker's report:
 * - connect makes the session last, disconnect ends it if its connection id
 *   is still the one that stands for the key, renew keeps it alive and brings
 *   it back if the store has lost it.  connect and renew may give kicks.
 * - counts of rooms and connections belong to server, slot and epoch.
 * - a greater epoch ends the sessions and counts of the slot's epochs before
 *   it once its state is complete; last ends its own.  A report of an epoch
 *   that has been followed by another is ignored (GOIM_OK, no kicks).
 * - the first complete report of an epoch that says of more connections than
 *   the store knows (ls_report_is_short()) asks for a resync: the store has
 *   lost some, or was not there when they were told of.  Once per epoch.
 * The same report may come again and then changes nothing.
 */
static inline void
ls_session_report(ls_session_t *ls, const ls_report_t *report,
    ls_session_report_pt done, void *data)
{
    ls->backend->report(ls, report, done, data);
}


/* One place for each key, in the order of the keys. */
static inline void
ls_session_find_keys(ls_session_t *ls, const goim_str_t *keys, size_t n,
    ls_session_places_pt done, void *data)
{
    ls->backend->find_keys(ls, keys, n, done, data);
}


/* All connections of these members, each of whom is named once. */
static inline void
ls_session_find_mids(ls_session_t *ls, const int64_t *mids, size_t n,
    ls_session_places_pt done, void *data)
{
    ls->backend->find_mids(ls, mids, n, done, data);
}


/* Tells of all live servers and rooms. */
static inline void
ls_session_online(ls_session_t *ls, const ls_session_online_t *visitor,
    void *data)
{
    ls->backend->online(ls, visitor, data);
}


/* Whether it could be reached when last tried. */
static inline int
ls_session_up(ls_session_t *ls)
{
    return ls->backend->up(ls);
}


/* What is still waited for calls back with GOIM_AGAIN first. */
static inline void
ls_session_destroy(ls_session_t *ls)
{
    ls->backend->destroy(ls);
}


#endif /* LS_SESSION_H_INCLUDED */
