/*
 * A load of WebSocket clients: opens many connections, keeps them, reads what
 * is pushed to them, and checks that numbered messages arrive once and in
 * order.
 *
 *   goim_load HOST:PORT URI CONNECTIONS [TOKEN [ROOMS]]
 *
 * "%d" in URI and TOKEN becomes the connection's number, modulo ROOMS if that
 * is given.  With a TOKEN that is not "-" each client sends it in an auth
 * packet, else goim_identity is expected; in both cases a first heartbeat is
 * sent, and its answer counts as "ready".  A message's body is expected to
 * begin with a decimal number that grows by one; other bodies are only
 * counted.  If a space and the time in ns (CLOCK_MONOTONIC, 19 digits) stand
 * behind ten digits, as bench_publish has them, latencies are collected.
 *
 * Reads commands from standard input, one a line: "stats" prints a line of
 * JSON, "reset" begins to count anew, "pause N" stops every N-th from reading,
 * "beat MS" lets each send a heartbeat once in so many ms, "close" closes all,
 * "quit" or the end of input ends.
 *
 * Environment: GOIM_LOAD_RCVBUF, the sockets' SO_RCVBUF in bytes;
 * GOIM_LOAD_FROM, the first source address, by default 127.0.0.1.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "goim_packet.h"
#include "goim_ws.h"


#define LOAD_BUF      (4 * 1024 * 1024)
#define LOAD_EVENTS   512
#define LOAD_PENDING  256   /* handshakes at the same time */
#define LOAD_PER_IP   10000 /* of one address: beyond half of its ports the
                               kernel searches long for a free one */

/* latencies: 16 steps for each power of two of ns */
#define LOAD_STEPS    16
#define LOAD_BUCKETS  (64 * LOAD_STEPS)

/* a body of bench_publish: ten digits, a space, nineteen digits */
#define LOAD_DIGITS   10
#define LOAD_STAMPED  (LOAD_DIGITS + 1 + 19)


typedef enum {
    LOAD_CONNECTING = 0,  /* the request is to be sent */
    LOAD_HANDSHAKE,       /* the 101 is awaited */
    LOAD_OPEN,            /* the first heartbeat's answer is awaited */
    LOAD_READY,
    LOAD_CLOSED
} load_state_e;


typedef struct {
    int           fd;
    load_state_e  state;
    uint64_t      next;     /* number that is expected; 0: any */
    int           paused;   /* does not read */
    uint8_t      *partial;  /* of an incomplete frame or answer */
    size_t        len;
} load_conn_t;


typedef struct {
    struct sockaddr_in   addr;
    const char          *host;
    const char          *uri;
    const char          *token;
    load_conn_t         *conns;
    int                  n;
    int                  started;
    int                  epfd;
    uint8_t             *buf;

    uint64_t             pending;
    uint64_t             ready;
    uint64_t             failed;   /* never got ready */
    uint64_t             closed;   /* by the other side, after that */
    uint64_t             frames;
    uint64_t             messages;
    uint64_t             bytes;
    uint64_t             lost;     /* numbers that were skipped */
    uint64_t             doubled;  /* numbers that came again, or too late */

    int                  rooms;    /* 0: numbers are not folded */
    int                  rcvbuf;   /* 0: the system's */
    uint32_t             from;     /* the first source address */
    uint64_t             latencies[LOAD_BUCKETS];
    uint64_t             max_ns;
    uint64_t             now_ns;   /* of this turn */

    double               beats_ns; /* between two heartbeats, 0: none */
    uint64_t             next_ns;  /* when the next one is due */
    int                  beating;  /* who sends it */
} load_t;


static uint64_t
load_now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static void
load_latency(load_t *load, uint64_t ns, uint64_t n)
{
    unsigned  bits;

    if (ns > load->max_ns) {
        load->max_ns = ns;
    }

    ns |= LOAD_STEPS;
    bits = 63 - __builtin_clzll(ns);

    load->latencies[bits * LOAD_STEPS + ((ns >> (bits - 4)) & 15)] += n;
}


/* The latency in us that so large a share of all messages had at most. */
static double
load_percentile(const load_t *load, double share)
{
    unsigned  i;
    uint64_t  all, n;

    for (all = 0, i = 0; i < LOAD_BUCKETS; i++) {
        all += load->latencies[i];
    }

    for (n = 0, i = 0; i < LOAD_BUCKETS; i++) {
        n += load->latencies[i];

        if (n && n >= all * share) {
            return ((i % LOAD_STEPS) + LOAD_STEPS + 1)
                   * (double) (1ULL << (i / LOAD_STEPS - 4)) / 1000;
        }
    }

    return 0;
}


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


