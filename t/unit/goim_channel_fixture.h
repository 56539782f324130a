/*
 * A channel in a folder of its own, for the tests of libgoim's channel.
 */

#ifndef GOIM_CHANNEL_FIXTURE_H_INCLUDED
#define GOIM_CHANNEL_FIXTURE_H_INCLUDED


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "goim_channel.h"
#include "goim_lane.h"
#include "goim_reader.h"
#include "goim_room_name.h"


#define FX_TOPIC  "goim-push-topic"


typedef struct {
    char                 dir[128];
    char                 path[160];
    goim_channel_conf_t  conf;
    uint64_t             generation;
    goim_channel_t      *pch;   /* opened by a producer */
    goim_channel_t      *rch;   /* opened by a reader */
    goim_lane_t         *lane;
    goim_reader_t       *rd;
    uint32_t             topic;
    goim_error_t         error;
    goim_reader_batch_t  batch;
} fx_t;


static inline int
fx_remove_one(const char *name, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(name);
}


static inline void
fx_remove_folder(const char *dir)
{
    (void) nftw(dir, fx_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}


/* Folders of tests that failed half-way are removed at exit. */

static char  fx_dirs[8][128];


static inline void
fx_remove_folders(void)
{
    int  i;

    for (i = 0; i < 8; i++) {
        if (fx_dirs[i][0] != '\0') {
            fx_remove_folder(fx_dirs[i]);
        }
    }
}


static inline void
fx_remember_folder(const char *dir, const char *other)
{
    int         i;
    static int  registered;

    if (!registered) {
        registered = 1;
        atexit(fx_remove_folders);
    }

    for (i = 0; i < 8; i++) {
        if (strcmp(fx_dirs[i], dir) == 0) {
            strcpy(fx_dirs[i], other);
            return;
        }
    }
}


static inline void
fx_folder(fx_t *fx)
{
    const char  *tmp;

    memset(fx, 0, sizeof(*fx));

    tmp = getenv("TMPDIR");

    if (access("/dev/shm", W_OK) == 0) {
        tmp = "/dev/shm";
    }

    snprintf(fx->dir, sizeof(fx->dir), "%s/goim-test-XXXXXX",
             tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(fx->dir));
    fx_remember_folder("", fx->dir);

    snprintf(fx->path, sizeof(fx->path), "%s/channel", fx->dir);

    fx->conf.path = fx->path;
    fx->conf.size = 4096;
    fx->conf.lanes = 1;
    fx->conf.stall_ms = 2000;
    fx->conf.uid = (uid_t) -1;
    fx->conf.gid = (gid_t) -1;
    fx->conf.mode = 0660;
}


static inline void
fx_make(fx_t *fx)
{
    int  created;

    if (goim_channel_make(&fx->conf, &fx->generation, &created, &fx->error)
        != GOIM_OK)
    {
        fail_msg("%s", fx->error.text);
    }
}


static inline goim_channel_t *
fx_open(fx_t *fx, goim_channel_mode_e mode)
{
    goim_channel_t  *ch;

    if (goim_channel_open(fx->path, fx->generation, mode, &ch, &fx->error)
        != GOIM_OK)
    {
        fail_msg("%s", fx->error.text);
    }

    return ch;
}


static inline goim_lane_t *
fx_take(fx_t *fx, uint32_t number)
{
    goim_lane_t  *lane;

    if (goim_lane_take(fx->pch, number, &lane, &fx->error) != GOIM_OK) {
        fail_msg("%s", fx->error.text);
    }

    assert_int_equal(goim_lane_topic(lane, FX_TOPIC, &fx->topic), GOIM_OK);

    return lane;
}


static inline goim_reader_t *
fx_reader(fx_t *fx)
{
    goim_reader_t  *rd;

    if (goim_reader_open(fx->rch, &rd, &fx->error) != GOIM_OK) {
        fail_msg("%s", fx->error.text);
    }

    return rd;
}


/* A channel with lane 0 taken and one reader. */
static inline void
fx_start(fx_t *fx, uint64_t size)
{
    fx_folder(fx);

    fx->conf.size = size;
    fx_make(fx);

    fx->pch = fx_open(fx, GOIM_CHANNEL_PRODUCER);
    fx->rch = fx_open(fx, GOIM_CHANNEL_READER);
    fx->lane = fx_take(fx, 0);
    fx->rd = fx_reader(fx);

    fx->batch.cap = size;
    fx->batch.buf = aligned_alloc(8, size);
    assert_non_null(fx->batch.buf);
}


static inline void
fx_stop(fx_t *fx)
{
    if (fx->lane != NULL) {
        goim_lane_leave(fx->lane);
    }

    if (fx->rd != NULL) {
        goim_reader_close(fx->rd);
    }

    if (fx->pch != NULL) {
        goim_channel_close(fx->pch);
    }

    if (fx->rch != NULL) {
        goim_channel_close(fx->rch);
    }

    free(fx->batch.buf);
    fx_remove_folder(fx->dir);
    fx_remember_folder(fx->dir, "");
}


static inline goim_str_t
fx_str(const char *s)
{
    return (goim_str_t) { (const uint8_t *) s, strlen(s) };
}


/* A message to a room, of partition 0. */
static inline goim_lane_message_t
fx_message(fx_t *fx, int64_t offset, const char *room, goim_str_t body)
{
    goim_lane_message_t  m = { 0 };

    m.kind = GOIM_RECORD_ROOM;
    m.target = fx_str(room);
    m.body = body;
    m.hash = goim_room_name_hash(m.target.data, m.target.len);
    m.time = 1700000000000ULL + offset;
    m.offset = offset;
    m.topic = fx->topic;
    m.op = 1000;

    return m;
}


static inline int
fx_put(fx_t *fx, int64_t offset, const char *room, const char *body)
{
    goim_lane_message_t  m = fx_message(fx, offset, room, fx_str(body));

    return goim_lane_put(fx->lane, &m);
}


/* A message whose record has exactly this size, a multiple of 8. */
static inline int
fx_put_size(fx_t *fx, int64_t offset, size_t size)
{
    int                   rc;
    uint8_t              *body;
    goim_lane_message_t   m;
    size_t                len;

    len = size - sizeof(goim_record_t) - 1;
    body = malloc(len + 1);
    memset(body, 'b', len + 1);

    m = fx_message(fx, offset, "r", (goim_str_t) { body, len });
    rc = goim_lane_put(fx->lane, &m);

    free(body);

    return rc;
}


/* The next record of lane 0 for a reader, or NULL. */
static inline const goim_record_t *
fx_next(fx_t *fx, goim_reader_t *rd)
{
    int                   rc;
    const goim_record_t  *r;

    for (;;) {
        r = goim_reader_next(&fx->batch);
        if (r != NULL) {
            return r;
        }

        rc = goim_reader_read(rd, 0, &fx->batch);
        if (rc != GOIM_OK) {
            assert_int_equal(rc, GOIM_AGAIN);
            return NULL;
        }
    }
}


static inline void
fx_expect(fx_t *fx, int64_t offset)
{
    const goim_record_t  *r;

    r = fx_next(fx, fx->rd);
    assert_non_null(r);
    assert_int_equal(r->offset, offset);
}


static inline void
fx_expect_nothing(fx_t *fx)
{
    assert_null(fx_next(fx, fx->rd));
}


static inline goim_channel_lane_t *
fx_shm(fx_t *fx)
{
    return goim_channel_lane(fx->pch, 0);
}


/* Gives the lane to a new producer, as after a kill -9 of the last one: it
 * publishes nothing more. */
static inline void
fx_take_over(fx_t *fx)
{
    extern void goim_lane_free(goim_lane_t *lane);

    goim_lane_free(fx->lane);
    fx->lane = fx_take(fx, 0);
}


static inline uint64_t
fx_counter(fx_t *fx, goim_job_counter_e counter)
{
    return fx_shm(fx)->counters[counter];
}


#endif /* GOIM_CHANNEL_FIXTURE_H_INCLUDED */
