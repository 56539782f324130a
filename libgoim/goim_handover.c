/*
 * Connections between two workers as bytes; see goim_handover.h.
 */

#include <string.h>

#include "goim_handover.h"


/* What stands before the strings of a state; nothing in it is aligned. */
typedef struct {
    uint64_t  size;  /* of the whole state */
    uint32_t  lens[GOIM_HANDOVER_STRINGS];
} goim_handover_prefix_t;


/* the numbers, in front of the strings' places */
#define GOIM_HANDOVER_NUMBERS  offsetof(goim_handover_conn_t, strings)


/* At most so many bytes of each; 0: as many as there may be of all. */
static const uint32_t  goim_handover_limits[GOIM_HANDOVER_STRINGS] = {
    [GOIM_HANDOVER_PLACE] = 4096,
    [GOIM_HANDOVER_LISTEN] = 128,
    [GOIM_HANDOVER_PEER] = 128,
    [GOIM_HANDOVER_ADDR] = 128,
    [GOIM_HANDOVER_KEY] = 255,
    [GOIM_HANDOVER_ID] = 32,
    [GOIM_HANDOVER_ROOM] = 255,
    [GOIM_HANDOVER_ACCEPTS] = 4096,
    [GOIM_HANDOVER_PROXY_FROM] = 128,
    [GOIM_HANDOVER_PROXY_TO] = 128,
    [GOIM_HANDOVER_PROXY_MORE] = 4096
};


void
goim_handover_begin(goim_handover_head_t *head, uint64_t number,
    goim_str_t server)
{
    memset(head, 0, sizeof(goim_handover_head_t));

    head->magic = GOIM_HANDOVER_MAGIC;
    head->version = GOIM_HANDOVER_VERSION;
    head->kind = GOIM_HANDOVER_OFFER;
    head->number = number;

    if (server.len <= GOIM_HANDOVER_SERVER) {
        head->server_len = server.len;
        memcpy(head->server, server.data, server.len);
    }
}


int
goim_handover_head(goim_handover_head_t *head, const uint8_t *data, size_t len)
{
    if (len < sizeof(goim_handover_head_t)) {
        return GOIM_INVALID;
    }

    memcpy(head, data, sizeof(goim_handover_head_t));

    return head->magic == GOIM_HANDOVER_MAGIC
           && head->version == GOIM_HANDOVER_VERSION
           && head->kind >= GOIM_HANDOVER_OFFER
           && head->kind <= GOIM_HANDOVER_ANSWER
           && head->slot < GOIM_CHANNEL_SLOTS
           && head->lanes <= GOIM_CHANNEL_LANES
           && head->conns <= GOIM_HANDOVER_CONNS
           && head->server_len <= GOIM_HANDOVER_SERVER
           && head->total <= GOIM_HANDOVER_MAX
           ? GOIM_OK : GOIM_INVALID;
}


size_t
goim_handover_size(const goim_handover_conn_t *conn)
{
    int     i;
    size_t  size;

    size = sizeof(goim_handover_prefix_t) + GOIM_HANDOVER_NUMBERS;

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        size += conn->strings[i].len;
    }

    return size;
}


uint8_t *
goim_handover_encode(uint8_t *p, const goim_handover_conn_t *conn)
{
    int                     i;
    goim_handover_prefix_t  prefix;

    memset(&prefix, 0, sizeof(prefix));
    prefix.size = goim_handover_size(conn);

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        prefix.lens[i] = conn->strings[i].len;
    }

    memcpy(p, &prefix, sizeof(prefix));
    p += sizeof(prefix);

    memcpy(p, conn, GOIM_HANDOVER_NUMBERS);
    p += GOIM_HANDOVER_NUMBERS;

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        if (conn->strings[i].len) {
            memcpy(p, conn->strings[i].data, conn->strings[i].len);
            p += conn->strings[i].len;
        }
    }

    return p;
}


/* What the other side can't have meant, whatever it is. */
static int
goim_handover_is_sound(const goim_handover_conn_t *conn)
{
    int  i;

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        if (goim_handover_limits[i]
            && conn->strings[i].len > goim_handover_limits[i])
        {
            return 0;
        }
    }

    return conn->strings[GOIM_HANDOVER_KEY].len != 0
           && conn->strings[GOIM_HANDOVER_ACCEPTS].len % 4 == 0
           && conn->room_messages <= conn->messages
           && conn->opened <= conn->strings[GOIM_HANDOVER_IN].len;
}


int
goim_handover_decode(goim_handover_conn_t *conn, const uint8_t *data,
    size_t len, size_t *used)
{
    int                     i;
    size_t                  left;
    const uint8_t          *p;
    goim_handover_prefix_t  prefix;

    if (len < sizeof(prefix) + GOIM_HANDOVER_NUMBERS) {
        return GOIM_INVALID;
    }

    memcpy(&prefix, data, sizeof(prefix));

    if (prefix.size > len
        || prefix.size < sizeof(prefix) + GOIM_HANDOVER_NUMBERS)
    {
        return GOIM_INVALID;
    }

    p = data + sizeof(prefix);
    memcpy(conn, p, GOIM_HANDOVER_NUMBERS);
    p += GOIM_HANDOVER_NUMBERS;

    left = prefix.size - sizeof(prefix) - GOIM_HANDOVER_NUMBERS;

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        if (prefix.lens[i] > left) {
            return GOIM_INVALID;
        }

        conn->strings[i].data = p;
        conn->strings[i].len = prefix.lens[i];
        p += prefix.lens[i];
        left -= prefix.lens[i];
    }

    *used = prefix.size;

    return left == 0 && goim_handover_is_sound(conn) ? GOIM_OK : GOIM_INVALID;
}
