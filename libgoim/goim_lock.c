/*
 * Locks on single bytes of a file; see goim_lock.h.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "goim_lock.h"


static void
goim_lock_range(struct flock *fl, uint64_t byte, uint64_t n)
{
    *fl = (struct flock) { 0 };

    fl->l_type = F_WRLCK;
    fl->l_whence = SEEK_SET;
    fl->l_start = (off_t) byte;
    fl->l_len = (off_t) n;
}


int
goim_lock_open(const char *path)
{
    int  fd;

    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    return fd == -1 ? GOIM_ERROR : fd;
}


int
goim_lock_try_range(int fd, uint64_t byte, uint64_t n)
{
    struct flock  fl;

    goim_lock_range(&fl, byte, n);

    if (fcntl(fd, F_OFD_SETLK, &fl) == 0) {
        return GOIM_OK;
    }

    return errno == EAGAIN || errno == EACCES ? GOIM_AGAIN : GOIM_ERROR;
}


int
goim_lock_try(int fd, uint64_t byte)
{
    return goim_lock_try_range(fd, byte, 1);
}


void
goim_lock_release(int fd, uint64_t byte)
{
    struct flock  fl;

    goim_lock_range(&fl, byte, 1);
    fl.l_type = F_UNLCK;

    (void) fcntl(fd, F_OFD_SETLK, &fl);
}


int
goim_lock_is_held(int fd, uint64_t byte)
{
    struct flock  fl;

    goim_lock_range(&fl, byte, 1);

    if (fcntl(fd, F_OFD_GETLK, &fl) == -1) {
        return 1;
    }

    return fl.l_type != F_UNLCK;
}
