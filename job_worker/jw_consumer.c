/*
 * Polls librdkafka and hands messages to the lanes; see jw_consumer.h.  What
 * is assigned is decided in jw_assign.c.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "jw_consumer.h"


/* One batch; while a lane is full it is shorter, to look at its readers. */
#define JW_CONSUMER_BATCH        10000
#define JW_CONSUMER_BATCH_BYTES  (4 * 1024 * 1024)
#define JW_CONSUMER_BATCH_FULL   200

#define JW_CONSUMER_COMMIT_US    1000000

/* how long an answer to a commit is awaited before another is sent */
#define JW_CONSUMER_COMMIT_WAIT_US  30000000


static void
jw_consumer_log_cb(const rd_kafka_t *rk, int level, const char *fac,
    const char *text)
{
    jw_consumer_t  *c;

    c = rd_kafka_opaque(rk);
    goim_kafka_log(c->log, &c->causes, level, fac, text);
}


void
jw_consumer_error(jw_consumer_t *c, rd_kafka_resp_err_t err,
    const char *what, const char *text)
{
    jw_channel_count(c->channel, GOIM_JOB_KAFKA_ERRORS, 1);

    goim_log_limited(c->log,
                     goim_log_cause(&c->causes, (uint64_t) (int64_t) err),
                     GOIM_LOG_WARN, "kafka: %s: %s%s%s", what,
                     rd_kafka_err2name(err), text ? ": " : "",
                     text ? text : "");
}


static void
jw_consumer_error_cb(rd_kafka_t *rk, int err, const char *text, void *data)
{
    jw_consumer_t  *c = data;

    (void) rk;

    jw_consumer_error(c, err, "brokers", text);
}


/* The result of a commit; what failed is sent again with the next one. */
static void
jw_consumer_commit_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err,
    rd_kafka_topic_partition_list_t *offsets, void *data)
{
    int                          i;
    jw_consumer_t               *c = data;
    jw_partition_t              *p;
    rd_kafka_topic_partition_t  *o;

    (void) rk;

    c->committing = 0;

    if (err) {
        jw_consumer_error(c, err, "commit", rd_kafka_err2str(err));
    }

    for (i = 0; offsets && i < offsets->cnt; i++) {
        o = &offsets->elems[i];

        if (!err && !o->err) {
            continue;
        }

        if (!err) {
            jw_consumer_error(c, o->err, "commit", rd_kafka_err2str(o->err));
        }

        p = jw_consumer_partition(c, o->topic, o->partition);
        if (p) {
            p->committed = JW_CONSUMER_NONE;
        }
    }
}


static int
jw_consumer_create_topics(jw_consumer_t *c)
{
    size_t       i;
    jw_topic_t  *t;

    c->topics = calloc(c->conf->ntopics, sizeof(jw_topic_t));
    if (c->topics == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < c->conf->ntopics; i++) {
        t = &c->topics[i];

        t->rkt = rd_kafka_topic_new(c->rk, c->conf->topics[i], NULL);
        if (t->rkt == NULL) {
            goim_log(c->log, GOIM_LOG_ERROR,
                     "librdkafka refused topic \"%s\": %s",
                     c->conf->topics[i],
                     rd_kafka_err2str(rd_kafka_last_error()));
            return GOIM_INVALID;
        }

        t->name = rd_kafka_topic_name(t->rkt);
        c->ntopics++;
    }

    return GOIM_OK;
}


static int
jw_consumer_create_handle(jw_consumer_t *c)
{
    int               err;
    char              text[256];
    rd_kafka_conf_t  *kafka;

    kafka = jw_conf_kafka(c->conf, c->log);
    if (kafka == NULL) {
        return GOIM_INVALID;
    }

    rd_kafka_conf_set_opaque(kafka, c);
    rd_kafka_conf_set_log_cb(kafka, jw_consumer_log_cb);
    rd_kafka_conf_set_error_cb(kafka, jw_consumer_error_cb);
    rd_kafka_conf_set_offset_commit_cb(kafka, jw_consumer_commit_cb);

    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, kafka, text, sizeof(text));

    if (c->rk == NULL) {
        err = errno;
        rd_kafka_conf_destroy(kafka);
        goim_log(c->log, GOIM_LOG_ERROR, "librdkafka makes no consumer: %s",
                 text);
        return err == EINVAL ? GOIM_INVALID : GOIM_ERROR;
    }

    rd_kafka_set_log_queue(c->rk, NULL);

    return GOIM_OK;
}


