/*
 * Waking sleeping readers; see goim_wakeup.h.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "goim_wakeup.h"


void
goim_wakeup_init(goim_wakeup_t *w, goim_channel_t *ch)
{
    uint32_t  i;

    w->ch = ch;

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        w->slots[i].fd = -1;
        w->slots[i].woken = 0;
    }
}


void
goim_wakeup_done(goim_wakeup_t *w)
{
    uint32_t  i;

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        if (w->slots[i].fd != -1) {
            close(w->slots[i].fd);
            w->slots[i].fd = -1;
        }
    }
}


/*
 * Returns how many bytes were written; *again: try at the next publication.
 * The pipe stays open once it was: the file belongs to the slot, not to its
 * owner.  ENXIO (nobody has it open for reading) means nobody is there, EPIPE
 * the same, EAGAIN that it is readable anyway.
 */
static int
goim_wakeup_slot(goim_wakeup_t *w, uint32_t slot, int *again)
{
    int   fd;
    char  name[GOIM_CHANNEL_PATH_MAX + 64];

    *again = 0;

    fd = w->slots[slot].fd;

    if (fd == -1) {
        goim_channel_pipe_name(w->ch->path, slot, name, sizeof(name));

        fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        if (fd == -1) {

            /* out of descriptors, perhaps: that passes */

            *again = errno != ENXIO && errno != ENOENT;
            return 0;
        }

        w->slots[slot].fd = fd;
    }

    return write(fd, "", 1) == 1;
}


unsigned
goim_wakeup_sleepers(goim_wakeup_t *w)
{
    int                   again;
    unsigned              n;
    uint32_t              i, used;
    uint64_t              sleeping;
    goim_channel_slot_t  *slot;

    /*
     * Pairs with the fence in goim_reader_sleep(): either the reader sees
     * the head that was stored before this, or we see that it sleeps.
     */
    atomic_thread_fence(memory_order_seq_cst);

    n = 0;
    used = goim_channel_slots_used(w->ch);

    for (i = 0; i < used; i++) {
        slot = &w->ch->slots->slot[i];
        sleeping = atomic_load_explicit(&slot->sleeping, memory_order_relaxed);

        if ((sleeping & 1) && sleeping != w->slots[i].woken) {
            n += goim_wakeup_slot(w, i, &again);

            if (!again) {
                w->slots[i].woken = sleeping;
            }
        }
    }

    return n;
}


void
goim_wakeup_all(goim_wakeup_t *w)
{
    int       again;
    uint32_t  i, used;

    used = goim_channel_slots_used(w->ch);

    for (i = 0; i < used; i++) {
        (void) goim_wakeup_slot(w, i, &again);
    }
}
