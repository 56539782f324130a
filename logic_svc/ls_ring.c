/*
 * A consistent hash; see ls_ring.h.
 */

#include <stdio.h>
#include <stdlib.h>

#include "goim_sha1.h"
#include "ls_ring.h"


/* The last four bytes of the digest. */
static uint32_t
ls_ring_hash(const void *data, size_t len)
{
    uint8_t       digest[GOIM_SHA1_LEN];
    uint8_t      *p;
    goim_sha1_t   sha1;

    goim_sha1_init(&sha1);
    goim_sha1_update(&sha1, data, len);
    goim_sha1_final(&sha1, digest);

    p = digest + GOIM_SHA1_LEN - 4;

    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
           | (uint32_t) p[2] << 8 | p[3];
}


static int
ls_ring_compare(const void *one, const void *two)
{
    const ls_ring_point_t  *a = one, *b = two;

    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }

    return a->node < b->node ? -1 : a->node > b->node;
}


int
ls_ring_make(ls_ring_t *ring, unsigned nodes)
{
    int               len;
    char              name[32];
    unsigned          node, i;
    ls_ring_point_t  *point;

    ring->npoints = 0;
    ring->points = calloc((size_t) nodes * LS_RING_POINTS,
                          sizeof(ls_ring_point_t));
    if (ring->points == NULL) {
        return GOIM_NOMEM;
    }

    for (node = 0; node < nodes; node++) {

        for (i = 1; i <= LS_RING_POINTS; i++) {
            len = snprintf(name, sizeof(name), "%u:%u", node + 1, i);
            point = &ring->points[ring->npoints++];
            point->hash = ls_ring_hash(name, len);
            point->node = node;
        }
    }

    qsort(ring->points, ring->npoints, sizeof(ls_ring_point_t),
          ls_ring_compare);

    return GOIM_OK;
}


void
ls_ring_done(ls_ring_t *ring)
{
    free(ring->points);
    ring->points = NULL;
    ring->npoints = 0;
}


unsigned
ls_ring_node(const ls_ring_t *ring, const void *name, size_t len)
{
    size_t    low, high, middle;
    uint32_t  hash;

    hash = ls_ring_hash(name, len);

    /* the first point at or after it; behind the last one the first */

    low = 0;
    high = ring->npoints;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (ring->points[middle].hash < hash) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return ring->points[low == ring->npoints ? 0 : low].node;
}
