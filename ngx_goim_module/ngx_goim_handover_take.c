
/*
 * Connections from another worker: the socket at which it offers them, and
 * what becomes of an offer.  Nothing of a connection is read or written before
 * the answer is sent: until then it may go back.
 */


#include "ngx_goim_handover.h"


#define NGX_GOIM_TAKE_BACKLOG  64
#define NGX_GOIM_TAKE_LATE     1000  /* ms after which its sender may have
                                        taken an offer back */


/* One that offers.  There is one offer at a time. */
typedef struct {
    ngx_queue_t            queue;
    ngx_connection_t      *connection;
    uint32_t               number;    /* of all offering ones, not 0 */
    uint32_t               uncounted; /* connections taken, by limit_conn */

    goim_handover_head_t   head;
    u_char                *data;      /* the states; NULL: no offer */
    size_t                 len;       /* of what is there */
    ngx_uint_t             nfds;
    ngx_socket_t           fds[GOIM_HANDOVER_CONNS];
} ngx_goim_taker_t;


static void ngx_goim_take_accept_handler(ngx_event_t *rev);
static void ngx_goim_take_read_handler(ngx_event_t *rev);
static void ngx_goim_take_write_handler(ngx_event_t *wev);


static ngx_connection_t  *ngx_goim_take_listening;
static ngx_queue_t        ngx_goim_takers;
static uint32_t           ngx_goim_take_number;

static u_char             ngx_goim_take_buf[GOIM_HANDOVER_PACKET];


/* Listening */

static void
ngx_goim_take_tell_room(void)
{
    uint64_t              takes;
    goim_channel_slot_t  *slot;

    slot = ngx_goim_worker.reader->slot;
    takes = goim_handover_takes(ngx_goim_handover_room());

    if (atomic_load(&slot->takes) != takes) {
        atomic_store(&slot->takes, takes);
    }
}


static ngx_int_t
ngx_goim_take_bind(ngx_socket_t fd)
{
    int                 dir;
    ngx_int_t           rc;
    struct sockaddr_un  sun;

    if (ngx_goim_handover_address(ngx_goim_worker.reader->index, &sun, &dir)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the slot is ours, so what is there is its last owner's */

    (void) unlink(sun.sun_path);

    rc = bind(fd, (struct sockaddr *) &sun, sizeof(sun)) == -1
         || chmod(sun.sun_path, ngx_goim_worker.conf->channel.mode) == -1
         || listen(fd, NGX_GOIM_TAKE_BACKLOG) == -1
         ? NGX_ERROR : NGX_OK;

    if (dir != -1) {
        (void) close(dir);
    }

    return rc;
}


void
ngx_goim_handover_listen(ngx_cycle_t *cycle)
{
    ngx_socket_t          fd;
    goim_channel_slot_t  *slot;

    ngx_queue_init(&ngx_goim_takers);

    if (ngx_goim_worker.reader == NULL || ngx_goim_worker.conf->shared == NULL
        || !ngx_goim_worker.conf->handover
        || !(ngx_event_flags & NGX_USE_EPOLL_EVENT))
    {
        return;
    }

    slot = ngx_goim_worker.reader->slot;

    fd = ngx_goim_handover_socket();

    if (fd == (ngx_socket_t) -1 || ngx_goim_take_bind(fd) != NGX_OK) {
        goto failed;
    }

    ngx_goim_take_listening = ngx_goim_handover_watch(fd,
                                                ngx_goim_take_accept_handler,
                                                ngx_goim_take_write_handler);
    if (ngx_goim_take_listening == NULL) {
        goto failed;
    }

    atomic_store(&slot->master, ngx_goim_worker.conf->shared->master);
    atomic_store(&slot->reload, ngx_goim_worker.conf->reload);
    ngx_goim_take_tell_room();

    return;

failed:

    ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                  "goim handover: can't listen in the channel's folder; this "
                  "worker takes no connections from those that leave");

    if (fd != (ngx_socket_t) -1) {
        (void) close(fd);
    }
}


static void
ngx_goim_take_drop(ngx_goim_taker_t *taker)
{
    while (taker->nfds) {
        taker->nfds--;

        if (taker->fds[taker->nfds] != (ngx_socket_t) -1) {
            (void) close(taker->fds[taker->nfds]);
        }
    }

    if (taker->data) {
        ngx_free(taker->data);
        taker->data = NULL;
    }
}


