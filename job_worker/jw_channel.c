/*
 * Finds the generations of the channel, takes their lanes, and lets go of
 * those that nobody reads any more; see jw_channel.h.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_time.h"
#include "jw_channel.h"


#define JW_CHANNEL_SCAN_US  1000000
#define JW_CHANNEL_TICK_US  1000000

/*
 * How long a superseded generation is fed without a reader: a worker that
 * crashed is started again within it, and one whose reload is under way takes
 * its slot.
 */
#define JW_CHANNEL_GRACE_US  5000000


int
jw_channel_init(jw_channel_t *jc, const char *path, const goim_log_t *log)
{
    memset(jc, 0, sizeof(jw_channel_t));

    jc->log = log;

    return jw_channel_set_path(jc, path);
}


int
jw_channel_set_path(jw_channel_t *jc, const char *path)
{
    char  *copy;

    copy = strdup(path);
    if (copy == NULL) {
        return GOIM_NOMEM;
    }

    free(jc->path);
    jc->path = copy;
    jc->newest = 0;
    jc->nleft = 0;
    jc->waiting = 0;
    jc->next_scan_us = 0;

    return GOIM_OK;
}


static int
jw_channel_is_current(const jw_channel_t *jc, const jw_generation_t *g)
{
    return !g->unlinked && strcmp(g->path, jc->path) == 0;
}


static jw_generation_t *
jw_channel_find(jw_channel_t *jc, uint64_t number)
{
    unsigned          i;
    jw_generation_t  *g;

    for (i = 0; i < jc->n; i++) {
        g = &jc->generations[i];

        if (g->ch->generation == number && jw_channel_is_current(jc, g)) {
            return g;
        }
    }

    return NULL;
}


static int
jw_channel_is_newest(const jw_channel_t *jc, const jw_generation_t *g)
{
    return g->ch->generation == jc->newest && jw_channel_is_current(jc, g);
}


/*
 * A file that is no channel, or no longer one, serves nobody.  The newest is
 * left for nginx to see.
 */
static void
jw_channel_remove_damaged(jw_channel_t *jc, uint64_t number)
{
    goim_log(jc->log, GOIM_LOG_WARN,
             "generation %llu of channel \"%s\" is damaged and has a "
             "successor: removing its file",
             (unsigned long long) number, jc->path);

    goim_channel_remove(jc->path, number);

    /* once, whether it can be done or not */

    jc->left[jc->nleft++ % JW_CHANNEL_GENERATIONS] = number;
}


static void
jw_channel_open(jw_channel_t *jc, uint64_t number)
{
    int               rc;
    goim_error_t      error;
    goim_channel_t   *ch;
    jw_generation_t  *g;

    if (jc->n == JW_CHANNEL_GENERATIONS) {
        goim_log_limited(jc->log, &jc->open_limit, GOIM_LOG_ERROR,
                         "channel \"%s\" has more generations with readers "
                         "than can be fed: %u",
                         jc->path, jc->n);
        return;
    }

    rc = goim_channel_open(jc->path, number, GOIM_CHANNEL_PRODUCER, &ch,
                           &error);

    if (rc == GOIM_INVALID && number < jc->newest) {
        jw_channel_remove_damaged(jc, number);
        return;
    }

    if (rc != GOIM_OK) {
        goim_log_limited(jc->log, &jc->open_limit, GOIM_LOG_ERROR,
                         "generation %llu of channel \"%s\" can't be opened: "
                         "%s%s%s",
                         (unsigned long long) number, jc->path,
                         error.text, error.err ? ": " : "",
                         error.err ? strerror(error.err) : "");
        return;
    }

    g = &jc->generations[jc->n];
    memset(g, 0, sizeof(jw_generation_t));

    g->ch = ch;
    g->path = strdup(jc->path);
    g->feeds = calloc(ch->lanes, sizeof(jw_feed_t));

    if (g->path == NULL || g->feeds == NULL) {
        goim_log_limited(jc->log, &jc->open_limit, GOIM_LOG_CRIT,
                         "no memory for channel \"%s\"", jc->path);
        free(g->path);
        free(g->feeds);
        goim_channel_close(ch);
        return;
    }

    jc->n++;

    goim_log(jc->log, GOIM_LOG_INFO,
             "generation %llu of channel \"%s\" opened: "
             "%u lanes of %llu bytes",
             (unsigned long long) number, jc->path,
             ch->lanes, (unsigned long long) ch->size);
}


