/*
 * What becomes of a push: the record's fields, and the reasons for skipping.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "goim_room_name.h"
#include "jw_route.h"


static const jw_route_conf_t  conf = {
    .server_id = "comet-1",
    .max_age_ms = 0,
    .push = { .v1_room_type = "room", .v1_op = 1000 }
};


static goim_str_t
view_of(const char *text)
{
    goim_str_t  s;

    s.data = (const uint8_t *) text;
    s.len = strlen(text);

    return s;
}


/* Routes a value; the caller ends with jw_route_done() and free(*value). */
static void
route_value(jw_route_t *rt, const jw_route_conf_t *with, const uint8_t *value,
    size_t len, uint64_t time_ms, uint64_t now_ms)
{
    jw_route_input_t  in;

    in.value = value;
    in.len = len;
    in.offset = 77;
    in.partition = 5;
    in.time_ms = time_ms;
    in.now_ms = now_ms;

    memset(rt, 0, sizeof(jw_route_t));
    assert_int_equal(jw_route(rt, with, &in), GOIM_OK);
}


static uint8_t *
route_push(jw_route_t *rt, const goim_push_t *push)
{
    size_t    len;
    uint8_t  *value;

    assert_int_equal(goim_push_encode(push, &value, &len), GOIM_OK);
    route_value(rt, &conf, value, len, 1000, 2000);

    return value;
}


static void
assert_target(const jw_route_t *rt, const void *bytes, size_t len)
{
    assert_int_equal(rt->message.target.len, len);
    assert_memory_equal(rt->message.target.data, bytes, len);
}


/* A target's string as the header tells it. */
static size_t
add_string(uint8_t *p, const char *text)
{
    uint16_t  len;

    len = strlen(text);
    memcpy(p, &len, sizeof(len));
    memcpy(p + sizeof(len), text, len);

    return sizeof(len) + len;
}


static void
test_route_room_push_carries_the_name_and_its_hash(void **state)
{
    uint8_t      *value;
    jw_route_t    rt;
    goim_push_t   push = { .type = GOIM_PUSH_ROOM, .op = 1001 };

    (void) state;

    push.room = view_of("live://1000");
    push.body = view_of("hello");

    value = route_push(&rt, &push);

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt.message.kind, GOIM_RECORD_ROOM);
    assert_target(&rt, "live://1000", 11);
    assert_true(rt.message.hash
                == goim_room_name_hash((const uint8_t *) "live://1000", 11));
    assert_int_equal(rt.message.op, 1001);
    assert_int_equal(rt.message.arg, 0);
    assert_int_equal(rt.message.offset, 77);
    assert_int_equal(rt.message.partition, 5);
    assert_int_equal(rt.message.time, 1000);
    assert_int_equal(rt.message.body.len, 5);
    assert_memory_equal(rt.message.body.data, "hello", 5);

    jw_route_done(&rt);
    free(value);
}


static void
test_route_broadcast_carries_the_speed(void **state)
{
    uint8_t      *value;
    jw_route_t    rt;
    goim_push_t   push = { .type = GOIM_PUSH_BROADCAST, .op = 7, .speed = 64 };

    (void) state;

    push.body = view_of("hello");

    value = route_push(&rt, &push);

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt.message.kind, GOIM_RECORD_BROADCAST);
    assert_int_equal(rt.message.arg, 64);
    assert_int_equal(rt.message.target.len, 0);
    assert_true(rt.message.hash == 0);

    jw_route_done(&rt);
    free(value);
}


static void
test_route_keys_of_this_server_become_a_list(void **state)
{
    size_t        len;
    uint8_t      *value, target[64];
    goim_str_t    keys[2];
    jw_route_t    rt;
    goim_push_t   push = { .type = GOIM_PUSH_KEYS, .op = 1000 };

    (void) state;

    keys[0] = view_of("k1");
    keys[1] = view_of("key-2");
    push.keys = keys;
    push.nkeys = 2;
    push.server = view_of("comet-1");
    push.body = view_of("hello");

    value = route_push(&rt, &push);

    len = add_string(target, "k1");
    len += add_string(target + len, "key-2");

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt.message.kind, GOIM_RECORD_KEYS);
    assert_target(&rt, target, len);

    jw_route_done(&rt);
    free(value);
}


