/*
 * Messages into one lane, and what happens while it is full; see jw_feed.h.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "jw_feed.h"


#define JW_FEED_LOOK_US  1000


/* A copy: librdkafka's buffers are not kept while a lane is full. */
struct jw_held_s {
    jw_held_t            *next;
    size_t                size;
    goim_job_counter_e    skip;
    goim_lane_message_t   message;
    uint8_t               data[];
};


void
jw_feed_begin(jw_feed_t *f, goim_lane_t *lane)
{
    memset(f, 0, sizeof(jw_feed_t));
    f->lane = lane;
}


void
jw_feed_end(jw_feed_t *f)
{
    jw_feed_drop_held(f);
    goim_lane_leave(f->lane);
    jw_offset_done(&f->offset);
    memset(f, 0, sizeof(jw_feed_t));
}


static void
jw_feed_count_paused(jw_feed_t *f, uint64_t now)
{
    uint64_t  ms;

    ms = (now - f->full_us) / 1000;

    if (ms) {
        goim_lane_count(f->lane, GOIM_JOB_PAUSED_MS, ms);
        f->full_us += ms * 1000;
    }
}


static int
jw_feed_hold(jw_feed_t *f, const goim_lane_message_t *m,
    goim_job_counter_e skip)
{
    size_t      size;
    jw_held_t  *h;

    size = sizeof(jw_held_t);

    if (skip == GOIM_JOB_COUNTERS) {
        size += m->target.len + m->body.len;
    }

    h = malloc(size);
    if (h == NULL) {
        return GOIM_NOMEM;
    }

    h->next = NULL;
    h->size = size;
    h->skip = skip;
    h->message = *m;

    if (skip == GOIM_JOB_COUNTERS) {
        h->message.target.data = h->data;
        h->message.body.data = h->data + m->target.len;

        if (m->target.len) {
            memcpy(h->data, m->target.data, m->target.len);
        }

        if (m->body.len) {
            memcpy(h->data + m->target.len, m->body.data, m->body.len);
        }
    }

    if (f->first == NULL) {
        f->first = h;
        f->full_us = goim_time_us();
        f->next_look_us = 0;
        goim_lane_count(f->lane, GOIM_JOB_PAUSES, 1);

    } else {
        f->last->next = h;
    }

    f->last = h;
    f->held_bytes += size;

    return GOIM_OK;
}


/* Moves the table past a message that is not for this lane's readers. */
static int
jw_feed_skip(jw_feed_t *f, const goim_lane_message_t *m,
    goim_job_counter_e counter)
{
    uint64_t  next;

    if (goim_lane_next(f->lane, m->topic, m->partition, &next) == GOIM_OK
        && next > (uint64_t) m->offset)
    {
        goim_lane_count(f->lane, GOIM_JOB_DUPLICATE, 1);
        return GOIM_OK;
    }

    if (goim_lane_skip(f->lane, m->topic, m->partition,
                       (uint64_t) m->offset + 1)
        != GOIM_OK)
    {
        return GOIM_NOMEM;
    }

    goim_lane_count(f->lane, counter, 1);

    return GOIM_OK;
}


/* GOIM_OK: done with; GOIM_FULL: not now; others as jw_feed_put(). */
static int
jw_feed_try(jw_feed_t *f, const goim_lane_message_t *m,
    goim_job_counter_e skip)
{
    int  rc;

    if (skip != GOIM_JOB_COUNTERS) {
        return jw_feed_skip(f, m, skip);
    }

    rc = goim_lane_put(f->lane, m);

    switch (rc) {

    case GOIM_AGAIN:
        goim_lane_count(f->lane, GOIM_JOB_DUPLICATE, 1);
        return GOIM_OK;

    case GOIM_INVALID:
        return jw_feed_skip(f, m, GOIM_JOB_TOO_LARGE);
    }

    return rc;
}


int
jw_feed_put(jw_feed_t *f, const goim_lane_message_t *m,
    goim_job_counter_e skip)
{
    int  rc;

    /*
     * A skip waits as well: it would move the table past what is held of the
     * same partition, and that would then count as a duplicate.
     */

    if (jw_feed_is_full(f)) {
        return jw_feed_hold(f, m, skip);
    }

    rc = jw_feed_try(f, m, skip);

    if (rc != GOIM_FULL) {
        return rc;
    }

    goim_lane_publish(f->lane);

    return jw_feed_hold(f, m, skip);
}


static void
jw_feed_forget_first(jw_feed_t *f)
{
    jw_held_t  *h;

    h = f->first;
    f->first = h->next;
    f->held_bytes -= h->size;

    if (f->first == NULL) {
        f->last = NULL;
    }

    free(h);
}


void
jw_feed_look(jw_feed_t *f)
{
    uint64_t  now;

    now = goim_time_us();

    if (now < f->next_look_us) {
        return;
    }

    f->next_look_us = now + JW_FEED_LOOK_US;
    jw_feed_count_paused(f, now);

    goim_lane_look(f->lane, now);

    while (f->first) {
        if (jw_feed_try(f, &f->first->message, f->first->skip) != GOIM_OK) {
            break;
        }

        jw_feed_forget_first(f);
    }

    goim_lane_publish(f->lane);
}


void
jw_feed_drop_held(jw_feed_t *f)
{
    while (f->first) {
        jw_feed_forget_first(f);
    }
}
