/*
 * For LD_PRELOAD: a system whose packets between processes are small.  Those
 * of more than GOIM_TEST_PACKET bytes are refused, as by small buffers.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>


typedef ssize_t (*sendmsg_pt)(int fd, const struct msghdr *msg, int flags);


static size_t      longest;
static sendmsg_pt  next_sendmsg;


__attribute__((constructor))
static void
preload(void)
{
    const char  *text;

    text = getenv("GOIM_TEST_PACKET");
    longest = text ? strtoul(text, NULL, 10) : 0;

    *(void **) &next_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
}


ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
    int        type;
    size_t     i, len;
    socklen_t  size;

    len = 0;

    for (i = 0; i < msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }

    size = sizeof(type);

    if (len > longest
        && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0
        && type == SOCK_SEQPACKET)
    {
        errno = EMSGSIZE;
        return -1;
    }

    return next_sendmsg(fd, msg, flags);
}