static void
jw_channel_close(jw_channel_t *jc, jw_generation_t *g)
{
    uint32_t  i;

    for (i = 0; i < g->ch->lanes; i++) {
        if (g->feeds[i].lane) {
            jw_feed_end(&g->feeds[i]);
            jc->changed = 1;
        }
    }

    goim_channel_close(g->ch);
    free(g->feeds);
    free(g->path);

    jc->n--;
    memmove(g, g + 1,
            (char *) &jc->generations[jc->n] - (char *) g);

    /* pointers to the feeds of others stay right: the array was moved, not
     * what it points at */
}


static void
jw_channel_remove(jw_channel_t *jc, const jw_generation_t *g)
{
    goim_channel_remove(jc->path, g->ch->generation);

    if (goim_channel_is_unlinked(g->ch)) {
        goim_log(jc->log, GOIM_LOG_NOTICE,
                 "generation %llu of channel \"%s\" removed",
                 (unsigned long long) g->ch->generation, jc->path);
        return;
    }

    goim_log(jc->log, GOIM_LOG_ERROR,
             "generation %llu of channel \"%s\" can't be removed: its folder "
             "must be writable",
             (unsigned long long) g->ch->generation, jc->path);

    jc->left[jc->nleft++ % JW_CHANNEL_GENERATIONS] = g->ch->generation;
}


static int
jw_channel_was_left(const jw_channel_t *jc, uint64_t number)
{
    unsigned  i;

    for (i = 0; i < jc->nleft && i < JW_CHANNEL_GENERATIONS; i++) {
        if (jc->left[i] == number) {
            return 1;
        }
    }

    return 0;
}


/* Nobody needs the generation; its file goes if it was superseded. */
static void
jw_channel_drop(jw_channel_t *jc, jw_generation_t *g)
{
    goim_log(jc->log, GOIM_LOG_NOTICE,
             "generation %llu of channel \"%s\" has no reader any more",
             (unsigned long long) g->ch->generation, g->path);

    if (jw_channel_is_current(jc, g) && g->ch->generation < jc->newest) {
        jw_channel_remove(jc, g);
    }

    jw_channel_close(jc, g);
}


static void
jw_channel_scan(jw_channel_t *jc)
{
    int           i, n;
    uint64_t      numbers[JW_CHANNEL_GENERATIONS];
    goim_error_t  error;

    n = goim_channel_list(jc->path, numbers, JW_CHANNEL_GENERATIONS, &error);

    if (n < 0) {
        goim_log_limited(jc->log, &jc->scan_limit, GOIM_LOG_ERROR,
                         "channel \"%s\" can't be looked for: %s%s%s",
                         jc->path,
                         error.text, error.err ? ": " : "",
                         error.err ? strerror(error.err) : "");
        return;
    }

    if (n == 0) {
        jc->newest = 0;

        if (!jc->waiting) {
            goim_log(jc->log, GOIM_LOG_NOTICE, "channel \"%s\" does not exist "
                     "yet: waiting until nginx makes it",
                     jc->path);
            jc->waiting = 1;
        }

        return;
    }

    jc->waiting = 0;
    jc->newest = numbers[n - 1];

    /* the newest first, so that a full table leaves the oldest out */

    for (i = n - 1; i >= 0; i--) {
        if (jw_channel_find(jc, numbers[i]) == NULL
            && !jw_channel_was_left(jc, numbers[i]))
        {
            jw_channel_open(jc, numbers[i]);
        }
    }
}


/* A file that was cut short or written over, or that has lost its name. */
static void
jw_channel_check(jw_channel_t *jc)
{
    unsigned          i;
    jw_generation_t  *g;

    for (i = jc->n; i-- > 0; /* void */) {
        g = &jc->generations[i];

        if (!goim_channel_is_whole(g->ch)) {
            goim_log(jc->log, GOIM_LOG_CRIT,
                     "generation %llu of channel \"%s\" was cut short or "
                     "written over and is closed",
                     (unsigned long long) g->ch->generation, g->path);
            jw_channel_close(jc, g);
            jc->next_scan_us = 0;
            continue;
        }

        if (!g->unlinked && goim_channel_is_unlinked(g->ch)) {
            goim_log(jc->log, GOIM_LOG_WARN, "the file of generation %llu of "
                     "channel \"%s\" was removed",
                     (unsigned long long) g->ch->generation, g->path);
            g->unlinked = 1;
        }
    }
}


