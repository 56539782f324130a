/*
 * Making generations of the channel: what the nginx master does at each start
 * and reload, and what it only checks under nginx -t.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "goim_channel_int.h"
#include "goim_lock.h"


#define GOIM_CHANNEL_MIN_STALL    2000  /* ms */
#define GOIM_CHANNEL_LOCK_TRIES   25    /* of 20 ms: half a second */

/* how many old generations may wait for their last readers */
#define GOIM_CHANNEL_GENERATIONS  64


/* 0660 for a file is 0770 for its folder. */
static mode_t
goim_channel_dir_mode(mode_t mode)
{
    return mode | ((mode & 0444) >> 2);
}


/* Gives a new or kept file its configured owner and permissions. */
static int
goim_channel_own(const goim_channel_conf_t *conf, const char *name,
    mode_t mode)
{
    struct stat  st;

    if (lstat(name, &st) == -1) {
        return GOIM_ERROR;
    }

    if (((conf->uid != (uid_t) -1 && st.st_uid != conf->uid)
         || (conf->gid != (gid_t) -1 && st.st_gid != conf->gid))
        && lchown(name, conf->uid, conf->gid) == -1)
    {
        return GOIM_ERROR;
    }

    if ((st.st_mode & 07777) != mode && chmod(name, mode) == -1) {
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


static int
goim_channel_check_conf(const goim_channel_conf_t *conf, goim_error_t *error)
{
    if (conf->path[0] == '\0' || strlen(conf->path) > GOIM_CHANNEL_PATH_LEN) {
        goim_channel_fail(error, 0, "the path \"%.60s\" is empty or too long",
                          conf->path);
        return GOIM_INVALID;
    }

    if (conf->size < GOIM_CHANNEL_MIN_SIZE
        || conf->size > GOIM_CHANNEL_MAX_SIZE
        || (conf->size & (conf->size - 1)) != 0)
    {
        goim_channel_fail(error, 0, "the size of \"%s\" must be a power of two,"
                          " 4k to 1g", conf->path);
        return GOIM_INVALID;
    }

    if (conf->lanes == 0 || conf->lanes > GOIM_CHANNEL_LANES) {
        goim_channel_fail(error, 0, "\"%s\" must have 1 to 64 lanes",
                          conf->path);
        return GOIM_INVALID;
    }

    if (conf->stall_ms < GOIM_CHANNEL_MIN_STALL) {
        goim_channel_fail(error, 0, "the stall of \"%s\" must be 2s or more",
                          conf->path);
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


/* "dir" of "dir/name". */
static void
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


/* The channel's folder is made if only it is missing. */
static int
goim_channel_make_dir(const goim_channel_conf_t *conf, goim_error_t *error)
{
    char    dir[GOIM_CHANNEL_PATH_MAX];
    mode_t  mode;

    goim_channel_dir(conf->path, dir, sizeof(dir));
    mode = goim_channel_dir_mode(conf->mode);

    if (mkdir(dir, mode) == -1) {
        if (errno == EEXIST) {
            return GOIM_OK;
        }

        goto failed;
    }

    if (goim_channel_own(conf, dir, mode) == GOIM_OK) {
        return GOIM_OK;
    }

failed:

    goim_channel_fail(error, errno, "can't make the folder \"%s\"", dir);

    return GOIM_ERROR;
}


/* Two masters (a binary upgrade, two nginx) make generations in turn. */
static int
goim_channel_make_lock(const goim_channel_conf_t *conf, goim_error_t *error)
{
    int              fd, rc, tries;
    char             name[GOIM_CHANNEL_PATH_MAX];
    struct timespec  ts = { 0, 20000000 };

    snprintf(name, sizeof(name), "%s.lock", conf->path);

    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1) {
        goim_channel_fail(error, errno, "can't open \"%s\"", name);
        return GOIM_ERROR;
    }

    for (tries = 0; tries < GOIM_CHANNEL_LOCK_TRIES; tries++) {
        rc = goim_lock_try(fd, 0);

        if (rc == GOIM_OK) {
            return fd;
        }

        if (rc == GOIM_ERROR) {
            break;
        }

        nanosleep(&ts, NULL);
    }

    goim_channel_fail(error, errno, "another process holds \"%s\"", name);
    close(fd);

    return GOIM_ERROR;
}


/*
 * The pipes of a new generation; those of a kept one only get their owner,
 * since a reader may have them open.
 */
static int
goim_channel_pipes(const goim_channel_conf_t *conf, const char *file,
    int make, goim_error_t *error)
{
    char      name[GOIM_CHANNEL_PATH_MAX + 64];
    mode_t    mode;
    uint32_t  i;

    mode = goim_channel_dir_mode(conf->mode);
    snprintf(name, sizeof(name), "%s.d", file);

    if ((make && mkdir(name, mode) == -1)
        || goim_channel_own(conf, name, mode) != GOIM_OK)
    {
        goto failed;
    }

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        goim_channel_pipe_name(file, i, name, sizeof(name));

        if ((make && mkfifo(name, conf->mode) == -1)
            || goim_channel_own(conf, name, conf->mode) != GOIM_OK)
        {
            goto failed;
        }
    }

    return GOIM_OK;

failed:

    goim_channel_fail(error, errno, "can't make \"%s\"", name);

    return GOIM_ERROR;
}


/* What a program without write access may find of an old partition table. */
static void
goim_channel_copy_partition(goim_channel_lane_t *lane, const char *topic,
    int32_t partition, uint64_t next)
{
    uint64_t                   t, n;
    goim_channel_partition_t  *p;

    n = atomic_load_explicit(&lane->topics, memory_order_relaxed);

    for (t = 0; t < n && strcmp(lane->topic[t], topic) != 0; t++) {
        /* void */
    }

    if (t == n) {
        if (n == GOIM_CHANNEL_TOPICS) {
            return;
        }

        snprintf(lane->topic[n], GOIM_CHANNEL_TOPIC_LEN, "%s", topic);
        atomic_store_explicit(&lane->topics, n + 1, memory_order_relaxed);
    }

    n = atomic_load_explicit(&lane->partitions, memory_order_relaxed);

    if (n == GOIM_CHANNEL_PARTITIONS) {
        return;
    }

    p = &lane->partition[n];
    p->topic = t;
    p->partition = partition;
    atomic_store_explicit(&p->next, next, memory_order_relaxed);
    atomic_store_explicit(&lane->partitions, n + 1, memory_order_relaxed);
}


/*
 * Deals the old generation's partitions to the new lanes.  Its producer may
 * be at work: an offset that is behind only means that the new lanes begin a
 * little earlier.
 */
static void
goim_channel_copy_table(uint8_t *base, const goim_channel_geometry_t *g,
    uint32_t lanes, const goim_channel_t *old)
{
    char                       topic[GOIM_CHANNEL_TOPIC_LEN];
    uint32_t                   i, lane;
    uint64_t                   k, n, topics;
    goim_channel_lane_t       *from;
    goim_channel_partition_t  *p;

    for (i = 0; i < old->lanes; i++) {
        from = goim_channel_lane(old, i);
        topics = atomic_load_explicit(&from->topics, memory_order_acquire);
        n = atomic_load_explicit(&from->partitions, memory_order_acquire);

        for (k = 0; k < n && k < GOIM_CHANNEL_PARTITIONS; k++) {
            p = &from->partition[k];

            if (p->topic >= topics || p->topic >= GOIM_CHANNEL_TOPICS
                || p->partition < 0)
            {
                continue;
            }

            memcpy(topic, from->topic[p->topic], sizeof(topic));
            topic[sizeof(topic) - 1] = '\0';

            lane = (uint32_t) p->partition % lanes;

            goim_channel_copy_partition(
                (goim_channel_lane_t *) (base + g->lanes_at
                                         + g->lane_step * lane),
                topic, p->partition,
                atomic_load_explicit(&p->next, memory_order_acquire));
        }
    }
}


static void
goim_channel_init(uint8_t *base, const goim_channel_conf_t *conf,
    uint64_t generation, const goim_channel_t *old)
{
    uint32_t                  i;
    goim_channel_lane_t      *lane;
    goim_channel_header_t    *h;
    goim_channel_geometry_t   g;

    goim_channel_geometry(&g, conf->lanes, conf->size);

    h = (goim_channel_header_t *) base;

    h->layout = GOIM_CHANNEL_LAYOUT;
    h->lanes = conf->lanes;
    h->size = conf->size;
    h->file_size = g.file_size;
    h->generation = generation;
    h->index_buckets = g.index_buckets;
    h->slots_at = g.slots_at;
    h->lanes_at = g.lanes_at;
    h->lane_step = g.lane_step;
    h->index_at = g.index_at;
    h->ring_at = g.ring_at;
    h->stall_ms = conf->stall_ms;

    for (i = 0; i < conf->lanes; i++) {
        lane = (goim_channel_lane_t *) (base + g.lanes_at + g.lane_step * i);

        lane->tail = conf->size;
        lane->head = conf->size;
        lane->table_pos = conf->size;
        lane->seq = 1;
    }

    if (old != NULL) {
        goim_channel_copy_table(base, &g, conf->lanes, old);
    }

    atomic_store_explicit(&h->magic, GOIM_CHANNEL_MAGIC, memory_order_release);
}


/*
 * Builds the file under another name.  posix_fallocate: a sparse file on a
 * tmpfs that gets full would raise SIGBUS later.
 */
static int
goim_channel_build(const goim_channel_conf_t *conf, const char *name,
    uint64_t generation, const goim_channel_t *old, goim_error_t *error)
{
    int                       fd, rc;
    void                     *p;
    goim_channel_geometry_t   g;

    goim_channel_geometry(&g, conf->lanes, conf->size);

    if (unlink(name) == -1 && errno != ENOENT) {
        goim_channel_fail(error, errno, "can't remove \"%s\"", name);
        return GOIM_ERROR;
    }

    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1) {
        goim_channel_fail(error, errno, "can't make \"%s\"", name);
        return GOIM_ERROR;
    }

    rc = posix_fallocate(fd, 0, g.file_size);
    if (rc != 0) {
        goim_channel_fail(error, rc, "no room for \"%s\"", name);
        goto failed;
    }

    p = mmap(NULL, g.file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        goim_channel_fail(error, errno, "can't map \"%s\"", name);
        goto failed;
    }

    goim_channel_init(p, conf, generation, old);
    munmap(p, g.file_size);

    if (goim_channel_own(conf, name, conf->mode) != GOIM_OK) {
        goim_channel_fail(error, errno, "can't give \"%s\" its owner", name);
        goto failed;
    }

    close(fd);

    return GOIM_OK;

failed:

    close(fd);
    (void) unlink(name);

    return GOIM_ERROR;
}


static void
goim_channel_max_visit(unsigned layout, uint64_t generation, void *data)
{
    uint64_t  *max = data;

    (void) layout;

    if (generation > *max) {
        *max = generation;
    }
}


/*
 * A number above all that there are, of whatever layout.  It is a time as
 * well, so that a number is not used again after all files were removed.
 */
static int
goim_channel_next_number(const char *path, uint64_t *generation,
    goim_error_t *error)
{
    uint64_t         max, ms;
    struct timespec  ts;

    max = 0;

    if (goim_channel_scan(path, goim_channel_max_visit, &max, error)
        != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    ms = (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

    *generation = ms > max ? ms : max + 1;

    return GOIM_OK;
}


/* Stores the newest generation's number in all that came before it. */
static void
goim_channel_link(const char *path, uint64_t newest)
{
    int                     i, n;
    uint64_t                list[GOIM_CHANNEL_GENERATIONS];
    goim_error_t            error;
    goim_channel_t         *ch;
    goim_channel_header_t  *h;

    n = goim_channel_list(path, list, GOIM_CHANNEL_GENERATIONS, &error);

    for (i = 0; i < n; i++) {
        if (list[i] >= newest
            || goim_channel_open(path, list[i], GOIM_CHANNEL_PRODUCER, &ch,
                                 &error)
               != GOIM_OK)
        {
            continue;
        }

        h = goim_channel_header(ch);

        if (atomic_load(&h->successor) != newest) {
            atomic_store_explicit(&h->successor, newest, memory_order_release);
        }

        goim_channel_close(ch);
    }
}


/* Whether the newest generation can serve the configuration as it is. */
static int
goim_channel_keep(const goim_channel_conf_t *conf, goim_channel_t *ch,
    goim_error_t *error)
{
    if (ch->lanes != conf->lanes || ch->size != conf->size) {
        return GOIM_AGAIN;
    }

    if (goim_channel_own(conf, ch->path, conf->mode) != GOIM_OK) {
        goim_channel_fail(error, errno, "can't give \"%s\" its owner",
                          ch->path);
        return GOIM_ERROR;
    }

    if (goim_channel_pipes(conf, ch->path, 0, error) != GOIM_OK) {

        /* a generation that has lost its pipes is not mended */

        return error->err == ENOENT ? GOIM_AGAIN : GOIM_ERROR;
    }

    atomic_store_explicit(&goim_channel_header(ch)->stall_ms, conf->stall_ms,
                          memory_order_relaxed);

    return GOIM_OK;
}


static int
goim_channel_make_next(const goim_channel_conf_t *conf, goim_channel_t *old,
    uint64_t *generation, goim_error_t *error)
{
    char  name[GOIM_CHANNEL_PATH_MAX], file[GOIM_CHANNEL_PATH_MAX];

    if (goim_channel_next_number(conf->path, generation, error) != GOIM_OK) {
        return GOIM_ERROR;
    }

    snprintf(name, sizeof(name), "%s.new", conf->path);
    goim_channel_file_name(conf->path, *generation, file, sizeof(file));

    if (goim_channel_build(conf, name, *generation, old, error) != GOIM_OK) {
        return GOIM_ERROR;
    }

    if (goim_channel_pipes(conf, file, 1, error) != GOIM_OK) {
        goto failed;
    }

    if (renameat2(AT_FDCWD, name, AT_FDCWD, file, RENAME_NOREPLACE) == -1) {
        goim_channel_fail(error, errno, "can't make \"%s\"", file);
        goto failed;
    }

    return GOIM_OK;

failed:

    (void) unlink(name);
    goim_channel_remove(conf->path, *generation);

    return GOIM_ERROR;
}


static int
goim_channel_make_locked(const goim_channel_conf_t *conf,
    uint64_t *generation, int *created, goim_error_t *error)
{
    int              rc;
    goim_channel_t  *ch;

    ch = NULL;
    *created = 0;

    rc = goim_channel_newest(conf->path, generation, error);

    if (rc == GOIM_OK) {
        rc = goim_channel_open(conf->path, *generation, GOIM_CHANNEL_PRODUCER,
                               &ch, error);

        if (rc == GOIM_OK) {
            rc = goim_channel_keep(conf, ch, error);

        } else if (rc == GOIM_INVALID) {

            /* damaged: the next one begins with an empty table */

            rc = GOIM_AGAIN;
        }
    }

    if (rc == GOIM_AGAIN) {
        rc = goim_channel_make_next(conf, ch, generation, error);
        *created = rc == GOIM_OK;
    }

    if (ch != NULL) {
        goim_channel_close(ch);
    }

    if (rc == GOIM_OK) {
        goim_channel_link(conf->path, *generation);
    }

    return rc;
}


int
goim_channel_make(const goim_channel_conf_t *conf, uint64_t *generation,
    int *created, goim_error_t *error)
{
    int  rc, lock;

    rc = goim_channel_check_conf(conf, error);
    if (rc != GOIM_OK) {
        return rc;
    }

    if (goim_channel_make_dir(conf, error) != GOIM_OK) {
        return GOIM_ERROR;
    }

    lock = goim_channel_make_lock(conf, error);
    if (lock < 0) {
        return GOIM_ERROR;
    }

    rc = goim_channel_make_locked(conf, generation, created, error);

    close(lock);

    return rc;
}


/* Room on the file system for one more generation. */
static int
goim_channel_check_room(const goim_channel_conf_t *conf, const char *dir,
    goim_error_t *error)
{
    struct statvfs           fs;
    goim_channel_geometry_t  g;

    if (statvfs(dir, &fs) == -1) {
        goim_channel_fail(error, errno, "can't look at \"%s\"", dir);
        return GOIM_ERROR;
    }

    goim_channel_geometry(&g, conf->lanes, conf->size);

    if ((uint64_t) fs.f_bavail * fs.f_frsize < g.file_size) {
        goim_channel_fail(error, ENOSPC, "no room for the channel in \"%s\"",
                          dir);
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


int
goim_channel_check(const goim_channel_conf_t *conf, goim_error_t *error)
{
    int              rc;
    char             folder[GOIM_CHANNEL_PATH_MAX];
    char             parent[GOIM_CHANNEL_PATH_MAX];
    uint64_t         generation;
    const char      *dir;
    struct stat      st;
    goim_channel_t  *ch;

    rc = goim_channel_check_conf(conf, error);
    if (rc != GOIM_OK) {
        return rc;
    }

    goim_channel_dir(conf->path, folder, sizeof(folder));
    dir = folder;

    if (stat(dir, &st) == -1 && errno == ENOENT) {

        /* the start makes this folder, but not the one it stands in */

        goim_channel_dir(folder, parent, sizeof(parent));
        dir = parent;
    }

    if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode)
        || access(dir, W_OK | X_OK) == -1)
    {
        goim_channel_fail(error, errno, "\"%s\" must be a folder that may be"
                          " written to", dir);
        return GOIM_ERROR;
    }

    rc = goim_channel_newest(conf->path, &generation, error);

    if (rc == GOIM_OK
        && goim_channel_open(conf->path, generation, GOIM_CHANNEL_LOOK, &ch,
                             error)
           == GOIM_OK)
    {
        rc = ch->lanes == conf->lanes && ch->size == conf->size ? GOIM_OK
                                                                : GOIM_AGAIN;
        goim_channel_close(ch);

        if (rc == GOIM_OK) {
            return GOIM_OK;
        }
    }

    if (rc == GOIM_ERROR) {
        return GOIM_ERROR;
    }

    return goim_channel_check_room(conf, dir, error);
}
