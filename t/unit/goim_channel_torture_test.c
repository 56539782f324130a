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

#include "goim_channel_torture_reader.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>


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

    /* else calloc() clears a lane's memory itself, step by step */

    (void) mallopt(M_MMAP_THRESHOLD, 65536);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
