/*
 * Any bytes as the answers to a worker's session reports, while connections
 * come and go.  A count is taken for the room that it names alone, "resync"
 * begins a new epoch, and each report is lines that logic understands.
 *
 * An input is a list of steps: a byte says what happens, and for an answer
 * another one a quarter of its length.
 */

#include <stdio.h>

#include "ngx_goim_fuzz.h"


#define FUZZ_ROOMS  4
#define FUZZ_CONNS  4


static ngx_http_goim_main_conf_t   fuzz_conf;
static ngx_cycle_t                 fuzz_cycle;
static goim_channel_slot_t         fuzz_slot;
static goim_reader_t               fuzz_reader;
static ngx_log_t                   fuzz_log;
static ngx_goim_room_t            *fuzz_rooms[FUZZ_ROOMS];
static ngx_goim_conn_t             fuzz_conns[FUZZ_CONNS];
static ngx_goim_conn_t            *fuzz_list[FUZZ_CONNS];
static ngx_connection_t            fuzz_connection;
static ngx_event_t                *fuzz_timer;
static ngx_goim_uplink_t           fuzz_uplink;
static ngx_uint_t                  fuzz_asked;
static uint64_t                    fuzz_epoch;

ngx_module_t                  ngx_http_goim_module;
ngx_goim_worker_t             ngx_goim_worker;
ngx_str_t                     ngx_goim_transport_names[NGX_GOIM_TRANSPORTS] = {
    ngx_string("websocket"), ngx_string("tcp")
};
volatile ngx_msec_t           ngx_current_msec;
volatile ngx_time_t          *ngx_cached_time = &(ngx_time_t) { .sec = 1 };
ngx_rbtree_t                  ngx_event_timer_rbtree;


/* --- what reports call */

void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    (void) tree;

    fuzz_timer = (ngx_event_t *) ((u_char *) node
                                  - offsetof(ngx_event_t, timer));
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    (void) tree;
    (void) node;
}


/* Those formats that a report has. */
u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    va_list     args;
    ngx_str_t  *str;

    va_start(args, fmt);

    while (*fmt) {

        if (*fmt != '%') {
            *buf++ = *fmt++;

        } else if (fmt[1] == 'V') {
            str = va_arg(args, ngx_str_t *);
            buf = ngx_cpymem(buf, str->data, str->len);
            fmt += 2;

        } else if (fmt[1] == 's') {
            buf += sprintf((char *) buf, "%s", va_arg(args, char *));
            fmt += 2;

        } else if (ngx_strncmp(fmt, "%uL", 3) == 0) {
            buf += sprintf((char *) buf, "%llu",
                           (unsigned long long) va_arg(args, uint64_t));
            fmt += 3;

        } else {
            check(ngx_strncmp(fmt, "%uD", 3) == 0);
            buf += sprintf((char *) buf, "%u", va_arg(args, uint32_t));
            fmt += 3;
        }
    }

    va_end(args);

    return buf;
}


/* Names here need none. */
uintptr_t
ngx_escape_uri(u_char *dst, u_char *src, size_t size, ngx_uint_t type)
{
    check(type == NGX_ESCAPE_URI);

    return (uintptr_t) ngx_cpymem(dst, src, size);
}


/* As nginx has it: writes no more than it reads. */
void
ngx_unescape_uri(u_char **dst, u_char **src, size_t size, ngx_uint_t type)
{
    char     hex[3] = "";
    u_char  *s, *last;

    check(type == 0);

    last = *src + size;

    for (s = *src; s < last; s++) {

        if (*s == '%' && last - s > 2 && isxdigit(s[1]) && isxdigit(s[2])) {
            ngx_memcpy(hex, s + 1, 2);
            *(*dst)++ = (u_char) strtol(hex, NULL, 16);
            s += 2;

        } else {
            *(*dst)++ = *s;
        }
    }

    *src = last;
}


ngx_int_t
ngx_atoi(u_char *line, size_t n)
{
    ngx_int_t  value;

    if (n == 0) {
        return NGX_ERROR;
    }

    for (value = 0; n--; line++) {

        if (*line < '0' || *line > '9'
            || value > (NGX_MAX_INT_T_VALUE - 9) / 10)
        {
            return NGX_ERROR;
        }

        value = value * 10 + (*line - '0');
    }

    return value;
}


