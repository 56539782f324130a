/*
 * Connections to one or more Redis servers on a libevent loop: calls with a
 * time limit, connecting again, and which server a name belongs to.  Knows
 * nothing of what is kept there.
 *
 * SIGPIPE must be ignored: hiredis writes to sockets that may be closed.
 */

#ifndef LS_REDIS_H_INCLUDED
#define LS_REDIS_H_INCLUDED


#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "goim.h"
#include "goim_log.h"
#include "ls_redis_command.h"


#define LS_REDIS_TIMEOUT_MS   500
#define LS_REDIS_EXPIRE_MS    (30 * 60 * 1000)
#define LS_REDIS_MAX_CALLS    1024


/* Settings; all strings are NUL-terminated and copied. */
typedef struct {

    /*
     * As ls_redis_address_list() takes them.  Their order decides what each
     * holds: all goim-logic need the same list.
     */
    const char  *servers;

    const char  *username;    /* NULL: none */
    const char  *password;    /* NULL: no AUTH */
    unsigned     database;    /* 0: no SELECT */
    uint64_t     timeout_ms;  /* to connect, and of each call */
    uint64_t     expire_ms;   /* of sessions: for ls_session_redis.c */
    unsigned     max_calls;   /* in flight on each connection */
} ls_redis_conf_t;


/* What has happened on the connection to one server; only grow. */
typedef struct {
    uint64_t  calls;     /* sent */
    uint64_t  errors;    /* of them: answered by an error, or not at all */
    uint64_t  refused;   /* not sent: not connected, or too many in flight */
    uint64_t  timeouts;  /* times a reply or a connection came too late */
    uint64_t  connects;  /* times it came up */
    uint64_t  losses;    /* times it was lost */
} ls_redis_counters_t;


typedef struct ls_redis_s  ls_redis_t;


/*
 * A call's end, never before ls_redis_call() returns.  GOIM_OK: reply is not
 * an error, and lives until this returns.  GOIM_AGAIN: reply is NULL; what
 * was asked may have been done or not.
 */
typedef void (*ls_redis_done_pt)(void *data, int rc, const redisReply *reply);

/* A server can be called (again). */
typedef void (*ls_redis_up_pt)(void *data, unsigned server);


/*
 * Begins to connect; calls fail until it has.  NULL and error: servers are
 * not as they must be, or the system denies something.  log must outlive it.
 */
ls_redis_t *ls_redis_create(struct event_base *base,
    const ls_redis_conf_t *conf, const goim_log_t *log, goim_error_t *error);

/* Calls under way end with GOIM_AGAIN, and no others can be made. */
void ls_redis_stop(ls_redis_t *rd);

/* Stops first.  May be called by any callback of this file. */
void ls_redis_destroy(ls_redis_t *rd);

void ls_redis_on_up(ls_redis_t *rd, ls_redis_up_pt up, void *data);

unsigned ls_redis_servers(const ls_redis_t *rd);

/* The server that a name belongs to. */
unsigned ls_redis_place(const ls_redis_t *rd, const void *name, size_t len);

/*
 * Sends a command, which is the caller's again when this returns.  GOIM_AGAIN,
 * GOIM_NOMEM: it was not sent, and done is not called.
 */
GOIM_MUSTCHECK int ls_redis_call(ls_redis_t *rd, unsigned server,
    ls_redis_command_t *cmd, ls_redis_done_pt done, void *data);

int ls_redis_up(const ls_redis_t *rd, unsigned server);

/* How long it has been up; 0: it is not. */
uint64_t ls_redis_up_ms(const ls_redis_t *rd, unsigned server);

/* As it was configured. */
const char *ls_redis_name(const ls_redis_t *rd, unsigned server);
const ls_redis_counters_t *ls_redis_counters(const ls_redis_t *rd,
    unsigned server);
unsigned ls_redis_in_flight(const ls_redis_t *rd, unsigned server);


#endif /* LS_REDIS_H_INCLUDED */
