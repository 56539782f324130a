/*
 * Decides what is consumed from where; see jw_assign.h.
 *
 * A partition is consumed from the smallest next offset of the lanes it
 * belongs to; every lane skips what is below its own.  A lane without an
 * entry gets one here, before anything is consumed, so that the table alone
 * says where to go on after a crash.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "jw_assign.h"


#define JW_ASSIGN_MAX_ASK_US      3000000
#define JW_ASSIGN_MAX_BACKOFF_US  8000000
#define JW_ASSIGN_MAX_PARTITION   100000


/* A partition's lanes that have no entry for it. */
typedef struct {
    unsigned    n;
    jw_feed_t  *feeds[JW_CHANNEL_GENERATIONS];
    uint32_t    topics[JW_CHANNEL_GENERATIONS];
} jw_assign_gap_t;


/* Called for every partition; what it returns is summed. */
typedef int (*jw_assign_visit_pt)(jw_consumer_t *c, jw_topic_t *t,
    jw_partition_t *p, void *data);


static int
jw_assign_each(jw_consumer_t *c, jw_assign_visit_pt visit, void *data)
{
    int      sum;
    size_t   i;
    int32_t  k;

    sum = 0;

    for (i = 0; i < c->ntopics; i++) {
        for (k = 0; k < c->topics[i].n; k++) {
            sum += visit(c, &c->topics[i], &c->topics[i].partitions[k], data);
        }
    }

    return sum;
}


/* Milliseconds to a deadline, 0: it has passed. */
static int
jw_assign_left(uint64_t deadline)
{
    uint64_t  now;

    now = goim_time_us();

    return now < deadline ? (deadline - now) / 1000 : 0;
}


/* Which partitions there are. */

static int
jw_assign_grow(jw_consumer_t *c, jw_topic_t *t, int32_t n)
{
    int32_t          k;
    jw_partition_t  *p;

    if (n <= t->n || n > JW_ASSIGN_MAX_PARTITION) {
        return GOIM_OK;
    }

    p = realloc(t->partitions, n * sizeof(jw_partition_t));
    if (p == NULL) {
        return GOIM_NOMEM;
    }

    t->partitions = p;
    memset(&p[t->n], 0, (n - t->n) * sizeof(jw_partition_t));

    for (k = t->n; k < n; k++) {
        p[k].number = k;
        p[k].start = JW_CONSUMER_NONE;
        p[k].committed = JW_CONSUMER_NONE;
    }

    goim_log(c->log, GOIM_LOG_NOTICE, "topic \"%s\" has %d partitions",
             t->name,
             (int) n);

    t->n = n;
    c->stale = 1;

    return GOIM_OK;
}


static int
jw_assign_take_metadata(jw_consumer_t *c, jw_topic_t *t,
    const rd_kafka_metadata_topic_t *mt)
{
    int                               i;
    int32_t                           n;
    const rd_kafka_metadata_partition_t  *mp;

    if (mt->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        if (t->n == 0) {
            t->missing = 1;
        }

        goim_log_limited(c->log, &t->limit, GOIM_LOG_WARN,
                         "topic \"%s\" does not exist: waiting for it",
                         t->name);
        return GOIM_AGAIN;
    }

    if (mt->err) {
        jw_consumer_error(c, mt->err, t->name, rd_kafka_err2str(mt->err));
        return GOIM_AGAIN;
    }

    n = 0;

    for (i = 0; i < mt->partition_cnt; i++) {
        if (mt->partitions[i].id >= n) {
            n = mt->partitions[i].id + 1;
        }
    }

    if (jw_assign_grow(c, t, n) != GOIM_OK) {
        goim_log_limited(c->log, &c->memory_limit, GOIM_LOG_CRIT,
                         "no memory for the partitions of \"%s\"", t->name);
        return GOIM_AGAIN;
    }

    for (i = 0; i < mt->partition_cnt; i++) {
        mp = &mt->partitions[i];

        if (mp->id >= 0 && mp->id < t->n) {
            t->partitions[mp->id].leader = mp->leader >= 0;
        }
    }

    return GOIM_OK;
}


