/*
 * A lane's room index: the file's, and a shadow of it that is ahead by the
 * pending records.
 */

#include "goim_lane_int.h"


void
goim_lane_index_set(goim_lane_t *lane, goim_index_bucket_t *index,
    uint64_t hash, uint64_t position)
{
    uint32_t             i;
    uint64_t             p, oldest;
    goim_index_entry_t  *e, *victim;

    e = index[hash & (lane->ch->index_buckets - 1)].entries;
    victim = &e[0];
    oldest = UINT64_MAX;

    for (i = 0; i < GOIM_INDEX_WAYS; i++) {
        if (atomic_load_explicit(&e[i].hash, memory_order_relaxed) == hash) {
            goim_lane_store(&e[i].position, position);
            return;
        }

        p = atomic_load_explicit(&e[i].position, memory_order_relaxed);

        if (p < oldest) {
            oldest = p;
            victim = &e[i];
        }
    }

    /* an entry below tail is the oldest as well */

    goim_lane_store(&victim->position, 0);
    goim_lane_store(&victim->hash, hash);
    goim_lane_store(&victim->position, position);
}


uint64_t
goim_lane_index_get(const goim_lane_t *lane, uint64_t hash)
{
    uint32_t             i;
    uint64_t             p;
    goim_index_entry_t  *e;

    e = lane->shadow[hash & (lane->ch->index_buckets - 1)].entries;

    for (i = 0; i < GOIM_INDEX_WAYS; i++) {
        if (atomic_load_explicit(&e[i].hash, memory_order_relaxed) == hash) {
            p = atomic_load_explicit(&e[i].position, memory_order_relaxed);
            return p >= lane->tail && p < lane->end ? p : 0;
        }
    }

    return 0;
}


void
goim_lane_index_store(goim_lane_t *lane, uint64_t from, uint64_t to)
{
    uint32_t        size;
    goim_record_t  *r;

    while (from < to) {
        r = goim_lane_record(lane, from);
        size = goim_lane_record_size(lane, from);

        if (size == 0) {
            return;
        }

        if (r->kind == GOIM_RECORD_ROOM) {
            goim_lane_index_set(lane, lane->index, r->hash, from);
        }

        from += size;
    }
}
