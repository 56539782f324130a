/*
 * What all of libgoim shares: result codes and the text of an error.
 */

#ifndef GOIM_H_INCLUDED
#define GOIM_H_INCLUDED


#include <stddef.h>
#include <stdint.h>


#define GOIM_OK        0
#define GOIM_AGAIN    -1  /* not now: more input, another try, nothing to do */
#define GOIM_INVALID  -2  /* the input breaks its format or a limit */
#define GOIM_FULL     -3  /* no room; nothing was written */
#define GOIM_NOMEM    -4
#define GOIM_ERROR    -5  /* a system call failed; errno, or a goim_error_t */


#define GOIM_MUSTCHECK  __attribute__((warn_unused_result))


/* A view of bytes that somebody else owns; not NUL-terminated. */
typedef struct {
    const uint8_t  *data;
    size_t          len;
} goim_str_t;


/* Filled by a function that returns GOIM_ERROR or GOIM_INVALID. */
typedef struct {
    int   err;        /* errno, or 0 */
    char  text[256];  /* a sentence for the log, without strerror(err) */
} goim_error_t;


#endif /* GOIM_H_INCLUDED */
