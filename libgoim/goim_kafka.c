/*
 * librdkafka's properties and log lines; see goim_kafka.h.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "goim_kafka.h"


#define GOIM_KAFKA_TOPIC_LEN  249


int
goim_kafka_conf_init(goim_kafka_conf_t *kc)
{
    memset(kc, 0, sizeof(goim_kafka_conf_t));

    kc->check = rd_kafka_conf_new();

    return kc->check ? GOIM_OK : GOIM_NOMEM;
}


void
goim_kafka_conf_done(goim_kafka_conf_t *kc)
{
    size_t  i;

    for (i = 0; i < kc->n; i++) {
        free(kc->elts[i].name);
        free(kc->elts[i].value);
    }

    free(kc->elts);

    if (kc->check) {
        rd_kafka_conf_destroy(kc->check);
    }

    memset(kc, 0, sizeof(goim_kafka_conf_t));
}


static const goim_kafka_property_t *
goim_kafka_find(const goim_kafka_conf_t *kc, const char *name)
{
    size_t  i;

    for (i = 0; i < kc->n; i++) {
        if (strcmp(kc->elts[i].name, name) == 0) {
            return &kc->elts[i];
        }
    }

    return NULL;
}


int
goim_kafka_is_topic(const char *name, size_t len)
{
    size_t  i;

    if (len == 0 || len > GOIM_KAFKA_TOPIC_LEN
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


const char *
goim_kafka_get(const goim_kafka_conf_t *kc, const char *name)
{
    const goim_kafka_property_t  *p;

    p = goim_kafka_find(kc, name);

    return p ? p->value : NULL;
}


static int
goim_kafka_append(goim_kafka_conf_t *kc, const char *name, const char *value,
    int line)
{
    goim_kafka_property_t  *p;

    p = realloc(kc->elts, (kc->n + 1) * sizeof(goim_kafka_property_t));
    if (p == NULL) {
        return GOIM_NOMEM;
    }

    kc->elts = p;
    p += kc->n;

    p->name = strdup(name);
    p->value = strdup(value);
    p->line = line;

    if (p->name == NULL || p->value == NULL) {
        free(p->name);
        free(p->value);
        return GOIM_NOMEM;
    }

    kc->n++;

    return GOIM_OK;
}


/* "brokers", and librdkafka's two names for the same. */
static const char *
goim_kafka_name(const char *name)
{
    if (strcmp(name, "brokers") == 0
        || strcmp(name, "metadata.broker.list") == 0)
    {
        return "bootstrap.servers";
    }

    return name;
}


void
goim_kafka_take(goim_kafka_conf_t *kc, goim_conf_reader_t *rd,
    const char *name, const char *value)
{
    int                           line;
    char                          text[GOIM_CONF_TEXT];
    const char                   *real;
    const goim_kafka_property_t  *before;

    line = goim_conf_line(rd);
    real = goim_kafka_name(name);

    before = goim_kafka_find(kc, real);
    if (before) {
        goim_conf_error(rd, line, "\"%s\" in [kafka]: it is set in line %d "
                        "already",
                        name, before->line);
        return;
    }

    if (rd_kafka_conf_set(kc->check, real, value, text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        goim_conf_error(rd, line, "\"%s\" in [kafka]: librdkafka says: %s",
                        name, text);
        return;
    }

    if (goim_kafka_append(kc, real, value, line) != GOIM_OK) {
        goim_conf_error(rd, line, "\"%s\" in [kafka]: %s", name,
                        goim_conf_no_memory);
    }
}


void
goim_kafka_complete(const goim_kafka_conf_t *kc, goim_conf_reader_t *rd)
{
    if (goim_kafka_get(kc, "bootstrap.servers") == NULL
        && goim_conf_errors(rd) == 0)
    {
        goim_conf_error(rd, 0, "\"brokers\" in [kafka] is missing: a list of "
                        "host:port with commas between");
    }
}


int
goim_kafka_same(const goim_kafka_conf_t *one, const goim_kafka_conf_t *other)
{
    size_t       i;
    const char  *value;

    if (one->n != other->n) {
        return 0;
    }

    for (i = 0; i < one->n; i++) {
        value = goim_kafka_get(other, one->elts[i].name);

        if (value == NULL || strcmp(value, one->elts[i].value) != 0) {
            return 0;
        }
    }

    return 1;
}


int
goim_kafka_set(rd_kafka_conf_t *kafka, const char *name, const char *value,
    const goim_log_t *log)
{
    char  text[GOIM_CONF_TEXT];

    if (rd_kafka_conf_set(kafka, name, value, text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        goim_log(log, GOIM_LOG_ERROR, "librdkafka refused \"%s\": %s", name,
                 text);
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


int
goim_kafka_default(const goim_kafka_conf_t *kc, rd_kafka_conf_t *kafka,
    const char *name, const char *value, const goim_log_t *log)
{
    if (goim_kafka_get(kc, name)) {
        return GOIM_OK;
    }

    return goim_kafka_set(kafka, name, value, log);
}


rd_kafka_conf_t *
goim_kafka_make(const goim_kafka_conf_t *kc, const goim_log_t *log)
{
    size_t            i;
    rd_kafka_conf_t  *kafka;

    kafka = rd_kafka_conf_new();
    if (kafka == NULL) {
        goim_log(log, GOIM_LOG_CRIT,
                 "no memory for librdkafka's configuration");
        return NULL;
    }

    for (i = 0; i < kc->n; i++) {
        if (goim_kafka_set(kafka, kc->elts[i].name, kc->elts[i].value, log)
            != GOIM_OK)
        {
            rd_kafka_conf_destroy(kafka);
            return NULL;
        }
    }

    return kafka;
}


static goim_log_level_e
goim_kafka_level(int level)
{
    /* by syslog's levels; its errors are brokers that it tries again */

    static const goim_log_level_e  levels[] = {
        GOIM_LOG_CRIT, GOIM_LOG_CRIT, GOIM_LOG_CRIT, GOIM_LOG_WARN,
        GOIM_LOG_WARN, GOIM_LOG_NOTICE, GOIM_LOG_INFO, GOIM_LOG_DEBUG
    };

    return level >= 0 && level < 8 ? levels[level] : GOIM_LOG_DEBUG;
}


/* FNV-1a; causes of librdkafka's log lines are words such as "FAIL". */
static uint64_t
goim_kafka_word_key(const char *word)
{
    uint64_t  h;

    h = 0xcbf29ce484222325ULL;

    while (*word) {
        h = (h ^ (unsigned char) *word++) * 0x100000001b3ULL;
    }

    return h;
}


void
goim_kafka_log(const goim_log_t *log, goim_log_causes_t *causes, int level,
    const char *fac, const char *text)
{
    goim_log_level_e  l;

    l = goim_kafka_level(level);

    if (l >= GOIM_LOG_INFO) {
        goim_log(log, l, "librdkafka: %s: %s", fac, text);
        return;
    }

    goim_log_limited(log, goim_log_cause(causes, goim_kafka_word_key(fac)), l,
                     "librdkafka: %s: %s", fac, text);
}
