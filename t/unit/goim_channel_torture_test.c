/*
 * The channel between real processes: producers that are killed, at random and
 * after any single instruction of a publication; readers that are killed and
 * stopped.  Each reader checks every record: none lost, doubled, torn or
 * reordered, except gaps of readers that were stopped beyond stall, which must
 * have been counted exactly.  A second mode kills nobody and lets readers
 * sleep without their look once a second: no wake-up is lost.
 *
 * GOIM_TEST_LONG=n runs for 5 minutes times n.
 */

#include "goim_channel_fixture.h"

#include <errno.h>
#include <poll.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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
    _Atomic uint64_t  gaps;       /* of lanes that were checked to the record */
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


typedef struct {
    uint64_t  killed_producers;
    uint64_t  killed_readers;
    uint64_t  stops;
    uint64_t  long_stops;
    uint64_t  stepped;
    uint64_t  records;
    uint64_t  published;
    uint64_t  missed;
    uint64_t  gaps;
    uint64_t  histories;
    uint64_t  sleeps;
    uint64_t  resets;
} totals_t;


static totals_t  totals;


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


/* Producers */

typedef struct {
    goim_lane_t  *lane;
    uint32_t      topic;
    int           blocked;
} feed_t;


static void
feed_take(torture_t *t, feed_t *f, uint32_t number)
{
    int           rc, stepping;
    goim_error_t  error;

    stepping = step_maybe(t, 10, 40000);
    rc = goim_lane_take(t->fx.pch, number, &f->lane, &error);

    if (stepping) {
        step_off();
    }

    if (rc == GOIM_AGAIN) {
        f->lane = NULL;
        return;
    }

    if (rc != GOIM_OK
        || goim_lane_topic(f->lane, FX_TOPIC, &f->topic) != GOIM_OK)
    {
        die(t, "taking a lane: %s", error.text);
    }
}


/* One message of a partition; 0: no room. */
static int
feed_one(torture_t *t, feed_t *f, int partition)
{
    int                  rc;
    char                 room[32];
    uint8_t              body[1024];
    uint32_t             number;
    uint64_t             next;
    goim_lane_message_t  m = { 0 };

    if (goim_lane_next(f->lane, f->topic, partition, &next) != GOIM_OK) {
        next = 0;
    }

    if (is_skipped(partition, next)) {
        if (goim_lane_skip(f->lane, f->topic, partition, next + 1)
            != GOIM_OK)
        {
            die(t, "skip");
        }

        return 1;
    }

    m.body.data = body;
    m.body.len = make_message(t, partition, next, &number, body);
    m.target.data = (uint8_t *) room;
    m.target.len = room_name(room, number);
    m.hash = goim_room_name_hash(m.target.data, m.target.len);
    m.kind = GOIM_RECORD_ROOM;
    m.topic = f->topic;
    m.partition = partition;
    m.op = partition;

    if (next && rnd(t, 50) == 0) {
        m.offset = next - 1;

        if (goim_lane_put(f->lane, &m) != GOIM_AGAIN) {
            die(t, "an offset below the table's was taken");
        }
    }

    m.offset = next;
    rc = goim_lane_put(f->lane, &m);

    if (rc != GOIM_OK && rc != GOIM_FULL) {
        die(t, "put: %d", rc);
    }

    return rc == GOIM_OK;
}


static int
feed_batch(torture_t *t, feed_t *f, uint32_t number)
{
    int  i, n, partition, stepping;

    n = rnd(t, 24);
    f->blocked = 0;
    stepping = step_maybe(t, 1000, 20000);

    for (i = 0; i < n && !f->blocked; i++) {
        do {
            partition = rnd(t, PARTITIONS);
        } while (partition % t->lanes != number);

        if (!feed_one(t, f, partition)) {
            f->blocked = 1;
        }
    }

    if (stepping) {
        step_off();
    }

    stepping = step_maybe(t, 200, 2500);

    goim_lane_publish(f->lane);

    if (stepping) {
        step_off();
    }

    if (f->blocked) {
        goim_lane_look(f->lane, now_us());
    }

    return i;
}