int
jw_consumer_create(jw_consumer_t **result, const jw_conf_t *conf,
    jw_channel_t *channel, const goim_log_t *log)
{
    int             rc;
    jw_consumer_t  *c;

    c = calloc(1, sizeof(jw_consumer_t));
    if (c == NULL) {
        goim_log(log, GOIM_LOG_CRIT, "no memory for a consumer");
        return GOIM_NOMEM;
    }

    c->log = log;
    c->channel = channel;
    c->retry_us = UINT64_MAX;
    c->backoff_us = JW_CONSUMER_RETRY_US;
    c->discover_ask_us = JW_CONSUMER_ASK_US;
    jw_consumer_set_conf(c, conf);

    rc = jw_consumer_create_handle(c);

    if (rc == GOIM_OK) {
        rc = jw_consumer_create_topics(c);
    }

    if (rc != GOIM_OK) {
        jw_consumer_destroy(c, 1);
        return rc;
    }

    c->stale = 1;
    *result = c;

    return GOIM_OK;
}


/* Nothing has to be left: there is no group membership. */
static void *
jw_consumer_end_kafka(void *rk)
{
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);

    return NULL;
}


/*
 * librdkafka may wait for most of a minute for brokers that are gone.  It
 * calls nothing of ours meanwhile: all of that is in queues that nobody polls
 * any more.
 */
static int
jw_consumer_end_kafka_later(rd_kafka_t *rk)
{
    pthread_t  thread;

    if (pthread_create(&thread, NULL, jw_consumer_end_kafka, rk) != 0) {
        return GOIM_ERROR;
    }

    (void) pthread_detach(thread);

    return GOIM_OK;
}


void
jw_consumer_destroy(jw_consumer_t *c, int wait)
{
    size_t  i;

    for (i = 0; i < c->ntopics; i++) {
        rd_kafka_topic_destroy(c->topics[i].rkt);
        free(c->topics[i].partitions);
    }

    if (c->rk && (wait || jw_consumer_end_kafka_later(c->rk) != GOIM_OK)) {
        (void) jw_consumer_end_kafka(c->rk);
    }

    jw_route_done(&c->route);
    free(c->topics);
    free(c);
}


void
jw_consumer_set_conf(jw_consumer_t *c, const jw_conf_t *conf)
{
    c->conf = conf;
    c->route_conf.server_id = conf->server_id;
    c->route_conf.max_age_ms = conf->max_age_ms;
    c->route_conf.push.v1_room_type = conf->v1_room_type;
    c->route_conf.push.v1_op = conf->v1_op;
}


jw_topic_t *
jw_consumer_topic(jw_consumer_t *c, const char *name)
{
    size_t  i;

    if (c->last && strcmp(c->last->name, name) == 0) {
        return c->last;
    }

    for (i = 0; i < c->ntopics; i++) {
        if (strcmp(c->topics[i].name, name) == 0) {
            c->last = &c->topics[i];
            return c->last;
        }
    }

    return NULL;
}


jw_partition_t *
jw_consumer_partition(jw_consumer_t *c, const char *topic, int32_t number)
{
    jw_topic_t  *t;

    t = jw_consumer_topic(c, topic);

    if (t == NULL || number < 0 || number >= t->n) {
        return NULL;
    }

    return &t->partitions[number];
}


static void
jw_consumer_offset_lost(jw_consumer_t *c, jw_partition_t *p)
{
    uint64_t  due;

    p->outside = 1;

    /* at once, unless it was just done: a broker may be behind another */

    due = c->corrected_us ? c->corrected_us + 1000000 : 0;

    if (c->retry_us > due) {
        c->retry_us = due;
    }
}


