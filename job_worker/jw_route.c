/*
 * Reads pushes and makes channel messages of them; see jw_route.h.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_room_name.h"
#include "jw_route.h"


static void
jw_route_skip(jw_route_t *rt, goim_job_counter_e counter, const char *why)
{
    rt->skip = counter;
    rt->why = why;
}


static int
jw_route_reserve(jw_route_t *rt, size_t size)
{
    uint8_t  *p;

    if (size <= rt->target_size) {
        return GOIM_OK;
    }

    p = realloc(rt->target, size);
    if (p == NULL) {
        return GOIM_NOMEM;
    }

    rt->target = p;
    rt->target_size = size;

    return GOIM_OK;
}


/*
 * A string of a target: its length, 16 bits in the host's order, its bytes.
 * goim_push_decode() lets none pass that is longer than GOIM_PUSH_MAX_KEY.
 */
static uint8_t *
jw_route_write_string(uint8_t *p, goim_str_t s)
{
    uint16_t  len = s.len;

    memcpy(p, &len, sizeof(len));
    p += sizeof(len);

    if (len) {
        memcpy(p, s.data, len);
    }

    return p + len;
}


/*
 * The target of KEYS, and of KICK, which begins with who alone is to go, or
 * whom to spare.
 */
static int
jw_route_keys(jw_route_t *rt, const goim_push_t *push)
{
    size_t      i, size;
    uint8_t    *p;
    goim_str_t  conn;

    size = 0;
    conn = push->only.len ? push->only : push->spare;

    if (push->type == GOIM_PUSH_KICK) {
        size = sizeof(uint16_t) + conn.len;
    }

    for (i = 0; i < push->nkeys; i++) {
        size += sizeof(uint16_t) + push->keys[i].len;
    }

    if (jw_route_reserve(rt, size) != GOIM_OK) {
        return GOIM_NOMEM;
    }

    p = rt->target;

    if (push->type == GOIM_PUSH_KICK) {
        p = jw_route_write_string(p, conn);
    }

    for (i = 0; i < push->nkeys; i++) {
        p = jw_route_write_string(p, push->keys[i]);
    }

    rt->message.target.data = rt->target;
    rt->message.target.len = size;

    return GOIM_OK;
}


static int
jw_route_is_ours(const goim_push_t *push, const jw_route_conf_t *conf)
{
    return push->server.len == 0
           || (push->server.len == strlen(conf->server_id)
               && memcmp(push->server.data, conf->server_id, push->server.len)
                  == 0);
}


static int
jw_route_push(jw_route_t *rt, const goim_push_t *push,
    const jw_route_conf_t *conf)
{
    rt->message.op = push->op;
    rt->message.body = push->body;

    switch (push->type) {

    case GOIM_PUSH_ROOM:
        rt->message.kind = GOIM_RECORD_ROOM;
        rt->message.target = push->room;
        rt->message.hash = goim_room_name_hash(push->room.data,
                                               push->room.len);
        return GOIM_OK;

    case GOIM_PUSH_BROADCAST:
        rt->message.kind = GOIM_RECORD_BROADCAST;
        rt->message.arg = push->speed;
        return GOIM_OK;

    case GOIM_PUSH_KICK:
        rt->message.kind = GOIM_RECORD_KICK;
        rt->message.body = push->reason;
        rt->message.arg = push->only.len ? GOIM_KICK_ONLY : GOIM_KICK_SPARE;
        break;

    case GOIM_PUSH_KEYS:
        rt->message.kind = GOIM_RECORD_KEYS;
        break;
    }

    if (!jw_route_is_ours(push, conf)) {
        jw_route_skip(rt, GOIM_JOB_OTHER_SERVER, NULL);
        return GOIM_OK;
    }

    return jw_route_keys(rt, push);
}


int
jw_route(jw_route_t *rt, const jw_route_conf_t *conf,
    const jw_route_input_t *in)
{
    int          rc;
    const char  *why;

    memset(&rt->message, 0, sizeof(goim_lane_message_t));
    rt->message.offset = in->offset;
    rt->message.partition = in->partition;
    rt->message.time = in->time_ms;
    rt->decoded = 0;
    jw_route_skip(rt, GOIM_JOB_COUNTERS, NULL);

    if (conf->max_age_ms && in->time_ms
        && in->now_ms > in->time_ms
        && in->now_ms - in->time_ms > conf->max_age_ms)
    {
        jw_route_skip(rt, GOIM_JOB_TOO_OLD, NULL);
        return GOIM_OK;
    }

    why = NULL;
    rc = goim_push_decode(&rt->push, in->value, in->len, &conf->push, &why);

    if (rc == GOIM_INVALID) {
        jw_route_skip(rt, GOIM_JOB_UNREADABLE, why ? why : "no known form");
        return GOIM_OK;
    }

    if (rc != GOIM_OK) {
        return rc;
    }

    rt->decoded = 1;

    return jw_route_push(rt, &rt->push, conf);
}


void
jw_route_release(jw_route_t *rt)
{
    if (rt->decoded) {
        goim_push_destroy(&rt->push);
        rt->decoded = 0;
    }
}


void
jw_route_done(jw_route_t *rt)
{
    jw_route_release(rt);
    free(rt->target);
    rt->target = NULL;
    rt->target_size = 0;
}
