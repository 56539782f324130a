/*
 * hiredis' asynchronous connections on libevent: like hiredis' own adapter,
 * but every failure is told.
 */

#ifndef LS_REDIS_EVENTS_H_INCLUDED
#define LS_REDIS_EVENTS_H_INCLUDED


#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hiredis/async.h>

#include "goim.h"


/* What it takes ends with the context, whenever hiredis frees that. */
GOIM_MUSTCHECK int ls_redis_events_attach(redisAsyncContext *ac,
    struct event_base *base);


#endif /* LS_REDIS_EVENTS_H_INCLUDED */
