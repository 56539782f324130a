
/*
 * Offers of connections to another worker, and its answers: what was offered
 * is left alone until then, and is ours again if none comes.
 */


#include "ngx_goim_handover.h"


#define NGX_GOIM_OFFER_SLICE   1000  /* connections under way at most */
#define NGX_GOIM_OFFER_MAX     16    /* offers likewise */
#define NGX_GOIM_OFFER_PACKET  2048  /* bytes of one, at least: fewer than the
                                        smallest buffer that Linux allows */
#define NGX_GOIM_OFFER_SNDBUF  (1024 * 1024)


typedef struct {
    uint64_t              number;
    uint32_t              first;     /* of conns */
    uint32_t              n;
    unsigned              answered:1;
} ngx_goim_offer_t;


typedef struct {
    ngx_connection_t     *connection;  /* NULL: nothing is under way */
    ngx_goim_conn_t      *conns[NGX_GOIM_OFFER_SLICE];
    uint32_t              nconns;
    ngx_goim_offer_t      offers[NGX_GOIM_OFFER_MAX];
    ngx_uint_t            noffers;
    uint64_t              number;    /* of the last offer */
    unsigned              refused:1; /* the system sends none, however short */

    /* the offer that is made */
    goim_handover_head_t  head;
    uint32_t              first;     /* its first connection */
    size_t                len;       /* of ngx_goim_offer_buf */
    size_t                limit;     /* of a packet; 0: not known yet */

    /* what a large connection has still to send */
    u_char               *rest;
    size_t                rest_at;
    size_t                rest_len;
} ngx_goim_offers_t;


static void ngx_goim_offer_read_handler(ngx_event_t *rev);
static void ngx_goim_offer_write_handler(ngx_event_t *wev);


static ngx_goim_offers_t  ngx_goim_offers;

static u_char  ngx_goim_offer_buf[GOIM_HANDOVER_PACKET];


ngx_uint_t
ngx_goim_handover_is_busy(void)
{
    return ngx_goim_offers.connection != NULL;
}


ngx_int_t
ngx_goim_offer_connect(uint32_t slot)
{
    int                   n, dir;
    ngx_int_t             rc;
    ngx_socket_t          fd;
    ngx_connection_t     *c;
    struct sockaddr_un    sun;

    if (ngx_goim_handover_address(slot, &sun, &dir) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_goim_handover_socket();

    rc = fd == (ngx_socket_t) -1
         || connect(fd, (struct sockaddr *) &sun, sizeof(sun)) == -1
         ? NGX_ERROR : NGX_OK;

    if (dir != -1) {
        (void) close(dir);
    }

    c = NULL;

    if (rc == NGX_OK) {
        n = NGX_GOIM_OFFER_SNDBUF;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(int));

        c = ngx_goim_handover_watch(fd, ngx_goim_offer_read_handler,
                                    ngx_goim_offer_write_handler);
    }

    if (c == NULL) {
        if (fd != (ngx_socket_t) -1) {
            (void) close(fd);
        }

        return NGX_ERROR;
    }

    ngx_goim_offers.connection = c;

    return NGX_OK;
}


/* Connections out, and back */

/* Closing alone would leave the socket in our epoll: others have it, too. */
static void
ngx_goim_offer_out(ngx_goim_conn_t *gc)
{
    ngx_msec_t         silent;
    ngx_connection_t  *c;

    c = gc->connection;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    (void) ngx_del_conn(c, 0);

    silent = ngx_goim_heartbeat_silent(gc);
    ngx_goim_heartbeat_remove(gc);
    gc->heartbeat_last = ngx_current_msec - silent;

    ngx_goim_fanout_clean(gc);
    ngx_goim_memory_let_go(gc);

    gc->moving = 1;
    gc->offered = 1;
}


static void
ngx_goim_offer_back(ngx_goim_conn_t *gc)
{
    ngx_connection_t  *c;

    c = gc->connection;
    gc->moving = 0;

    if (ngx_goim_heartbeat_resume(gc, ngx_current_msec - gc->heartbeat_last)
        != NGX_OK
        || ngx_add_conn(c) != NGX_OK)
    {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_ERROR);
        return;
    }

    if ((c->close || c->error) && !gc->stays && ngx_goim_target_is_there()) {

        /* worker_shutdown_timeout is not for those that others take */

        c->close = 0;
        c->error = 0;
    }

    c->read->ready = 1;
    c->write->ready = 1;

    /* reads, and sends what is pending */

    ngx_post_event(c->read, &ngx_posted_next_events);
}