/* The last round: a record of each partition, so that gaps end. */
static void
feed_finish(torture_t *t, feed_t *f, uint32_t number)
{
    int       p;
    uint64_t  next;

    for (p = number; p < PARTITIONS; p += t->lanes) {

        for (;;) {
            if (goim_lane_next(f->lane, f->topic, p, &next) != GOIM_OK) {
                next = 0;
            }

            if (!feed_one(t, f, p)) {
                goim_lane_publish(f->lane);
                goim_lane_look(f->lane, now_us());
                usleep(200);
                continue;
            }

            if (!is_skipped(p, next)) {
                break;
            }
        }
    }

    goim_lane_publish(f->lane);
    atomic_store(&t->run->finished[number], 1);
    goim_lane_leave(f->lane);
    f->lane = NULL;
}


static int
producer_round(torture_t *t, feed_t *feeds)
{
    int       work;
    uint32_t  i;

    work = 0;

    for (i = 0; i < t->lanes; i++) {
        if (atomic_load(&t->run->finished[i])) {
            continue;
        }

        if (feeds[i].lane == NULL
            && !goim_channel_lane_is_held(t->fx.pch, i))
        {
            feed_take(t, &feeds[i], i);
        }

        if (feeds[i].lane == NULL) {
            continue;
        }

        if (atomic_load(&t->run->finish)) {
            feed_finish(t, &feeds[i], i);
            continue;
        }

        work += feed_batch(t, &feeds[i], i);
    }

    return work;
}


static void
producer_main(torture_t *t)
{
    uint32_t  i, done;
    uint64_t  ticked;
    feed_t    feeds[LANES_MAX] = { 0 };

    signal(SIGPIPE, SIG_IGN);
    t->fx.pch = fx_open(&t->fx, GOIM_CHANNEL_PRODUCER);
    ticked = 0;

    do {
        if (producer_round(t, feeds) == 0) {
            usleep(200);

        } else if (rnd(t, 20) == 0) {
            usleep(rnd(t, 600));
        }

        done = 0;

        for (i = 0; i < t->lanes; i++) {
            if (feeds[i].lane && now_us() - ticked > SECOND) {
                goim_lane_tick(feeds[i].lane, 1);
            }

            done += atomic_load(&t->run->finished[i]);
        }

        if (now_us() - ticked > SECOND) {
            ticked = now_us();
        }

    } while (done < t->lanes);

    _exit(0);
}


/* Readers */

typedef struct {
    int       partition;
    uint64_t  offset;
} seen_t;


typedef struct {
    torture_t       *t;
    reader_state_t  *state;
    goim_reader_t   *rd;
    uint64_t         expected[PARTITIONS];  /* 0: not known */
    uint64_t         received[LANES_MAX];
    uint64_t         lost[LANES_MAX];       /* by offsets */
    int              warm[LANES_MAX];       /* all partitions are known */
    uint64_t         missed[LANES_MAX];     /* when last looked at */
    uint32_t         nseen[LANES_MAX][ROOMS];
    seen_t           seen[LANES_MAX][ROOMS][RECALL];
    int              paused;                /* this process stood still */

    /* of a history */

    uint32_t         lane;
    uint32_t         room;
    uint32_t         visited;
} check_t;


/* The record is the one that the log has there. */
static uint32_t
check_content(check_t *c, const goim_record_t *r)
{
    char        name[32];
    size_t      len;
    uint8_t     body[1024];
    uint32_t    room;
    torture_t  *t = c->t;

    if (r->kind != GOIM_RECORD_ROOM || r->partition < 0
        || r->partition >= PARTITIONS || r->op != r->partition)
    {
        die(t, "a record of kind %d, partition %d", r->kind, r->partition);
    }

    len = make_message(t, r->partition, r->offset, &room, body);

    if (r->target_len != room_name(name, room)
        || memcmp(goim_record_target(r), name, r->target_len) != 0
        || r->body_len != len
        || memcmp(goim_record_body(r), body, len) != 0)
    {
        die(t, "torn: partition %d, offset %lld", r->partition,
            (long long) r->offset);
    }

    return room;
}


