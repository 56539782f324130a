/*
 * One command for Redis, built argument by argument as it goes over the wire.
 * Pure.
 */

#ifndef LS_REDIS_COMMAND_H_INCLUDED
#define LS_REDIS_COMMAND_H_INCLUDED


#include "goim.h"


#define LS_REDIS_COMMAND_HEAD  16  /* for "*<args>\r\n", before all else */


/* Begins as all zeros.  Functions below may find no memory: that shows in
 * failed, and in nothing else. */
typedef struct {
    uint8_t   *data;
    size_t     len;
    size_t     size;
    unsigned   args;
    unsigned   failed:1;
} ls_redis_command_t;


/* Forgets what it holds, keeps its memory. */
void ls_redis_command_reset(ls_redis_command_t *cmd);
void ls_redis_command_done(ls_redis_command_t *cmd);

void ls_redis_command_add(ls_redis_command_t *cmd, const void *data,
    size_t len);
void ls_redis_command_text(ls_redis_command_t *cmd, const char *text);
void ls_redis_command_number(ls_redis_command_t *cmd, int64_t number);
void ls_redis_command_unsigned(ls_redis_command_t *cmd, uint64_t number);

/* Two strings as one argument. */
void ls_redis_command_join(ls_redis_command_t *cmd, const char *prefix,
    const void *data, size_t len);

/* The whole; lives until the next change.  GOIM_NOMEM. */
GOIM_MUSTCHECK int ls_redis_command_wire(ls_redis_command_t *cmd,
    goim_str_t *wire);


#endif /* LS_REDIS_COMMAND_H_INCLUDED */
