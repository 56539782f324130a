/*
 * The producer's side of one lane: taking it (and what its last producer left
 * behind), writing records, publishing them, and judging the readers that are
 * in the way.  For one thread.
 */

#ifndef GOIM_LANE_H_INCLUDED
#define GOIM_LANE_H_INCLUDED


#include "goim_channel.h"


typedef struct goim_lane_s  goim_lane_t;


/* One message to be written; views are copied before the call returns. */
typedef struct {
    goim_record_kind_e  kind;
    goim_str_t          target;     /* in the form that the kind asks for */
    goim_str_t          body;
    uint64_t            hash;       /* of the room's name, 0 unless ROOM */
    uint64_t            time;       /* ms since 1970, 0: unknown */
    int64_t             offset;
    int32_t             partition;
    uint32_t            topic;      /* from goim_lane_topic() */
    int32_t             op;
    int32_t             arg;
} goim_lane_message_t;


/*
 * Takes a lane of a channel that was opened as GOIM_CHANNEL_PRODUCER and must
 * stay open until goim_lane_leave().  Checks all that the last producer left,
 * continues what it published, and resets the lane if a check fails (counted
 * in GOIM_JOB_RESETS).  GOIM_AGAIN: another process holds it.
 */
GOIM_MUSTCHECK int goim_lane_take(goim_channel_t *ch, uint32_t index,
    goim_lane_t **lane, goim_error_t *error);

/* Publishes what is pending, releases the lock, frees the object. */
void goim_lane_leave(goim_lane_t *lane);

/* The topic's id, appended if new; GOIM_FULL after GOIM_CHANNEL_TOPICS,
 * GOIM_INVALID if the name is empty or too long. */
GOIM_MUSTCHECK int goim_lane_topic(goim_lane_t *lane, const char *name,
    uint32_t *topic);

/* Whether the table knows the topic: it holds one of its partitions. */
int goim_lane_knows_topic(const goim_lane_t *lane, uint32_t topic);

/*
 * The next offset that the lane wants of a partition, pending messages
 * included.  GOIM_AGAIN: no entry.
 */
GOIM_MUSTCHECK int goim_lane_next(const goim_lane_t *lane, uint32_t topic,
    int32_t partition, uint64_t *next);

/*
 * Writes a message behind the pending ones; nobody sees it before
 * goim_lane_publish(), which is called here when the batch gets large.
 * GOIM_AGAIN: the offset is below the table's, so the lane has it already;
 * GOIM_FULL: a live reader is in the way: publish, then goim_lane_look() every
 * 0.1 to 1 ms, then the same message again; GOIM_INVALID: larger than a
 * quarter of the ring (or an unknown topic or kind): skip it;
 * GOIM_NOMEM: the partition table is full; GOIM_ERROR: the channel is broken
 * (its file was cut short): leave the lane, commit nothing.
 */
GOIM_MUSTCHECK int goim_lane_put(goim_lane_t *lane,
    const goim_lane_message_t *m);

/*
 * The message at next - 1 is not for this lane's readers (unreadable, too
 * old, for another server): the table moves in the next publication.  Never
 * moves backwards.  GOIM_NOMEM: the table is full.
 */
GOIM_MUSTCHECK int goim_lane_skip(goim_lane_t *lane, uint32_t topic,
    int32_t partition, uint64_t next);

/*
 * Kafka's log no longer holds (or never held) what the table asks for: sets
 * the next offset, even backwards.  To be called between publications.
 */
GOIM_MUSTCHECK int goim_lane_set_next(goim_lane_t *lane, uint32_t topic,
    int32_t partition, uint64_t next);

/* Makes all that is pending visible and wakes the readers that sleep. */
void goim_lane_publish(goim_lane_t *lane);

/* Something is pending: written or skipped, and not published. */
int goim_lane_pending(const goim_lane_t *lane);

/*
 * One look at the readers while the lane is full: those found dead are freed,
 * those that stall are marked out.  now_us: a monotonic clock.
 */
void goim_lane_look(goim_lane_t *lane, uint64_t now_us);

/* Called about once a second: the lane's time, and the locks of all live
 * readers.  now_ms: since 1970. */
void goim_lane_tick(goim_lane_t *lane, uint64_t now_ms);

/* The end of what is published, to be compared with goim_lane_all_read(). */
uint64_t goim_lane_head(const goim_lane_t *lane);

/* No live reader is below the position; never so in a broken channel. */
int goim_lane_all_read(const goim_lane_t *lane, uint64_t position);

/*
 * Walks the partition table, pending messages included: GOIM_OK and the entry,
 * or GOIM_AGAIN at its end.
 */
GOIM_MUSTCHECK int goim_lane_partition(const goim_lane_t *lane, uint32_t i,
    const char **topic, int32_t *partition, uint64_t *next);

/* Adds to one of the lane's counters; the lane itself counts RECORDS, BYTES,
 * BATCHES, WAKEUPS, READERS_DEAD, READERS_OUT, RESETS and TAKEN. */
void goim_lane_count(goim_lane_t *lane, goim_job_counter_e counter,
    uint64_t n);


#endif /* GOIM_LANE_H_INCLUDED */
