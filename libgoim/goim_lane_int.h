/*
 * The lane object, shared by goim_lane.c and goim_lane_judge.c only.
 */

#ifndef GOIM_LANE_INT_H_INCLUDED
#define GOIM_LANE_INT_H_INCLUDED


#include "goim_lane.h"
#include "goim_wakeup.h"


/* twice the entries, so that a search ends */
#define GOIM_LANE_BUCKETS  (2 * GOIM_CHANNEL_PARTITIONS)


typedef struct {
    uint32_t  topic;
    int32_t   partition;
    uint64_t  next;   /* pending messages included */
    int       dirty;  /* stands in lane->dirty */
} goim_lane_entry_t;


struct goim_lane_s {
    goim_channel_t        *ch;
    goim_channel_lane_t   *shm;
    goim_index_bucket_t   *index;
    uint8_t               *ring;
    uint64_t               size;     /* of the ring */
    uint32_t               number;   /* of the lane */
    int                    lock_fd;

    uint64_t               tail;
    uint64_t               head;     /* published */
    uint64_t               end;      /* written */
    uint64_t               seq;      /* of the record to come */
    uint64_t               records;  /* pending */
    uint64_t               need;     /* lane full: tail wants to be here */

    uint64_t               looked_us;  /* last goim_lane_look() */
    uint64_t               tested_us;  /* last look that tested locks */

    goim_index_bucket_t   *shadow;   /* the index with the pending records */

    uint32_t               entries;
    uint32_t               ndirty;
    uint32_t               dirty[GOIM_CHANNEL_PARTITIONS];
    goim_lane_entry_t      table[GOIM_CHANNEL_PARTITIONS];
    uint32_t               buckets[GOIM_LANE_BUCKETS]; /* entry + 1 */

    goim_wakeup_t          wakeup;
};


/* Empties a damaged lane; readers see a gap.  Counted. */
void goim_lane_reset(goim_lane_t *lane);


#endif /* GOIM_LANE_INT_H_INCLUDED */
