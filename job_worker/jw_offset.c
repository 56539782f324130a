/*
 * Notes of what may be committed; see jw_offset.h.
 */

#include <stdlib.h>

#include "jw_offset.h"


static int
jw_offset_reserve(jw_offset_note_t *note)
{
    uint32_t   size;
    uint64_t  *p;

    if (note->n < note->size) {
        return GOIM_OK;
    }

    size = note->size ? note->size * 2 : 16;

    p = realloc(note->next, size * sizeof(uint64_t));
    if (p == NULL) {
        return GOIM_NOMEM;
    }

    note->next = p;
    note->size = size;

    return GOIM_OK;
}


static int
jw_offset_take_note(jw_offset_note_t *note, const goim_lane_t *lane)
{
    int32_t      partition;
    uint64_t     next;
    const char  *topic;

    note->head = goim_lane_head(lane);
    note->n = 0;

    while (goim_lane_partition(lane, note->n, &topic, &partition, &next)
           == GOIM_OK)
    {
        if (jw_offset_reserve(note) != GOIM_OK) {
            return GOIM_NOMEM;
        }

        note->next[note->n++] = next;
    }

    return GOIM_OK;
}


void
jw_offset_update(jw_offset_t *o, const goim_lane_t *lane)
{
    jw_offset_note_t  note;

    if (o->waiting && goim_lane_all_read(lane, o->noted.head)) {
        note = o->safe;
        o->safe = o->noted;
        o->noted = note;
        o->waiting = 0;
    }

    /* without memory for a note the last safe one stays, and the next try
     * comes with the next call */

    if (!o->waiting && jw_offset_take_note(&o->noted, lane) == GOIM_OK) {
        o->waiting = 1;
    }
}


int
jw_offset_safe(const jw_offset_t *o, uint32_t i, uint64_t *next)
{
    if (i >= o->safe.n) {
        return GOIM_AGAIN;
    }

    *next = o->safe.next[i];

    return GOIM_OK;
}


void
jw_offset_done(jw_offset_t *o)
{
    free(o->noted.next);
    free(o->safe.next);
}


void
jw_offset_vote_begin(jw_offset_vote_t *v)
{
    v->least = UINT64_MAX;
    v->seen = 0;
}


void
jw_offset_vote_add(jw_offset_vote_t *v, uint64_t next)
{
    v->seen++;

    if (next < v->least) {
        v->least = next;
    }
}


int
jw_offset_vote(const jw_offset_vote_t *v, unsigned lanes, int64_t committed,
    uint64_t *next)
{
    if (lanes == 0 || v->seen != lanes || v->least > INT64_MAX
        || (committed >= 0 && (uint64_t) committed == v->least))
    {
        return GOIM_AGAIN;
    }

    *next = v->least;

    return GOIM_OK;
}
