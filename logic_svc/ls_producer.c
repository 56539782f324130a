/*
 * Produces to Kafka; see ls_producer.h.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ls_producer.h"


/* how often Kafka is asked while it is away, and how long it may take */
#define LS_PRODUCER_ASK_MS  500
#define LS_PRODUCER_WAIT_MS 1000

#define LS_PRODUCER_POLL    10000  /* events of one turn */
#define LS_PRODUCER_WHY     256


/* One push under way. */
typedef struct {
    ls_producer_done_pt   done;
    void                 *data;
} ls_produce_t;


/*
 * The thread that asks.  In its mutex: stop and suspect, which the loop sets,
 * and answer, which the thread sets before it writes to the pipe.
 */
typedef struct {
    pthread_t        thread;
    int              running;
    pthread_mutex_t  mutex;
    pthread_cond_t   changed;
    int              stop;
    int              suspect;  /* ask */
    int              answer;   /* whether Kafka answered the last time */
} ls_producer_asker_t;


struct ls_producer_s {
    ls_t                 *ls;
    rd_kafka_t           *rk;
    rd_kafka_topic_t     *topic;
    int                   pipe[2];     /* wakes the loop, never blocks */
    struct event         *event;
    ls_producer_asker_t   asker;
    int                   asked;       /* at least once */
    ls_producer_stats_t   stats;
    goim_log_causes_t     causes;
    goim_log_limit_t      memory_limit;
};


static void
ls_producer_wake(ls_producer_t *p)
{
    if (write(p->pipe[1], "", 1) == -1) {

        /* full: it wakes anyhow */
    }
}


/* Has the thread ask whether Kafka is there. */
static void
ls_producer_suspect(ls_producer_t *p)
{
    pthread_mutex_lock(&p->asker.mutex);
    p->asker.suspect = 1;
    pthread_cond_signal(&p->asker.changed);
    pthread_mutex_unlock(&p->asker.mutex);
}


static int
ls_producer_ask(ls_producer_t *p)
{
    rd_kafka_resp_err_t              err;
    const struct rd_kafka_metadata  *metadata;

    err = rd_kafka_metadata(p->rk, 0, p->topic, &metadata,
                            LS_PRODUCER_WAIT_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }

    rd_kafka_metadata_destroy(metadata);

    return 1;
}


/* Sleeps in the mutex until there is something to ask, or time is over. */
static void
ls_producer_asker_wait(ls_producer_asker_t *asker)
{
    struct timespec  until;

    if (asker->suspect || asker->answer) {
        while (!asker->stop && !asker->suspect) {
            pthread_cond_wait(&asker->changed, &asker->mutex);
        }

        return;
    }

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LS_PRODUCER_ASK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;

    while (!asker->stop
           && pthread_cond_timedwait(&asker->changed, &asker->mutex, &until)
              == 0)
    {
        /* asked anyhow, when the time is over */
    }
}


static void *
ls_producer_asker(void *data)
{
    int                   answer;
    ls_producer_t        *p = data;
    ls_producer_asker_t  *asker = &p->asker;

    pthread_mutex_lock(&asker->mutex);

    for (;;) {
        ls_producer_asker_wait(asker);

        if (asker->stop) {
            break;
        }

        asker->suspect = 0;
        pthread_mutex_unlock(&asker->mutex);

        answer = ls_producer_ask(p);

        pthread_mutex_lock(&asker->mutex);
        asker->answer = answer;
        ls_producer_wake(p);
    }

    pthread_mutex_unlock(&asker->mutex);

    return NULL;
}


/* What the thread has found out last. */
static void
ls_producer_take_answer(ls_producer_t *p)
{
    int  up;

    pthread_mutex_lock(&p->asker.mutex);
    up = p->asker.answer;
    pthread_mutex_unlock(&p->asker.mutex);

    if (up == p->stats.up) {
        return;
    }

    p->stats.up = up;

    if (up) {
        goim_log(&p->ls->log, GOIM_LOG_NOTICE, "kafka can be reached again");

    } else {
        p->stats.outages++;
        goim_log(&p->ls->log, GOIM_LOG_WARN, "kafka can't be reached: pushes "
                 "are refused until it can");
    }
}


static int
ls_producer_result(rd_kafka_resp_err_t err)
{
    switch (err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return GOIM_OK;

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return GOIM_INVALID;

    default:
        return GOIM_AGAIN;
    }
}