/* Offers */

static void
ngx_goim_offer_begin(void)
{
    goim_str_t             server;
    goim_handover_head_t  *head;
    ngx_goim_offers_t     *ho;

    ho = &ngx_goim_offers;
    head = &ho->head;

    server.data = ngx_goim_worker.conf->server_id.data;
    server.len = ngx_goim_worker.conf->server_id.len;

    goim_handover_begin(head, ho->number + 1, server);

    head->slot = ngx_goim_worker.reader->index;
    head->epoch = ngx_goim_worker.epoch;
    head->lanes = ngx_goim_worker.channel->lanes;
    ngx_goim_channel_positions(head->positions);

    ho->first = ho->nconns;
    ho->len = sizeof(goim_handover_head_t);
}


/* The sockets of the offer that is made. */
static int *
ngx_goim_offer_sockets(void)
{
    uint32_t            i;
    ngx_goim_offers_t  *ho;

    static int  fds[GOIM_HANDOVER_CONNS];

    ho = &ngx_goim_offers;

    for (i = ho->first; i < ho->nconns; i++) {
        fds[i - ho->first] = ho->conns[i]->connection->fd;
    }

    return fds;
}


/* The system's buffers are small; those that go into none can't be offered. */
static void
ngx_goim_offer_is_too_long(void)
{
    uint32_t            i;
    ngx_goim_offers_t  *ho;

    ho = &ngx_goim_offers;

    if (ho->limit > NGX_GOIM_OFFER_PACKET) {
        ho->limit = ngx_max(ho->limit / 2, NGX_GOIM_OFFER_PACKET);
        return;
    }

    for (i = ho->first; i < ho->nconns; i++) {
        ho->conns[i]->stays = 1;
    }
}


/*
 * The offer with all of its connections, whose first bytes these are.
 * NGX_AGAIN: it was not sent, and they are back.
 */
static ngx_int_t
ngx_goim_offer_make(u_char *data, size_t len, size_t total)
{
    uint32_t              i, n;
    ngx_goim_offer_t     *offer;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;
    n = ho->nconns - ho->first;

    ho->head.conns = n;
    ho->head.total = total;
    ho->head.sent_ms = ngx_current_msec;
    ngx_memcpy(data, &ho->head, sizeof(goim_handover_head_t));

    for (i = ho->first; i < ho->nconns; i++) {
        ngx_goim_offer_out(ho->conns[i]);
    }

    if (ngx_goim_handover_send(ho->connection->fd, data, len,
                               ngx_goim_offer_sockets(), n)
        != NGX_OK)
    {
        if (ngx_errno == EMSGSIZE) {
            ngx_goim_offer_is_too_long();

        } else {
            ho->refused = 1;
        }

        for (i = ho->first; i < ho->nconns; i++) {
            ngx_goim_offer_back(ho->conns[i]);
        }

        ho->nconns = ho->first;

        return NGX_AGAIN;
    }

    offer = &ho->offers[ho->noffers++];
    offer->number = ++ho->number;
    offer->first = ho->first;
    offer->n = n;
    offer->answered = 0;

    ngx_goim_offer_begin();

    return NGX_OK;
}


/* More than a packet holds: alone in several. */
static ngx_int_t
ngx_goim_offer_make_large(ngx_goim_conn_t *gc,
    goim_handover_conn_t *state, size_t size)
{
    size_t                len;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;
    len = sizeof(goim_handover_head_t) + size;

    ho->rest = ngx_alloc(len, ngx_cycle->log);
    if (ho->rest == NULL) {
        gc->stays = 1;
        return NGX_AGAIN;
    }

    (void) goim_handover_encode(ho->rest + sizeof(goim_handover_head_t),
                                state);

    ho->conns[ho->nconns++] = gc;
    ho->rest_len = len;
    ho->rest_at = ho->limit;

    if (ngx_goim_offer_make(ho->rest, ho->limit, size) != NGX_OK) {
        ngx_free(ho->rest);
        ho->rest = NULL;
        return NGX_AGAIN;
    }

    ngx_goim_offer_write_handler(ho->connection->write);

    return NGX_OK;
}


/*
 * What is pending for it becomes one queue.  NGX_DECLINED: it is not offered;
 * it may be gone.
 */