static void
jw_consumer_bad_message(jw_consumer_t *c, const rd_kafka_message_t *m)
{
    const char      *topic;
    jw_partition_t  *p;

    topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";

    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        p = jw_consumer_partition(c, topic, m->partition);
        if (p) {
            jw_consumer_offset_lost(c, p);
        }

        return;
    }

    jw_consumer_error(c, m->err, topic[0] ? topic : "consumer",
                      rd_kafka_message_errstr(m));
}


/*
 * A message that could not be taken, for want of memory or because a channel
 * is broken (jw_channel.c says so): consuming begins again at the tables,
 * before anything behind it is polled.
 */
static void
jw_consumer_not_taken(jw_consumer_t *c, int rc)
{
    if (rc == GOIM_NOMEM) {
        goim_log_limited(c->log, &c->memory_limit, GOIM_LOG_CRIT,
                         "no memory for a message: consuming it again");
    }

    c->stale = 1;
}


/*
 * Only the partition whose message has just come may be paused: then its
 * start has surely been carried out.  librdkafka forgets the start offset of
 * a partition that is paused before (its issue 2190).
 */
static void
jw_consumer_pause(jw_consumer_t *c, const char *topic, jw_partition_t *p)
{
    rd_kafka_topic_partition_list_t  *list;

    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, p->number);

    if (rd_kafka_pause_partitions(c->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR
        && !list->elems[0].err)
    {
        p->paused = 1;
        c->paused++;
    }

    rd_kafka_topic_partition_list_destroy(list);
}


static void
jw_consumer_hand_out(jw_consumer_t *c, const rd_kafka_message_t *m,
    jw_partition_t *p)
{
    int                   rc;
    unsigned              i;
    jw_feed_t            *f;
    goim_lane_message_t   message;

    message = c->route.message;

    for (i = 0; i < p->nfeeds; i++) {
        f = p->feeds[i];
        message.topic = p->topics[i];

        rc = jw_feed_put(f, &message, c->route.skip);

        if (rc != GOIM_OK) {
            jw_consumer_not_taken(c, rc);
            return;
        }

        goim_lane_count(f->lane, GOIM_JOB_MESSAGES, 1);

        if (f->held_bytes > JW_FEED_HELD_MAX && !p->paused) {
            jw_consumer_pause(c, rd_kafka_topic_name(m->rkt), p);
        }
    }
}


static void
jw_consumer_take(jw_consumer_t *c, const rd_kafka_message_t *m,
    uint64_t now_ms)
{
    int64_t                    time_ms;
    jw_partition_t            *p;
    jw_route_input_t           in;
    rd_kafka_timestamp_type_t  type;

    p = jw_consumer_partition(c, rd_kafka_topic_name(m->rkt), m->partition);
    if (p == NULL || p->nfeeds == 0) {
        return;
    }

    time_ms = rd_kafka_message_timestamp(m, &type);

    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time_ms < 0) {
        time_ms = 0;
    }

    in.value = m->payload ? m->payload : (const uint8_t *) "";
    in.len = m->payload ? m->len : 0;
    in.offset = m->offset;
    in.partition = m->partition;
    in.time_ms = time_ms;
    in.now_ms = now_ms;

    if (jw_route(&c->route, &c->route_conf, &in) != GOIM_OK) {
        jw_route_release(&c->route);
        jw_consumer_not_taken(c, GOIM_NOMEM);
        return;
    }

    if (c->route.skip == GOIM_JOB_UNREADABLE) {
        goim_log_limited(c->log, &c->unreadable_limit, GOIM_LOG_ERROR,
                         "message %lld of \"%s\" [%d] can't be read: %s",
                         (long long) m->offset, rd_kafka_topic_name(m->rkt),
                         (int) m->partition, c->route.why);
    }

    jw_consumer_hand_out(c, m, p);
    jw_route_release(&c->route);
}


