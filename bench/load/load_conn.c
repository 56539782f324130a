
/*
 * One client of goim_load, from its connection to its last message.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"


#define LOAD_PER_IP   10000 /* of one address: beyond half of its ports the
                               kernel searches long for a free one */

/* a body of bench_publish: ten digits, a space, nineteen digits */
#define LOAD_DIGITS   10
#define LOAD_STAMPED  (LOAD_DIGITS + 1 + 19)


static uint64_t
load_digits(const uint8_t *p, size_t len)
{
    size_t    i;
    uint64_t  n;

    for (n = 0, i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
        n = n * 10 + (p[i] - '0');
    }

    return n;
}


static void
load_format(char *dst, size_t size, const char *format, int number)
{
    const char  *p;

    p = strstr(format, "%d");

    if (p == NULL) {
        snprintf(dst, size, "%s", format);
        return;
    }

    snprintf(dst, size, "%.*s%d%s", (int) (p - format), format, number, p + 2);
}


static int
load_number(const load_t *load, const load_conn_t *c)
{
    int  number;

    number = (int) (c - load->conns);

    return load->rooms ? number % load->rooms : number;
}


void
load_close(load_t *load, load_conn_t *c, uint64_t *counter)
{
    if (c->state == LOAD_CLOSED) {
        return;
    }

    if (c->state != LOAD_READY) {
        load->pending--;
        load->failed++;

    } else {
        load->ready--;

        if (counter != NULL) {
            (*counter)++;
        }
    }

    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    free(c->partial);
    c->partial = NULL;
    c->len = 0;
    c->fd = -1;
    c->next = 0;
    c->state = LOAD_CLOSED;
}


/* A packet; on WebSocket in a masked binary frame, whose mask is zero, which
 * is legal. */
static size_t
load_encode(const load_t *load, uint8_t *p, int32_t op, int32_t seq,
    const char *body, size_t len)
{
    size_t  n;

    n = 0;

    if (!load->tcp) {
        n = goim_ws_encode_header(p, GOIM_WS_BINARY,
                                  GOIM_PACKET_HEADER_LEN + len);
        p[1] |= 0x80;
        memset(p + n, 0, 4);
        n += 4;
    }

    memcpy(goim_packet_encode_header(p + n, 1, op, seq, len), body, len);

    return n + GOIM_PACKET_HEADER_LEN + len;
}


static void
load_send(load_t *load, load_conn_t *c, const void *data, size_t len)
{
    ssize_t  n;

    n = c->ssl ? load_tls_send(c, data, len)
               : send(c->fd, data, len, MSG_NOSIGNAL);

    if (n != (ssize_t) len) {
        load_close(load, c, &load->closed);
    }
}


void
load_send_heartbeat(load_t *load, load_conn_t *c)
{
    size_t   len;
    uint8_t  out[64];

    len = load_encode(load, out, GOIM_OP_HEARTBEAT, 3, "", 0);
    load_send(load, c, out, len);
}


static void
load_send_request(load_t *load, load_conn_t *c)
{
    int   n;
    char  uri[1024], request[2048];

    load_format(uri, sizeof(uri), load->uri, load_number(load, c));

    n = snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
                 uri, load->host);

    c->state = LOAD_HANDSHAKE;
    load_send(load, c, request, n);
}


static void
load_send_first(load_t *load, load_conn_t *c)
{
    char     token[2048];
    size_t   n;
    uint8_t  out[4096];

    n = 0;

    if (load->token != NULL) {
        load_format(token, sizeof(token), load->token, load_number(load, c));
        n += load_encode(load, out, GOIM_OP_AUTH, 1, token,
                         strlen(token));
    }

    n += load_encode(load, out + n, GOIM_OP_HEARTBEAT, 2, "", 0);

    c->state = LOAD_OPEN;
    load_send(load, c, out, n);
}


static void
load_message(load_t *load, load_conn_t *c, goim_str_t body)
{
    load->messages++;

    if (body.len && body.data[0] >= '0' && body.data[0] <= '9') {
        load_numbers(load, c, load_digits(body.data, body.len), 1);
    }

    if (body.len >= LOAD_STAMPED && body.data[LOAD_DIGITS] == ' ') {
        load_latency(load, load->now_ns
                     - load_digits(body.data + LOAD_DIGITS + 1, 19), 1);
    }
}


