/*
 * The consistent hash: the places that goim's own gives, what moves when a
 * node is added, and that all nodes get their share.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ls_ring.h"


static unsigned
node_of(const ls_ring_t *ring, unsigned long number)
{
    int   len;
    char  name[32];

    len = snprintf(name, sizeof(name), "%lu", number);

    return ls_ring_node(ring, name, len);
}


static void
test_ring_gives_the_nodes_of_goims_router(void **state)
{
    size_t     i;
    ls_ring_t  ring;

    static const struct {
        unsigned long  uid;
        unsigned       node;
    } places[] = {
        { 0, 1 }, { 1, 2 }, { 2, 1 }, { 10, 1 }, { 123, 2 }, { 1000000, 1 }
    };

    (void) state;

    assert_int_equal(ls_ring_make(&ring, 3), GOIM_OK);
    assert_int_equal(ring.npoints, 3 * LS_RING_POINTS);

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_int_equal(node_of(&ring, places[i].uid) + 1, places[i].node);
    }

    ls_ring_done(&ring);
}


static void
test_ring_of_one_node_has_everything(void **state)
{
    unsigned long  i;
    ls_ring_t      ring;

    (void) state;

    assert_int_equal(ls_ring_make(&ring, 1), GOIM_OK);

    for (i = 0; i < 1000; i++) {
        assert_int_equal(node_of(&ring, i), 0);
    }

    assert_int_equal(ls_ring_node(&ring, "", 0), 0);

    ls_ring_done(&ring);
}


static void
test_ring_gives_every_node_a_share(void **state)
{
    unsigned       n[LS_RING_NODES] = { 0 };
    unsigned       node;
    unsigned long  i;
    ls_ring_t      ring;

    (void) state;

    assert_int_equal(ls_ring_make(&ring, LS_RING_NODES), GOIM_OK);

    for (i = 0; i < LS_RING_NODES * 1000; i++) {
        node = node_of(&ring, i);
        assert_in_range(node, 0, LS_RING_NODES - 1);
        n[node]++;
    }

    for (node = 0; node < LS_RING_NODES; node++) {
        assert_in_range(n[node], 700, 1400);
    }

    ls_ring_done(&ring);
}


static void
test_ring_moves_names_only_to_a_node_that_is_added(void **state)
{
    unsigned       moved;
    unsigned long  i;
    ls_ring_t      three, four;

    (void) state;

    assert_int_equal(ls_ring_make(&three, 3), GOIM_OK);
    assert_int_equal(ls_ring_make(&four, 4), GOIM_OK);

    moved = 0;

    for (i = 0; i < 10000; i++) {

        if (node_of(&three, i) != node_of(&four, i)) {
            assert_int_equal(node_of(&four, i), 3);
            moved++;
        }
    }

    assert_in_range(moved, 2000, 3000);

    ls_ring_done(&three);
    ls_ring_done(&four);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ring_gives_the_nodes_of_goims_router),
        cmocka_unit_test(test_ring_of_one_node_has_everything),
        cmocka_unit_test(test_ring_gives_every_node_a_share),
        cmocka_unit_test(test_ring_moves_names_only_to_a_node_that_is_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
