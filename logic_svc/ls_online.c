/*
 * Keeps the counts, and answers /goim/online; see ls_online.h.
 *
 * A summing up ("turn") adds to rooms' next counts; when it has ended well,
 * they become the counts.  A room that no turn has told of for a while is
 * dropped.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM  1
#include <uthash.h>

#include "goim_time.h"
#include "ls_endpoints.h"
#include "ls_json.h"
#include "ls_online.h"


#define LS_ONLINE_TURN_US   1000000
#define LS_ONLINE_SHARE     20      /* a turn takes at most 1/20 of the time */
#define LS_ONLINE_FRESH_MS  30000

/* turns: how long a change is told of, and an empty room is kept */
#define LS_ONLINE_LATELY    3
#define LS_ONLINE_KEPT      60

/* of an answer to a report, which may have 512 KB */
#define LS_ONLINE_LATE_ROOMS  1000
#define LS_ONLINE_BYTES       (400 * 1024)


typedef struct {
    UT_hash_handle  hh;
    uint32_t        members;
    uint32_t        next;     /* what the present turn has added up */
    uint64_t        turn;     /* the turn that next belongs to */
    uint64_t        changed;  /* the turn that changed members */
    uint32_t        len;
    char            name[];   /* NUL behind */
} ls_online_room_t;


struct ls_online_s {
    ls_t                *ls;
    struct event        *timer;
    ls_online_room_t    *rooms;
    uint64_t             nrooms;      /* with members */
    uint64_t             turn;
    uint64_t             started_us;  /* the present turn, 0: none */
    int                  broken;      /* no memory in the present turn */
    uint64_t             updated_ms;

    ls_online_server_t  *servers;
    size_t               nservers;
    ls_online_server_t  *next;        /* of the present turn */
    size_t               nnext;

    ls_online_room_t    *lately[LS_ONLINE_LATE_ROOMS];
    size_t               nlately;
};


static ls_online_room_t *
ls_online_find(ls_online_t *o, const void *name, size_t len)
{
    ls_online_room_t  *room;

    HASH_FIND(hh, o->rooms, name, len, room);

    return room;
}


static ls_online_room_t *
ls_online_add(ls_online_t *o, goim_str_t name)
{
    ls_online_room_t  *room;

    room = calloc(1, sizeof(ls_online_room_t) + name.len + 1);
    if (room == NULL) {
        return NULL;
    }

    memcpy(room->name, name.data, name.len);
    room->len = name.len;

    HASH_ADD_KEYPTR(hh, o->rooms, room->name, room->len, room);

    if (room->hh.tbl == NULL) {
        free(room);
        return NULL;
    }

    return room;
}


static void
ls_online_take_room(void *data, goim_str_t name, uint32_t members)
{
    ls_online_t       *o = data;
    ls_online_room_t  *room;

    room = ls_online_find(o, name.data, name.len);

    if (room == NULL) {
        room = ls_online_add(o, name);
        if (room == NULL) {
            o->broken = 1;
            return;
        }
    }

    if (room->turn != o->turn) {
        room->turn = o->turn;
        room->next = 0;
    }

    room->next += members;
}


static void
ls_online_take_server(void *data, const ls_session_server_t *server)
{
    ls_online_t         *o = data;
    ls_online_server_t  *s;

    if (server->server.len > LS_REPORT_NAME) {
        return;
    }

    s = realloc(o->next, (o->nnext + 1) * sizeof(ls_online_server_t));
    if (s == NULL) {
        o->broken = 1;
        return;
    }

    o->next = s;
    s += o->nnext++;

    memset(s, 0, sizeof(ls_online_server_t));
    memcpy(s->server, server->server.data, server->server.len);
    s->conns = server->conns;
    s->addrs = server->addrs;
}


