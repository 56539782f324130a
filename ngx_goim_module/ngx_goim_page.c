
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


void
ngx_goim_page_string(ngx_goim_page_t *page, const u_char *data, size_t len)
{
    u_char  *p, *next, *last;

    p = (u_char *) data;
    last = p + len;

    ngx_goim_page_print(page, "\"");

    for (/* void */; p < last; p = next) {
        next = p + 1;

        if (*p == '"' || *p == '\\') {
            ngx_goim_page_print(page, "\\%c", *p);

        } else if (*p < 0x20) {
            ngx_goim_page_print(page, "\\u%04xd", *p);

        } else if (*p < 0x80) {
            ngx_goim_page_print(page, "%c", *p);

        } else {
            next = p;

            if (ngx_utf8_decode(&next, last - p) <= 0x10ffff) {
                ngx_goim_page_print(page, "%*s", (size_t) (next - p), p);

            } else {
                next = p + 1;
                ngx_goim_page_print(page, "?");
            }
        }
    }

    ngx_goim_page_print(page, "\"");
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