static void
ngx_goim_taker_end(ngx_goim_taker_t *taker)
{
    uint32_t          i;
    ngx_goim_conn_t  *gc;

    /*
     * It has let go of what was taken: now there is one of each.  They are
     * among the last; some may be gone.
     */

    for (i = ngx_goim_worker.nconns; i > 0 && taker->uncounted; i--) {
        gc = ngx_goim_worker.conns[i - 1];

        if (gc->uncounted == taker->number) {
            ngx_goim_limit_conn_count(gc);
            taker->uncounted--;
        }
    }

    ngx_goim_take_drop(taker);
    ngx_goim_handover_close(taker->connection);
    ngx_queue_remove(&taker->queue);
    ngx_free(taker);
}


void
ngx_goim_handover_unlisten(void)
{
    int                 dir;
    struct sockaddr_un  sun;

    if (ngx_goim_take_listening == NULL) {
        return;
    }

    atomic_store(&ngx_goim_worker.reader->slot->takes, 0);

    if (ngx_goim_handover_address(ngx_goim_worker.reader->index, &sun, &dir)
        == NGX_OK)
    {
        (void) unlink(sun.sun_path);

        if (dir != -1) {
            (void) close(dir);
        }
    }

    ngx_goim_handover_close(ngx_goim_take_listening);
    ngx_goim_take_listening = NULL;

    /* what was not answered goes back */

    while (!ngx_queue_empty(&ngx_goim_takers)) {
        ngx_goim_taker_end(ngx_queue_data(ngx_queue_head(&ngx_goim_takers),
                                          ngx_goim_taker_t, queue));
    }
}


/* Who may come: a worker, which runs as we do. */
static ngx_uint_t
ngx_goim_take_is_worker(ngx_socket_t fd)
{
    socklen_t     len;
    struct ucred  cred;

    len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0
           && (cred.uid == geteuid() || cred.uid == 0);
}


static void
ngx_goim_take_accept_handler(ngx_event_t *rev)
{
    ngx_socket_t       fd;
    ngx_goim_taker_t  *taker;
    ngx_connection_t  *c;

    for ( ;; ) {
        c = rev->data;

        fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);
        if (fd == (ngx_socket_t) -1) {
            rev->ready = 0;
            return;
        }

        taker = NULL;
        c = NULL;

        if (ngx_goim_take_is_worker(fd)) {
            taker = ngx_calloc(sizeof(ngx_goim_taker_t), ngx_cycle->log);
        }

        if (taker) {
            c = ngx_goim_handover_watch(fd, ngx_goim_take_read_handler,
                                        ngx_goim_take_write_handler);
        }

        if (c == NULL) {
            if (taker) {
                ngx_free(taker);
            }

            (void) close(fd);
            continue;
        }

        if (++ngx_goim_take_number == 0) {
            ngx_goim_take_number = 1;
        }

        taker->number = ngx_goim_take_number;
        taker->connection = c;
        c->data = taker;

        ngx_queue_insert_tail(&ngx_goim_takers, &taker->queue);
    }
}


/* Offers */

/* NGX_ERROR: it is no part of an offer. */
static ngx_int_t
ngx_goim_take_part(ngx_goim_taker_t *taker, size_t size, ngx_uint_t nfds)
{
    size_t                len;
    goim_handover_head_t  head;

    if (goim_handover_head(&head, ngx_goim_take_buf, size) != GOIM_OK) {
        return NGX_ERROR;
    }

    len = size - sizeof(head);

    if (head.kind == GOIM_HANDOVER_OFFER) {

        if (taker->data || head.total == 0) {
            return NGX_ERROR;
        }

        taker->data = ngx_alloc(head.total, ngx_cycle->log);
        if (taker->data == NULL) {
            return NGX_ERROR;
        }

        taker->head = head;
        taker->len = 0;

    } else if (head.kind != GOIM_HANDOVER_MORE || taker->data == NULL
               || head.number != taker->head.number || nfds)
    {
        return NGX_ERROR;
    }

    if (len > taker->head.total - taker->len) {
        return NGX_ERROR;
    }

    ngx_memcpy(taker->data + taker->len, ngx_goim_take_buf + sizeof(head),
               len);
    taker->len += len;

    return NGX_OK;
}


