/*
 * goim-logic's settings; see ls_conf.h.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ls_conf.h"
#include "ls_jwt.h"
#include "ls_redis_address.h"
#include "ls_report.h"


#define LS_CONF_TOPIC      "goim-push-topic"
#define LS_CONF_NAME_LEN   255  /* of a host: RFC 1035, 2.3.4 */


/* An HTTP body of more can't become a Kafka message anyhow. */
#define LS_CONF_BODY_MAX   (64 * 1024 * 1024)

/* of a key; RFC 7518, 3.2: as long as the hash, of which 256 bits is least */
#define LS_CONF_KEY_MIN    32
#define LS_CONF_KEY_MAX    (64 * 1024)

/* the most that nginx takes in X-Goim-Heartbeat */
#define LS_CONF_HEARTBEAT_MS  (24 * 3600 * 1000)


/* "::1" of "[::1]"; a host that has colons must stand in brackets. */
static int
ls_conf_host(const char **host, size_t *len)
{
    if (*len && **host == '[') {
        if (*len < 3 || (*host)[*len - 1] != ']') {
            return GOIM_INVALID;
        }

        (*host)++;
        *len -= 2;

    } else if (memchr(*host, ':', *len)) {
        return GOIM_INVALID;
    }

    return memchr(*host, '[', *len) || memchr(*host, ']', *len)
           ? GOIM_INVALID : GOIM_OK;
}


static const char *
ls_conf_add_listen(ls_conf_t *conf, const char *value, size_t len)
{
    int64_t            port;
    size_t             i, host_len;
    const char        *colon, *host;
    char               text[16];
    ls_conf_listen_t  *l;

    static const char  wanted[] =
        "it must be a list of address:port with commas between, for example "
        "127.0.0.1:3111 or [::1]:3111; without an address, :3111, all "
        "of IPv4";

    for (colon = value + len; colon > value && *colon != ':'; colon--) {
        /* void */
    }

    if (*colon != ':' || (size_t) (value + len - colon - 1) >= sizeof(text)) {
        return wanted;
    }

    memcpy(text, colon + 1, value + len - colon - 1);
    text[value + len - colon - 1] = '\0';

    host = value;
    host_len = colon - value;

    if (goim_conf_number(text, 1, 65535, &port) != GOIM_OK
        || ls_conf_host(&host, &host_len) != GOIM_OK)
    {
        return wanted;
    }

    if (conf->nlisten == LS_CONF_LISTEN) {
        return "it must not hold more than 16 addresses";
    }

    l = &conf->listen[conf->nlisten];

    l->host = host_len ? strndup(host, host_len) : strdup("0.0.0.0");
    if (l->host == NULL) {
        return goim_conf_no_memory;
    }

    l->port = port;
    conf->nlisten++;

    for (i = 0; i + 1 < conf->nlisten; i++) {
        if (conf->listen[i].port == port
            && strcmp(conf->listen[i].host, l->host) == 0)
        {
            return "each address must stand in it once";
        }
    }

    return NULL;
}


static const char *
ls_conf_set_listen(void *data, const char *value)
{
    size_t       len;
    ls_conf_t   *conf = data;
    const char  *wanted;

    for (;;) {
        value += strspn(value, " \t");
        len = strcspn(value, ", \t");

        wanted = ls_conf_add_listen(conf, value, len);
        if (wanted) {
            return wanted;
        }

        value += len;
        value += strspn(value, " \t");

        if (*value == '\0') {
            return NULL;
        }

        if (*value++ != ',') {
            return "it must have commas between its addresses";
        }
    }
}


static const char *
ls_conf_set_topic(void *data, const char *value)
{
    if (!goim_kafka_is_topic(value, strlen(value))) {
        return "it must be a Kafka topic: " GOIM_KAFKA_TOPIC_WANTED;
    }

    return goim_conf_set_string(&((ls_conf_t *) data)->topic, value);
}


static const char *
ls_conf_set_owned_idempotence(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: a push that is tried again must not arrive "
           "twice, nor behind a later one";
}


static const char *
ls_conf_set_owned_partitioner(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: who produces to one topic must use one "
           "partitioner, and goim's is FNV-1a";
}


