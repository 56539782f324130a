/*
 * Types and calls shared by the files of this folder; nothing else includes
 * it.  Each group of prototypes names the file that it belongs to.
 */

#ifndef _NGX_GOIM_H_INCLUDED_
#define _NGX_GOIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "goim_channel.h"
#include "goim_handover.h"
#include "goim_packet.h"
#include "goim_reader.h"
#include "goim_room_name.h"
#include "goim_utf8.h"
#include "goim_ws.h"


#define NGX_GOIM_KEY_MAX   255  /* bytes of a key */
#define NGX_GOIM_CONN_MAX  32   /* bytes of a connection id */


/*
 * What a worker counts, in its slot of the channel.  Names for the status
 * page: ngx_goim_counter_names[] in ngx_goim_status.c.
 */
typedef enum {
    NGX_GOIM_CONNECTIONS = 0,   /* gauge: detached from their requests */
    NGX_GOIM_CONNECTIONS_TCP,   /* gauge: those of them on goim's TCP */
    NGX_GOIM_HANDSHAKING,       /* gauge: not yet detached */
    NGX_GOIM_HANDSHAKING_TCP,   /* gauge: those of them on goim's TCP */
    NGX_GOIM_CLOSING,           /* gauge: detached, saying goodbye */
    NGX_GOIM_CLOSING_TCP,       /* gauge: those of them on goim's TCP */
    NGX_GOIM_ROOMS,             /* gauge: rooms with members */
    NGX_GOIM_HANDSHAKES,        /* answered with 101 */
    NGX_GOIM_HANDSHAKE_ERRORS,  /* refused with 400, 405, 426 */
    NGX_GOIM_UNAVAILABLE,       /* refused with 503: no channel, no memory */
    NGX_GOIM_AUTH_ACCEPTED,
    NGX_GOIM_AUTH_REFUSED,      /* the auth location said 401, 403, 429 */
    NGX_GOIM_AUTH_FAILED,       /* it said anything else: "try later" */
    NGX_GOIM_AUTH_FALLBACK,     /* let in by goim_auth_fallback instead */
    NGX_GOIM_AUTH_TIMEOUT,      /* goim_handshake_timeout passed */
    NGX_GOIM_ROOM_FULL,         /* not let into a room with max_members */
    NGX_GOIM_BYTES_IN,
    NGX_GOIM_PACKETS_IN,
    NGX_GOIM_RATE_PAUSES,       /* times a client was faster than
                                   goim_packet_rate */
    NGX_GOIM_BYTES_OUT,
    NGX_GOIM_SENDS,             /* system calls that sent something */
    NGX_GOIM_RECORDS,           /* records read from the channel */
    NGX_GOIM_NO_SUBSCRIBER,     /* of them: for nobody on this worker */
    NGX_GOIM_DELIVERED,         /* messages handed to the kernel whole, per
                                   connection */
    NGX_GOIM_DROP_MISSED,       /* records overwritten before we read them */
    NGX_GOIM_DROP_BACKLOG,      /* messages skipped: slow connection */
    NGX_GOIM_DROP_CLOSED,       /* messages pending when it was closed, or
                                   left its room */
    NGX_GOIM_DROP_ACCEPTS,      /* not in the connection's accepts */
    NGX_GOIM_DROP_NOMEM,        /* no memory for the frame */
    NGX_GOIM_DROP_RATE,         /* messages beyond max_rate of their room */
    NGX_GOIM_GAP_NOTICES,       /* clients were told what they have missed */
    NGX_GOIM_CHANNEL_DAMAGED,   /* times a lane held something else */
    NGX_GOIM_CHANNEL_RETURNED,  /* times the producer went on without us */
    NGX_GOIM_PENDING,           /* gauge: bytes of ngx_goim_memory.c */
    NGX_GOIM_UPLINKS,           /* gauge: carriers in use */
    NGX_GOIM_PUBLISHED,         /* client messages that logic answered */
    NGX_GOIM_PUBLISH_BUSY,      /* refused: goim_uplink_max, no memory */
    NGX_GOIM_PUBLISH_FAILED,    /* logic failed, or could not be asked */
    NGX_GOIM_SESSION_REPORTS,   /* attempts to deliver one */
    NGX_GOIM_SESSION_FAILED,    /* of them: not answered with 200 */
    NGX_GOIM_SESSION_RESYNCS,   /* times all sessions were reported anew */
    NGX_GOIM_MOVED_OUT,         /* connections that another worker took */
    NGX_GOIM_MOVED_IN,          /* connections taken from another worker */
    NGX_GOIM_HANDOVER_REFUSED,  /* offered, and not taken */
    NGX_GOIM_HANDOVER_BACK,     /* offered, and taken back: there was no
                                   answer, or only here no room */
    NGX_GOIM_HANDOVER_DRAINED,  /* let go by goim_drain instead */
    NGX_GOIM_PACED,             /* gauge: broadcasts under way with a pace */
    NGX_GOIM_PACED_HURRIED,     /* broadcasts that lost it, for memory */

    NGX_GOIM_CLOSED,            /* the first of the reasons below */
    NGX_GOIM_CLOSED_LAST = NGX_GOIM_CLOSED + 9,

    NGX_GOIM_COUNTERS
} ngx_goim_counter_e;

_Static_assert(NGX_GOIM_COUNTERS <= GOIM_SLOT_COUNTERS,
               "a slot has no room for so many counters");


/* Why a connection ends; counted at NGX_GOIM_CLOSED + reason. */
typedef enum {
    NGX_GOIM_BY_CLIENT = 0,     /* it closed, or its connection broke */
    NGX_GOIM_BY_PROTOCOL,       /* a broken frame or packet */
    NGX_GOIM_BY_TIMEOUT,        /* no heartbeat */
    NGX_GOIM_BY_BACKLOG,        /* too slow, "overflow close" */
    NGX_GOIM_BY_MEMORY,         /* too slow, goim_max_pending */
    NGX_GOIM_BY_KICK,
    NGX_GOIM_BY_REPLACEMENT,    /* the same key connected again */
    NGX_GOIM_BY_REFUSAL,        /* authentication */
    NGX_GOIM_BY_SHUTDOWN,       /* goim_drain, worker_shutdown_timeout */
    NGX_GOIM_BY_ERROR,          /* memory, system */
    NGX_GOIM_REASONS
} ngx_goim_reason_e;


typedef struct ngx_goim_conn_s       ngx_goim_conn_t;
typedef struct ngx_goim_room_s       ngx_goim_room_t;
typedef struct ngx_goim_block_s      ngx_goim_block_t;
typedef struct ngx_goim_out_s        ngx_goim_out_t;
typedef struct ngx_goim_handshake_s  ngx_goim_handshake_t;
typedef struct ngx_goim_heartbeat_s  ngx_goim_heartbeat_t;
typedef struct ngx_goim_uplink_s     ngx_goim_uplink_t;


/* What a connection speaks; each has a wire format of its own. */
typedef enum {
    NGX_GOIM_WEBSOCKET = 0,
    NGX_GOIM_TCP,
    NGX_GOIM_TRANSPORTS
} ngx_goim_transport_e;


/* Configuration */

typedef enum {
    NGX_GOIM_OVERFLOW_SKIP = 0,
    NGX_GOIM_OVERFLOW_CLOSE
} ngx_goim_overflow_e;


