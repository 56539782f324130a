
/*
 * What goes out: a connection's own queue (replies, pushes to its key,
 * control frames) and its room's frame log, in one system call.  Nothing is
 * ever put into a frame that has been started.
 */


#include "ngx_goim.h"


#define NGX_GOIM_SEND_IOVS      16
#define NGX_GOIM_SEND_OUT_MAX   65536  /* of a connection's own queue */
#define NGX_GOIM_SEND_TLS       16384  /* OpenSSL keeps one record at most */


/*
 * What one system call is given, in order: due, out, a notice of what is
 * missing there, the log up to where more is missing.
 */
typedef struct {
    ngx_iovec_t        vec;
    struct iovec       iovs[NGX_GOIM_SEND_IOVS];
    ngx_goim_block_t  *block;  /* that pos stands in, NULL: nothing of a log */
    ngx_goim_gap_t     gap;    /* that the notice tells of */
    size_t             notice_len;
    u_char             notice[NGX_GOIM_GAP_NOTICE];
} ngx_goim_send_t;


/* The connection's own queue */

/* A single large message may always be queued, if it is alone. */
static u_char *
ngx_goim_send_queue(ngx_goim_conn_t *gc, size_t len)
{
    if (gc->out
        && gc->out->end - gc->out->start + len
           > (size_t) NGX_GOIM_SEND_OUT_MAX + gc->out->saved)
    {
        return NULL;
    }

    return ngx_goim_out_reserve(&gc->out, len);
}


ngx_int_t
ngx_goim_send_packet(ngx_goim_conn_t *gc, uint16_t ver, int32_t op,
    int32_t seq, const u_char *body, size_t len)
{
    u_char  *p, *start;
    size_t   size, header;

    size = GOIM_PACKET_HEADER_LEN + len;
    header = gc->transport == NGX_GOIM_TCP ? 0 : goim_ws_header_len(size);

    start = ngx_goim_send_queue(gc, header + size);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;

    if (header) {
        p += goim_ws_encode_header(p, GOIM_WS_BINARY, size);
    }

    p = goim_packet_encode_header(p, ver, op, seq, len);

    if (len) {
        p = ngx_cpymem(p, body, len);
    }

    gc->out->end += p - start;

    return NGX_OK;
}