static const char *
ls_conf_set_owned_log(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: librdkafka's lines go to goim-logic's log";
}


static const char *
ls_conf_set_store(void *data, const char *value)
{
    ls_conf_t  *conf = data;

    if (strcmp(value, "redis") == 0) {
        conf->store = LS_CONF_REDIS;
        return NULL;
    }

    if (strcmp(value, "memory") == 0) {
        conf->store = LS_CONF_MEMORY;
        return NULL;
    }

    return "it must be redis, or memory, which only a single goim-logic can "
           "use and which ends with it";
}


static const char *
ls_conf_set_redis_servers(void *data, const char *value)
{
    unsigned             n;
    const char          *wrong;
    ls_redis_address_t  *list;

    list = calloc(LS_REDIS_SERVERS, sizeof(ls_redis_address_t));
    if (list == NULL) {
        return goim_conf_no_memory;
    }

    wrong = ls_redis_address_list(value, list, &n);
    free(list);

    if (wrong) {
        return wrong;
    }

    return goim_conf_set_string(&((ls_conf_t *) data)->redis_servers, value);
}


static const char *
ls_conf_set_auth(void *data, const char *value)
{
    ls_conf_t  *conf = data;

    if (strcmp(value, "anonymous") == 0) {
        conf->auth = LS_CONF_ANONYMOUS;
        return NULL;
    }

    if (strcmp(value, "open") == 0) {
        conf->auth = LS_CONF_OPEN;
        return NULL;
    }

    if (strcmp(value, "jwt") == 0) {
        conf->auth = LS_CONF_JWT;
        return NULL;
    }

    return "it must be anonymous (nobody's mid and key are believed), jwt "
           "(those in a signed token are) or open (everybody's are, as goim "
           "does)";
}


/* The file's bytes without a newline at their end. */
static const char *
ls_conf_read_key(ls_conf_t *conf, FILE *file)
{
    conf->jwt_key = malloc(LS_CONF_KEY_MAX + 1);
    if (conf->jwt_key == NULL) {
        return goim_conf_no_memory;
    }

    conf->jwt_key_len = fread(conf->jwt_key, 1, LS_CONF_KEY_MAX + 1, file);

    if (conf->jwt_key_len > LS_CONF_KEY_MAX || ferror(file)) {
        return "it must be a file of at most 64 KB";
    }

    while (conf->jwt_key_len
           && (conf->jwt_key[conf->jwt_key_len - 1] == '\n'
               || conf->jwt_key[conf->jwt_key_len - 1] == '\r'))
    {
        conf->jwt_key_len--;
    }

    if (conf->jwt_key_len < LS_CONF_KEY_MIN) {
        return "the key in it must have at least 32 bytes";
    }

    /* libjwt takes a PEM as a string */

    conf->jwt_key[conf->jwt_key_len] = '\0';

    return NULL;
}


static const char *
ls_conf_set_jwt_key(void *data, const char *value)
{
    FILE        *file;
    const char  *wanted;

    file = fopen(value, "re");
    if (file == NULL) {
        return "it must be a file that can be read, with the secret (HS...) "
               "or the public key in PEM (RS..., ES...)";
    }

    wanted = ls_conf_read_key(data, file);
    fclose(file);

    return wanted;
}


static const char *
ls_conf_set_jwt_alg(void *data, const char *value)
{
    ls_conf_t  *conf = data;

    conf->jwt_alg = ls_jwt_alg(value);

    if (conf->jwt_alg == -1) {
        return "it must be HS256, HS384, HS512, RS256, RS384, RS512, ES256, "
               "ES384 or ES512";
    }

    return NULL;
}


static const char *
ls_conf_set_v1_room_type(void *data, const char *value)
{
    return goim_conf_set_room_type(&((ls_conf_t *) data)->v1_room_type,
                                   value);
}


static const char *
ls_conf_set_log_level(void *data, const char *value)
{
    return goim_conf_set_level(&((ls_conf_t *) data)->log_level, value);
}


#define ls_conf_row(section, name, kind, field, min, max, wanted)             \
    { section, name, NULL, kind, offsetof(ls_conf_t, field), min, max, wanted }

