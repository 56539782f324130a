/*
 * What an nginx worker that leaves says to one that takes its connections
 * over: packets on a socket of the same host, with the connections' sockets
 * beside them, and what the other side answers.  A pure codec: no I/O.
 *
 * A packet is a head and, of an offer, the connections' states one behind the
 * other.  What does not fit into one packet goes on in packets of the kind
 * MORE with the same number, and is answered as a whole.
 */

#ifndef GOIM_HANDOVER_H_INCLUDED
#define GOIM_HANDOVER_H_INCLUDED


#include "goim_channel.h"


#define GOIM_HANDOVER_MAGIC    0x676f696d2d6d7631ULL  /* "goim-mv1" */
#ifndef GOIM_HANDOVER_VERSION
#define GOIM_HANDOVER_VERSION  2    /* of all that follows */
#endif

#define GOIM_HANDOVER_CONNS    250  /* of a packet: the kernel takes 253 */
#define GOIM_HANDOVER_PACKET   (128 * 1024)        /* bytes of one */
#define GOIM_HANDOVER_MAX      (16 * 1024 * 1024)  /* of an offer's states */
#define GOIM_HANDOVER_SERVER   128  /* bytes of a server's id */
#define GOIM_HANDOVER_SKIPS    4


typedef enum {
    GOIM_HANDOVER_OFFER = 1,
    GOIM_HANDOVER_MORE,
    GOIM_HANDOVER_ANSWER
} goim_handover_kind_e;


/* In this host's byte order. */
typedef struct {
    uint64_t  magic;
    uint32_t  version;
    uint32_t  kind;
    uint64_t  number;      /* counts the offers of a worker from 1 */
    uint64_t  epoch;       /* of the offering worker's slot */
    uint64_t  sent_ms;     /* when, by the host's monotonic clock */
    uint32_t  slot;
    uint32_t  lanes;
    uint32_t  conns;       /* of the offer */
    uint32_t  server_len;
    uint64_t  total;       /* bytes of all their states */
    uint8_t   taken[(GOIM_HANDOVER_CONNS + 7) / 8];  /* ANSWER: bit by
                                                        connection */
    char      server[GOIM_HANDOVER_SERVER];

    /* what stands below these positions the connections have got, or it is
     * among what is pending for them */
    uint64_t  positions[GOIM_CHANNEL_LANES];
} goim_handover_head_t;

#define goim_handover_is_taken(head, i)                                       \
    (((head)->taken[(i) / 8] >> ((i) % 8)) & 1)


/* Texts and bytes of a connection's state, in the order of the wire. */
typedef enum {
    GOIM_HANDOVER_PLACE = 0,  /* which "goim" location it belongs to */
    GOIM_HANDOVER_LISTEN,     /* sockaddr that it was accepted at */
    GOIM_HANDOVER_PEER,       /* sockaddr of the client */
    GOIM_HANDOVER_ADDR,       /* the same as text */
    GOIM_HANDOVER_KEY,
    GOIM_HANDOVER_ID,         /* of the connection */
    GOIM_HANDOVER_ROOM,       /* empty: in none */
    GOIM_HANDOVER_ACCEPTS,    /* int32_t's, sorted */
    GOIM_HANDOVER_OUT,        /* all that is pending */
    GOIM_HANDOVER_IN,         /* an incomplete frame, or packet */
    GOIM_HANDOVER_MESSAGE,    /* fragments of a message */
    GOIM_HANDOVER_PROXY_FROM, /* addresses of the PROXY protocol, as text */
    GOIM_HANDOVER_PROXY_TO,
    GOIM_HANDOVER_PROXY_MORE, /* its type-length-values */
    GOIM_HANDOVER_STRINGS
} goim_handover_string_e;

#define GOIM_HANDOVER_TCP    0x01  /* else WebSocket */
#define GOIM_HANDOVER_TEXT   0x02  /* the message's opcode */
#define GOIM_HANDOVER_PROXY  0x04  /* it began with the PROXY protocol */

typedef struct {
    int64_t     mid;
    uint64_t    sent_bytes;
    uint64_t    age_ms;        /* since it was accepted */
    uint64_t    silent_ms;     /* since its last heartbeat */
    uint64_t    heartbeat_ms;  /* allowed; 0: the location's */
    uint64_t    max_members;   /* of its room, as it was let in; 0: any */
    uint32_t    messages;      /* among what is pending */
    uint32_t    room_messages; /* of them: the room's */
    uint32_t    sent;          /* messages it was sent */
    uint32_t    skipped[GOIM_HANDOVER_SKIPS];
    uint32_t    opened;        /* bytes of the incomplete frame's payload that
                                  are unmasked */
    uint8_t     flags;         /* GOIM_HANDOVER_TCP, ... */
    uint8_t     features;
    uint8_t     utf8;          /* state of the text */
    uint16_t    proxy_from;    /* ports of the PROXY protocol */
    uint16_t    proxy_to;
    goim_str_t  strings[GOIM_HANDOVER_STRINGS];
} goim_handover_conn_t;


/*
 * What a slot's "takes" says: its worker understands this version, and has
 * room for so many connections.  0 is none that takes any.
 */
#define goim_handover_takes(room)                                             \
    ((uint64_t) GOIM_HANDOVER_VERSION << 32                                   \
     | ((room) < UINT32_MAX ? (uint32_t) (room) : UINT32_MAX))

#define goim_handover_is_understood(takes)                                    \
    ((takes) >> 32 == GOIM_HANDOVER_VERSION)

#define goim_handover_room(takes)  ((takes) & UINT32_MAX)


/* An offer without anything in it; positions are the caller's to add. */
void goim_handover_begin(goim_handover_head_t *head, uint64_t number,
    goim_str_t server);

/*
 * A head at the beginning of len bytes.  GOIM_INVALID: it is none of this
 * version, or out of its limits.
 */
GOIM_MUSTCHECK int goim_handover_head(goim_handover_head_t *head,
    const uint8_t *data, size_t len);

/* Bytes of a connection's state. */
size_t goim_handover_size(const goim_handover_conn_t *conn);

/* Writes so many bytes, and returns their end. */
uint8_t *goim_handover_encode(uint8_t *p, const goim_handover_conn_t *conn);

/*
 * The state at data; the strings point into it.  *used is what it takes.
 * GOIM_INVALID: it is none, or more than len.
 */
GOIM_MUSTCHECK int goim_handover_decode(goim_handover_conn_t *conn,
    const uint8_t *data, size_t len, size_t *used);


#endif /* GOIM_HANDOVER_H_INCLUDED */