static void
load_close(load_t *load, load_conn_t *c, uint64_t *counter)
{
    if (c->state == LOAD_CONNECTING || c->state == LOAD_HANDSHAKE
        || c->state == LOAD_OPEN)
    {
        load->pending--;
        load->failed++;

    } else if (counter != NULL) {
        (*counter)++;
        load->ready--;
    }

    close(c->fd);
    free(c->partial);
    c->partial = NULL;
    c->len = 0;
    c->fd = -1;
    c->state = LOAD_CLOSED;
}


/* A masked binary frame with one packet; the mask is zero, which is legal. */
static size_t
load_frame(uint8_t *p, int32_t op, int32_t seq, const char *body, size_t len)
{
    size_t  n;

    n = goim_ws_encode_header(p, GOIM_WS_BINARY, GOIM_PACKET_HEADER_LEN + len);
    p[1] |= 0x80;
    memset(p + n, 0, 4);
    n += 4;

    memcpy(goim_packet_encode_header(p + n, 1, op, seq, len), body, len);

    return n + GOIM_PACKET_HEADER_LEN + len;
}


static void
load_send(load_t *load, load_conn_t *c, const void *data, size_t len)
{
    if (send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t) len) {
        load_close(load, c, &load->closed);
    }
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
        n += load_frame(out, GOIM_OP_AUTH, 1, token, strlen(token));
    }

    n += load_frame(out + n, GOIM_OP_HEARTBEAT, 2, "", 0);

    c->state = LOAD_OPEN;
    load_send(load, c, out, n);
}


/* n messages with numbers from first on. */
static void
load_numbers(load_t *load, load_conn_t *c, uint64_t first, uint64_t n)
{
    if (c->next != 0 && first > c->next) {
        load->lost += first - c->next;
    }

    if (c->next != 0 && first < c->next) {
        load->doubled += n;
        return;
    }

    c->next = first + n;
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
load_packet(load_t *load, load_conn_t *c, const goim_packet_t *packet)
{
    size_t         at;
    goim_packet_t  inner;

    if (packet->op == GOIM_OP_HEARTBEAT_REPLY && c->state == LOAD_OPEN) {
        c->state = LOAD_READY;
        load->pending--;
        load->ready++;
        return;
    }

    if (packet->op != GOIM_OP_RAW || load_uniform(load, c, packet->body)) {
        return;
    }

    for (at = 0; at < packet->body.len;
         at += GOIM_PACKET_HEADER_LEN + inner.body.len)
    {
        if (goim_packet_decode(&inner, packet->body.data + at,
                               packet->body.len - at, INT32_MAX)
            != GOIM_OK)
        {
            return;
        }

        load_message(load, c, inner.body);
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
        n = load_frames(load, c, p + used, len - used);
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

        n = recv(c->fd, load->buf + c->len, LOAD_BUF - c->len, MSG_DONTWAIT);

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


static void
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

    load->pending++;
}


static void
load_event(load_t *load, struct epoll_event *ev)
{
    load_conn_t  *c = ev->data.ptr;

    if (c->state == LOAD_CONNECTING && (ev->events & EPOLLOUT)) {
        load_send_request(load, c);
    }

    if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        load_read(load, c);
    }
}


static void
load_stats(load_t *load)
{
    printf("{\"connections\":%d,\"ready\":%lu,\"pending\":%lu,\"failed\":%lu,"
           "\"closed\":%lu,\"frames\":%lu,\"messages\":%lu,\"bytes\":%lu,"
           "\"lost\":%lu,\"doubled\":%lu,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"max_us\":%.1f}\n",
           load->n, load->ready, load->pending, load->failed, load->closed,
           load->frames, load->messages, load->bytes, load->lost,
           load->doubled, load_percentile(load, 0.5),
           load_percentile(load, 0.99), load->max_ns / 1000.0);
    fflush(stdout);
}


static void
load_reset(load_t *load)
{
    load->frames = 0;
    load->messages = 0;
    load->bytes = 0;
    load->lost = 0;
    load->doubled = 0;
    load->max_ns = 0;
    memset(load->latencies, 0, sizeof(load->latencies));
}


static void
load_pause(load_t *load, int each)
{
    int  i;

    for (i = 0; each > 0 && i < load->n; i += each) {
        load->conns[i].paused = 1;
    }
}


/* All heartbeats that are due; the time in ms until the next one is. */
static int
load_beat(load_t *load)
{
    size_t        len;
    uint8_t       frame[64];
    uint64_t      now;
    load_conn_t  *c;

    if (load->beats_ns == 0) {
        return -1;
    }

    len = load_frame(frame, GOIM_OP_HEARTBEAT, 3, "", 0);
    now = load_now_ns();

    for (; load->next_ns <= now; load->next_ns += load->beats_ns) {
        c = &load->conns[load->beating++ % load->n];

        if (c->state == LOAD_READY) {
            load_send(load, c, frame, len);
        }
    }

    return (load->next_ns - now) / 1000000 + 1;
}


/* Returns 0 at the end. */
static int
load_command(load_t *load)
{
    int   i;
    char  line[64];

    if (fgets(line, sizeof(line), stdin) == NULL
        || strcmp(line, "quit\n") == 0)
    {
        return 0;
    }

    if (strcmp(line, "stats\n") == 0) {
        load_stats(load);

    } else if (strcmp(line, "reset\n") == 0) {
        load_reset(load);

    } else if (strncmp(line, "pause ", 6) == 0) {
        load_pause(load, atoi(line + 6));

    } else if (strncmp(line, "beat ", 5) == 0) {
        load->beats_ns = atoi(line + 5) * 1e6 / load->n;
        load->next_ns = load_now_ns();

    } else if (strcmp(line, "close\n") == 0) {
        for (i = 0; i < load->started; i++) {
            if (load->conns[i].state != LOAD_CLOSED) {
                load_close(load, &load->conns[i], NULL);
            }
        }

        load->ready = 0;
    }

    return 1;
}


static int
load_address(load_t *load, const char *text)
{
    char         host[64];
    const char  *colon;

    colon = strrchr(text, ':');

    if (colon == NULL || (size_t) (colon - text) >= sizeof(host)) {
        return -1;
    }

    snprintf(host, sizeof(host), "%.*s", (int) (colon - text), text);

    load->addr.sin_family = AF_INET;
    load->addr.sin_port = htons(atoi(colon + 1));

    return inet_pton(AF_INET, host, &load->addr.sin_addr) == 1 ? 0 : -1;
}


static void
load_raise_limit(void)
{
    struct rlimit  rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &rl);
    }
}


