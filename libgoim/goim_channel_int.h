/*
 * What the channel's own files share; nobody else includes it.
 */

#ifndef GOIM_CHANNEL_INT_H_INCLUDED
#define GOIM_CHANNEL_INT_H_INCLUDED


#include "goim_channel.h"


/* fmt holds one %s, for arg; too long a text is cut. */
__attribute__((noinline)) void goim_channel_fail(goim_error_t *error,
    int err, const char *fmt, const char *arg);

/* "dir" of "dir/name"; "." if there is no slash. */
void goim_channel_dir(const char *path, char *dir, size_t len);

typedef void (*goim_channel_scan_pt)(unsigned layout, uint64_t generation,
    void *data);

/*
 * Calls visit for each file of the channel, of whatever layout, whose name
 * ends in the suffix: "" for the channels themselves, ".d" for the folders of
 * their pipes.
 */
GOIM_MUSTCHECK int goim_channel_scan(const char *path, const char *suffix,
    goim_channel_scan_pt visit, void *data, goim_error_t *error);

/*
 * Opens the channel's file anew, for a lock: the very file that is mapped.
 * Returns the descriptor, or GOIM_ERROR and errno.
 */
GOIM_MUSTCHECK int goim_channel_lock_open(const goim_channel_t *ch);

/* goim_channel_build.c */

/*
 * Gives what it made, or what is kept, the configured owner and permissions.
 * type: S_IFREG, S_IFIFO or S_IFDIR; anything else under this name is an
 * error, with errno ENOENT.
 */
GOIM_MUSTCHECK int goim_channel_own(const goim_channel_conf_t *conf,
    const char *name, mode_t type, mode_t mode);

/* The permissions of a folder beside files of that mode. */
mode_t goim_channel_dir_mode(mode_t mode);

/*
 * The pipes of a generation: made, or, for one that is kept, only given their
 * owner, since a reader may have them open.
 */
GOIM_MUSTCHECK int goim_channel_pipes(const goim_channel_conf_t *conf,
    const char *file, int make, goim_error_t *error);

/* A whole file under the given name; old: whose table is copied, or NULL. */
GOIM_MUSTCHECK int goim_channel_build(const goim_channel_conf_t *conf,
    const char *name, uint64_t generation, const goim_channel_t *old,
    goim_error_t *error);


#endif /* GOIM_CHANNEL_INT_H_INCLUDED */
