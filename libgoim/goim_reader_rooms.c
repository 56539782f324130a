/*
 * How many members the rooms have with each reader: a table per slot, written
 * by its owner, summed by anybody.
 */

#include "goim_reader_int.h"


static goim_channel_room_t *
goim_reader_room_entry(const goim_channel_t *ch, uint32_t slot,
    uint64_t hash, uint32_t i)
{
    return &ch->slots->rooms[slot][(hash + i) % GOIM_CHANNEL_ROOMS];
}


/* The room's entry, else the first without members, else NULL. */
static goim_channel_room_t *
goim_reader_find_room(goim_reader_t *rd, uint64_t hash)
{
    uint32_t              i;
    goim_channel_room_t  *e, *unused;

    unused = NULL;

    for (i = 0; i < GOIM_CHANNEL_ROOM_TRIES; i++) {
        e = goim_reader_room_entry(rd->ch, rd->index, hash, i);

        if (goim_reader_load(&e->hash) == hash) {
            return e;
        }

        if (unused == NULL && goim_reader_load(&e->members) == 0) {
            unused = e;
        }
    }

    return unused;
}


int
goim_reader_set_room(goim_reader_t *rd, uint64_t hash, uint64_t members)
{
    goim_channel_room_t  *e;

    if (rd->index >= GOIM_CHANNEL_ROOM_SLOTS) {
        return GOIM_FULL;
    }

    e = goim_reader_find_room(rd, hash);
    if (e == NULL) {
        return GOIM_FULL;
    }

    atomic_store_explicit(&e->hash, hash, memory_order_release);
    atomic_store_explicit(&e->members, members, memory_order_release);

    return GOIM_OK;
}


void
goim_reader_clear_rooms(goim_reader_t *rd)
{
    uint32_t              i;
    goim_channel_room_t  *e;

    if (rd->index >= GOIM_CHANNEL_ROOM_SLOTS) {
        return;
    }

    e = rd->ch->slots->rooms[rd->index];

    for (i = 0; i < GOIM_CHANNEL_ROOMS; i++) {
        atomic_store_explicit(&e[i].members, 0, memory_order_relaxed);
        atomic_store_explicit(&e[i].hash, 0, memory_order_relaxed);
    }
}


static uint64_t
goim_reader_room_members(const goim_channel_t *ch, uint32_t slot,
    uint64_t hash)
{
    uint32_t              i;
    uint64_t              members;
    goim_channel_room_t  *e;

    for (i = 0; i < GOIM_CHANNEL_ROOM_TRIES; i++) {
        e = goim_reader_room_entry(ch, slot, hash, i);

        if (goim_reader_load(&e->hash) != hash) {
            continue;
        }

        members = goim_reader_load(&e->members);

        /* else it was given to another room meanwhile */

        return goim_reader_load(&e->hash) == hash ? members : 0;
    }

    return 0;
}


/* leaving: of readers that shut down as well. */
static uint64_t
goim_reader_room_sum(const goim_channel_t *ch, uint64_t hash, uint32_t except,
    int leaving)
{
    uint32_t                    i, used;
    uint64_t                    sum;
    const goim_channel_slot_t  *slot;

    sum = 0;
    used = goim_channel_slots_used(ch);

    for (i = 0; i < used && i < GOIM_CHANNEL_ROOM_SLOTS; i++) {

        slot = &ch->slots->slot[i];

        /* every reader that lives is in lane 0 */

        if (i != except
            && goim_cursor_state(goim_reader_load(&slot->cursors[0]))
                   != GOIM_CURSOR_FREE
            && (leaving || !goim_reader_load(&slot->draining)))
        {
            sum += goim_reader_room_members(ch, i, hash);
        }
    }

    return sum;
}


uint64_t
goim_channel_room_members(const goim_channel_t *ch, uint64_t hash,
    uint32_t except)
{
    return goim_reader_room_sum(ch, hash, except, 1);
}


uint64_t
goim_channel_room_staying(const goim_channel_t *ch, uint64_t hash,
    uint32_t except)
{
    return goim_reader_room_sum(ch, hash, except, 0);
}