/* What a worker counts by room class, on its board. */
typedef enum {
    NGX_GOIM_CLASS_DELIVERED = 0,
    NGX_GOIM_CLASS_DROP_BACKLOG,
    NGX_GOIM_CLASS_DROP_CLOSED,
    NGX_GOIM_CLASS_DROP_NOMEM,
    NGX_GOIM_CLASS_DROP_RATE,
    NGX_GOIM_CLASS_ROOM_FULL,
    NGX_GOIM_CLASS_ROOMS,       /* gauge: rooms with members */
    NGX_GOIM_CLASS_MEMBERS,     /* gauge */
    NGX_GOIM_CLASS_COUNTERS
} ngx_goim_class_counter_e;

_Static_assert(NGX_GOIM_CLASS_COUNTERS <= GOIM_BOARD_COUNTERS,
               "a board has no room for so many counters");


/* Operations from one to another. */
typedef struct {
    int32_t                     first;
    int32_t                     last;
} ngx_goim_op_range_t;


typedef struct {
    ngx_str_t                   pattern;
    size_t                      backlog;   /* pending bytes of one member */
    ngx_uint_t                  overflow;  /* ngx_goim_overflow_e */
    ngx_uint_t                  max_members;  /* of a room; 0: any number */
    ngx_msec_t                  flush;     /* a sweep is held back; 0: not */
    ngx_uint_t                  flush_count;  /* messages that end that; 0: any
                                              number may wait */
    ngx_uint_t                  max_rate;  /* messages/s; 0: any number */
    ngx_array_t                 priority;  /* ngx_goim_op_range_t: of those
                                              every one; nelts 0: of none */

    /* in a worker */
    _Atomic uint64_t           *counters;  /* NULL: counted nowhere */
    ngx_queue_t                 waiting;   /* rooms, by the end of flush */
    ngx_event_t                 event;     /* the first one's */
} ngx_goim_room_class_t;


/* In the channel's zone: what a master tells its workers. */
typedef struct {
    uint64_t                    master;    /* a number of its own, not 0 */
    ngx_atomic_t                reload;    /* configurations it has taken on */
    ngx_atomic_t                handover;  /* the last one has goim_handover */
} ngx_goim_shared_t;


/* Where a connection can belong to: a "goim" location at an address. */
typedef struct {
    struct sockaddr            *sockaddr;
    socklen_t                   socklen;
    struct ngx_http_goim_loc_conf_s  *conf;
} ngx_goim_place_t;


typedef struct {
    ngx_str_t                   path;      /* of the channel; empty: none */
    goim_channel_conf_t         channel;
    ngx_str_t                   group;     /* of its files; empty: nginx's */
    uint64_t                    generation;  /* set by the zone's init */
    ngx_shm_zone_t             *zone;
    ngx_str_t                   server_id;
    ngx_array_t                 classes;   /* ngx_goim_room_class_t */
    ngx_goim_room_class_t       default_class;
    ngx_msec_t                  drain;
    ngx_flag_t                  handover;
    ngx_goim_shared_t          *shared;    /* NULL: under nginx -t */
    uint64_t                    reload;    /* shared's when it was taken on */
    ngx_array_t                 locations; /* ngx_http_goim_loc_conf_t *, those
                                              with "goim" */
    ngx_array_t                 places;    /* ngx_goim_place_t */
    off_t                       max_pending;  /* bytes of a worker */
    ngx_str_t                   session_uri;  /* empty: no reports */
    ngx_msec_t                  session_interval;
    ngx_msec_t                  session_renew;  /* until all are renewed */
    ngx_http_conf_ctx_t        *session_ctx;  /* first server with "goim" */
    ngx_uint_t                  tcp;       /* some server has "goim_tcp" */
    ngx_cycle_t                *cycle;     /* that this belongs to */
} ngx_http_goim_main_conf_t;


typedef struct {
    ngx_http_complex_value_t   *mid;
    ngx_http_complex_value_t   *key;
    ngx_http_complex_value_t   *room;
    ngx_http_complex_value_t   *accepts;
    ngx_http_complex_value_t   *features;
} ngx_goim_identity_conf_t;


typedef struct {
    ngx_str_t                   tcp_uri;   /* empty: this server speaks HTTP */
} ngx_http_goim_srv_conf_t;


typedef struct ngx_http_goim_loc_conf_s {
    ngx_flag_t                  enabled;   /* "goim" stands in the location */
    ngx_str_t                   auth_uri;  /* empty: off */
    ngx_str_t                   publish_uri;  /* empty: off */
    ngx_uint_t                  uplink_max;  /* carriers of a worker */
    ngx_goim_identity_conf_t   *identity;  /* NULL: by the auth packet */
    ngx_goim_identity_conf_t   *fallback;  /* NULL: off */
    ngx_msec_t                  handshake_timeout;
    ngx_msec_t                  heartbeat;
    size_t                      max_packet;
    ngx_uint_t                  packet_rate;   /* per second; 0: any */
    ngx_uint_t                  packet_burst;  /* at once, at least 1 */
    ngx_uint_t                  status;    /* NGX_GOIM_STATUS_*, not merged */
    void                       *access_log;  /* of nginx's log module */
    void                      **log_conf;  /* of all modules, that among them;
                                              NULL: no line at the end */
    ngx_http_conf_ctx_t        *server_ctx;  /* of the "goim" location */
    ngx_http_core_loc_conf_t   *core;      /* likewise */
    ngx_str_t                   place;     /* its server's and its own name */
} ngx_http_goim_loc_conf_t;

#define NGX_GOIM_STATUS_JSON        0
#define NGX_GOIM_STATUS_PROMETHEUS  1


/* A connection */

/*
 * Who a connection is: one allocation, key, connection id and accepts behind
 * the struct.
 */
typedef struct {
    int64_t                     mid;
    int32_t                    *accepts;   /* sorted */
    uint32_t                    naccepts;
    uint8_t                     key_len;
    uint8_t                     conn_len;
    uint8_t                     features;  /* NGX_GOIM_FEATURE_*, asked for
                                              and granted */
    ngx_msec_t                  heartbeat; /* 0: the location's */
    ngx_str_t                   room;      /* to be joined: points into the
                                              text until detached; while
                                              closing: left, and allocated */
    u_char                      data[1];   /* key, connection id */
} ngx_goim_identity_t;

#define NGX_GOIM_FEATURE_GAP  0x01

#define ngx_goim_identity_key(id)   ((id)->data)
#define ngx_goim_identity_conn(id)  ((id)->data + (id)->key_len)


/* Bytes of our own, growing as needed, freed when empty. */
struct ngx_goim_out_s {
    uint32_t                    start;     /* of what is to be sent, or read */
    uint32_t                    end;
    uint32_t                    size;      /* of data */
    uint32_t                    messages;  /* pushes among the bytes */
    uint32_t                    saved;     /* bytes that were put in front, in
                                              addition to the queue's limit */
    uint32_t                    saved_messages;
    ngx_goim_room_class_t      *saved_class;  /* of their room */
    u_char                      data[1];
};


/* Who a connection is, for variables and requests. */
typedef struct {
    ngx_str_t                   key;
    ngx_str_t                   room;      /* empty: in none */
    int64_t                     mid;
    ngx_uint_t                  transport; /* ngx_goim_transport_e */
} ngx_goim_client_t;


/* Why a connection did not get messages; the first ones concern all members
 * of a room at once, and are counted in its frame log. */
typedef enum {
    NGX_GOIM_SKIP_RATE = 0,
    NGX_GOIM_SKIP_NOMEM,
    NGX_GOIM_SKIP_BY_ROOM,
    NGX_GOIM_SKIP_BACKLOG = NGX_GOIM_SKIP_BY_ROOM,
    NGX_GOIM_SKIP_CLOSED,       /* it left the room, or ended */
    NGX_GOIM_SKIPS
} ngx_goim_skip_e;


