
/*
 * The status of one room (?room=) and of one key (?key=).  A key's connection
 * lives on one worker: who is asked for it asks the others, one question after
 * the other.
 */


#include "ngx_goim.h"


#define NGX_GOIM_QUERY_WAIT     2500  /* ms for all others to have looked: they
                                         do once a second, if not woken */
#define NGX_GOIM_QUERY_MAX      64    /* requests that wait for an answer */
#define NGX_GOIM_QUERY_ACCEPTS  400   /* of them are told */


/* What a worker answers about a connection, as it stands on its board. */
typedef struct {
    int64_t                     mid;
    uint64_t                    pid;
    uint64_t                    pending;   /* bytes */
    uint32_t                    silent;    /* s since the last heartbeat */
    uint32_t                    age;       /* s */
    uint32_t                    sent;
    uint32_t                    skipped[NGX_GOIM_SKIPS];
    uint32_t                    naccepts;  /* all that it has */
    uint16_t                    room_len;
    uint8_t                     transport;
    uint8_t                     conn_len;
    u_char                      conn[NGX_GOIM_CONN_MAX];
    /* followed by the room's name and the first accepts */
} ngx_goim_query_answer_t;


/* A request that waits for an answer; in its pool. */
typedef struct {
    ngx_queue_t                 queue;
    ngx_http_request_t         *request;
    ngx_str_t                   key;
    ngx_uint_t                  done;      /* it is in no queue any more */
} ngx_goim_query_t;


static size_t ngx_goim_query_know(const uint8_t *key, size_t len,
    uint8_t *answer);
static void ngx_goim_query_next(void);
static void ngx_goim_query_timeout_handler(ngx_event_t *ev);
static void ngx_goim_query_cleanup(void *data);


static ngx_queue_t       ngx_goim_query_queue;  /* its head has asked */
static ngx_uint_t        ngx_goim_query_n;
static goim_question_t   ngx_goim_query_question;
static ngx_event_t       ngx_goim_query_event;

static u_char            ngx_goim_query_buf[GOIM_MAIL_DATA];

/* by ngx_goim_skip_e, named as the drop_ counters */
static const char *const  ngx_goim_query_skips[NGX_GOIM_SKIPS] = {
    "rate", "nomem", "backlog", "closed"
};


