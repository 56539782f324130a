/*
 * Any bytes as the headers of an auth answer, or the values of goim_identity:
 * lines of mid, key, room, accepts, connection id, heartbeat and features; the
 * lines behind them are operations that the client adds, or takes away again.
 * What is accepted keeps its limits, and has what its text says.
 */

#include "ngx_goim_fuzz.h"


#define FUZZ_ACCEPTS  1024


/* --- what the parser calls */

void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    (void) log;

    return malloc(size);
}


/* A random key. */
u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    (void) fmt;

    return ngx_cpymem(buf, "00000000-0000-4000-8000-000000000000", 36);
}


ngx_int_t
ngx_http_complex_value(ngx_http_request_t *r, ngx_http_complex_value_t *val,
    ngx_str_t *value)
{
    (void) r;
    (void) val;
    (void) value;

    return NGX_ERROR;
}


/* --- checks */

static void
check_identity(ngx_goim_identity_t *id, ngx_goim_identity_text_t *text)
{
    uint32_t  i;

    check(id->key_len == (text->key.len ? text->key.len : 36)
          && id->conn_len == text->conn.len
          && id->conn_len <= NGX_GOIM_CONN_MAX);
    check(text->key.len == 0
          || ngx_memcmp(ngx_goim_identity_key(id), text->key.data,
                        text->key.len) == 0);
    check(text->conn.len == 0
          || ngx_memcmp(ngx_goim_identity_conn(id), text->conn.data,
                        text->conn.len) == 0);
    check(id->room.len == text->room.len
          && id->room.len <= GOIM_ROOM_NAME_MAX);
    check(id->heartbeat <= 86400 * 1000 && id->heartbeat % 1000 == 0);
    check((id->features & ~NGX_GOIM_FEATURE_GAP) == 0);
    check(id->naccepts <= FUZZ_ACCEPTS);

    for (i = 0; i < id->naccepts; i++) {
        check(i == 0 || id->accepts[i - 1] <= id->accepts[i]);
        check(ngx_goim_identity_accepts(id, id->accepts[i]));
    }
}


/* Added it is there, taken away it is not, and all else stays. */
static void
check_change(ngx_goim_identity_t **id, ngx_goim_identity_text_t *text,
    ngx_str_t *line, ngx_log_t *log)
{
    uint32_t   n;
    ngx_int_t  rc;

    n = (*id)->naccepts;

    rc = ngx_goim_identity_change(id, line, 1, log);
    check(rc != NGX_ERROR);

    if (rc != NGX_OK) {
        check((*id)->naccepts == n);
        return;
    }

    check_identity(*id, text);

    rc = ngx_goim_identity_change(id, line, 0, log);
    check(rc == NGX_OK && (*id)->naccepts <= n);
    check_identity(*id, text);

    /* it holds nothing more that could be taken away */

    n = (*id)->naccepts;
    check(ngx_goim_identity_change(id, line, 0, log) == NGX_OK
          && (*id)->naccepts == n);
}


/* The next line; each is memory of its own, so that none is read beyond. */
static ngx_str_t
next_line(const uint8_t **p, const uint8_t *last)
{
    ngx_str_t       line;
    const uint8_t  *end;

    end = memchr(*p, '\n', last - *p);
    if (end == NULL) {
        end = last;
    }

    line.len = end - *p;
    line.data = malloc(line.len + 1);
    check(line.data != NULL);
    ngx_memcpy(line.data, *p, line.len);

    *p = end < last ? end + 1 : last;

    line.data = realloc(line.data, line.len ? line.len : 1);

    return line;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                     i;
    ngx_int_t                  rc;
    ngx_log_t                  log;
    ngx_str_t                  line, *fields;
    const uint8_t             *p, *last;
    ngx_goim_identity_t       *id;
    ngx_goim_identity_text_t   text;

    ngx_memzero(&log, sizeof(ngx_log_t));
    log.log_level = NGX_LOG_DEBUG;

    p = data;
    last = data + size;

    text.mid = next_line(&p, last);
    text.key = next_line(&p, last);
    text.room = next_line(&p, last);
    text.accepts = next_line(&p, last);
    text.conn = next_line(&p, last);
    text.heartbeat = next_line(&p, last);
    text.features = next_line(&p, last);

    id = NULL;
    rc = ngx_goim_identity_parse(&text, &id, &log);
    check(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        check_identity(id, &text);

        while (p < last) {
            line = next_line(&p, last);
            check_change(&id, &text, &line, &log);
            free(line.data);
        }

        free(id);
    }

    fields = (ngx_str_t *) &text;

    for (i = 0; i < sizeof(text) / sizeof(ngx_str_t); i++) {
        free(fields[i].data);
    }

    return 0;
}