#define ls_conf_text(section, name, field)                                   \
    ls_conf_row(section, name, GOIM_CONF_TEXT_LINE, field, 0, SIZE_MAX, NULL)

#define ls_conf_op(section, field)                                           \
    ls_conf_row(section, "op", GOIM_CONF_OP, field, 0, 0, NULL)

#define ls_conf_port(name, field)                                            \
    ls_conf_row("nodes", name, GOIM_CONF_NUMBER, field, 0, 65535,            \
                "it must be a port, or 0 for none")

#define LS_CONF_HOUR_MS  (3600 * 1000)


static const char  ls_conf_body_wanted[] =
    "it must be 1 to 64m bytes: a number with k or m behind it, or none";

static const char  ls_conf_hour_wanted[] =
    "it must be 1s to 1h: a number with ms, s, m or h behind it";


static const goim_conf_setting_t  ls_conf_settings[] = {
    goim_conf_custom("http", "listen", ls_conf_set_listen),
    ls_conf_row("http", "max_body", GOIM_CONF_SIZE, max_body, 1,
                LS_CONF_BODY_MAX, ls_conf_body_wanted),
    ls_conf_row("http", "max_requests", GOIM_CONF_NUMBER, max_requests, 1,
                1000000, "it must be a number from 1 to 1000000"),
    ls_conf_row("http", "max_buffered", GOIM_CONF_SIZE, max_buffered,
                LS_CONF_BODY_MAX, UINT64_MAX, "it must be 64m bytes or more: "
                "a number with k or m behind it, or none"),
    ls_conf_row("http", "timeout", GOIM_CONF_TIME, timeout_ms, 1000,
                LS_CONF_HOUR_MS, ls_conf_hour_wanted),

    goim_conf_custom("kafka", "topic", ls_conf_set_topic),
    goim_conf_custom("kafka", "enable.idempotence",
                     ls_conf_set_owned_idempotence),
    goim_conf_custom("kafka", "partitioner", ls_conf_set_owned_partitioner),
    goim_conf_custom("kafka", "log.queue", ls_conf_set_owned_log),

    goim_conf_custom("session", "store", ls_conf_set_store),
    ls_conf_row("session", "expire", GOIM_CONF_TIME, expire_ms, 60 * 1000,
                30ULL * 24 * LS_CONF_HOUR_MS, "it must be 1m to 720h, and "
                "more than renew= of nginx's goim_session"),

    goim_conf_custom("redis", "servers", ls_conf_set_redis_servers),
    ls_conf_text("redis", "username", redis_username),
    ls_conf_text("redis", "password", redis_password),
    ls_conf_row("redis", "database", GOIM_CONF_NUMBER, redis_database, 0,
                1000000, "it must be the number of a database: 0 or more"),
    ls_conf_row("redis", "timeout", GOIM_CONF_TIME, redis_timeout_ms, 10,
                60 * 1000, "it must be 10ms to 1m: a number with ms, s, m or "
                "h behind it"),
    ls_conf_row("redis", "max_calls", GOIM_CONF_NUMBER, redis_max_calls, 100,
                10000000, "it must be a number from 100 to 10000000"),

    goim_conf_custom("auth", "mode", ls_conf_set_auth),
    goim_conf_custom("auth", "jwt_key", ls_conf_set_jwt_key),
    goim_conf_custom("auth", "jwt_alg", ls_conf_set_jwt_alg),
    ls_conf_row("auth", "heartbeat", GOIM_CONF_TIME, heartbeat_ms, 1000,
                LS_CONF_HOUR_MS, ls_conf_hour_wanted),
    ls_conf_row("auth", "heartbeat_max", GOIM_CONF_NUMBER, heartbeat_max, 1,
                100, "it must be a number from 1 to 100: so many heartbeats "
                "may be missing"),
    ls_conf_row("auth", "connections_per_mid", GOIM_CONF_NUMBER,
                connections_per_mid, 0, 100000,
                "it must be a number from 1 to 100000, or 0 for any number"),

    ls_conf_op("publish", publish_op),
    ls_conf_row("publish", "max_size", GOIM_CONF_SIZE, publish_max, 1,
                LS_CONF_BODY_MAX, ls_conf_body_wanted),

    goim_conf_custom("v1", "room_type", ls_conf_set_v1_room_type),
    ls_conf_op("v1", v1_op),

    ls_conf_text("nodes", "domain", domain),
    ls_conf_row("nodes", "host_domain", GOIM_CONF_TEXT_LINE, host_domain, 0,
                LS_CONF_NAME_LEN, "it must have at most 255 bytes"),
    ls_conf_port("tcp_port", tcp_port),
    ls_conf_port("ws_port", ws_port),
    ls_conf_port("wss_port", wss_port),
    ls_conf_text("nodes", "region", region),
    ls_conf_text("nodes", "zone", zone),
    ls_conf_text("nodes", "env", env),

    goim_conf_custom("log", "level", ls_conf_set_log_level),
};


