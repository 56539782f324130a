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
    uint64_t             asked;    /* of the channel, when last looked at */
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

/*
 * After GOIM_FULL, with the size that it told: passes over a record that there
 * is no room for; it counts as missed.
 */
void goim_reader_skip(goim_reader_t *rd, uint32_t lane, size_t size);

/* The next record of the batch, its lengths checked, or NULL. */
const goim_record_t *goim_reader_next(goim_reader_batch_t *batch);

/*
 * Called when all lanes were found empty.  GOIM_OK: asleep, pipe_fd becomes
 * readable; GOIM_AGAIN: there is something to read after all.
 */
GOIM_MUSTCHECK int goim_reader_sleep(goim_reader_t *rd);

/* Called before reading, however it was woken: empties the pipe, awake. */
void goim_reader_wake(goim_reader_t *rd);

/*
 * A turn at something that not all readers are to do at once: of those whose
 * slots have the same remainder by n, one has it.  n: 1 or more.  GOIM_OK: it
 * is this reader's, until it gives it back, or ends; GOIM_AGAIN: another's.
 */
GOIM_MUSTCHECK int goim_reader_take_turn(goim_reader_t *rd, uint32_t n);
void goim_reader_give_turn(goim_reader_t *rd, uint32_t n);

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

/* Names a class of its board, cut to what there is room for, and returns the
 * class's counters; NULL: there is no such place. */
_Atomic uint64_t *goim_reader_set_class(goim_reader_t *rd, uint32_t i,
    const char *name, size_t len);

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
 * goim_reader_ask.c: a question to all other readers.  Each reader may have
 * one at a time.  The others look at it when they are woken, and once a second
 * at the latest; what they know is one text.
 */
typedef struct {
    uint64_t  seq;      /* 0: nothing was asked */
    uint8_t   waiting[GOIM_CHANNEL_ROOM_SLOTS];  /* 1: has still to look */
    uint32_t  deaf;     /* readers that can't be asked: they have no board */
} goim_question_t;

/* Asks, and wakes the others.  GOIM_FULL: this slot has no board. */
GOIM_MUSTCHECK int goim_reader_ask(goim_reader_t *rd, goim_question_t *q,
    const uint8_t *data, size_t len);

/*
 * GOIM_OK: the answer, in a buffer of GOIM_MAIL_DATA bytes; GOIM_AGAIN: not
 * all have looked; GOIM_INVALID: nobody knows; GOIM_FULL: somebody knew, but
 * has answered another reader since: it is to be asked again.
 */
GOIM_MUSTCHECK int goim_reader_collect(goim_reader_t *rd, goim_question_t *q,
    uint8_t *data, size_t *len);

/* No answer is waited for any more. */
void goim_reader_withdraw(goim_reader_t *rd, goim_question_t *q);

/* Whether a question came since the last call; costs next to nothing. */
static inline int
goim_reader_is_asked(goim_reader_t *rd)
{
    uint64_t  asked;

    asked = atomic_load_explicit(&rd->ch->slots->asked, memory_order_acquire);

    if (asked == rd->asked) {
        return 0;
    }

    rd->asked = asked;

    return 1;
}

/* What this reader knows about a question, in a buffer of GOIM_MAIL_DATA
 * bytes; returns its length, 0: nothing. */
typedef size_t (*goim_reader_know_pt)(const uint8_t *question, size_t len,
    uint8_t *answer);

/* Answers all questions of others that were not looked at before. */
void goim_reader_answer(goim_reader_t *rd, goim_reader_know_pt know);


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

/*
 * The records from a position up to the reader's own, once more, in the order
 * of the lane; the position moves on with them.  GOIM_OK: at least one;
 * GOIM_AGAIN: there are no more; GOIM_FULL: as goim_reader_read();
 * GOIM_INVALID: they are overwritten, or no record begins there.
 */
GOIM_MUSTCHECK int goim_reader_replay(goim_reader_t *rd, uint32_t lane,
    uint64_t *from, goim_reader_batch_t *batch);


#endif /* GOIM_READER_H_INCLUDED */
