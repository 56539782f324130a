/*
 * The floor: the least that a broadcaster on epoll does, to compare the module
 * with.  It reads the same channel, speaks as much WebSocket as goim_load
 * needs, and sends each member of a room all that is pending for it by one
 * call.  No limits, no timers, no heartbeats, no statistics, one thread.
 *
 *   bench_floor PORT CHANNEL GENERATION
 *
 * Prints "ready" and runs until it is killed.  A client's room is the number
 * behind "live://" in its request.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "goim_packet.h"
#include "goim_reader.h"
#include "goim_ws.h"


#define FLOOR_ROOMS   100000
#define FLOOR_EVENTS  512
#define FLOOR_BATCH   (256 * 1024)
#define FLOOR_TURN    64  /* batches before the members get them */


typedef struct floor_room_s  floor_room_t;


typedef struct {
    int            fd;
    int            blocked;   /* EPOLLOUT is awaited */
    uint64_t       sent;      /* position in the room's log */
    floor_room_t  *room;      /* NULL: the request is awaited */
} floor_conn_t;


/* What a room has pending: positions only grow, base is that of bytes[0]. */
struct floor_room_s {
    floor_conn_t  **members;
    unsigned        n;
    unsigned        cap;
    uint8_t        *bytes;
    size_t          len;
    size_t          size;
    uint64_t        base;
    size_t          frame;    /* of this turn: where its headers stand */
    int             dirty;
};


static floor_room_t   floor_rooms[FLOOR_ROOMS];
static unsigned       floor_dirty[FLOOR_ROOMS];
static unsigned       floor_ndirty;
static int            floor_epfd;
static goim_reader_t *floor_reader;


static void
floor_fail(const char *text)
{
    fprintf(stderr, "bench_floor: %s\n", text);
    exit(1);
}


static void
floor_close(floor_conn_t *c)
{
    unsigned       i;
    floor_room_t  *room = c->room;

    for (i = 0; room && i < room->n; i++) {
        if (room->members[i] == c) {
            room->members[i] = room->members[--room->n];
            break;
        }
    }

    close(c->fd);
    free(c);
}


/* All that is pending, by one call; -1: the connection is gone. */
static int
floor_send(floor_conn_t *c)
{
    ssize_t        n;
    floor_room_t  *room = c->room;

    n = send(c->fd, room->bytes + (c->sent - room->base),
             room->base + room->len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n == -1 && errno != EAGAIN) {
        floor_close(c);
        return -1;
    }

    if (n > 0) {
        c->sent += n;
    }

    c->blocked = c->sent != room->base + room->len;

    return 0;
}


static void
floor_sweep(floor_room_t *room)
{
    unsigned  i;
    uint64_t  least;

    least = room->base + room->len;

    for (i = room->n; i-- > 0;) {
        if (!room->members[i]->blocked
            && floor_send(room->members[i]) == -1)
        {
            continue;
        }

        if (room->members[i]->sent < least) {
            least = room->members[i]->sent;
        }
    }

    memmove(room->bytes, room->bytes + (least - room->base),
            room->base + room->len - least);
    room->len -= least - room->base;
    room->base = least;
}


static uint8_t *
floor_reserve(floor_room_t *room, size_t len)
{
    if (room->len + len > room->size) {
        room->size = (room->len + len) * 2;
        room->bytes = realloc(room->bytes, room->size);

        if (room->bytes == NULL) {
            floor_fail("no memory");
        }
    }

    return room->bytes + room->len;
}


#define FLOOR_HEADERS  (10 + GOIM_PACKET_HEADER_LEN)

/* A turn's frame begins with headers whose lengths are not known yet. */
static void
floor_append(const goim_record_t *r)
{
    unsigned       i, number;
    uint8_t       *p;
    floor_room_t  *room;

    /* behind "live://" */

    for (number = 0, i = 7; i < r->target_len; i++) {
        number = number * 10 + goim_record_target(r)[i] - '0';
    }

    if (number >= FLOOR_ROOMS) {
        return;
    }

    room = &floor_rooms[number];

    if (!room->dirty) {
        room->dirty = 1;
        floor_dirty[floor_ndirty++] = number;
        (void) floor_reserve(room, FLOOR_HEADERS);
        room->frame = room->len;
        room->len += FLOOR_HEADERS;
    }

    p = floor_reserve(room, GOIM_PACKET_HEADER_LEN + r->body_len);
    memcpy(goim_packet_encode_header(p, 1, r->op, 0, r->body_len),
           goim_record_body(r), r->body_len);
    room->len += GOIM_PACKET_HEADER_LEN + r->body_len;
}


/* The headers of a turn's frame, and what they are too short for. */
static void
floor_finish(floor_room_t *room)
{
    size_t    len, n;
    uint8_t  *p;

    p = room->bytes + room->frame;
    len = room->len - room->frame - FLOOR_HEADERS;

    n = goim_ws_encode_header(p, GOIM_WS_BINARY, GOIM_PACKET_HEADER_LEN + len);
    memmove(p + n + GOIM_PACKET_HEADER_LEN, p + FLOOR_HEADERS, len);
    (void) goim_packet_encode_header(p + n, 1, GOIM_OP_RAW, 0, len);

    room->len = room->frame + n + GOIM_PACKET_HEADER_LEN + len;
    room->dirty = 0;
}


