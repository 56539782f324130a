/*
 * What stands in a new generation of the channel: its file, with the partition
 * table of the one before it, and its pipes.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "goim_channel_int.h"


/* 0660 for a file is 0770 for its folder. */
mode_t
goim_channel_dir_mode(mode_t mode)
{
    return mode | ((mode & 0444) >> 2);
}


/*
 * By descriptor: the folder may belong to an unprivileged user, and a link put
 * in place of a name must not be followed by a master that is root.
 */
int
goim_channel_own(const goim_channel_conf_t *conf, const char *name,
    mode_t type, mode_t mode)
{
    int          fd, err;
    struct stat  st;

    fd = open(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1) {
        return GOIM_ERROR;
    }

    if (fstat(fd, &st) == -1) {
        goto failed;
    }

    if ((st.st_mode & S_IFMT) != type
        || (type != S_IFDIR && st.st_nlink != 1))
    {
        errno = ENOENT;
        goto failed;
    }

    if (((conf->uid != (uid_t) -1 && st.st_uid != conf->uid)
         || (conf->gid != (gid_t) -1 && st.st_gid != conf->gid))
        && fchown(fd, conf->uid, conf->gid) == -1)
    {
        goto failed;
    }

    if ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1) {
        goto failed;
    }

    close(fd);

    return GOIM_OK;

failed:

    err = errno;
    close(fd);
    errno = err;

    return GOIM_ERROR;
}


int
goim_channel_pipes(const goim_channel_conf_t *conf, const char *file,
    int make, goim_error_t *error)
{
    char      name[GOIM_CHANNEL_PATH_MAX + 64];
    mode_t    mode;
    uint32_t  i;

    mode = goim_channel_dir_mode(conf->mode);
    snprintf(name, sizeof(name), "%s.d", file);

    if ((make && mkdir(name, mode) == -1)
        || goim_channel_own(conf, name, S_IFDIR, mode) != GOIM_OK)
    {
        goto failed;
    }

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        goim_channel_pipe_name(file, i, name, sizeof(name));

        if ((make && mkfifo(name, conf->mode) == -1)
            || goim_channel_own(conf, name, S_IFIFO, conf->mode) != GOIM_OK)
        {
            goto failed;
        }
    }

    return GOIM_OK;

failed:

    goim_channel_fail(error, errno, "can't make \"%s\"", name);

    return GOIM_ERROR;
}


/* The topic's id in a new lane, or GOIM_FULL. */
static int
goim_channel_add_topic(goim_channel_lane_t *lane, const char *topic,
    uint32_t *id)
{
    uint64_t  t, n;

    n = atomic_load_explicit(&lane->topics, memory_order_relaxed);

    for (t = 0; t < n && strcmp(lane->topic[t], topic) != 0; t++) {
        /* void */
    }

    if (t == GOIM_CHANNEL_TOPICS) {
        return GOIM_FULL;
    }

    if (t == n) {
        snprintf(lane->topic[n], GOIM_CHANNEL_TOPIC_LEN, "%s", topic);
        atomic_store_explicit(&lane->topics, n + 1, memory_order_relaxed);
    }

    *id = t;

    return GOIM_OK;
}


/*
 * One entry for each partition, or the new lane's producer takes the table for
 * damaged; of two, which only damage can have made, the smaller.
 */
static int
goim_channel_add_partition(goim_channel_lane_t *lane, const char *topic,
    int32_t partition, uint64_t next)
{
    uint32_t                   id;
    uint64_t                   i, n;
    goim_channel_partition_t  *p;

    if (goim_channel_add_topic(lane, topic, &id) != GOIM_OK) {
        return GOIM_FULL;
    }

    n = atomic_load_explicit(&lane->partitions, memory_order_relaxed);

    for (i = 0; i < n; i++) {
        p = &lane->partition[i];

        if (p->partition == partition && p->topic == id) {
            if (next < p->next) {
                p->next = next;
            }

            return GOIM_OK;
        }
    }

    if (n == GOIM_CHANNEL_PARTITIONS) {
        return GOIM_FULL;
    }

    p = &lane->partition[n];
    p->topic = id;
    p->partition = partition;
    p->next = next;
    atomic_store_explicit(&lane->partitions, n + 1, memory_order_relaxed);

    return GOIM_OK;
}


/*
 * Deals the old generation's partitions to the new lanes.  Its producer may
 * be at work: an offset that is behind only means that the new lanes begin a
 * little earlier.
 */
static int
goim_channel_copy_table(uint8_t *base, const goim_channel_geometry_t *g,
    uint32_t lanes, goim_channel_lane_t *from)
{
    char                       topic[GOIM_CHANNEL_TOPIC_LEN];
    uint8_t                   *to;
    uint64_t                   i, n, topics;
    goim_channel_partition_t  *p;

    /* in this order: a topic is there before its first partition */

    n = atomic_load_explicit(&from->partitions, memory_order_acquire);
    topics = atomic_load_explicit(&from->topics, memory_order_acquire);

    for (i = 0; i < n && i < GOIM_CHANNEL_PARTITIONS; i++) {
        p = &from->partition[i];

        if (p->topic >= topics || p->topic >= GOIM_CHANNEL_TOPICS
            || p->partition < 0)
        {
            continue;
        }

        memcpy(topic, from->topic[p->topic], sizeof(topic));
        topic[sizeof(topic) - 1] = '\0';

        if (topic[0] == '\0') {
            continue;
        }

        to = base + g->lanes_at + g->lane_step * (p->partition % lanes);

        if (goim_channel_add_partition((goim_channel_lane_t *) to, topic,
                                       p->partition,
                                       atomic_load_explicit(
                                           &p->next, memory_order_acquire))
            != GOIM_OK)
        {
            return GOIM_FULL;
        }
    }

    return GOIM_OK;
}


static int
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

    for (i = 0; old != NULL && i < old->lanes; i++) {
        if (goim_channel_copy_table(base, &g, conf->lanes,
                                    goim_channel_lane(old, i))
            != GOIM_OK)
        {
            return GOIM_FULL;
        }
    }

    atomic_store_explicit(&h->magic, GOIM_CHANNEL_MAGIC, memory_order_release);

    return GOIM_OK;
}


/* A sparse file on a tmpfs that gets full would raise SIGBUS later. */
static int
goim_channel_allocate(int fd, uint64_t size)
{
    int  rc;

    do {
        rc = posix_fallocate(fd, 0, (off_t) size);
    } while (rc == EINTR);

    return rc;
}


int
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

    rc = goim_channel_allocate(fd, g.file_size);
    if (rc != 0) {
        goim_channel_fail(error, rc, "no room for \"%s\"", name);
        goto failed;
    }

    p = mmap(NULL, g.file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        goim_channel_fail(error, errno, "can't map \"%s\"", name);
        goto failed;
    }

    rc = goim_channel_init(p, conf, generation, old);
    munmap(p, g.file_size);

    if (rc != GOIM_OK) {
        goim_channel_fail(error, 0, "\"%s\" has too few lanes for the topics"
                          " and partitions there are", conf->path);
        goto failed;
    }

    if (goim_channel_own(conf, name, S_IFREG, conf->mode) != GOIM_OK) {
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