/* The turn's counts become the counts. */
static void
ls_online_settle(ls_online_t *o)
{
    ls_online_room_t  *room, *tmp;

    o->nlately = 0;
    o->nrooms = 0;

    HASH_ITER(hh, o->rooms, room, tmp) {

        if (room->turn != o->turn) {
            room->next = 0;
            room->turn = o->turn;
        }

        if (room->next != room->members) {
            room->members = room->next;
            room->changed = o->turn;
        }

        o->nrooms += room->members != 0;

        if (room->members == 0 && room->changed + LS_ONLINE_KEPT < o->turn) {
            HASH_DEL(o->rooms, room);
            free(room);
            continue;
        }

        if (room->changed + LS_ONLINE_LATELY > o->turn
            && o->nlately < LS_ONLINE_LATE_ROOMS)
        {
            o->lately[o->nlately++] = room;
        }
    }

    free(o->servers);
    o->servers = o->next;
    o->nservers = o->nnext;
    o->next = NULL;
    o->nnext = 0;

    o->updated_ms = goim_time_wall_ms();
}


static void
ls_online_turn_done(void *data, int rc)
{
    uint64_t         us;
    ls_online_t     *o = data;
    struct timeval   pause;

    if (rc == GOIM_OK && !o->broken) {
        ls_online_settle(o);
    }

    us = (goim_time_us() - o->started_us) * LS_ONLINE_SHARE;

    if (us < LS_ONLINE_TURN_US) {
        us = LS_ONLINE_TURN_US;
    }

    o->started_us = 0;

    pause.tv_sec = us / 1000000;
    pause.tv_usec = us % 1000000;

    (void) evtimer_add(o->timer, &pause);
}


static void
ls_online_turn(evutil_socket_t fd, short what, void *data)
{
    ls_online_t  *o = data;

    static const ls_session_online_t  visitor = {
        ls_online_take_server, ls_online_take_room, ls_online_turn_done
    };

    (void) fd;
    (void) what;

    if (o->ls->session == NULL) {
        return;
    }

    o->turn++;
    o->started_us = goim_time_us();
    o->broken = 0;
    o->nnext = 0;

    ls_session_online(o->ls->session, &visitor, o);
}


ls_online_t *
ls_online_create(ls_t *ls)
{
    ls_online_t     *o;
    struct timeval   now = { 0, 0 };

    o = calloc(1, sizeof(ls_online_t));
    if (o == NULL) {
        return NULL;
    }

    o->ls = ls;
    o->timer = evtimer_new(ls->base, ls_online_turn, o);

    if (o->timer == NULL || evtimer_add(o->timer, &now) == -1) {
        ls_online_destroy(o);
        return NULL;
    }

    return o;
}


void
ls_online_destroy(ls_online_t *o)
{
    ls_online_room_t  *room, *tmp;

    if (o == NULL) {
        return;
    }

    HASH_ITER(hh, o->rooms, room, tmp) {
        HASH_DEL(o->rooms, room);
        free(room);
    }

    if (o->timer) {
        event_free(o->timer);
    }

    free(o->servers);
    free(o->next);
    free(o);
}


int
ls_online_is_fresh(const ls_online_t *o)
{
    return o->updated_ms
           && goim_time_wall_ms() - o->updated_ms < LS_ONLINE_FRESH_MS;
}


ls_online_server_t *
ls_online_servers(ls_online_t *o, size_t *n)
{
    *n = o->nservers;

    return o->servers;
}


uint64_t
ls_online_updated_ms(const ls_online_t *o)
{
    return o->updated_ms;
}


uint64_t
ls_online_rooms(const ls_online_t *o)
{
    return o->nrooms;
}


