/*
 * The session store in Redis, for any number of goim-logic; docs/redis.md
 * tells what is kept there.  See ls_session.h for what it does.
 */

#ifndef LS_SESSION_REDIS_H_INCLUDED
#define LS_SESSION_REDIS_H_INCLUDED


#include "ls_redis.h"
#include "ls_session.h"


/*
 * Begins to connect.  NULL and error: conf is not as it must be, or the
 * system denies something.  log must outlive it; it must not be destroyed
 * within a callback of its own.
 *
 * Where servers are several and some can't be reached, what is on the others
 * works.  GOIM_AGAIN then comes with what could be done: places of keys and
 * members that are on the others, and kicks.
 */
ls_session_t *ls_session_redis_create(struct event_base *base,
    const ls_redis_conf_t *conf, const goim_log_t *log, goim_error_t *error);

/* For counters. */
ls_redis_t *ls_session_redis_connections(ls_session_t *ls);

/*
 * For tests: how long a slot has to be silent, how long a server has to have
 * been up before silence there is believed, and how long it may be away before
 * reports do without it.
 */
void ls_session_redis_set_times(ls_session_t *ls, uint64_t silent_ms,
    uint64_t trust_ms, uint64_t away_ms);


#endif /* LS_SESSION_REDIS_H_INCLUDED */
