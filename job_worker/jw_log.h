/*
 * goim-job's log: one line each to a file descriptor, in the shape of nginx's
 * error log, and limits for causes that repeat.
 */

#ifndef JW_LOG_H_INCLUDED
#define JW_LOG_H_INCLUDED


#include <stdint.h>


typedef enum {
    JW_LOG_ALERT = 0,  /* our bug */
    JW_LOG_CRIT,       /* the system denies: memory, disk */
    JW_LOG_ERROR,      /* something could not be served */
    JW_LOG_WARN,       /* degraded and recovering */
    JW_LOG_NOTICE,     /* start, stop, lanes taken and left */
    JW_LOG_INFO,
    JW_LOG_DEBUG,
    JW_LOG_LEVELS
} jw_log_level_e;


typedef struct {
    int             fd;
    jw_log_level_e  level;  /* lines above it are not written */
} jw_log_t;


/* One repeating cause: at most a line a second, the rest is counted. */
typedef struct {
    uint64_t  key;
    uint64_t  written_us;  /* when its last line was written, 0: never */
    uint64_t  omitted;     /* lines since then */
} jw_log_limit_t;


/* Causes that are known by a number only; the oldest makes room. */
#define JW_LOG_CAUSES  32

typedef struct {
    jw_log_limit_t  limits[JW_LOG_CAUSES];
} jw_log_causes_t;


void jw_log(const jw_log_t *log, jw_log_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void jw_log_limited(const jw_log_t *log, jw_log_limit_t *limit,
    jw_log_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The limit of a cause; never NULL. */
jw_log_limit_t *jw_log_cause(jw_log_causes_t *causes, uint64_t key);

/* JW_LOG_LEVELS: no such level. */
jw_log_level_e jw_log_level(const char *name);


#endif /* JW_LOG_H_INCLUDED */
