
/*
 * Broadcasts: who has still to get what.  Each goes through the worker's
 * connections downwards, at its pace or as fast as it can; those with a pace
 * and those without keep their order among themselves.
 */


#include "ngx_goim.h"


#define NGX_GOIM_BROADCAST_VISITS  64  /* of one slice */
#define NGX_GOIM_BROADCAST_FRAMES  16  /* of one visit */


/*
 * In order of arrival: none has fewer connections left than the one before
 * it, which is what keeps their order for each connection.
 */
typedef struct {
    ngx_goim_broadcast_t   *first;
    ngx_goim_broadcast_t  **last;
    uint32_t                round;  /* the first so many have no pace, and
                                       were there when they began */
} ngx_goim_broadcast_list_t;


static ngx_goim_broadcast_list_t  ngx_goim_broadcast_at_once;
static ngx_goim_broadcast_list_t  ngx_goim_broadcast_by_pace;

static uint32_t                   ngx_goim_broadcast_n;  /* without a pace */


static void
ngx_goim_broadcast_init_list(ngx_goim_broadcast_list_t *list)
{
    list->first = NULL;
    list->last = &list->first;
    list->round = 0;
}


void
ngx_goim_broadcast_init(void)
{
    ngx_goim_broadcast_init_list(&ngx_goim_broadcast_at_once);
    ngx_goim_broadcast_init_list(&ngx_goim_broadcast_by_pace);
}