static void
ls_producer_fail(ls_producer_t *p, rd_kafka_resp_err_t err)
{
    goim_log_limited(&p->ls->log,
                     goim_log_cause(&p->causes, (uint64_t) (int64_t) err),
                     GOIM_LOG_ERROR, "kafka: a push was not taken: %s",
                     rd_kafka_err2str(err));

    if (ls_producer_result(err) == GOIM_AGAIN
        && err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
    {
        ls_producer_suspect(p);
    }
}


static void
ls_producer_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message,
    void *data)
{
    ls_produce_t   *pr = message->_private;
    ls_producer_t  *p = data;

    (void) rk;

    p->stats.in_flight--;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->stats.acknowledged++;
        pr->done(pr->data, GOIM_OK, "");

    } else {
        p->stats.failed++;
        ls_producer_fail(p, message->err);
        pr->done(pr->data, ls_producer_result(message->err),
                 rd_kafka_err2str(message->err));
    }

    free(pr);
}


static void
ls_producer_error_cb(rd_kafka_t *rk, int err, const char *text, void *data)
{
    ls_producer_t  *p = data;

    (void) rk;

    goim_log_limited(&p->ls->log,
                     goim_log_cause(&p->causes, (uint64_t) (int64_t) err),
                     GOIM_LOG_WARN, "kafka: brokers: %s: %s",
                     rd_kafka_err2name(err), text);

    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
        || err == RD_KAFKA_RESP_ERR__TRANSPORT)
    {
        ls_producer_suspect(p);
    }
}


static void
ls_producer_log_cb(const rd_kafka_t *rk, int level, const char *fac,
    const char *text)
{
    ls_producer_t  *p = rd_kafka_opaque(rk);

    goim_kafka_log(&p->ls->log, &p->causes, level, fac, text);
}


static void ls_producer_close_kafka(ls_producer_t *p);


static int
ls_producer_open_kafka(ls_producer_t *p)
{
    int                code;
    char               text[LS_PRODUCER_WHY];
    rd_kafka_conf_t   *conf;
    rd_kafka_queue_t  *queue;

    conf = ls_conf_kafka(p->ls->conf, &p->ls->log);
    if (conf == NULL) {
        return GOIM_INVALID;
    }

    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, ls_producer_delivered);
    rd_kafka_conf_set_error_cb(conf, ls_producer_error_cb);
    rd_kafka_conf_set_log_cb(conf, ls_producer_log_cb);

    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));

    if (p->rk == NULL) {
        code = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG
               ? GOIM_INVALID : GOIM_ERROR;
        goim_log(&p->ls->log, GOIM_LOG_ERROR,
                 "librdkafka makes no producer: %s", text);
        rd_kafka_conf_destroy(conf);
        return code;
    }

    p->topic = rd_kafka_topic_new(p->rk, p->ls->conf->topic, NULL);
    queue = rd_kafka_queue_get_main(p->rk);

    if (p->topic == NULL || queue == NULL
        || rd_kafka_set_log_queue(p->rk, NULL) != RD_KAFKA_RESP_ERR_NO_ERROR)
    {
        goim_log(&p->ls->log, GOIM_LOG_CRIT, "no memory for the producer");
        return GOIM_ERROR;
    }

    rd_kafka_queue_io_event_enable(queue, p->pipe[1], "", 1);
    rd_kafka_queue_destroy(queue);

    if (pthread_create(&p->asker.thread, NULL, ls_producer_asker, p) != 0) {
        goim_log(&p->ls->log, GOIM_LOG_CRIT, "pthread_create() failed");
        return GOIM_ERROR;
    }

    p->asker.running = 1;

    return GOIM_OK;
}


static void
ls_producer_close_kafka(ls_producer_t *p)
{
    if (p->asker.running) {
        pthread_mutex_lock(&p->asker.mutex);
        p->asker.stop = 1;
        pthread_cond_signal(&p->asker.changed);
        pthread_mutex_unlock(&p->asker.mutex);

        pthread_join(p->asker.thread, NULL);
        p->asker.running = 0;
        p->asker.stop = 0;
    }

    if (p->rk) {
        (void) rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE
                                     | RD_KAFKA_PURGE_F_INFLIGHT);

        /* a purge is at once; each push calls back here */

        while (p->stats.in_flight && rd_kafka_poll(p->rk, 100) > 0) {
            /* void */
        }
    }

    if (p->topic) {
        rd_kafka_topic_destroy(p->topic);
        p->topic = NULL;
    }

    if (p->rk) {
        rd_kafka_destroy(p->rk);
        p->rk = NULL;
    }
}


/*
 * An idempotent producer that can't keep its promise any more is of no use:
 * another one begins anew.
 */
static void
ls_producer_renew(ls_producer_t *p)
{
    char                 text[LS_PRODUCER_WHY];
    rd_kafka_resp_err_t  err;

    err = rd_kafka_fatal_error(p->rk, text, sizeof(text));
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }

    goim_log(&p->ls->log, GOIM_LOG_ERROR, "kafka: the producer is made anew: "
             "%s", text);

    ls_producer_close_kafka(p);

    if (ls_producer_open_kafka(p) != GOIM_OK) {
        ls_producer_close_kafka(p);
        event_base_loopexit(p->ls->base, NULL);
    }
}


