
/*
 * The status of one room (?room=) and of one key (?key=).  A key's connection
 * lives on one worker: the others are asked through the channel's boards, and
 * look there once a second.
 */


#include "ngx_goim.h"


#define NGX_GOIM_QUERY_WAIT     3000  /* ms for all others to have looked */
#define NGX_GOIM_QUERY_POLL     50    /* ms between looks at their answers */
#define NGX_GOIM_QUERY_ACCEPTS  400   /* of them are told */


/* What a worker answers about a connection, as it stands on its board. */
typedef struct {
    int64_t                     mid;
    uint64_t                    pid;
    uint64_t                    pending;   /* bytes */
    uint32_t                    silent;    /* s since the last heartbeat */
    uint32_t                    age;       /* s */
    uint32_t                    sent;
    uint32_t                    dropped;
    uint32_t                    naccepts;  /* all that it has */
    uint16_t                    room_len;
    uint8_t                     transport;
    uint8_t                     conn_len;
    u_char                      conn[NGX_GOIM_CONN_MAX];
    /* followed by the room's name and the first accepts */
} ngx_goim_query_answer_t;


/* The one question that this worker may have at a time. */
typedef struct {
    ngx_http_request_t         *request;   /* NULL: none */
    ngx_str_t                   key;       /* in the request's pool */
    ngx_event_t                 event;
    ngx_msec_t                  end;
    uint64_t                    about;     /* what answers to it carry */
} ngx_goim_query_t;


static void ngx_goim_query_poll_handler(ngx_event_t *ev);
static void ngx_goim_query_cleanup(void *data);


static ngx_goim_query_t  ngx_goim_query;

/* of each slot's question: the last one seen */
static uint64_t          ngx_goim_query_seen[GOIM_CHANNEL_ROOM_SLOTS];

static u_char            ngx_goim_query_buf[GOIM_MAIL_DATA];


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
                        "\"max_members\":%ui,\"flush_ms\":%M}}\n",
                        class->backlog,
                        class->overflow == NGX_GOIM_OVERFLOW_SKIP ? "skip"
                                                                  : "close",
                        class->max_members, class->flush);

    return ngx_goim_query_send(r, &page, NGX_HTTP_OK);
}


/* A key: the answer */

