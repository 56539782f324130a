/*
 * The consistent hash of goim v1's router: which of several nodes a name
 * belongs to.  A node that is added takes from all others, and nothing else
 * moves.
 */

#ifndef LS_RING_H_INCLUDED
#define LS_RING_H_INCLUDED


#include "goim.h"


#define LS_RING_NODES   64   /* at most */
#define LS_RING_POINTS  255  /* of each node, as in goim */


typedef struct {
    uint32_t  hash;
    uint32_t  node;
} ls_ring_point_t;


/* For nodes called "1", "2" and so on; a node's index is one less. */
typedef struct {
    ls_ring_point_t  *points;  /* by hash */
    size_t            npoints;
} ls_ring_t;


/* nodes: 1 to LS_RING_NODES; GOIM_NOMEM. */
GOIM_MUSTCHECK int ls_ring_make(ls_ring_t *ring, unsigned nodes);
void ls_ring_done(ls_ring_t *ring);

/* The index of the node that has the name. */
unsigned ls_ring_node(const ls_ring_t *ring, const void *name, size_t len);


#endif /* LS_RING_H_INCLUDED */