/* librdkafka has events, or the thread an answer. */
static void
ls_producer_event(evutil_socket_t fd, short what, void *data)
{
    int             n;
    char            bytes[256];
    ls_producer_t  *p = data;

    (void) what;

    while (read(fd, bytes, sizeof(bytes)) == sizeof(bytes)) {
        /* void */
    }

    for (n = 0; p->rk && n < LS_PRODUCER_POLL; n++) {
        if (rd_kafka_poll(p->rk, 0) == 0) {
            break;
        }
    }

    if (n == LS_PRODUCER_POLL) {
        ls_producer_wake(p);
    }

    if (p->rk) {
        ls_producer_renew(p);
    }

    ls_producer_take_answer(p);

    /* librdkafka may not look for a broker before there is a push for it */

    if (!p->asked) {
        p->asked = 1;
        ls_producer_suspect(p);
    }
}


ls_producer_t *
ls_producer_create(ls_t *ls, int *code)
{
    ls_producer_t  *p;

    *code = GOIM_ERROR;

    p = calloc(1, sizeof(ls_producer_t));
    if (p == NULL) {
        return NULL;
    }

    p->ls = ls;
    p->pipe[0] = -1;
    p->stats.up = 1;
    p->asker.answer = 1;
    pthread_mutex_init(&p->asker.mutex, NULL);
    pthread_cond_init(&p->asker.changed, NULL);

    if (pipe2(p->pipe, O_CLOEXEC | O_NONBLOCK) == -1) {
        goim_log(&ls->log, GOIM_LOG_CRIT, "pipe2() failed: %s",
                 strerror(errno));
        goto failed;
    }

    p->event = event_new(ls->base, p->pipe[0], EV_READ | EV_PERSIST,
                         ls_producer_event, p);

    if (p->event == NULL || event_add(p->event, NULL) == -1) {
        goim_log(&ls->log, GOIM_LOG_CRIT, "no memory for the producer");
        goto failed;
    }

    *code = ls_producer_open_kafka(p);

    if (*code == GOIM_OK) {
        ls_producer_wake(p);
        return p;
    }

failed:

    ls_producer_destroy(p);

    return NULL;
}


void
ls_producer_destroy(ls_producer_t *p)
{
    if (p == NULL) {
        return;
    }

    ls_producer_close_kafka(p);

    if (p->event) {
        event_free(p->event);
    }

    if (p->pipe[0] != -1) {
        close(p->pipe[0]);
        close(p->pipe[1]);
    }

    pthread_cond_destroy(&p->asker.changed);
    pthread_mutex_destroy(&p->asker.mutex);
    free(p);
}


/* goim's key: it chooses the partition. */
static goim_str_t
ls_producer_key(const goim_push_t *push, char text[16])
{
    switch (push->type) {

    case GOIM_PUSH_ROOM:
        return push->room;

    case GOIM_PUSH_BROADCAST:
        return (goim_str_t) {
            (uint8_t *) text, snprintf(text, 16, "%d", (int) push->op)
        };

    default:
        return push->keys[0];
    }
}


void
ls_producer_send(ls_producer_t *p, const goim_push_t *push,
    ls_producer_done_pt done, void *data)
{
    int                   rc;
    char                  text[16];
    size_t                len;
    uint8_t              *value;
    goim_str_t            key;
    ls_produce_t         *pr;
    rd_kafka_resp_err_t   err;

    p->stats.sent++;

    if (p->rk == NULL || !p->stats.up) {
        p->stats.failed++;
        done(data, GOIM_AGAIN, "Kafka can't be reached");
        return;
    }

    pr = NULL;
    rc = goim_push_encode(push, &value, &len);

    if (rc == GOIM_OK) {
        pr = malloc(sizeof(ls_produce_t));
        if (pr == NULL) {
            free(value);
            rc = GOIM_NOMEM;
        }
    }

    if (rc != GOIM_OK) {
        p->stats.failed++;
        done(data, rc == GOIM_INVALID ? GOIM_INVALID : GOIM_AGAIN,
             rc == GOIM_INVALID ? "a name in it is too long" : "no memory");
        return;
    }

    pr->done = done;
    pr->data = data;
    key = ls_producer_key(push, text);

    p->stats.in_flight++;

    if (rd_kafka_produce(p->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_FREE,
                         value, len, key.data, key.len, pr)
        == 0)
    {
        return;
    }

    err = rd_kafka_last_error();

    p->stats.in_flight--;
    p->stats.failed++;
    free(value);
    free(pr);

    ls_producer_fail(p, err);
    done(data, ls_producer_result(err), rd_kafka_err2str(err));
}


void
ls_producer_stats(const ls_producer_t *p, ls_producer_stats_t *stats)
{
    *stats = p->stats;
}