static ngx_int_t
ngx_goim_offer_prepare(ngx_goim_conn_t *gc)
{
    if (ngx_goim_broadcast_give(gc) == NGX_DONE
        || ngx_goim_conn_flush(gc) == NGX_DONE)
    {
        return NGX_DECLINED;
    }

    if (gc->state != NGX_GOIM_STATE_OPEN) {
        return NGX_DECLINED;
    }

    if (ngx_goim_send_gather(gc) != NGX_OK) {
        gc->stays = 1;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_AGAIN: no more of this slice. */
static ngx_int_t
ngx_goim_offer_add(ngx_goim_conn_t *gc)
{
    u_char                 id[NGX_GOIM_CONN_MAX];
    size_t                 size;
    ngx_int_t              rc;
    ngx_goim_offers_t     *ho;
    goim_handover_conn_t   state;

    ho = &ngx_goim_offers;

    if (ngx_goim_offer_prepare(gc) != NGX_OK) {
        return NGX_OK;
    }

    ngx_goim_handover_pack(gc, &state, id);
    size = goim_handover_size(&state);

    if (size > GOIM_HANDOVER_MAX) {
        gc->stays = 1;
        return NGX_OK;
    }

    if (ho->nconns - ho->first == GOIM_HANDOVER_CONNS
        || (ho->nconns > ho->first && ho->len + size > ho->limit))
    {
        rc = ngx_goim_offer_make(ngx_goim_offer_buf, ho->len,
                                     ho->len - sizeof(goim_handover_head_t));

        if (rc != NGX_OK || ho->noffers == NGX_GOIM_OFFER_MAX - 1) {
            return NGX_AGAIN;
        }
    }

    if (ho->len + size > ho->limit) {
        (void) ngx_goim_offer_make_large(gc, &state, size);
        return NGX_AGAIN;
    }

    (void) goim_handover_encode(ngx_goim_offer_buf + ho->len, &state);
    ho->len += size;

    ho->conns[ho->nconns++] = gc;

    return NGX_OK;
}


/* Those of the next slice; none of them goes away while it is made. */
static uint32_t
ngx_goim_offer_collect(ngx_goim_conn_t **slice, uint64_t max)
{
    uint32_t  i, n;

    n = 0;
    max = ngx_min(max, NGX_GOIM_OFFER_SLICE);

    for (i = ngx_goim_worker.nconns; i > 0 && n < max; i--) {
        if (ngx_goim_handover_is_ready(ngx_goim_worker.conns[i - 1])) {
            slice[n++] = ngx_goim_worker.conns[i - 1];
        }
    }

    return n;
}


ngx_int_t
ngx_goim_offer_slice(uint64_t max)
{
    uint32_t               i, n;
    ngx_goim_offers_t     *ho;

    static ngx_goim_conn_t  *slice[NGX_GOIM_OFFER_SLICE];

    ho = &ngx_goim_offers;

    ho->nconns = 0;
    ho->noffers = 0;
    ho->refused = 0;

    if (ho->limit == 0) {
        ho->limit = sizeof(ngx_goim_offer_buf);
    }

    ngx_goim_offer_begin();

    n = ngx_goim_offer_collect(slice, max);

    for (i = 0; i < n; i++) {
        if (ngx_goim_offer_add(slice[i]) != NGX_OK) {
            break;
        }
    }

    if (ho->nconns > ho->first) {
        (void) ngx_goim_offer_make(ngx_goim_offer_buf, ho->len,
                                   ho->len - sizeof(goim_handover_head_t));
    }

    if (ho->noffers) {
        return NGX_OK;
    }

    return ho->refused ? NGX_ERROR : NGX_DECLINED;
}


/* Answers */

void
ngx_goim_offer_end(void)
{
    ngx_connection_t     *c;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;
    c = ho->connection;

    if (c) {
        ngx_goim_handover_close(c);
        ho->connection = NULL;
    }

    if (ho->rest) {
        ngx_free(ho->rest);
        ho->rest = NULL;
    }

    ho->nconns = 0;
    ho->noffers = 0;
}


static void
ngx_goim_offer_answered(goim_handover_head_t *head)
{
    uint32_t              i, moved;
    ngx_uint_t            k, full;
    ngx_goim_conn_t      *gc;
    ngx_goim_offer_t     *offer;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;

    for (k = 0; k < ho->noffers; k++) {
        if (ho->offers[k].number == head->number && !ho->offers[k].answered) {
            break;
        }
    }

    if (k == ho->noffers) {
        return;
    }

    offer = &ho->offers[k];
    offer->answered = 1;

    moved = 0;
    full = ngx_goim_target_is_full();

    for (i = 0; i < offer->n; i++) {
        gc = ho->conns[offer->first + i];

        if (goim_handover_is_taken(head, i)) {
            moved++;
            ngx_goim_count(NGX_GOIM_MOVED_OUT, 1);
            ngx_goim_conn_moved(gc);

        } else {
            gc->stays = !full;
            ngx_goim_count(full ? NGX_GOIM_HANDOVER_BACK
                                : NGX_GOIM_HANDOVER_REFUSED, 1);
            ngx_goim_offer_back(gc);
        }
    }

    ngx_goim_handover_answered(moved);
}


/* NGX_OK: all there were; NGX_ERROR: the other side has closed. */
static ngx_int_t
ngx_goim_offer_read(void)
{
    ssize_t               n;
    goim_handover_head_t  head;

    union {
        uint64_t  aligned;
        u_char    data[sizeof(goim_handover_head_t)];
    } buf;

    for ( ;; ) {
        n = ngx_goim_handover_recv(ngx_goim_offers.connection->fd, buf.data,
                                   sizeof(buf), NULL, NULL);

        if (n == NGX_AGAIN) {
            return NGX_OK;
        }

        if (n <= 0 || goim_handover_head(&head, buf.data, n) != GOIM_OK
            || head.kind != GOIM_HANDOVER_ANSWER)
        {
            return NGX_ERROR;
        }

        ngx_goim_offer_answered(&head);
    }
}


static ngx_uint_t
ngx_goim_offer_is_answered(void)
{
    ngx_uint_t            k;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;

    for (k = 0; k < ho->noffers; k++) {
        if (!ho->offers[k].answered) {
            return 0;
        }
    }

    return 1;
}


/*
 * The other side is told in our slot that what it has not answered is ours
 * again; what it answers from now on does not arrive, and it looks there.
 */
void
ngx_goim_offer_give_up(void)
{
    uint32_t              i;
    ngx_uint_t            k;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;

    ngx_goim_handover_late();

    atomic_store(&ngx_goim_worker.reader->slot->gave_up, ho->number);
    (void) shutdown(ho->connection->fd, SHUT_RDWR);
    (void) ngx_goim_offer_read();

    for (k = 0; k < ho->noffers; k++) {

        if (ho->offers[k].answered) {
            continue;
        }

        for (i = 0; i < ho->offers[k].n; i++) {
            ngx_goim_count(NGX_GOIM_HANDOVER_BACK, 1);
            ngx_goim_offer_back(ho->conns[ho->offers[k].first + i]);
        }
    }

    ngx_goim_offer_end();
    ngx_goim_handover_slice_done(0);
}


static void
ngx_goim_offer_read_handler(ngx_event_t *rev)
{
    if (ngx_goim_offers.connection == NULL) {
        return;
    }

    rev->ready = 0;

    if (ngx_goim_offer_read() != NGX_OK) {
        ngx_goim_offer_give_up();
        return;
    }

    if (ngx_goim_offer_is_answered()) {
        ngx_goim_offer_end();
        ngx_goim_handover_slice_done(1);
    }
}


/* The rest of a large connection, as far as it goes. */
static void
ngx_goim_offer_write_handler(ngx_event_t *wev)
{
    size_t                n;
    u_char               *p;
    goim_handover_head_t  head;
    ngx_goim_offers_t    *ho;

    ho = &ngx_goim_offers;

    if (ho->connection == NULL || ho->rest == NULL) {
        return;
    }

    ngx_memcpy(&head, ho->rest, sizeof(head));
    head.kind = GOIM_HANDOVER_MORE;

    while (ho->rest_at < ho->rest_len) {

        /* its head takes the place of bytes that have gone */

        n = ngx_min(ho->rest_len - ho->rest_at, ho->limit - sizeof(head));
        p = ho->rest + ho->rest_at - sizeof(head);
        ngx_memcpy(p, &head, sizeof(head));

        if (ngx_goim_handover_send(ho->connection->fd, p, n + sizeof(head),
                                   NULL, 0)
            != NGX_OK)
        {
            return;
        }

        ho->rest_at += n;

        ngx_goim_handover_moves();
    }
}
