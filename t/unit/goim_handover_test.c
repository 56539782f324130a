/*
 * Connections between two workers as bytes: what is written is read again,
 * and anything else is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "goim_handover.h"


static goim_str_t
str(const char *s)
{
    return (goim_str_t) { (const uint8_t *) s, strlen(s) };
}


static goim_handover_conn_t
sample(void)
{
    goim_handover_conn_t  conn = { 0 };

    conn.mid = -7;
    conn.age_ms = 123456789012ULL;
    conn.silent_ms = 300;
    conn.messages = 5;
    conn.room_messages = 4;
    conn.skipped[GOIM_HANDOVER_SKIPS - 1] = 9;
    conn.opened = 2;
    conn.flags = GOIM_HANDOVER_TEXT;
    conn.utf8 = 12;

    conn.strings[GOIM_HANDOVER_PLACE] = str("127.0.0.1:80 a /sub");
    conn.strings[GOIM_HANDOVER_KEY] = str("key");
    conn.strings[GOIM_HANDOVER_ROOM] = str("live://1");
    conn.strings[GOIM_HANDOVER_ACCEPTS] = str("11112222");
    conn.strings[GOIM_HANDOVER_IN] = str("in");
    conn.strings[GOIM_HANDOVER_MESSAGE] = str("message");

    conn.flags |= GOIM_HANDOVER_PROXY;
    conn.proxy_from = 1007;
    conn.proxy_to = 65535;
    conn.strings[GOIM_HANDOVER_PROXY_FROM] = str("192.0.2.7");
    conn.strings[GOIM_HANDOVER_PROXY_TO] = str("2001:db8::8");
    conn.strings[GOIM_HANDOVER_PROXY_MORE] = str("type, length, value");

    return conn;
}


/* Its bytes, in memory of exactly their size. */
static uint8_t *
encoded(const goim_handover_conn_t *conn, size_t *len)
{
    uint8_t  *buf;

    *len = goim_handover_size(conn);
    buf = malloc(*len);
    assert_non_null(buf);
    assert_ptr_equal(goim_handover_encode(buf, conn), buf + *len);

    return buf;
}


static void
test_handover_reads_what_it_writes(void **state)
{
    int                    i;
    size_t                 len, used;
    uint8_t               *buf;
    goim_handover_conn_t   conn, copy;

    (void) state;

    conn = sample();
    buf = encoded(&conn, &len);

    assert_int_equal(goim_handover_decode(&copy, buf, len, &used), GOIM_OK);
    assert_int_equal(used, len);
    assert_memory_equal(&copy, &conn,
                        offsetof(goim_handover_conn_t, strings));

    for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
        assert_int_equal(copy.strings[i].len, conn.strings[i].len);
        assert_true(copy.strings[i].len == 0
                    || memcmp(copy.strings[i].data, conn.strings[i].data,
                              conn.strings[i].len) == 0);
    }

    free(buf);
}


static void
test_handover_refuses_what_is_cut(void **state)
{
    size_t                 len, n, used;
    uint8_t               *buf, *part;
    goim_handover_conn_t   conn, copy;

    (void) state;

    conn = sample();
    buf = encoded(&conn, &len);

    for (n = 0; n < len; n++) {
        part = malloc(n + 1);
        memcpy(part, buf, n);
        assert_int_equal(goim_handover_decode(&copy, part, n, &used),
                         GOIM_INVALID);
        free(part);
    }

    free(buf);
}


/* Refused as soon as one of its parts says something that can't be. */
static void
expect_refused(const goim_handover_conn_t *conn)
{
    size_t                 len, used;
    uint8_t               *buf;
    goim_handover_conn_t   copy;

    buf = encoded(conn, &len);
    assert_int_equal(goim_handover_decode(&copy, buf, len, &used),
                     GOIM_INVALID);
    free(buf);
}


static void
test_handover_refuses_what_can_not_be(void **state)
{
    static const uint8_t   much[5000];
    goim_handover_conn_t   conn;

    (void) state;

    conn = sample();
    conn.strings[GOIM_HANDOVER_KEY].len = 0;
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_KEY] = (goim_str_t) { much, 256 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_ID] = (goim_str_t) { much, 33 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_ROOM] = (goim_str_t) { much, 256 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_ACCEPTS] = (goim_str_t) { much, 4100 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_PROXY_FROM] = (goim_str_t) { much, 129 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_PROXY_TO] = (goim_str_t) { much, 129 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_PROXY_MORE] = (goim_str_t) { much, 4097 };
    expect_refused(&conn);

    conn = sample();
    conn.strings[GOIM_HANDOVER_ACCEPTS].len = 7;
    expect_refused(&conn);

    conn = sample();
    conn.room_messages = 6;
    expect_refused(&conn);

    conn = sample();
    conn.opened = 3;
    expect_refused(&conn);
}


static void
test_handover_refuses_lengths_beyond_the_state(void **state)
{
    size_t                 i, len, used;
    uint8_t               *buf;
    uint32_t               huge;
    goim_handover_conn_t   conn, copy;

    (void) state;

    conn = sample();
    huge = 0xffffffff;

    /* the size, then each length */

    for (i = 0; i < 2 + GOIM_HANDOVER_STRINGS; i++) {
        buf = encoded(&conn, &len);
        memcpy(buf + 4 * i, &huge, 4);
        assert_int_equal(goim_handover_decode(&copy, buf, len, &used),
                         GOIM_INVALID);
        free(buf);
    }
}


static void
test_handover_knows_its_head(void **state)
{
    uint8_t               buf[sizeof(goim_handover_head_t)];
    goim_handover_head_t  head, copy;

    (void) state;

    goim_handover_begin(&head, 17, str("comet-1"));
    head.lanes = GOIM_CHANNEL_LANES;
    head.conns = GOIM_HANDOVER_CONNS;

    memcpy(buf, &head, sizeof(buf));
    assert_int_equal(goim_handover_head(&copy, buf, sizeof(buf)), GOIM_OK);
    assert_int_equal(copy.number, 17);
    assert_int_equal(copy.server_len, 7);
    assert_int_equal(goim_handover_head(&copy, buf, sizeof(buf) - 1),
                     GOIM_INVALID);

#define expect_bad(member, value)                                             \
    do {                                                                      \
        copy = head;                                                          \
        copy.member = (value);                                                \
        memcpy(buf, &copy, sizeof(buf));                                      \
        assert_int_equal(goim_handover_head(&copy, buf, sizeof(buf)),         \
                         GOIM_INVALID);                                       \
    } while (0)

    expect_bad(magic, 0);
    expect_bad(version, GOIM_HANDOVER_VERSION + 1);
    expect_bad(kind, 0);
    expect_bad(kind, GOIM_HANDOVER_ANSWER + 1);
    expect_bad(slot, GOIM_CHANNEL_SLOTS);
    expect_bad(lanes, GOIM_CHANNEL_LANES + 1);
    expect_bad(conns, GOIM_HANDOVER_CONNS + 1);
    expect_bad(server_len, GOIM_HANDOVER_SERVER + 1);
    expect_bad(total, GOIM_HANDOVER_MAX + 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_handover_reads_what_it_writes),
        cmocka_unit_test(test_handover_refuses_what_is_cut),
        cmocka_unit_test(test_handover_refuses_what_can_not_be),
        cmocka_unit_test(test_handover_refuses_lengths_beyond_the_state),
        cmocka_unit_test(test_handover_knows_its_head)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
