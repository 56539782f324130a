
/*
 * Heartbeats: connections with the same timeout stand in one queue, ordered
 * by their last heartbeat, or nearly, with one timer for its head.
 */


#include "ngx_goim.h"


#define NGX_GOIM_HEARTBEAT_STEPS  16  /* of a timeout that goes on elsewhere */


struct ngx_goim_heartbeat_s {
    ngx_goim_heartbeat_t  *next;
    ngx_msec_t             timeout;
    ngx_queue_t            conns;
    ngx_event_t            event;
};


static void ngx_goim_heartbeat_handler(ngx_event_t *ev);


static ngx_goim_heartbeat_t  *ngx_goim_heartbeat_list;


void
ngx_goim_heartbeat_init(void)
{
    ngx_goim_heartbeat_list = NULL;
}


/* One for each timeout in use; there are few, and they stay. */
static ngx_goim_heartbeat_t *
ngx_goim_heartbeat_get(ngx_msec_t timeout)
{
    ngx_goim_heartbeat_t  *hb;

    for (hb = ngx_goim_heartbeat_list; hb; hb = hb->next) {
        if (hb->timeout == timeout) {
            return hb;
        }
    }

    hb = ngx_calloc(sizeof(ngx_goim_heartbeat_t), ngx_goim_worker.cycle->log);
    if (hb == NULL) {
        return NULL;
    }

    ngx_queue_init(&hb->conns);

    hb->timeout = timeout;
    hb->event.handler = ngx_goim_heartbeat_handler;
    hb->event.data = ngx_goim_worker.pipe;
    hb->event.log = ngx_goim_worker.cycle->log;
    hb->event.cancelable = 1;

    hb->next = ngx_goim_heartbeat_list;
    ngx_goim_heartbeat_list = hb;

    return hb;
}


ngx_int_t
ngx_goim_heartbeat_add(ngx_goim_conn_t *gc, ngx_msec_t timeout)
{
    ngx_goim_heartbeat_t  *hb;

    hb = ngx_goim_heartbeat_get(timeout);
    if (hb == NULL) {
        return NGX_ERROR;
    }

    gc->heartbeat = hb;
    gc->heartbeat_last = ngx_current_msec;
    ngx_queue_insert_tail(&hb->conns, &gc->heartbeat_queue);

    if (!hb->event.timer_set) {
        ngx_add_timer(&hb->event, timeout);
    }

    return NGX_OK;
}


ngx_msec_t
ngx_goim_heartbeat_allowed(ngx_goim_conn_t *gc)
{
    return gc->id->heartbeat ? gc->id->heartbeat : gc->conf->heartbeat;
}


ngx_msec_t
ngx_goim_heartbeat_silent(ngx_goim_conn_t *gc)
{
    ngx_msec_t  allowed, silent;

    allowed = ngx_goim_heartbeat_allowed(gc);
    silent = ngx_current_msec - gc->heartbeat_last;

    /* in a queue with less time it has been silent for the rest before */

    return gc->heartbeat && allowed > gc->heartbeat->timeout
           ? silent + allowed - gc->heartbeat->timeout : silent;
}


/*
 * In the queue of those that have about as much time left, which is one of a
 * few for each timeout, until its next heartbeat.  Its own time stays as it
 * is; who stands before it may make it up to a step longer.
 */
ngx_int_t
ngx_goim_heartbeat_resume(ngx_goim_conn_t *gc, ngx_msec_t silent)
{
    ngx_msec_t  allowed, left, step, timeout;

    allowed = ngx_goim_heartbeat_allowed(gc);
    step = allowed / NGX_GOIM_HEARTBEAT_STEPS + 1;
    left = silent < allowed ? allowed - silent : 1;
    timeout = ngx_min((left + step - 1) / step * step, allowed);

    if (ngx_goim_heartbeat_add(gc, timeout) != NGX_OK) {
        return NGX_ERROR;
    }

    gc->heartbeat_last -= timeout - left;

    return NGX_OK;
}


void
ngx_goim_heartbeat_touch(ngx_goim_conn_t *gc)
{
    ngx_goim_heartbeat_t  *hb;

    gc->heartbeat_last = ngx_current_msec;

    if (gc->heartbeat->timeout != ngx_goim_heartbeat_allowed(gc)) {

        hb = gc->heartbeat;
        ngx_goim_heartbeat_remove(gc);

        if (ngx_goim_heartbeat_add(gc, ngx_goim_heartbeat_allowed(gc))
            != NGX_OK)
        {
            gc->heartbeat = hb;
            ngx_queue_insert_tail(&hb->conns, &gc->heartbeat_queue);
        }

        return;
    }

    ngx_queue_remove(&gc->heartbeat_queue);
    ngx_queue_insert_tail(&gc->heartbeat->conns, &gc->heartbeat_queue);
}


void
ngx_goim_heartbeat_remove(ngx_goim_conn_t *gc)
{
    if (gc->heartbeat) {
        ngx_queue_remove(&gc->heartbeat_queue);
        gc->heartbeat = NULL;
    }
}


static void
ngx_goim_heartbeat_handler(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_msec_int_t         left;
    ngx_goim_conn_t       *gc;
    ngx_goim_heartbeat_t  *hb;

    hb = (ngx_goim_heartbeat_t *)
             ((u_char *) ev - offsetof(ngx_goim_heartbeat_t, event));

    while (!ngx_queue_empty(&hb->conns)) {
        q = ngx_queue_head(&hb->conns);
        gc = ngx_queue_data(q, ngx_goim_conn_t, heartbeat_queue);

        left = (ngx_msec_int_t) (gc->heartbeat_last + hb->timeout
                                 - ngx_current_msec);

        if (left > 0) {
            ngx_add_timer(ev, left);
            return;
        }

        if (gc->publishing || gc->paused) {

            /* it is us who do not listen */

            ngx_goim_heartbeat_touch(gc);
            continue;
        }

        ngx_log_error(NGX_LOG_INFO, gc->connection->log, 0,
                      "goim conn: client was silent for too long");

        ngx_goim_conn_close(gc, NGX_GOIM_BY_TIMEOUT);
    }
}