static void
check_missed(check_t *c, uint32_t lane)
{
    uint64_t  missed;

    missed = c->rd->lanes[lane].missed;

    if (missed == c->missed[lane]) {
        return;
    }

    if (!atomic_load(&c->state->long_stop) && !c->paused) {
        die(c->t, "a reader that was not stopped missed %llu records of lane "
            "%u", (unsigned long long) (missed - c->missed[lane]), lane);
    }

    atomic_fetch_add(&c->state->missed, missed - c->missed[lane]);
    c->missed[lane] = missed;
    memset(c->nseen[lane], 0, sizeof(c->nseen[lane]));
}


static void
check_record(check_t *c, uint32_t lane, const goim_record_t *r)
{
    uint32_t   room, i;
    uint64_t   o, expected;
    torture_t *t = c->t;

    room = check_content(c, r);
    expected = c->expected[r->partition];

    if (r->partition % t->lanes != lane) {
        die(t, "partition %d in lane %u", r->partition, lane);
    }

    if (expected != 0) {
        if ((uint64_t) r->offset < expected) {
            die(t, "doubled or reordered: partition %d, offset %lld after "
                "%lld", r->partition, (long long) r->offset,
                (long long) expected - 1);
        }

        for (o = expected; o < (uint64_t) r->offset; o++) {
            c->lost[lane] += !is_skipped(r->partition, o);
        }

        if (c->lost[lane] > c->rd->lanes[lane].missed) {
            die(t, "lost: partition %d, offsets %lld to %lld, missed %llu",
                r->partition, (long long) expected, (long long) r->offset,
                (unsigned long long) c->rd->lanes[lane].missed);
        }
    }

    c->expected[r->partition] = r->offset + 1;
    c->received[lane]++;

    if (!c->warm[lane]) {
        c->warm[lane] = c->rd->lanes[lane].missed == 0 ? 1 : -1;

        for (i = lane; i < PARTITIONS; i += t->lanes) {
            if (c->expected[i] == 0 && c->warm[lane] == 1) {
                c->warm[lane] = 0;
            }
        }
    }

    i = c->nseen[lane][room]++ % RECALL;
    c->seen[lane][room][i].partition = r->partition;
    c->seen[lane][room][i].offset = r->offset;
}


static int
check_visit(const goim_record_t *r, void *data)
{
    seen_t   *s;
    uint32_t  n;
    check_t  *c = data;

    if (check_content(c, r) != c->room) {
        die(c->t, "a record of another room in a history");
    }

    n = c->nseen[c->lane][c->room];

    if (c->visited < n && c->visited < RECALL) {
        s = &c->seen[c->lane][c->room][(n - 1 - c->visited) % RECALL];

        if (s->partition != r->partition || s->offset != (uint64_t) r->offset)
        {
            die(c->t, "history: partition %d offset %lld in place of %d %lld",
                r->partition, (long long) r->offset, s->partition,
                (long long) s->offset);
        }
    }

    c->visited++;
    atomic_fetch_add(&c->state->histories, 1);

    return c->visited < 20;
}


static void
check_history(check_t *c)
{
    int         rc;
    char        name[32];
    goim_str_t  room;

    c->lane = rnd(c->t, c->t->lanes);
    c->room = rnd(c->t, c->t->rooms);
    c->visited = 0;

    room.data = (uint8_t *) name;
    room.len = room_name(name, c->room);

    rc = goim_reader_history(c->rd, c->lane,
                             goim_room_name_hash(room.data, room.len), room,
                             check_visit, c);

    if (rc != GOIM_OK && rc != GOIM_AGAIN) {
        die(c->t, "history: %d", rc);
    }
}


static int
reader_drain(check_t *c, goim_reader_batch_t *batch)
{
    int                   rc, any;
    uint32_t              lane;
    uint64_t              n;
    const goim_record_t  *r;

    any = 0;

    for (lane = 0; lane < c->t->lanes; lane++) {
        rc = goim_reader_read(c->rd, lane, batch);
        n = 0;

        if (c->rd->lanes[lane].damaged) {
            die(c->t, "lane %u seems damaged", lane);
        }

        if (rc == GOIM_OK) {
            any = 1;

            while ((r = goim_reader_next(batch)) != NULL) {
                check_record(c, lane, r);
                n++;
            }

        } else if (rc != GOIM_AGAIN) {
            die(c->t, "read: %d", rc);
        }

        check_missed(c, lane);
        atomic_fetch_add(&c->state->records, n);
    }

    return any;
}