static void
test_route_keys_of_another_server_are_skipped(void **state)
{
    size_t        i;
    uint8_t      *value;
    goim_str_t    key;
    jw_route_t    rt;
    goim_push_t   push = { .type = GOIM_PUSH_KEYS, .op = 1000 };

    static const char *const  others[] = {
        "comet-2", "comet-", "comet-10", "Comet-1"
    };

    (void) state;

    key = view_of("k1");
    push.keys = &key;
    push.nkeys = 1;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        push.server = view_of(others[i]);
        value = route_push(&rt, &push);

        assert_int_equal(rt.skip, GOIM_JOB_OTHER_SERVER);
        assert_int_equal(rt.message.offset, 77);
        assert_int_equal(rt.message.partition, 5);

        jw_route_done(&rt);
        free(value);
    }
}


static void
test_route_keys_without_a_server_are_for_every_server(void **state)
{
    uint8_t      *value;
    goim_str_t    key;
    jw_route_t    rt;
    goim_push_t   push = { .type = GOIM_PUSH_KEYS, .op = 1000 };

    (void) state;

    key = view_of("k1");
    push.keys = &key;
    push.nkeys = 1;

    value = route_push(&rt, &push);

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);

    jw_route_done(&rt);
    free(value);
}


/* Its record's target is to be that connection id, and the key "k1". */
static void
assert_kick(jw_route_t *rt, goim_push_t *push, const char *conn)
{
    size_t      len;
    uint8_t    *value, target[64];
    goim_str_t  key;

    key = view_of("k1");
    push->type = GOIM_PUSH_KICK;
    push->keys = &key;
    push->nkeys = 1;
    push->reason = view_of("replaced");

    value = route_push(rt, push);

    len = add_string(target, conn);
    len += add_string(target + len, "k1");

    assert_int_equal(rt->skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt->message.kind, GOIM_RECORD_KICK);
    assert_target(rt, target, len);
    assert_int_equal(rt->message.body.len, 8);
    assert_memory_equal(rt->message.body.data, "replaced", 8);

    jw_route_done(rt);
    free(value);
}


static void
test_route_kick_begins_with_the_connection_to_spare(void **state)
{
    jw_route_t    rt;
    goim_push_t   push = { 0 };

    (void) state;

    push.spare = view_of("conn-9");

    assert_kick(&rt, &push, "conn-9");
    assert_int_equal(rt.message.arg, GOIM_KICK_SPARE);
}


static void
test_route_kick_may_be_for_one_connection_alone(void **state)
{
    jw_route_t    rt;
    goim_push_t   push = { 0 };

    (void) state;

    push.spare = view_of("conn-9");
    push.only = view_of("conn-10");

    assert_kick(&rt, &push, "conn-10");
    assert_int_equal(rt.message.arg, GOIM_KICK_ONLY);
}


static void
test_route_kick_may_spare_nobody(void **state)
{
    jw_route_t    rt;
    goim_push_t   push = { 0 };

    (void) state;

    assert_kick(&rt, &push, "");
}


static void
test_route_old_json_gets_the_configured_type_and_op(void **state)
{
    jw_route_t  rt;

    static const char  json[] = "{\"op\":\"broadcast_room\",\"roomid\":1,"
                                "\"msg\":\"aGVsbG8=\"}";

    (void) state;

    route_value(&rt, &conf, (const uint8_t *) json, sizeof(json) - 1, 0, 2000);

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt.message.kind, GOIM_RECORD_ROOM);
    assert_target(&rt, "room://1", 8);
    assert_int_equal(rt.message.op, 1000);
    assert_memory_equal(rt.message.body.data, "hello", 5);

    jw_route_done(&rt);
}