static void
floor_drain(void)
{
    int                         turn;
    unsigned                    i;
    const goim_record_t        *r;
    static goim_reader_batch_t  batch;

    if (batch.buf == NULL) {
        batch.cap = FLOOR_BATCH;
        batch.buf = aligned_alloc(64, batch.cap);
    }

    for (turn = 0; turn < FLOOR_TURN; turn++) {
        if (goim_reader_read(floor_reader, 0, &batch) != GOIM_OK) {
            break;
        }

        while ((r = goim_reader_next(&batch)) != NULL) {
            floor_append(r);
        }
    }

    for (i = 0; i < floor_ndirty; i++) {
        floor_finish(&floor_rooms[floor_dirty[i]]);
        floor_sweep(&floor_rooms[floor_dirty[i]]);
    }

    floor_ndirty = 0;
}


static void
floor_join(floor_conn_t *c, unsigned number)
{
    floor_room_t  *room = &floor_rooms[number];

    if (room->n == room->cap) {
        room->cap = room->cap ? room->cap * 2 : 8;
        room->members = realloc(room->members,
                                room->cap * sizeof(floor_conn_t *));

        if (room->members == NULL) {
            floor_fail("no memory");
        }
    }

    room->members[room->n++] = c;
    c->room = room;
    c->sent = room->base + room->len;
}


/* A request is answered by 101, anything later by a heartbeat's reply. */
static void
floor_read(floor_conn_t *c)
{
    char         buf[4096];
    ssize_t      n;
    size_t       len;
    uint8_t      reply[64];
    const char  *room;

    static const char  switching[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\n\r\n";

    n = recv(c->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {
        floor_close(c);
        return;
    }

    buf[n] = '\0';

    if (c->room == NULL) {
        room = strstr(buf, "live://");
        floor_join(c, room ? (unsigned) atoi(room + 7) % FLOOR_ROOMS : 0);
        (void) send(c->fd, switching, sizeof(switching) - 1, MSG_NOSIGNAL);
        return;
    }

    len = goim_ws_encode_header(reply, GOIM_WS_BINARY,
                                GOIM_PACKET_HEADER_LEN + 4);
    memset(goim_packet_encode_header(reply + len, 1, GOIM_OP_HEARTBEAT_REPLY,
                                     0, 4), 0, 4);
    (void) send(c->fd, reply, len + GOIM_PACKET_HEADER_LEN + 4, MSG_NOSIGNAL);
}


static void
floor_accept(int listener)
{
    int                 fd, on;
    floor_conn_t       *c;
    struct epoll_event  ev;

    on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
        c = calloc(1, sizeof(floor_conn_t));
        if (c == NULL) {
            floor_fail("no memory");
        }

        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

        ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
        ev.data.ptr = c;
        epoll_ctl(floor_epfd, EPOLL_CTL_ADD, fd, &ev);
    }
}


static int
floor_listen(int port)
{
    int                 fd, on;
    struct sockaddr_in  sin;

    on = 1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 4096) == -1)
    {
        floor_fail("can't listen");
    }

    return fd;
}


static void
floor_event(struct epoll_event *ev)
{
    floor_conn_t  *c = ev->data.ptr;

    if ((ev->events & EPOLLOUT) && c->room && c->blocked
        && floor_send(c) == -1)
    {
        return;
    }

    if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        floor_read(c);
    }
}


static void
floor_run(int listener)
{
    int                  i, n;
    static char          at_listener, at_pipe;
    struct epoll_event   events[FLOOR_EVENTS], ev;

    ev.events = EPOLLIN;
    ev.data.ptr = &at_listener;
    epoll_ctl(floor_epfd, EPOLL_CTL_ADD, listener, &ev);

    ev.data.ptr = &at_pipe;
    epoll_ctl(floor_epfd, EPOLL_CTL_ADD, floor_reader->pipe_fd, &ev);

    for (;;) {
        n = epoll_wait(floor_epfd, events, FLOOR_EVENTS,
                       goim_reader_sleep(floor_reader) == GOIM_OK ? 1000 : 0);
        goim_reader_wake(floor_reader);

        for (i = 0; i < n; i++) {
            if (events[i].data.ptr == &at_listener) {
                floor_accept(listener);

            } else if (events[i].data.ptr != &at_pipe) {
                floor_event(&events[i]);
            }
        }

        floor_drain();
    }
}


int
main(int argc, char **argv)
{
    int              listener;
    goim_error_t     error;
    struct rlimit    rl;
    goim_channel_t  *ch;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_floor PORT CHANNEL GENERATION\n");
        return 2;
    }

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &rl);
    }

    if (goim_channel_open(argv[2], strtoull(argv[3], NULL, 10),
                          GOIM_CHANNEL_READER, &ch, &error)
        != GOIM_OK
        || goim_reader_open(ch, &floor_reader, &error) != GOIM_OK)
    {
        floor_fail(error.text);
    }

    floor_epfd = epoll_create1(EPOLL_CLOEXEC);
    listener = floor_listen(atoi(argv[1]));

    printf("ready\n");
    fflush(stdout);

    floor_run(listener);

    return 0;
}
