/*
 * goim-job's settings; see jw_conf.h.
 */

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jw_conf.h"


#define JW_CONF_TOPIC       "goim-push-topic"
#define JW_CONF_SERVER_LEN  255


static const char *jw_conf_set_path(void *data, const char *value);
static const char *jw_conf_set_topics(void *data, const char *value);
static const char *jw_conf_set_reset(void *data, const char *value);
static const char *jw_conf_set_owned_commit(void *data, const char *value);
static const char *jw_conf_set_owned_eof(void *data, const char *value);
static const char *jw_conf_set_owned_log(void *data, const char *value);
static const char *jw_conf_set_server_id(void *data, const char *value);
static const char *jw_conf_set_max_age(void *data, const char *value);
static const char *jw_conf_set_v1_room_type(void *data, const char *value);
static const char *jw_conf_set_partition_check(void *data, const char *value);
static const char *jw_conf_set_log_level(void *data, const char *value);


static const goim_conf_setting_t  jw_conf_settings[] = {
    goim_conf_custom("channel", "path", jw_conf_set_path),
    goim_conf_custom("kafka", "topics", jw_conf_set_topics),
    goim_conf_custom("kafka", "auto.offset.reset", jw_conf_set_reset),
    goim_conf_custom("kafka", "enable.auto.commit", jw_conf_set_owned_commit),
    goim_conf_custom("kafka", "enable.auto.offset.store",
                     jw_conf_set_owned_commit),
    goim_conf_custom("kafka", "enable.partition.eof", jw_conf_set_owned_eof),
    goim_conf_custom("kafka", "log.queue", jw_conf_set_owned_log),
    goim_conf_custom("job", "server_id", jw_conf_set_server_id),
    goim_conf_custom("job", "max_age", jw_conf_set_max_age),
    goim_conf_custom("job", "v1_room_type", jw_conf_set_v1_room_type),
    { "job", "v1_op", NULL, GOIM_CONF_OP, offsetof(jw_conf_t, v1_op), 0, 0,
      NULL },
    goim_conf_custom("job", "partition_check", jw_conf_set_partition_check),
    goim_conf_custom("job", "log_level", jw_conf_set_log_level),
};

static const char *
jw_conf_set_path(void *data, const char *value)
{
    size_t      len;
    jw_conf_t  *conf = data;

    len = strlen(value);

    if (value[0] != '/' || value[len - 1] == '/'
        || len > GOIM_CHANNEL_PATH_LEN || goim_conf_has_control(value))
    {
        return "it must be the path that nginx's goim_channel names: "
               "absolute, a file and not a folder, at most 192 bytes";
    }

    return goim_conf_set_string(&conf->channel_path, value);
}


static const char *
jw_conf_add_topic(jw_conf_t *conf, const char *name, size_t len)
{
    size_t  i;
    char   *topic;

    if (!goim_kafka_is_topic(name, len)) {
        return "it must be a list of Kafka topics with commas between, each "
               "of " GOIM_KAFKA_TOPIC_WANTED;
    }

    for (i = 0; i < conf->ntopics; i++) {
        if (strlen(conf->topics[i]) == len
            && memcmp(conf->topics[i], name, len) == 0)
        {
            return "each topic must stand in it once";
        }
    }

    if (conf->ntopics == GOIM_CHANNEL_TOPICS) {
        return "it must not hold more than 64 topics";
    }

    topic = strndup(name, len);
    if (topic == NULL) {
        return goim_conf_no_memory;
    }

    conf->topics[conf->ntopics++] = topic;

    return NULL;
}


static const char *
jw_conf_set_topics(void *data, const char *value)
{
    size_t       len;
    jw_conf_t  *conf = data;

    const char  *wanted, *end;

    for (;;) {
        value += strspn(value, " \t");
        len = strcspn(value, ",");
        end = value + len;

        while (len && isspace((unsigned char) value[len - 1])) {
            len--;
        }

        wanted = jw_conf_add_topic(conf, value, len);
        if (wanted || *end == '\0') {
            return wanted;
        }

        value = end + 1;
    }
}


