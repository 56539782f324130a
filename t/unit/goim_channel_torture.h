/*
 * What the processes of the torture share: their state, the log that they
 * write and read, and how a producer dies after any single instruction.
 */

#ifndef GOIM_CHANNEL_TORTURE_H_INCLUDED
#define GOIM_CHANNEL_TORTURE_H_INCLUDED


#include "goim_channel_fixture.h"

#include <signal.h>
#include <time.h>


#define PRODUCERS   2
#define READERS     4
#define LANES_MAX   3
#define PARTITIONS  7     /* dealt to the lanes */
#define ROOMS       300   /* more than a small index holds */
#define RECALL      8     /* records of a room that a reader remembers */

#define SECOND      1000000ULL  /* us */


typedef struct {
    _Atomic pid_t     pid;
    _Atomic int       long_stop;  /* was, or is to be, stopped beyond stall */
    _Atomic uint64_t  records;
    _Atomic uint64_t  missed;
    _Atomic uint64_t  gaps;       /* lanes with gaps, checked to the record */
    _Atomic uint64_t  histories;  /* records visited */
    _Atomic uint64_t  sleeps;
    _Atomic int       done;
} reader_state_t;


/* Shared by all processes of a run. */
typedef struct {
    _Atomic int       calm;       /* a reader is stopped beyond stall: what
                                     producers see of it takes time */
    _Atomic int       finish;     /* producers: the last round */
    _Atomic int       finished[LANES_MAX];
    _Atomic int       failed;
    char              text[400];
    _Atomic uint64_t  published;
    _Atomic uint64_t  stepped;    /* producers that died between two stores */
    reader_state_t    reader[READERS];
    _Atomic pid_t     producer[PRODUCERS];
} run_t;


typedef struct {
    fx_t      fx;
    run_t    *run;
    uint32_t  lanes;
    uint32_t  rooms;      /* 5 or ROOMS */
    int       kills;      /* 0: nobody dies, and readers never look */
    uint64_t  rnd;        /* of this process */
    int       stopped;    /* the reader that is stopped beyond stall, or -1 */
    uint64_t  go_on_at;
} torture_t;


static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}


static uint64_t
rnd(torture_t *t, uint64_t n)
{
    t->rnd = mix(t->rnd);

    return t->rnd % n;
}


static uint64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}


__attribute__((noreturn, format(printf, 2, 3))) static void
die(torture_t *t, const char *fmt, ...)
{
    int      none = 0;
    va_list  args;

    if (atomic_compare_exchange_strong(&t->run->failed, &none, 1)) {
        va_start(args, fmt);
        vsnprintf(t->run->text, sizeof(t->run->text), fmt, args);
        va_end(args);
        atomic_store(&t->run->failed, 2);
    }

    _exit(1);
}


/* The log: each message follows from its partition and offset. */

static int
is_skipped(int partition, uint64_t offset)
{
    return mix(offset * 31 + partition) % 8 == 0;
}


static size_t
make_message(const torture_t *t, int partition, uint64_t offset,
    uint32_t *room, uint8_t *body)
{
    size_t    i, len;
    uint64_t  h;

    h = mix(mix(offset) + partition);
    *room = h % t->rooms;

    len = mix(h) % 16 ? mix(h + 1) % 200 : mix(h + 2) % 900;

    for (i = 0; i < len; i++) {
        if (i % 8 == 0) {
            h = mix(h);
        }

        body[i] = h >> (i % 8 * 8);
    }

    return len;
}


static size_t
room_name(char *name, uint32_t room)
{
    return snprintf(name, 32, "room://%u", room);
}


/* Dying between two stores: after so many instructions. */

static volatile unsigned  steps_left;
static run_t             *steps_run;


#if defined(__x86_64__)

static void
step_handler(int signo)
{
    (void) signo;

    if (--steps_left == 0) {
        atomic_fetch_add(&steps_run->stepped, 1);
        kill(getpid(), SIGKILL);
    }
}


/* From here on the process lives for so many instructions, by the trap flag;
 * the red zone is left alone. */

__attribute__((noinline)) static void
step_on(torture_t *t, unsigned steps)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = step_handler;
    sigaction(SIGTRAP, &sa, NULL);

    steps_left = steps;
    steps_run = t->run;

    __asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");
}


__attribute__((noinline)) static void
step_off(void)
{
    __asm__ volatile("sub $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq;"
                     "add $128, %%rsp" ::: "memory", "cc");
}

#else

static void
step_on(torture_t *t, unsigned steps)
{
    (void) t;
    (void) steps;
}


static void
step_off(void)
{
}

#endif


static int
step_maybe(torture_t *t, unsigned one_in, unsigned steps)
{
    if (!t->kills || rnd(t, one_in) != 0
        || (atomic_load(&t->run->calm) && rnd(t, 20) != 0))
    {
        return 0;
    }

    step_on(t, 1 + rnd(t, steps));

    return 1;
}


#endif /* GOIM_CHANNEL_TORTURE_H_INCLUDED */
