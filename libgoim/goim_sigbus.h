/*
 * A file in shared memory can be cut short by anybody who may write it; the
 * next access then raises SIGBUS.  Here such an access reads zeros instead,
 * and the channel is marked broken; so is one that was written over.
 */

#ifndef GOIM_SIGBUS_H_INCLUDED
#define GOIM_SIGBUS_H_INCLUDED


#include "goim_channel.h"


/* Guards a channel's mappings; at most 16 at a time, GOIM_FULL beyond. */
GOIM_MUSTCHECK int goim_sigbus_guard(goim_channel_t *ch);

void goim_sigbus_unguard(goim_channel_t *ch);

/* What an access that raises SIGBUS does to its channel. */
void goim_sigbus_break(goim_channel_t *ch);


#endif /* GOIM_SIGBUS_H_INCLUDED */