ngx_int_t
ngx_goim_send_push(ngx_goim_conn_t *gc, const goim_record_t *record)
{
    u_char  *p;
    size_t   len;

    len = ngx_goim_fanout_frame_len(record, gc->transport);

    p = ngx_goim_send_queue(gc, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_goim_fanout_frame(p, record, gc->transport);

    gc->out->end += len;
    gc->out->messages++;

    return NGX_OK;
}


ngx_int_t
ngx_goim_send_control(ngx_goim_conn_t *gc, ngx_uint_t opcode,
    const u_char *data, size_t len)
{
    u_char  *p, *start;

    if (gc->transport == NGX_GOIM_TCP) {
        return NGX_OK;
    }

    /* a close frame is the last one, and says why */

    start = opcode == GOIM_WS_CLOSE
            ? ngx_goim_out_reserve(&gc->out, 2 + len)
            : ngx_goim_send_queue(gc, 2 + len);

    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start + goim_ws_encode_header(start, opcode, len);
    ngx_memcpy(p, data, len);

    gc->out->end += 2 + len;

    return NGX_OK;
}


/* All of the queue's messages; those that were saved are a room's. */
static void
ngx_goim_send_count_out(ngx_goim_out_t *out, ngx_uint_t counter,
    ngx_uint_t class_counter)
{
    if (out->messages) {
        ngx_goim_count(counter, out->messages);
    }

    if (out->saved_messages) {
        ngx_goim_count_class(out->saved_class, class_counter,
                             out->saved_messages);
    }
}


void
ngx_goim_send_drop(ngx_goim_conn_t *gc)
{
    if (gc->out) {
        ngx_goim_send_count_out(gc->out, NGX_GOIM_DROP_CLOSED,
                                NGX_GOIM_CLASS_DROP_CLOSED);
        gc->skipped[NGX_GOIM_SKIP_CLOSED] += gc->out->messages;
    }
}


static void
ngx_goim_send_used_out(ngx_goim_conn_t *gc, size_t n)
{
    gc->out->start += n;

    if (gc->out->start == gc->out->end) {
        ngx_goim_send_count_out(gc->out, NGX_GOIM_DELIVERED,
                                NGX_GOIM_CLASS_DELIVERED);
        gc->sent += gc->out->messages;

        ngx_goim_out_free(&gc->out);
    }
}


/* The room's log */

static uint64_t
ngx_goim_send_log_pending(ngx_goim_conn_t *gc)
{
    return gc->room ? ngx_goim_conn_log(gc)->end - gc->pos : 0;
}


/* The block that pos stands in. */
static ngx_goim_block_t *
ngx_goim_send_block(ngx_goim_conn_t *gc)
{
    return gc->block ? gc->block
                     : ngx_goim_log_block(ngx_goim_conn_log(gc), gc->pos);
}


/* Lagging: the block that pos stands in is held, the one before is not. */
static void
ngx_goim_send_lag(ngx_goim_conn_t *gc, ngx_goim_block_t *b)
{
    if (gc->block == b) {
        return;
    }

    if (b) {
        ngx_goim_log_hold(b);
    }

    if (gc->block) {
        ngx_goim_log_release(ngx_goim_conn_log(gc), gc->block);
    }

    gc->block = b;
}


/* Counts the messages up to that number as delivered. */
static void
ngx_goim_send_delivered(ngx_goim_conn_t *gc, uint32_t messages)
{
    uint32_t  n;

    n = messages - gc->seen;

    if (n) {
        ngx_goim_count(NGX_GOIM_DELIVERED, n);
        ngx_goim_count_class(gc->room->class, NGX_GOIM_CLASS_DELIVERED, n);

        gc->sent += n;
        gc->seen += n;
    }
}


/* Counts the messages up to that number as dropped. */
static void
ngx_goim_send_dropped(ngx_goim_conn_t *gc, uint32_t messages,
    ngx_goim_skip_e skip)
{
    uint32_t    n;
    ngx_uint_t  slow;

    n = messages - gc->seen;

    if (n) {
        slow = skip == NGX_GOIM_SKIP_BACKLOG;

        ngx_goim_count(slow ? NGX_GOIM_DROP_BACKLOG : NGX_GOIM_DROP_CLOSED, n);
        ngx_goim_count_class(gc->room->class,
                             slow ? NGX_GOIM_CLASS_DROP_BACKLOG
                                  : NGX_GOIM_CLASS_DROP_CLOSED,
                             n);

        gc->skipped[skip] += n;
        gc->seen += n;

        if (skip != NGX_GOIM_SKIP_CLOSED) {
            gc->told -= n;
        }
    }
}


/* The rest of a started frame goes in front of the queue. */
static ngx_int_t
ngx_goim_send_save_due(ngx_goim_conn_t *gc, ngx_goim_block_t *b)
{
    u_char          *p;
    uint32_t         len, messages;
    ngx_goim_out_t  *out;

    out = gc->out;
    len = out ? out->end - out->start : 0;

    gc->out = NULL;

    p = ngx_goim_out_reserve(&gc->out, gc->due + len);
    if (p == NULL) {
        gc->out = out;
        return NGX_ERROR;
    }

    p = ngx_cpymem(p, b->data + (gc->pos - b->start), gc->due);
    gc->out->end = gc->due + len;

    if (out) {
        ngx_memcpy(p, out->data + out->start, len);
        gc->out->messages = out->messages;
        ngx_goim_out_free(&out);
    }

    messages = ngx_goim_log_messages(b, gc->pos + gc->due);

    /* a frame is started only when nothing of this kind is queued */

    gc->out->saved = gc->due;
    gc->out->saved_messages = messages - gc->seen;
    gc->out->saved_class = gc->room->class;
    gc->out->messages += messages - gc->seen;
    gc->seen = messages;

    return NGX_OK;
}


/*
 * Takes the cursor on, to the log's end or its newest frame: what was started
 * goes into the connection's own queue, the rest before that is dropped.
 */
static ngx_int_t
ngx_goim_send_cut(ngx_goim_conn_t *gc, ngx_goim_block_t *b, uint64_t to,
    ngx_goim_skip_e skip)
{
    ngx_int_t        rc;
    ngx_goim_log_t  *log;

    rc = NGX_OK;
    log = ngx_goim_conn_log(gc);

    ngx_goim_send_delivered(gc, ngx_goim_log_messages(b, gc->pos));

    if (gc->due) {
        rc = ngx_goim_send_save_due(gc, b);
    }

    ngx_goim_send_dropped(gc, ngx_goim_log_messages(log->tail, to), skip);

    gc->pos = to;
    gc->due = 0;

    ngx_goim_send_lag(gc, to == log->end ? NULL : log->tail);

    return rc;
}


ngx_int_t
ngx_goim_send_settle(ngx_goim_conn_t *gc)
{
    if (ngx_goim_send_log_pending(gc) == 0) {
        return NGX_OK;
    }

    return ngx_goim_send_cut(gc, ngx_goim_send_block(gc),
                             ngx_goim_conn_log(gc)->end,
                             NGX_GOIM_SKIP_CLOSED);
}


/* All in one queue */

static ngx_int_t
ngx_goim_send_gather_log(ngx_goim_out_t **out, ngx_goim_block_t *b,
    uint64_t pos, uint64_t end)
{
    uint64_t  n;

    while (pos < end) {

        while (pos >= b->start + b->used) {
            b = b->next;
        }

        n = ngx_min(end, b->start + b->used) - pos;

        if (ngx_goim_out_append(out, b->data + (pos - b->start), n) != NGX_OK)
        {
            return NGX_ERROR;
        }

        pos += n;
    }

    return NGX_OK;
}


/* The log from a position to its end, with notices of what is missing. */
static ngx_int_t
ngx_goim_send_gather_rest(ngx_goim_conn_t *gc, ngx_goim_out_t **out,
    ngx_goim_block_t *b, uint64_t pos)
{
    u_char           notice[NGX_GOIM_GAP_NOTICE];
    size_t           len;
    uint64_t         end;
    ngx_goim_gap_t   gap;
    ngx_goim_log_t  *log;

    log = ngx_goim_conn_log(gc);

    for ( ;; ) {
        end = log->end;

        if (ngx_goim_gap_untold(gc)) {
            gap = *ngx_goim_log_gap(log, b, pos);
            len = ngx_goim_gap_notice(gc, &gap, notice);

            if (len) {
                if (ngx_goim_out_append(out, notice, len) != NGX_OK) {
                    return NGX_ERROR;
                }

                ngx_goim_gap_told(gc, &gap);
            }

            end = ngx_goim_log_gap_end(log, b, pos);
        }

        if (pos == end) {
            return NGX_OK;
        }

        if (ngx_goim_send_gather_log(out, b, pos, end) != NGX_OK) {
            return NGX_ERROR;
        }

        pos = end;
    }
}


/* What the new queue holds, in place of the old one. */
static void
ngx_goim_send_gathered(ngx_goim_conn_t *gc, ngx_goim_out_t *out)
{
    uint32_t         messages;
    ngx_goim_out_t  *old;

    old = gc->out;
    messages = ngx_goim_conn_log(gc)->messages - gc->seen;

    out->messages = messages;
    out->saved = out->end;
    out->saved_class = gc->room->class;
    out->saved_messages = messages;

    if (old) {
        out->messages += old->messages;

        if (old->saved_messages == 0 || old->saved_class == out->saved_class) {
            out->saved_messages += old->saved_messages;
        }

        ngx_goim_out_free(&gc->out);
    }

    gc->out = out;
}


ngx_int_t
ngx_goim_send_gather(ngx_goim_conn_t *gc)
{
    uint32_t           told;
    ngx_uint_t         told_holes;
    ngx_goim_out_t    *out;
    ngx_goim_block_t  *b;

    b = NULL;
    out = NULL;
    told = gc->told;
    told_holes = gc->told_holes;

    if (ngx_goim_send_log_pending(gc)) {
        b = ngx_goim_send_block(gc);
        ngx_goim_send_delivered(gc, ngx_goim_log_messages(b, gc->pos));

    } else if (gc->room == NULL || !ngx_goim_gap_untold(gc)) {
        return NGX_OK;
    }

    if (ngx_goim_send_gather_log(&out, b, gc->pos, gc->pos + gc->due)
        != NGX_OK
        || (gc->out
            && ngx_goim_out_append(&out, gc->out->data + gc->out->start,
                                   gc->out->end - gc->out->start)
               != NGX_OK)
        || ngx_goim_send_gather_rest(gc, &out, b, gc->pos + gc->due)
           != NGX_OK)
    {
        ngx_goim_out_free(&out);
        gc->told = told;
        gc->told_holes = told_holes;

        return NGX_ERROR;
    }

    if (out) {
        ngx_goim_send_gathered(gc, out);
    }

    ngx_goim_send_forget(gc);

    return NGX_OK;
}


void
ngx_goim_send_forget(ngx_goim_conn_t *gc)
{
    if (gc->room) {
        gc->pos = ngx_goim_conn_log(gc)->end;
        gc->seen = ngx_goim_conn_log(gc)->messages;
        gc->due = 0;

        ngx_goim_send_lag(gc, NULL);
    }
}


/* After bytes went out, or none could: where the cursor stands. */
static ngx_int_t
ngx_goim_send_settle_log(ngx_goim_conn_t *gc, ngx_goim_block_t *b)
{
    uint64_t  pending, newest;

    pending = ngx_goim_send_log_pending(gc);

    if (pending == 0) {
        ngx_goim_send_delivered(gc, ngx_goim_conn_log(gc)->messages);
        ngx_goim_send_lag(gc, NULL);
        return NGX_OK;
    }

    ngx_goim_send_lag(gc, b);

    if (pending <= gc->room->class->backlog) {
        return NGX_OK;
    }

    newest = ngx_goim_log_newest(ngx_goim_conn_log(gc));

    if (gc->pos + gc->due >= newest) {

        /* a frame that is larger than the backlog may wait alone */

        return NGX_OK;
    }

    if (gc->room->class->overflow == NGX_GOIM_OVERFLOW_CLOSE) {
        return NGX_DECLINED;
    }

    return ngx_goim_send_cut(gc, b, newest, NGX_GOIM_SKIP_BACKLOG);
}


/* One system call */

static void
ngx_goim_send_add(ngx_goim_send_t *s, u_char *p, size_t len)
{
    struct iovec  *iov;

    iov = &s->iovs[s->vec.count++];
    iov->iov_base = (void *) p;
    iov->iov_len = len;
    s->vec.size += len;
}


/* As many bytes of the log from a position as there are entries left for. */
static void
ngx_goim_send_add_log(ngx_goim_send_t *s, ngx_goim_block_t *b, uint64_t pos,
    uint64_t end)
{
    uint64_t  n;

    while (pos < end && s->vec.count < NGX_GOIM_SEND_IOVS) {

        while (pos >= b->start + b->used) {
            b = b->next;
        }

        n = ngx_min(end, b->start + b->used) - pos;

        ngx_goim_send_add(s, b->data + (pos - b->start), n);
        pos += n;
    }
}


/* Returns how far the log may be sent. */
static uint64_t
ngx_goim_send_add_notice(ngx_goim_conn_t *gc, ngx_goim_send_t *s)
{
    uint64_t         pos;
    ngx_goim_log_t  *log;

    log = ngx_goim_conn_log(gc);

    if (!ngx_goim_gap_untold(gc)) {
        return log->end;
    }

    pos = gc->pos + gc->due;

    s->gap = *ngx_goim_log_gap(log, s->block, pos);
    s->notice_len = ngx_goim_gap_notice(gc, &s->gap, s->notice);

    if (s->notice_len) {
        ngx_goim_send_add(s, s->notice, s->notice_len);
    }

    return ngx_goim_log_gap_end(log, s->block, pos);
}


static void
ngx_goim_send_prepare(ngx_goim_conn_t *gc, ngx_goim_send_t *s)
{
    uint64_t         end;
    ngx_goim_out_t  *out;

    s->vec.iovs = s->iovs;
    s->vec.nalloc = NGX_GOIM_SEND_IOVS;
    s->vec.count = 0;
    s->vec.size = 0;
    s->block = NULL;
    s->notice_len = 0;

    if (ngx_goim_send_log_pending(gc)) {
        s->block = ngx_goim_send_block(gc);
    }

    if (gc->due) {
        ngx_goim_send_add_log(s, s->block, gc->pos, gc->pos + gc->due);
    }

    out = gc->out;

    if (out) {
        ngx_goim_send_add(s, out->data + out->start, out->end - out->start);
    }

    if (gc->room == NULL) {
        return;
    }

    end = ngx_goim_send_add_notice(gc, s);

    if (s->block) {
        ngx_goim_send_add_log(s, s->block, gc->pos + gc->due, end);
    }
}


/* The notice was taken up to n bytes: the rest waits as what was started. */
static ngx_int_t
ngx_goim_send_used_notice(ngx_goim_conn_t *gc, ngx_goim_send_t *s, size_t n)
{
    ngx_goim_gap_told(gc, &s->gap);

    return n == s->notice_len
           ? NGX_OK
           : ngx_goim_out_append(&gc->out, s->notice + n, s->notice_len - n);
}


/*
 * A TLS write that blocked must be repeated with the same bytes: those of the
 * log become due, up to the end of the last frame that was touched, and a
 * notice becomes the queue's.
 */
static ngx_int_t
ngx_goim_send_blocked(ngx_goim_conn_t *gc, ngx_goim_send_t *s)
{
    uint64_t           touched;
    ngx_goim_block_t  *b;

    if (gc->due == 0 && gc->out == NULL && s->notice_len) {
        return ngx_goim_send_used_notice(gc, s, 0);
    }

    b = s->block;

    if (b == NULL || (gc->out && gc->due == 0)) {
        return NGX_OK;
    }

    if (gc->pos == b->start + b->used) {
        b = b->next;
    }

    touched = gc->pos + ngx_min(s->iovs[0].iov_len, NGX_GOIM_SEND_TLS);

    gc->due = ngx_max(gc->due, ngx_goim_log_frame_end(b, touched) - gc->pos);

    return NGX_OK;
}


static void
ngx_goim_send_used_log(ngx_goim_conn_t *gc, ngx_goim_send_t *s, size_t n)
{
    gc->pos += n;

    while (gc->pos >= s->block->start + s->block->used && s->block->next) {
        s->block = s->block->next;
    }
}


/* Takes n sent bytes off what is pending, in the order of the call.
 * NGX_ERROR: no memory. */
static ngx_int_t
ngx_goim_send_used(ngx_goim_conn_t *gc, ngx_goim_send_t *s, size_t n)
{
    size_t  k;

    ngx_goim_count(NGX_GOIM_SENDS, 1);
    ngx_goim_count(NGX_GOIM_BYTES_OUT, n);

    if (gc->due) {
        k = ngx_min(n, gc->due);
        gc->due -= k;
        n -= k;

        ngx_goim_send_used_log(gc, s, k);

        if (gc->due) {
            return NGX_OK;
        }
    }

    if (gc->out && n) {
        k = ngx_min(n, gc->out->end - gc->out->start);
        ngx_goim_send_used_out(gc, k);
        n -= k;
    }

    if (s->notice_len && n) {
        k = ngx_min(n, s->notice_len);
        n -= k;

        if (ngx_goim_send_used_notice(gc, s, k) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (n) {
        ngx_goim_send_used_log(gc, s, n);

        gc->due = ngx_goim_log_frame_end(s->block, gc->pos) - gc->pos;
    }

    return NGX_OK;
}


static ssize_t
ngx_goim_send_call(ngx_connection_t *c, ngx_goim_send_t *s)
{
    ssize_t  n;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        return c->send(c, s->iovs[0].iov_base, s->iovs[0].iov_len);
    }
#endif

    if (s->vec.count == 1) {
        return c->send(c, s->iovs[0].iov_base, s->iovs[0].iov_len);
    }

    n = ngx_writev(c, &s->vec);

    if (n == NGX_AGAIN || (n >= 0 && (size_t) n < s->vec.size)) {
        c->write->ready = 0;
    }

    if (n > 0) {
        c->sent += n;
    }

    return n;
}


ngx_int_t
ngx_goim_send_flush(ngx_goim_conn_t *gc)
{
    ssize_t            n;
    ngx_int_t          rc;
    ngx_goim_send_t    s;
    ngx_connection_t  *c;

    c = gc->connection;
    rc = NGX_OK;

    for ( ;; ) {
        ngx_goim_send_prepare(gc, &s);

        if (s.vec.count == 0) {
            break;
        }

        n = NGX_AGAIN;

        if (c->write->ready) {
            n = ngx_goim_send_call(c, &s);

            if (n == NGX_AGAIN && c->ssl
                && ngx_goim_send_blocked(gc, &s) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n > 0 && ngx_goim_send_used(gc, &s, n) != NGX_OK) {
            return NGX_ERROR;
        }

        if (gc->room) {
            rc = ngx_goim_send_settle_log(gc, s.block);
        }

        /* TLS may wait for the client's bytes while the socket is ready */

        if (rc != NGX_OK || n == NGX_AGAIN || !c->write->ready) {
            break;
        }
    }

    if ((!c->write->ready || (ngx_event_flags & NGX_USE_LEVEL_EVENT))
        && ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


/* Frames that many connections get */

/* How many bytes went out at once; NGX_ERROR: the connection is broken. */
static ssize_t
ngx_goim_send_direct(ngx_goim_conn_t *gc, struct iovec *iov, int n)
{
    int              i;
    ssize_t          sent;
    ngx_goim_send_t  s;

    if (gc->out || ngx_goim_send_log_pending(gc) || gc->connection->ssl
        || !gc->connection->write->ready)
    {
        return 0;
    }

    s.vec.iovs = s.iovs;
    s.vec.nalloc = NGX_GOIM_SEND_IOVS;
    s.vec.count = 0;
    s.vec.size = 0;

    for (i = 0; i < n && i < NGX_GOIM_SEND_IOVS; i++) {
        ngx_goim_send_add(&s, iov[i].iov_base, iov[i].iov_len);
    }

    sent = ngx_goim_send_call(gc->connection, &s);

    if (sent > 0) {
        ngx_goim_count(NGX_GOIM_SENDS, 1);
        ngx_goim_count(NGX_GOIM_BYTES_OUT, sent);
    }

    return sent == NGX_AGAIN ? 0 : sent;
}


ngx_int_t
ngx_goim_send_frames(ngx_goim_conn_t *gc, struct iovec *iov, int n)
{
    int      i;
    u_char  *p;
    size_t   len;
    ssize_t  sent;

    sent = ngx_goim_send_direct(gc, iov, n);
    if (sent == NGX_ERROR) {
        ngx_goim_count(NGX_GOIM_DROP_CLOSED, n);
        gc->skipped[NGX_GOIM_SKIP_CLOSED] += n;
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        len = iov[i].iov_len;

        if ((size_t) sent >= len) {
            sent -= len;
            ngx_goim_count(NGX_GOIM_DELIVERED, 1);
            gc->sent++;
            continue;
        }

        p = ngx_goim_send_queue(gc, len - sent);

        if (p == NULL && sent) {
            ngx_goim_count(NGX_GOIM_DROP_CLOSED, n - i);
            gc->skipped[NGX_GOIM_SKIP_CLOSED] += n - i;
            return NGX_ERROR;
        }

        if (p == NULL) {
            ngx_goim_count(NGX_GOIM_DROP_BACKLOG, 1);
            gc->skipped[NGX_GOIM_SKIP_BACKLOG]++;
            continue;
        }

        ngx_memcpy(p, (u_char *) iov[i].iov_base + sent, len - sent);
        gc->out->end += len - sent;
        gc->out->messages++;
        sent = 0;
    }

    return NGX_OK;
}