typedef enum {
    NGX_GOIM_STATE_AUTH = 0,       /* the auth packet is awaited */
    NGX_GOIM_STATE_SUBREQUEST,     /* its answer is; nothing is read */
    NGX_GOIM_STATE_DETACH,         /* the answer is known; nothing is read */
    NGX_GOIM_STATE_OPEN,
    NGX_GOIM_STATE_CLOSING,        /* our close frame is out or queued; the
                                      client's, or the end, is awaited; on TCP
                                      the rest of what is queued is sent */
    NGX_GOIM_STATE_CLOSED          /* it is over, and logged */
} ngx_goim_state_e;


/*
 * One client.  A cursor into its room's frame log says what it has got: pos,
 * and, if it could not take all (it "lags"), the block that pos stands in.
 */
struct ngx_goim_conn_s {
    ngx_connection_t           *connection;
    ngx_http_goim_loc_conf_t   *conf;
    ngx_goim_handshake_t       *handshake; /* until detached */
    ngx_goim_identity_t        *id;        /* NULL before authentication */

    ngx_goim_conn_t            *key_next;  /* same bucket of the key hash */

    ngx_queue_t                 holders;   /* ngx_goim_memory.c */

    ngx_queue_t                 heartbeat_queue;
    ngx_msec_t                  heartbeat_last;
    ngx_goim_heartbeat_t       *heartbeat; /* NULL: not in its queue */

    ngx_goim_room_t            *room;      /* NULL: in none */
    ngx_goim_block_t           *block;     /* held: lagging in it */
    uint64_t                    pos;       /* in the room's log */
    uint32_t                    sent;      /* messages it was sent whole */
    uint32_t                    skipped[NGX_GOIM_SKIPS];
                                           /* messages it did not get, mod
                                              2^32; in a room less what the
                                              room's log counts; see
                                              ngx_goim_conn_skipped() */
    uint32_t                    seen;      /* the log's messages at pos, or
                                              before, mod 2^32 */
    uint32_t                    told;      /* the log's lost messages that it
                                              knows of, less those skipped for
                                              it alone, mod 2^32 */
    uint32_t                    held_at;   /* memory: ms, mod 2^32 */
    uint32_t                    due;       /* bytes from pos that must go out
                                              before anything else */
    uint32_t                    room_index;
    uint32_t                    index;     /* in ngx_goim_worker.conns */
    uint32_t                    dirty;     /* place in the dirty list + 1 */
    uint32_t                    session;   /* among those to be reported + 1 */
    uint32_t                    uncounted; /* by limit_conn; 0: counted */
    uint32_t                    opened;    /* bytes of the incomplete frame's
                                              payload that are unmasked, and
                                              checked if they are text */
    uint64_t                    rate_time; /* us: what it has sent by now would
                                              have come by then */

    ngx_goim_out_t             *out;       /* replies, pushes to the key */
    ngx_goim_out_t             *in;        /* an incomplete frame */
    ngx_goim_out_t             *message;   /* fragments of a message */

    unsigned                    transport:1;  /* ngx_goim_transport_e */
    unsigned                    state:3;   /* ngx_goim_state_e */
    unsigned                    reason:4;  /* ngx_goim_reason_e, CLOSING,
                                              CLOSED */
    unsigned                    close_out:1;  /* close when out is empty */
    unsigned                    deaf:1;    /* what comes is discarded: it has
                                              closed, or is not understood */
    unsigned                    shut:1;    /* for sending; the client's end is
                                              awaited */
    unsigned                    text:1;    /* the message's opcode */
    unsigned                    utf8:4;    /* state of that text */
    unsigned                    listed:1;  /* counted, in conns */
    unsigned                    holds:1;   /* memory: it is in holders */
    unsigned                    publishing:1;  /* its op 4 is being answered;
                                      until then nothing is read */
    unsigned                    paused:1;  /* it was too fast: nothing is read
                                      until the read event's timer */
    unsigned                    gaps:1;    /* it wants to be told of them */
    unsigned                    told_holes:8;  /* as told, mod 2^8 */
    unsigned                    moving:1;  /* offered to another worker: until
                                      that has answered it is left alone */
    unsigned                    stays:1;   /* it can't be offered (again) */
    unsigned                    offered:1; /* it was, and may still lie in the
                                              queue of who has not read that */
};


/* Rooms and frame logs */

/* What is missing at a place of a log, of all that was ever pushed. */
typedef struct {
    uint32_t                    lost;      /* messages, mod 2^32 */
    uint32_t                    holes;     /* times that an unknown number of
                                              them was missed, mod 2^32 */
} ngx_goim_gap_t;


/*
 * A frame log: wire-ready bytes that members have still to get.  Positions
 * count bytes since the room was made.
 */
typedef struct {
    ngx_goim_block_t           *head;
    ngx_goim_block_t           *tail;
    uint64_t                    end;
    uint64_t                    keep;      /* members that do not lag stand
                                              here or later */
    uint32_t                    messages;  /* ever appended, mod 2^32 */
    uint32_t                    skipped[NGX_GOIM_SKIP_BY_ROOM];
                                           /* never appended, mod 2^32 */
    ngx_goim_gap_t              gap;       /* at its end */
} ngx_goim_log_t;


/* How many messages a room may still be given (ngx_goim_rate.c). */
typedef struct {
    double                      tokens;
    double                      arrivals;  /* of the last second, about */
    double                      chance;    /* of a message of this turn */
    ngx_msec_t                  at;        /* 0: not begun */
} ngx_goim_rate_t;


struct ngx_goim_room_s {
    ngx_goim_room_t            *next;      /* same bucket */
    uint64_t                    hash;
    ngx_goim_room_class_t      *class;
    ngx_goim_conn_t           **members;
    uint32_t                    nmembers;
    uint32_t                    nalloc;

    /* logic's last word on the members everywhere, and when, in s */
    uint32_t                    online;
    time_t                      online_at; /* 0: none yet */

    /* by transport: how many of the members, and what they have to get */
    uint32_t                    nspeak[NGX_GOIM_TRANSPORTS];
    ngx_goim_log_t              logs[NGX_GOIM_TRANSPORTS];
    uint32_t                    ngaps;     /* members that want to be told */

    /* this wake-up's records, as indexes + 1 into the turn's */
    uint32_t                    first;
    uint32_t                    last;

    /* sweep: members from next_member - 1 down are still to be visited */
    ngx_queue_t                 sweep_queue;
    uint64_t                    sweep_end[NGX_GOIM_TRANSPORTS];
                                           /* the logs' ends when it began */
    uint32_t                    sweep_messages[NGX_GOIM_TRANSPORTS];
                                           /* theirs then */
    ngx_goim_gap_t              sweep_gap[NGX_GOIM_TRANSPORTS];
                                           /* likewise */
    uint32_t                    next_member;
    unsigned                    sweeping:1;

    unsigned                    waiting:1; /* in its class's queue, by
                                              sweep_queue, until flush_end */
    ngx_msec_t                  flush_end;

    ngx_goim_rate_t             rate;      /* unless the class has none */

    u_char                      name_len;
    u_char                      name[1];
};


#define ngx_goim_conn_log(gc)  (&(gc)->room->logs[(gc)->transport])


