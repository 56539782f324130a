
/*
 * A load of goim's clients: opens many connections, keeps them, reads what is
 * pushed to them, and checks that numbered messages arrive once and in order.
 *
 *   goim_load [SCHEME://]HOST:PORT URI CONNECTIONS [TOKEN [ROOMS]]
 *
 * SCHEME is ws, wss, tcp (goim's TCP protocol, with no use for the URI) or
 * tcps.
 *
 * "%d" in URI and TOKEN becomes the connection's number, modulo ROOMS if that
 * is given.  With a TOKEN that is not "-" each client sends it in an auth
 * packet, else goim_identity is expected; in both cases a first heartbeat is
 * sent, and its answer counts as "ready".  A message's body is expected to
 * begin with a decimal number that grows by one; other bodies are only
 * counted.  If a space and the time in ns (CLOCK_MONOTONIC, 19 digits) stand
 * behind ten digits, as bench_publish has them, latencies are collected.
 *
 * Prints a line of JSON once each client is ready or has failed, and reads
 * commands from standard input, one a line:
 *
 *   stats     prints such a line
 *   reset     begins to count anew, and prints one
 *   pause N   stops every N-th from reading
 *   beat MS   lets each send a heartbeat once in so many ms
 *   cut       breaks all off by a reset; they come back at once, however
 *             often it takes, and when all have, prints a line
 *   close     closes all
 *   quit      ends, as the end of input does
 *
 * Environment: GOIM_LOAD_RCVBUF, the sockets' SO_RCVBUF in bytes;
 * GOIM_LOAD_FROM, the first source address, by default 127.0.0.1;
 * GOIM_LOAD_PENDING (256), how many connect at the same time;
 * GOIM_LOAD_RESUME=1, TLS sessions are taken up again.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "load.h"


#define LOAD_EVENTS   512
#define LOAD_PENDING  256


static int
load_number_of(const char *name, int value)
{
    const char  *text;

    text = getenv(name);

    return text ? atoi(text) : value;
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
    uint64_t      now;
    load_conn_t  *c;

    if (load->beats_ns == 0) {
        return -1;
    }

    now = load_now_ns();

    for (; load->next_ns <= now; load->next_ns += load->beats_ns) {
        c = &load->conns[load->beating++ % load->n];

        if (c->state == LOAD_READY) {
            load_send_heartbeat(load, c);
        }
    }

    return (load->next_ns - now) / 1000000 + 1;
}


/* All of them; with a reset the other end is not told twice. */
static void
load_close_all(load_t *load, int reset)
{
    int            i;
    struct linger  linger = { 1, 0 };

    for (i = 0; i < load->n; i++) {
        if (reset && load->conns[i].state != LOAD_CLOSED) {
            setsockopt(load->conns[i].fd, SOL_SOCKET, SO_LINGER, &linger,
                       sizeof(linger));
        }

        load_close(load, &load->conns[i], NULL);
    }
}


/* Returns 0 at the end. */
static int
load_command(load_t *load)
{
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
        load_stats(load);

    } else if (strncmp(line, "pause ", 6) == 0) {
        load_pause(load, atoi(line + 6));

    } else if (strncmp(line, "beat ", 5) == 0) {
        load->beats_ns = atoi(line + 5) * 1e6 / load->n;
        load->next_ns = load_now_ns();

    } else if (strcmp(line, "cut\n") == 0) {
        load_close_all(load, 1);
        load->again = 1;
        load->started = 0;

    } else if (strcmp(line, "close\n") == 0) {
        load_close_all(load, 0);
    }

    return 1;
}


/* Who has no connection gets one, so many at a time; tells when nobody is
 * left. */
static void
load_fill(load_t *load, int *announced)
{
    load_conn_t  *c;

    while (load->started < load->n
           && load->pending < (uint64_t) load->max_pending)
    {
        c = &load->conns[load->started++];

        if (c->state == LOAD_CLOSED) {
            load_connect(load, c);
        }
    }

    if (load->started < load->n || load->pending) {
        *announced = 0;
        return;
    }

    if (load->again && load->ready < (uint64_t) load->n) {
        load->started = 0;
        return;
    }

    load->again = 0;

    if (!*announced) {
        *announced = 1;
        load_stats(load);
    }
}


static int
load_address(load_t *load, const char *text)
{
    char         host[64];
    const char  *colon, *scheme;

    scheme = strstr(text, "://");

    if (scheme != NULL) {
        load->tcp = strncmp(text, "tcp", 3) == 0;

        if (scheme[-1] == 's' && strncmp(text, "ws:", 3) != 0) {
            load_tls_init(load, load_number_of("GOIM_LOAD_RESUME", 0));
        }

        text = scheme + 3;
    }

    load->host = text;
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
        load_fill(load, &announced);

        n = epoll_wait(load->epfd, events, LOAD_EVENTS,
                       load->again ? 10 : load_beat(load));

        for (i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL) {
                load_event(load, events[i].data.ptr, events[i].events);

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

    setvbuf(stdin, NULL, _IONBF, 0);
    signal(SIGPIPE, SIG_IGN);

    if (argc < 4 || argc > 6 || load_address(&load, argv[1]) != 0
        || (load.n = atoi(argv[3])) < 1)
    {
        fprintf(stderr,
                "usage: goim_load [SCHEME://]HOST:PORT URI CONNECTIONS"
                " [TOKEN [ROOMS]]\n");
        return 2;
    }

    load_raise_limit();

    load.uri = argv[2];
    load.token = argc > 4 && strcmp(argv[4], "-") != 0 ? argv[4] : NULL;
    load.rooms = argc > 5 ? atoi(argv[5]) : 0;
    load.from = ntohl(inet_addr(getenv("GOIM_LOAD_FROM")
                                ? getenv("GOIM_LOAD_FROM") : "127.0.0.1"));
    load.rcvbuf = load_number_of("GOIM_LOAD_RCVBUF", 0);
    load.max_pending = load_number_of("GOIM_LOAD_PENDING", LOAD_PENDING);
    load.epfd = epoll_create1(EPOLL_CLOEXEC);
    load.buf = malloc(LOAD_BUF);
    load.conns = calloc(load.n, sizeof(load_conn_t));

    if (load.epfd == -1 || load.buf == NULL || load.conns == NULL) {
        perror("goim_load");
        return 1;
    }

    return load_run(&load);
}