static void
test_route_what_cannot_be_read_says_why(void **state)
{
    size_t      i;
    jw_route_t  rt;

    static const char *const  values[] = {
        "", "{", "{}", "hello", "\x08\x63", "\xff\xff"
    };

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        route_value(&rt, &conf, (const uint8_t *) values[i],
                    strlen(values[i]), 0, 2000);

        assert_int_equal(rt.skip, GOIM_JOB_UNREADABLE);
        assert_non_null(rt.why);
        assert_int_equal(rt.message.offset, 77);

        jw_route_done(&rt);
    }
}


static void
test_route_max_age_is_counted_from_kafkas_time(void **state)
{
    size_t           i, len;
    uint8_t         *value;
    jw_route_t       rt;
    goim_push_t      push = { .type = GOIM_PUSH_BROADCAST };
    jw_route_conf_t  with = conf;

    static const struct {
        uint64_t            max_age_ms;
        uint64_t            time_ms;
        uint64_t            now_ms;
        goim_job_counter_e  skip;
    } cases[] = {
        { 500, 1000, 1500, GOIM_JOB_COUNTERS },
        { 500, 1000, 1501, GOIM_JOB_TOO_OLD },
        { 500, 1000, 999, GOIM_JOB_COUNTERS },   /* clocks differ */
        { 500, 0, 100000, GOIM_JOB_COUNTERS },   /* no time known */
        { 0, 1000, 100000, GOIM_JOB_COUNTERS },  /* no limit */
    };

    (void) state;

    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_OK);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        with.max_age_ms = cases[i].max_age_ms;
        route_value(&rt, &with, value, len, cases[i].time_ms,
                    cases[i].now_ms);

        assert_int_equal(rt.skip, cases[i].skip);

        jw_route_done(&rt);
    }

    free(value);
}


static void
test_route_begins_anew_with_every_message(void **state)
{
    size_t            len;
    uint8_t          *value;
    goim_str_t        key;
    jw_route_t        rt;
    goim_push_t       push = { .type = GOIM_PUSH_KEYS, .op = 9 };
    jw_route_input_t  in;

    (void) state;

    key = view_of("a-rather-long-key");
    push.keys = &key;
    push.nkeys = 1;

    value = route_push(&rt, &push);
    jw_route_release(&rt);
    free(value);

    push = (goim_push_t){ .type = GOIM_PUSH_BROADCAST };
    assert_int_equal(goim_push_encode(&push, &value, &len), GOIM_OK);

    in = (jw_route_input_t){ .value = value, .len = len, .offset = 78 };
    assert_int_equal(jw_route(&rt, &conf, &in), GOIM_OK);

    assert_int_equal(rt.skip, GOIM_JOB_COUNTERS);
    assert_int_equal(rt.message.target.len, 0);
    assert_int_equal(rt.message.op, 0);
    assert_int_equal(rt.message.offset, 78);

    jw_route_done(&rt);
    free(value);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_route_room_push_carries_the_name_and_its_hash),
        cmocka_unit_test(test_route_broadcast_carries_the_speed),
        cmocka_unit_test(test_route_keys_of_this_server_become_a_list),
        cmocka_unit_test(test_route_keys_of_another_server_are_skipped),
        cmocka_unit_test(
            test_route_keys_without_a_server_are_for_every_server),
        cmocka_unit_test(test_route_kick_begins_with_the_connection_to_spare),
        cmocka_unit_test(test_route_kick_may_be_for_one_connection_alone),
        cmocka_unit_test(test_route_kick_may_spare_nobody),
        cmocka_unit_test(test_route_old_json_gets_the_configured_type_and_op),
        cmocka_unit_test(test_route_what_cannot_be_read_says_why),
        cmocka_unit_test(test_route_max_age_is_counted_from_kafkas_time),
        cmocka_unit_test(test_route_begins_anew_with_every_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