/* Every assigned partition belongs to a lane that is full. */
static int
jw_consumer_is_blocked(const jw_consumer_t *c)
{
    size_t                 i;
    int32_t                k;
    unsigned               n;
    const jw_partition_t  *p;

    for (i = 0; i < c->ntopics; i++) {
        for (k = 0; k < c->topics[i].n; k++) {
            p = &c->topics[i].partitions[k];

            if (p->nfeeds == 0 || p->paused) {
                continue;
            }

            for (n = 0; n < p->nfeeds && !jw_feed_is_full(p->feeds[n]); n++) {
                /* void */
            }

            if (n == p->nfeeds) {
                return 0;
            }
        }
    }

    return 1;
}


static unsigned
jw_consumer_full(jw_consumer_t *c)
{
    unsigned    at, n;
    jw_feed_t  *f;

    n = 0;

    for (at = 0; (f = jw_channel_next_feed(c->channel, &at)) != NULL;) {
        n += jw_feed_is_full(f);
    }

    return n;
}


static void
jw_consumer_sleep(unsigned us)
{
    struct timespec  ts;

    ts.tv_sec = us / 1000000;
    ts.tv_nsec = us % 1000000 * 1000;

    nanosleep(&ts, NULL);
}


/*
 * With a full lane nothing is waited for, and a partition of a lane that is
 * not full must not wait for one that is.  If all are full, the messages stay
 * in librdkafka: pausing would throw away what it has fetched.
 */
static void
jw_consumer_drain(jw_consumer_t *c, int timeout_ms)
{
    int                  n, limit;
    size_t               bytes;
    uint64_t             now_ms;
    rd_kafka_message_t  *m;

    limit = JW_CONSUMER_BATCH;

    if (jw_consumer_full(c)) {
        if (jw_consumer_is_blocked(c)) {
            jw_consumer_sleep(500);
            return;
        }

        timeout_ms = 1;
        limit = JW_CONSUMER_BATCH_FULL;
    }

    now_ms = 0;
    bytes = 0;

    for (n = 0; n < limit && bytes < JW_CONSUMER_BATCH_BYTES; n++) {
        m = rd_kafka_consumer_poll(c->rk, n ? 0 : timeout_ms);
        if (m == NULL) {
            break;
        }

        if (n == 0) {
            now_ms = goim_time_wall_ms();
        }

        if (m->err) {
            jw_consumer_bad_message(c, m);

        } else {
            bytes += m->len;
            jw_consumer_take(c, m, now_ms);
        }

        rd_kafka_message_destroy(m);

        if (c->stale) {
            break;
        }

        if (limit == JW_CONSUMER_BATCH && n % 64 == 63
            && jw_consumer_full(c))
        {
            break;
        }
    }
}


void
jw_consumer_poll(jw_consumer_t *c, int timeout_ms)
{
    if (c->assigned == 0) {
        rd_kafka_poll(c->rk, timeout_ms);
        return;
    }

    jw_consumer_drain(c, timeout_ms);
    jw_channel_publish(c->channel);
    rd_kafka_poll(c->rk, 0);
}


void
jw_consumer_resume(jw_consumer_t *c)
{
    size_t                            i;
    int32_t                           k;
    unsigned                          n;
    jw_partition_t                   *p;
    rd_kafka_topic_partition_list_t  *list;

    if (c->paused == 0) {
        return;
    }

    list = rd_kafka_topic_partition_list_new(c->paused);

    for (i = 0; i < c->ntopics; i++) {
        for (k = 0; k < c->topics[i].n; k++) {
            p = &c->topics[i].partitions[k];

            for (n = 0; n < p->nfeeds && !jw_feed_is_full(p->feeds[n]); n++) {
                /* void */
            }

            if (p->paused && n == p->nfeeds) {
                rd_kafka_topic_partition_list_add(list, c->topics[i].name, k);
                p->paused = 0;
                c->paused--;
            }
        }
    }

    if (list->cnt) {
        (void) rd_kafka_resume_partitions(c->rk, list);
    }

    rd_kafka_topic_partition_list_destroy(list);
}