ngx_int_t
ngx_goim_broadcast_add(const goim_record_t *record)
{
    size_t                      len;
    ngx_goim_broadcast_t       *b;
    ngx_goim_broadcast_list_t  *list;

    if (ngx_goim_worker.nconns == 0) {
        ngx_goim_count(NGX_GOIM_NO_SUBSCRIBER, 1);
        return NGX_OK;
    }

    len = ngx_goim_fanout_frame_len(record, NGX_GOIM_WEBSOCKET);

    b = ngx_goim_memory_alloc(offsetof(ngx_goim_broadcast_t, data) + len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->next = NULL;
    b->left = ngx_goim_worker.nconns;
    b->speed = record->arg > 0 ? record->arg : 0;
    b->credit = 0;
    b->op = record->op;
    b->len = len;
    b->header = len - ngx_goim_fanout_frame_len(record, NGX_GOIM_TCP);
    (void) ngx_goim_fanout_frame(b->data, record, NGX_GOIM_WEBSOCKET);

    list = b->speed ? &ngx_goim_broadcast_by_pace
                    : &ngx_goim_broadcast_at_once;

    *list->last = b;
    list->last = &b->next;

    if (b->speed) {
        ngx_goim_pace_begin(b);

    } else {
        ngx_goim_broadcast_n++;
    }

    return NGX_OK;
}


ngx_goim_broadcast_t *
ngx_goim_broadcast_paced(void)
{
    return ngx_goim_broadcast_by_pace.first;
}


void
ngx_goim_broadcast_hurry(ngx_goim_broadcast_t *b)
{
    b->speed = 0;
    ngx_goim_broadcast_n++;
}


/* Those at the front that everybody has got. */
static void
ngx_goim_broadcast_end(ngx_goim_broadcast_list_t *list)
{
    ngx_goim_broadcast_t  *b;

    while (list->first && list->first->left == 0) {
        b = list->first;
        list->first = b->next;

        if (list->first == NULL) {
            list->last = &list->first;
        }

        if (list->round) {
            list->round--;
        }

        if (b->speed) {
            ngx_goim_pace_end();

        } else {
            ngx_goim_broadcast_n--;
        }

        ngx_goim_memory_free(b, offsetof(ngx_goim_broadcast_t, data) + b->len);
    }
}


/* What came during a round gets one of its own. */
static void
ngx_goim_broadcast_begin(ngx_goim_broadcast_list_t *list)
{
    ngx_goim_broadcast_t  *b;

    if (list->round) {
        return;
    }

    for (b = list->first;
         b && b->speed == 0 && list->round < NGX_GOIM_BROADCAST_FRAMES;
         b = b->next)
    {
        list->round++;
    }
}


/*
 * Of a round those first that have most left: they go on together with those
 * that they meet.  Returns the first of n.
 */
static ngx_goim_broadcast_t *
ngx_goim_broadcast_pick_round(ngx_goim_broadcast_list_t *list, uint32_t *n)
{
    uint32_t               i;
    ngx_goim_broadcast_t  *b, *first;

    *n = 0;
    first = NULL;

    for (b = list->first, i = 0; i < list->round; b = b->next, i++) {

        if (first == NULL || b->left != first->left) {
            first = b;
            *n = 0;
        }

        (*n)++;
    }

    return first;
}


static ngx_uint_t
ngx_goim_broadcast_may_go(ngx_goim_broadcast_t *b)
{
    return b->speed && b->credit >= NGX_GOIM_PACE_VISIT;
}


/*
 * With a pace the oldest that may go, and those that stand where it stands and
 * may go as well.  NULL: none; else the first of n.
 */
static ngx_goim_broadcast_t *
ngx_goim_broadcast_pick_paced(ngx_goim_broadcast_list_t *list, uint32_t *n)
{
    uint32_t               before;
    ngx_goim_broadcast_t  *b, *first;

    before = 0;

    for (b = list->first; b; b = b->next) {

        if (b->left > before && ngx_goim_broadcast_may_go(b)) {
            break;
        }

        before = b->left;
    }

    first = b;

    for (*n = 0; b && *n < NGX_GOIM_BROADCAST_FRAMES; b = b->next) {

        if (b->left != first->left || !ngx_goim_broadcast_may_go(b)) {
            break;
        }

        (*n)++;
    }

    return first;
}


/* Those that go on with the next visit. */
static ngx_goim_broadcast_t *
ngx_goim_broadcast_pick(ngx_goim_broadcast_list_t *list, uint32_t *n)
{
    ngx_goim_broadcast_end(list);
    ngx_goim_broadcast_begin(list);

    return list->round ? ngx_goim_broadcast_pick_round(list, n)
                       : ngx_goim_broadcast_pick_paced(list, n);
}


/* NGX_DECLINED: the connection does not accept it, which is counted. */
static ngx_int_t
ngx_goim_broadcast_frame(ngx_goim_broadcast_t *b, ngx_goim_conn_t *gc,
    struct iovec *iov)
{
    size_t  header;

    if (!ngx_goim_identity_accepts(gc->id, b->op)) {
        ngx_goim_count(NGX_GOIM_DROP_ACCEPTS, 1);
        return NGX_DECLINED;
    }

    header = gc->transport == NGX_GOIM_TCP ? b->header : 0;

    iov->iov_base = b->data + header;
    iov->iov_len = b->len - header;

    return NGX_OK;
}


/* NGX_DONE: gc is gone. */
static ngx_int_t
ngx_goim_broadcast_send(ngx_goim_conn_t *gc, struct iovec *iov, int n)
{
    if (n == 0) {
        return NGX_OK;
    }

    if (ngx_goim_send_frames(gc, iov, n) != NGX_OK) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_CLIENT);
        return NGX_DONE;
    }

    return ngx_goim_conn_flush(gc);
}


/* The next connection gets these n, which stand at one place. */
static void
ngx_goim_broadcast_visit(ngx_goim_broadcast_t *b, uint32_t n)
{
    int               niov;
    uint32_t          index;
    struct iovec      iov[NGX_GOIM_BROADCAST_FRAMES];
    ngx_goim_conn_t  *gc;

    index = b->left - 1;
    gc = index < ngx_goim_worker.nconns ? ngx_goim_worker.conns[index] : NULL;
    niov = 0;

    for ( /* void */ ; n; n--, b = b->next) {
        b->left = index;

        if (b->speed) {
            b->credit -= NGX_GOIM_PACE_VISIT;
        }

        if (gc && gc->state == NGX_GOIM_STATE_OPEN
            && ngx_goim_broadcast_frame(b, gc, &iov[niov]) == NGX_OK)
        {
            niov++;
        }
    }

    (void) ngx_goim_broadcast_send(gc, iov, niov);
}


static void
ngx_goim_broadcast_slice_list(ngx_goim_broadcast_list_t *list)
{
    uint32_t               i, n;
    ngx_goim_broadcast_t  *b;

    for (i = 0; i < NGX_GOIM_BROADCAST_VISITS; i++) {
        b = ngx_goim_broadcast_pick(list, &n);

        if (b == NULL) {
            return;
        }

        ngx_goim_broadcast_visit(b, n);
    }
}


