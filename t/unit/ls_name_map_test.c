/*
 * Names and their counts: sums, growing, and names that are alike.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ls_name_map.h"


static ls_name_map_entry_t *
get(ls_name_map_t *map, const char *name)
{
    goim_str_t            s = { (const uint8_t *) name, strlen(name) };
    ls_name_map_entry_t  *e;

    e = ls_name_map_get(map, s);
    assert_non_null(e);
    assert_int_equal(e->len, s.len);
    assert_memory_equal(e->name, name, s.len);

    return e;
}


static void
test_name_map_keeps_a_count_for_each_name(void **state)
{
    ls_name_map_t  map = { 0 };

    (void) state;

    assert_int_equal(get(&map, "a")->count, 0);
    get(&map, "a")->count = 5;
    get(&map, "")->count = 6;
    get(&map, "aa")->count += 7;

    assert_int_equal(get(&map, "a")->count, 5);
    assert_int_equal(get(&map, "")->count, 6);
    assert_int_equal(get(&map, "aa")->count, 7);
    assert_int_equal(map.n, 3);

    ls_name_map_clear(&map);
    assert_int_equal(map.n, 0);
    assert_int_equal(get(&map, "a")->count, 0);
    ls_name_map_clear(&map);
}


static void
test_name_map_loses_nothing_as_it_grows(void **state)
{
    char           name[32];
    unsigned       i, round;
    ls_name_map_t  map = { 0 };

    (void) state;

    for (round = 0; round < 2; round++) {

        for (i = 0; i < 10000; i++) {
            snprintf(name, sizeof(name), "live://%u", i);
            get(&map, name)->count += i;
            assert_true(map.n < map.size);
        }
    }

    assert_int_equal(map.n, 10000);

    for (i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "live://%u", i);
        assert_int_equal(get(&map, name)->count, 2 * i);
    }

    ls_name_map_clear(&map);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_name_map_keeps_a_count_for_each_name),
        cmocka_unit_test(test_name_map_loses_nothing_as_it_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
