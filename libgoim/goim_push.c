/*
 * A push to and from goim v2's PushMsg, and what holds for both forms of a
 * Kafka value: see goim_push.h.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_packet.h"
#include "goim_push.h"
#include "goim_push.pb-c.h"
#include "goim_push_memory.h"
#include "goim_push_v1.h"
#include "goim_room_name.h"


/* What protobuf-c and yajl take beside the bytes of the value, about. */

#define GOIM_PUSH_V2_MEMORY  512
#define GOIM_PUSH_V1_MEMORY  4096


static int
goim_push_check_keys(const goim_push_t *push, const char **why)
{
    size_t  i;

    if (push->nkeys == 0) {
        *why = "a push to keys without a key";
        return GOIM_INVALID;
    }

    if (push->nkeys > GOIM_PUSH_MAX_KEYS) {
        *why = "more than 65535 keys";
        return GOIM_INVALID;
    }

    for (i = 0; i < push->nkeys; i++) {

        if (push->keys[i].len == 0) {
            *why = "a key is empty";
            return GOIM_INVALID;
        }

        if (push->keys[i].len > GOIM_PUSH_MAX_KEY) {
            *why = "a key is longer than 255 bytes";
            return GOIM_INVALID;
        }
    }

    return GOIM_OK;
}


static int
goim_push_check(const goim_push_t *push, const char **why)
{
    if (push->body.len > INT32_MAX - GOIM_PACKET_HEADER_LEN) {
        *why = "the message does not fit into a packet";
        return GOIM_INVALID;
    }

    switch (push->type) {

    case GOIM_PUSH_KEYS:
        return goim_push_check_keys(push, why);

    case GOIM_PUSH_KICK:

        if (push->spare.len > GOIM_PUSH_MAX_KEY) {
            *why = "spare is longer than 255 bytes";
            return GOIM_INVALID;
        }

        if (push->only.len > GOIM_PUSH_MAX_KEY) {
            *why = "only is longer than 255 bytes";
            return GOIM_INVALID;
        }

        return goim_push_check_keys(push, why);

    case GOIM_PUSH_ROOM:

        if (push->room.len == 0) {
            *why = "a push to a room without a room";
            return GOIM_INVALID;
        }

        if (goim_room_name_check(push->room.data, push->room.len) != GOIM_OK) {
            *why = "a room's name is longer than 255 bytes or has a control "
                   "character";
            return GOIM_INVALID;
        }

        return GOIM_OK;

    case GOIM_PUSH_BROADCAST:
        return GOIM_OK;

    default:
        *why = "unknown type";
        return GOIM_INVALID;
    }
}


static void *
goim_push_v2_alloc(void *allocator_data, size_t size)
{
    return goim_push_memory_alloc(allocator_data, size);
}


static void
goim_push_v2_free(void *allocator_data, void *pointer)
{
    /* goes with the push's memory */

    (void) allocator_data;
    (void) pointer;
}


static goim_str_t
goim_push_v2_view(ProtobufCBinaryData data)
{
    goim_str_t  view;

    view.data = data.data;
    view.len = data.len;

    return view;
}


static int
goim_push_v2_set_keys(goim_push_t *push, goim_push_memory_t *memory,
    const Goim__Logic__PushMsg *msg)
{
    size_t  i;

    push->keys = goim_push_memory_alloc(memory,
                                        msg->n_keys * sizeof(goim_str_t));
    if (push->keys == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < msg->n_keys; i++) {
        push->keys[i] = goim_push_v2_view(msg->keys[i]);
    }

    push->nkeys = msg->n_keys;

    return GOIM_OK;
}


static int
goim_push_v2_decode(goim_push_t *push, goim_push_memory_t *memory,
    const uint8_t *value, size_t len, const char **why)
{
    ProtobufCAllocator     allocator;
    Goim__Logic__PushMsg  *msg;

    allocator.alloc = goim_push_v2_alloc;
    allocator.free = goim_push_v2_free;
    allocator.allocator_data = memory;

    msg = goim__logic__push_msg__unpack(&allocator, len, value);

    if (msg == NULL) {

        if (memory->failed) {
            return GOIM_NOMEM;
        }

        *why = "neither a PushMsg nor v1's JSON";
        return GOIM_INVALID;
    }

    push->op = msg->operation;
    push->body = goim_push_v2_view(msg->msg);

    /* proto3 lets any number through; goim_push_check() knows the types */

    push->type = (goim_push_type_e) msg->type;

    switch (push->type) {

    case GOIM_PUSH_KICK:
        push->spare = goim_push_v2_view(msg->spare);
        push->reason = goim_push_v2_view(msg->reason);
        push->only = goim_push_v2_view(msg->only);

        /* fall through */

    case GOIM_PUSH_KEYS:
        push->server = goim_push_v2_view(msg->server);

        return goim_push_v2_set_keys(push, memory, msg);

    case GOIM_PUSH_ROOM:
        push->room = goim_push_v2_view(msg->room);
        break;

    case GOIM_PUSH_BROADCAST:
        push->speed = msg->speed > 0 ? msg->speed : 0;
        break;
    }

    return GOIM_OK;
}