static void
ls_online_add_line(struct evbuffer *buf, const void *name, size_t len,
    uint32_t members)
{
    char            line[3 * LS_REPORT_NAME + 32];
    size_t          i;
    char           *p;
    const uint8_t  *s = name;

    static const char  hex[] = "0123456789ABCDEF";

    p = line + sprintf(line, "room ");

    for (i = 0; i < len && i < LS_REPORT_NAME; i++) {
        if (s[i] > ' ' && s[i] < 127 && strchr("%?#", s[i]) == NULL) {
            *p++ = s[i];
            continue;
        }

        *p++ = '%';
        *p++ = hex[s[i] >> 4];
        *p++ = hex[s[i] & 0xf];
    }

    p += sprintf(p, " %u\n", (unsigned) members);

    evbuffer_add(buf, line, p - line);
}


void
ls_online_add_rooms(ls_online_t *o, const ls_report_t *report,
    struct evbuffer *buf)
{
    size_t             i;
    ls_online_room_t  *room;

    if (!ls_online_is_fresh(o)) {
        return;
    }

    for (i = 0; i < o->nlately; i++) {
        room = o->lately[i];
        ls_online_add_line(buf, room->name, room->len, room->members);
    }

    for (i = 0; i < report->nrooms; i++) {
        room = ls_online_find(o, report->rooms[i].name.data,
                              report->rooms[i].name.len);

        if (evbuffer_get_length(buf) > LS_ONLINE_BYTES) {
            break;
        }

        /* what nobody has summed up yet the worker knows better */

        if (room && room->members >= report->rooms[i].members
            && room->changed + LS_ONLINE_LATELY <= o->turn)
        {
            ls_online_add_line(buf, room->name, room->len, room->members);
        }
    }
}


/* Answers a call if the counts can't be told. */
static int
ls_online_or_answer(ls_call_t *call)
{
    if (ls_online_is_fresh(call->ls->online)) {
        return 1;
    }

    ls_call_result(call, LS_CODE_SERVER, "the session store can't be reached");

    return 0;
}


/* --- /goim/online/top */

/*
 * What goim's URL parser calls the host of a room: behind "://", up to "/",
 * "?" or "#", and behind an "@".  GOIM_INVALID: it is no URL.
 */
