/*
 * Any bytes as a Kafka value.  What is accepted keeps its limits, encodes,
 * and decodes again to the same push and the same bytes; what is refused
 * says why.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_push.h"
#include "goim_room_name.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const goim_push_conf_t  conf = { "test", 5 };


static int
views_differ(goim_str_t a, goim_str_t b)
{
    return a.len != b.len || (a.len > 0 && memcmp(a.data, b.data, a.len) != 0);
}


static void
check_same(const goim_push_t *a, const goim_push_t *b)
{
    size_t  i;

    if (a->type != b->type || a->op != b->op || a->speed != b->speed
        || a->nkeys != b->nkeys || views_differ(a->server, b->server)
        || views_differ(a->room, b->room) || views_differ(a->body, b->body)
        || views_differ(a->spare, b->spare)
        || views_differ(a->reason, b->reason)
        || views_differ(a->only, b->only))
    {
        __builtin_trap();
    }

    for (i = 0; i < a->nkeys; i++) {

        if (views_differ(a->keys[i], b->keys[i])) {
            __builtin_trap();
        }
    }
}


static void
check_limits(const goim_push_t *push)
{
    int     has_keys;
    size_t  i;

    has_keys = push->type == GOIM_PUSH_KEYS || push->type == GOIM_PUSH_KICK;

    if (has_keys != (push->nkeys > 0) || push->nkeys > GOIM_PUSH_MAX_KEYS
        || push->spare.len > GOIM_PUSH_MAX_KEY
        || push->only.len > GOIM_PUSH_MAX_KEY || push->speed < 0)
    {
        __builtin_trap();
    }

    for (i = 0; i < push->nkeys; i++) {

        if (push->keys[i].len == 0 || push->keys[i].len > GOIM_PUSH_MAX_KEY) {
            __builtin_trap();
        }
    }

    if (push->type == GOIM_PUSH_ROOM) {

        if (goim_room_name_check(push->room.data, push->room.len) != GOIM_OK) {
            __builtin_trap();
        }

    } else if (push->room.len != 0) {
        __builtin_trap();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           status;
    size_t        len, len2;
    uint8_t      *value, *value2;
    const char   *why;
    goim_push_t   push, back;

    why = NULL;
    status = goim_push_decode(&push, data, size, &conf, &why);

    if (status != GOIM_OK) {

        if (status == GOIM_INVALID && why == NULL) {
            __builtin_trap();
        }

        return 0;
    }

    check_limits(&push);

    if (goim_push_encode(&push, &value, &len) != GOIM_OK
        || goim_push_decode(&back, value, len, &conf, &why) != GOIM_OK)
    {
        __builtin_trap();
    }

    check_same(&push, &back);

    if (goim_push_encode(&back, &value2, &len2) != GOIM_OK || len2 != len
        || memcmp(value, value2, len) != 0)
    {
        __builtin_trap();
    }

    free(value);
    free(value2);
    goim_push_destroy(&push);
    goim_push_destroy(&back);

    return 0;
}
