/*
 * The reader's side of the channel: a slot, one cursor per lane, sleeping and
 * being woken.  For one thread; never blocks.
 */

#ifndef GOIM_READER_H_INCLUDED
#define GOIM_READER_H_INCLUDED


#include "goim_channel.h"


/* The reader's place in one lane; nobody else's business. */
typedef struct {
    uint64_t  position;  /* where the next record is read */
    uint64_t  word;      /* what the reader last stored in its slot */
    uint64_t  seq;       /* sequence number expected next, 0: unknown */
    uint64_t  missed;    /* records that were overwritten before they could
                            be read, ever */
    uint64_t  damaged;   /* times the lane held something else than records */
    uint64_t  returned;  /* times the producer had gone on without us */
} goim_reader_lane_t;


typedef struct {
    goim_channel_t      *ch;       /* belongs to the caller */
    goim_channel_slot_t *slot;
    uint32_t             index;    /* of the slot */
    int                  lock_fd;  /* holds the slot's lock */
    int                  pipe_fd;  /* readable when the reader is woken */
    goim_reader_lane_t   lanes[GOIM_CHANNEL_LANES];
} goim_reader_t;


/* Whole records, copied out of a lane; goim_reader_next() walks them. */
typedef struct {
    uint8_t  *buf;   /* the caller's, 8-byte aligned */
    size_t    cap;   /* of buf, a multiple of 8 */
    size_t    at;    /* of the next record */
    size_t    end;
} goim_reader_batch_t;


/*
 * Takes a free slot of a channel opened as GOIM_CHANNEL_READER and joins every
 * lane at its head.  GOIM_FULL: all slots are taken.
 */
GOIM_MUSTCHECK int goim_reader_open(goim_channel_t *ch, goim_reader_t **rd,
    goim_error_t *error);

/* Leaves all lanes and frees the slot. */
void goim_reader_close(goim_reader_t *rd);

/*
 * Copies the next records of a lane into the batch.  GOIM_OK: at least one;
 * GOIM_AGAIN: nothing new; GOIM_FULL: the next record does not fit into the
 * empty buffer, batch->end is the size it needs.
 */
GOIM_MUSTCHECK int goim_reader_read(goim_reader_t *rd, uint32_t lane,
    goim_reader_batch_t *batch);

/* The next record of the batch, its lengths checked, or NULL. */
const goim_record_t *goim_reader_next(goim_reader_batch_t *batch);

/*
 * Called when all lanes were found empty.  GOIM_OK: asleep, pipe_fd becomes
 * readable; GOIM_AGAIN: there is something to read after all.
 */
GOIM_MUSTCHECK int goim_reader_sleep(goim_reader_t *rd);

/* Called before reading, however it was woken: empties the pipe, awake. */
void goim_reader_wake(goim_reader_t *rd);

/* Adds to one of the slot's counters. */
static inline void
goim_reader_count(goim_reader_t *rd, uint32_t counter, uint64_t n)
{
    _Atomic uint64_t  *c = &rd->slot->counters[counter];

    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Its board, NULL: this slot has none. */
goim_channel_board_t *goim_reader_board(goim_reader_t *rd);

/* Replaces a text of the own board; cuts what is longer than its place. */
void goim_mail_write(goim_channel_mail_t *mail, uint64_t about,
    const uint8_t *data, size_t len);

/*
 * Copies a text of any board into a buffer of GOIM_MAIL_DATA bytes.
 * GOIM_AGAIN: it is being written, by a writer that may be dead.  seq is even,
 * and grows with each text; 0: there was none yet.
 */
GOIM_MUSTCHECK int goim_mail_read(const goim_channel_mail_t *mail,
    uint64_t *seq, uint64_t *about, uint8_t *data, size_t *len);

/*
 * Tells the others how many members a room has here.  GOIM_FULL: this slot has
 * no table, or no entry for the room; it is not told.
 */
GOIM_MUSTCHECK int goim_reader_set_room(goim_reader_t *rd, uint64_t hash,
    uint64_t members);

/* Forgets all rooms; for a slot's new owner. */
void goim_reader_clear_rooms(goim_reader_t *rd);


/*
 * The recent records of a room in one lane, newest first: all that stand
 * below the reader's own position and not yet overwritten.  The visitor gets
 * a validated copy and returns 0 to stop.  GOIM_OK: it stopped;
 * GOIM_AGAIN: the room had no more than what was seen ("nothing before" is
 * never claimed: it means unknown before there).
 */
typedef int (*goim_reader_visit_pt)(const goim_record_t *record, void *data);

GOIM_MUSTCHECK int goim_reader_history(goim_reader_t *rd, uint32_t lane,
    uint64_t hash, goim_str_t room, goim_reader_visit_pt visit, void *data);


#endif /* GOIM_READER_H_INCLUDED */
