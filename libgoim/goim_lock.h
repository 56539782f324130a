/*
 * Locks on single bytes of a file, by open file description (F_OFD_SETLK):
 * they end with their process, however it ends, and never block.
 */

#ifndef GOIM_LOCK_H_INCLUDED
#define GOIM_LOCK_H_INCLUDED


#include "goim.h"


/*
 * Opens the file anew, so that the lock has a description of its own.  Returns
 * the descriptor (O_CLOEXEC; no lock yet) or GOIM_ERROR and errno.
 */
GOIM_MUSTCHECK int goim_lock_open(const char *path);

/* GOIM_OK: held by fd until it is closed; GOIM_AGAIN: somebody else has it;
 * GOIM_ERROR and errno. */
GOIM_MUSTCHECK int goim_lock_try(int fd, uint64_t byte);

/* The same for a range of bytes: all of them, or none. */
GOIM_MUSTCHECK int goim_lock_try_range(int fd, uint64_t byte, uint64_t n);

/* Ends the lock on a byte that fd holds; nothing happens if it does not. */
void goim_lock_release(int fd, uint64_t byte);

/* Whether another description holds the byte.  A failing test says 1: nobody
 * is taken for dead because of it. */
int goim_lock_is_held(int fd, uint64_t byte);


#endif /* GOIM_LOCK_H_INCLUDED */