/* A percent-decoded argument; NGX_DECLINED: there is none. */
static ngx_int_t
ngx_goim_query_arg(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    u_char     *src, *dst;
    ngx_str_t   raw;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK
        || raw.len == 0)
    {
        return NGX_DECLINED;
    }

    value->data = ngx_pnalloc(r->pool, raw.len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    src = raw.data;
    dst = value->data;
    ngx_unescape_uri(&dst, &src, raw.len, 0);
    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_goim_query_send(ngx_http_request_t *r, ngx_goim_page_t *page,
    ngx_uint_t status)
{
    ngx_str_t  type = ngx_string("application/json");

    r->headers_out.status = status;

    return ngx_goim_page_send(r, page, &type);
}


static void
ngx_goim_query_page(ngx_http_request_t *r, ngx_goim_page_t *page)
{
    ngx_memzero(page, sizeof(ngx_goim_page_t));

    page->pool = r->pool;
    page->last = &page->first;
}


/* A room */

static ngx_int_t
ngx_goim_query_room(ngx_http_request_t *r, ngx_str_t *name)
{
    uint64_t                hash, host;
    ngx_goim_page_t         page;
    ngx_goim_room_t        *room;
    ngx_goim_room_class_t  *class;

    if (goim_room_name_check(name->data, name->len) != GOIM_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    hash = goim_room_name_hash(name->data, name->len);
    room = ngx_goim_room_find(hash, name->data, name->len);
    class = ngx_goim_room_class_find(ngx_goim_worker.conf, name->data,
                                     name->len);

    host = room ? room->nmembers : 0;

    if (ngx_goim_worker.reader) {
        host += goim_channel_room_members(ngx_goim_worker.channel, hash,
                                          ngx_goim_worker.reader->index);
    }

    ngx_goim_query_page(r, &page);

    ngx_goim_page_print(&page, "{\"room\":");
    ngx_goim_page_string(&page, name->data, name->len);
    ngx_goim_page_print(&page, ",\"online\":%uL,\"host\":%uL,"
                        "\"class\":{\"pattern\":",
                        room ? ngx_goim_session_online(room) : host, host);
    ngx_goim_page_string(&page, class->pattern.data, class->pattern.len);
    ngx_goim_page_print(&page, ",\"backlog\":%uz,\"overflow\":\"%s\","
                        "\"max_members\":%ui,\"flush_ms\":%M,"
                        "\"flush_count\":%ui,\"max_rate\":%ui}}\n",
                        class->backlog,
                        class->overflow == NGX_GOIM_OVERFLOW_SKIP ? "skip"
                                                                  : "close",
                        class->max_members, class->flush, class->flush_count,
                        class->max_rate);

    return ngx_goim_query_send(r, &page, NGX_HTTP_OK);
}


/* A key: the answer */

static size_t
ngx_goim_query_describe(ngx_goim_conn_t *gc, u_char *buf)
{
    u_char                   *p;
    size_t                    n;
    ngx_uint_t                i;
    ngx_goim_query_answer_t   a;

    ngx_memzero(&a, sizeof(ngx_goim_query_answer_t));

    a.mid = gc->id->mid;
    a.pid = ngx_pid;
    a.pending = gc->out ? gc->out->end - gc->out->start : 0;
    a.silent = ngx_goim_heartbeat_silent(gc) / 1000;
    a.age = (ngx_current_msec - gc->connection->start_time) / 1000;
    a.sent = gc->sent;
    a.naccepts = gc->id->naccepts;

    for (i = 0; i < NGX_GOIM_SKIPS; i++) {
        a.skipped[i] = ngx_goim_conn_skipped(gc, i);
    }

    a.transport = gc->transport;
    a.conn_len = ngx_goim_conn_id(gc, a.conn);

    if (gc->room) {
        a.pending += ngx_goim_conn_log(gc)->end - gc->pos;
        a.room_len = gc->room->name_len;
    }

    p = ngx_cpymem(buf, &a, sizeof(a));

    if (gc->room) {
        p = ngx_cpymem(p, gc->room->name, a.room_len);
    }

    n = ngx_min(a.naccepts, NGX_GOIM_QUERY_ACCEPTS);
    p = ngx_cpymem(p, gc->id->accepts, n * sizeof(int32_t));

    return p - buf;
}


static void
ngx_goim_query_skipped(ngx_goim_page_t *page, uint32_t *skipped)
{
    uint32_t    sum;
    ngx_uint_t  i;

    sum = 0;

    ngx_goim_page_print(page, "\"skipped_by\":{");

    for (i = 0; i < NGX_GOIM_SKIPS; i++) {
        sum += skipped[i];
        ngx_goim_page_print(page, "%s\"%s\":%uD", i ? "," : "",
                            ngx_goim_query_skips[i], skipped[i]);
    }

    ngx_goim_page_print(page, "},\"skipped\":%uD,", sum);
}


/* Lengths are another worker's, so they are checked. */
static ngx_int_t
ngx_goim_query_answer_page(ngx_goim_page_t *page, ngx_str_t *key,
    u_char *data, size_t len)
{
    u_char                   *p, *accepts, mid[NGX_INT64_LEN];
    size_t                    i, n;
    int32_t                   op;
    ngx_goim_query_answer_t   a;

    if (len < sizeof(a)) {
        return NGX_ERROR;
    }

    ngx_memcpy(&a, data, sizeof(a));

    n = ngx_min(a.naccepts, NGX_GOIM_QUERY_ACCEPTS);

    if (len != sizeof(a) + a.room_len + n * sizeof(int32_t)
        || a.transport >= NGX_GOIM_TRANSPORTS
        || a.conn_len > NGX_GOIM_CONN_MAX)
    {
        return NGX_ERROR;
    }

    ngx_goim_page_print(page, "{\"key\":");
    ngx_goim_page_string(page, key->data, key->len);
    ngx_goim_page_print(page, ",\"connection\":");
    ngx_goim_page_string(page, a.conn, a.conn_len);

    p = ngx_goim_identity_print_mid(mid, a.mid);
    ngx_goim_page_print(page, ",\"mid\":%*s,\"transport\":\"%V\","
                        "\"pid\":%uL,\"room\":", (size_t) (p - mid), mid,
                        &ngx_goim_transport_names[a.transport], a.pid);

    if (a.room_len) {
        ngx_goim_page_string(page, data + sizeof(a), a.room_len);

    } else {
        ngx_goim_page_print(page, "null");
    }

    ngx_goim_page_print(page, ",\"age\":%uD,\"silent\":%uD,\"pending\":%uL,"
                        "\"sent\":%uD,", a.age, a.silent, a.pending, a.sent);

    ngx_goim_query_skipped(page, a.skipped);

    ngx_goim_page_print(page, "\"naccepts\":%uD,\"accepts\":[", a.naccepts);

    accepts = data + sizeof(a) + a.room_len;

    for (i = 0; i < n; i++) {
        ngx_memcpy(&op, accepts + i * sizeof(int32_t), sizeof(int32_t));
        ngx_goim_page_print(page, "%s%D", i ? "," : "", op);
    }

    ngx_goim_page_print(page, "]}\n");

    return NGX_OK;
}


static ngx_int_t
ngx_goim_query_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_goim_page_t  page;

    ngx_goim_query_page(r, &page);
    ngx_goim_page_print(&page, "{\"error\":\"%s\"}\n", text);

    return ngx_goim_query_send(r, &page, status);
}


static ngx_int_t
ngx_goim_query_answered(ngx_http_request_t *r, ngx_str_t *key, u_char *data,
    size_t len)
{
    ngx_goim_page_t  page;

    ngx_goim_query_page(r, &page);

    if (ngx_goim_query_answer_page(&page, key, data, len) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_goim_query_send(r, &page, NGX_HTTP_OK);
}


/* A key: asking the others */

static ngx_goim_query_t *
ngx_goim_query_head(void)
{
    ngx_queue_t  *q;

    q = ngx_queue_head(&ngx_goim_query_queue);

    return ngx_queue_data(q, ngx_goim_query_t, queue);
}


static ngx_int_t
ngx_goim_query_ask(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_goim_query_t    *query;
    ngx_http_cleanup_t  *cln;

    if (ngx_goim_query_n == NGX_GOIM_QUERY_MAX) {
        return ngx_goim_query_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "too many questions at once, try again");
    }

    cln = ngx_http_cleanup_add(r, sizeof(ngx_goim_query_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_goim_query_cleanup;

    query = cln->data;
    query->request = r;
    query->key = *key;
    query->done = 0;

    if (ngx_goim_query_event.handler == NULL) {
        ngx_queue_init(&ngx_goim_query_queue);

        ngx_goim_query_event.handler = ngx_goim_query_timeout_handler;
        ngx_goim_query_event.data = ngx_goim_worker.pipe;
        ngx_goim_query_event.log = ngx_goim_worker.cycle->log;
    }

    ngx_queue_insert_tail(&ngx_goim_query_queue, &query->queue);

    if (ngx_goim_query_n++ == 0) {
        ngx_goim_query_next();
    }

    r->main->count++;

    return NGX_DONE;
}


/* Asks the question of the first in the queue, which is never answered from
 * here: its request may be in its content phase. */
static void
ngx_goim_query_next(void)
{
    ngx_goim_query_t  *query;

    query = ngx_goim_query_head();

    if (goim_reader_ask(ngx_goim_worker.reader, &ngx_goim_query_question,
                        query->key.data, query->key.len)
        != GOIM_OK)
    {
        ngx_goim_query_question.deaf = 1;
    }

    /* a question that is asked again has no longer time for it */

    if (!ngx_goim_query_event.timer_set) {
        ngx_add_timer(&ngx_goim_query_event, NGX_GOIM_QUERY_WAIT);
    }

    /* nobody may be there to wake us */

    ngx_post_event(&ngx_goim_query_event, &ngx_posted_next_events);
}


/* Out of the queue; if it was the first one the next has its turn. */
static void
ngx_goim_query_leave(ngx_goim_query_t *query)
{
    ngx_uint_t  first;

    first = query == ngx_goim_query_head();

    query->done = 1;
    ngx_queue_remove(&query->queue);
    ngx_goim_query_n--;

    if (!first) {
        return;
    }

    goim_reader_withdraw(ngx_goim_worker.reader, &ngx_goim_query_question);

    if (ngx_goim_query_event.timer_set) {
        ngx_del_timer(&ngx_goim_query_event);
    }

    if (ngx_goim_query_event.posted) {
        ngx_delete_posted_event(&ngx_goim_query_event);
    }

    if (ngx_goim_query_n) {
        ngx_goim_query_next();
    }
}


/* The request ends, maybe long after its answer, maybe before. */
static void
ngx_goim_query_cleanup(void *data)
{
    ngx_goim_query_t  *query = data;

    if (!query->done) {
        ngx_goim_query_leave(query);
    }
}


/* Who was asked, lives, and has not looked: it is stopped, or busy. */
static ngx_int_t
ngx_goim_query_unanswered(ngx_http_request_t *r, goim_question_t *q)
{
    uint32_t              i;
    ngx_uint_t            n;
    ngx_goim_page_t       page;
    goim_channel_slot_t  *slot;

    n = 0;

    ngx_goim_query_page(r, &page);
    ngx_goim_page_print(&page, "{\"error\":\"not all workers have answered\","
                        "\"not_asked\":%uD,\"silent\":[", q->deaf);

    for (i = 0; i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        if (q->waiting[i]
            && goim_channel_slot_is_held(ngx_goim_worker.channel, i))
        {
            slot = &ngx_goim_worker.channel->slots->slot[i];
            ngx_goim_page_print(&page, "%s%uL", n++ ? "," : "",
                                atomic_load(&slot->pid));
        }
    }

    ngx_goim_page_print(&page, "]}\n");

    if (n + q->deaf == 0) {
        return ngx_goim_query_error(r, NGX_HTTP_NOT_FOUND,
                                    "no worker has this key");
    }

    return ngx_goim_query_send(r, &page, NGX_HTTP_GATEWAY_TIME_OUT);
}


static void
ngx_goim_query_look_at_answers(ngx_uint_t timedout)
{
    size_t               len;
    ngx_int_t            rc;
    goim_question_t      question;
    ngx_goim_query_t    *query;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    query = ngx_goim_query_head();

    switch (goim_reader_collect(ngx_goim_worker.reader,
                                &ngx_goim_query_question, ngx_goim_query_buf,
                                &len))
    {

    case GOIM_OK:
        rc = NGX_OK;
        break;

    case GOIM_AGAIN:
        if (!timedout) {
            return;
        }

        rc = NGX_DECLINED;
        break;

    case GOIM_FULL:
        if (!timedout) {
            ngx_goim_query_next();
            return;
        }

        /* fall through */

    default:
        rc = NGX_DECLINED;
    }

    r = query->request;
    c = r->connection;
    question = ngx_goim_query_question;

    ngx_goim_query_leave(query);

    rc = rc == NGX_OK
         ? ngx_goim_query_answered(r, &query->key, ngx_goim_query_buf, len)
         : ngx_goim_query_unanswered(r, &question);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_goim_query_timeout_handler(ngx_event_t *ev)
{
    ngx_uint_t  timedout;

    timedout = ev->timedout;
    ev->timedout = 0;

    if (ngx_goim_worker.reader && ngx_goim_query_n) {
        ngx_goim_query_look_at_answers(timedout);
    }
}


void
ngx_goim_query_look(void)
{
    if (goim_reader_is_asked(ngx_goim_worker.reader)) {
        goim_reader_answer(ngx_goim_worker.reader, ngx_goim_query_know);
    }

    if (ngx_goim_query_n) {
        ngx_goim_query_look_at_answers(0);
    }
}


static size_t
ngx_goim_query_know(const uint8_t *key, size_t len, uint8_t *answer)
{
    ngx_goim_conn_t  *gc;

    gc = ngx_goim_key_find(key, len);

    return gc ? ngx_goim_query_describe(gc, answer) : 0;
}


static ngx_int_t
ngx_goim_query_key(ngx_http_request_t *r, ngx_str_t *key)
{
    size_t  len;

    len = ngx_goim_query_know(key->data, key->len, ngx_goim_query_buf);

    return len ? ngx_goim_query_answered(r, key, ngx_goim_query_buf, len)
               : ngx_goim_query_ask(r, key);
}


ngx_int_t
ngx_goim_query_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    if (ngx_goim_worker.reader == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_goim_query_arg(r, "room", &value);

    if (rc == NGX_OK) {
        return ngx_goim_query_room(r, &value);
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_goim_query_arg(r, "key", &value);
    }

    if (rc == NGX_OK) {
        return value.len > NGX_GOIM_KEY_MAX ? NGX_HTTP_BAD_REQUEST
                                            : ngx_goim_query_key(r, &value);
    }

    return rc == NGX_DECLINED ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;
}