/* NGX_OK: something came; NGX_AGAIN: nothing yet; NGX_ERROR: it has ended. */
static ngx_int_t
ngx_goim_take_read(ngx_goim_taker_t *taker)
{
    ssize_t     n;
    ngx_uint_t  i, nfds;

    static int  fds[GOIM_HANDOVER_CONNS];

    n = ngx_goim_handover_recv(taker->connection->fd, ngx_goim_take_buf,
                               sizeof(ngx_goim_take_buf), fds, &nfds);
    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (n <= 0 || ngx_goim_take_part(taker, n, nfds) != NGX_OK) {

        for (i = 0; i < nfds; i++) {
            (void) close(fds[i]);
        }

        return NGX_ERROR;
    }

    for (i = 0; i < nfds; i++) {
        taker->fds[taker->nfds++] = fds[i];
    }

    return NGX_OK;
}


/* What is wrong with an offer as a whole; the sender keeps it. */
static ngx_uint_t
ngx_goim_take_is_ours(goim_handover_head_t *head)
{
    return head->lanes == ngx_goim_worker.channel->lanes
           && head->server_len == ngx_goim_worker.conf->server_id.len
           && ngx_memcmp(head->server, ngx_goim_worker.conf->server_id.data,
                         head->server_len)
              == 0
           && !ngx_goim_worker.exiting && ngx_goim_channel_ready();
}


/* Makes connections of an offer's states, as far as they can be had. */
static void
ngx_goim_take_unpack(ngx_goim_taker_t *taker, ngx_goim_taken_t *taken)
{
    size_t                 at, used;
    ngx_uint_t             i;
    ngx_msec_int_t         late;
    goim_handover_conn_t   state;

    at = 0;
    late = (ngx_msec_int_t) (ngx_current_msec - taker->head.sent_ms);
    late = ngx_max(late, 0);

    for (i = 0; i < taker->head.conns && i < taker->nfds; i++) {

        if (goim_handover_decode(&state, taker->data + at, taker->len - at,
                                 &used)
            != GOIM_OK)
        {
            return;
        }

        state.age_ms += late;
        state.silent_ms += late;

        taken[i].gc = ngx_goim_handover_unpack(&state, taker->fds[i]);
        taker->fds[i] = (ngx_socket_t) -1;

        at += used;
    }
}


static void
ngx_goim_take_undo(ngx_goim_taken_t *taken, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (taken[i].gc) {
            ngx_goim_conn_moved(taken[i].gc);
            taken[i].gc = NULL;
        }

        if (taken[i].kick) {
            ngx_free(taken[i].kick);
            taken[i].kick = NULL;
        }
    }
}


/*
 * The answer did not arrive: either the sender has taken the offer back, which
 * it says in its slot before it closes, or it is dead, and all of its
 * connections with it but for these.  One that has not closed has them.
 */
static ngx_uint_t
ngx_goim_take_is_back(goim_handover_head_t *head, ngx_err_t err)
{
    goim_channel_slot_t  *slot;

    if (err != NGX_EPIPE && err != NGX_ECONNRESET) {
        return 1;
    }

    slot = &ngx_goim_worker.channel->slots->slot[head->slot];

    if (atomic_load(&slot->epoch) == head->epoch) {
        return atomic_load(&slot->gave_up) >= head->number;
    }

    ngx_time_update();

    return ngx_current_msec - head->sent_ms >= NGX_GOIM_TAKE_LATE;
}


/* From here on it is one of ours. */
static void
ngx_goim_take_begin(ngx_goim_taken_t *taken)
{
    ngx_goim_conn_t   *gc, *other;
    ngx_connection_t  *c;

    gc = taken->gc;
    c = gc->connection;

    ngx_goim_count(NGX_GOIM_MOVED_IN, 1);

    if (ngx_add_conn(c) != NGX_OK) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_ERROR);
        return;
    }

    ngx_post_event(c->read, &ngx_posted_events);

    other = ngx_goim_key_other(gc);

    if (taken->kick) {
        ngx_goim_conn_kick(gc, taken->kick, taken->kick_len);

    } else if (other) {

        /* the client came again meanwhile, to us */

        ngx_goim_conn_say_goodbye(
            (ngx_msec_int_t) (c->start_time - other->connection->start_time)
            < 0 ? gc : other, GOIM_WS_CLOSE_POLICY, NGX_GOIM_BY_REPLACEMENT);
    }
}


