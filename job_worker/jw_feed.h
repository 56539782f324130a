/*
 * One lane whose lock we hold: messages are put into it, and those that find
 * it full are held, in their order, until its readers have gone on.
 */

#ifndef JW_FEED_H_INCLUDED
#define JW_FEED_H_INCLUDED


#include "goim_lane.h"
#include "jw_offset.h"


/* Held messages of a lane from which on its partitions are paused. */
#define JW_FEED_HELD_MAX    (1024 * 1024)


typedef struct jw_held_s  jw_held_t;


typedef struct {
    goim_lane_t  *lane;        /* NULL: not ours */
    int           standby;     /* another process was seen to hold it */

    jw_held_t    *first;       /* not empty: the lane is full */
    jw_held_t    *last;
    size_t        held_bytes;
    uint64_t      full_us;     /* PAUSED_MS is counted up to here */
    uint64_t      next_look_us;

    jw_offset_t   offset;
} jw_feed_t;


/* The feed takes over a lane that was taken, or gives it back. */
void jw_feed_begin(jw_feed_t *f, goim_lane_t *lane);
void jw_feed_end(jw_feed_t *f);

/*
 * Puts a message, or skips it if skip names a reason.  GOIM_OK: in the lane,
 * held, or counted under what kept it out.  GOIM_NOMEM: it could not be held,
 * GOIM_ERROR: the channel is broken; its partition must be consumed again from
 * where the tables are.
 */
GOIM_MUSTCHECK int jw_feed_put(jw_feed_t *f, const goim_lane_message_t *m,
    goim_job_counter_e skip);

/* A full lane's look at its readers, at most once a millisecond; what is held
 * goes in as far as there is room. */
void jw_feed_look(jw_feed_t *f);

/* Forgets what is held; the table still asks for it. */
void jw_feed_drop_held(jw_feed_t *f);

static inline int
jw_feed_is_full(const jw_feed_t *f)
{
    return f->first != NULL;
}


#endif /* JW_FEED_H_INCLUDED */