/* What a worker owns. */
typedef struct {
    ngx_cycle_t                *cycle;
    ngx_http_goim_main_conf_t  *conf;      /* NULL: not a worker, or unused */
    goim_channel_t             *channel;   /* NULL: none could be opened */
    goim_reader_t              *reader;
    uint64_t                    epoch;     /* of the reader's slot */
    ngx_connection_t           *pipe;
    off_t                       pending;   /* bytes, ngx_goim_memory.c */

    ngx_goim_conn_t           **conns;     /* all that are listed */
    uint32_t                    nconns;
    uint32_t                    nconns_alloc;
    uint32_t                    nhandshakes;  /* not yet detached */

    unsigned                    exiting:1;
    unsigned                    broken:1;  /* the channel is, and it was
                                              logged */

    uint64_t                    counters[NGX_GOIM_COUNTERS]; /* no channel */
} ngx_goim_worker_t;


extern ngx_module_t       ngx_http_goim_module;
extern ngx_goim_worker_t  ngx_goim_worker;

/* by ngx_goim_transport_e */
extern ngx_str_t          ngx_goim_transport_names[NGX_GOIM_TRANSPORTS];


/* ngx_goim_room_class.c */

char *ngx_goim_room_class_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_goim_room_class_t *ngx_goim_room_class_find(
    ngx_http_goim_main_conf_t *gmcf, u_char *name, size_t len);

/* All of them, by number, the default one last; NULL: there are no more. */
ngx_goim_room_class_t *ngx_goim_room_class_get(
    ngx_http_goim_main_conf_t *gmcf, ngx_uint_t i);

/* In a worker whose channel is open: counters begin, on its board. */
void ngx_goim_room_class_init(ngx_http_goim_main_conf_t *gmcf);


/* ngx_goim_channel_conf.c: the directive, and the channel in the master */

char *ngx_goim_channel_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_goim_channel.c: the channel in a worker */

void ngx_goim_channel_open(ngx_cycle_t *cycle);
void ngx_goim_channel_close(void);

/* Whether this worker gets messages; else it takes no connections. */
ngx_uint_t ngx_goim_channel_ready(void);

/* The sweeps are over: reading goes on if it waited for them. */
void ngx_goim_channel_resume(void);

/* Nothing is read until it is released: positions stay where they are. */
void ngx_goim_channel_hold(void);
void ngx_goim_channel_release(void);

/* A turn is to come, if it is not on its way. */
void ngx_goim_channel_turn_soon(void);

/* How far the lanes are read, at the end of a turn. */
void ngx_goim_channel_positions(uint64_t *positions);

/* Whether all lanes are read at least so far. */
ngx_uint_t ngx_goim_channel_is_at(const uint64_t *positions);

/* The channel has a next generation, or can't be read. */
ngx_uint_t ngx_goim_channel_is_past(void);


/* ngx_goim_listen.c: goim's TCP protocol, from accept to request */

ngx_int_t ngx_goim_listen_postconfiguration(ngx_conf_t *cf);
void ngx_goim_listen_init(ngx_cycle_t *cycle);

/* The request was made for a connection that speaks goim's TCP. */
ngx_uint_t ngx_goim_listen_is_tcp(ngx_http_request_t *r);


/* ngx_goim_limit_conn.c */

ngx_int_t ngx_goim_limit_conn_postconfiguration(ngx_conf_t *cf);

/* Counts a connection that another worker has counted before, if the limits
 * allow. */
void ngx_goim_limit_conn_count(ngx_goim_conn_t *gc);


/* ngx_goim_request.c: requests that no client has sent */

typedef struct {
    ngx_uint_t                  method;
    ngx_str_t                   method_name;
    ngx_str_t                   uri;
} ngx_goim_request_t;

/* What nginx's phases look at; the header list is empty. */
ngx_int_t ngx_goim_request_fill(ngx_http_request_t *r,
    ngx_goim_request_t *gr);

/* lower is the name in lower case; both live as long as the request. */
ngx_table_elt_t *ngx_goim_request_header(ngx_http_request_t *r,
    const char *name, const char *lower, ngx_str_t *value);

/* Copies the body, and adds its Content-Length. */
ngx_int_t ngx_goim_request_body(ngx_http_request_t *r, const u_char *data,
    size_t len);

/* Adds X-Real-IP, X-Goim-Server and X-Goim-Transport. */
ngx_int_t ngx_goim_request_client(ngx_http_request_t *r,
    ngx_uint_t transport);

/* The log context that nginx's accept gives a connection, whose pool it is
 * in; lines go where those of base do. */
ngx_int_t ngx_goim_request_set_log(ngx_connection_t *c, ngx_log_t *base,
    char *action);

/*
 * A request of a detached connection for handlers of other modules, as long
 * as hc lives; it is not counted.  NULL: no memory.  Given back, the
 * connection is gc's again.
 */
ngx_http_request_t *ngx_goim_request_borrow(ngx_goim_conn_t *gc,
    ngx_http_connection_t *hc);
void ngx_goim_request_return(ngx_http_request_t *r, ngx_goim_conn_t *gc);


/* ngx_goim_handshake.c */

ngx_int_t ngx_goim_handshake_handler(ngx_http_request_t *r);

/* The auth packet came (ngx_goim_op.c): asks, and reads on afterwards. */
ngx_int_t ngx_goim_handshake_auth(ngx_goim_conn_t *gc,
    const goim_packet_t *packet);

/* The request is about to end: a close frame, if one can still be sent. */
void ngx_goim_handshake_last_word(ngx_goim_handshake_t *hs, ngx_uint_t code);

/* That of a connection which still has its request. */
ngx_goim_handshake_t *ngx_goim_handshake_get(ngx_connection_t *c);

/* A request's, for $goim_... variables; none in a subrequest. */
typedef struct {
    ngx_goim_handshake_t       *handshake; /* NULL: not a handshake */
    ngx_goim_conn_t            *conn;
} ngx_goim_ctx_t;

struct ngx_goim_handshake_s {
    ngx_goim_ctx_t              ctx;
    ngx_http_request_t         *request;
    ngx_goim_conn_t            *conn;
    ngx_event_t                 detach;    /* posted, or a short timer */
    ngx_event_t                 timeout;
    ngx_http_request_t         *subrequest;
    ngx_uint_t                  status;    /* the auth location's answer */
    ngx_str_t                   token;     /* that it was asked about */
    int32_t                     seq;       /* of the auth packet */
    uint16_t                    ver;
    unsigned                    reply:1;   /* op 8 is owed */
    unsigned                    done:1;    /* the subrequest is over */
    ngx_uint_t                  close_code;  /* 0: accepted */
    ngx_goim_reason_e           reason;    /* of the close code */
};


/* ngx_goim_detach.c */

void ngx_goim_detach_init(ngx_goim_handshake_t *hs);

/* The answer is known: the connection leaves its request when it can. */
void ngx_goim_detach_start(ngx_goim_handshake_t *hs);


/* ngx_goim_auth.c: the auth subrequest and its answer */

ngx_int_t ngx_goim_auth_start(ngx_goim_handshake_t *hs, goim_str_t token);

/* NGX_OK and the identity, or NGX_DECLINED and hs->close_code. */
ngx_int_t ngx_goim_auth_answer(ngx_goim_handshake_t *hs,
    ngx_goim_identity_t **id);


/* ngx_goim_identity.c */

typedef struct {
    ngx_str_t                   mid;
    ngx_str_t                   key;
    ngx_str_t                   room;
    ngx_str_t                   accepts;
    ngx_str_t                   conn;
    ngx_str_t                   heartbeat; /* seconds */
    ngx_str_t                   features;  /* unknown ones are skipped */
} ngx_goim_identity_text_t;