ngx_int_t
ngx_goim_conn_grow(ngx_goim_conn_t ***conns, uint32_t n, uint32_t *nalloc,
    ngx_log_t *log)
{
    (void) log;

    if (n == *nalloc) {
        *nalloc = n ? n * 2 : 1;
        *conns = realloc(*conns, *nalloc * sizeof(ngx_goim_conn_t *));
    }

    return *conns ? NGX_OK : NGX_ERROR;
}


size_t
ngx_goim_conn_id(ngx_goim_conn_t *gc, u_char *buf)
{
    *buf = 'a' + (gc - fuzz_conns);

    return 1;
}


u_char *
ngx_goim_identity_print_mid(u_char *p, int64_t mid)
{
    return p + sprintf((char *) p, "%lld", (long long) mid);
}


const char *
ngx_goim_status_reason(ngx_goim_reason_e reason)
{
    (void) reason;

    return "client";
}


/* The rooms of a worker: a bucket for each. */
uint32_t
ngx_goim_room_table_size(void)
{
    return FUZZ_ROOMS;
}


ngx_goim_room_t *
ngx_goim_room_bucket(uint32_t bucket)
{
    check(bucket < FUZZ_ROOMS);

    return fuzz_rooms[bucket];
}


ngx_goim_room_t *
ngx_goim_room_find(uint64_t hash, const u_char *name, size_t len)
{
    ngx_uint_t  i;

    check(hash == goim_room_name_hash(name, len));

    for (i = 0; i < FUZZ_ROOMS; i++) {
        if (fuzz_rooms[i]->name_len == len
            && ngx_memcmp(fuzz_rooms[i]->name, name, len) == 0)
        {
            return fuzz_rooms[i];
        }
    }

    return NULL;
}


uint64_t
ngx_goim_room_online(ngx_goim_room_t *room)
{
    return room->nmembers;
}


/* --- a report, and its answer */

/* "session 1 comet 0 <epoch> complete <n>", then lines with known names. */
static void
check_report(const u_char *p, size_t len)
{
    size_t               i;
    const u_char        *end, *last;
    unsigned long long   epoch;

    static const char *const  names[] = {
        "connect ", "disconnect ", "renew ", "room "
    };

    last = p + len;
    check(len > 0 && last[-1] == '\n');
    check(sscanf((const char *) p, "session 1 comet 0 %llu ", &epoch) == 1);
    check(epoch >= fuzz_epoch);
    fuzz_epoch = epoch;

    while ((p = memchr(p, '\n', last - p)) != NULL && ++p < last) {

        for (i = 0; i < 4; i++) {
            if (ngx_strncmp(p, names[i], ngx_strlen(names[i])) == 0) {
                break;
            }
        }

        end = memchr(p, '\n', last - p);
        check(i < 4 && end != NULL);
    }
}


ngx_goim_uplink_t *
ngx_goim_uplink_start(ngx_goim_uplink_request_t *ur)
{
    u_char  *copy;

    check(!fuzz_asked);

    copy = malloc(ur->len + 1);
    check(copy != NULL);
    *ngx_cpymem(copy, ur->body, ur->len) = '\0';
    check_report(copy, ur->len);
    free(copy);

    ngx_memzero(&fuzz_uplink, sizeof(ngx_goim_uplink_t));
    fuzz_uplink.done = ur->done;
    fuzz_asked = 1;

    return &fuzz_uplink;
}


void
ngx_goim_uplink_end(ngx_goim_uplink_t *up)
{
    (void) up;
}


static void
fuzz_answer(ngx_uint_t status, ngx_uint_t cut, const uint8_t *data, size_t len)
{
    ngx_uint_t  i;

    if (!fuzz_asked) {
        return;
    }

    fuzz_asked = 0;
    fuzz_uplink.status = status;
    fuzz_uplink.cut = cut;
    fuzz_uplink.whole = 1;

    /* of its exact size, and none if it is empty */

    if (len && ngx_goim_out_append(&fuzz_uplink.answer, data, len) != NGX_OK) {
        return;
    }

    fuzz_uplink.answer_len = len;
    fuzz_uplink.done(&fuzz_uplink);
    ngx_goim_out_free(&fuzz_uplink.answer);

    for (i = 0; i < FUZZ_ROOMS; i++) {
        check(fuzz_rooms[i]->online <= NGX_MAX_INT32_VALUE);
        check(fuzz_rooms[i]->online == 0 || fuzz_rooms[i]->online_at);
        check(ngx_goim_session_online(fuzz_rooms[i]) <= NGX_MAX_INT32_VALUE);
    }
}


