/*
 * What both daemons share towards librdkafka: its properties as a [kafka]
 * section has them, checked by librdkafka itself, and its log lines.  The one
 * header of libgoim that needs librdkafka.
 */

#ifndef GOIM_KAFKA_H_INCLUDED
#define GOIM_KAFKA_H_INCLUDED


#include <librdkafka/rdkafka.h>

#include "goim_conf.h"


/* A property, as the file has it. */
typedef struct {
    char  *name;
    char  *value;
    int    line;
} goim_kafka_property_t;


typedef struct {
    goim_kafka_property_t  *elts;
    size_t                  n;
    rd_kafka_conf_t        *check;  /* only to have properties checked */
} goim_kafka_conf_t;


/* GOIM_NOMEM. */
GOIM_MUSTCHECK int goim_kafka_conf_init(goim_kafka_conf_t *kc);

void goim_kafka_conf_done(goim_kafka_conf_t *kc);

/*
 * Takes a line of [kafka]; "brokers" is bootstrap.servers.  Mistakes are told
 * by goim_conf_error().
 */
void goim_kafka_take(goim_kafka_conf_t *kc, goim_conf_reader_t *rd,
    const char *name, const char *value);

/* Tells that brokers are missing, if nothing else was wrong. */
void goim_kafka_complete(const goim_kafka_conf_t *kc,
    goim_conf_reader_t *rd);

/* Whether it can be the name of a topic, and how to say what one is. */
int goim_kafka_is_topic(const char *name, size_t len);

#define GOIM_KAFKA_TOPIC_WANTED                                              \
    "1 to 249 letters, digits, \".\", \"_\" or \"-\""

/* NULL: the file does not set it. */
const char *goim_kafka_get(const goim_kafka_conf_t *kc,
    const char *name);

/* Whether both have the same properties. */
int goim_kafka_same(const goim_kafka_conf_t *one,
    const goim_kafka_conf_t *other);

/*
 * librdkafka's configuration with the properties of the file.  NULL: no
 * memory, or librdkafka refused (logged).
 */
rd_kafka_conf_t *goim_kafka_make(const goim_kafka_conf_t *kc,
    const goim_log_t *log);

/* GOIM_ERROR: librdkafka refused (logged). */
GOIM_MUSTCHECK int goim_kafka_set(rd_kafka_conf_t *kafka,
    const char *name, const char *value, const goim_log_t *log);

/* The same, unless the file sets it. */
GOIM_MUSTCHECK int goim_kafka_default(const goim_kafka_conf_t *kc,
    rd_kafka_conf_t *kafka, const char *name, const char *value,
    const goim_log_t *log);

/*
 * A line of librdkafka into a daemon's log, at a limited rate for each kind
 * (fac) of those that an operator sees; level is syslog's.
 */
void goim_kafka_log(const goim_log_t *log, goim_log_causes_t *causes,
    int level, const char *fac, const char *text);


#endif /* GOIM_KAFKA_H_INCLUDED */
