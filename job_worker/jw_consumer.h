/*
 * The Kafka consumer: what is assigned, polling, pausing, commits.
 *
 * Everything runs in one thread.  librdkafka's callbacks run in
 * jw_consumer_poll() and nowhere else: its logs, errors and commit results
 * wait in its main queue until then.
 */

#ifndef JW_CONSUMER_H_INCLUDED
#define JW_CONSUMER_H_INCLUDED


#include <librdkafka/rdkafka.h>

#include "jw_channel.h"
#include "jw_conf.h"
#include "jw_route.h"


#define JW_CONSUMER_NONE      -1  /* no offset */
#define JW_CONSUMER_RETRY_US  1000000
#define JW_CONSUMER_ASK_US    500000  /* about partitions, at first */


typedef struct jw_topic_s  jw_topic_t;


typedef struct {
    int32_t           number;

    /* our lanes that have an entry for it, and the topic's id in each; void
     * once jw_channel_t says "changed" */
    jw_feed_t        *feeds[JW_CHANNEL_GENERATIONS];
    uint32_t          topics[JW_CHANNEL_GENERATIONS];
    unsigned          nfeeds;

    int64_t           start;      /* found by this process for lanes without
                                     an entry */
    int64_t           committed;  /* last offset given to rd_kafka_commit() */
    jw_offset_vote_t  vote;

    unsigned          leader:1;   /* somebody can be asked for offsets */
    unsigned          considered:1;  /* fresh is known */
    unsigned          fresh:1;    /* was there before its topic was known */
    unsigned          paused:1;
    unsigned          outside:1;  /* its offset is not in Kafka's log */
} jw_partition_t;


struct jw_topic_s {
    const char        *name;      /* rkt's */
    rd_kafka_topic_t  *rkt;       /* for metadata only */
    jw_partition_t    *partitions;
    int32_t            n;
    int                missing;   /* Kafka said that there was none yet */
    goim_log_limit_t   limit;
};


typedef struct {
    rd_kafka_t        *rk;
    const goim_log_t  *log;
    const jw_conf_t   *conf;
    jw_channel_t      *channel;

    jw_topic_t        *topics;
    size_t             ntopics;
    jw_topic_t        *last;      /* of the last message */

    jw_route_conf_t    route_conf;
    jw_route_t         route;

    int                stale;     /* has to be assigned again */
    unsigned           assigned;  /* partitions */
    unsigned           paused;    /* partitions */
    uint64_t           next_discover_us;
    uint64_t           discover_ask_us;  /* for partitions, of all topics */
    uint64_t           retry_us;  /* when missing offsets are asked for */
    uint64_t           backoff_us;
    uint64_t           corrected_us;  /* when an offset outside the log was */
    int                failed;    /* librdkafka refused the assignment */

    uint64_t           next_commit_us;
    int                committing;  /* a commit's result is awaited */

    goim_log_causes_t  causes;
    goim_log_limit_t   unreadable_limit;
    goim_log_limit_t   memory_limit;
} jw_consumer_t;


/*
 * conf and channel must live as long as the consumer.  GOIM_INVALID: the
 * settings together are refused by librdkafka; GOIM_NOMEM, GOIM_ERROR.  All
 * logged.
 */
GOIM_MUSTCHECK int jw_consumer_create(jw_consumer_t **result,
    const jw_conf_t *conf, jw_channel_t *channel, const goim_log_t *log);

/*
 * Does not commit; the channel may be gone already.  Without wait it returns
 * at once, and a thread lets librdkafka finish.
 */
void jw_consumer_destroy(jw_consumer_t *c, int wait);

/* Settings that need no new consumer.  The old ones may be freed then. */
void jw_consumer_set_conf(jw_consumer_t *c, const jw_conf_t *conf);

/*
 * Waits up to timeout_ms for messages, takes what is there up to a bound, and
 * publishes it.
 */
void jw_consumer_poll(jw_consumer_t *c, int timeout_ms);

/* Partitions that a full lane stopped go on, if it is not full any more. */
void jw_consumer_resume(jw_consumer_t *c);

/* Commits what is safe and was not committed yet, about once a second. */
void jw_consumer_commit(jw_consumer_t *c);

/*
 * The commit of an orderly stop, in two parts so that the lanes can be left
 * between them: the offsets (NULL: nothing to commit), and sending them, which
 * takes timeout_ms at most and frees them.
 */
rd_kafka_topic_partition_list_t *jw_consumer_last_offsets(jw_consumer_t *c);
void jw_consumer_commit_last(jw_consumer_t *c,
    rd_kafka_topic_partition_list_t *offsets, int timeout_ms);

/* The topic, the partition, or NULL. */
jw_topic_t *jw_consumer_topic(jw_consumer_t *c, const char *name);
jw_partition_t *jw_consumer_partition(jw_consumer_t *c, const char *topic,
    int32_t number);

/* One error of Kafka's: counted, and logged at a limited rate. */
void jw_consumer_error(jw_consumer_t *c, rd_kafka_resp_err_t err,
    const char *what, const char *text);


#endif /* JW_CONSUMER_H_INCLUDED */