static int
load_run(load_t *load)
{
    int                 i, n, announced;
    struct epoll_event  events[LOAD_EVENTS], ev;

    announced = 0;

    ev.events = EPOLLIN;
    ev.data.ptr = NULL;
    epoll_ctl(load->epfd, EPOLL_CTL_ADD, 0, &ev);

    for (;;) {
        while (load->started < load->n && load->pending < LOAD_PENDING) {
            load_connect(load, &load->conns[load->started++]);
        }

        if (!announced && load->started == load->n && load->pending == 0) {
            announced = 1;
            load_stats(load);
        }

        n = epoll_wait(load->epfd, events, LOAD_EVENTS, load_beat(load));

        for (i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL) {
                load_event(load, &events[i]);

            } else if (!load_command(load)) {
                return 0;
            }
        }
    }
}


int
main(int argc, char **argv)
{
    static load_t  load;

    memset(&load, 0, sizeof(load));
    setvbuf(stdin, NULL, _IONBF, 0);

    if (argc < 4 || argc > 6 || load_address(&load, argv[1]) != 0
        || (load.n = atoi(argv[3])) < 1)
    {
        fprintf(stderr,
                "usage: goim_load HOST:PORT URI CONNECTIONS [TOKEN [ROOMS]]"
                "\n");
        return 2;
    }

    load_raise_limit();

    load.host = argv[1];
    load.uri = argv[2];
    load.token = argc > 4 && strcmp(argv[4], "-") != 0 ? argv[4] : NULL;
    load.rooms = argc > 5 ? atoi(argv[5]) : 0;
    load.from = ntohl(inet_addr(getenv("GOIM_LOAD_FROM")
                                ? getenv("GOIM_LOAD_FROM") : "127.0.0.1"));
    load.rcvbuf = atoi(getenv("GOIM_LOAD_RCVBUF") ? getenv("GOIM_LOAD_RCVBUF")
                                                  : "0");
    load.epfd = epoll_create1(EPOLL_CLOEXEC);
    load.buf = malloc(LOAD_BUF);
    load.conns = calloc(load.n, sizeof(load_conn_t));

    if (load.epfd == -1 || load.buf == NULL || load.conns == NULL) {
        perror("goim_load");
        return 1;
    }

    return load_run(&load);
}
