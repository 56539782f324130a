
/*
 * A page of text that grows, in buffers of the request's pool.
 */


#include "ngx_goim.h"


#define NGX_GOIM_PAGE_BUF   4096
#define NGX_GOIM_PAGE_ITEM  512  /* one call prints this at most */


/* Room for one item in the last buffer. */
static ngx_int_t
ngx_goim_page_reserve(ngx_goim_page_t *page)
{
    ngx_chain_t  *cl;

    if (page->buf && page->buf->end - page->buf->last >= NGX_GOIM_PAGE_ITEM) {
        return NGX_OK;
    }

    cl = ngx_alloc_chain_link(page->pool);
    page->buf = ngx_create_temp_buf(page->pool, NGX_GOIM_PAGE_BUF);

    if (cl == NULL || page->buf == NULL) {
        page->buf = NULL;
        page->failed = 1;
        return NGX_ERROR;
    }

    cl->buf = page->buf;
    cl->next = NULL;
    *page->last = cl;
    page->last = &cl->next;

    return NGX_OK;
}


void ngx_cdecl
ngx_goim_page_print(ngx_goim_page_t *page, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    if (ngx_goim_page_reserve(page) != NGX_OK) {
        return;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(page->buf->last, page->buf->end, fmt, args);
    va_end(args);

    page->size += p - page->buf->last;
    page->buf->last = p;
}


/* The length of the UTF-8 character at p, 0: there is none. */
static size_t
ngx_goim_page_character(const u_char *p, const u_char *last)
{
    size_t   n;
    uint8_t  state;

    state = GOIM_UTF8_START;

    for (n = 1; p < last; n++) {
        state = goim_utf8_check(state, p++, 1);

        if (state == GOIM_UTF8_START) {
            return n;
        }

        if (state == GOIM_UTF8_INVALID) {
            break;
        }
    }

    return 0;
}


/* control: what is printed for a control character. */
static void
ngx_goim_page_quote(ngx_goim_page_t *page, const u_char *p, size_t len,
    const char *control)
{
    size_t         n;
    const u_char  *last;

    ngx_goim_page_print(page, "\"");

    for (last = p + len; p < last; p += ngx_max(n, 1)) {
        n = ngx_goim_page_character(p, last);

        if (n == 0) {
            ngx_goim_page_print(page, "?");

        } else if (*p == '"' || *p == '\\') {
            ngx_goim_page_print(page, "\\%c", *p);

        } else if (*p < 0x20) {
            ngx_goim_page_print(page, control, *p);

        } else {
            ngx_goim_page_print(page, "%*s", n, p);
        }
    }

    ngx_goim_page_print(page, "\"");
}


void
ngx_goim_page_string(ngx_goim_page_t *page, const u_char *data, size_t len)
{
    ngx_goim_page_quote(page, data, len, "\\u%04xd");
}


void
ngx_goim_page_label(ngx_goim_page_t *page, const u_char *data, size_t len)
{
    ngx_goim_page_quote(page, data, len, "?");
}


ngx_int_t
ngx_goim_page_send(ngx_http_request_t *r, ngx_goim_page_t *page,
    ngx_str_t *type)
{
    ngx_int_t  rc;

    if (page->failed || page->buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    page->buf->last_buf = (r == r->main) ? 1 : 0;
    page->buf->last_in_chain = 1;

    r->headers_out.content_length_n = page->size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, page->first);
}
