/*
 * For LD_PRELOAD: a system that refuses what nginx workers say to each other,
 * or is slow to start them.
 *
 *   GOIM_TEST_PACKET=BYTES   packets of more are too long
 *   GOIM_TEST_OFFERS=N       the first N of each process with sockets fail
 *   GOIM_TEST_ANSWERS=N      likewise the first N without
 *   GOIM_TEST_LISTEN=PATH    a worker's start stands still where it would
 *                            listen to others, until this file is there
 */

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


typedef int (*listen_pt)(int fd, int backlog);
typedef ssize_t (*send_pt)(int fd, const void *buf, size_t len, int flags);
typedef ssize_t (*sendmsg_pt)(int fd, const struct msghdr *msg, int flags);


static long        longest;
static long        offers;
static long        answers;
static const char  *start;
static listen_pt   next_listen;
static send_pt     next_send;
static sendmsg_pt  next_sendmsg;


static long
setting(const char *name, long other)
{
    const char  *text;

    text = getenv(name);

    return text ? strtol(text, NULL, 10) : other;
}


__attribute__((constructor))
static void
preload(void)
{
    longest = setting("GOIM_TEST_PACKET", LONG_MAX);
    offers = setting("GOIM_TEST_OFFERS", 0);
    answers = setting("GOIM_TEST_ANSWERS", 0);

    /* nginx puts its title where the environment was */
    start = getenv("GOIM_TEST_LISTEN");
    start = start ? strdup(start) : NULL;

    *(void **) &next_listen = dlsym(RTLD_NEXT, "listen");
    *(void **) &next_send = dlsym(RTLD_NEXT, "send");
    *(void **) &next_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
}


static int
is_between_workers(int fd)
{
    int        type;
    socklen_t  size;

    size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0
           && type == SOCK_SEQPACKET;
}


int
listen(int fd, int backlog)
{
    struct timespec  pause = { 0, 10 * 1000 * 1000 };

    while (start && is_between_workers(fd) && access(start, F_OK) == -1) {
        nanosleep(&pause, NULL);
    }

    return next_listen(fd, backlog);
}


ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
    if (answers > 0 && is_between_workers(fd)) {
        answers--;
        errno = ENOBUFS;
        return -1;
    }

    return next_send(fd, buf, len, flags);
}


ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
    long    len;
    size_t  i;

    if (!is_between_workers(fd)) {
        return next_sendmsg(fd, msg, flags);
    }

    len = 0;

    for (i = 0; i < msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }

    if (len > longest) {
        errno = EMSGSIZE;
        return -1;
    }

    if (offers > 0 && msg->msg_controllen) {
        offers--;
        errno = ETOOMANYREFS;
        return -1;
    }

    return next_sendmsg(fd, msg, flags);
}