/* Whether all lanes came to their end and were read so far. */
static int
reader_is_done(check_t *c)
{
    uint32_t  i;

    for (i = 0; i < c->t->lanes; i++) {
        if (!atomic_load(&c->t->run->finished[i])
            || atomic_load(&goim_channel_lane(c->t->fx.rch, i)->head)
               != c->rd->lanes[i].position)
        {
            return 0;
        }
    }

    return 1;
}


static void
reader_report(check_t *c)
{
    uint32_t             i;
    goim_reader_lane_t  *rl;

    for (i = 0; i < c->t->lanes; i++) {
        rl = &c->rd->lanes[i];

        if (c->warm[i] == 1 && rl->missed != c->lost[i]) {
            die(c->t, "missed %llu of lane %u, counted %llu",
                (unsigned long long) c->lost[i], i,
                (unsigned long long) rl->missed);
        }

        if (rl->missed && c->warm[i] == 1) {
            atomic_fetch_add(&c->state->gaps, 1);
        }
    }

    atomic_store(&c->state->done, 1);
}


static void
reader_sleep(check_t *c)
{
    int            n, look;
    uint32_t       i;
    uint64_t       began;
    struct pollfd  pfd;

    if (goim_reader_sleep(c->rd) != GOIM_OK) {
        return;
    }

    atomic_fetch_add(&c->state->sleeps, 1);
    look = c->t->kills ? 1000 : 3000;
    pfd.fd = c->rd->pipe_fd;
    pfd.events = POLLIN;
    began = now_us();

    do {
        n = poll(&pfd, 1, atomic_load(&c->t->run->finish) ? 50 : look);
    } while (n == -1 && errno == EINTR);

    if (now_us() - began > look * 1000ULL + SECOND / 2) {
        c->paused = 1;
    }

    if (n == 0 && !c->t->kills && !atomic_load(&c->t->run->finish)) {
        for (i = 0; i < c->t->lanes; i++) {
            if (atomic_load(&goim_channel_lane(c->t->fx.rch, i)->head)
                > c->rd->lanes[i].position)
            {
                die(c->t, "a reader slept on although lane %u had records",
                    i);
            }
        }
    }
}


static void
reader_main(torture_t *t, reader_state_t *state)
{
    uint64_t             turn;
    check_t             *c;
    goim_reader_batch_t  batch = { 0 };

    c = calloc(1, sizeof(check_t));
    c->t = t;
    c->state = state;
    t->fx.rch = fx_open(&t->fx, GOIM_CHANNEL_READER);
    c->rd = fx_reader(&t->fx);

    batch.cap = t->fx.conf.size >> rnd(t, 3);
    batch.buf = aligned_alloc(8, batch.cap);

    do {
        turn = now_us();
        goim_reader_wake(c->rd);

        while (reader_drain(c, &batch)) {
            if (now_us() - turn > SECOND) {
                c->paused = 1;
            }

            if (rnd(t, 8) == 0) {
                check_history(c);
            }

            turn = now_us();
        }

        reader_sleep(c);

    } while (!reader_is_done(c));

    reader_report(c);
    _exit(0);
}


/* The parent */

static pid_t
spawn(torture_t *t)
{
    pid_t  pid, parent;

    parent = getpid();
    t->rnd = mix(t->rnd);
    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);

        if (getppid() != parent) {
            _exit(1);
        }

        t->rnd = mix(t->rnd + 1);
    }

    return pid;
}


static void
spawn_producer(torture_t *t, int i)
{
    pid_t  pid;

    pid = spawn(t);

    if (pid == 0) {
        producer_main(t);
    }

    t->run->producer[i] = pid;
}


static void
spawn_reader(torture_t *t, int i)
{
    pid_t  pid;

    atomic_store(&t->run->reader[i].long_stop, 0);
    pid = spawn(t);

    if (pid == 0) {
        reader_main(t, &t->run->reader[i]);
    }

    t->run->reader[i].pid = pid;
}