void
ngx_goim_broadcast_slice(void)
{
    ngx_goim_broadcast_slice_list(&ngx_goim_broadcast_at_once);
    ngx_goim_broadcast_slice_list(&ngx_goim_broadcast_by_pace);
}


ngx_uint_t
ngx_goim_broadcast_is_due(void)
{
    uint32_t  n;

    return ngx_goim_broadcast_pick(&ngx_goim_broadcast_at_once, &n) != NULL
           || ngx_goim_broadcast_pick(&ngx_goim_broadcast_by_pace, &n) != NULL;
}


uint32_t
ngx_goim_broadcast_pending(void)
{
    return ngx_goim_broadcast_n;
}


/* Connections come and go */

static uint32_t
ngx_goim_broadcast_drop_list(ngx_goim_broadcast_list_t *list,
    ngx_goim_conn_t *gc)
{
    uint32_t               n;
    ngx_goim_broadcast_t  *b;

    n = 0;

    for (b = list->first; b; b = b->next) {
        if (gc->index < b->left) {
            n += ngx_goim_identity_accepts(gc->id, b->op);
        }
    }

    return n;
}


void
ngx_goim_broadcast_drop(ngx_goim_conn_t *gc)
{
    uint32_t  n;

    n = ngx_goim_broadcast_drop_list(&ngx_goim_broadcast_at_once, gc)
        + ngx_goim_broadcast_drop_list(&ngx_goim_broadcast_by_pace, gc);

    if (n) {
        ngx_goim_count(NGX_GOIM_DROP_CLOSED, n);
        gc->skipped[NGX_GOIM_SKIP_CLOSED] += n;
    }
}


/*
 * Behind those that b has left: the last of them takes the place.  Called for
 * all broadcasts upwards, so that each swap is within what the next ones have
 * left.
 */
static void
ngx_goim_broadcast_pass(ngx_goim_broadcast_t *b, ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  *other;

    if (gc->index >= b->left) {
        return;
    }

    other = ngx_goim_worker.conns[--b->left];

    ngx_goim_worker.conns[gc->index] = other;
    other->index = gc->index;

    ngx_goim_worker.conns[b->left] = gc;
    gc->index = b->left;
}


/* Of both lists the one with fewer left; returns NULL at their end. */
static ngx_goim_broadcast_t *
ngx_goim_broadcast_next(ngx_goim_broadcast_t **at_once,
    ngx_goim_broadcast_t **paced)
{
    ngx_goim_broadcast_t  *b, **from;

    from = *paced == NULL || (*at_once && (*at_once)->left <= (*paced)->left)
           ? at_once : paced;

    b = *from;

    if (b) {
        *from = b->next;
    }

    return b;
}


void
ngx_goim_broadcast_leave(ngx_goim_conn_t *gc)
{
    ngx_goim_broadcast_t  *b, *at_once, *paced;

    at_once = ngx_goim_broadcast_at_once.first;
    paced = ngx_goim_broadcast_by_pace.first;

    while ((b = ngx_goim_broadcast_next(&at_once, &paced)) != NULL) {
        ngx_goim_broadcast_pass(b, gc);
    }
}


ngx_int_t
ngx_goim_broadcast_give(ngx_goim_conn_t *gc)
{
    int                    n;
    struct iovec           iov[NGX_GOIM_BROADCAST_FRAMES];
    ngx_goim_broadcast_t  *b, *at_once, *paced;

    n = 0;
    at_once = ngx_goim_broadcast_at_once.first;
    paced = ngx_goim_broadcast_by_pace.first;

    while ((b = ngx_goim_broadcast_next(&at_once, &paced)) != NULL) {

        if (gc->index < b->left
            && ngx_goim_broadcast_frame(b, gc, &iov[n]) == NGX_OK)
        {
            n++;
        }

        ngx_goim_broadcast_pass(b, gc);

        if (n == NGX_GOIM_BROADCAST_FRAMES) {

            if (ngx_goim_broadcast_send(gc, iov, n) != NGX_OK) {
                return NGX_DONE;
            }

            n = 0;
        }
    }

    return ngx_goim_broadcast_send(gc, iov, n);
}
