
/*
 * A page of text that grows, in buffers of the request's pool.
 */


#include "ngx_goim.h"


#define NGX_GOIM_PAGE_BUF   4096
#define NGX_GOIM_PAGE_ITEM  512  /* one call prints this at most */


void ngx_cdecl
ngx_goim_page_print(ngx_goim_page_t *page, const char *fmt, ...)
{
    u_char       *p;
    va_list       args;
    ngx_chain_t  *cl;

    if (page->buf == NULL
        || page->buf->end - page->buf->last < NGX_GOIM_PAGE_ITEM)
    {
        cl = ngx_alloc_chain_link(page->pool);
        page->buf = ngx_create_temp_buf(page->pool, NGX_GOIM_PAGE_BUF);

        if (cl == NULL || page->buf == NULL) {
            page->buf = NULL;
            page->failed = 1;
            return;
        }

        cl->buf = page->buf;
        cl->next = NULL;
        *page->last = cl;
        page->last = &cl->next;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(page->buf->last, page->buf->end, fmt, args);
    va_end(args);

    page->size += p - page->buf->last;
    page->buf->last = p;
}
