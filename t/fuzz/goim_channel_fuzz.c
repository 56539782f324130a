/*
 * Fuzz target: the memory of a channel holds anything.  An input is a list of
 * operations: bytes poked into the header, a lane, its index, its ring or the
 * slots, and calls of a producer and of a reader in between.  Nothing may
 * crash, and nothing may go on for ever.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "goim_channel.h"
#include "goim_lane.h"
#include "goim_lane_int.h"
#include "goim_reader.h"
#include "goim_room_name.h"


#define RING    4096
#define BOUND   2000  /* more turns than any loop may take */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);


typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
} input_t;


static struct {
    char             dir[64];
    char             path[80];
    uint64_t         generation;
    uint8_t         *file;    /* mapped by us */
    uint8_t         *image;   /* what it held in the beginning */
    uint64_t         len;
    goim_channel_t  *pch;
    goim_channel_t  *rch;
    goim_lane_t     *lane;
    goim_reader_t   *rd;
    uint8_t         *buf;
    uint64_t         now_us;
} fz;


static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(name);
}


static void
clean_up(void)
{
    (void) nftw(fz.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}


static void
check_line(int ok, int line)
{
    if (!ok) {
        fprintf(stderr, "line %d\n", line);
        abort();
    }
}

#define check(ok)  check_line(ok, __LINE__)


static goim_str_t
str(const char *s)
{
    return (goim_str_t) { (const uint8_t *) s, strlen(s) };
}


static int
put(int64_t offset, int room, size_t len)
{
    static uint8_t       body[2048];
    const char *const    rooms[] = { "room://1", "room://2", "room://3" };
    goim_lane_message_t  m = { 0 };

    m.kind = GOIM_RECORD_ROOM;
    m.target = str(rooms[room % 3]);
    m.hash = goim_room_name_hash(m.target.data, m.target.len);
    m.body.data = body;
    m.body.len = len;
    m.offset = offset;
    m.partition = room % 2;

    return goim_lane_put(fz.lane, &m);
}


static void
open_all(void)
{
    uint32_t      topic;
    goim_error_t  error;

    check(fz.pch == NULL && fz.lane == NULL && fz.rd == NULL);

    if (goim_channel_open(fz.path, fz.generation, GOIM_CHANNEL_PRODUCER,
                          &fz.pch, &error)
        != GOIM_OK)
    {
        fz.pch = NULL;
        return;
    }

    if (goim_channel_open(fz.path, fz.generation, GOIM_CHANNEL_READER, &fz.rch,
                          &error)
        != GOIM_OK
        || goim_reader_open(fz.rch, &fz.rd, &error) != GOIM_OK
        || goim_lane_take(fz.pch, 0, &fz.lane, &error) != GOIM_OK)
    {
        fprintf(stderr, "%s: %s\n", error.text, strerror(error.err));
        abort();
    }

    (void) !goim_lane_topic(fz.lane, "topic", &topic);
}


static void
close_all(void)
{
    if (fz.pch == NULL) {
        return;
    }

    goim_lane_leave(fz.lane);
    goim_reader_close(fz.rd);
    goim_channel_close(fz.rch);
    goim_channel_close(fz.pch);
    fz.lane = NULL;
    fz.rd = NULL;
    fz.rch = NULL;
    fz.pch = NULL;
}


/* A lane that has gone round, with three rooms in it. */
static void
set_up(void)
{
    int                  i, created;
    struct stat          st;
    goim_error_t         error;
    goim_channel_conf_t  conf = { 0 };
    char                 name[GOIM_CHANNEL_PATH_MAX];
    FILE                *f;

    snprintf(fz.dir, sizeof(fz.dir), "%s/goim-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(fz.dir) != NULL);
    atexit(clean_up);
    snprintf(fz.path, sizeof(fz.path), "%s/channel", fz.dir);

    conf.path = fz.path;
    conf.size = RING;
    conf.lanes = 1;
    conf.stall_ms = 2000;
    conf.uid = (uid_t) -1;
    conf.gid = (gid_t) -1;
    conf.mode = 0600;

    check(goim_channel_make(&conf, &fz.generation, &created, &error)
          == GOIM_OK);

    fz.buf = aligned_alloc(8, RING);
    open_all();

    for (i = 0; i < 60; i++) {
        check(put(i, i, i * 7 % 200) == GOIM_OK);
        goim_lane_publish(fz.lane);

        while (goim_reader_read(fz.rd, 0,
                                &(goim_reader_batch_t) { .buf = fz.buf,
                                                         .cap = RING })
               == GOIM_OK)
        {
            /* void */
        }
    }

    close_all();

    goim_channel_file_name(fz.path, fz.generation, name, sizeof(name));
    f = fopen(name, "r+");
    check(f != NULL && fstat(fileno(f), &st) == 0);
    fz.len = st.st_size;
    fz.file = mmap(NULL, fz.len, PROT_READ | PROT_WRITE, MAP_SHARED,
                   fileno(f), 0);
    check(fz.file != MAP_FAILED);
    fclose(f);

    fz.image = malloc(fz.len);
    check(fz.image != NULL);
    memcpy(fz.image, fz.file, fz.len);
}


static uint64_t
take(input_t *in, int bytes)
{
    uint64_t  n;

    for (n = 0; bytes > 0; bytes--) {
        n = n << 8 | (in->p < in->end ? *in->p++ : 0);
    }

    return n;
}


/* Where something can be poked: the parts of the file, by weight. */
static uint8_t *
place(input_t *in)
{
    uint64_t                 at;
    goim_channel_geometry_t  g;

    goim_channel_geometry(&g, 1, RING);
    at = take(in, 2);

    switch (take(in, 1) % 8) {

    case 0:
        return fz.file + at % sizeof(goim_channel_header_t);

    case 1:
        return fz.file + g.slots_at + at % 2400;

    case 2:
        return fz.file + g.lanes_at + at % 128;

    case 3:
        return fz.file + g.lanes_at + offsetof(goim_channel_lane_t, judge)
               + at % 64;

    case 4:
        return fz.file + g.lanes_at
               + (at & 1 ? offsetof(goim_channel_lane_t, topic)
                         : offsetof(goim_channel_lane_t, partition))
               + at / 2 % 512;

    case 5:
        return fz.file + g.lanes_at + g.index_at + at % 2048;

    default:
        return fz.file + g.lanes_at + g.ring_at + at % RING;
    }
}


static void
poke(input_t *in)
{
    uint64_t  v;
    uint8_t  *p;

    p = place(in);
    v = take(in, 1);

    switch (v % 4) {

    case 0:
        *p = take(in, 1);
        break;

    case 1:
        *p ^= 1 << v / 4 % 8;
        break;

    case 2:
        p -= (p - fz.file) % 8;
        v = take(in, 8);
        memcpy(p, &v, 8);
        break;

    default:

        /* near what stands there */

        p -= (p - fz.file) % 8;
        memcpy(&v, p, 8);
        v += (int8_t) take(in, 1) * (take(in, 1) & 1 ? 8 : 4096);
        memcpy(p, &v, 8);
        break;
    }
}


static void
read_all(size_t cap)
{
    int                   rc, turns;
    uint32_t              sum;
    const goim_record_t  *r;
    goim_reader_batch_t   batch = { fz.buf, cap, 0, 0 };

    sum = 0;

    for (turns = 0; turns < BOUND; turns++) {
        rc = goim_reader_read(fz.rd, 0, &batch);

        if (rc == GOIM_FULL && batch.end > cap) {
            check(batch.end <= RING);
            batch.cap = batch.end;
            continue;
        }

        if (rc != GOIM_OK) {
            break;
        }

        while ((r = goim_reader_next(&batch)) != NULL) {
            check(goim_record_body(r) + r->body_len
                  <= (uint8_t *) r + r->size);
            sum += r->target_len ? goim_record_target(r)[r->target_len - 1]
                                 : 0;
            sum += r->body_len ? goim_record_body(r)[r->body_len - 1] : 0;
        }
    }

    check(turns < BOUND && sum != UINT32_MAX);
}


/* A reader that is not asleep has something to do, but not for ever. */
static void
sleep_and_wake(void)
{
    int  turns;

    for (turns = 0; turns < 8; turns++) {
        if (goim_reader_sleep(fz.rd) == GOIM_OK) {
            break;
        }

        read_all(RING);
    }

    check(turns < 8);
    goim_reader_wake(fz.rd);
}


static int
visit(const goim_record_t *r, void *data)
{
    int  *n = data;

    check(goim_record_body(r) + r->body_len <= (uint8_t *) r + r->size);

    return ++*n < BOUND;
}


static void
history(int room)
{
    int               n;
    goim_str_t        name;
    const char *const rooms[] = { "room://1", "room://2", "nobody" };

    n = 0;
    name = str(rooms[room % 3]);
    (void) !goim_reader_history(fz.rd, 0,
                                goim_room_name_hash(name.data, name.len), name,
                                visit, &n);
    check(n < BOUND);
}


static void
look_at_table(void)
{
    int          n;
    int32_t      partition;
    uint64_t     next;
    const char  *topic;

    for (n = 0; goim_lane_partition(fz.lane, n, &topic, &partition, &next)
                == GOIM_OK; n++)
    {
        check(strlen(topic) < GOIM_CHANNEL_TOPIC_LEN && partition >= 0);
    }

    check(n <= GOIM_CHANNEL_PARTITIONS);
    (void) goim_lane_all_read(fz.lane, goim_lane_head(fz.lane));
    (void) goim_lane_knows_topic(fz.lane, 0);
    (void) goim_channel_live_readers(fz.pch);
}


static void
put_some(input_t *in)
{
    int       rc, tries;
    size_t    len;
    uint64_t  next;

    len = take(in, 1) * 5;

    for (tries = 0; tries < 3; tries++) {
        if (goim_lane_next(fz.lane, 0, len % 2, &next) != GOIM_OK) {
            next = 0;
        }

        rc = put(next, len, len);

        if (rc != GOIM_FULL) {
            break;
        }

        goim_lane_publish(fz.lane);
        goim_lane_look(fz.lane, fz.now_us += 20000);
        read_all(RING);
    }
}


static void
take_over(void)
{
    uint32_t      topic;
    goim_error_t  error;

    goim_wakeup_done(&fz.lane->wakeup);
    goim_lane_free(fz.lane);
    check(goim_lane_take(fz.pch, 0, &fz.lane, &error) == GOIM_OK);
    (void) !goim_lane_topic(fz.lane, "topic", &topic);
}


static void
operate(input_t *in)
{
    switch (take(in, 1) % 12) {

    case 0:
        read_all(RING);
        break;

    case 1:
        read_all(take(in, 1) * 8 + 8);
        break;

    case 2:
        sleep_and_wake();
        break;

    case 3:
        history(take(in, 1));
        break;

    case 4:
        put_some(in);
        break;

    case 5:
        goim_lane_publish(fz.lane);
        break;

    case 6:
        goim_lane_look(fz.lane, fz.now_us += take(in, 1) * 100);
        break;

    case 7:
        goim_lane_tick(fz.lane, 1);
        look_at_table();
        break;

    case 8:
        take_over();
        break;

    case 9:
        (void) !goim_lane_skip(fz.lane, 0, take(in, 1) % 4, take(in, 2));
        (void) !goim_lane_set_next(fz.lane, 0, take(in, 1) % 4, take(in, 2));
        break;

    default:
        poke(in);
        break;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int      i, pokes;
    input_t  in = { data, data + len };

    if (fz.image == NULL) {
        set_up();
    }

    memcpy(fz.file, fz.image, fz.len);
    fz.now_us = 1000000;

    for (pokes = take(&in, 1) % 16; pokes > 0; pokes--) {
        poke(&in);
    }

    open_all();

    for (i = 0; i < 200 && fz.pch != NULL && in.p < in.end; i++) {
        operate(&in);
    }

    close_all();

    return 0;
}