static const char *
jw_conf_set_reset(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    if (strcmp(value, "latest") == 0) {
        conf->reset = JW_CONF_LATEST;
        return NULL;
    }

    if (strcmp(value, "earliest") == 0) {
        conf->reset = JW_CONF_EARLIEST;
        return NULL;
    }

    return "it must be latest or earliest";
}


static const char *
jw_conf_set_owned_commit(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: goim-job commits an offset itself, once all "
           "nginx workers have read what lies before it";
}


static const char *
jw_conf_set_owned_eof(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: goim-job makes no use of it";
}


static const char *
jw_conf_set_owned_log(void *data, const char *value)
{
    (void) data;
    (void) value;

    return "it must be left out: librdkafka's lines go to goim-job's log";
}


static const char *
jw_conf_set_server_id(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    if (strlen(value) > JW_CONF_SERVER_LEN || goim_conf_has_control(value)) {
        return "it must be what nginx's goim_server_id is: 1 to 255 bytes, "
               "no control characters";
    }

    return goim_conf_set_string(&conf->server_id, value);
}


static const char *
jw_conf_set_max_age(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    if (goim_conf_time(value, &conf->max_age_ms) != GOIM_OK) {
        return "it must be a number with ms, s, m or h behind it, for example "
               "10m, or 0 for no limit";
    }

    return NULL;
}


static const char *
jw_conf_set_v1_room_type(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    return goim_conf_set_room_type(&conf->v1_room_type, value);
}


static const char *
jw_conf_set_partition_check(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    if (goim_conf_time(value, &conf->partition_check_ms) != GOIM_OK
        || conf->partition_check_ms < 1000
        || conf->partition_check_ms > 3600 * 1000)
    {
        return "it must be 1s to 1h: a number with ms, s, m or h behind it";
    }

    return NULL;
}


static const char *
jw_conf_set_log_level(void *data, const char *value)
{
    jw_conf_t  *conf = data;

    return goim_conf_set_level(&conf->log_level, value);
}


/* What is not in the table is a property of librdkafka. */
static int
jw_conf_other(goim_conf_reader_t *rd, void *data, const char *section,
    const char *name, const char *value)
{
    jw_conf_t  *conf = data;

    if (strcmp(section, "kafka") != 0) {
        return 0;
    }

    goim_kafka_take(&conf->kafka, rd, name, value);

    return 1;
}


/* nginx's $hostname, which goim_server_id is by default, is lower case. */
static const char *
jw_conf_default_server_id(jw_conf_t *conf)
{
    char  *p;
    char   name[256];

    if (gethostname(name, sizeof(name)) == -1 || name[0] == '\0') {
        return "the host has no name: set \"server_id\" in [job]";
    }

    name[sizeof(name) - 1] = '\0';

    for (p = name; *p; p++) {
        *p = tolower((unsigned char) *p);
    }

    return jw_conf_set_server_id(conf, name);
}


/* What the file left out. */
static void
jw_conf_complete(goim_conf_reader_t *rd, void *data)
{
    const char  *error;
    jw_conf_t   *conf = data;

    error = NULL;

    if (conf->channel_path == NULL && goim_conf_errors(rd) == 0) {
        goim_conf_error(rd, 0, "\"path\" in [channel] is missing: the path "
                        "that nginx's goim_channel names");
    }

    goim_kafka_complete(&conf->kafka, rd);

    if (conf->ntopics == 0 && goim_conf_errors(rd) == 0) {
        error = jw_conf_set_topics(conf, JW_CONF_TOPIC);
    }

    if (conf->server_id == NULL && error == NULL) {
        error = jw_conf_default_server_id(conf);
    }

    if (conf->v1_room_type == NULL && error == NULL) {
        error = jw_conf_set_v1_room_type(conf, "room");
    }

    if (error) {
        goim_conf_error(rd, 0, "%s", error);
    }
}


