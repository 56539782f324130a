
/*
 * A room's frame log: blocks of wire-ready frames, kept as long as a member
 * may still have to get them.  Frames fill a block from its front and are
 * never split; where each ends, and how many messages the block then holds,
 * stands at the block's back.
 */


#include "ngx_goim.h"


#define NGX_GOIM_LOG_FIRST  2048   /* data of a block, at least */
#define NGX_GOIM_LOG_NEXT   16384  /* of one that follows another */


typedef struct {
    uint32_t        end;       /* of the frame, in the block */
    uint32_t        messages;  /* of the block, this frame's included */
    ngx_goim_gap_t  gap;       /* before it */
} ngx_goim_log_frame_t;


static ngx_goim_log_frame_t *
ngx_goim_log_frame(ngx_goim_block_t *b, uint32_t i)
{
    return (ngx_goim_log_frame_t *) (b->data + b->size) - (i + 1);
}


static ngx_uint_t
ngx_goim_log_fits(ngx_goim_block_t *b, size_t len)
{
    return b->used + len + (b->frames + 1) * sizeof(ngx_goim_log_frame_t)
           <= b->size;
}


static size_t
ngx_goim_log_block_size(size_t data)
{
    return ngx_align(offsetof(ngx_goim_block_t, data), 8) + data;
}


static ngx_goim_block_t *
ngx_goim_log_add_block(ngx_goim_log_t *log, size_t len)
{
    size_t             size;
    ngx_goim_block_t  *b;

    size = log->tail ? NGX_GOIM_LOG_NEXT : NGX_GOIM_LOG_FIRST;
    size = ngx_max(size, len + sizeof(ngx_goim_log_frame_t));

    /* the frames' ends are aligned */

    size = ngx_align(size, 8);

    b = ngx_goim_memory_alloc(ngx_goim_log_block_size(size));
    if (b == NULL) {
        return NULL;
    }

    ngx_memzero(b, sizeof(ngx_goim_block_t));

    b->start = log->end;
    b->size = size;
    b->messages = log->messages;

    if (log->tail) {
        log->tail->next = b;

    } else {
        log->head = b;
    }

    log->tail = b;

    return b;
}


u_char *
ngx_goim_log_append(ngx_goim_log_t *log, size_t len, uint32_t messages)
{
    u_char                *p;
    ngx_goim_block_t      *b;
    ngx_goim_log_frame_t  *f;

    b = log->tail;

    if (b == NULL || !ngx_goim_log_fits(b, len)) {
        b = ngx_goim_log_add_block(log, len);
        if (b == NULL) {
            return NULL;
        }
    }

    p = b->data + b->used;

    b->used += len;
    log->end += len;
    log->messages += messages;

    f = ngx_goim_log_frame(b, b->frames++);
    f->end = b->used;
    f->messages = log->messages - b->messages;
    f->gap = log->gap;

    return p;
}


void
ngx_goim_log_lose(ngx_goim_log_t *log, uint32_t messages)
{
    log->gap.lost += messages;
}


ngx_goim_block_t *
ngx_goim_log_block(ngx_goim_log_t *log, uint64_t pos)
{
    ngx_goim_block_t  *b;

    for (b = log->head; b->next && pos >= b->start + b->used; b = b->next) {
        /* void */
    }

    return b;
}


/* The first frame that ends at or behind a place in the block. */
static uint32_t
ngx_goim_log_search(ngx_goim_block_t *b, uint32_t place)
{
    uint32_t  low, high, middle;

    low = 0;
    high = b->frames;

    while (low < high) {
        middle = (low + high) / 2;

        if (ngx_goim_log_frame(b, middle)->end < place) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


uint64_t
ngx_goim_log_frame_end(ngx_goim_block_t *b, uint64_t pos)
{
    uint32_t  i, place;

    place = pos - b->start;

    if (place == 0) {
        return pos;
    }

    i = ngx_goim_log_search(b, place);

    return b->start + ngx_goim_log_frame(b, i)->end;
}


uint32_t
ngx_goim_log_messages(ngx_goim_block_t *b, uint64_t pos)
{
    uint32_t  i, place;

    place = pos - b->start;
    i = ngx_goim_log_search(b, place);

    if (i < b->frames && ngx_goim_log_frame(b, i)->end == place) {
        return b->messages + ngx_goim_log_frame(b, i)->messages;
    }

    return i == 0 ? b->messages
                  : b->messages + ngx_goim_log_frame(b, i - 1)->messages;
}


uint64_t
ngx_goim_log_newest(ngx_goim_log_t *log)
{
    ngx_goim_block_t  *b;

    b = log->tail;

    return b->frames > 1 ? b->start + ngx_goim_log_frame(b, b->frames - 2)->end
                         : b->start;
}


/* The frame that starts at pos, in *b or a block behind it; NULL: none. */
static ngx_goim_log_frame_t *
ngx_goim_log_next(ngx_goim_block_t **b, uint64_t pos)
{
    while (*b && pos >= (*b)->start + (*b)->used) {
        *b = (*b)->next;
    }

    return *b ? ngx_goim_log_frame(*b, ngx_goim_log_search(*b,
                                                   pos - (*b)->start + 1))
              : NULL;
}


ngx_goim_gap_t *
ngx_goim_log_gap(ngx_goim_log_t *log, ngx_goim_block_t *b, uint64_t pos)
{
    ngx_goim_log_frame_t  *f;

    f = ngx_goim_log_next(&b, pos);

    return f ? &f->gap : &log->gap;
}


uint64_t
ngx_goim_log_gap_end(ngx_goim_log_t *log, ngx_goim_block_t *b, uint64_t pos)
{
    ngx_goim_gap_t        *gap;
    ngx_goim_log_frame_t  *f;

    gap = ngx_goim_log_gap(log, b, pos);

    while ((f = ngx_goim_log_next(&b, pos)) != NULL) {

        if (f->gap.lost != gap->lost || f->gap.holes != gap->holes) {
            break;
        }

        pos = b->start + f->end;
    }

    return pos;
}


void
ngx_goim_log_hold(ngx_goim_block_t *b)
{
    b->holds++;
}


void
ngx_goim_log_release(ngx_goim_log_t *log, ngx_goim_block_t *b)
{
    b->holds--;
    ngx_goim_log_trim(log, log->keep);
}


void
ngx_goim_log_trim(ngx_goim_log_t *log, uint64_t keep)
{
    ngx_goim_block_t  *b;

    log->keep = keep;

    while ((b = log->head) != NULL) {

        if (b->holds || b->start + b->used > keep) {

            /* all that follow are needed as well */

            return;
        }

        log->head = b->next;

        if (log->head == NULL) {
            log->tail = NULL;
        }

        ngx_goim_memory_free(b, ngx_goim_log_block_size(b->size));
    }
}
