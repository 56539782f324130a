/*
 * The channel's file: its geometry, its generations' names, mapping one of
 * them.  Making them is goim_channel_make.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "goim_channel_int.h"
#include "goim_lock.h"
#include "goim_sigbus.h"


/* the largest page there is: slots are mapped apart from the rest */
#define GOIM_CHANNEL_PAGE    65536

/* within a lane */
#define GOIM_CHANNEL_BLOCK   4096

/* of a generation's number: what is longer was not made by us */
#define GOIM_CHANNEL_DIGITS  18

#define goim_channel_align(n, a)  (((n) + ((a) - 1)) & ~((uint64_t) (a) - 1))


const char *const  goim_job_counter_names[GOIM_JOB_COUNTERS] = {
    "messages", "records", "bytes", "batches", "wakeups", "unreadable",
    "too_large", "too_old", "other_server", "duplicate", "offset_resets",
    "kafka_errors", "pauses", "paused_ms", "readers_dead", "readers_out",
    "resets", "taken", "commits"
};


void
goim_channel_fail(goim_error_t *error, int err, const char *fmt,
    const char *arg)
{
    error->err = err;
    snprintf(error->text, sizeof(error->text), fmt, arg);
}


void
goim_channel_geometry(goim_channel_geometry_t *g, uint32_t lanes,
    uint64_t size)
{
    uint64_t  index_size;

    /* a bucket of 8 rooms for 8 KB of ring, 32,768 rooms for 32 MB */

    g->index_buckets = size / 8192;
    if (g->index_buckets < 16) {
        g->index_buckets = 16;
    }

    index_size = g->index_buckets * sizeof(goim_index_bucket_t);

    g->slots_at = goim_channel_align(sizeof(goim_channel_header_t),
                                     GOIM_CHANNEL_PAGE);
    g->slots_size = goim_channel_align(sizeof(goim_channel_slots_t),
                                       GOIM_CHANNEL_PAGE);
    g->lanes_at = g->slots_at + g->slots_size;
    g->index_at = goim_channel_align(sizeof(goim_channel_lane_t),
                                     GOIM_CHANNEL_BLOCK);
    g->ring_at = goim_channel_align(g->index_at + index_size,
                                    GOIM_CHANNEL_BLOCK);
    g->lane_step = g->ring_at + size;
    g->file_size = g->lanes_at + g->lane_step * lanes;
}


void
goim_channel_file_name(const char *path, uint64_t generation, char *buf,
    size_t len)
{
    snprintf(buf, len, "%s.%d.%" PRIu64, path, GOIM_CHANNEL_LAYOUT,
             generation);
}


void
goim_channel_pipe_name(const char *file, uint32_t slot, char *buf, size_t len)
{
    snprintf(buf, len, "%s.d/%" PRIu32, file, slot);
}


void
goim_channel_socket_name(const char *file, uint32_t slot, char *buf,
    size_t len)
{
    snprintf(buf, len, "%s.d/%" PRIu32 ".s", file, slot);
}


void
goim_channel_dir(const char *path, char *dir, size_t len)
{
    const char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        snprintf(dir, len, ".");

    } else {
        snprintf(dir, len, "%.*s", slash == path ? 1 : (int) (slash - path),
                 path);
    }
}


/*
 * A number as we write it: no sign, no space, no leading zero, so that each
 * name stands for one number and each number for one name.
 */
static const char *
goim_channel_parse_number(const char *p, uint64_t *number)
{
    size_t  n;

    *number = 0;

    for (n = 0; p[n] >= '0' && p[n] <= '9'; n++) {
        if (n == GOIM_CHANNEL_DIGITS) {
            return NULL;
        }

        *number = *number * 10 + (p[n] - '0');
    }

    return n && p[0] != '0' ? p + n : NULL;
}


/* "base.layout.generation", and the suffix behind it. */
static int
goim_channel_parse_name(const char *name, const char *base,
    const char *suffix, unsigned *layout, uint64_t *generation)
{
    size_t    len;
    uint64_t  n;

    len = strlen(base);

    if (strncmp(name, base, len) != 0 || name[len] != '.') {
        return 0;
    }

    name = goim_channel_parse_number(name + len + 1, &n);

    if (name == NULL || *name != '.' || n > UINT32_MAX) {
        return 0;
    }

    *layout = n;
    name = goim_channel_parse_number(name + 1, generation);

    return name != NULL && strcmp(name, suffix) == 0;
}