static void
fuzz_turn(void)
{
    ngx_event_t  *ev;

    ngx_current_msec += 31000;

    ev = fuzz_timer;
    fuzz_timer = NULL;

    if (ev) {
        ev->timer_set = 0;
        ev->handler(ev);
    }
}


static void
fuzz_connect(ngx_uint_t n)
{
    uint32_t          i;
    ngx_goim_conn_t  *gc;

    gc = &fuzz_conns[n];

    if (gc->state == NGX_GOIM_STATE_OPEN) {
        gc->state = NGX_GOIM_STATE_CLOSING;
        ngx_goim_session_disconnect(gc, NGX_GOIM_BY_CLIENT);

        for (i = 0; ngx_goim_worker.conns[i] != gc; i++) {
            /* void */
        }

        ngx_goim_worker.conns[i]
            = ngx_goim_worker.conns[--ngx_goim_worker.nconns];
        return;
    }

    gc->state = NGX_GOIM_STATE_OPEN;
    ngx_goim_worker.conns[ngx_goim_worker.nconns++] = gc;
    ngx_goim_session_connect(gc);
}


static void
fuzz_set_up(void)
{
    size_t      len;
    ngx_uint_t  i;

    static const char *const  names[FUZZ_ROOMS] = {
        "live://1", "live://2", "a b%\xff", "x"
    };

    ngx_str_set(&fuzz_conf.server_id, "comet");
    ngx_str_set(&fuzz_conf.session_uri, "/session");
    fuzz_conf.session_interval = 1000;
    fuzz_conf.session_renew = 60000;
    fuzz_cycle.log = &fuzz_log;
    fuzz_connection.log = &fuzz_log;
    ngx_str_set(&fuzz_connection.addr_text, "127.0.0.1");

    ngx_goim_worker.conf = &fuzz_conf;
    ngx_goim_worker.cycle = &fuzz_cycle;
    ngx_goim_worker.reader = &fuzz_reader;
    fuzz_reader.slot = &fuzz_slot;
    ngx_goim_worker.conns = fuzz_list;
    ngx_goim_worker.epoch = 1;

    for (i = 0; i < FUZZ_ROOMS; i++) {
        len = ngx_strlen(names[i]);
        fuzz_rooms[i] = calloc(1, sizeof(ngx_goim_room_t) + len);
        check(fuzz_rooms[i] != NULL);
        fuzz_rooms[i]->nmembers = i;
        fuzz_rooms[i]->name_len = len;
        ngx_memcpy(fuzz_rooms[i]->name, names[i], len);
    }

    for (i = 0; i < FUZZ_CONNS; i++) {
        fuzz_conns[i].connection = &fuzz_connection;
        fuzz_conns[i].id = calloc(1, sizeof(ngx_goim_identity_t) + 8);
        check(fuzz_conns[i].id != NULL);
        fuzz_conns[i].id->key_len = 1;
        fuzz_conns[i].id->mid = INT64_MIN;
        ngx_goim_identity_key(fuzz_conns[i].id)[0] = 'k';
    }

    ngx_goim_session_init();
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      len;
    uint8_t     step;
    ngx_uint_t  i;

    if (fuzz_conf.session_uri.len == 0) {
        fuzz_set_up();
    }

    while (size) {
        step = *data++;
        size--;

        switch (step % 4) {

        case 0:
            fuzz_turn();
            break;

        case 1:
            fuzz_connect(step / 4 % FUZZ_CONNS);
            break;

        default:
            len = size ? ngx_min(4 * (size_t) data[0], size - 1) : 0;
            data += size != 0;
            size -= size != 0;
            fuzz_turn();
            fuzz_answer(step % 32 > 3 ? NGX_HTTP_OK : NGX_HTTP_BAD_GATEWAY,
                        step & 128, data, len);
            data += len;
            size -= len;
            break;
        }
    }

    /* the next one begins with what this one began with */

    for (i = 0; i < FUZZ_CONNS; i++) {
        if (fuzz_conns[i].state == NGX_GOIM_STATE_OPEN) {
            fuzz_connect(i);
        }
    }

    fuzz_answer(NGX_HTTP_OK, 0, NULL, 0);
    fuzz_turn();
    fuzz_answer(NGX_HTTP_OK, 0, NULL, 0);

    return 0;
}
