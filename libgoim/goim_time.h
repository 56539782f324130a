/*
 * The two clocks of the daemons: one for intervals, one for what others read.
 */

#ifndef GOIM_TIME_H_INCLUDED
#define GOIM_TIME_H_INCLUDED


#include <stdint.h>
#include <time.h>


/* Microseconds of a clock that never jumps. */
static inline uint64_t
goim_time_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* Milliseconds since 1970. */
static inline uint64_t
goim_time_wall_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


#endif /* GOIM_TIME_H_INCLUDED */
