/*
 * Records that a reader has left behind, once more: for who comes to it from
 * another reader that has not got so far.
 */

#include <string.h>

#include "goim_reader_int.h"


/*
 * Whole records in what was copied, up to where there are none; 0: not even
 * one.  Every one of them was read before, so it is sound.
 */
static size_t
goim_replay_whole(goim_reader_t *rd, const uint8_t *buf, size_t n,
    uint32_t *need)
{
    size_t                p;
    const goim_record_t  *r;

    *need = 0;

    for (p = 0; n - p >= 8; p += r->size) {
        r = (const goim_record_t *) (buf + p);

        if (r->size < 8 || r->size % 8 != 0 || r->size > rd->ch->size / 4
            || r->kind >= GOIM_RECORD_KINDS)
        {
            break;
        }

        if (r->size > n - p) {
            *need = r->size;
            break;
        }

        if (r->kind != GOIM_RECORD_PADDING
            && (r->size < sizeof(goim_record_t)
                || (uint64_t) r->target_len + r->body_len
                   > r->size - sizeof(goim_record_t)))
        {
            break;
        }
    }

    return p;
}


int
goim_reader_replay(goim_reader_t *rd, uint32_t lane, uint64_t *from,
    goim_reader_batch_t *batch)
{
    size_t               n, rest;
    uint32_t             need;
    uint64_t             end;
    goim_channel_lane_t  *shm;

    end = rd->lanes[lane].position;
    shm = goim_channel_lane(rd->ch, lane);
    batch->at = 0;
    batch->end = 0;

    if (*from >= end) {
        return GOIM_AGAIN;
    }

    if (rd->ch->broken || *from % 8 != 0 || end - *from > rd->ch->size) {
        return GOIM_INVALID;
    }

    rest = rd->ch->size - (*from & (rd->ch->size - 1));

    n = end - *from;
    n = n < rest ? n : rest;
    n = n < batch->cap ? n : batch->cap;

    memcpy(batch->buf,
           goim_channel_ring(rd->ch, lane) + (*from & (rd->ch->size - 1)), n);

    /* pairs with the fence in goim_lane_make_room() */

    atomic_thread_fence(memory_order_acquire);

    if (goim_reader_position(&shm->tail) > *from) {
        return GOIM_INVALID;
    }

    n = goim_replay_whole(rd, batch->buf, n, &need);

    if (n == 0) {
        if (need <= batch->cap || need > rest || need > end - *from) {
            return GOIM_INVALID;
        }

        batch->end = need;
        return GOIM_FULL;
    }

    batch->end = n;
    *from += n;

    return GOIM_OK;
}