/* The number of the one that took its place; 0: none has. */
static uint64_t
jw_channel_successor(const jw_generation_t *g)
{
    return atomic_load_explicit(&goim_channel_header(g->ch)->successor,
                                memory_order_acquire);
}


/* The newest generation names its successor before a scan is due. */
static int
jw_channel_scan_due(jw_channel_t *jc, uint64_t now)
{
    jw_generation_t  *g;

    if (now >= jc->next_scan_us || jc->newest == 0) {
        return 1;
    }

    g = jw_channel_find(jc, jc->newest);

    return g && jw_channel_successor(g) > jc->newest;
}


static void
jw_channel_drop_idle(jw_channel_t *jc, uint64_t now)
{
    unsigned          i;
    jw_generation_t  *g;

    for (i = jc->n; i-- > 0; /* void */) {
        g = &jc->generations[i];

        if (jw_channel_is_newest(jc, g) || goim_channel_live_readers(g->ch)) {
            g->idle_us = 0;

        } else if (g->idle_us == 0) {
            g->idle_us = now;

        } else if (now - g->idle_us >= JW_CHANNEL_GRACE_US) {
            jw_channel_drop(jc, g);
        }
    }
}


static void
jw_channel_take(jw_channel_t *jc, jw_generation_t *g, uint32_t i)
{
    int            rc;
    jw_feed_t     *f;
    goim_lane_t   *lane;
    goim_error_t   error;

    f = &g->feeds[i];

    rc = goim_lane_take(g->ch, i, &lane, &error);

    if (rc == GOIM_OK) {
        jw_feed_begin(f, lane);
        jc->changed = 1;
        goim_log(jc->log, GOIM_LOG_NOTICE, "lane %u of generation %llu taken",
                 i,
                 (unsigned long long) g->ch->generation);
        return;
    }

    if (rc == GOIM_AGAIN) {
        if (!f->standby) {
            goim_log(jc->log, GOIM_LOG_NOTICE, "lane %u of generation %llu is "
                     "held by another goim-job: standing by",
                     i,
                     (unsigned long long) g->ch->generation);
            f->standby = 1;
        }

        return;
    }

    goim_log_limited(jc->log, &jc->take_limit, GOIM_LOG_ERROR,
                     "lane %u of generation %llu can't be taken: %s%s%s", i,
                     (unsigned long long) g->ch->generation, error.text,
                     error.err ? ": " : "",
                     error.err ? strerror(error.err) : "");
}


static void
jw_channel_take_free(jw_channel_t *jc)
{
    uint32_t          i;
    unsigned          k;
    jw_generation_t  *g;

    for (k = 0; k < jc->n; k++) {
        g = &jc->generations[k];

        /* nobody is to be given what he would drop at once */

        if (g->idle_us) {
            continue;
        }

        for (i = 0; i < g->ch->lanes; i++) {
            if (g->feeds[i].lane == NULL) {
                jw_channel_take(jc, g, i);
            }
        }
    }
}


static void
jw_channel_tick(jw_channel_t *jc)
{
    unsigned    at;
    uint64_t    now_ms;
    jw_feed_t  *f;

    now_ms = goim_time_wall_ms();

    for (at = 0; (f = jw_channel_next_feed(jc, &at)) != NULL; /* void */) {
        goim_lane_tick(f->lane, now_ms);
    }
}


void
jw_channel_look(jw_channel_t *jc)
{
    uint64_t  now;

    now = goim_time_us();

    jw_channel_check(jc);

    if (jw_channel_scan_due(jc, now)) {
        jw_channel_scan(jc);
        jc->next_scan_us = now + JW_CHANNEL_SCAN_US;
    }

    jw_channel_drop_idle(jc, now);
    jw_channel_take_free(jc);

    if (now >= jc->next_tick_us) {
        jw_channel_tick(jc);
        jc->next_tick_us = now + JW_CHANNEL_TICK_US;
    }
}