static void
end_child(_Atomic pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
        *pid = 0;
    }
}


/* Producers that died by their own hand are replaced. */
static void
replace_producers(torture_t *t)
{
    int    i, status;
    pid_t  pid;

    for (i = 0; i < PRODUCERS; i++) {
        pid = t->run->producer[i];

        if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
            t->run->producer[i] = 0;

            if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
                die(t, "a producer ended by signal %d", WTERMSIG(status));
            }

            if (WIFSIGNALED(status)) {
                spawn_producer(t, i);
            }
        }
    }
}


static void
stop_reader(torture_t *t, int i, uint64_t us)
{
    kill(t->run->reader[i].pid, SIGSTOP);
    usleep(us);
    kill(t->run->reader[i].pid, SIGCONT);
}


static void
disturb(torture_t *t)
{
    int  i;

    switch (rnd(t, atomic_load(&t->run->calm) ? 80 : 8)) {

    case 0:
    case 1:
    case 2:
    case 3:
        if (t->kills) {
            i = rnd(t, PRODUCERS);
            end_child(&t->run->producer[i]);
            spawn_producer(t, i);
            totals.killed_producers++;
        }

        break;

    case 4:
        if (t->kills) {

            /* the first two live on */

            i = 2 + rnd(t, READERS - 2);
            end_child(&t->run->reader[i].pid);
            spawn_reader(t, i);
            totals.killed_readers++;
        }

        break;

    case 5:
        i = rnd(t, READERS);

        if (i != t->stopped) {
            stop_reader(t, i, rnd(t, 20000));
            totals.stops++;
        }

        break;

    default:
        break;
    }

    usleep(rnd(t, 4000));
}


/* Ends all that is left, whatever happened. */
static void
end_run(torture_t *t)
{
    int             i;
    run_t          *run = t->run;
    goim_channel_t *ch;

    ch = fx_open(&t->fx, GOIM_CHANNEL_LOOK);

    for (i = 0; i < PRODUCERS; i++) {
        end_child(&run->producer[i]);
    }

    for (i = 0; i < READERS; i++) {
        end_child(&run->reader[i].pid);
        totals.records += run->reader[i].records;
        totals.missed += run->reader[i].missed;
        totals.gaps += run->reader[i].gaps;
        totals.histories += run->reader[i].histories;
        totals.sleeps += run->reader[i].sleeps;
    }

    for (i = 0; i < (int) t->lanes; i++) {
        totals.published += goim_channel_lane(ch, i)->seq - 1;
        totals.resets += goim_channel_lane(ch, i)->counters[GOIM_JOB_RESETS];
    }

    totals.stepped += run->stepped;
    goim_channel_close(ch);
}


static void
wait_for_readers(torture_t *t)
{
    int       i, n;
    uint64_t  end;

    end = now_us() + 60 * SECOND;

    do {
        replace_producers(t);
        usleep(5000);
        n = 0;

        for (i = 0; i < READERS; i++) {
            n += t->run->reader[i].done;
        }

    } while (n < READERS && !t->run->failed && now_us() < end);

    if (!t->run->failed && n < READERS) {
        snprintf(t->run->text, sizeof(t->run->text), "%d of %d readers came to"
                 " the end", n, READERS);
        t->run->failed = 2;
    }
}


/* Others die while a reader is stopped beyond stall. */
static void
disturb_for_long(torture_t *t, int longs, uint64_t us)
{
    uint64_t  began, next;

    began = now_us();
    next = began + us / (2 * longs + 1);
    t->stopped = -1;

    while ((now_us() - began < us || t->stopped != -1) && !t->run->failed) {
        replace_producers(t);
        disturb(t);

        if (t->stopped != -1) {
            if (now_us() > t->go_on_at) {
                kill(t->run->reader[t->stopped].pid, SIGCONT);
                atomic_store(&t->run->calm, 0);
                t->stopped = -1;
                next = now_us() + us / (2 * longs + 1);
            }

        } else if (longs && now_us() > next && now_us() - began < us) {
            t->stopped = rnd(t, 2);
            atomic_store(&t->run->reader[t->stopped].long_stop, 1);
            atomic_store(&t->run->calm, 1);
            kill(t->run->reader[t->stopped].pid, SIGSTOP);
            t->go_on_at = now_us() + 3 * SECOND + rnd(t, SECOND);
            totals.long_stops++;
        }
    }
}


