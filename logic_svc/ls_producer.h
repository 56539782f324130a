/*
 * Kafka's producer: pushes with goim's keys and partitioner (docs/kafka.md),
 * and what became of each.
 *
 * While Kafka can't be reached, pushes fail at once instead of waiting for
 * their time limit; a thread of its own then asks Kafka twice a second whether
 * it is back.  All else, callbacks included, runs in the event loop's thread.
 */

#ifndef LS_PRODUCER_H_INCLUDED
#define LS_PRODUCER_H_INCLUDED


#include "goim_push.h"
#include "ls.h"


typedef struct ls_producer_s  ls_producer_t;

/*
 * GOIM_OK: Kafka has acknowledged it.  GOIM_INVALID: Kafka can't take it, ever
 * (too large, no such topic).  GOIM_AGAIN: not now; it may have been taken
 * although no acknowledgement came.  why is a sentence, "" if GOIM_OK.
 */
typedef void (*ls_producer_done_pt)(void *data, int rc, const char *why);


typedef struct {
    uint64_t  sent;
    uint64_t  acknowledged;
    uint64_t  failed;      /* all that called back otherwise */
    uint64_t  in_flight;   /* now */
    uint64_t  outages;     /* times that Kafka could not be reached any more */
    int       up;
} ls_producer_stats_t;


/*
 * Kafka need not be there.  *code: why there is none, GOIM_INVALID (librdkafka
 * refuses the settings) or GOIM_ERROR; logged.
 */
ls_producer_t *ls_producer_create(ls_t *ls, int *code);

/* What has not been acknowledged calls back with GOIM_AGAIN first. */
void ls_producer_destroy(ls_producer_t *p);

/* Calls back exactly once, maybe before it returns. */
void ls_producer_send(ls_producer_t *p, const goim_push_t *push,
    ls_producer_done_pt done, void *data);

void ls_producer_stats(const ls_producer_t *p, ls_producer_stats_t *stats);


#endif /* LS_PRODUCER_H_INCLUDED */