jw_feed_t *
jw_channel_next_feed(jw_channel_t *jc, unsigned *at)
{
    unsigned          i, k;
    jw_generation_t  *g;

    i = *at / GOIM_CHANNEL_LANES;
    k = *at % GOIM_CHANNEL_LANES;

    for (/* void */; i < jc->n; i++, k = 0) {
        g = &jc->generations[i];

        for (/* void */; k < g->ch->lanes; k++) {
            if (g->feeds[k].lane && !g->ch->broken) {
                *at = i * GOIM_CHANNEL_LANES + k + 1;
                return &g->feeds[k];
            }
        }
    }

    return NULL;
}


void
jw_channel_publish(jw_channel_t *jc)
{
    unsigned    at;
    jw_feed_t  *f;

    for (at = 0; (f = jw_channel_next_feed(jc, &at)) != NULL; /* void */) {
        if (goim_lane_pending(f->lane)) {
            goim_lane_publish(f->lane);
        }
    }
}


void
jw_channel_look_full(jw_channel_t *jc)
{
    unsigned    at;
    jw_feed_t  *f;

    for (at = 0; (f = jw_channel_next_feed(jc, &at)) != NULL; /* void */) {
        if (jw_feed_is_full(f)) {
            jw_feed_look(f);
        }
    }
}


void
jw_channel_drop_held(jw_channel_t *jc)
{
    unsigned    at;
    jw_feed_t  *f;

    for (at = 0; (f = jw_channel_next_feed(jc, &at)) != NULL; /* void */) {
        jw_feed_drop_held(f);
    }
}


/*
 * Nobody reads it, or will: readers are about to be found in another one, and
 * what this one has got is still to reach them.
 */
static int
jw_channel_is_abandoned(const jw_generation_t *g)
{
    return (jw_channel_successor(g) || goim_channel_is_unlinked(g->ch))
           && goim_channel_live_readers(g->ch) == 0;
}


static void
jw_channel_note_lanes(jw_generation_t *g)
{
    uint32_t    i;
    jw_feed_t  *f;

    for (i = 0; i < g->ch->lanes; i++) {
        f = &g->feeds[i];

        if (f->lane && !goim_lane_pending(f->lane)) {
            jw_offset_update(&f->offset, f->lane);
        }
    }
}


void
jw_channel_note(jw_channel_t *jc)
{
    unsigned          i;
    jw_generation_t  *g;

    for (i = 0; i < jc->n; i++) {
        g = &jc->generations[i];

        /* what readers have got is not to be learnt from something else */

        if (goim_channel_is_whole(g->ch) && !g->ch->broken
            && !jw_channel_is_abandoned(g))
        {
            jw_channel_note_lanes(g);
        }
    }
}


int
jw_channel_all_read(const jw_channel_t *jc)
{
    unsigned                i;
    uint32_t                k;
    const goim_lane_t      *lane;
    const jw_generation_t  *g;

    for (i = 0; i < jc->n; i++) {
        g = &jc->generations[i];

        for (k = 0; k < g->ch->lanes; k++) {
            lane = g->feeds[k].lane;

            if (lane && !g->ch->broken
                && !goim_lane_all_read(lane, goim_lane_head(lane)))
            {
                return 0;
            }
        }
    }

    return 1;
}


unsigned
jw_channel_feeds(jw_channel_t *jc, int32_t partition, jw_feed_t **feeds)
{
    unsigned          i, n;
    jw_feed_t        *f;
    jw_generation_t  *g;

    n = 0;

    for (i = 0; i < jc->n; i++) {
        g = &jc->generations[i];
        f = &g->feeds[partition % g->ch->lanes];

        if (f->lane && !g->ch->broken) {
            feeds[n++] = f;
        }
    }

    return n;
}


void
jw_channel_count(jw_channel_t *jc, goim_job_counter_e counter, uint64_t n)
{
    unsigned    at;
    jw_feed_t  *f;

    at = 0;
    f = jw_channel_next_feed(jc, &at);

    if (f) {
        goim_lane_count(f->lane, counter, n);
    }
}


void
jw_channel_done(jw_channel_t *jc)
{
    while (jc->n) {
        jw_channel_close(jc, &jc->generations[jc->n - 1]);
    }

    free(jc->path);
    jc->path = NULL;
}
