/*
 * The two clocks of goim-job: one for intervals, one for what others read.
 */

#ifndef JW_TIME_H_INCLUDED
#define JW_TIME_H_INCLUDED


#include <stdint.h>
#include <time.h>


/* Microseconds of a clock that never jumps. */
static inline uint64_t
jw_time_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* Milliseconds since 1970. */
static inline uint64_t
jw_time_wall_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


#endif /* JW_TIME_H_INCLUDED */
