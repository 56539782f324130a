/*
 * Which Kafka offsets may be committed.  A lane's table is noted together
 * with its head; once no live reader is below that head, everything before
 * the noted offsets has reached all nginx workers, and the note is safe.
 */

#ifndef JW_OFFSET_H_INCLUDED
#define JW_OFFSET_H_INCLUDED


#include "goim_lane.h"


/* Next offsets of a lane's partitions; the index is the table's. */
typedef struct {
    uint64_t   head;
    uint64_t  *next;
    uint32_t   n;
    uint32_t   size;
} jw_offset_note_t;


/* The notes of one lane; all zero at the start. */
typedef struct {
    jw_offset_note_t  noted;    /* waits for the readers, if waiting */
    jw_offset_note_t  safe;
    int               waiting;
} jw_offset_t;


/* The offset of one partition, as all lanes that it belongs to allow it. */
typedef struct {
    uint64_t  least;
    unsigned  seen;
} jw_offset_vote_t;


/*
 * Looks whether the note has become safe, and takes the next one if none is
 * waiting.  Called when nothing in the lane is pending.
 */
void jw_offset_update(jw_offset_t *o, const goim_lane_t *lane);

/* The offset at the table's index i; GOIM_AGAIN if none is safe yet. */
GOIM_MUSTCHECK int jw_offset_safe(const jw_offset_t *o, uint32_t i,
    uint64_t *next);

void jw_offset_done(jw_offset_t *o);

void jw_offset_vote_begin(jw_offset_vote_t *v);
void jw_offset_vote_add(jw_offset_vote_t *v, uint64_t next);

/* GOIM_OK and the offset to commit if all lanes have said theirs, and it
 * differs from the committed one (-1: none); else GOIM_AGAIN. */
GOIM_MUSTCHECK int jw_offset_vote(const jw_offset_vote_t *v, unsigned lanes,
    int64_t committed, uint64_t *next);


#endif /* JW_OFFSET_H_INCLUDED */