/*
 * NGX_OK; NGX_DECLINED and a logged reason if a text is malformed; NGX_ERROR
 * without memory.  id->room points into the text.
 */
ngx_int_t ngx_goim_identity_parse(ngx_goim_identity_text_t *text,
    ngx_goim_identity_t **id, ngx_log_t *log);

/* The same from the variables of goim_identity, or goim_auth_fallback. */
ngx_int_t ngx_goim_identity_eval(ngx_http_request_t *r,
    ngx_goim_identity_conf_t *gic, ngx_goim_identity_t **id);

/* Of a connection from another worker; NULL: no memory. */
ngx_goim_identity_t *ngx_goim_identity_restore(
    const goim_handover_conn_t *state, ngx_log_t *log);

ngx_uint_t ngx_goim_identity_accepts(ngx_goim_identity_t *id, int32_t op);

/* A mid as text, at most NGX_INT64_LEN bytes; returns its end. */
u_char *ngx_goim_identity_print_mid(u_char *p, int64_t mid);

/*
 * Adds operations to the accepts, or takes them away; the identity may move.
 * NGX_DECLINED: malformed or too many, nothing has changed.
 */
ngx_int_t ngx_goim_identity_change(ngx_goim_identity_t **id, ngx_str_t *text,
    ngx_uint_t add, ngx_log_t *log);


/* ngx_goim_conn.c */

ngx_goim_conn_t *ngx_goim_conn_create(ngx_connection_t *c,
    ngx_http_goim_loc_conf_t *glcf);

/* Makes room for one more in an array of n connections. */
ngx_int_t ngx_goim_conn_grow(ngx_goim_conn_t ***conns, uint32_t n,
    uint32_t *nalloc, ngx_log_t *log);

/* Frees what a connection owns before it is detached; c is untouched. */
void ngx_goim_conn_destroy(ngx_goim_conn_t *gc);

/* Detached: from now on ngx_goim_conn_close() ends it. */
ngx_int_t ngx_goim_conn_attach(ngx_goim_conn_t *gc);

/* Attached and authenticated: joins keys, heartbeats, and the room if its name
 * is not empty.  NGX_DECLINED: the room is full, nothing was joined. */
ngx_int_t ngx_goim_conn_open(ngx_goim_conn_t *gc, ngx_str_t *room);

/* The only place that ends a detached connection; gc is gone. */
void ngx_goim_conn_close(ngx_goim_conn_t *gc, ngx_goim_reason_e reason);

/* One from another worker, not attached yet: is open here, in the place that
 * it had there.  NGX_ERROR: no memory; then it is to be moved. */
ngx_int_t ngx_goim_conn_adopt(ngx_goim_conn_t *gc, ngx_str_t *room,
    ngx_msec_t silent);

/* It goes on in another worker: frees it here, and nobody is told; gc is
 * gone. */
void ngx_goim_conn_moved(ngx_goim_conn_t *gc);

/* goim_drain has begun, or there is one more that it is for. */
void ngx_goim_conn_drain_begin(void);

/* Says why with a close frame, and closes when the client has answered, or
 * after a time; gc may be gone. */
void ngx_goim_conn_say_goodbye(ngx_goim_conn_t *gc, ngx_uint_t code,
    ngx_goim_reason_e reason);

/* The same with a text for people, of which a close frame takes 123 bytes of
 * UTF-8; anything else is left out. */
void ngx_goim_conn_kick(ngx_goim_conn_t *gc, const u_char *text, size_t len);

/* Its id in reports and kicks, given by logic or made from the worker's epoch;
 * returns its length, NGX_GOIM_CONN_MAX at most. */
size_t ngx_goim_conn_id(ngx_goim_conn_t *gc, u_char *id);

/* Of a connection that has an identity. */
void ngx_goim_conn_client(ngx_goim_conn_t *gc, ngx_goim_client_t *client);

void ngx_goim_conn_read_handler(ngx_event_t *rev);
void ngx_goim_conn_write_handler(ngx_event_t *wev);

/* Messages that it did not get, for a reason or (NGX_GOIM_SKIPS) all. */
uint32_t ngx_goim_conn_skipped(ngx_goim_conn_t *gc, ngx_uint_t skip);

/* Sends what is pending, and closes on an error, on a backlog that must
 * close, or when that was all there was to do: NGX_DONE, gc is gone. */
ngx_int_t ngx_goim_conn_flush(ngx_goim_conn_t *gc);

/* Lets connections go, evenly over goim_drain; called when nginx shuts the
 * worker down or its channel is broken, and for each connection detached after
 * that. */
void ngx_goim_conn_drain(void);

/* Messages for this worker's statistics. */
static ngx_inline void
ngx_goim_count(ngx_uint_t counter, uint64_t n)
{
    if (ngx_goim_worker.reader) {
        goim_reader_count(ngx_goim_worker.reader, counter, n);

    } else {
        ngx_goim_worker.counters[counter] += n;
    }
}

static ngx_inline void
ngx_goim_count_class(ngx_goim_room_class_t *class, ngx_uint_t counter,
    uint64_t n)
{
    _Atomic uint64_t  *c;

    if (class->counters) {
        c = &class->counters[counter];

        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed)
                                 + n, memory_order_relaxed);
    }
}


/* ngx_goim_read.c */

/*
 * Bytes from the client, in order.  NGX_OK: all was used or kept;
 * NGX_AGAIN: the state allows no reading now, the rest was kept;
 * NGX_ERROR: nothing is to be read any more, *code is what our close frame is
 * to say; close_out: the client has closed; NGX_DONE: gc is gone.
 */
ngx_int_t ngx_goim_read_input(ngx_goim_conn_t *gc, u_char *data, size_t len,
    ngx_uint_t *code);


/* ngx_goim_packet_rate.c */

char *ngx_goim_packet_rate_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Counts a packet, or frame, of an open connection.  NGX_AGAIN: it is not to
 * be looked at yet, and gc is paused. */
ngx_int_t ngx_goim_packet_rate_take(ngx_goim_conn_t *gc);

/* The read event came: whether gc is still paused. */
ngx_uint_t ngx_goim_packet_rate_is_paused(ngx_goim_conn_t *gc);


/* ngx_goim_echo.c: for conformance suites, not for service */

#if (NGX_GOIM_WS_ECHO)

#define NGX_GOIM_PACKET_LIMIT  (64 * 1024 * 1024)

void ngx_goim_echo_warn(ngx_conf_t *cf);

/* However much is queued already.  NGX_ERROR: no memory. */
ngx_int_t ngx_goim_echo_message(ngx_goim_conn_t *gc, u_char *data,
    size_t len);

#else

#define NGX_GOIM_PACKET_LIMIT  (1024 * 1024)  /* of goim_max_packet */

#endif


/* ngx_goim_uplink.c: requests of the worker's own */

typedef void (*ngx_goim_uplink_done_pt)(ngx_goim_uplink_t *up);

/* What is asked; all of it is copied, except ctx. */
typedef struct {
    ngx_http_conf_ctx_t        *ctx;       /* of the server with uri */
    ngx_str_t                   uri;
    ngx_connection_t           *from;      /* whose addresses it has; NULL:
                                              this host's */
    ngx_goim_client_t          *client;    /* NULL: none */
    const u_char               *body;
    size_t                      len;
    ngx_str_t                   type;      /* of the body */
    size_t                      max;       /* bytes of the answer's body */
    ngx_goim_uplink_done_pt     done;      /* called once, in a turn of its
                                              own; then the uplink is freed */
} ngx_goim_uplink_request_t;