/* Every lane says what of each of its partitions is safe. */
static void
jw_consumer_vote(jw_consumer_t *c)
{
    size_t           i;
    int32_t          k, number;
    unsigned         at;
    uint32_t         n;
    uint64_t         next, now;
    jw_feed_t       *f;
    const char      *topic;
    jw_partition_t  *p;

    for (i = 0; i < c->ntopics; i++) {
        for (k = 0; k < c->topics[i].n; k++) {
            jw_offset_vote_begin(&c->topics[i].partitions[k].vote);
        }
    }

    for (at = 0; (f = jw_channel_next_feed(c->channel, &at)) != NULL;) {
        for (n = 0; jw_offset_safe(&f->offset, n, &next) == GOIM_OK; n++) {
            if (goim_lane_partition(f->lane, n, &topic, &number, &now)
                != GOIM_OK)
            {
                break;
            }

            p = jw_consumer_partition(c, topic, number);
            if (p) {
                jw_offset_vote_add(&p->vote, next);
            }
        }
    }
}


rd_kafka_topic_partition_list_t *
jw_consumer_last_offsets(jw_consumer_t *c)
{
    size_t                            i;
    int32_t                           k;
    uint64_t                          next;
    jw_partition_t                   *p;
    rd_kafka_topic_partition_t       *o;
    rd_kafka_topic_partition_list_t  *list;

    jw_consumer_vote(c);

    list = rd_kafka_topic_partition_list_new(16);

    for (i = 0; i < c->ntopics; i++) {
        for (k = 0; k < c->topics[i].n; k++) {
            p = &c->topics[i].partitions[k];

            if (jw_offset_vote(&p->vote, p->nfeeds, p->committed, &next)
                != GOIM_OK)
            {
                continue;
            }

            o = rd_kafka_topic_partition_list_add(list, c->topics[i].name, k);
            o->offset = next;
            p->committed = next;
        }
    }

    if (list->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return NULL;
    }

    return list;
}


void
jw_consumer_commit(jw_consumer_t *c)
{
    uint64_t                          now;
    rd_kafka_resp_err_t               err;
    rd_kafka_topic_partition_list_t  *list;

    now = goim_time_us();

    if (now < c->next_commit_us) {
        return;
    }

    if (c->committing
        && now < c->next_commit_us + JW_CONSUMER_COMMIT_WAIT_US)
    {
        return;
    }

    c->next_commit_us = now + JW_CONSUMER_COMMIT_US;

    list = jw_consumer_last_offsets(c);
    if (list == NULL) {
        return;
    }

    c->committing = 1;

    err = rd_kafka_commit(c->rk, list, 1);

    if (err) {
        jw_consumer_commit_cb(c->rk, err, list, c);

    } else {
        jw_channel_count(c->channel, GOIM_JOB_COMMITS, 1);
    }

    rd_kafka_topic_partition_list_destroy(list);
}


void
jw_consumer_commit_last(jw_consumer_t *c,
    rd_kafka_topic_partition_list_t *offsets, int timeout_ms)
{
    rd_kafka_queue_t     *queue;
    rd_kafka_event_t     *event;
    rd_kafka_resp_err_t   err;

    if (offsets == NULL) {
        return;
    }

    /* not rd_kafka_commit(), which would wait for as long as it takes */

    queue = rd_kafka_queue_new(c->rk);
    event = NULL;

    err = rd_kafka_commit_queue(c->rk, offsets, queue, NULL, NULL);

    if (!err) {
        event = rd_kafka_queue_poll(queue, timeout_ms);
        err = event ? rd_kafka_event_error(event)
                    : RD_KAFKA_RESP_ERR__TIMED_OUT;
    }

    if (err) {
        goim_log(c->log, GOIM_LOG_WARN,
                 "the last offsets could not be committed: "
                 "%s",
                 rd_kafka_err2str(err));
    }

    if (event) {
        rd_kafka_event_destroy(event);
    }

    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(offsets);
}
