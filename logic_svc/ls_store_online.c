/*
 * What is online, for callers and, in goim's own form, for goim's logic.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "goim_room_name.h"
#include "goim_utf8.h"
#include "ls_name_map.h"
#include "ls_store.h"


#define LS_STORE_FIELDS      64            /* of ol_<server>, as in goim */
#define LS_STORE_COUNT_MS    9500          /* one goim-logic has the turn */
#define LS_STORE_COUNT_SIZE  (128 * 1024)  /* of one call, about */


/* online() */

typedef struct {
    ls_session_online_t   visitor;
    void                 *data;
    unsigned              walks;
    unsigned              failed:1;
    unsigned              nomem:1;
} ls_store_online_t;


static void
ls_store_online_server(void *data, const ls_session_server_t *server)
{
    ls_store_online_t  *on = data;

    on->visitor.server(on->data, server);
}


static void
ls_store_online_room(void *data, goim_str_t name, uint32_t members)
{
    ls_store_online_t  *on = data;

    on->visitor.room(on->data, name, members);
}


static void
ls_store_online_end(void *data, int rc)
{
    ls_store_online_t  *on = data;

    if (rc != GOIM_OK) {
        on->failed = 1;
    }

    if (--on->walks) {
        return;
    }

    rc = on->failed ? GOIM_AGAIN : GOIM_OK;

    on->visitor.done(on->data, on->nomem ? GOIM_NOMEM : rc);
    free(on);
}


static const ls_store_visitor_t  ls_store_online_visitor = {
    ls_store_online_server, ls_store_online_room, ls_store_online_end
};


void
ls_store_online(ls_session_t *ls, const ls_session_online_t *visitor,
    void *data)
{
    unsigned            i;
    ls_store_t         *st = (ls_store_t *) ls;
    ls_store_online_t  *on;

    on = calloc(1, sizeof(ls_store_online_t));
    if (on == NULL) {
        visitor->done(data, GOIM_NOMEM);
        return;
    }

    on->visitor = *visitor;
    on->data = data;
    on->walks = 1;

    for (i = 0; i < st->nservers; i++) {
        on->walks++;

        if (ls_store_walk(st, i, &ls_store_online_visitor, on) != GOIM_OK) {
            on->walks--;
            on->nomem = 1;
        }
    }

    ls_store_online_end(on, GOIM_OK);
}


/* ol_<server> */

typedef struct {
    ls_store_t          *st;
    unsigned             server;
    ls_redis_command_t   command;
    ls_name_map_t        rooms;   /* of the comet */
    uint8_t              comet[LS_REPORT_NAME];
    size_t               comet_len;
    unsigned             any:1;   /* there is a comet */
    unsigned             calls;
} ls_store_count_t;


typedef struct {
    uint8_t   *data;
    size_t     len;
    size_t     size;
    unsigned   failed:1;
} ls_store_json_t;


static void
ls_store_json_add(ls_store_json_t *j, const void *data, size_t len)
{
    size_t    size;
    uint8_t  *grown;

    if (j->failed) {
        return;
    }

    if (len > j->size - j->len) {
        size = j->size * 2 + len + 256;
        grown = realloc(j->data, size);

        if (grown == NULL) {
            j->failed = 1;
            return;
        }

        j->data = grown;
        j->size = size;
    }

    memcpy(j->data + j->len, data, len);
    j->len += len;
}


static void
ls_store_json_text(ls_store_json_t *j, const char *text)
{
    ls_store_json_add(j, text, strlen(text));
}


/* In quotes; it is UTF-8. */
static void
ls_store_json_string(ls_store_json_t *j, const uint8_t *data, size_t len)
{
    char    escaped[8];
    size_t  i;

    ls_store_json_text(j, "\"");

    for (i = 0; i < len; i++) {

        if (data[i] == '"' || data[i] == '\\' || data[i] < ' '
            || data[i] == 127)
        {
            snprintf(escaped, sizeof(escaped), "\\u%04x", data[i]);
            ls_store_json_text(j, escaped);

        } else {
            ls_store_json_add(j, data + i, 1);
        }
    }

    ls_store_json_text(j, "\"");
}


static void
ls_store_count_on_written(void *data, int rc, const redisReply *reply)
{
    ls_store_count_t  *co = data;

    (void) rc;
    (void) reply;

    if (--co->calls) {
        return;
    }

    co->st->servers[co->server].counting = 0;
    ls_redis_command_done(&co->command);
    ls_name_map_clear(&co->rooms);
    free(co);
}


static void
ls_store_count_send(ls_store_count_t *co)
{
    co->calls++;
    ls_store_call_bulk(co->st, co->server, &co->command,
                       ls_store_count_on_written, co);
}


static void
ls_store_count_key(ls_store_count_t *co, const char *verb)
{
    ls_redis_command_text(&co->command, verb);
    ls_redis_command_join(&co->command, "ol_", co->comet, co->comet_len);
}


