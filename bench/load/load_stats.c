
/*
 * What goim_load counts: messages, the order of their numbers, how long they
 * took.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"


uint64_t
load_now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


void
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


void
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


void
load_stats(const load_t *load)
{
    printf("{\"connections\":%d,\"ready\":%lu,\"pending\":%lu,\"failed\":%lu,"
           "\"closed\":%lu,\"resumed\":%lu,\"frames\":%lu,\"messages\":%lu,"
           "\"bytes\":%lu,\"lost\":%lu,\"doubled\":%lu,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           load->n, load->ready, load->pending, load->failed, load->closed,
           load->resumed, load->frames, load->messages, load->bytes,
           load->lost, load->doubled, load_percentile(load, 0.5),
           load_percentile(load, 0.99), load->max_ns / 1000.0);
    fflush(stdout);
}


void
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
