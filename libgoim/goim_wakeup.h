/*
 * Waking sleeping readers, each at most once per sleep: the producer's ends
 * of the readers' named pipes.
 */

#ifndef GOIM_WAKEUP_H_INCLUDED
#define GOIM_WAKEUP_H_INCLUDED


#include "goim_channel.h"


typedef struct {
    goim_channel_t  *ch;
    struct {
        int       fd;      /* of the slot's pipe, -1: not open */
        uint64_t  woken;   /* value of "sleeping" that has been answered */
    } slots[GOIM_CHANNEL_SLOTS];
} goim_wakeup_t;


void goim_wakeup_init(goim_wakeup_t *w, goim_channel_t *ch);
void goim_wakeup_done(goim_wakeup_t *w);

/*
 * Called after a publication: one byte to every reader that sleeps and has
 * not been woken from that sleep.  Returns how many were written.
 */
unsigned goim_wakeup_sleepers(goim_wakeup_t *w);

/* Called when a lane is taken: its last producer may have died between
 * publishing and waking. */
void goim_wakeup_all(goim_wakeup_t *w);


#endif /* GOIM_WAKEUP_H_INCLUDED */