static int
jw_assign_ask_metadata(jw_consumer_t *c, jw_topic_t *t, int timeout_ms)
{
    int                         rc;
    rd_kafka_resp_err_t         err;
    const rd_kafka_metadata_t  *md;

    err = rd_kafka_metadata(c->rk, 0, t->rkt, &md, timeout_ms);

    if (err) {
        jw_consumer_error(c, err, "partitions", rd_kafka_err2str(err));

        /* slow brokers get more time when they are asked again */

        if (err == RD_KAFKA_RESP_ERR__TIMED_OUT) {
            c->discover_ask_us *= 2;

            if (c->discover_ask_us > JW_ASSIGN_MAX_ASK_US) {
                c->discover_ask_us = JW_ASSIGN_MAX_ASK_US;
            }
        }

        return GOIM_ERROR;
    }

    c->discover_ask_us = JW_CONSUMER_ASK_US;
    rc = md->topic_cnt == 1 ? jw_assign_take_metadata(c, t, &md->topics[0])
                            : GOIM_AGAIN;

    rd_kafka_metadata_destroy(md);

    return rc;
}


void
jw_assign_discover(jw_consumer_t *c)
{
    int       rc, left;
    size_t    i;
    uint64_t  now, deadline;

    now = goim_time_us();

    if (now < c->next_discover_us) {
        return;
    }

    deadline = now + c->discover_ask_us;
    c->next_discover_us = now + c->conf->partition_check_ms * 1000;

    for (i = 0; i < c->ntopics; i++) {
        left = jw_assign_left(deadline);
        rc = jw_assign_ask_metadata(c, &c->topics[i], left ? left : 1);

        if (rc != GOIM_OK && c->topics[i].n == 0) {
            c->next_discover_us = goim_time_us() + JW_CONSUMER_RETRY_US;
        }

        if (rc == GOIM_ERROR) {
            break;
        }
    }
}


/* Offsets for lanes that have none. */

static void
jw_assign_find_gap(jw_consumer_t *c, const jw_topic_t *t,
    const jw_partition_t *p, jw_assign_gap_t *gap)
{
    unsigned    i, n;
    uint32_t    topic;
    uint64_t    next;
    jw_feed_t  *feeds[JW_CHANNEL_GENERATIONS];

    gap->n = 0;
    n = jw_channel_feeds(c->channel, p->number, feeds);

    for (i = 0; i < n; i++) {
        if (goim_lane_topic(feeds[i]->lane, t->name, &topic) != GOIM_OK) {
            goim_log_limited(c->log, goim_log_cause(&c->causes, GOIM_FULL),
                             GOIM_LOG_ERROR,
                             "topic \"%s\" [%d] is left out: its "
                             "lane has no room for another topic",
                             t->name,
                             (int) p->number);
            continue;
        }

        if (goim_lane_next(feeds[i]->lane, topic, p->number, &next)
            != GOIM_OK)
        {
            gap->feeds[gap->n] = feeds[i];
            gap->topics[gap->n++] = topic;
        }
    }
}


