/*
 * A push as it stands in a Kafka message, to and from a struct: goim v2's
 * protobuf PushMsg with our extensions (docs/kafka.md), and goim v1's JSON.
 * Only the daemons use it: it needs protobuf-c and yajl.
 */

#ifndef GOIM_PUSH_H_INCLUDED
#define GOIM_PUSH_H_INCLUDED


#include "goim.h"


#define GOIM_PUSH_MAX_KEYS  65535  /* of one push */
#define GOIM_PUSH_MAX_KEY   255    /* bytes of a key, spare, or only */


typedef enum {
    GOIM_PUSH_KEYS = 0,       /* PushMsg.type PUSH */
    GOIM_PUSH_ROOM = 1,
    GOIM_PUSH_BROADCAST = 2,
    GOIM_PUSH_KICK = 16       /* ours */
} goim_push_type_e;


typedef struct {
    goim_push_type_e  type;
    int32_t           op;
    int32_t           speed;   /* BROADCAST: connections per second, 0: all */
    goim_str_t        server;  /* KEYS, KICK: the comet's id; empty: any */
    goim_str_t        room;    /* ROOM: the full name */
    goim_str_t       *keys;    /* KEYS, KICK */
    size_t            nkeys;
    goim_str_t        body;
    goim_str_t        spare;   /* KICK: the connection id to spare */
    goim_str_t        reason;  /* KICK */
    goim_str_t        only;    /* KICK: the id of the only connection that
                                  goes; empty: all but the one to spare */
    void             *memory;  /* what the views point into; for _destroy */
} goim_push_t;


typedef struct {
    /* v1's integer rooms become "<v1_room_type>://<n>" */
    const char  *v1_room_type;
    int32_t      v1_op;        /* op of the packets: v1's messages have none */
} goim_push_conf_t;


/*
 * Reads a Kafka value, which may be either form: v1's JSON begins with "{"
 * (after white space), which no PushMsg does.  What a type does not use (see
 * goim_push_t) is left empty, a negative speed becomes 0.  GOIM_INVALID:
 * neither form, an unknown type, a push without its target, or over a limit;
 * *why is then a static sentence.  GOIM_NOMEM.  On GOIM_OK the caller frees
 * with goim_push_destroy(); the views live until then and until the value is
 * freed.
 */
GOIM_MUSTCHECK int goim_push_decode(goim_push_t *push, const uint8_t *value,
    size_t len, const goim_push_conf_t *conf, const char **why);

/* A second call, or one after a failed decode, does nothing. */
void goim_push_destroy(goim_push_t *push);

/*
 * The PushMsg of a push, fields in the order of their numbers and zero values
 * left out, as goim's logic writes it; push->memory does not matter.  *value
 * is malloc'ed.  GOIM_INVALID: goim_push_decode() would refuse it; GOIM_NOMEM.
 */
GOIM_MUSTCHECK int goim_push_encode(const goim_push_t *push, uint8_t **value,
    size_t *len);


#endif /* GOIM_PUSH_H_INCLUDED */
