/*
 * The lane object, shared by the goim_lane files only.
 */

#ifndef GOIM_LANE_INT_H_INCLUDED
#define GOIM_LANE_INT_H_INCLUDED


#include "goim_lane.h"
#include "goim_wakeup.h"


/* twice the entries, so that a search ends */
#define GOIM_LANE_BUCKETS  (2 * GOIM_CHANNEL_PARTITIONS)


/* positions beyond this can only be damage: 2^61 bytes were never written */
#define GOIM_LANE_MAX_POSITION  (1ULL << 61)


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

    /* mirrors of the file's, which pending messages are ahead of */

    uint32_t               topics;
    char                   topic[GOIM_CHANNEL_TOPICS][GOIM_CHANNEL_TOPIC_LEN];

    uint32_t               entries;
    uint32_t               ndirty;
    uint32_t               dirty[GOIM_CHANNEL_PARTITIONS];
    goim_lane_entry_t      table[GOIM_CHANNEL_PARTITIONS];
    uint32_t               buckets[GOIM_LANE_BUCKETS]; /* entry + 1 */

    goim_wakeup_t          wakeup;
};


static inline uint64_t
goim_lane_load(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}


static inline void
goim_lane_store(_Atomic uint64_t *p, uint64_t value)
{
    atomic_store_explicit(p, value, memory_order_release);
}


static inline goim_record_t *
goim_lane_record(const goim_lane_t *lane, uint64_t position)
{
    return (goim_record_t *) (lane->ring + (position & (lane->size - 1)));
}


/* goim_lane_table.c */

/* The entry, or NULL. */
goim_lane_entry_t *goim_lane_table_find(const goim_lane_t *lane,
    uint32_t topic, int32_t partition);

/* The entry, appended if new; NULL: the table is full. */
goim_lane_entry_t *goim_lane_table_get(goim_lane_t *lane, uint32_t topic,
    int32_t partition);

void goim_lane_table_move(goim_lane_t *lane, goim_lane_entry_t *e,
    uint64_t next);

/* Brings the file's table up to the mirror. */
void goim_lane_table_store(goim_lane_t *lane);

/* Fills the mirrors.  GOIM_INVALID: the file's are damaged; both are empty
 * then, since Kafka's committed offsets are the next best. */
GOIM_MUSTCHECK int goim_lane_table_load(goim_lane_t *lane);

/* goim_lane_index.c */

/* index: the file's or its shadow. */
void goim_lane_index_set(goim_lane_t *lane, goim_index_bucket_t *index,
    uint64_t hash, uint64_t position);

/* The room's last position in this lane if it can still be read, else 0. */
uint64_t goim_lane_index_get(const goim_lane_t *lane, uint64_t hash);

/* Brings the file's index up to the records from one position to another. */
void goim_lane_index_store(goim_lane_t *lane, uint64_t from, uint64_t to);

/* goim_lane_take.c */

/* The record's size if it can be one, else 0. */
uint32_t goim_lane_record_size(const goim_lane_t *lane, uint64_t position);

/* Empties a damaged lane; readers see a gap.  Counted. */
void goim_lane_reset(goim_lane_t *lane);

/* What goim_lane_take() made. */
void goim_lane_free(goim_lane_t *lane);


#endif /* GOIM_LANE_INT_H_INCLUDED */
