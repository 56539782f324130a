/*
 * A reader of the torture: it checks each record, what it missed, and the
 * histories of rooms against what it has read.
 */

#ifndef GOIM_CHANNEL_TORTURE_READER_H_INCLUDED
#define GOIM_CHANNEL_TORTURE_READER_H_INCLUDED


#include "goim_channel_torture.h"

#include <errno.h>
#include <poll.h>


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


#endif /* GOIM_CHANNEL_TORTURE_READER_H_INCLUDED */
