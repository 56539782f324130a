/*
 * goim-job's settings, read from an INI file; docs/goim-job.md lists them.
 */

#ifndef JW_CONF_H_INCLUDED
#define JW_CONF_H_INCLUDED


#include "goim_channel.h"
#include "goim_kafka.h"
#include "goim_log.h"


#define JW_CONF_FILE  "/etc/goim/goim-job.conf"


/* What stands for offsets that nobody knows or that Kafka no longer holds. */
typedef enum {
    JW_CONF_LATEST = 0,
    JW_CONF_EARLIEST
} jw_conf_reset_e;


typedef struct {
    char               *file;
    char               *channel_path;

    char               *topics[GOIM_CHANNEL_TOPICS];
    size_t              ntopics;
    jw_conf_reset_e     reset;
    goim_kafka_conf_t   kafka;

    char               *server_id;
    uint64_t            max_age_ms;          /* 0: off */
    char               *v1_room_type;
    int32_t             v1_op;
    uint64_t            partition_check_ms;
    goim_log_level_e    log_level;
} jw_conf_t;


/*
 * Reads and checks a file.  Everything that is wrong in it is logged, each
 * with file, line, setting and what would be right; the result is then NULL.
 */
jw_conf_t *jw_conf_load(const char *file, const goim_log_t *log);

void jw_conf_destroy(jw_conf_t *conf);

/*
 * librdkafka's configuration: the properties of the file and our own.  NULL:
 * no memory, or librdkafka refused (logged).
 */
rd_kafka_conf_t *jw_conf_kafka(const jw_conf_t *conf, const goim_log_t *log);

/* Whether both would make the same consumer. */
int jw_conf_same_kafka(const jw_conf_t *one, const jw_conf_t *other);


#endif /* JW_CONF_H_INCLUDED */