/* Some lane of ours holds a partition of the topic. */
static int
jw_assign_is_known(jw_consumer_t *c, const jw_topic_t *t)
{
    unsigned    at;
    uint32_t    topic;
    jw_feed_t  *f;

    for (at = 0; (f = jw_channel_next_feed(c->channel, &at)) != NULL;) {
        if (goim_lane_topic(f->lane, t->name, &topic) == GOIM_OK
            && goim_lane_knows_topic(f->lane, topic))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Decided once for each partition, before the first of its topic gets an
 * entry: all of a new topic's partitions are fresh, whichever is entered
 * first.
 */
static int
jw_assign_collect(jw_consumer_t *c, jw_topic_t *t, jw_partition_t *p,
    void *data)
{
    jw_assign_gap_t                   gap;
    rd_kafka_topic_partition_list_t  *list = data;

    jw_assign_find_gap(c, t, p, &gap);

    if (gap.n == 0) {
        return 0;
    }

    if (!p->considered) {
        p->fresh = !t->missing && !jw_assign_is_known(c, t);
        p->considered = 1;
    }

    rd_kafka_topic_partition_list_add(list, t->name, p->number);

    return 1;
}


/* The first (RD_KAFKA_OFFSET_BEGINNING) or the next offset of Kafka's log. */
static int
jw_assign_ask_log(jw_consumer_t *c, const jw_topic_t *t,
    const jw_partition_t *p, int64_t which, uint64_t deadline,
    int64_t *offset)
{
    int                               left;
    rd_kafka_resp_err_t               err;
    rd_kafka_topic_partition_t       *o;
    rd_kafka_topic_partition_list_t  *list;

    left = jw_assign_left(deadline);

    if (left == 0 || !p->leader) {
        return GOIM_AGAIN;
    }

    /*
     * Not rd_kafka_query_watermark_offsets(): before 2.3.0 it waits beyond
     * its time for a broker that does not answer.  Both ask ListOffsets.
     */

    list = rd_kafka_topic_partition_list_new(1);
    o = rd_kafka_topic_partition_list_add(list, t->name, p->number);
    o->offset = which;

    err = rd_kafka_offsets_for_times(c->rk, list, left);

    if (!err) {
        err = o->err;
        *offset = o->offset;
    }

    rd_kafka_topic_partition_list_destroy(list);

    if (err) {
        jw_consumer_error(c, err, "offsets of the log", rd_kafka_err2str(err));
        return GOIM_AGAIN;
    }

    return *offset >= 0 ? GOIM_OK : GOIM_AGAIN;
}


static int
jw_assign_ask_reset(jw_consumer_t *c, const jw_topic_t *t,
    const jw_partition_t *p, uint64_t deadline, int64_t *offset)
{
    int64_t  which;

    which = c->conf->reset == JW_CONF_EARLIEST ? RD_KAFKA_OFFSET_BEGINNING
                                               : RD_KAFKA_OFFSET_END;

    return jw_assign_ask_log(c, t, p, which, deadline, offset);
}


/* Where a partition begins for lanes without an entry. */
static int
jw_assign_find_start(jw_consumer_t *c, const jw_topic_t *t,
    const jw_partition_t *p, int64_t committed, uint64_t deadline,
    int64_t *start)
{
    if (committed >= 0) {
        *start = committed;
        return GOIM_OK;
    }

    if (p->start >= 0) {
        *start = p->start;
        return GOIM_OK;
    }

    if (!p->fresh) {
        *start = 0;
        return GOIM_OK;
    }

    return jw_assign_ask_reset(c, t, p, deadline, start);
}


/* Enters the start into the tables; how many lanes took it. */
static int
jw_assign_enter(jw_consumer_t *c, const jw_topic_t *t, jw_partition_t *p,
    int64_t start)
{
    int               entered;
    unsigned          i;
    jw_assign_gap_t   gap;

    entered = 0;
    p->start = start;
    jw_assign_find_gap(c, t, p, &gap);

    for (i = 0; i < gap.n; i++) {
        if (goim_lane_set_next(gap.feeds[i]->lane, gap.topics[i], p->number,
                               start)
            != GOIM_OK)
        {
            goim_log_limited(c->log, goim_log_cause(&c->causes, GOIM_NOMEM),
                             GOIM_LOG_ERROR,
                             "topic \"%s\" [%d] is left out: its "
                             "lane has no room for another partition",
                             t->name,
                             (int) p->number);
            continue;
        }

        entered++;
    }

    if (entered) {
        goim_log(c->log, GOIM_LOG_INFO,
                 "topic \"%s\" [%d] begins at offset %lld",
                 t->name, (int) p->number, (long long) start);
    }

    return entered;
}


/*
 * GOIM_OK: no lane is without an entry; GOIM_AGAIN: ask again.  A partition
 * that can't be asked about does not keep others waiting, except for the time
 * that asking takes.
 */
static int
jw_assign_fill_gaps(jw_consumer_t *c, uint64_t deadline)
{
    int                               i, rc;
    int64_t                           start;
    jw_topic_t                       *t;
    jw_partition_t                   *p;
    rd_kafka_resp_err_t               err;
    rd_kafka_topic_partition_t       *o;
    rd_kafka_topic_partition_list_t  *list;

    list = rd_kafka_topic_partition_list_new(16);

    if (jw_assign_each(c, jw_assign_collect, list) == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return GOIM_OK;
    }

    rc = GOIM_OK;
    err = rd_kafka_committed(c->rk, list, jw_assign_left(deadline));

    if (err) {
        jw_consumer_error(c, err, "committed offsets", rd_kafka_err2str(err));
        rd_kafka_topic_partition_list_destroy(list);
        return GOIM_AGAIN;
    }

    for (i = 0; i < list->cnt; i++) {
        o = &list->elems[i];
        t = jw_consumer_topic(c, o->topic);
        p = jw_consumer_partition(c, o->topic, o->partition);

        if (t == NULL || p == NULL) {
            continue;
        }

        if (o->err
            || jw_assign_find_start(c, t, p, o->offset, deadline, &start)
               != GOIM_OK)
        {
            rc = GOIM_AGAIN;
            continue;
        }

        if (jw_assign_enter(c, t, p, start)) {
            c->stale = 1;
        }
    }

    rd_kafka_topic_partition_list_destroy(list);

    return rc;
}


/* Offsets outside Kafka's log. */

static void
jw_assign_correct_feed(jw_consumer_t *c, const jw_topic_t *t,
    const jw_partition_t *p, unsigned i, int64_t low, int64_t high)
{
    int64_t    to;
    uint64_t   next;
    jw_feed_t  *f;

    f = p->feeds[i];

    if (goim_lane_next(f->lane, p->topics[i], p->number, &next) != GOIM_OK
        || (next >= (uint64_t) low && next <= (uint64_t) high))
    {
        return;
    }

    to = c->conf->reset == JW_CONF_EARLIEST ? low : high;

    if (goim_lane_set_next(f->lane, p->topics[i], p->number, to) != GOIM_OK) {
        return;
    }

    goim_lane_count(f->lane, GOIM_JOB_OFFSET_RESETS, 1);

    goim_log(c->log, GOIM_LOG_WARN,
             "offset %llu of \"%s\" [%d] is outside Kafka's log, which has "
             "%lld to %lld: going on at %lld",
             (unsigned long long) next, t->name, (int) p->number,
             (long long) low, (long long) high, (long long) to);
}


/* Returns 1 if it has to be tried again. */
static int
jw_assign_correct(jw_consumer_t *c, jw_topic_t *t, jw_partition_t *p,
    void *data)
{
    int64_t    low, high;
    unsigned   i;
    uint64_t  *deadline = data;

    if (!p->outside) {
        return 0;
    }

    if (jw_assign_ask_log(c, t, p, RD_KAFKA_OFFSET_BEGINNING, *deadline, &low)
        != GOIM_OK
        || jw_assign_ask_log(c, t, p, RD_KAFKA_OFFSET_END, *deadline, &high)
           != GOIM_OK)
    {
        return 1;
    }

    for (i = 0; i < p->nfeeds; i++) {
        jw_assign_correct_feed(c, t, p, i, low, high);
    }

    p->outside = 0;
    c->corrected_us = goim_time_us();
    c->stale = 1;

    return 0;
}


/* The assignment itself. */

static int
jw_assign_link(jw_consumer_t *c, jw_topic_t *t, jw_partition_t *p, void *data)
{
    unsigned                          i, n;
    uint32_t                          topic;
    uint64_t                          next, start;
    jw_feed_t                        *feeds[JW_CHANNEL_GENERATIONS];
    rd_kafka_topic_partition_t       *o;
    rd_kafka_topic_partition_list_t  *list = data;

    start = UINT64_MAX;
    p->nfeeds = 0;
    n = jw_channel_feeds(c->channel, p->number, feeds);

    for (i = 0; i < n; i++) {
        if (goim_lane_topic(feeds[i]->lane, t->name, &topic) != GOIM_OK
            || goim_lane_next(feeds[i]->lane, topic, p->number, &next)
               != GOIM_OK)
        {
            continue;
        }

        p->feeds[p->nfeeds] = feeds[i];
        p->topics[p->nfeeds++] = topic;

        if (next < start) {
            start = next;
        }
    }

    if (p->nfeeds == 0 || start > INT64_MAX) {
        p->nfeeds = 0;
        return 0;
    }

    o = rd_kafka_topic_partition_list_add(list, t->name, p->number);
    o->offset = start;

    return 1;
}


static int
jw_assign_unpause(jw_consumer_t *c, jw_topic_t *t, jw_partition_t *p,
    void *data)
{
    rd_kafka_topic_partition_list_t  *list = data;

    (void) c;

    if (!p->paused) {
        return 0;
    }

    p->paused = 0;
    rd_kafka_topic_partition_list_add(list, t->name, p->number);

    return 1;
}


/*
 * What is held is forgotten and consumed again.  A pause would outlive the
 * assignment; it ends before, as librdkafka may lose a resume that comes
 * while an assignment is carried out (its issue 5591).
 */
static void
jw_assign_now(jw_consumer_t *c)
{
    int                               n;
    rd_kafka_resp_err_t               err;
    rd_kafka_topic_partition_list_t  *list;

    jw_channel_publish(c->channel);
    jw_channel_drop_held(c->channel);

    list = rd_kafka_topic_partition_list_new(16);

    if (jw_assign_each(c, jw_assign_unpause, list)) {
        (void) rd_kafka_resume_partitions(c->rk, list);
    }

    rd_kafka_topic_partition_list_destroy(list);

    c->paused = 0;
    c->failed = 0;

    list = rd_kafka_topic_partition_list_new(16);
    n = jw_assign_each(c, jw_assign_link, list);

    if (n || c->assigned) {
        err = rd_kafka_assign(c->rk, n ? list : NULL);

        if (err) {
            jw_consumer_error(c, err, "assignment", rd_kafka_err2str(err));
            c->failed = 1;
        }

        goim_log(c->log, GOIM_LOG_INFO, "%d partitions assigned", n);
    }

    c->assigned = n;

    rd_kafka_topic_partition_list_destroy(list);
}


/* When to ask again what could not be learnt: later each time. */
static void
jw_assign_schedule(jw_consumer_t *c, int again)
{
    if (!again) {
        c->retry_us = UINT64_MAX;
        c->backoff_us = JW_CONSUMER_RETRY_US;
        return;
    }

    c->retry_us = goim_time_us() + c->backoff_us;

    if (c->backoff_us < JW_ASSIGN_MAX_BACKOFF_US) {
        c->backoff_us *= 2;
    }
}


/*
 * For all questions of one round.  Messages of other partitions wait
 * meanwhile, so brokers get half a second at first, and more each time that
 * this was not enough.
 */
static uint64_t
jw_assign_ask_us(const jw_consumer_t *c)
{
    uint64_t  us;

    us = c->backoff_us / 2;

    return us < JW_ASSIGN_MAX_ASK_US ? us : JW_ASSIGN_MAX_ASK_US;
}


void
jw_assign_update(jw_consumer_t *c)
{
    int       again, changed;
    uint64_t  now, deadline;

    now = goim_time_us();
    changed = c->channel->changed || c->stale;

    if (!changed && now < c->retry_us) {
        return;
    }

    if (c->channel->changed) {
        c->backoff_us = JW_CONSUMER_RETRY_US;
    }

    /*
     * Known offsets first: a lane that was taken over must not wait for
     * answers about a partition that it does not know.
     */

    if (changed || c->failed) {
        c->channel->changed = 0;
        c->stale = 0;
        jw_assign_now(c);
    }

    deadline = now + jw_assign_ask_us(c);

    again = jw_assign_fill_gaps(c, deadline) != GOIM_OK;
    again += jw_assign_each(c, jw_assign_correct, &deadline);

    if (c->stale) {
        c->stale = 0;
        jw_assign_now(c);
    }

    jw_assign_schedule(c, again || c->failed);
}