struct ngx_goim_uplink_s {
    ngx_goim_client_t           client;    /* key.len 0: none */
    ngx_http_request_t         *request;   /* NULL: it is over */
    ngx_goim_uplink_done_pt     done;
    ngx_event_t                 event;     /* posted when it is over */

    ngx_uint_t                  status;    /* of the answer; 0: none */
    ngx_goim_out_t             *answer;    /* its body; NULL: empty */
    size_t                      answer_len;
    size_t                      max;
    unsigned                    cut:1;     /* the body was larger than max */
    unsigned                    whole:1;   /* it has ended, not broken off */

    /* whom an answer is for (ngx_goim_publish.c) */
    ngx_atomic_uint_t           number;    /* of the connection */
    int32_t                     seq;
    uint16_t                    ver;
};

ngx_int_t ngx_goim_uplink_postconfiguration(ngx_conf_t *cf);
ngx_int_t ngx_goim_uplink_init(ngx_log_t *log);

/* NULL: no memory, or no connection is free; done is not called. */
ngx_goim_uplink_t *ngx_goim_uplink_start(ngx_goim_uplink_request_t *ur);

/* Ends it without an answer; done is called later. */
void ngx_goim_uplink_end(ngx_goim_uplink_t *up);

/* That of a request, NULL for one that a client has sent. */
ngx_goim_uplink_t *ngx_goim_uplink_get(ngx_http_request_t *r);


/* ngx_goim_publish.c */

/* NGX_AGAIN: op 5 comes later, and nothing is read until then; NGX_OK: it has
 * been sent. */
ngx_int_t ngx_goim_publish(ngx_goim_conn_t *gc, const goim_packet_t *packet);


/* ngx_goim_session.c: reports to logic */

/* The channel is open: reports begin. */
void ngx_goim_session_init(void);

/* Events that the next report tells. */
void ngx_goim_session_connect(ngx_goim_conn_t *gc);
void ngx_goim_session_disconnect(ngx_goim_conn_t *gc,
    ngx_goim_reason_e reason);
void ngx_goim_session_empty_room(ngx_goim_room_t *room);

/* It goes on in another worker, which tells of it. */
void ngx_goim_session_forget(ngx_goim_conn_t *gc);

/* Connections came from another worker: they and their rooms are told soon. */
void ngx_goim_session_hurry(void);

/* Connections went to another worker: it is to tell of them first. */
void ngx_goim_session_wait(void);

/* The worker shuts down, and waits for its last report. */
void ngx_goim_session_exit(void);

/* It has waited long enough: one more attempt of a second. */
void ngx_goim_session_cut(void);

/* The room's members everywhere, if logic has told; else on this host. */
uint64_t ngx_goim_session_online(ngx_goim_room_t *room);


/* ngx_goim_variables.c */

ngx_int_t ngx_goim_variables_add(ngx_conf_t *cf);


/* ngx_goim_access_log.c */

char *ngx_goim_access_log_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_goim_access_log_merge(ngx_conf_t *cf,
    ngx_http_goim_loc_conf_t *glcf);
ngx_int_t ngx_goim_access_log_postconfiguration(ngx_conf_t *cf);

/* The line of a connection that ends, CLOSED, if there is to be one. */
void ngx_goim_access_log_write(ngx_goim_conn_t *gc);


/* ngx_goim_op.c: what a client's packet does; as above, and NGX_DONE: gc is
 * gone */

ngx_int_t ngx_goim_op_packet(ngx_goim_conn_t *gc, const goim_packet_t *packet,
    ngx_uint_t *code);


/* ngx_goim_send.c */

/* Sends what is pending as far as possible.  NGX_ERROR: the connection is
 * broken; NGX_DECLINED: its backlog is too large, and its class closes. */
ngx_int_t ngx_goim_send_flush(ngx_goim_conn_t *gc);

/*
 * Takes the connection's cursor off its room's log: what was started goes
 * into its own queue, the rest is counted as dropped.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_goim_send_settle(ngx_goim_conn_t *gc);

/* The queue's messages will not be sent: counts them. */
void ngx_goim_send_drop(ngx_goim_conn_t *gc);

/* All that is pending goes into the connection's own queue, in its order, and
 * the cursor to the log's end.  NGX_ERROR: no memory, nothing has changed. */
ngx_int_t ngx_goim_send_gather(ngx_goim_conn_t *gc);

/* Nothing of the room's log is to be sent any more, and nothing counted. */
void ngx_goim_send_forget(ngx_goim_conn_t *gc);

/* Sends frames that many connections get, at once if nothing else is
 * pending; what is left is queued, or dropped and counted.  NGX_ERROR: the
 * connection is broken, and the rest was counted. */
ngx_int_t ngx_goim_send_frames(ngx_goim_conn_t *gc, struct iovec *iov,
    int n);

/* Queues a frame of our own, a packet as op or a control frame (there is none
 * on TCP).  NGX_ERROR: no memory, or the queue is full. */
ngx_int_t ngx_goim_send_packet(ngx_goim_conn_t *gc, uint16_t ver, int32_t op,
    int32_t seq, const u_char *body, size_t len);
ngx_int_t ngx_goim_send_push(ngx_goim_conn_t *gc, const goim_record_t *record);
ngx_int_t ngx_goim_send_control(ngx_goim_conn_t *gc, ngx_uint_t opcode,
    const u_char *data, size_t len);


/* ngx_goim_memory.c: of what waits */

void ngx_goim_memory_init(void);

/* Counted, and bounded by goim_max_pending: beyond it connections are closed
 * before the event loop goes on.  NULL: the system has none. */
void *ngx_goim_memory_alloc(size_t size);
void ngx_goim_memory_free(void *p, size_t size);

/* Room behind the end of a queue that is made, grows and moves as needed. */
u_char *ngx_goim_out_reserve(ngx_goim_out_t **out, size_t len);
void ngx_goim_out_free(ngx_goim_out_t **out);

/* NGX_ERROR: no memory.  With no bytes there is a queue all the same. */
static ngx_inline ngx_int_t
ngx_goim_out_append(ngx_goim_out_t **out, const u_char *data, size_t len)
{
    u_char  *p;

    p = ngx_goim_out_reserve(out, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, data, len);
    (*out)->end += len;

    return NGX_OK;
}

/* A connection holds some of it; moved: it has just been sent something. */
void ngx_goim_memory_hold(ngx_goim_conn_t *gc, ngx_uint_t moved);
void ngx_goim_memory_let_go(ngx_goim_conn_t *gc);

/* A number has changed; when it has fallen from a peak, what was taken for
 * that goes back to the system. */
typedef enum {
    NGX_GOIM_MEMORY_CONNS = 0,
    NGX_GOIM_MEMORY_HANDSHAKES,
    NGX_GOIM_MEMORY_PEAKS
} ngx_goim_memory_peak_e;

void ngx_goim_memory_number(ngx_goim_memory_peak_e what, uint32_t n);


/* ngx_goim_rate.c: max_rate of a room class */

/* A turn has so many messages that may be skipped, and that may not. */
void ngx_goim_rate_turn(ngx_goim_room_t *room, ngx_uint_t ordinary,
    ngx_uint_t priority);

/* Whether the members get one of those that may be skipped. */
ngx_uint_t ngx_goim_rate_admits(ngx_goim_room_t *room,
    const goim_record_t *record);

ngx_uint_t ngx_goim_rate_is_priority(ngx_goim_room_class_t *class,
    int32_t op);


/* ngx_goim_room.c */

ngx_int_t ngx_goim_room_init(ngx_log_t *log);
ngx_goim_room_t *ngx_goim_room_find(uint64_t hash, const u_char *name,
    size_t len);