/* One field for each 64th of the rooms: each room has always the same. */
static void
ls_store_count_make(ls_store_count_t *co, ls_store_json_t *fields)
{
    char                  text[32];
    size_t                i;
    ls_store_json_t      *j;
    ls_name_map_entry_t  *e;

    for (i = 0; i < co->rooms.size; i++) {
        e = &co->rooms.entries[i];

        if (e->name == NULL || e->count == 0
            || goim_utf8_check(GOIM_UTF8_START, e->name, e->len)
               != GOIM_UTF8_START)
        {
            continue;
        }

        j = &fields[e->hash % LS_STORE_FIELDS];

        if (j->len == 0) {
            ls_store_json_text(j, "{\"server\":");
            ls_store_json_string(j, co->comet, co->comet_len);
            ls_store_json_text(j, ",\"room_count\":{");

        } else {
            ls_store_json_text(j, ",");
        }

        ls_store_json_string(j, e->name, e->len);
        snprintf(text, sizeof(text), ":%u",
                 (unsigned) (e->count > INT32_MAX ? INT32_MAX : e->count));
        ls_store_json_text(j, text);
    }

    for (i = 0; i < LS_STORE_FIELDS; i++) {

        if (fields[i].len) {
            snprintf(text, sizeof(text), "},\"updated\":%llu}",
                     (unsigned long long) time(NULL));
            ls_store_json_text(&fields[i], text);
        }
    }
}


/* What has no rooms is removed: goim's readers sum all fields. */
static void
ls_store_count_write(ls_store_count_t *co, ls_store_json_t *fields)
{
    unsigned  i;

    ls_store_count_key(co, "HDEL");

    for (i = 0; i < LS_STORE_FIELDS; i++) {

        if (fields[i].len == 0) {
            ls_redis_command_unsigned(&co->command, i);
        }
    }

    if (co->command.args > 2) {
        ls_store_count_send(co);

    } else {
        ls_redis_command_reset(&co->command);
    }

    for (i = 0; i < LS_STORE_FIELDS; i++) {

        if (fields[i].len == 0 || fields[i].failed) {
            continue;
        }

        if (co->command.args == 0) {
            ls_store_count_key(co, "HSET");
        }

        ls_redis_command_unsigned(&co->command, i);
        ls_redis_command_add(&co->command, fields[i].data, fields[i].len);

        if (co->command.len > LS_STORE_COUNT_SIZE) {
            ls_store_count_send(co);
        }
    }

    if (co->command.args) {
        ls_store_count_send(co);
    }

    ls_store_count_key(co, "PEXPIRE");
    ls_redis_command_unsigned(&co->command, co->st->expire_ms);
    ls_store_count_send(co);
}


/* All rooms of a comet have been told of. */
static void
ls_store_count_comet(ls_store_count_t *co)
{
    unsigned          i;
    ls_store_json_t  *fields;

    fields = calloc(LS_STORE_FIELDS, sizeof(ls_store_json_t));

    if (co->any && fields) {
        ls_store_count_make(co, fields);
        ls_store_count_write(co, fields);
    }

    for (i = 0; fields && i < LS_STORE_FIELDS; i++) {
        free(fields[i].data);
    }

    free(fields);
    ls_name_map_clear(&co->rooms);
    co->any = 0;
}


static void
ls_store_count_on_server(void *data, const ls_session_server_t *server)
{
    ls_store_count_t  *co = data;

    ls_store_count_comet(co);

    if (server->server.len <= sizeof(co->comet)) {
        memcpy(co->comet, server->server.data, server->server.len);
        co->comet_len = server->server.len;
        co->any = 1;
    }
}


static void
ls_store_count_on_room(void *data, goim_str_t name, uint32_t members)
{
    ls_store_count_t     *co = data;
    ls_name_map_entry_t  *e;

    e = ls_name_map_get(&co->rooms, name);

    if (e) {
        e->count += members;
    }
}


static void
ls_store_count_on_end(void *data, int rc)
{
    ls_store_count_t  *co = data;

    if (rc == GOIM_OK) {
        ls_store_count_comet(co);
    }

    ls_store_count_on_written(co, GOIM_OK, NULL);
}


static const ls_store_visitor_t  ls_store_count_visitor = {
    ls_store_count_on_server, ls_store_count_on_room, ls_store_count_on_end
};


static void
ls_store_count_on_turn(void *data, int rc, const redisReply *reply)
{
    ls_store_count_t  *co = data;

    /* nil: another goim-logic has it */

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_STATUS
        || ls_store_walk(co->st, co->server, &ls_store_count_visitor, co)
           != GOIM_OK)
    {
        ls_store_count_on_written(co, GOIM_OK, NULL);
    }
}


void
ls_store_count(ls_store_t *st, unsigned server)
{
    ls_store_count_t  *co;

    if (st->servers[server].counting) {
        return;
    }

    co = calloc(1, sizeof(ls_store_count_t));
    if (co == NULL) {
        return;
    }

    co->st = st;
    co->server = server;
    co->calls = 1;
    st->servers[server].counting = 1;

    ls_redis_command_text(&co->command, "SET");
    ls_redis_command_text(&co->command, "goim:counting");
    ls_redis_command_text(&co->command, "1");
    ls_redis_command_text(&co->command, "NX");
    ls_redis_command_text(&co->command, "PX");
    ls_redis_command_unsigned(&co->command, LS_STORE_COUNT_MS);
    ls_store_call_bulk(st, server, &co->command, ls_store_count_on_turn, co);
}
