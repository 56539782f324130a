/*
 * The channel alone: records per second from one producer to 1..n readers, and
 * how long it takes to wake a reader that sleeps.
 *
 *   channel_bench [readers=4] [body=100] [seconds=2] [size=33554432]
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "goim_lane.h"
#include "goim_reader.h"
#include "goim_room_name.h"


#define READERS_MAX  64
#define SAMPLES      20000
#define BATCH        64      /* messages per publication */


typedef struct {
    _Atomic int       ready;
    _Atomic int       stop;
    _Atomic uint64_t  read[READERS_MAX];
    _Atomic uint64_t  missed;
    uint32_t          latency_ns[SAMPLES];
    _Atomic int       samples;
} shared_t;


static char             dir[64];
static char             path[80];
static uint64_t         generation;
static shared_t        *shared;
static goim_channel_t  *channel;   /* the producer's */


static void
fail(const char *text)
{
    fprintf(stderr, "channel_bench: %s\n", text);
    exit(1);
}


static uint64_t
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(name);
}


static void
make_channel(uint64_t size)
{
    int                  created;
    goim_error_t         error;
    goim_channel_conf_t  conf = { 0 };

    snprintf(dir, sizeof(dir), "/dev/shm/goim-bench-XXXXXX");

    if (mkdtemp(dir) == NULL) {
        fail("can't make a folder in /dev/shm");
    }

    snprintf(path, sizeof(path), "%s/channel", dir);

    conf.path = path;
    conf.size = size;
    conf.lanes = 1;
    conf.stall_ms = 5000;
    conf.uid = (uid_t) -1;
    conf.gid = (gid_t) -1;
    conf.mode = 0600;

    if (goim_channel_make(&conf, &generation, &created, &error) != GOIM_OK) {
        fail(error.text);
    }
}


static goim_channel_t *
open_channel(goim_channel_mode_e mode)
{
    goim_error_t     error;
    goim_channel_t  *ch;

    if (goim_channel_open(path, generation, mode, &ch, &error) != GOIM_OK) {
        fail(error.text);
    }

    return ch;
}


/* Reads until it is told to stop; the messages' times are ns when latency is
 * measured. */
static void
reader(int number, int latency)
{
    int                   i;
    uint64_t              n;
    goim_error_t          error;
    goim_reader_t        *rd;
    struct pollfd         pfd;
    const goim_record_t  *r;
    goim_reader_batch_t   batch = { 0 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);

    if (goim_reader_open(open_channel(GOIM_CHANNEL_READER), &rd, &error)
        != GOIM_OK)
    {
        fail(error.text);
    }

    batch.cap = 65536;
    batch.buf = aligned_alloc(64, batch.cap);
    pfd.fd = rd->pipe_fd;
    pfd.events = POLLIN;
    atomic_fetch_add(&shared->ready, 1);
    n = 0;

    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {

        while (goim_reader_read(rd, 0, &batch) == GOIM_OK) {
            while ((r = goim_reader_next(&batch)) != NULL) {
                n++;

                if (latency) {
                    i = atomic_fetch_add(&shared->samples, 1);

                    if (i < SAMPLES) {
                        shared->latency_ns[i] = now_ns() - r->time;
                    }
                }
            }

            atomic_store_explicit(&shared->read[number], n,
                                  memory_order_relaxed);
        }

        if (goim_reader_sleep(rd) == GOIM_OK) {
            (void) poll(&pfd, 1, 100);
        }

        goim_reader_wake(rd);
    }

    atomic_fetch_add(&shared->missed, rd->lanes[0].missed);
    _exit(0);
}


static void
start_readers(int readers, int latency)
{
    int    i;
    pid_t  pid;

    memset((void *) shared, 0, sizeof(shared_t));

    for (i = 0; i < readers; i++) {
        pid = fork();

        if (pid == -1) {
            fail("can't fork");
        }

        if (pid == 0) {
            reader(i, latency);
        }
    }

    while (atomic_load(&shared->ready) < readers) {
        usleep(1000);
    }
}


static void
stop_readers(int readers)
{
    int  i;

    usleep(200000);
    atomic_store(&shared->stop, 1);

    for (i = 0; i < readers; i++) {
        (void) wait(NULL);
    }
}