/*
 * A frame whose messages all have one size is not taken apart: its first and
 * its last one tell whether those between are there, and how old all are.
 */
static int
load_uniform(load_t *load, load_conn_t *c, goim_str_t frame)
{
    size_t          size, n;
    uint64_t        first, last;
    goim_packet_t   packet;
    const uint8_t  *p;

    if (goim_packet_decode(&packet, frame.data, frame.len, INT32_MAX)
        != GOIM_OK)
    {
        return 0;
    }

    size = GOIM_PACKET_HEADER_LEN + packet.body.len;
    n = frame.len / size;

    if (frame.len % size || n < 3 || packet.body.len < LOAD_STAMPED) {
        return 0;
    }

    p = frame.data + frame.len - size + GOIM_PACKET_HEADER_LEN;

    if (packet.body.data[LOAD_DIGITS] != ' ' || p[LOAD_DIGITS] != ' ') {
        return 0;
    }

    first = load_digits(packet.body.data, LOAD_DIGITS);
    last = load_digits(p, LOAD_DIGITS);

    if (last != first + n - 1) {
        return 0;
    }

    load->messages += n;
    load_numbers(load, c, first, n);
    load_latency(load, load->now_ns
                 - load_digits(packet.body.data + LOAD_DIGITS + 1, 19),
                 n - n / 2);
    load_latency(load, load->now_ns - load_digits(p + LOAD_DIGITS + 1, 19),
                 n / 2);

    return 1;
}


static void
load_nested(load_t *load, load_conn_t *c, goim_str_t frame)
{
    size_t         at;
    goim_packet_t  inner;

    if (load_uniform(load, c, frame)) {
        return;
    }

    for (at = 0; at < frame.len;
         at += GOIM_PACKET_HEADER_LEN + inner.body.len)
    {
        if (goim_packet_decode(&inner, frame.data + at, frame.len - at,
                               INT32_MAX)
            != GOIM_OK)
        {
            return;
        }

        load_message(load, c, inner.body);
    }
}


static void
load_packet(load_t *load, load_conn_t *c, const goim_packet_t *packet)
{
    if (packet->op == GOIM_OP_HEARTBEAT_REPLY) {

        if (c->state == LOAD_OPEN) {
            c->state = LOAD_READY;
            load->pending--;
            load->ready++;
        }

    } else if (packet->op == GOIM_OP_RAW) {
        load_nested(load, c, packet->body);

    } else if (load->tcp && packet->op != GOIM_OP_AUTH_REPLY) {
        load_message(load, c, packet->body);
    }
}


/* Returns how many bytes were used, or -1 if the connection is gone. */
static ssize_t
load_frames(load_t *load, load_conn_t *c, const uint8_t *p, size_t len)
{
    size_t           at;
    goim_packet_t    packet;
    goim_ws_frame_t  frame;

    for (at = 0; at < len; at += frame.header_len + frame.len) {

        if (goim_ws_decode_header(&frame, p + at, len - at) != GOIM_OK
            || frame.len > len - at - frame.header_len)
        {
            break;
        }

        load->frames++;

        if (frame.opcode == GOIM_WS_CLOSE) {
            load_close(load, c, &load->closed);
            return -1;
        }

        if (frame.opcode == GOIM_WS_BINARY
            && goim_packet_decode(&packet, p + at + frame.header_len,
                                  frame.len, INT32_MAX)
               == GOIM_OK)
        {
            load_packet(load, c, &packet);
        }
    }

    return at;
}


/* The same for goim's TCP. */
static ssize_t
load_packets(load_t *load, load_conn_t *c, const uint8_t *p, size_t len)
{
    int            rc;
    size_t         at;
    goim_packet_t  packet;

    for (at = 0; at < len; at += GOIM_PACKET_HEADER_LEN + packet.body.len) {
        rc = goim_packet_decode(&packet, p + at, len - at, INT32_MAX);

        if (rc == GOIM_AGAIN) {
            break;
        }

        if (rc != GOIM_OK) {
            load_close(load, c, &load->closed);
            return -1;
        }

        load_packet(load, c, &packet);
    }

    return at;
}


