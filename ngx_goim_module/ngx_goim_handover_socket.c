
/*
 * The sockets between workers: their addresses in the channel's folder, their
 * place among a worker's events, and packets that carry clients' sockets.
 */


#include "ngx_goim_handover.h"


typedef union {
    struct cmsghdr  cm;
    char            space[CMSG_SPACE(sizeof(int) * GOIM_HANDOVER_CONNS)];
} ngx_goim_handover_control_t;


ngx_int_t
ngx_goim_handover_address(uint32_t slot, struct sockaddr_un *sun, int *dir)
{
    char  *slash, name[GOIM_CHANNEL_PATH_MAX + 64];

    *dir = -1;

    ngx_memzero(sun, sizeof(struct sockaddr_un));
    sun->sun_family = AF_UNIX;

    goim_channel_socket_name(ngx_goim_worker.channel->path, slot, name,
                             sizeof(name));

    if (ngx_strlen(name) < sizeof(sun->sun_path)) {
        ngx_memcpy(sun->sun_path, name, ngx_strlen(name));
        return NGX_OK;
    }

    /* an address is short, a path is not */

    slash = strrchr(name, '/');
    if (slash == NULL) {
        return NGX_ERROR;
    }

    *slash = '\0';

    *dir = open(name, O_PATH|O_DIRECTORY|O_CLOEXEC);
    if (*dir == -1) {
        return NGX_ERROR;
    }

    (void) ngx_snprintf((u_char *) sun->sun_path, sizeof(sun->sun_path) - 1,
                        "/proc/self/fd/%d/%s%Z", *dir, slash + 1);

    return NGX_OK;
}


ngx_socket_t
ngx_goim_handover_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
}


ngx_connection_t *
ngx_goim_handover_watch(ngx_socket_t fd, ngx_event_handler_pt read,
    ngx_event_handler_pt write)
{
    ngx_connection_t  *c;

    /* without one nginx would close a client's for it */

    if (ngx_cycle->free_connection_n == 0) {
        return NULL;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        return NULL;
    }

    c->read->channel = 1;
    c->write->channel = 1;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;
    c->read->handler = read;
    c->write->handler = write;

    if (ngx_add_conn(c) != NGX_OK) {
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
        return NULL;
    }

    return c;
}


void
ngx_goim_handover_close(ngx_connection_t *c)
{
    c->log = ngx_cycle->log;
    ngx_close_connection(c);
}


ngx_int_t
ngx_goim_handover_send(ngx_socket_t fd, const u_char *data, size_t len,
    const int *fds, ngx_uint_t n)
{
    struct iovec                 iov;
    struct msghdr                msg;
    struct cmsghdr              *cmsg;
    ngx_goim_handover_control_t  control;

    ngx_memzero(&msg, sizeof(struct msghdr));

    iov.iov_base = (void *) data;
    iov.iov_len = len;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;

    if (n) {
        ngx_memzero(&control, sizeof(control));

        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);

        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);

        ngx_memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
    }

    return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t) len ? NGX_OK
                                                            : NGX_ERROR;
}


/* Who has closed with something unread says so before what it has sent. */
static ssize_t
ngx_goim_handover_recvmsg(ngx_socket_t fd, struct msghdr *msg)
{
    ssize_t     len;
    ngx_uint_t  reset;

    reset = 0;

    for ( ;; ) {
        len = recvmsg(fd, msg, MSG_CMSG_CLOEXEC);

        if (len != -1) {
            return len;
        }

        if (ngx_errno == NGX_ECONNRESET && !reset) {
            reset = 1;

        } else if (ngx_errno != NGX_EINTR) {
            return ngx_errno == NGX_EAGAIN ? NGX_AGAIN : NGX_ERROR;
        }
    }
}


ssize_t
ngx_goim_handover_recv(ngx_socket_t fd, u_char *buf, size_t size, int *fds,
    ngx_uint_t *n)
{
    size_t                        k;
    ssize_t                       len;
    struct iovec                  iov;
    struct msghdr                 msg;
    struct cmsghdr               *cmsg;
    ngx_goim_handover_control_t   control;

    ngx_memzero(&msg, sizeof(struct msghdr));

    iov.iov_base = buf;
    iov.iov_len = size;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;

    if (fds) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        *n = 0;
    }

    len = ngx_goim_handover_recvmsg(fd, &msg);

    if (len == NGX_AGAIN || len == NGX_ERROR) {
        return len;
    }

    for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }

        k = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        k = ngx_min(k, (size_t) GOIM_HANDOVER_CONNS - *n);

        ngx_memcpy(fds + *n, CMSG_DATA(cmsg), k * sizeof(int));
        *n += k;
    }

    return msg.msg_flags & MSG_TRUNC ? 0 : len;
}