/*
 * A part of a list with commas, without the spaces around it; *list is then
 * behind its comma, or NULL.
 */
static goim_str_t
ls_conf_part(const char **list)
{
    size_t       len;
    goim_str_t   part;
    const char  *p;

    p = *list + strspn(*list, " \t");
    len = strcspn(p, ",");
    *list = p[len] ? p + len + 1 : NULL;

    while (len && strchr(" \t", p[len - 1])) {
        len--;
    }

    part.data = (const uint8_t *) p;
    part.len = len;

    return part;
}


/* A node's value in its one form, into memory of its length and a NUL. */
static int
ls_conf_parse_node(const char *value, int64_t *weight, char *addrs)
{
    char        text[16];
    goim_str_t  part;

    part = ls_conf_part(&value);

    if (part.len >= sizeof(text)) {
        return GOIM_INVALID;
    }

    memcpy(text, part.data, part.len);
    text[part.len] = '\0';

    if (goim_conf_number(text, 0, 1 << 20, weight) != GOIM_OK) {
        return GOIM_INVALID;
    }

    *addrs = '\0';

    while (value) {
        part = ls_conf_part(&value);

        if (part.len == 0 || memchr(part.data, ' ', part.len)) {
            return GOIM_INVALID;
        }

        memcpy(addrs, part.data, part.len);
        addrs += part.len;
        *addrs = '\0';

        if (goim_conf_has_control(addrs - part.len)) {
            return GOIM_INVALID;
        }

        if (value) {
            *addrs++ = ',';
        }
    }

    return GOIM_OK;
}


static void
ls_conf_add_node(goim_conf_reader_t *rd, ls_conf_t *conf, const char *server,
    int64_t weight, const char *addrs)
{
    size_t           i;
    ls_conf_node_t  *node;

    for (i = 0; i < conf->nnodes; i++) {
        node = &conf->nodes[i];

        if (node->server && strcmp(node->server, server) == 0) {
            goim_conf_error(rd, goim_conf_line(rd), "\"server %s\" in "
                            "[nodes]: it is set in line %d already",
                            server, node->line);
            return;
        }
    }

    if (conf->nnodes == LS_CONF_NODES) {
        goim_conf_error(rd, goim_conf_line(rd), "there are more than %d "
                        "servers in [nodes]",
                        LS_CONF_NODES);
        return;
    }

    node = &conf->nodes[conf->nnodes++];
    node->server = strdup(server);
    node->addrs = strdup(addrs);
    node->weight = weight;
    node->line = goim_conf_line(rd);

    if (node->server == NULL || node->addrs == NULL) {
        goim_conf_error(rd, node->line, "%s", goim_conf_no_memory);
    }
}


/*
 * "server comet-1 = 10,203.0.113.1,203.0.113.2": its weight, then the
 * addresses that clients are told.
 */
static void
ls_conf_take_node(goim_conf_reader_t *rd, ls_conf_t *conf, const char *server,
    const char *value)
{
    char     *addrs;
    int64_t   weight;

    server += strspn(server, " \t");

    addrs = malloc(strlen(value) + 1);
    if (addrs == NULL) {
        goim_conf_error(rd, goim_conf_line(rd), "%s", goim_conf_no_memory);
        return;
    }

    if (*server == '\0' || strlen(server) > LS_REPORT_NAME
        || ls_conf_parse_node(value, &weight, addrs) != GOIM_OK)
    {
        goim_conf_error(rd, goim_conf_line(rd), "\"server %s\" in [nodes] "
                        "can't be \"%s\": it must be a weight from 0 to "
                        "1048576 and the server's addresses, with commas "
                        "between",
                        server, value);

    } else {
        ls_conf_add_node(rd, conf, server, weight, addrs);
    }

    free(addrs);
}