ngx_int_t ngx_goim_room_join(ngx_goim_conn_t *gc, ngx_str_t *name);

/* Whether one more member may join; else it is counted.  When several workers
 * let in the last one at once there may be a few too many. */
ngx_uint_t ngx_goim_room_admits(ngx_str_t *name);

/* The same for a member of a worker that shuts down, whose own members are
 * none yet; the class limits them, and nothing is counted. */
ngx_uint_t ngx_goim_room_takes_over(ngx_goim_room_class_t *class,
    ngx_str_t *name);
void ngx_goim_room_leave(ngx_goim_conn_t *gc);

/* For a walk: rooms hang on a power of two of buckets, by next. */
uint32_t ngx_goim_room_table_size(void);
ngx_goim_room_t *ngx_goim_room_bucket(uint32_t i);

/* The room's members on all workers of this host. */
uint64_t ngx_goim_room_online(ngx_goim_room_t *room);

/* Frees a room without members; one that is swept is left to the sweep, one
 * with records of this turn to the turn's end. */
void ngx_goim_room_destroy(ngx_goim_room_t *room);


/* ngx_goim_key.c */

ngx_int_t ngx_goim_key_init(ngx_log_t *log);
ngx_goim_conn_t *ngx_goim_key_find(const u_char *key, size_t len);
void ngx_goim_key_add(ngx_goim_conn_t *gc);
void ngx_goim_key_remove(ngx_goim_conn_t *gc);

/* Another connection with the key of this one, or NULL. */
ngx_goim_conn_t *ngx_goim_key_other(ngx_goim_conn_t *gc);


/* ngx_goim_frame_log.c */

/* Room for one frame of len bytes and that many messages, or NULL. */
u_char *ngx_goim_log_append(ngx_goim_log_t *log, size_t len,
    uint32_t messages);

/* The block that holds a position below the log's end. */
ngx_goim_block_t *ngx_goim_log_block(ngx_goim_log_t *log, uint64_t pos);

/* The end of the frame that pos stands in, or, at a border, pos itself. */
uint64_t ngx_goim_log_frame_end(ngx_goim_block_t *b, uint64_t pos);

/* The start of the newest frame; the log holds at least one. */
uint64_t ngx_goim_log_newest(ngx_goim_log_t *log);

/* The messages up to the last whole frame before pos, mod 2^32. */
uint32_t ngx_goim_log_messages(ngx_goim_block_t *b, uint64_t pos);

/*
 * Messages of the room that are in no frame: they are missing behind the last
 * one.  Members that want to know are told in the room's next sweep.
 */
void ngx_goim_log_lose(ngx_goim_log_t *log, uint32_t messages);

/* What is missing at the start of a frame, in block b or behind it, or at the
 * log's end. */
ngx_goim_gap_t *ngx_goim_log_gap(ngx_goim_log_t *log, ngx_goim_block_t *b,
    uint64_t pos);

/* How far the log goes on from there without a further gap. */
uint64_t ngx_goim_log_gap_end(ngx_goim_log_t *log, ngx_goim_block_t *b,
    uint64_t pos);

/* A lagging connection holds its block and all that follow. */
void ngx_goim_log_hold(ngx_goim_block_t *b);
void ngx_goim_log_release(ngx_goim_log_t *log, ngx_goim_block_t *b);

/* Members that do not lag stand at keep or later. */
void ngx_goim_log_trim(ngx_goim_log_t *log, uint64_t keep);

struct ngx_goim_block_s {
    ngx_goim_block_t           *next;
    uint64_t                    start;     /* position of data[0] */
    uint32_t                    used;
    uint32_t                    size;      /* of data, frame ends included */
    uint32_t                    frames;
    uint32_t                    messages;  /* of the log before this block */
    uint32_t                    holds;     /* connections that lag here */
    u_char                      data[1];   /* frames from the front, their
                                              ends from the back */
};


/* ngx_goim_gap.c: clients are told what they have missed */

#define NGX_GOIM_GAP_NOTICE  96  /* bytes of one, at most */

/* What a member has still to be told of at a place of its log, as frames in
 * its transport's format; returns their length, 0: nothing. */
size_t ngx_goim_gap_notice(ngx_goim_conn_t *gc, ngx_goim_gap_t *gap,
    u_char *buf);

/* That notice is on its way. */
void ngx_goim_gap_told(ngx_goim_conn_t *gc, ngx_goim_gap_t *gap);

/* Some record that this worker has not seen may have been any room's. */
void ngx_goim_gap_missed(void);

/* A member has something to be told at its log's end, or before. */
static ngx_inline ngx_uint_t
ngx_goim_gap_untold(ngx_goim_conn_t *gc)
{
    ngx_goim_gap_t  *gap;

    gap = &ngx_goim_conn_log(gc)->gap;

    return gc->gaps
           && (gap->lost != gc->told
               || (uint8_t) gap->holes != gc->told_holes);
}


/* ngx_goim_fanout.c: records to frames */

typedef struct {
    const goim_record_t        *record;
    uint32_t                    next;      /* index + 1 of the room's next */
    uint32_t                    priority;  /* max_rate: not to be skipped */
} ngx_goim_turn_record_t;

/* The length of a push in a transport's format, and the push itself; returns
 * its end.  On TCP it is what the WebSocket frame ends with. */
size_t ngx_goim_fanout_frame_len(const goim_record_t *record,
    ngx_uint_t transport);
u_char *ngx_goim_fanout_frame(u_char *p, const goim_record_t *record,
    ngx_uint_t transport);

/* The next of a record's keys; NULL: there are no more.  *at is 0 at first. */
const u_char *ngx_goim_fanout_key(const goim_record_t *record, uint32_t *at,
    size_t *len);

/* Whether a kick, whose target begins with that connection id, is for gc,
 * which has one of its keys. */
ngx_uint_t ngx_goim_fanout_kicks(const goim_record_t *record,
    const u_char *conn, size_t len, ngx_goim_conn_t *gc);

void ngx_goim_fanout_record(const goim_record_t *record);

/* Records before the next one were missed. */
void ngx_goim_fanout_missed(void);

/* The end of a wake-up's records: frames are made and sweeps begin. */
void ngx_goim_fanout_finish(void);

/* A connection with frames of its own is flushed at the end of the turn. */
void ngx_goim_fanout_dirty(ngx_goim_conn_t *gc);
void ngx_goim_fanout_clean(ngx_goim_conn_t *gc);


/* ngx_goim_sweep.c: frames to members, in slices */

void ngx_goim_sweep_init(void);
void ngx_goim_sweep_room(ngx_goim_room_t *room);
void ngx_goim_sweep_run(void);

/* 0, or 1 and how many broadcasts wait: somebody has still to be visited. */
ngx_uint_t ngx_goim_sweep_pending(void);

/* What "flush" holds back goes out at once. */
void ngx_goim_sweep_hurry(void);

/* Runs, unless the time for this turn of the event loop is used up. */
void ngx_goim_sweep_run_once(void);


/* ngx_goim_broadcast.c: frames to all, in slices */

typedef struct ngx_goim_broadcast_s  ngx_goim_broadcast_t;

/* Made into a frame once for all connections. */
struct ngx_goim_broadcast_s {
    ngx_goim_broadcast_t       *next;
    uint32_t                    left;      /* of ngx_goim_worker.conns those
                                              below are still to be visited,
                                              downwards; who comes later stands
                                              above */
    uint32_t                    speed;     /* connections per second on this
                                              host; 0: no pace */
    uint64_t                    credit;    /* with a pace: visits it may make
                                              now, by NGX_GOIM_PACE_VISIT */
    int32_t                     op;
    size_t                      len;
    size_t                      header;    /* of it, that TCP does not have */
    u_char                      data[1];
};

