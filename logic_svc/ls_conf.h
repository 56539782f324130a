/*
 * goim-logic's settings, read from an INI file; docs/goim-logic.md lists them.
 */

#ifndef LS_CONF_H_INCLUDED
#define LS_CONF_H_INCLUDED


#include "goim_kafka.h"
#include "goim_log.h"


#define LS_CONF_FILE    "/etc/goim/goim-logic.conf"
#define LS_CONF_LISTEN  16   /* addresses */
#define LS_CONF_NODES   256  /* servers with settings of their own */


/* Whether what a token says about its bearer is believed. */
typedef enum {
    LS_CONF_ANONYMOUS = 0,  /* mid and key are not; room and accepts are */
    LS_CONF_OPEN,           /* all is, as goim does */
    LS_CONF_JWT             /* mid and key are if they are signed */
} ls_conf_auth_e;


typedef enum {
    LS_CONF_REDIS = 0,
    LS_CONF_MEMORY
} ls_conf_store_e;


typedef struct {
    char      *host;
    uint16_t   port;
} ls_conf_listen_t;


/* What [nodes] says of a server (comet). */
typedef struct {
    char     *server;
    char     *addrs;   /* with commas between; "": none */
    int64_t   weight;
    int       line;    /* of the file */
} ls_conf_node_t;


typedef struct {
    char               *file;

    ls_conf_listen_t    listen[LS_CONF_LISTEN];
    size_t              nlisten;
    uint64_t            max_body;      /* bytes */
    uint64_t            max_requests;  /* that wait for an answer */
    uint64_t            max_buffered;  /* bytes of their bodies together */
    uint64_t            timeout_ms;    /* of a silent HTTP client */

    goim_kafka_conf_t   kafka;
    char               *topic;

    ls_conf_store_e     store;
    uint64_t            expire_ms;     /* of a session that is not renewed */

    char               *redis_servers;
    char               *redis_username;  /* NULL: none */
    char               *redis_password;  /* NULL: none */
    uint64_t            redis_database;
    uint64_t            redis_timeout_ms;
    uint64_t            redis_max_calls;

    ls_conf_auth_e      auth;
    uint8_t            *jwt_key;       /* NULL: none */
    size_t              jwt_key_len;
    int                 jwt_alg;       /* libjwt's number */
    uint64_t            heartbeat_ms;
    uint64_t            heartbeat_max;
    uint64_t            connections_per_mid;  /* 0: any number */

    int32_t             publish_op;
    uint64_t            publish_max;   /* bytes */

    char               *v1_room_type;
    int32_t             v1_op;

    char               *domain;
    char               *host_domain;
    uint64_t            tcp_port;
    uint64_t            ws_port;
    uint64_t            wss_port;
    char               *region;
    char               *zone;
    char               *env;
    ls_conf_node_t      nodes[LS_CONF_NODES];
    size_t              nnodes;

    goim_log_level_e    log_level;
} ls_conf_t;


/*
 * Reads and checks a file.  Everything that is wrong in it is logged, each
 * with file, line, setting and what would be right; the result is then NULL.
 */
ls_conf_t *ls_conf_load(const char *file, const goim_log_t *log);

void ls_conf_destroy(ls_conf_t *conf);

/*
 * librdkafka's configuration of the producer.  NULL: no memory, or librdkafka
 * refused (logged).
 */
rd_kafka_conf_t *ls_conf_kafka(const ls_conf_t *conf, const goim_log_t *log);

/* Whether new settings can be used without a new start. */
int ls_conf_same_frame(const ls_conf_t *one, const ls_conf_t *other);


#endif /* LS_CONF_H_INCLUDED */
