
/*
 * max_rate: of what is more than a room's members are to get, each message
 * has the same chance.  A bucket fills with max_rate tokens a second; the
 * chance is the tokens that are there against the messages that came in about
 * the last second.  It settles where the bucket is half full and as many
 * messages are let through as tokens come.
 */


#include "ngx_goim.h"


#define NGX_GOIM_RATE_TOKENS  8  /* that a bucket holds, at least */


static double
ngx_goim_rate_size(ngx_goim_room_class_t *class)
{
    return ngx_max(class->max_rate, NGX_GOIM_RATE_TOKENS);
}


/* What has come and what was forgotten since the last time. */
static void
ngx_goim_rate_update(ngx_goim_room_t *room)
{
    double            size, seconds;
    ngx_goim_rate_t  *rate;

    rate = &room->rate;
    size = ngx_goim_rate_size(room->class);

    if (rate->at == 0) {
        rate->tokens = size;

    } else {
        seconds = (ngx_msec_t) (ngx_current_msec - rate->at) / 1000.0;

        rate->tokens += seconds * room->class->max_rate;
        rate->tokens = ngx_min(rate->tokens, size);
        rate->arrivals *= seconds < 1 ? 1 - seconds : 0;
    }

    rate->at = ngx_current_msec;
}


void
ngx_goim_rate_turn(ngx_goim_room_t *room, ngx_uint_t ordinary,
    ngx_uint_t priority)
{
    double            size;
    ngx_goim_rate_t  *rate;

    ngx_goim_rate_update(room);

    rate = &room->rate;
    size = ngx_goim_rate_size(room->class);

    /* those take the others' place, but not for ever */

    rate->tokens = ngx_max(rate->tokens - priority, -size);
    rate->arrivals += ordinary;

    if (ordinary) {
        rate->chance = 2 * rate->tokens * room->class->max_rate
                       / (size * rate->arrivals);
        rate->chance = ngx_min(rate->chance, rate->tokens / ordinary);
    }
}


/* Of one message the same everywhere, so that members on other workers and
 * hosts get mostly the same ones: between 0 and 1. */
static double
ngx_goim_rate_lot(const goim_record_t *record)
{
    uint64_t  h;

    h = (uint64_t) record->offset + ((uint64_t) record->partition << 40);

    /* the end of splitmix64: every bit depends on all */

    h += 0x9e3779b97f4a7c15;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    h ^= h >> 31;

    return (h >> 11) * (1.0 / ((uint64_t) 1 << 53));
}


ngx_uint_t
ngx_goim_rate_admits(ngx_goim_room_t *room, const goim_record_t *record)
{
    if (ngx_goim_rate_lot(record) >= room->rate.chance) {
        return 0;
    }

    room->rate.tokens--;

    return 1;
}


ngx_uint_t
ngx_goim_rate_is_priority(ngx_goim_room_class_t *class, int32_t op)
{
    ngx_uint_t            i;
    ngx_goim_op_range_t  *range;

    range = class->priority.elts;

    for (i = 0; i < class->priority.nelts; i++) {
        if (op >= range[i].first && op <= range[i].last) {
            return 1;
        }
    }

    return 0;
}