/* Makes what the offer has, as far as it can be had, and notes it in the head
 * that is the answer. */
static void
ngx_goim_take_offer(ngx_goim_taker_t *taker, ngx_goim_taken_t *taken)
{
    ngx_uint_t             i;
    goim_handover_head_t  *head;

    head = &taker->head;

    ngx_memzero(taken, head->conns * sizeof(ngx_goim_taken_t));
    ngx_memzero(head->taken, sizeof(head->taken));

    if (ngx_goim_take_is_ours(head)) {
        ngx_goim_take_unpack(taker, taken);

        if (ngx_goim_handover_replay(head->positions, taken, head->conns)
            != NGX_OK)
        {
            ngx_goim_take_undo(taken, head->conns);
        }
    }

    for (i = 0; i < head->conns; i++) {

        if (taken[i].missed) {
            ngx_goim_take_undo(&taken[i], 1);
        }

        if (taken[i].gc) {
            taken[i].gc->uncounted = taker->number;
            taker->uncounted++;
            head->taken[i / 8] |= 1 << (i % 8);
        }
    }

    ngx_goim_take_drop(taker);
}


/* NGX_ERROR: the sender has them, and is to learn that it gets no answer. */
static ngx_int_t
ngx_goim_take_answer(ngx_goim_taker_t *taker)
{
    ngx_goim_take_tell_room();

    taker->head.kind = GOIM_HANDOVER_ANSWER;

    if (send(taker->connection->fd, &taker->head, sizeof(taker->head),
             MSG_NOSIGNAL)
        == (ssize_t) sizeof(taker->head))
    {
        return NGX_OK;
    }

    return ngx_goim_take_is_back(&taker->head, ngx_errno) ? NGX_ERROR
                                                          : NGX_OK;
}


static ngx_int_t
ngx_goim_take(ngx_goim_taker_t *taker)
{
    ngx_uint_t         i, n;
    ngx_goim_taken_t   taken[GOIM_HANDOVER_CONNS];

    n = taker->head.conns;

    ngx_goim_take_offer(taker, taken);

    if (ngx_goim_take_answer(taker) != NGX_OK) {
        ngx_goim_take_undo(taken, n);
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (taken[i].gc) {
            ngx_goim_take_begin(&taken[i]);
        }

        if (taken[i].kick) {
            ngx_free(taken[i].kick);
        }
    }

    return NGX_OK;
}


static void
ngx_goim_take_read_handler(ngx_event_t *rev)
{
    ngx_int_t          rc;
    ngx_goim_taker_t  *taker;
    ngx_connection_t  *c;

    c = rev->data;
    taker = c->data;

    for ( ;; ) {

        if (taker->data && taker->len == taker->head.total) {

            if (ngx_goim_take_is_ours(&taker->head)
                && !ngx_goim_channel_is_at(taker->head.positions))
            {
                /* its messages are there, and read in a turn that is to come
                 * before; ngx_goim_handover_look() */

                ngx_goim_channel_turn_soon();
                return;
            }

            if (ngx_goim_take(taker) != NGX_OK) {
                ngx_goim_taker_end(taker);
                return;
            }
        }

        rc = ngx_goim_take_read(taker);

        if (rc == NGX_AGAIN) {
            rev->ready = 0;
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_goim_taker_end(taker);
            return;
        }
    }
}


static void
ngx_goim_take_write_handler(ngx_event_t *wev)
{
    /* void */
}


void
ngx_goim_handover_look(void)
{
    ngx_queue_t       *q, *next;
    ngx_goim_taker_t  *taker;

    if (ngx_goim_take_listening == NULL) {
        return;
    }

    ngx_goim_take_tell_room();

    for (q = ngx_queue_head(&ngx_goim_takers);
         q != ngx_queue_sentinel(&ngx_goim_takers);
         q = next)
    {
        next = ngx_queue_next(q);
        taker = ngx_queue_data(q, ngx_goim_taker_t, queue);

        if (taker->data && taker->len == taker->head.total) {
            ngx_goim_take_read_handler(taker->connection->read);
        }
    }
}