static int
ls_conf_other(goim_conf_reader_t *rd, void *data, const char *section,
    const char *name, const char *value)
{
    ls_conf_t  *conf = data;

    if (strcmp(section, "kafka") == 0) {
        goim_kafka_take(&conf->kafka, rd, name, value);
        return 1;
    }

    if (strcmp(section, "nodes") == 0 && strncmp(name, "server ", 7) == 0) {
        ls_conf_take_node(rd, conf, name + 7, value);
        return 1;
    }

    return 0;
}


static const char *
ls_conf_string_default(char **field, const char *value)
{
    return *field ? NULL : goim_conf_set_string(field, value);
}


static void
ls_conf_complete(goim_conf_reader_t *rd, void *data)
{
    size_t       i;
    const char  *error;
    ls_conf_t   *conf = data;

    const struct {
        char       **field;
        const char  *value;
    } defaults[] = {
        { &conf->topic, LS_CONF_TOPIC },
        { &conf->v1_room_type, "room" },
        { &conf->domain, "" },
        { &conf->host_domain, "" },
        { &conf->region, "" },
        { &conf->zone, "" },
        { &conf->env, "" },
    };

    goim_kafka_complete(&conf->kafka, rd);

    if (conf->store == LS_CONF_REDIS && conf->redis_servers == NULL
        && goim_conf_errors(rd) == 0)
    {
        goim_conf_error(rd, 0, "\"servers\" in [redis] is missing: a list of "
                        "address:port with commas between; or set \"store\" "
                        "in [session] to memory");
    }

    if (conf->auth == LS_CONF_JWT && conf->jwt_key == NULL
        && goim_conf_errors(rd) == 0)
    {
        goim_conf_error(rd, 0, "\"jwt_key\" in [auth] is missing: a file with "
                        "the key that tokens are signed with");
    }

    if (conf->jwt_key && !ls_jwt_fits(conf) && goim_conf_errors(rd) == 0) {
        goim_conf_error(rd, 0, "\"jwt_key\" in [auth] must be a public key in "
                        "PEM for the algorithm of \"jwt_alg\"");
    }

    if (conf->heartbeat_ms * conf->heartbeat_max > LS_CONF_HEARTBEAT_MS) {
        goim_conf_error(rd, 0, "\"heartbeat\" times \"heartbeat_max\" in "
                        "[auth] is more than a day: nginx would let nobody "
                        "in");
    }

    error = NULL;

    if (conf->nlisten == 0) {
        error = ls_conf_set_listen(conf, "127.0.0.1:3111");
    }

    for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]) && !error; i++) {
        error = ls_conf_string_default(defaults[i].field, defaults[i].value);
    }

    if (error) {
        goim_conf_error(rd, 0, "%s", error);
    }
}


static const goim_conf_schema_t  ls_conf_schema = {
    ls_conf_settings,
    sizeof(ls_conf_settings) / sizeof(ls_conf_settings[0]),
    "[http], [kafka], [session], [redis], [auth], [publish], [v1], [nodes] or "
    "[log]",
    ls_conf_other,
    ls_conf_complete
};


