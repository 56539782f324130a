/*
 * Failing memory and a clock of the test's own, for the parts of goim-logic:
 * a test that includes this is linked so that these come in place of libc's.
 */

#ifndef LS_FAULTS_H_INCLUDED
#define LS_FAULTS_H_INCLUDED


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>


/* Allocations until the one that fails; 0: none does. */
static int       fail_at;

/* What both clocks say. */
static uint64_t  clock_ms = 1000000000;


void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);


static int
fails(void)
{
    return fail_at && --fail_at == 0;
}


void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}


void *
__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}


void *
__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}


char *
__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}


char *
__wrap_strndup(const char *s, size_t len)
{
    return fails() ? NULL : __real_strndup(s, len);
}


int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    (void) id;

    ts->tv_sec = clock_ms / 1000;
    ts->tv_nsec = clock_ms % 1000 * 1000000;

    return 0;
}


#endif /* LS_FAULTS_H_INCLUDED */