int
goim_push_decode(goim_push_t *push, const uint8_t *value, size_t len,
    const goim_push_conf_t *conf, const char **why)
{
    int                  status, is_v1;
    goim_push_memory_t  *memory;

    memset(push, 0, sizeof(goim_push_t));

    if (len == 0) {
        *why = "an empty value";
        return GOIM_INVALID;
    }

    is_v1 = goim_push_v1_is(value, len);

    memory = goim_push_memory_create(len + (is_v1 ? GOIM_PUSH_V1_MEMORY
                                                  : GOIM_PUSH_V2_MEMORY));
    if (memory == NULL) {
        return GOIM_NOMEM;
    }

    status = is_v1 ? goim_push_v1_decode(push, memory, value, len, conf, why)
                   : goim_push_v2_decode(push, memory, value, len, why);

    if (status == GOIM_OK) {
        status = goim_push_check(push, why);
    }

    if (status != GOIM_OK) {
        goim_push_memory_destroy(memory);
        memset(push, 0, sizeof(goim_push_t));

        return status;
    }

    push->memory = memory;

    return GOIM_OK;
}


void
goim_push_destroy(goim_push_t *push)
{
    if (push->memory != NULL) {
        goim_push_memory_destroy(push->memory);
    }

    memset(push, 0, sizeof(goim_push_t));
}


/* protobuf-c only reads what it packs, but has no const for it. */

static ProtobufCBinaryData
goim_push_v2_data(goim_str_t view)
{
    ProtobufCBinaryData  data;

    data.data = (uint8_t *) view.data;
    data.len = view.len;

    return data;
}


static int
goim_push_v2_pack(const Goim__Logic__PushMsg *msg, uint8_t **value,
    size_t *len)
{
    size_t    size;
    uint8_t  *buf;

    size = goim__logic__push_msg__get_packed_size(msg);

    buf = malloc(size);
    if (buf == NULL) {
        return GOIM_NOMEM;
    }

    *len = goim__logic__push_msg__pack(msg, buf);
    *value = buf;

    return GOIM_OK;
}


static int
goim_push_v2_pack_keys(const goim_push_t *push, Goim__Logic__PushMsg *msg,
    uint8_t **value, size_t *len)
{
    int     status;
    size_t  i;

    msg->server = goim_push_v2_data(push->server);

    msg->keys = malloc(push->nkeys * sizeof(ProtobufCBinaryData));
    if (msg->keys == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < push->nkeys; i++) {
        msg->keys[i] = goim_push_v2_data(push->keys[i]);
    }

    msg->n_keys = push->nkeys;

    status = goim_push_v2_pack(msg, value, len);

    free(msg->keys);

    return status;
}


int
goim_push_encode(const goim_push_t *push, uint8_t **value, size_t *len)
{
    const char            *why;
    Goim__Logic__PushMsg   msg = GOIM__LOGIC__PUSH_MSG__INIT;

    if (goim_push_check(push, &why) != GOIM_OK) {
        return GOIM_INVALID;
    }

    msg.type = (Goim__Logic__PushMsg__Type) push->type;
    msg.operation = push->op;
    msg.msg = goim_push_v2_data(push->body);

    switch (push->type) {

    case GOIM_PUSH_KICK:
        msg.spare = goim_push_v2_data(push->spare);
        msg.reason = goim_push_v2_data(push->reason);
        msg.only = goim_push_v2_data(push->only);

        /* fall through */

    case GOIM_PUSH_KEYS:
        return goim_push_v2_pack_keys(push, &msg, value, len);

    case GOIM_PUSH_ROOM:
        msg.room = goim_push_v2_data(push->room);
        break;

    case GOIM_PUSH_BROADCAST:
        msg.speed = push->speed > 0 ? push->speed : 0;
        break;
    }

    return goim_push_v2_pack(&msg, value, len);
}
