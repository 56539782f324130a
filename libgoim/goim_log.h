/*
 * The log of the daemons: one line each to a file descriptor, in the shape of
 * nginx's error log, and limits for causes that repeat.
 */

#ifndef GOIM_LOG_H_INCLUDED
#define GOIM_LOG_H_INCLUDED


#include <stdint.h>


typedef enum {
    GOIM_LOG_ALERT = 0,  /* our bug */
    GOIM_LOG_CRIT,       /* the system denies: memory, disk */
    GOIM_LOG_ERROR,      /* something could not be served */
    GOIM_LOG_WARN,       /* degraded and recovering */
    GOIM_LOG_NOTICE,     /* start, stop, lanes taken and left */
    GOIM_LOG_INFO,
    GOIM_LOG_DEBUG,
    GOIM_LOG_LEVELS
} goim_log_level_e;


typedef struct {
    int               fd;
    goim_log_level_e  level;  /* lines above it are not written */
    const char       *actor;  /* how each line begins, such as "goim job" */
} goim_log_t;


/* One repeating cause: at most a line a second, the rest is counted. */
typedef struct {
    uint64_t  key;
    uint64_t  written_us;  /* when its last line was written, 0: never */
    uint64_t  omitted;     /* lines since then */
} goim_log_limit_t;


/* Causes that are known by a number only; the oldest makes room. */
#define GOIM_LOG_CAUSES  32

typedef struct {
    goim_log_limit_t  limits[GOIM_LOG_CAUSES];
} goim_log_causes_t;


void goim_log(const goim_log_t *log, goim_log_level_e level, const char *fmt,
    ...)
    __attribute__((format(printf, 3, 4)));

void goim_log_limited(const goim_log_t *log, goim_log_limit_t *limit,
    goim_log_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The limit of a cause; never NULL. */
goim_log_limit_t *goim_log_cause(goim_log_causes_t *causes, uint64_t key);

/* GOIM_LOG_LEVELS: no such level. */
goim_log_level_e goim_log_level(const char *name);


#endif /* GOIM_LOG_H_INCLUDED */
