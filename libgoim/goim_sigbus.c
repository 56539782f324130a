/*
 * The SIGBUS handler for channel mappings; see goim_sigbus.h.  The table of
 * guarded channels, and the handler before ours, are the only globals of
 * libgoim: a signal handler has no other way to find them.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "goim_sigbus.h"


#define GOIM_SIGBUS_CHANNELS  16


static goim_channel_t *volatile  goim_sigbus_channels[GOIM_SIGBUS_CHANNELS];
static struct sigaction          goim_sigbus_before;


static int
goim_sigbus_is_in(const uint8_t *addr, const void *start, uint64_t size)
{
    const uint8_t  *p = start;

    return p != NULL && addr >= p && addr < p + size;
}


static int
goim_sigbus_replace(void *start, uint64_t size)
{
    return mmap(start, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
           != MAP_FAILED;
}


/* Puts zeros in place of both mappings; a faulting access runs again. */
static int
goim_sigbus_clear(goim_channel_t *ch)
{
    ch->broken = 1;

    return goim_sigbus_replace(ch->base, ch->file_size)
           && (ch->mode != GOIM_CHANNEL_READER
               || goim_sigbus_replace(ch->slots, ch->slots_size));
}


void
goim_sigbus_break(goim_channel_t *ch)
{
    (void) goim_sigbus_clear(ch);
}


static void
goim_sigbus_handler(int signo, siginfo_t *info, void *ctx)
{
    int              i, err;
    goim_channel_t  *ch;

    (void) ctx;

    err = errno;

    for (i = 0; i < GOIM_SIGBUS_CHANNELS; i++) {
        ch = goim_sigbus_channels[i];

        if (ch != NULL
            && (goim_sigbus_is_in(info->si_addr, ch->base, ch->file_size)
                || goim_sigbus_is_in(info->si_addr, ch->slots,
                                     ch->slots_size))
            && goim_sigbus_clear(ch))
        {
            errno = err;
            return;
        }
    }

    /* not ours: the access faults again, and whoever was here before us gets
     * it; by default the process ends */

    sigaction(signo, &goim_sigbus_before, NULL);
    errno = err;
}


/* Each time: somebody may have put another handler in place of ours. */
static int
goim_sigbus_install(void)
{
    struct sigaction  sa, now;

    if (sigaction(SIGBUS, NULL, &now) == -1) {
        return GOIM_ERROR;
    }

    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == goim_sigbus_handler)
    {
        return GOIM_OK;
    }

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = goim_sigbus_handler;
    sa.sa_flags = SA_SIGINFO;
    sigemptyset(&sa.sa_mask);

    goim_sigbus_before = now;

    return sigaction(SIGBUS, &sa, NULL) == -1 ? GOIM_ERROR : GOIM_OK;
}


int
goim_sigbus_guard(goim_channel_t *ch)
{
    int  i;

    if (goim_sigbus_install() != GOIM_OK) {
        return GOIM_ERROR;
    }

    for (i = 0; i < GOIM_SIGBUS_CHANNELS; i++) {
        if (goim_sigbus_channels[i] == NULL) {
            goim_sigbus_channels[i] = ch;
            return GOIM_OK;
        }
    }

    return GOIM_FULL;
}


void
goim_sigbus_unguard(goim_channel_t *ch)
{
    int  i;

    for (i = 0; i < GOIM_SIGBUS_CHANNELS; i++) {
        if (goim_sigbus_channels[i] == ch) {
            goim_sigbus_channels[i] = NULL;
        }
    }
}