int
goim_channel_scan(const char *path, const char *suffix,
    goim_channel_scan_pt visit, void *data, goim_error_t *error)
{
    DIR            *d;
    char            dir[GOIM_CHANNEL_PATH_MAX];
    unsigned        layout;
    uint64_t        generation;
    const char     *base;
    struct dirent  *de;

    goim_channel_dir(path, dir, sizeof(dir));
    base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;

    d = opendir(dir);
    if (d == NULL) {
        if (errno == ENOENT) {
            return GOIM_OK;
        }

        goim_channel_fail(error, errno, "can't read the folder \"%s\"", dir);
        return GOIM_ERROR;
    }

    while ((de = readdir(d)) != NULL) {
        if (goim_channel_parse_name(de->d_name, base, suffix, &layout,
                                    &generation))
        {
            visit(layout, generation, data);
        }
    }

    closedir(d);

    return GOIM_OK;
}


typedef struct {
    uint64_t  *generations;
    int        n;
    int        max;
} goim_channel_list_t;


/* Keeps the newest ones, ascending. */
static void
goim_channel_list_visit(unsigned layout, uint64_t generation, void *data)
{
    int                   i;
    goim_channel_list_t  *list = data;

    if (layout != GOIM_CHANNEL_LAYOUT) {
        return;
    }

    if (list->n == list->max) {
        if (generation <= list->generations[0]) {
            return;
        }

        memmove(list->generations, list->generations + 1,
                (list->n - 1) * sizeof(uint64_t));
        list->n--;
    }

    for (i = list->n; i > 0 && list->generations[i - 1] > generation; i--) {
        list->generations[i] = list->generations[i - 1];
    }

    list->generations[i] = generation;
    list->n++;
}