static void
torture(uint64_t size, uint32_t lanes, uint32_t rooms, int kills, int longs,
    uint64_t us)
{
    int        i, failed;
    char       text[400];
    torture_t  t = { 0 };

    fx_folder(&t.fx);
    t.fx.conf.size = size;
    t.fx.conf.lanes = lanes;
    fx_make(&t.fx);

    t.lanes = lanes;
    t.rooms = rooms;
    t.kills = kills;
    t.rnd = mix(now_us() + getpid());

    t.run = mmap(NULL, sizeof(run_t), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t.run != MAP_FAILED);

    for (i = 0; i < READERS; i++) {
        spawn_reader(&t, i);
    }

    for (i = 0; i < PRODUCERS; i++) {
        spawn_producer(&t, i);
    }

    disturb_for_long(&t, longs, us);

    atomic_store(&t.run->finish, 1);
    wait_for_readers(&t);
    end_run(&t);

    failed = t.run->failed;
    memcpy(text, t.run->text, sizeof(text));
    munmap(t.run, sizeof(run_t));
    fx_stop(&t.fx);

    if (failed) {
        fail_msg("size %llu, lanes %u, rooms %u, kills %d: %s",
                 (unsigned long long) size, lanes, rooms, kills, text);
    }
}


static void
print_totals(void)
{
    print_message("# killed producers %llu, between two stores %llu; killed "
                  "readers %llu; stopped readers %llu, beyond stall %llu\n",
                  (unsigned long long) totals.killed_producers
                  + (unsigned long long) totals.stepped,
                  (unsigned long long) totals.stepped,
                  (unsigned long long) totals.killed_readers,
                  (unsigned long long) totals.stops,
                  (unsigned long long) totals.long_stops);
    print_message("# published %llu, read %llu, missed %llu in %llu gaps, "
                  "histories %llu, sleeps %llu\n",
                  (unsigned long long) totals.published,
                  (unsigned long long) totals.records,
                  (unsigned long long) totals.missed,
                  (unsigned long long) totals.gaps,
                  (unsigned long long) totals.histories,
                  (unsigned long long) totals.sleeps);
}


static uint64_t
long_minutes(void)
{
    const char  *s;

    s = getenv("GOIM_TEST_LONG");

    return s ? 5 * strtoull(s, NULL, 10) : 0;
}


static void
test_channel_loses_nothing_when_producers_and_readers_die(void **state)
{
    int       i;
    uint64_t  end;

    (void) state;

    if (long_minutes() == 0) {
        torture(4096, 1, 5, 1, 0, 2 * SECOND);
        torture(16384, 3, ROOMS, 1, 1, 3 * SECOND);
        print_totals();
        assert_int_equal(totals.resets, 0);
        return;
    }

    end = now_us() + long_minutes() * 60 * SECOND;

    for (i = 0; now_us() < end; i++) {
        torture(4096ULL << i % 5, 1 + i % LANES_MAX, i % 2 ? 5 : ROOMS, 1,
                i % 4 ? 2 : 0, 20 * SECOND);
        print_totals();
        assert_int_equal(totals.resets, 0);
    }
}


static void
test_channel_loses_no_wakeup(void **state)
{
    int       i;
    uint64_t  end;

    (void) state;

    if (long_minutes() == 0) {
        torture(8192, 2, ROOMS, 0, 0, 2 * SECOND);
        print_totals();
        return;
    }

    end = now_us() + long_minutes() * 12 * SECOND;

    for (i = 0; now_us() < end; i++) {
        torture(4096ULL << i % 5, 1 + i % LANES_MAX, 5, 0, 0, 10 * SECOND);
        print_totals();
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            test_channel_loses_nothing_when_producers_and_readers_die),
        cmocka_unit_test(test_channel_loses_no_wakeup)
    };

    /* else calloc() clears a lane's memory itself, instruction by instruction */

    (void) mallopt(M_MMAP_THRESHOLD, 65536);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
