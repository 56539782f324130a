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


#define GOIM_CHANNEL_LOCK_TRIES   25    /* of 20 ms: half a second */

/* how many old generations may wait for their last readers */
#define GOIM_CHANNEL_GENERATIONS  64


static int
goim_channel_check_conf(const goim_channel_conf_t *conf, goim_error_t *error)
{
    size_t  len;

    len = strlen(conf->path);

    if (len == 0 || len > GOIM_CHANNEL_PATH_LEN
        || conf->path[len - 1] == '/')
    {
        goim_channel_fail(error, 0, "the path \"%.200s\" is empty, too long or"
                          " a folder's", conf->path);
        return GOIM_INVALID;
    }

    if (conf->size < GOIM_CHANNEL_MIN_SIZE
        || conf->size > GOIM_CHANNEL_MAX_SIZE
        || (conf->size & (conf->size - 1)) != 0)
    {
        goim_channel_fail(error, 0, "the size of \"%s\" must be a power of"
                          " two, 4k to 1g", conf->path);
        return GOIM_INVALID;
    }

    if (conf->lanes == 0 || conf->lanes > GOIM_CHANNEL_LANES) {
        goim_channel_fail(error, 0, "\"%s\" must have 1 to 64 lanes",
                          conf->path);
        return GOIM_INVALID;
    }

    if (conf->stall_ms < GOIM_CHANNEL_MIN_STALL
        || conf->stall_ms > GOIM_CHANNEL_MAX_STALL)
    {
        goim_channel_fail(error, 0, "the stall of \"%s\" must be 2s to 1h",
                          conf->path);
        return GOIM_INVALID;
    }

    return GOIM_OK;
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

    if (goim_channel_own(conf, dir, S_IFDIR, mode) == GOIM_OK) {
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

    if (goim_channel_scan(path, "", goim_channel_max_visit, &max, error)
        != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    ms = (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

    *generation = ms > max ? ms : max + 1;

    return GOIM_OK;
}


/*
 * All slots at once: nobody holds one, and until the file is gone nobody takes
 * one.  A file that is no channel has no readers.
 */
static int
goim_channel_has_readers(const char *path, uint64_t generation,
    goim_channel_t **ch)
{
    int           rc;
    goim_error_t  error;

    rc = goim_channel_open(path, generation, GOIM_CHANNEL_PRODUCER, ch,
                           &error);
    if (rc != GOIM_OK) {
        *ch = NULL;
        return rc != GOIM_INVALID && error.err != ENOENT;
    }

    return goim_lock_try_range((*ch)->fd, goim_channel_slot_lock(*ch, 0),
                               GOIM_CHANNEL_SLOTS)
           != GOIM_OK;
}


void
goim_channel_remove(const char *path, uint64_t generation)
{
    char             file[GOIM_CHANNEL_PATH_MAX];
    char             name[GOIM_CHANNEL_PATH_MAX + 64];
    uint32_t         i;
    goim_channel_t  *ch;

    if (goim_channel_has_readers(path, generation, &ch)) {
        goto done;
    }

    goim_channel_file_name(path, generation, file, sizeof(file));
    (void) unlink(file);

    for (i = 0; i < GOIM_CHANNEL_SLOTS; i++) {
        goim_channel_pipe_name(file, i, name, sizeof(name));
        (void) unlink(name);

        goim_channel_socket_name(file, i, name, sizeof(name));
        (void) unlink(name);
    }

    snprintf(name, sizeof(name), "%s.d", file);
    (void) rmdir(name);

done:

    if (ch != NULL) {
        goim_channel_close(ch);
    }
}


static void
goim_channel_set_successor(goim_channel_t *ch, uint64_t newest)
{
    atomic_store_explicit(&goim_channel_header(ch)->successor, newest,
                          memory_order_release);
}


/*
 * Stores the newest generation's number in all that came before it.  One that
 * is no channel can't be linked, and has no producer either.
 */
static int
goim_channel_link(const char *path, uint64_t newest, goim_error_t *error)
{
    int              i, n, rc;
    uint64_t         list[GOIM_CHANNEL_GENERATIONS];
    goim_channel_t  *ch;

    n = goim_channel_list(path, list, GOIM_CHANNEL_GENERATIONS, error);

    if (n < 0) {
        return GOIM_ERROR;
    }

    for (i = 0; i < n && list[i] < newest; i++) {
        rc = goim_channel_open(path, list[i], GOIM_CHANNEL_PRODUCER, &ch,
                               error);

        if (rc == GOIM_OK) {
            goim_channel_set_successor(ch, newest);
            goim_channel_close(ch);

        } else if (rc != GOIM_INVALID && error->err != ENOENT) {
            return GOIM_ERROR;
        }
    }

    return GOIM_OK;
}


typedef struct {
    const char  *path;
    uint64_t     generation;
} goim_channel_orphan_t;


static void
goim_channel_orphan_visit(unsigned layout, uint64_t generation, void *data)
{
    char                    file[GOIM_CHANNEL_PATH_MAX];
    struct stat             st;
    goim_channel_orphan_t  *orphan = data;

    if (layout != GOIM_CHANNEL_LAYOUT) {
        return;
    }

    goim_channel_file_name(orphan->path, generation, file, sizeof(file));

    if (lstat(file, &st) == -1 && errno == ENOENT) {
        orphan->generation = generation;
    }
}


/* Pipes of a generation whose making, or removal, was broken off: one a time
 * is enough. */
static void
goim_channel_remove_orphan(const char *path)
{
    goim_error_t           error;
    goim_channel_orphan_t  orphan = { path, 0 };

    if (goim_channel_scan(path, ".d", goim_channel_orphan_visit, &orphan,
                          &error)
        == GOIM_OK
        && orphan.generation != 0)
    {
        goim_channel_remove(path, orphan.generation);
    }
}


/* Whether the newest generation can serve the configuration as it is. */
static int
goim_channel_keep(const goim_channel_conf_t *conf, goim_channel_t *ch,
    goim_channel_made_e *made, goim_error_t *error)
{
    if (ch->lanes != conf->lanes || ch->size != conf->size) {
        return GOIM_AGAIN;
    }

    if (goim_channel_own(conf, ch->path, S_IFREG, conf->mode) != GOIM_OK) {
        goim_channel_fail(error, errno, "can't give \"%s\" its owner",
                          ch->path);
        return GOIM_ERROR;
    }

    if (goim_channel_pipes(conf, ch->path, 0, error) != GOIM_OK) {

        /* a generation that has lost its pipes is not mended */

        *made = GOIM_CHANNEL_NO_PIPES;

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
    int                  rc;
    goim_channel_t      *ch;
    goim_channel_made_e  made;

    ch = NULL;
    made = GOIM_CHANNEL_MADE;
    *created = GOIM_CHANNEL_KEPT;

    rc = goim_channel_newest(conf->path, generation, error);

    if (rc == GOIM_OK) {
        rc = goim_channel_open(conf->path, *generation, GOIM_CHANNEL_PRODUCER,
                               &ch, error);

        if (rc == GOIM_OK) {
            rc = goim_channel_keep(conf, ch, &made, error);

        } else if (rc == GOIM_INVALID) {

            /* damaged: the next one begins with an empty table */

            rc = GOIM_AGAIN;
            made = GOIM_CHANNEL_REPLACED;
        }
    }

    if (rc == GOIM_AGAIN) {
        rc = goim_channel_make_next(conf, ch, generation, error);

        if (rc == GOIM_OK) {
            *created = made;
        }
    }

    if (ch != NULL) {
        goim_channel_close(ch);
    }

    if (rc != GOIM_OK) {
        return rc;
    }

    goim_channel_remove_orphan(conf->path);

    /*
     * Not linked means that its producers never learn of the new one.  The
     * next start or reload tries again.
     */

    return goim_channel_link(conf->path, *generation, error);
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


/* The folder that the channel, or its own folder, will be made in. */
static int
goim_channel_check_dir(const goim_channel_conf_t *conf, char *dir, size_t len,
    goim_error_t *error)
{
    char         folder[GOIM_CHANNEL_PATH_MAX];
    struct stat  st;

    goim_channel_dir(conf->path, dir, len);

    if (stat(dir, &st) == -1 && errno == ENOENT) {

        /* the start makes this folder, but not the one it stands in */

        snprintf(folder, sizeof(folder), "%s", dir);
        goim_channel_dir(folder, dir, len);
    }

    if (stat(dir, &st) == -1 || access(dir, W_OK | X_OK) == -1) {
        goim_channel_fail(error, errno, "\"%s\" must be a folder that may be"
                          " written to", dir);
        return GOIM_ERROR;
    }

    if (!S_ISDIR(st.st_mode)) {
        goim_channel_fail(error, ENOTDIR, "\"%s\" is no folder", dir);
        return GOIM_ERROR;
    }

    return GOIM_OK;
}


int
goim_channel_check(const goim_channel_conf_t *conf, goim_error_t *error)
{
    int              rc;
    char             dir[GOIM_CHANNEL_PATH_MAX];
    uint64_t         generation;
    goim_channel_t  *ch;

    rc = goim_channel_check_conf(conf, error);
    if (rc != GOIM_OK) {
        return rc;
    }

    if (goim_channel_check_dir(conf, dir, sizeof(dir), error) != GOIM_OK) {
        return GOIM_ERROR;
    }

    rc = goim_channel_newest(conf->path, &generation, error);

    if (rc == GOIM_OK) {
        rc = goim_channel_open(conf->path, generation, GOIM_CHANNEL_LOOK, &ch,
                               error);
    }

    if (rc == GOIM_OK) {
        rc = ch->lanes == conf->lanes && ch->size == conf->size;

        if (access(ch->path, R_OK | W_OK) == -1) {
            goim_channel_fail(error, errno, "can't write to \"%s\"", ch->path);
            goim_channel_close(ch);
            return GOIM_ERROR;
        }

        goim_channel_close(ch);

        if (rc) {
            return GOIM_OK;
        }

    } else if (rc != GOIM_AGAIN && rc != GOIM_INVALID) {
        return rc;
    }

    /* none, a damaged one, or one of another size: the next would be made */

    return goim_channel_check_room(conf, dir, error);
}
