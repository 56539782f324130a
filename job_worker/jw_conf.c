/*
 * Reads goim-job's settings; see jw_conf.h.  The INI syntax is libinih's: a
 * comment is a line of its own that begins with "#" or ";", a setting is one
 * line.  What [kafka] holds and is not ours is checked by librdkafka.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "jw_conf.h"


#define JW_CONF_LINE_MAX    65536
#define JW_CONF_ERROR_LEN   512
#define JW_CONF_TOPIC       "goim-push-topic"
#define JW_CONF_TOPIC_LEN   249
#define JW_CONF_TYPE_LEN    64
#define JW_CONF_SERVER_LEN  255


/* Takes a value: NULL, or what would be right; jw_conf_no_memory. */
typedef const char *(*jw_conf_setter_pt)(jw_conf_t *conf, const char *value);


typedef struct {
    const char         *section;
    const char         *name;
    jw_conf_setter_pt   set;
} jw_conf_setting_t;


/* A file being read. */
typedef struct {
    jw_conf_t        *conf;
    const jw_log_t   *log;
    FILE             *file;
    rd_kafka_conf_t  *kafka;      /* only to have properties checked */
    int               line;
    int               line_open;  /* the last piece had no newline */
    size_t            line_len;
    int               errors;
    int              *set_at;     /* line of each of jw_conf_settings[] */
} jw_conf_reader_t;


