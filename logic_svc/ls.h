/*
 * What the parts of goim-logic share: one process, one thread, one event loop.
 */

#ifndef LS_H_INCLUDED
#define LS_H_INCLUDED


#include <event2/event.h>

#include "goim_log.h"
#include "ls_conf.h"
#include "ls_session.h"


#define LS_VERSION  "0.1.0"


typedef struct {
    struct event_base   *base;
    goim_log_t           log;
    ls_conf_t           *conf;      /* may change with SIGHUP */
    struct ls_http_s    *http;
    struct ls_producer_s *producer;
    ls_session_t        *session;   /* NULL: in the end */
    struct ls_online_s  *online;
    uint64_t             started_ms;  /* since 1970 */
    int                  stopping;    /* SIGTERM: nothing new is taken */

    /* for /metrics */

    uint64_t             auth_limited;
    uint64_t             kicks;          /* produced */
    uint64_t             kicks_failed;
    uint64_t             reports;
    uint64_t             resyncs;
} ls_t;


#endif /* LS_H_INCLUDED */