static void
put(goim_lane_t *lane, goim_lane_message_t *m)
{
    while (goim_lane_put(lane, m) == GOIM_FULL) {
        goim_lane_publish(lane);
        goim_lane_look(lane, now_ns() / 1000);
        usleep(50);
    }

    m->offset++;
}


static void
measure_throughput(goim_lane_t *lane, goim_lane_message_t *m, int readers,
    int seconds)
{
    int       i;
    double    s;
    uint64_t  began, n, read, wakeups;

    const _Atomic uint64_t  *counter =
        &goim_channel_lane(channel, 0)->counters[GOIM_JOB_WAKEUPS];

    start_readers(readers, 0);

    wakeups = *counter;
    began = now_ns();
    n = 0;

    while (now_ns() - began < (uint64_t) seconds * 1000000000) {
        for (i = 0; i < BATCH; i++, n++) {
            put(lane, m);
        }

        goim_lane_publish(lane);
    }

    s = (now_ns() - began) / 1e9;
    stop_readers(readers);

    read = 0;

    for (i = 0; i < readers; i++) {
        read += shared->read[i];
    }

    wakeups = *counter - wakeups;

    printf("%2d readers: %6.2f M records/s written, %6.2f M/s read by all, "
           "missed %llu, wake-ups %llu\n", readers, n / s / 1e6,
           read / s / 1e6, (unsigned long long) shared->missed,
           (unsigned long long) wakeups);
}


static int
compare(const void *a, const void *b)
{
    uint32_t  x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}


/* One message at a time, to readers that have had time to fall asleep. */
static void
measure_wakeup(goim_lane_t *lane, goim_lane_message_t *m, int readers)
{
    int  i, n;

    start_readers(readers, 1);

    for (i = 0; i < 4000; i++) {
        usleep(300);
        m->time = now_ns();
        put(lane, m);
        goim_lane_publish(lane);
    }

    stop_readers(readers);

    n = shared->samples < SAMPLES ? shared->samples : SAMPLES;
    qsort(shared->latency_ns, n, sizeof(uint32_t), compare);

    printf("%2d readers asleep: p50 %.1f us, p90 %.1f us, p99 %.1f us "
           "(%d wake-ups)\n", readers, shared->latency_ns[n / 2] / 1e3,
           shared->latency_ns[n * 9 / 10] / 1e3,
           shared->latency_ns[n * 99 / 100] / 1e3, n);
}


int
main(int argc, char **argv)
{
    int                  i, readers, seconds;
    size_t               len;
    uint32_t             topic;
    uint8_t             *body;
    goim_lane_t         *lane;
    goim_error_t         error;
    goim_lane_message_t  m = { 0 };

    readers = argc > 1 ? atoi(argv[1]) : 4;
    len = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
    seconds = argc > 3 ? atoi(argv[3]) : 2;

    if (readers < 1 || readers > READERS_MAX || seconds < 1) {
        fail("usage: channel_bench [readers] [body] [seconds] [size]");
    }

    make_channel(argc > 4 ? strtoull(argv[4], NULL, 10) : 32 << 20);
    signal(SIGPIPE, SIG_IGN);

    channel = open_channel(GOIM_CHANNEL_PRODUCER);
    shared = mmap(NULL, sizeof(shared_t), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    body = calloc(1, len + 1);

    if (shared == MAP_FAILED || body == NULL
        || goim_lane_take(channel, 0, &lane, &error) != GOIM_OK
        || goim_lane_topic(lane, "bench", &topic) != GOIM_OK)
    {
        fail("can't take the lane");
    }

    m.kind = GOIM_RECORD_ROOM;
    m.target = (goim_str_t) { (const uint8_t *) "live://1000", 11 };
    m.hash = goim_room_name_hash(m.target.data, m.target.len);
    m.body = (goim_str_t) { body, len };
    m.op = 1000;

    for (i = 1; i <= readers; i *= 2) {
        measure_throughput(lane, &m, i, seconds);
    }

    for (i = 1; i <= readers; i *= 2) {
        measure_wakeup(lane, &m, i);
    }

    goim_lane_leave(lane);
    (void) nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);

    return 0;
}
