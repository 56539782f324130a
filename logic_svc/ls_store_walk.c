/*
 * A walk through the comets that have their place on a Redis server: one
 * after another, the rooms of some of its slots at a time, in pieces.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_name_map.h"
#include "ls_store.h"


#define LS_STORE_WALK_SCANS  4     /* at the same time */
#define LS_STORE_WALK_PIECE  1000  /* rooms */


typedef struct ls_store_walk_s  ls_store_walk_t;


/* Strings that are copied out of a reply. */
typedef struct {
    goim_str_t  *strings;
    size_t       n;
    uint8_t     *memory;
} ls_store_list_t;


/* The rooms of one slot's epoch. */
typedef struct {
    ls_store_walk_t     *walk;
    goim_str_t           id;
    ls_redis_command_t   command;
    char                 cursor[24];
    ls_name_map_t        seen;  /* a scan may tell of something twice */
} ls_store_scan_t;


struct ls_store_walk_s {
    ls_store_t                *st;
    unsigned                   server;
    const ls_store_visitor_t  *visitor;
    void                      *data;
    ls_redis_command_t         command;

    ls_store_list_t            comets;
    size_t                     comet;   /* the next one */
    ls_store_list_t            epochs;  /* of the one before it */
    size_t                     epoch;   /* the next one */
    unsigned                   scans;   /* under way, and who starts them */
    unsigned                   failed:1;
};


static void ls_store_walk_go_on(ls_store_walk_t *w);


static void
ls_store_list_free(ls_store_list_t *list)
{
    free(list->strings);
    free(list->memory);
    memset(list, 0, sizeof(ls_store_list_t));
}


static int
ls_store_list_take(ls_store_list_t *list, const redisReply *reply)
{
    size_t      i, size;
    uint8_t    *p;
    goim_str_t  s;

    ls_store_list_free(list);

    if (reply->type != REDIS_REPLY_ARRAY) {
        return GOIM_INVALID;
    }

    size = 0;

    for (i = 0; i < reply->elements; i++) {
        size += ls_store_element(reply, i).len;
    }

    list->strings = calloc(reply->elements + 1, sizeof(goim_str_t));
    list->memory = malloc(size + 1);

    if (list->strings == NULL || list->memory == NULL) {
        ls_store_list_free(list);
        return GOIM_NOMEM;
    }

    p = list->memory;

    for (i = 0; i < reply->elements; i++) {
        s = ls_store_element(reply, i);
        memcpy(p, s.data, s.len);
        list->strings[i].data = p;
        list->strings[i].len = s.len;
        p += s.len;
    }

    list->n = reply->elements;

    return GOIM_OK;
}


static void
ls_store_walk_end(ls_store_walk_t *w)
{
    w->visitor->end(w->data, w->failed ? GOIM_AGAIN : GOIM_OK);

    ls_redis_command_done(&w->command);
    ls_store_list_free(&w->comets);
    ls_store_list_free(&w->epochs);
    free(w);
}


/* One slot's rooms */

static void
ls_store_walk_leave(ls_store_walk_t *w)
{
    if (--w->scans == 0) {
        ls_store_walk_go_on(w);
    }
}


static void ls_store_scan_next(ls_store_scan_t *scan);


static void
ls_store_scan_end(ls_store_scan_t *scan)
{
    ls_store_walk_t  *w;

    w = scan->walk;

    ls_name_map_clear(&scan->seen);
    ls_redis_command_done(&scan->command);
    free(scan);

    ls_store_walk_leave(w);
}


/* Whether the room has not been told of. */
static int
ls_store_scan_is_new(ls_store_scan_t *scan, goim_str_t name)
{
    ls_name_map_entry_t  *e;

    e = ls_name_map_get(&scan->seen, name);
    if (e == NULL) {
        scan->walk->failed = 1;
        return 0;
    }

    return e->count++ == 0;
}


