
/*
 * What the parts of goim_load share: its clients, and what is counted.
 */

#ifndef LOAD_H_INCLUDED
#define LOAD_H_INCLUDED


#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/types.h>

#include "goim_packet.h"
#include "goim_ws.h"


#define LOAD_BUF      (4 * 1024 * 1024)

/* latencies: 16 steps for each power of two of ns */
#define LOAD_STEPS    16
#define LOAD_BUCKETS  (64 * LOAD_STEPS)


typedef enum {
    LOAD_CLOSED = 0,
    LOAD_CONNECTING,      /* the connection is not made yet */
    LOAD_TLS,             /* TLS's handshake */
    LOAD_HANDSHAKE,       /* the 101 is awaited */
    LOAD_OPEN,            /* the first heartbeat's answer is awaited */
    LOAD_READY
} load_state_e;


typedef struct {
    int           fd;
    load_state_e  state;
    SSL          *ssl;      /* NULL: without TLS */
    uint64_t      next;     /* number that is expected; 0: any */
    int           paused;   /* does not read */
    uint8_t      *partial;  /* of an incomplete frame, packet or answer */
    size_t        len;
} load_conn_t;


typedef struct {
    struct sockaddr_in   addr;
    const char          *host;
    const char          *uri;
    const char          *token;    /* NULL: no auth packet */
    load_conn_t         *conns;
    int                  n;
    int                  started;  /* conns before it have been looked at */
    int                  epfd;
    uint8_t             *buf;

    int                  tcp;      /* goim's TCP, else WebSocket */
    SSL_CTX             *tls;      /* NULL: without TLS */
    SSL_SESSION         *session;  /* taken up again by each client, if kept */
    int                  again;    /* who does not get ready tries again */

    uint64_t             pending;
    uint64_t             ready;
    uint64_t             failed;   /* times that a client did not get ready */
    uint64_t             closed;   /* by the other side, after that */
    uint64_t             resumed;  /* TLS handshakes with a kept session */
    uint64_t             frames;
    uint64_t             messages;
    uint64_t             bytes;
    uint64_t             lost;     /* numbers that were skipped */
    uint64_t             doubled;  /* numbers that came again, or too late */

    int                  rooms;    /* 0: numbers are not folded */
    int                  rcvbuf;   /* 0: the system's */
    int                  max_pending; /* handshakes at the same time */
    uint32_t             from;     /* the first source address */
    uint64_t             latencies[LOAD_BUCKETS];
    uint64_t             max_ns;
    uint64_t             now_ns;   /* of this turn */

    double               beats_ns; /* between two heartbeats, 0: none */
    uint64_t             next_ns;  /* when the next one is due */
    int                  beating;  /* who sends it */
} load_t;


/* load_conn.c */

/* Exits if the system has no socket for it. */
void load_connect(load_t *load, load_conn_t *c);

/* Ends it, and counts that in *counter (if not NULL) if it was ready, else in
 * load->failed. */
void load_close(load_t *load, load_conn_t *c, uint64_t *counter);

/* The connection can be written to, read from, or both. */
void load_event(load_t *load, load_conn_t *c, uint32_t events);

void load_send_heartbeat(load_t *load, load_conn_t *c);


/* load_tls.c */

/* Exits if there is no TLS; keep: sessions are taken up again. */
void load_tls_init(load_t *load, int keep);

/* As connect(): GOIM_OK, GOIM_AGAIN or GOIM_ERROR. */
int load_tls_handshake(load_t *load, load_conn_t *c);

/* As recv() and send(); errno is EAGAIN where nothing is there yet. */
ssize_t load_tls_recv(load_conn_t *c, uint8_t *p, size_t len);
ssize_t load_tls_send(load_conn_t *c, const void *data, size_t len);


/* load_stats.c */

uint64_t load_now_ns(void);

/* n messages that took so long. */
void load_latency(load_t *load, uint64_t ns, uint64_t n);

/* n messages with numbers from first on. */
void load_numbers(load_t *load, load_conn_t *c, uint64_t first, uint64_t n);

/* A line of JSON on standard output. */
void load_stats(const load_t *load);

/* What has arrived is counted anew. */
void load_reset(load_t *load);


#endif /* LOAD_H_INCLUDED */