static const goim_conf_schema_t  jw_conf_schema = {
    jw_conf_settings,
    sizeof(jw_conf_settings) / sizeof(jw_conf_settings[0]),
    "[channel], [kafka] or [job]",
    jw_conf_other,
    jw_conf_complete
};


static jw_conf_t *
jw_conf_create(const char *file)
{
    jw_conf_t  *conf;

    conf = calloc(1, sizeof(jw_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->file = strdup(file);

    if (conf->file == NULL || goim_kafka_conf_init(&conf->kafka) != GOIM_OK) {
        jw_conf_destroy(conf);
        return NULL;
    }

    conf->v1_op = 1000;
    conf->partition_check_ms = 5000;
    conf->log_level = GOIM_LOG_NOTICE;

    return conf;
}


jw_conf_t *
jw_conf_load(const char *file, const goim_log_t *log)
{
    jw_conf_t  *conf;

    conf = jw_conf_create(file);
    if (conf == NULL) {
        goim_log(log, GOIM_LOG_CRIT, "no memory for the settings");
        return NULL;
    }

    if (goim_conf_read(&jw_conf_schema, file, conf, log) != GOIM_OK) {
        jw_conf_destroy(conf);
        return NULL;
    }

    return conf;
}


void
jw_conf_destroy(jw_conf_t *conf)
{
    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < conf->ntopics; i++) {
        free(conf->topics[i]);
    }

    goim_kafka_conf_done(&conf->kafka);
    free(conf->v1_room_type);
    free(conf->server_id);
    free(conf->channel_path);
    free(conf->file);
    free(conf);
}


/*
 * auto.offset.reset=error: librdkafka tells of an offset outside the log, and
 * the table of every lane is corrected before anything is consumed.
 *
 * fetch.wait.max.ms: a broker answers what is asked on one connection in turn,
 * so questions wait behind a fetch for which there is nothing yet; and whoever
 * asks waits with all other messages.
 */
static int
jw_conf_kafka_own(rd_kafka_conf_t *kafka, const jw_conf_t *conf,
    const goim_log_t *log)
{
    size_t  i;
    char    group[sizeof("goim-push-") + JW_CONF_SERVER_LEN];

    static const char *const  own[][2] = {
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "enable.partition.eof", "false" },
        { "auto.offset.reset", "error" },
        { "log.queue", "true" },
    };

    snprintf(group, sizeof(group), "goim-push-%s", conf->server_id);

    if (goim_kafka_default(&conf->kafka, kafka, "group.id", group, log)
        != GOIM_OK
        || goim_kafka_default(&conf->kafka, kafka, "client.id", "goim-job",
                              log)
           != GOIM_OK
        || goim_kafka_default(&conf->kafka, kafka, "fetch.wait.max.ms", "100",
                              log)
           != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (goim_kafka_set(kafka, own[i][0], own[i][1], log) != GOIM_OK) {
            return GOIM_ERROR;
        }
    }

    return GOIM_OK;
}


rd_kafka_conf_t *
jw_conf_kafka(const jw_conf_t *conf, const goim_log_t *log)
{
    rd_kafka_conf_t  *kafka;

    kafka = goim_kafka_make(&conf->kafka, log);

    if (kafka && jw_conf_kafka_own(kafka, conf, log) != GOIM_OK) {
        rd_kafka_conf_destroy(kafka);
        return NULL;
    }

    return kafka;
}


int
jw_conf_same_kafka(const jw_conf_t *one, const jw_conf_t *other)
{
    size_t  i;

    if (one->ntopics != other->ntopics || one->reset != other->reset
        || !goim_kafka_same(&one->kafka, &other->kafka))
    {
        return 0;
    }

    for (i = 0; i < one->ntopics; i++) {
        if (strcmp(one->topics[i], other->topics[i]) != 0) {
            return 0;
        }
    }

    return goim_kafka_get(&one->kafka, "group.id") != NULL
           || strcmp(one->server_id, other->server_id) == 0;
}