static size_t
ngx_goim_query_describe(ngx_goim_conn_t *gc, u_char *buf)
{
    u_char                   *p;
    size_t                    n;
    ngx_goim_query_answer_t   a;

    ngx_memzero(&a, sizeof(ngx_goim_query_answer_t));

    a.mid = gc->id->mid;
    a.pid = ngx_pid;
    a.pending = gc->out ? gc->out->end - gc->out->start : 0;
    a.silent = (ngx_current_msec - gc->heartbeat_last) / 1000;
    a.age = (ngx_current_msec - gc->connection->start_time) / 1000;
    a.sent = gc->sent;
    a.dropped = gc->dropped;
    a.naccepts = gc->id->naccepts;
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


/* Lengths are another worker's, so they are checked. */
static ngx_int_t
ngx_goim_query_answer_page(ngx_goim_page_t *page, ngx_str_t *key,
    u_char *data, size_t len)
{
    u_char                   *accepts;
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
    ngx_goim_page_print(page, ",\"mid\":%L,\"transport\":\"%V\",\"pid\":%uL,"
                        "\"room\":", a.mid,
                        &ngx_goim_transport_names[a.transport], a.pid);

    if (a.room_len) {
        ngx_goim_page_string(page, data + sizeof(a), a.room_len);

    } else {
        ngx_goim_page_print(page, "null");
    }

    ngx_goim_page_print(page, ",\"age\":%uD,\"silent\":%uD,\"pending\":%uL,"
                        "\"sent\":%uD,\"skipped\":%uD,\"naccepts\":%uD,"
                        "\"accepts\":[", a.age, a.silent, a.pending, a.sent,
                        a.dropped, a.naccepts);

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

static ngx_int_t
ngx_goim_query_ask(ngx_http_request_t *r, ngx_str_t *key)
{
    uint64_t               slot;
    ngx_http_cleanup_t    *cln;
    goim_channel_board_t  *board;

    static uint64_t        number;

    board = goim_reader_board(ngx_goim_worker.reader);

    if (board == NULL) {
        return ngx_goim_query_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "too many workers to ask");
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_goim_query_cleanup;
    cln->data = r;

    slot = ngx_goim_worker.reader->index;

    ngx_goim_query.request = r;
    ngx_goim_query.key = *key;

    /* boards still show answers to those that had the slot before */

    ngx_goim_query.about = slot << 48 | ((ngx_goim_worker.epoch + ++number)
                                         & 0xffffffffffff);
    ngx_goim_query.end = ngx_current_msec + NGX_GOIM_QUERY_WAIT;

    ngx_goim_query.event.handler = ngx_goim_query_poll_handler;
    ngx_goim_query.event.data = r->connection;
    ngx_goim_query.event.log = r->connection->log;

    goim_mail_write(&board->question, ngx_goim_query.about, key->data,
                    key->len);

    ngx_add_timer(&ngx_goim_query.event, NGX_GOIM_QUERY_POLL);

    r->main->count++;

    return NGX_DONE;
}


/* The request ends, maybe long after its answer: the question may be another
 * one's by then. */
static void
ngx_goim_query_cleanup(void *data)
{
    if (ngx_goim_query.request != data) {
        return;
    }

    if (ngx_goim_query.event.timer_set) {
        ngx_del_timer(&ngx_goim_query.event);
    }

    ngx_goim_query.request = NULL;
}


static void
ngx_goim_query_finish(ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ngx_goim_query.request;
    c = r->connection;

    ngx_goim_query.request = NULL;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/* Some worker's answer to our question, in the buffer. */
static ngx_int_t
ngx_goim_query_collect(size_t *len)
{
    uint32_t               i, used;
    uint64_t               seq, about;
    goim_channel_board_t  *boards;

    boards = ngx_goim_worker.channel->slots->boards;
    used = goim_channel_slots_used(ngx_goim_worker.channel);

    for (i = 0; i < used && i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        if (i != ngx_goim_worker.reader->index
            && goim_mail_read(&boards[i].answer, &seq, &about,
                              ngx_goim_query_buf, len)
               == GOIM_OK
            && about == ngx_goim_query.about)
        {
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}


static void
ngx_goim_query_poll_handler(ngx_event_t *ev)
{
    size_t               len;
    ngx_http_request_t  *r;

    r = ngx_goim_query.request;

    if (ngx_goim_worker.reader && ngx_goim_query_collect(&len) == NGX_OK) {
        ngx_goim_query_finish(ngx_goim_query_answered(r, &ngx_goim_query.key,
                                                      ngx_goim_query_buf,
                                                      len));
        return;
    }

    if ((ngx_msec_int_t) (ngx_goim_query.end - ngx_current_msec) <= 0) {
        ngx_goim_query_finish(ngx_goim_query_error(r, NGX_HTTP_NOT_FOUND,
                                                   "no worker has this key"));
        return;
    }

    ngx_add_timer(ev, NGX_GOIM_QUERY_POLL);
}


static ngx_int_t
ngx_goim_query_key(ngx_http_request_t *r, ngx_str_t *key)
{
    size_t            len;
    ngx_goim_conn_t  *gc;

    gc = ngx_goim_key_find(key->data, key->len);

    if (gc) {
        len = ngx_goim_query_describe(gc, ngx_goim_query_buf);
        return ngx_goim_query_answered(r, key, ngx_goim_query_buf, len);
    }

    if (ngx_goim_query.request) {
        return ngx_goim_query_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "this worker asks about another key, "
                                    "try again");
    }

    return ngx_goim_query_ask(r, key);
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


/*
 * One answer a look: an asker has seen it, or has given up, when the next one
 * takes its place.
 */
void
ngx_goim_query_look(void)
{
    size_t                 len;
    uint32_t               i, used;
    uint64_t               seq, about;
    ngx_goim_conn_t       *gc;
    goim_channel_board_t  *boards, *own;

    if (ngx_goim_worker.reader == NULL) {
        return;
    }

    own = goim_reader_board(ngx_goim_worker.reader);
    boards = ngx_goim_worker.channel->slots->boards;
    used = goim_channel_slots_used(ngx_goim_worker.channel);

    for (i = 0; own && i < used && i < GOIM_CHANNEL_ROOM_SLOTS; i++) {

        if (goim_mail_read(&boards[i].question, &seq, &about,
                           ngx_goim_query_buf, &len)
            != GOIM_OK
            || seq == ngx_goim_query_seen[i])
        {
            continue;
        }

        ngx_goim_query_seen[i] = seq;

        gc = ngx_goim_key_find(ngx_goim_query_buf, len);
        if (gc == NULL) {
            continue;
        }

        len = ngx_goim_query_describe(gc, ngx_goim_query_buf);
        goim_mail_write(&own->answer, about, ngx_goim_query_buf, len);

        return;
    }
}