static int
ls_online_host(const ls_online_room_t *room, goim_str_t *host)
{
    size_t       len;
    const char  *p, *at;

    static const char  letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    len = strspn(room->name, "abcdefghijklmnopqrstuvwxyz"
                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (len == 0 || strchr(letters, room->name[0]) == NULL
        || strncmp(room->name + len, "://", 3) != 0)
    {
        return GOIM_INVALID;
    }

    p = room->name + len + 3;
    len = strcspn(p, "/?#");

    at = memchr(p, '@', len);

    if (at) {
        len -= at + 1 - p;
        p = at + 1;
    }

    host->data = (const uint8_t *) p;
    host->len = len;

    return GOIM_OK;
}


static int
ls_online_compare(const void *one, const void *two)
{
    const ls_online_room_t  *a = *(ls_online_room_t *const *) one;
    const ls_online_room_t  *b = *(ls_online_room_t *const *) two;

    if (a->members != b->members) {
        return a->members > b->members ? -1 : 1;
    }

    return strcmp(a->name, b->name);
}


/* Rooms with members whose name begins with type, the largest first. */
static ls_online_room_t **
ls_online_sorted(ls_online_t *o, goim_str_t type, size_t *n)
{
    ls_online_room_t  *room, *tmp, **sorted;

    *n = 0;

    sorted = malloc((o->nrooms + 1) * sizeof(ls_online_room_t *));
    if (sorted == NULL) {
        return NULL;
    }

    HASH_ITER(hh, o->rooms, room, tmp) {
        if (room->members && room->len >= type.len
            && memcmp(room->name, type.data, type.len) == 0)
        {
            sorted[(*n)++] = room;
        }
    }

    qsort(sorted, *n, sizeof(ls_online_room_t *), ls_online_compare);

    return sorted;
}


static void
ls_online_write_top(struct evbuffer *buf, ls_online_room_t **sorted, size_t n,
    size_t limit)
{
    size_t       i, written;
    goim_str_t   host;

    evbuffer_add(buf, "[", 1);

    for (i = 0, written = 0; i < n && written < limit; i++) {
        if (ls_online_host(sorted[i], &host) != GOIM_OK) {
            continue;
        }

        evbuffer_add_printf(buf, "%s{\"room_id\":", written++ ? "," : "");
        ls_json_string(buf, host.data, host.len);
        evbuffer_add_printf(buf, ",\"count\":%u}",
                            (unsigned) sorted[i]->members);
    }

    evbuffer_add(buf, "]", 1);
}


void
ls_online_top(ls_call_t *call)
{
    size_t              n;
    int64_t             limit;
    goim_str_t          type, value;
    struct evbuffer    *buf;
    ls_online_room_t  **sorted;

    type = ls_query_get(&call->query, "type");
    value = ls_query_get(&call->query, "limit");

    if (type.len == 0) {
        ls_call_bad_query(call, "type: it is required");
        return;
    }

    if (ls_query_number(&value, 1, INT32_MAX, &limit) != GOIM_OK
        || limit == 0)
    {
        ls_call_bad_query(call, "limit: it is required, and must be a number "
                          "from 1 to 2147483647");
        return;
    }

    if (!ls_online_or_answer(call)) {
        return;
    }

    sorted = ls_online_sorted(call->ls->online, type, &n);
    if (sorted == NULL) {
        ls_call_result(call, LS_CODE_SERVER, "no memory");
        return;
    }

    buf = ls_call_data(call);

    if (buf) {
        ls_online_write_top(buf, sorted, n, limit);
        ls_call_send_data(call, buf);
    }

    free(sorted);
}


/* --- /goim/online/room */

static uint32_t
ls_online_members(ls_online_t *o, goim_str_t type, goim_str_t id)
{
    int                len;
    char               name[LS_REPORT_NAME + 1];
    ls_online_room_t  *room;

    len = snprintf(name, sizeof(name), "%.*s://%.*s", (int) type.len,
                   type.data, (int) id.len, id.data);

    if (len > LS_REPORT_NAME) {
        return 0;
    }

    room = ls_online_find(o, name, len);

    return room ? room->members : 0;
}


static int
ls_online_compare_ids(const void *one, const void *two)
{
    return strcmp((const char *) ((const goim_str_t *) one)->data,
                  (const char *) ((const goim_str_t *) two)->data);
}


static void
ls_online_write_rooms(struct evbuffer *buf, ls_online_t *o, goim_str_t type,
    const goim_str_t *ids, size_t n)
{
    size_t  i, written;

    evbuffer_add(buf, "{", 1);

    for (i = 0, written = 0; i < n; i++) {
        if (i && ls_online_compare_ids(&ids[i - 1], &ids[i]) == 0) {
            continue;
        }

        evbuffer_add(buf, ",", written++ != 0);
        ls_json_string(buf, ids[i].data, ids[i].len);
        evbuffer_add_printf(buf, ":%u",
                            (unsigned) ls_online_members(o, type, ids[i]));
    }

    evbuffer_add(buf, "}", 1);
}


void
ls_online_room(ls_call_t *call)
{
    size_t            n;
    goim_str_t        type, *ids;
    struct evbuffer  *buf;

    type = ls_query_get(&call->query, "type");

    if (type.len == 0) {
        ls_call_bad_query(call, "type: it is required");
        return;
    }

    if (ls_query_list(&call->query, "rooms", &ids, &n) != GOIM_OK) {
        ls_call_result(call, LS_CODE_SERVER, "no memory");
        return;
    }

    if (n == 0) {
        ls_call_bad_query(call, "rooms: at least one is required; several are "
                          "given as rooms=1&rooms=2");

    } else if (ls_online_or_answer(call)) {
        buf = ls_call_data(call);

        if (buf) {
            qsort(ids, n, sizeof(goim_str_t), ls_online_compare_ids);
            ls_online_write_rooms(buf, call->ls->online, type, ids, n);
            ls_call_send_data(call, buf);
        }
    }

    free(ids);
}


/* --- /goim/online/total */

void
ls_online_total(ls_call_t *call)
{
    size_t            i;
    uint64_t          conns, addrs;
    ls_online_t      *o = call->ls->online;
    struct evbuffer  *buf;

    if (!ls_online_or_answer(call)) {
        return;
    }

    for (conns = 0, addrs = 0, i = 0; i < o->nservers; i++) {
        conns += o->servers[i].conns;
        addrs += o->servers[i].addrs;
    }

    buf = ls_call_data(call);

    if (buf) {
        evbuffer_add_printf(buf, "{\"conn_count\":%llu,\"ip_count\":%llu}",
                            (unsigned long long) conns,
                            (unsigned long long) addrs);
        ls_call_send_data(call, buf);
    }
}


/* --- /1/count */

/* The number of a room of v1: "<room_type>://<n>"; -1: it is none of them. */
static int64_t
ls_online_v1_number(const ls_online_room_t *room, const char *type)
{
    char       *end;
    size_t      len;
    long long   n;

    len = strlen(type);

    if (strncmp(room->name, type, len) != 0
        || strncmp(room->name + len, "://", 3) != 0
        || room->name[len + 3] < '0' || room->name[len + 3] > '9')
    {
        return -1;
    }

    n = strtoll(room->name + len + 3, &end, 10);

    return *end == '\0' && n <= INT32_MAX ? n : -1;
}


static void
ls_online_write_v1_rooms(struct evbuffer *buf, ls_online_t *o,
    const char *type)
{
    int64_t            n;
    size_t             written;
    ls_online_room_t  *room, *tmp;

    written = 0;

    HASH_ITER(hh, o->rooms, room, tmp) {
        n = ls_online_v1_number(room, type);

        if (n != -1 && room->members) {
            evbuffer_add_printf(buf, "%s{\"RoomId\":%d,\"Count\":%u}",
                                written++ ? "," : "", (int) n,
                                (unsigned) room->members);
        }
    }
}


static void
ls_online_write_v1_servers(struct evbuffer *buf, ls_online_t *o)
{
    char    *end;
    long     n;
    size_t   i, written;

    written = 0;

    for (i = 0; i < o->nservers; i++) {
        n = strtol(o->servers[i].server, &end, 10);

        if (end != o->servers[i].server && *end == '\0') {
            evbuffer_add_printf(buf, "%s{\"Server\":%ld,\"Count\":%llu}",
                                written++ ? "," : "", n,
                                (unsigned long long) o->servers[i].conns);
        }
    }
}


/* goim v1's: rooms and servers that are numbers, as all were then. */
void
ls_online_v1_count(ls_call_t *call)
{
    goim_str_t        type;
    ls_online_t      *o = call->ls->online;
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf == NULL || !ls_online_is_fresh(o)) {
        ls_push_v1_result(call, GOIM_AGAIN);
        goto done;
    }

    type = ls_query_get(&call->query, "type");

    if (type.len == 4 && memcmp(type.data, "room", 4) == 0) {
        evbuffer_add(buf, "{\"data\":[", 9);
        ls_online_write_v1_rooms(buf, o, call->ls->conf->v1_room_type);
        evbuffer_add(buf, "],\"ret\":1}", 10);

    } else if (type.len == 6 && memcmp(type.data, "server", 6) == 0) {
        evbuffer_add(buf, "{\"data\":[", 9);
        ls_online_write_v1_servers(buf, o);
        evbuffer_add(buf, "],\"ret\":1}", 10);

    } else {
        ls_push_v1_result(call, GOIM_OK);
        goto done;
    }

    ls_call_reply(call, 200, LS_HTTP_TEXT, buf);

done:

    if (buf) {
        evbuffer_free(buf);
    }
}