static const char *jw_conf_set_path(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_topics(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_reset(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_owned_commit(jw_conf_t *conf,
    const char *value);
static const char *jw_conf_set_owned_eof(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_owned_log(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_server_id(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_max_age(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_v1_room_type(jw_conf_t *conf,
    const char *value);
static const char *jw_conf_set_v1_op(jw_conf_t *conf, const char *value);
static const char *jw_conf_set_partition_check(jw_conf_t *conf,
    const char *value);
static const char *jw_conf_set_log_level(jw_conf_t *conf, const char *value);


static const char  jw_conf_no_memory[] = "there is no memory for it";


static const jw_conf_setting_t  jw_conf_settings[] = {
    { "channel", "path", jw_conf_set_path },
    { "kafka", "topics", jw_conf_set_topics },
    { "kafka", "auto.offset.reset", jw_conf_set_reset },
    { "kafka", "enable.auto.commit", jw_conf_set_owned_commit },
    { "kafka", "enable.auto.offset.store", jw_conf_set_owned_commit },
    { "kafka", "enable.partition.eof", jw_conf_set_owned_eof },
    { "kafka", "log.queue", jw_conf_set_owned_log },
    { "job", "server_id", jw_conf_set_server_id },
    { "job", "max_age", jw_conf_set_max_age },
    { "job", "v1_room_type", jw_conf_set_v1_room_type },
    { "job", "v1_op", jw_conf_set_v1_op },
    { "job", "partition_check", jw_conf_set_partition_check },
    { "job", "log_level", jw_conf_set_log_level },
};

#define JW_CONF_SETTINGS                                                      \
    (sizeof(jw_conf_settings) / sizeof(jw_conf_settings[0]))


static const char *
jw_conf_set_string(char **field, const char *value)
{
    char  *copy;

    copy = strdup(value);
    if (copy == NULL) {
        return jw_conf_no_memory;
    }

    free(*field);
    *field = copy;

    return NULL;
}


static int
jw_conf_has_control(const char *value)
{
    for (; *value; value++) {
        if (iscntrl((unsigned char) *value)) {
            return 1;
        }
    }

    return 0;
}


static const char *
jw_conf_set_path(jw_conf_t *conf, const char *value)
{
    size_t  len;

    len = strlen(value);

    if (value[0] != '/' || value[len - 1] == '/'
        || len > GOIM_CHANNEL_PATH_LEN || jw_conf_has_control(value))
    {
        return "it must be the path that nginx's goim_channel names: "
               "absolute, a file and not a folder, at most 192 bytes";
    }

    return jw_conf_set_string(&conf->channel_path, value);
}


static int
jw_conf_is_topic(const char *name, size_t len)
{
    size_t  i;

    if (len == 0 || len > JW_CONF_TOPIC_LEN
        || strncmp(name, ".", len) == 0 || strncmp(name, "..", len) == 0)
    {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char) name[i])
            && strchr("._-", name[i]) == NULL)
        {
            return 0;
        }
    }

    return 1;
}


static const char *
jw_conf_add_topic(jw_conf_t *conf, const char *name, size_t len)
{
    size_t  i;
    char   *topic;

    if (!jw_conf_is_topic(name, len)) {
        return "it must be a list of Kafka topics with commas between, each "
               "of 1 to 249 letters, digits, \".\", \"_\" or \"-\"";
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
        return jw_conf_no_memory;
    }

    conf->topics[conf->ntopics++] = topic;

    return NULL;
}


static const char *
jw_conf_set_topics(jw_conf_t *conf, const char *value)
{
    size_t       len;
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
jw_conf_set_reset(jw_conf_t *conf, const char *value)
{
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
jw_conf_set_owned_commit(jw_conf_t *conf, const char *value)
{
    (void) conf;
    (void) value;

    return "it must be left out: goim-job commits an offset itself, once all "
           "nginx workers have read what lies before it";
}


static const char *
jw_conf_set_owned_eof(jw_conf_t *conf, const char *value)
{
    (void) conf;
    (void) value;

    return "it must be left out: goim-job makes no use of it";
}


static const char *
jw_conf_set_owned_log(jw_conf_t *conf, const char *value)
{
    (void) conf;
    (void) value;

    return "it must be left out: librdkafka's lines go to goim-job's log";
}


static const char *
jw_conf_set_server_id(jw_conf_t *conf, const char *value)
{
    if (strlen(value) > JW_CONF_SERVER_LEN || jw_conf_has_control(value)) {
        return "it must be what nginx's goim_server_id is: 1 to 255 bytes, "
               "no control characters";
    }

    return jw_conf_set_string(&conf->server_id, value);
}


/* A number and a unit; without a unit it means seconds. */
static int
jw_conf_time(const char *value, uint64_t *ms)
{
    char               *end;
    uint64_t            unit;
    unsigned long long  n;

    if (!isdigit((unsigned char) value[0])) {
        return GOIM_INVALID;
    }

    errno = 0;
    n = strtoull(value, &end, 10);

    if (strcmp(end, "s") == 0 || *end == '\0') {
        unit = 1000;

    } else if (strcmp(end, "m") == 0) {
        unit = 60 * 1000;

    } else if (strcmp(end, "h") == 0) {
        unit = 60 * 60 * 1000;

    } else {
        return GOIM_INVALID;
    }

    /* a thousand years is far from every overflow */

    if (errno || n > 1000ULL * 366 * 24 * 3600 * 1000 / unit) {
        return GOIM_INVALID;
    }

    *ms = n * unit;

    return GOIM_OK;
}


static const char *
jw_conf_set_max_age(jw_conf_t *conf, const char *value)
{
    if (jw_conf_time(value, &conf->max_age_ms) != GOIM_OK) {
        return "it must be a number with s, m or h behind it, for example "
               "10m, or 0 for no limit";
    }

    return NULL;
}


static const char *
jw_conf_set_v1_room_type(jw_conf_t *conf, const char *value)
{
    if (strlen(value) > JW_CONF_TYPE_LEN || jw_conf_has_control(value)
        || strstr(value, "://") != NULL)
    {
        return "it must be what stands before \"://\" in a room's name: 1 to "
               "64 bytes, no control characters";
    }

    return jw_conf_set_string(&conf->v1_room_type, value);
}


static const char *
jw_conf_set_v1_op(jw_conf_t *conf, const char *value)
{
    long   n;
    char  *end;

    errno = 0;
    n = strtol(value, &end, 10);

    if (errno || *end != '\0' || end == value || n < INT32_MIN
        || n > INT32_MAX)
    {
        return "it must be an operation number of 32 bits";
    }

    conf->v1_op = n;

    return NULL;
}


static const char *
jw_conf_set_partition_check(jw_conf_t *conf, const char *value)
{
    if (jw_conf_time(value, &conf->partition_check_ms) != GOIM_OK
        || conf->partition_check_ms < 1000
        || conf->partition_check_ms > 3600 * 1000)
    {
        return "it must be 1s to 1h: a number with s, m or h behind it";
    }

    return NULL;
}


static const char *
jw_conf_set_log_level(jw_conf_t *conf, const char *value)
{
    jw_log_level_e  level;

    level = jw_log_level(value);

    if (level == JW_LOG_LEVELS) {
        return "it must be alert, crit, error, warn, notice, info or debug";
    }

    conf->log_level = level;

    return NULL;
}


static void __attribute__((format(printf, 3, 4)))
jw_conf_error(jw_conf_reader_t *rd, int line, const char *fmt, ...)
{
    char     text[JW_CONF_ERROR_LEN];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    rd->errors++;

    if (line) {
        jw_log(rd->log, JW_LOG_ERROR, "%s:%d: %s", rd->conf->file, line, text);

    } else {
        jw_log(rd->log, JW_LOG_ERROR, "%s: %s", rd->conf->file, text);
    }
}


static const jw_conf_property_t *
jw_conf_property(const jw_conf_t *conf, const char *name)
{
    size_t  i;

    for (i = 0; i < conf->nproperties; i++) {
        if (strcmp(conf->properties[i].name, name) == 0) {
            return &conf->properties[i];
        }
    }

    return NULL;
}


static int
jw_conf_append_property(jw_conf_t *conf, const char *name, const char *value,
    int line)
{
    jw_conf_property_t  *p;

    p = realloc(conf->properties,
                (conf->nproperties + 1) * sizeof(jw_conf_property_t));
    if (p == NULL) {
        return GOIM_NOMEM;
    }

    conf->properties = p;
    p += conf->nproperties;

    p->name = strdup(name);
    p->value = strdup(value);
    p->line = line;

    if (p->name == NULL || p->value == NULL) {
        free(p->name);
        free(p->value);
        return GOIM_NOMEM;
    }

    conf->nproperties++;

    return GOIM_OK;
}


/* "brokers", and librdkafka's two names for the same. */
static const char *
jw_conf_property_name(const char *name)
{
    if (strcmp(name, "brokers") == 0
        || strcmp(name, "metadata.broker.list") == 0)
    {
        return "bootstrap.servers";
    }

    return name;
}


static void
jw_conf_take_property(jw_conf_reader_t *rd, const char *name,
    const char *value)
{
    char                       text[256];
    const char                *real;
    const jw_conf_property_t  *before;

    real = jw_conf_property_name(name);

    before = jw_conf_property(rd->conf, real);
    if (before) {
        jw_conf_error(rd, rd->line, "\"%s\" in [kafka]: it is set in line %d "
                      "already",
                      name, before->line);
        return;
    }

    if (rd_kafka_conf_set(rd->kafka, real, value, text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        jw_conf_error(rd, rd->line, "\"%s\" in [kafka]: librdkafka says: %s",
                      name, text);
        return;
    }

    if (jw_conf_append_property(rd->conf, real, value, rd->line) != GOIM_OK) {
        jw_conf_error(rd, rd->line, "\"%s\" in [kafka]: %s", name,
                      jw_conf_no_memory);
    }
}


static void
jw_conf_take_setting(jw_conf_reader_t *rd, size_t i, const char *value)
{
    const char               *wanted;
    const jw_conf_setting_t  *s;

    s = &jw_conf_settings[i];

    if (rd->set_at[i]) {
        jw_conf_error(rd, rd->line, "\"%s\" in [%s]: it is set in line %d "
                      "already",
                      s->name, s->section, rd->set_at[i]);
        return;
    }

    rd->set_at[i] = rd->line;

    wanted = s->set(rd->conf, value);
    if (wanted) {
        jw_conf_error(rd, rd->line, "\"%s\" in [%s] can't be \"%s\": %s",
                      s->name, s->section, value, wanted);
    }
}


/* libinih's handler; always goes on, so that all errors of a file are told. */
static int
jw_conf_handler(void *data, const char *section, const char *name,
    const char *value)
{
    size_t             i;
    jw_conf_reader_t  *rd = data;

    if (strcmp(section, "channel") != 0 && strcmp(section, "kafka") != 0
        && strcmp(section, "job") != 0)
    {
        jw_conf_error(rd, rd->line, "\"%s\" stands in [%s]: it must stand in "
                      "[channel], [kafka] or [job]",
                      name, section);
        return 1;
    }

    if (value[0] == '\0') {
        jw_conf_error(rd, rd->line, "\"%s\" in [%s] has no value: write one, "
                      "or leave the line out",
                      name, section);
        return 1;
    }

    for (i = 0; i < JW_CONF_SETTINGS; i++) {
        if (strcmp(jw_conf_settings[i].section, section) == 0
            && strcmp(jw_conf_settings[i].name, name) == 0)
        {
            jw_conf_take_setting(rd, i, value);
            return 1;
        }
    }

    if (strcmp(section, "kafka") == 0) {
        jw_conf_take_property(rd, name, value);
        return 1;
    }

    jw_conf_error(rd, rd->line, "there is no setting \"%s\" in [%s]", name,
                  section);

    return 1;
}


/*
 * libinih's reader: a line may come in several pieces.  It counts the lines,
 * which the handler is not told.
 */
static char *
jw_conf_read(char *buf, int size, void *data)
{
    size_t             len;
    jw_conf_reader_t  *rd = data;

    if (fgets(buf, size, rd->file) == NULL) {
        return NULL;
    }

    if (!rd->line_open) {
        rd->line++;
        rd->line_len = 0;
    }

    len = strlen(buf);
    rd->line_open = len && buf[len - 1] != '\n';

    if (rd->line_len <= JW_CONF_LINE_MAX
        && rd->line_len + len > JW_CONF_LINE_MAX)
    {
        jw_conf_error(rd, rd->line, "the line is longer than %d bytes",
                      JW_CONF_LINE_MAX);
    }

    rd->line_len += len;

    return buf;
}


static void
jw_conf_parse(jw_conf_reader_t *rd)
{
    int  rc;

    /* libinih's settings; it has no other place for them */

    ini_use_stack = 0;
    ini_allow_realloc = 1;
    ini_max_line = 2 * JW_CONF_LINE_MAX;
    ini_allow_multiline = 0;
    ini_allow_inline_comments = 0;

    rc = ini_parse_stream(jw_conf_read, rd, jw_conf_handler, rd);

    if (rc > 0) {
        jw_conf_error(rd, rc, "this is neither \"name = value\", nor a "
                      "[section], nor a comment");

    } else if (rc < 0) {
        jw_conf_error(rd, 0, "%s", jw_conf_no_memory);
    }

    if (ferror(rd->file)) {
        jw_conf_error(rd, 0, "can't be read: %s", strerror(errno));
    }
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
jw_conf_complete(jw_conf_reader_t *rd)
{
    const char  *error;
    jw_conf_t   *conf;

    conf = rd->conf;
    error = NULL;

    if (conf->channel_path == NULL && rd->errors == 0) {
        jw_conf_error(rd, 0, "\"path\" in [channel] is missing: the path that "
                      "nginx's goim_channel names");
    }

    if (jw_conf_property(conf, "bootstrap.servers") == NULL
        && rd->errors == 0)
    {
        jw_conf_error(rd, 0, "\"brokers\" in [kafka] is missing: a list of "
                      "host:port with commas between");
    }

    if (conf->ntopics == 0 && rd->errors == 0) {
        error = jw_conf_set_topics(conf, JW_CONF_TOPIC);
    }

    if (conf->server_id == NULL && error == NULL) {
        error = jw_conf_default_server_id(conf);
    }

    if (conf->v1_room_type == NULL && error == NULL) {
        error = jw_conf_set_v1_room_type(conf, "room");
    }

    if (error) {
        jw_conf_error(rd, 0, "%s", error);
    }
}


static jw_conf_t *
jw_conf_create(const char *file)
{
    jw_conf_t  *conf;

    conf = calloc(1, sizeof(jw_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->file = strdup(file);
    if (conf->file == NULL) {
        free(conf);
        return NULL;
    }

    conf->v1_op = 1000;
    conf->partition_check_ms = 5000;
    conf->log_level = JW_LOG_NOTICE;

    return conf;
}


jw_conf_t *
jw_conf_load(const char *file, const jw_log_t *log)
{
    int               set_at[JW_CONF_SETTINGS];
    jw_conf_reader_t  rd;

    memset(&rd, 0, sizeof(jw_conf_reader_t));
    memset(set_at, 0, sizeof(set_at));

    rd.log = log;
    rd.set_at = set_at;

    rd.conf = jw_conf_create(file);
    rd.kafka = rd_kafka_conf_new();

    if (rd.conf == NULL || rd.kafka == NULL) {
        jw_log(log, JW_LOG_CRIT, "no memory for the settings");
        goto failed;
    }

    rd.file = fopen(file, "re");
    if (rd.file == NULL) {
        jw_log(log, JW_LOG_ERROR, "can't open \"%s\": %s", file,
               strerror(errno));
        goto failed;
    }

    jw_conf_parse(&rd);
    jw_conf_complete(&rd);

    fclose(rd.file);

    if (rd.errors) {
        goto failed;
    }

    rd_kafka_conf_destroy(rd.kafka);

    return rd.conf;

failed:

    if (rd.kafka) {
        rd_kafka_conf_destroy(rd.kafka);
    }

    jw_conf_destroy(rd.conf);

    return NULL;
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

    for (i = 0; i < conf->nproperties; i++) {
        free(conf->properties[i].name);
        free(conf->properties[i].value);
    }

    free(conf->properties);
    free(conf->v1_room_type);
    free(conf->server_id);
    free(conf->channel_path);
    free(conf->file);
    free(conf);
}


static int
jw_conf_kafka_set(rd_kafka_conf_t *kafka, const char *name, const char *value,
    const jw_log_t *log)
{
    char  text[256];

    if (rd_kafka_conf_set(kafka, name, value, text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        jw_log(log, JW_LOG_ERROR, "librdkafka refused \"%s\": %s", name, text);
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


/*
 * auto.offset.reset=error: librdkafka tells of an offset outside the log, and
 * the table of every lane is corrected before anything is consumed.
 */
static int
jw_conf_kafka_own(rd_kafka_conf_t *kafka, const jw_conf_t *conf,
    const jw_log_t *log)
{
    char  group[sizeof("goim-push-") + JW_CONF_SERVER_LEN];

    snprintf(group, sizeof(group), "goim-push-%s", conf->server_id);

    if (jw_conf_property(conf, "group.id") == NULL
        && jw_conf_kafka_set(kafka, "group.id", group, log) != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    if (jw_conf_property(conf, "client.id") == NULL
        && jw_conf_kafka_set(kafka, "client.id", "goim-job", log) != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    if (jw_conf_kafka_set(kafka, "enable.auto.commit", "false", log) != GOIM_OK
        || jw_conf_kafka_set(kafka, "enable.auto.offset.store", "false", log)
           != GOIM_OK
        || jw_conf_kafka_set(kafka, "enable.partition.eof", "false", log)
           != GOIM_OK
        || jw_conf_kafka_set(kafka, "auto.offset.reset", "error", log)
           != GOIM_OK
        || jw_conf_kafka_set(kafka, "log.queue", "true", log) != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


rd_kafka_conf_t *
jw_conf_kafka(const jw_conf_t *conf, const jw_log_t *log)
{
    size_t            i;
    rd_kafka_conf_t  *kafka;

    kafka = rd_kafka_conf_new();
    if (kafka == NULL) {
        jw_log(log, JW_LOG_CRIT, "no memory for librdkafka's configuration");
        return NULL;
    }

    for (i = 0; i < conf->nproperties; i++) {
        if (jw_conf_kafka_set(kafka, conf->properties[i].name,
                              conf->properties[i].value, log)
            != GOIM_OK)
        {
            goto failed;
        }
    }

    if (jw_conf_kafka_own(kafka, conf, log) != GOIM_OK) {
        goto failed;
    }

    return kafka;

failed:

    rd_kafka_conf_destroy(kafka);

    return NULL;
}


int
jw_conf_same_kafka(const jw_conf_t *one, const jw_conf_t *other)
{
    size_t                     i;
    const jw_conf_property_t  *p;

    if (one->ntopics != other->ntopics || one->reset != other->reset
        || one->nproperties != other->nproperties)
    {
        return 0;
    }

    for (i = 0; i < one->ntopics; i++) {
        if (strcmp(one->topics[i], other->topics[i]) != 0) {
            return 0;
        }
    }

    for (i = 0; i < one->nproperties; i++) {
        p = jw_conf_property(other, one->properties[i].name);

        if (p == NULL || strcmp(p->value, one->properties[i].value) != 0) {
            return 0;
        }
    }

    return jw_conf_property(one, "group.id") != NULL
           || strcmp(one->server_id, other->server_id) == 0;
}