static ls_conf_t *
ls_conf_create(const char *file)
{
    ls_conf_t  *conf;

    conf = calloc(1, sizeof(ls_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->max_body = 1000000;
    conf->max_requests = 10000;
    conf->max_buffered = 256 * 1024 * 1024;
    conf->timeout_ms = 60 * 1000;
    conf->expire_ms = 30 * 60 * 1000;
    conf->redis_timeout_ms = 500;
    conf->redis_max_calls = 100000;
    conf->jwt_alg = ls_jwt_alg("HS256");
    conf->heartbeat_ms = 4 * 60 * 1000;
    conf->heartbeat_max = 2;
    conf->publish_op = 1000;
    conf->publish_max = 4096;
    conf->v1_op = 1000;
    conf->tcp_port = 3101;
    conf->ws_port = 3102;
    conf->wss_port = 3103;
    conf->log_level = GOIM_LOG_NOTICE;

    conf->file = strdup(file);

    if (conf->file == NULL || goim_kafka_conf_init(&conf->kafka) != GOIM_OK) {
        ls_conf_destroy(conf);
        return NULL;
    }

    return conf;
}


ls_conf_t *
ls_conf_load(const char *file, const goim_log_t *log)
{
    ls_conf_t  *conf;

    conf = ls_conf_create(file);
    if (conf == NULL) {
        goim_log(log, GOIM_LOG_CRIT, "no memory for the settings");
        return NULL;
    }

    if (goim_conf_read(&ls_conf_schema, file, conf, log) != GOIM_OK) {
        ls_conf_destroy(conf);
        return NULL;
    }

    return conf;
}


void
ls_conf_destroy(ls_conf_t *conf)
{
    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < conf->nlisten; i++) {
        free(conf->listen[i].host);
    }

    for (i = 0; i < conf->nnodes; i++) {
        free(conf->nodes[i].server);
        free(conf->nodes[i].addrs);
    }

    goim_kafka_conf_done(&conf->kafka);
    free(conf->topic);
    free(conf->redis_servers);
    free(conf->redis_username);
    free(conf->redis_password);
    free(conf->jwt_key);
    free(conf->v1_room_type);
    free(conf->domain);
    free(conf->host_domain);
    free(conf->region);
    free(conf->zone);
    free(conf->env);
    free(conf->file);
    free(conf);
}


rd_kafka_conf_t *
ls_conf_kafka(const ls_conf_t *conf, const goim_log_t *log)
{
    size_t            i;
    rd_kafka_conf_t  *kafka;

    /* a push waits for its acknowledgement, so nothing is kept for long */

    static const struct {
        const char  *name;
        const char  *value;
        int          ours;  /* the file can't set it */
    } values[] = {
        { "enable.idempotence", "true", 1 },
        { "partitioner", "fnv1a_random", 1 },
        { "log.queue", "true", 1 },
        { "client.id", "goim-logic", 0 },
        { "message.timeout.ms", "5000", 0 },
        { "queue.buffering.max.kbytes", "262144", 0 },
        { "linger.ms", "1", 0 },
        { "reconnect.backoff.ms", "100", 0 },
        { "reconnect.backoff.max.ms", "1000", 0 },
        { "topic.metadata.refresh.interval.ms", "60000", 0 },
    };

    kafka = goim_kafka_make(&conf->kafka, log);
    if (kafka == NULL) {
        return NULL;
    }

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if ((values[i].ours
             ? goim_kafka_set(kafka, values[i].name, values[i].value, log)
             : goim_kafka_default(&conf->kafka, kafka, values[i].name,
                                  values[i].value, log))
            != GOIM_OK)
        {
            rd_kafka_conf_destroy(kafka);
            return NULL;
        }
    }

    return kafka;
}


static int
ls_conf_same_string(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}


int
ls_conf_same_frame(const ls_conf_t *one, const ls_conf_t *other)
{
    size_t  i;

    if (one->nlisten != other->nlisten) {
        return 0;
    }

    for (i = 0; i < one->nlisten; i++) {
        if (one->listen[i].port != other->listen[i].port
            || strcmp(one->listen[i].host, other->listen[i].host) != 0)
        {
            return 0;
        }
    }

    return one->max_body == other->max_body
           && one->timeout_ms == other->timeout_ms
           && goim_kafka_same(&one->kafka, &other->kafka)
           && strcmp(one->topic, other->topic) == 0
           && one->store == other->store
           && one->expire_ms == other->expire_ms
           && ls_conf_same_string(one->redis_servers, other->redis_servers)
           && ls_conf_same_string(one->redis_username, other->redis_username)
           && ls_conf_same_string(one->redis_password, other->redis_password)
           && one->redis_database == other->redis_database
           && one->redis_timeout_ms == other->redis_timeout_ms
           && one->redis_max_calls == other->redis_max_calls;
}