static ssize_t
load_handshake(load_t *load, load_conn_t *c, const uint8_t *p, size_t len)
{
    const uint8_t  *end;

    end = memmem(p, len, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }

    if (len < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0) {
        load_close(load, c, NULL);
        return -1;
    }

    load_send_first(load, c);

    return c->state == LOAD_CLOSED ? -1 : end + 4 - p;
}


static void
load_input(load_t *load, load_conn_t *c, uint8_t *p, size_t len)
{
    ssize_t  used, n;

    used = 0;

    if (c->state == LOAD_HANDSHAKE) {
        used = load_handshake(load, c, p, len);
    }

    if (used >= 0 && c->state != LOAD_HANDSHAKE) {
        n = load->tcp ? load_packets(load, c, p + used, len - used)
                      : load_frames(load, c, p + used, len - used);
        used = n < 0 ? -1 : used + n;
    }

    if (used < 0) {
        return;
    }

    free(c->partial);
    c->partial = NULL;
    c->len = len - used;

    if (c->len) {
        c->partial = malloc(c->len);
        memcpy(c->partial, p + used, c->len);
    }
}


static void
load_read(load_t *load, load_conn_t *c)
{
    ssize_t  n;

    while (c->state != LOAD_CLOSED && !c->paused) {
        memcpy(load->buf, c->partial, c->len);

        n = c->ssl ? load_tls_recv(c, load->buf + c->len, LOAD_BUF - c->len)
                   : recv(c->fd, load->buf + c->len, LOAD_BUF - c->len,
                          MSG_DONTWAIT);

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n <= 0) {
            load_close(load, c, &load->closed);
            return;
        }

        load->bytes += n;
        load->now_ns = load_now_ns();
        load_input(load, c, load->buf, c->len + n);
    }
}


void
load_connect(load_t *load, load_conn_t *c)
{
    int                 on, number;
    struct epoll_event  ev;
    struct sockaddr_in  from;

    on = 1;
    number = (int) (c - load->conns);

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd == -1) {
        perror("goim_load: socket");
        exit(1);
    }

    /* one source address has some 28,000 ports */

    memset(&from, 0, sizeof(from));
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(load->from + number / LOAD_PER_IP);

    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));

    if (load->rcvbuf) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &load->rcvbuf,
                   sizeof(load->rcvbuf));
    }

    if (bind(c->fd, (struct sockaddr *) &from, sizeof(from)) == -1
        || (connect(c->fd, (struct sockaddr *) &load->addr,
                    sizeof(load->addr)) == -1
            && errno != EINPROGRESS))
    {
        perror("goim_load: connect");
        exit(1);
    }

    ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
    ev.data.ptr = c;
    epoll_ctl(load->epfd, EPOLL_CTL_ADD, c->fd, &ev);

    c->state = LOAD_CONNECTING;
    load->pending++;
}


/* What comes first, once the connection is there. */
static void
load_begin(load_t *load, load_conn_t *c)
{
    if (load->tcp) {
        load_send_first(load, c);

    } else {
        load_send_request(load, c);
    }
}


void
load_event(load_t *load, load_conn_t *c, uint32_t events)
{
    int  rc;

    if (c->state == LOAD_CONNECTING && (events & EPOLLOUT)) {
        c->state = LOAD_TLS;
    }

    if (c->state == LOAD_TLS) {
        rc = load->tls ? load_tls_handshake(load, c) : GOIM_OK;

        if (rc == GOIM_OK) {
            load_begin(load, c);

        } else if (rc == GOIM_ERROR) {
            load_close(load, c, NULL);
        }
    }

    if (c->state == LOAD_CONNECTING && (events & (EPOLLHUP | EPOLLERR))) {
        load_close(load, c, NULL);
    }

    if (c->state > LOAD_TLS && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        load_read(load, c);
    }
}
