/*
 * hiredis' hooks; see ls_redis_events.h.
 */

#include <stdlib.h>

#include "ls_redis_events.h"


typedef struct {
    redisAsyncContext  *ac;
    struct event       *read;
    struct event       *write;
} ls_redis_events_t;


static void
ls_redis_events_on_read(evutil_socket_t fd, short what, void *data)
{
    ls_redis_events_t  *ev = data;

    (void) fd;
    (void) what;

    redisAsyncHandleRead(ev->ac);
}


static void
ls_redis_events_on_write(evutil_socket_t fd, short what, void *data)
{
    ls_redis_events_t  *ev = data;

    (void) fd;
    (void) what;

    redisAsyncHandleWrite(ev->ac);
}


static void
ls_redis_events_add_read(void *data)
{
    (void) event_add(((ls_redis_events_t *) data)->read, NULL);
}


static void
ls_redis_events_del_read(void *data)
{
    (void) event_del(((ls_redis_events_t *) data)->read);
}


static void
ls_redis_events_add_write(void *data)
{
    (void) event_add(((ls_redis_events_t *) data)->write, NULL);
}


static void
ls_redis_events_del_write(void *data)
{
    (void) event_del(((ls_redis_events_t *) data)->write);
}


static void
ls_redis_events_cleanup(void *data)
{
    ls_redis_events_t  *ev = data;

    if (ev->read) {
        event_free(ev->read);
    }

    if (ev->write) {
        event_free(ev->write);
    }

    free(ev);
}


int
ls_redis_events_attach(redisAsyncContext *ac, struct event_base *base)
{
    ls_redis_events_t  *ev;

    ev = calloc(1, sizeof(ls_redis_events_t));
    if (ev == NULL) {
        return GOIM_NOMEM;
    }

    ev->ac = ac;
    ev->read = event_new(base, ac->c.fd, EV_READ, ls_redis_events_on_read, ev);
    ev->write = event_new(base, ac->c.fd, EV_WRITE, ls_redis_events_on_write,
                          ev);

    if (ev->read == NULL || ev->write == NULL) {
        ls_redis_events_cleanup(ev);
        return GOIM_NOMEM;
    }

    ac->ev.data = ev;
    ac->ev.addRead = ls_redis_events_add_read;
    ac->ev.delRead = ls_redis_events_del_read;
    ac->ev.addWrite = ls_redis_events_add_write;
    ac->ev.delWrite = ls_redis_events_del_write;
    ac->ev.cleanup = ls_redis_events_cleanup;

    /* tells when it is connected */

    return event_add(ev->write, NULL) == -1 ? GOIM_ERROR : GOIM_OK;
}