int
goim_channel_list(const char *path, uint64_t *generations, int max,
    goim_error_t *error)
{
    goim_channel_list_t  list = { generations, 0, max };

    if (goim_channel_scan(path, "", goim_channel_list_visit, &list, error)
        != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    return list.n;
}


int
goim_channel_newest(const char *path, uint64_t *generation,
    goim_error_t *error)
{
    int  n;

    n = goim_channel_list(path, generation, 1, error);

    if (n < 0) {
        return n;
    }

    return n ? GOIM_OK : GOIM_AGAIN;
}


/* Everything in the header must be what lanes and size make it. */
static int
goim_channel_check_header(const goim_channel_header_t *h, uint64_t file_size)
{
    goim_channel_geometry_t  g;

    if (atomic_load_explicit(&h->magic, memory_order_acquire)
        != GOIM_CHANNEL_MAGIC
        || h->layout != GOIM_CHANNEL_LAYOUT
        || h->lanes == 0 || h->lanes > GOIM_CHANNEL_LANES
        || h->size < GOIM_CHANNEL_MIN_SIZE || h->size > GOIM_CHANNEL_MAX_SIZE
        || (h->size & (h->size - 1)) != 0)
    {
        return GOIM_INVALID;
    }

    goim_channel_geometry(&g, h->lanes, h->size);

    if (g.file_size != file_size || h->file_size != file_size
        || h->slots_at != g.slots_at || h->lanes_at != g.lanes_at
        || h->lane_step != g.lane_step || h->index_at != g.index_at
        || h->ring_at != g.ring_at || h->index_buckets != g.index_buckets)
    {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


/* The header is read, not mapped: it may be shorter than it says. */
static int
goim_channel_read_header(goim_channel_t *ch, uint64_t generation,
    goim_error_t *error)
{
    ssize_t                  n;
    struct stat              st;
    goim_channel_header_t    h;
    goim_channel_geometry_t  g;

    n = pread(ch->fd, &h, sizeof(h), 0);

    if (n == -1 || fstat(ch->fd, &st) == -1) {
        goim_channel_fail(error, errno, "can't read \"%s\"", ch->path);
        return GOIM_ERROR;
    }

    if (n != sizeof(h) || !S_ISREG(st.st_mode)
        || goim_channel_check_header(&h, st.st_size) != GOIM_OK
        || h.generation != generation)
    {
        goim_channel_fail(error, 0, "\"%s\" is not a channel, or damaged",
                          ch->path);
        return GOIM_INVALID;
    }

    goim_channel_geometry(&g, h.lanes, h.size);

    ch->lanes = h.lanes;
    ch->size = h.size;
    ch->generation = h.generation;
    ch->file_size = g.file_size;
    ch->index_buckets = g.index_buckets;
    ch->slots_at = g.slots_at;
    ch->slots_size = g.slots_size;
    ch->lanes_at = g.lanes_at;
    ch->lane_step = g.lane_step;
    ch->index_at = g.index_at;
    ch->ring_at = g.ring_at;

    return GOIM_OK;
}


static int
goim_channel_map(goim_channel_t *ch, goim_error_t *error)
{
    int    prot;
    void  *p;

    prot = PROT_READ;

    if (ch->mode == GOIM_CHANNEL_PRODUCER) {
        prot |= PROT_WRITE;
    }

    p = mmap(NULL, ch->file_size, prot, MAP_SHARED, ch->fd, 0);
    if (p == MAP_FAILED) {
        goto failed;
    }

    ch->base = p;
    ch->slots = (goim_channel_slots_t *) (ch->base + ch->slots_at);

    if (ch->mode != GOIM_CHANNEL_READER) {
        return GOIM_OK;
    }

    /* the slots alone are writable */

    p = mmap(NULL, ch->slots_size, PROT_READ | PROT_WRITE, MAP_SHARED, ch->fd,
             ch->slots_at);
    if (p == MAP_FAILED) {
        munmap(ch->base, ch->file_size);
        ch->base = NULL;
        goto failed;
    }

    ch->slots = p;

    return GOIM_OK;

failed:

    goim_channel_fail(error, errno, "can't map \"%s\"", ch->path);

    return GOIM_ERROR;
}


int
goim_channel_open(const char *path, uint64_t generation,
    goim_channel_mode_e mode, goim_channel_t **result, goim_error_t *error)
{
    int              rc, flags;
    goim_channel_t  *ch;

    ch = calloc(1, sizeof(goim_channel_t));
    if (ch == NULL) {
        goim_channel_fail(error, ENOMEM, "no memory for \"%s\"", path);
        return GOIM_NOMEM;
    }

    ch->mode = mode;
    goim_channel_file_name(path, generation, ch->path, sizeof(ch->path));

    flags = mode == GOIM_CHANNEL_LOOK ? O_RDONLY : O_RDWR;

    ch->fd = open(ch->path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (ch->fd == -1) {
        goim_channel_fail(error, errno, "can't open \"%s\"", ch->path);
        rc = GOIM_ERROR;
        goto failed;
    }

    rc = goim_channel_read_header(ch, generation, error);
    if (rc == GOIM_OK) {
        rc = goim_channel_map(ch, error);
    }

    if (rc != GOIM_OK) {
        goto failed;
    }

    if (goim_sigbus_guard(ch) != GOIM_OK) {
        goim_channel_fail(error, errno, "too many channels beside \"%s\"",
                          ch->path);
        rc = GOIM_ERROR;
        goto failed;
    }

    *result = ch;

    return GOIM_OK;

failed:

    goim_channel_close(ch);

    return rc;
}


void
goim_channel_close(goim_channel_t *ch)
{
    goim_sigbus_unguard(ch);

    if (ch->base != NULL) {
        if (ch->mode == GOIM_CHANNEL_READER) {
            munmap(ch->slots, ch->slots_size);
        }

        munmap(ch->base, ch->file_size);
    }

    if (ch->fd != -1) {
        close(ch->fd);
    }

    free(ch);
}


int
goim_channel_is_whole(goim_channel_t *ch)
{
    goim_channel_header_t  *h;

    h = goim_channel_header(ch);

    if (!ch->broken
        && (goim_channel_check_header(h, ch->file_size) != GOIM_OK
            || h->generation != ch->generation || h->lanes != ch->lanes
            || h->size != ch->size))
    {
        goim_sigbus_break(ch);
    }

    return !ch->broken;
}


int
goim_channel_lock_open(const goim_channel_t *ch)
{
    int          fd;
    struct stat  mapped, named;

    fd = goim_lock_open(ch->path);
    if (fd < 0) {
        return GOIM_ERROR;
    }

    if (fstat(fd, &named) == -1 || fstat(ch->fd, &mapped) == -1) {
        close(fd);
        return GOIM_ERROR;
    }

    if (named.st_ino != mapped.st_ino || named.st_dev != mapped.st_dev) {
        close(fd);
        errno = ESTALE;
        return GOIM_ERROR;
    }

    return fd;
}


int
goim_channel_is_unlinked(const goim_channel_t *ch)
{
    struct stat  mine, named;

    return fstat(ch->fd, &mine) == 0
           && (mine.st_nlink == 0
               || stat(ch->path, &named) == -1
               || mine.st_ino != named.st_ino
               || mine.st_dev != named.st_dev);
}


int
goim_channel_slot_is_held(const goim_channel_t *ch, uint32_t slot)
{
    return goim_lock_is_held(ch->fd, goim_channel_slot_lock(ch, slot));
}


int
goim_channel_lane_is_held(const goim_channel_t *ch, uint32_t lane)
{
    return goim_lock_is_held(ch->fd, goim_channel_lane_lock(ch, lane));
}


uint32_t
goim_channel_slots_used(const goim_channel_t *ch)
{
    uint64_t  used;

    used = atomic_load_explicit(&ch->slots->used, memory_order_acquire);

    return used < GOIM_CHANNEL_SLOTS ? (uint32_t) used : GOIM_CHANNEL_SLOTS;
}


int
goim_channel_live_readers(const goim_channel_t *ch)
{
    int       n;
    uint32_t  i, used;

    n = 0;
    used = goim_channel_slots_used(ch);

    for (i = 0; i < used; i++) {
        n += goim_channel_slot_is_held(ch, i);
    }

    return n;
}
