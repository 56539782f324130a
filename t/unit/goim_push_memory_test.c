/*
 * The memory behind one decoded push: pieces are aligned and apart, sizes
 * that cannot be had are refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "goim_push_memory.h"


#define PIECES  300


static void
test_push_memory_gives_aligned_pieces_that_do_not_overlap(void **state)
{
    size_t               i, k;
    uint8_t             *pieces[PIECES];
    goim_push_memory_t  *memory;

    (void) state;

    memory = goim_push_memory_create(100);
    assert_non_null(memory);

    /* sizes 0 to 299: within the first chunk, and in many more */

    for (i = 0; i < PIECES; i++) {
        pieces[i] = goim_push_memory_alloc(memory, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t) pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int) i, i);
    }

    for (i = 0; i < PIECES; i++) {

        for (k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], (uint8_t) i);
        }
    }

    assert_int_equal(memory->failed, 0);

    goim_push_memory_destroy(memory);
}


static void
test_push_memory_gives_pieces_around_the_size_of_a_chunk(void **state)
{
    size_t               size;
    uint8_t             *p;
    goim_push_memory_t  *memory;

    (void) state;

    memory = goim_push_memory_create(0);
    assert_non_null(memory);

    for (size = 4095; size <= 4097; size++) {
        p = goim_push_memory_alloc(memory, size);
        assert_non_null(p);
        memset(p, 1, size);
    }

    p = goim_push_memory_alloc(memory, 1 << 20);
    assert_non_null(p);
    memset(p, 1, 1 << 20);

    goim_push_memory_destroy(memory);
}


static void
test_push_memory_refuses_sizes_that_would_overflow(void **state)
{
    goim_push_memory_t  *memory;

    (void) state;

    assert_null(goim_push_memory_create(SIZE_MAX));
    assert_null(goim_push_memory_create(SIZE_MAX - 64));
    assert_null(goim_push_memory_create(SIZE_MAX / 2 + 1));

    memory = goim_push_memory_create(0);
    assert_non_null(memory);

    assert_null(goim_push_memory_alloc(memory, SIZE_MAX));
    assert_null(goim_push_memory_alloc(memory, SIZE_MAX - 15));
    assert_null(goim_push_memory_alloc(memory, SIZE_MAX / 2 + 1));
    assert_int_equal(memory->failed, 1);

    /* and goes on */

    assert_non_null(goim_push_memory_alloc(memory, 1));

    goim_push_memory_destroy(memory);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            test_push_memory_gives_aligned_pieces_that_do_not_overlap),
        cmocka_unit_test(
            test_push_memory_gives_pieces_around_the_size_of_a_chunk),
        cmocka_unit_test(test_push_memory_refuses_sizes_that_would_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
