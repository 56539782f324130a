
/*
 * Which worker the next connections are offered to: those that take clients
 * have their turn one after the other, and fuller ones are left out.
 */


#include "ngx_goim_handover.h"


typedef struct {
    uint32_t    slot;     /* of who was asked last */
    ngx_uint_t  begun;
    uint64_t    avoid[GOIM_CHANNEL_SLOTS];  /* epoch of a worker that did not
                                               answer; 0: none */
    ngx_uint_t  navoid;
} ngx_goim_target_t;


static ngx_goim_target_t  ngx_goim_target;


static goim_channel_slot_t *
ngx_goim_target_at(uint32_t i)
{
    return &ngx_goim_worker.channel->slots->slot[i];
}


static ngx_uint_t
ngx_goim_target_is_avoided(uint32_t i)
{
    return ngx_goim_target.avoid[i]
           == atomic_load(&ngx_goim_target_at(i)->epoch);
}


void
ngx_goim_target_avoid(void)
{
    ngx_goim_target_t  *t;

    t = &ngx_goim_target;

    t->avoid[t->slot] = atomic_load(&ngx_goim_target_at(t->slot)->epoch);
    t->navoid++;
}


ngx_uint_t
ngx_goim_target_forgive(void)
{
    ngx_uint_t  n;

    n = ngx_goim_target.navoid;

    ngx_memzero(ngx_goim_target.avoid, sizeof(ngx_goim_target.avoid));
    ngx_goim_target.navoid = 0;

    return n;
}


uint32_t
ngx_goim_target_slot(void)
{
    return ngx_goim_target.slot;
}


/* For how many connections it has room, and one more; 0: it is none.  It is a
 * worker of another master, or of a later configuration of ours, and
 * understands what we say. */
static uint64_t
ngx_goim_target_takes(uint32_t i)
{
    uint64_t              takes, master;
    goim_channel_slot_t  *slot;

    slot = ngx_goim_target_at(i);
    takes = atomic_load(&slot->takes);

    if (i == ngx_goim_worker.reader->index
        || !goim_handover_is_understood(takes)
        || atomic_load(&slot->draining))
    {
        return 0;
    }

    master = atomic_load(&slot->master);

    if (master == 0
        || (master == ngx_goim_worker.conf->shared->master
            && atomic_load(&slot->reload) <= ngx_goim_worker.conf->reload))
    {
        return 0;
    }

    return !ngx_goim_target_is_avoided(i)
           && goim_channel_slot_is_held(ngx_goim_worker.channel, i)
           ? goim_handover_room(takes) + 1 : 0;
}


/* Of all of them. */
static uint64_t
ngx_goim_target_most(void)
{
    uint32_t  i, used;
    uint64_t  most, takes;

    most = 0;
    used = goim_channel_slots_used(ngx_goim_worker.channel);

    for (i = 0; i < used; i++) {
        takes = ngx_goim_target_takes(i);
        most = ngx_max(most, takes);
    }

    return most;
}


ngx_uint_t
ngx_goim_target_is_there(void)
{
    return ngx_goim_target_most() != 0;
}


ngx_uint_t
ngx_goim_target_is_full(void)
{
    uint64_t  takes;

    takes = atomic_load(&ngx_goim_target_at(ngx_goim_target.slot)->takes);

    return goim_handover_room(takes) == 0 && ngx_goim_target_most() > 1;
}


/* Those that leave together do not all begin with the same one. */
static void
ngx_goim_target_begin(void)
{
    uint32_t  i, n, used;

    n = 0;
    used = goim_channel_slots_used(ngx_goim_worker.channel);

    for (i = 0; i < used; i++) {
        n += ngx_goim_target_takes(i) != 0;
    }

    n = ngx_goim_worker.reader->index % ngx_max(n, 1);

    for (i = 0; i < used; i++) {

        if (ngx_goim_target_takes(i) && n-- == 0) {
            ngx_goim_target.slot = (i + used - 1) % used;
            return;
        }
    }
}


ngx_int_t
ngx_goim_target_find(uint64_t *room)
{
    uint32_t            i, k, used;
    uint64_t            most, takes;
    ngx_goim_target_t  *t;

    t = &ngx_goim_target;
    most = ngx_goim_target_most();
    used = goim_channel_slots_used(ngx_goim_worker.channel);

    if (most == 0) {
        return NGX_DECLINED;
    }

    if (!t->begun) {
        t->begun = 1;
        ngx_goim_target_begin();
    }

    for (k = 1; k <= used; k++) {
        i = (t->slot + k) % used;
        takes = ngx_goim_target_takes(i);

        if (takes && takes >= most / 2) {
            t->slot = i;
            *room = ngx_max(takes - 1, 1);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