static void
ls_store_scan_on_reply(void *data, int rc, const redisReply *reply)
{
    int                whole;
    size_t             i;
    goim_str_t         name, cursor;
    ls_store_scan_t   *scan = data;
    ls_store_walk_t   *w;
    const redisReply  *list;

    w = scan->walk;

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2)
    {
        w->failed = 1;
        ls_store_scan_end(scan);
        return;
    }

    cursor = ls_store_element(reply, 0);
    list = reply->element[1];
    whole = strcmp(scan->cursor, "0") == 0 && cursor.len == 1
            && cursor.data[0] == '0';

    if (list->type == REDIS_REPLY_ARRAY) {

        for (i = 0; i + 1 < list->elements; i += 2) {
            name = ls_store_element(list, i);

            if (whole || ls_store_scan_is_new(scan, name)) {
                w->visitor->room(w->data, name,
                                 (uint32_t) ls_store_element_number(list,
                                                                    i + 1));
            }
        }
    }

    if (cursor.len == 0 || cursor.len >= sizeof(scan->cursor)
        || (cursor.len == 1 && cursor.data[0] == '0'))
    {
        ls_store_scan_end(scan);
        return;
    }

    memcpy(scan->cursor, cursor.data, cursor.len);
    scan->cursor[cursor.len] = '\0';
    ls_store_scan_next(scan);
}


static void
ls_store_scan_next(ls_store_scan_t *scan)
{
    ls_redis_command_text(&scan->command, "HSCAN");
    ls_redis_command_join(&scan->command, "goim:rooms:", scan->id.data,
                          scan->id.len);
    ls_redis_command_text(&scan->command, scan->cursor);
    ls_redis_command_text(&scan->command, "COUNT");
    ls_redis_command_unsigned(&scan->command, LS_STORE_WALK_PIECE);

    ls_store_call_bulk(scan->walk->st, scan->walk->server, &scan->command,
                       ls_store_scan_on_reply, scan);
}


static void
ls_store_walk_scan(ls_store_walk_t *w, goim_str_t id)
{
    ls_store_scan_t  *scan;

    scan = calloc(1, sizeof(ls_store_scan_t));
    if (scan == NULL) {
        w->failed = 1;
        return;
    }

    scan->walk = w;
    scan->id = id;
    strcpy(scan->cursor, "0");
    w->scans++;

    ls_store_scan_next(scan);
}


/* One comet after another */

static void
ls_store_walk_on_comet(void *data, int rc, const redisReply *reply)
{
    ls_store_walk_t      *w = data;
    ls_session_server_t   server;

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 4
        || ls_store_list_take(&w->epochs, reply->element[3]) != GOIM_OK)
    {
        w->failed = 1;

    } else if (w->epochs.n) {
        server.server = ls_store_element(reply, 0);
        server.addrs = ls_store_element_number(reply, 1);
        server.conns = ls_store_element_number(reply, 2);
        w->visitor->server(w->data, &server);
    }

    ls_store_walk_go_on(w);
}


static void
ls_store_walk_ask(ls_store_walk_t *w, goim_str_t comet)
{
    ls_store_script(&w->command, ls_store_script_online);
    ls_redis_command_unsigned(&w->command, w->st->silent_ms);
    ls_store_str(&w->command, comet);

    ls_store_call_bulk(w->st, w->server, &w->command, ls_store_walk_on_comet,
                       w);
}


/* The next slots, else the next comet. */
static void
ls_store_walk_go_on(ls_store_walk_t *w)
{
    if (w->epoch < w->epochs.n && !w->st->closing) {
        w->scans = 1;

        while (w->epoch < w->epochs.n && w->scans <= LS_STORE_WALK_SCANS) {
            ls_store_walk_scan(w, w->epochs.strings[w->epoch++]);
        }

        ls_store_walk_leave(w);
        return;
    }

    w->epoch = 0;
    ls_store_list_free(&w->epochs);

    if (w->comet == w->comets.n || w->st->closing) {
        w->failed |= w->st->closing;
        ls_store_walk_end(w);
        return;
    }

    ls_store_walk_ask(w, w->comets.strings[w->comet++]);
}


static void
ls_store_walk_on_comets(void *data, int rc, const redisReply *reply)
{
    ls_store_walk_t  *w = data;

    if (rc != GOIM_OK || ls_store_list_take(&w->comets, reply) != GOIM_OK) {
        w->failed = 1;
        ls_store_walk_end(w);
        return;
    }

    ls_store_walk_go_on(w);
}


int
ls_store_walk(ls_store_t *st, unsigned server,
    const ls_store_visitor_t *visitor, void *data)
{
    ls_store_walk_t  *w;

    w = calloc(1, sizeof(ls_store_walk_t));
    if (w == NULL) {
        return GOIM_NOMEM;
    }

    w->st = st;
    w->server = server;
    w->visitor = visitor;
    w->data = data;

    ls_redis_command_text(&w->command, "SMEMBERS");
    ls_redis_command_text(&w->command, "goim:servers");
    ls_store_call_bulk(st, server, &w->command, ls_store_walk_on_comets, w);

    return GOIM_OK;
}