void ngx_goim_broadcast_init(void);

/* It begins with the next slice.  NGX_ERROR: no memory. */
ngx_int_t ngx_goim_broadcast_add(const goim_record_t *record);

/* A few visits, by those that may make some now; whether there are such. */
void ngx_goim_broadcast_slice(void);
ngx_uint_t ngx_goim_broadcast_is_due(void);

/* How many without a pace are under way. */
uint32_t ngx_goim_broadcast_pending(void);

/* The first of those that came with a pace: some may have lost it. */
ngx_goim_broadcast_t *ngx_goim_broadcast_paced(void);

/* It goes on without a pace. */
void ngx_goim_broadcast_hurry(ngx_goim_broadcast_t *b);

/* An open connection ends: counts the broadcasts that it will not get. */
void ngx_goim_broadcast_drop(ngx_goim_conn_t *gc);

/* Before an open connection ends: it gets now what it would have got later.
 * NGX_DONE: gc is gone. */
ngx_int_t ngx_goim_broadcast_give(ngx_goim_conn_t *gc);

/*
 * Before a connection leaves ngx_goim_worker.conns, where the last one takes
 * its place: it goes behind those that are still to be visited, so that
 * nobody is visited twice.
 */
void ngx_goim_broadcast_leave(ngx_goim_conn_t *gc);


/* ngx_goim_pace.c: how fast broadcasts with a speed go on */

#define NGX_GOIM_PACE_VISIT  1000000  /* credit for one */

/* The last of those with a pace begins; it, or older ones, may lose it. */
void ngx_goim_pace_begin(ngx_goim_broadcast_t *b);

/* One of them has reached everybody. */
void ngx_goim_pace_end(void);

/* All of them go on without a pace, with the next sweep. */
void ngx_goim_pace_hurry(void);


/* ngx_goim_handover*.c: connections to another worker, from one that leaves;
 * what these files share is in ngx_goim_handover.h */

ngx_int_t ngx_goim_handover_postconfiguration(ngx_conf_t *cf);

/* Takes connections from other workers, until unlisten. */
void ngx_goim_handover_listen(ngx_cycle_t *cycle);
void ngx_goim_handover_unlisten(void);

/* A turn of the channel is over: offers that waited for it. */
void ngx_goim_handover_look(void);

/* The worker shuts down, or a connection was detached since. */
void ngx_goim_handover_start(void);

/* Whether a connection may still go to another worker: it is not to be let
 * go. */
ngx_uint_t ngx_goim_handover_covers(ngx_goim_conn_t *gc);

/* Connections are under way: until they have arrived nothing may end them. */
ngx_uint_t ngx_goim_handover_is_busy(void);


/* ngx_goim_heartbeat.c */

void ngx_goim_heartbeat_init(void);
ngx_int_t ngx_goim_heartbeat_add(ngx_goim_conn_t *gc, ngx_msec_t timeout);
void ngx_goim_heartbeat_touch(ngx_goim_conn_t *gc);

/* What is allowed to an open connection, and how long its client has been
 * silent; added again it keeps about that deadline. */
ngx_msec_t ngx_goim_heartbeat_allowed(ngx_goim_conn_t *gc);
ngx_msec_t ngx_goim_heartbeat_silent(ngx_goim_conn_t *gc);
ngx_int_t ngx_goim_heartbeat_resume(ngx_goim_conn_t *gc, ngx_msec_t silent);
void ngx_goim_heartbeat_remove(ngx_goim_conn_t *gc);


/* ngx_goim_page.c */

typedef struct {
    ngx_pool_t                 *pool;
    ngx_chain_t                *first;
    ngx_chain_t               **last;
    ngx_buf_t                  *buf;       /* the last one */
    off_t                       size;
    ngx_uint_t                  failed;    /* no memory: a part is missing */
    ngx_uint_t                  nslots;    /* the workers that it is about */
    uint32_t                    slots[GOIM_CHANNEL_SLOTS];
} ngx_goim_page_t;

/* At most 512 bytes in one call; more is cut. */
void ngx_cdecl ngx_goim_page_print(ngx_goim_page_t *page, const char *fmt,
    ...);

/* A string of JSON, in quotes; what is not UTF-8 becomes "?". */
void ngx_goim_page_string(ngx_goim_page_t *page, const u_char *data,
    size_t len);

/* The same as the value of a Prometheus label; control characters become "?"
 * as well. */
void ngx_goim_page_label(ngx_goim_page_t *page, const u_char *data,
    size_t len);

/* The page as the response, with the status in headers_out; returns what a
 * content handler does. */
ngx_int_t ngx_goim_page_send(ngx_http_request_t *r, ngx_goim_page_t *page,
    ngx_str_t *type);


/* ngx_goim_status.c */

extern const char *const  ngx_goim_counter_names[NGX_GOIM_COUNTERS];

char *ngx_goim_status_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The name of why a connection ended. */
const char *ngx_goim_status_reason(ngx_goim_reason_e reason);

/* The counter is the current number of something; all others only grow. */
ngx_uint_t ngx_goim_status_is_gauge(ngx_uint_t counter);

/* The slots that somebody holds, ours among them; returns how many. */
ngx_uint_t ngx_goim_status_slots(goim_channel_t *ch, uint32_t *slots);

/* Since goim-job last stored its time in the lane. */
uint64_t ngx_goim_status_silent_ms(goim_channel_lane_t *lane);


/* A worker's connections, from its gauges. */
typedef enum {
    NGX_GOIM_CLIENTS_HANDSHAKING = 0,
    NGX_GOIM_CLIENTS_OPEN,
    NGX_GOIM_CLIENTS_DRAINING,  /* open, in a worker that shuts down */
    NGX_GOIM_CLIENTS_CLOSING,
    NGX_GOIM_CLIENTS_STATES
} ngx_goim_clients_e;

typedef uint64_t  ngx_goim_clients_t[NGX_GOIM_TRANSPORTS]
                                    [NGX_GOIM_CLIENTS_STATES];

extern const char *const  ngx_goim_clients_names[NGX_GOIM_CLIENTS_STATES];

/* Adds those of a slot. */
void ngx_goim_status_clients(goim_channel_slot_t *slot,
    ngx_goim_clients_t clients);

/* The room classes of all workers, by name. */
typedef struct {
    u_char                      name[GOIM_BOARD_NAME];
    size_t                      len;
    uint64_t                    counters[NGX_GOIM_CLASS_COUNTERS];
} ngx_goim_status_class_t;

/* Copies those of one slot, each name once; returns how many. */
ngx_uint_t ngx_goim_status_classes(goim_channel_t *ch, uint32_t slot,
    ngx_goim_status_class_t *classes);

/* by ngx_goim_class_counter_e */
extern const char *const  ngx_goim_class_counter_names[
    NGX_GOIM_CLASS_COUNTERS];


/* ngx_goim_query.c: one room, one key */

/* What a content handler returns for ?room= and ?key=; NGX_DECLINED: there is
 * neither. */
ngx_int_t ngx_goim_query_handler(ngx_http_request_t *r);

/* Woken: answers what other workers have asked, and reads what they have
 * answered. */
void ngx_goim_query_look(void);


/* ngx_goim_prometheus.c */

void ngx_goim_prometheus_page(ngx_goim_page_t *page);


#endif /* _NGX_GOIM_H_INCLUDED_ */
