/*
 * What goim_channel.c and goim_channel_make.c share; nobody else includes it.
 */

#ifndef GOIM_CHANNEL_INT_H_INCLUDED
#define GOIM_CHANNEL_INT_H_INCLUDED


#include "goim_channel.h"


/* fmt holds one %s, for arg; too long a text is cut. */
__attribute__((noinline, noclone)) void goim_channel_fail(goim_error_t *error, int err, const char *fmt,
    const char *arg);

typedef void (*goim_channel_scan_pt)(unsigned layout, uint64_t generation,
    void *data);

/* Calls visit for each file of the channel, of whatever layout. */
GOIM_MUSTCHECK int goim_channel_scan(const char *path,
    goim_channel_scan_pt visit, void *data, goim_error_t *error);


#endif /* GOIM_CHANNEL_INT_H_INCLUDED */
