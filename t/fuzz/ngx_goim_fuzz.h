/*
 * What the targets that run a file of the module without nginx share: a check,
 * and what stands for calls of nginx and of other files.  Included once by
 * each.
 */

#ifndef NGX_GOIM_FUZZ_H_INCLUDED
#define NGX_GOIM_FUZZ_H_INCLUDED


#include "ngx_goim.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline void
check(int ok)
{
    if (!ok) {
        __builtin_trap();
    }
}


#if (NGX_HAVE_VARIADIC_MACROS)

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) log;
    (void) err;
    (void) fmt;
}

#endif


/* Always moved, and never larger than needed. */
u_char *
ngx_goim_out_reserve(ngx_goim_out_t **out, size_t len)
{
    size_t           used;
    ngx_goim_out_t  *o;

    used = *out ? (*out)->end - (*out)->start : 0;

    o = calloc(1, offsetof(ngx_goim_out_t, data) + used + len);
    if (o == NULL) {
        return NULL;
    }

    if (*out) {
        ngx_memcpy(o->data, (*out)->data + (*out)->start, used);
        free(*out);
    }

    o->end = used;
    o->size = used + len;
    *out = o;

    return o->data + used;
}


void
ngx_goim_out_free(ngx_goim_out_t **out)
{
    free(*out);
    *out = NULL;
}


#endif /* NGX_GOIM_FUZZ_H_INCLUDED */
