/*
 * Writes log lines; see goim_log.h.  A line goes out in one write(), so that
 * lines of several processes do not mix.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "goim_log.h"
#include "goim_time.h"


#define GOIM_LOG_LINE         2048
#define GOIM_LOG_INTERVAL_US  1000000


static const char *const  goim_log_names[GOIM_LOG_LEVELS] = {
    "alert", "crit", "error", "warn", "notice", "info", "debug"
};


static void
goim_log_write(const goim_log_t *log, goim_log_level_e level, uint64_t omitted,
    const char *fmt, va_list args)
{
    char       line[GOIM_LOG_LINE];
    char      *p, *start, *last;
    time_t     now;
    struct tm  tm;

    now = time(NULL);
    localtime_r(&now, &tm);

    p = line;
    last = line + sizeof(line) - 64;  /* room for what follows the text */

    p += strftime(p, last - p, "%Y/%m/%d %H:%M:%S", &tm);
    p += snprintf(p, last - p, " [%s] %s: ", goim_log_names[level],
                  log->actor);

    start = p;
    vsnprintf(p, last - p, fmt, args);

    /* what others wrote, librdkafka included, must not break the line */

    for (p = start; *p; p++) {
        if ((unsigned char) *p < ' ' || *p == 127) {
            *p = ' ';
        }
    }

    if (omitted) {
        p += snprintf(p, 48, " (and %llu like it before)",
                      (unsigned long long) omitted);
    }

    *p++ = '\n';

    if (write(log->fd, line, p - line) == -1) {

        /* nobody is left to be told */
    }
}


void
goim_log(const goim_log_t *log, goim_log_level_e level, const char *fmt, ...)
{
    va_list  args;

    if (level > log->level) {
        return;
    }

    va_start(args, fmt);
    goim_log_write(log, level, 0, fmt, args);
    va_end(args);
}


void
goim_log_limited(const goim_log_t *log, goim_log_limit_t *limit,
    goim_log_level_e level, const char *fmt, ...)
{
    uint64_t  now;
    va_list   args;

    if (level > log->level) {
        return;
    }

    now = goim_time_us();

    if (limit->written_us && now - limit->written_us < GOIM_LOG_INTERVAL_US) {
        limit->omitted++;
        return;
    }

    va_start(args, fmt);
    goim_log_write(log, level, limit->omitted, fmt, args);
    va_end(args);

    limit->written_us = now;
    limit->omitted = 0;
}


goim_log_limit_t *
goim_log_cause(goim_log_causes_t *causes, uint64_t key)
{
    size_t           i;
    goim_log_limit_t  *oldest;

    oldest = &causes->limits[0];

    for (i = 0; i < GOIM_LOG_CAUSES; i++) {
        if (causes->limits[i].written_us && causes->limits[i].key == key) {
            return &causes->limits[i];
        }

        if (causes->limits[i].written_us < oldest->written_us) {
            oldest = &causes->limits[i];
        }
    }

    memset(oldest, 0, sizeof(goim_log_limit_t));
    oldest->key = key;

    return oldest;
}


goim_log_level_e
goim_log_level(const char *name)
{
    goim_log_level_e  level;

    for (level = 0; level < GOIM_LOG_LEVELS; level++) {
        if (strcmp(name, goim_log_names[level]) == 0) {
            break;
        }
    }

    return level;
}
