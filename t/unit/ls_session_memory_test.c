/*
 * The session store, in memory: its contract (ls_session.h), and nothing of
 * how it is kept.  Reports are given as workers send them.
 */

#include "ls_faults.h"

#include "ls_session_memory.h"


#define SIZE  65536


static ls_session_t  *store;

/* What the last call told. */
static struct {
    int     calls;
    int     rc;
    int     resync;
    size_t  n;
    char    text[SIZE];  /* a line for each thing */
} heard;


static int
setup(void **state)
{
    (void) state;

    fail_at = 0;
    store = ls_session_memory_create();

    return store == NULL;
}


static int
teardown(void **state)
{
    (void) state;

    fail_at = 0;
    ls_session_destroy(store);

    return 0;
}


static void
hear(const char *fmt, ...)
{
    size_t   len;
    va_list  args;

    len = strlen(heard.text);

    va_start(args, fmt);
    (void) vsnprintf(heard.text + len, SIZE - len, fmt, args);
    va_end(args);
}


static goim_str_t
view(const char *s)
{
    return (goim_str_t) { (const uint8_t *) s, strlen(s) };
}


#define STR(s)  (int) (s).len, (const char *) (s).data


static void
hear_kicks(void *data, int rc, const ls_session_kick_t *kicks, size_t n)
{
    size_t  i;

    (void) data;

    heard.calls++;
    heard.rc = rc;

    for (i = 0; i < n; i++) {
        hear("kick %.*s at %.*s, spare %.*s\n", STR(kicks[i].key),
             STR(kicks[i].server), STR(kicks[i].spare));

        /* the younger one is never the one to go */

        if (kicks[i].only.len == 0
            || (kicks[i].only.len == kicks[i].spare.len
                && memcmp(kicks[i].only.data, kicks[i].spare.data,
                          kicks[i].only.len)
                   == 0))
        {
            hear("but who goes is not told\n");
        }
    }
}


static void
hear_report(void *data, int rc, const ls_session_kick_t *kicks, size_t n,
    int resync)
{
    hear_kicks(data, rc, kicks, n);
    heard.resync = resync;
}


/* Its strings are gone afterwards, as a request's are. */
static void
connect_client(const char *key, int64_t mid, const char *server,
    const char *conn, uint64_t when_ms)
{
    char                *copies[3];
    size_t               i;
    ls_session_entry_t   entry;

    copies[0] = __real_strdup(key);
    copies[1] = __real_strdup(server);
    copies[2] = __real_strdup(conn);

    entry.key = view(copies[0]);
    entry.mid = mid;
    entry.server = view(copies[1]);
    entry.conn = view(copies[2]);
    entry.when_ms = when_ms;

    memset(&heard, 0, sizeof(heard));
    ls_session_connect(store, &entry, hear_kicks, NULL);
    assert_int_equal(heard.calls, 1);

    for (i = 0; i < 3; i++) {
        free(copies[i]);
    }
}


static void
report_bytes(const char *text, size_t len)
{
    int           failing;
    const char   *why;
    ls_report_t   report;

    failing = fail_at;
    fail_at = 0;
    assert_int_equal(ls_report_parse(&report, (const uint8_t *) text, len,
                                     &why),
                     GOIM_OK);
    fail_at = failing;

    memset(&heard, 0, sizeof(heard));
    ls_session_report(store, &report, hear_report, NULL);
    assert_int_equal(heard.calls, 1);

    ls_report_done(&report);
}


static void
report(const char *text)
{
    report_bytes(text, strlen(text));
}


static void
hear_places(void *data, int rc, const ls_session_place_t *places, size_t n)
{
    size_t  i;

    (void) data;

    heard.calls++;
    heard.rc = rc;
    heard.n = n;

    for (i = 0; i < n; i++) {
        hear("%.*s@%.*s ", STR(places[i].key), STR(places[i].server));
    }
}


/* Servers of keys: "key@server other@ ". */
static const char *
find_keys(const char *one, const char *other)
{
    goim_str_t  keys[2];

    keys[0] = view(one);
    keys[1] = view(other ? other : "");

    memset(&heard, 0, sizeof(heard));
    ls_session_find_keys(store, keys, other ? 2 : 1, hear_places, NULL);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.rc, GOIM_OK);
    assert_int_equal(heard.n, other ? 2 : 1);

    return heard.text;
}


static const char *
find_mids(int64_t one, int64_t other)
{
    int64_t  mids[2] = { one, other };

    memset(&heard, 0, sizeof(heard));
    ls_session_find_mids(store, mids, other ? 2 : 1, hear_places, NULL);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.rc, GOIM_OK);

    return heard.text;
}


/* Rooms that the store tells of, summed up. */
static struct {
    char      name[256];
    unsigned  members;
} rooms[64];

static size_t  nrooms;


static void
hear_server(void *data, const ls_session_server_t *server)
{
    (void) data;

    hear("%.*s: %llu of %llu addresses\n", STR(server->server),
         (unsigned long long) server->conns,
         (unsigned long long) server->addrs);
}


static void
hear_room(void *data, goim_str_t name, uint32_t members)
{
    size_t  i;

    (void) data;

    for (i = 0; i < nrooms; i++) {
        if (strlen(rooms[i].name) == name.len
            && memcmp(rooms[i].name, name.data, name.len) == 0)
        {
            rooms[i].members += members;
            return;
        }
    }

    assert_true(nrooms < sizeof(rooms) / sizeof(rooms[0]));
    memcpy(rooms[nrooms].name, name.data, name.len);
    rooms[nrooms].name[name.len] = '\0';
    rooms[nrooms++].members = members;
}


static void
hear_end(void *data, int rc)
{
    (void) data;

    heard.calls++;
    heard.rc = rc;
}


/* The servers that are online, a line for each; the rooms: in_room(). */
static const char *
online(void)
{
    static const ls_session_online_t  visitor = {
        hear_server, hear_room, hear_end
    };

    nrooms = 0;

    memset(&heard, 0, sizeof(heard));
    ls_session_online(store, &visitor, NULL);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.rc, GOIM_OK);

    return heard.text;
}


static unsigned
in_room(const char *name)
{
    size_t  i;

    for (i = 0; i < nrooms; i++) {
        if (strcmp(rooms[i].name, name) == 0) {
            return rooms[i].members;
        }
    }

    return 0;
}


#define assert_quiet()                                                        \
    do {                                                                      \
        assert_int_equal(heard.rc, GOIM_OK);                                  \
        assert_string_equal(heard.text, "");                                  \
        assert_int_equal(heard.resync, 0);                                    \
    } while (0)


/* --- sessions */

static void
test_session_is_found_by_key_and_mid_when_it_has_connected(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    assert_quiet();

    assert_string_equal(find_keys("k", NULL), "k@s1 ");
    assert_string_equal(find_mids(7, 0), "k@s1 ");
    assert_true(ls_session_up(store));
}


static void
test_session_places_are_in_the_order_of_the_keys(void **state)
{
    (void) state;

    connect_client("k", 0, "s1", "c1", 100);

    assert_string_equal(find_keys("k", "other"), "k@s1 other@ ");
    assert_string_equal(find_keys("other", "k"), "other@ k@s1 ");
    assert_string_equal(find_keys("k", "k"), "k@s1 k@s1 ");
    assert_string_equal(find_keys("", "K"), "@ K@ ");
}


static void
test_session_without_a_member_is_found_by_key_only(void **state)
{
    (void) state;

    connect_client("k", 0, "s1", "c1", 100);
    report("session 1 s1 0 1 complete 1\nconnect c1 k 0 websocket a 100\n");

    assert_string_equal(find_keys("k", NULL), "k@s1 ");
    assert_string_equal(find_mids(0, 0), "");
}


static void
test_session_member_has_all_its_connections(void **state)
{
    (void) state;

    connect_client("k1", -7, "s1", "c1", 100);
    connect_client("k2", -7, "s2", "c2", 101);
    connect_client("k3", 8, "s1", "c3", 102);

    assert_string_equal(find_mids(-7, 0), "k1@s1 k2@s2 ");
    assert_string_equal(find_mids(8, -7), "k3@s1 k1@s1 k2@s2 ");
    assert_string_equal(find_mids(9, 0), "");

    report("session 1 s1 0 1 complete 1\ndisconnect c1 k1 -7 client\n");
    assert_string_equal(find_mids(-7, 0), "k2@s2 ");

    report("session 1 s2 0 1 complete 1\ndisconnect c2 k2 -7 client\n");
    assert_string_equal(find_mids(-7, 0), "");
}


static void
test_session_names_may_have_their_full_length_and_any_bytes(void **state)
{
    char  key[256], server[256], conn[33], text[1024];

    (void) state;

    memset(key, 'k', 255);
    memset(server, 's', 255);
    memset(conn, 'c', 32);
    key[255] = server[255] = conn[32] = '\0';

    connect_client(key, 7, server, conn, 100);
    assert_quiet();

    (void) snprintf(text, sizeof(text), "%s@%s ", key, server);
    assert_string_equal(find_keys(key, NULL), text);

    report("session 1 s 0 1 complete 1\n"
           "connect %00%ff %00%00 7 tcp %00 100\nroom %00 1\n");
    assert_quiet();

    assert_string_equal(find_keys("\0", NULL), "@ ");
}


/* --- one key, several connections */

static void
test_session_younger_connection_replaces_an_older(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    connect_client("k", 8, "s2", "c2", 101);

    assert_string_equal(heard.text, "kick k at s1, spare c2\n");
    assert_string_equal(find_keys("k", NULL), "k@s2 ");
    assert_string_equal(find_mids(7, 8), "k@s2 ");
}


static void
test_session_older_connection_that_comes_late_has_to_go_itself(void **state)
{
    (void) state;

    connect_client("k", 7, "s2", "c2", 101);
    connect_client("k", 7, "s1", "c1", 100);

    assert_string_equal(heard.text, "kick k at s1, spare c2\n");
    assert_string_equal(find_keys("k", NULL), "k@s2 ");
    assert_string_equal(find_mids(7, 0), "k@s2 ");
}


static void
test_session_of_two_at_the_same_time_the_later_told_stays(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    connect_client("k", 7, "s2", "c2", 100);
    assert_string_equal(heard.text, "kick k at s1, spare c2\n");

    /* the one that lost is told of again */

    report("session 1 s1 0 1 complete 1\nconnect c1 k 7 websocket a 100\n");
    assert_string_equal(heard.text, "kick k at s1, spare c2\n");
    report("session 1 s1 0 1 complete 1\nrenew c1 k 7\n");
    assert_string_equal(heard.text, "kick k at s1, spare c2\n");

    assert_string_equal(find_keys("k", NULL), "k@s2 ");
}


static void
test_session_late_end_of_a_replaced_connection_is_not_heard(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    connect_client("k", 7, "s2", "c2", 101);
    report("session 1 s1 0 1 complete 0\nconnect c1 k 7 websocket a 100\n"
           "disconnect c1 k 7 replaced\n");

    assert_string_equal(find_keys("k", NULL), "k@s2 ");
    assert_string_equal(find_mids(7, 0), "k@s2 ");
}


static void
test_session_replaced_connection_is_kicked_again_when_renewed(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    connect_client("k", 7, "s2", "c2", 101);
    report("session 1 s1 0 1 complete 1\nrenew c1 k 7\n");

    assert_string_equal(heard.text, "kick k at s1, spare c2\n");
    assert_string_equal(find_keys("k", NULL), "k@s2 ");
}


static void
test_session_replaced_connection_comes_back_behind_the_younger(void **state)
{
    (void) state;

    connect_client("k", 7, "s1", "c1", 100);
    connect_client("k", 7, "s2", "c2", 101);
    report("session 1 s2 0 1 complete 0\ndisconnect c2 k 7 client\n");
    assert_string_equal(find_keys("k", NULL), "k@ ");

    report("session 1 s1 0 1 complete 1\nrenew c1 k 7\n");
    assert_quiet();
    assert_string_equal(find_keys("k", NULL), "k@s1 ");
}


static void
test_session_kicks_of_one_report_are_all_told(void **state)
{
    (void) state;

    connect_client("k1", 1, "s1", "c1", 100);
    connect_client("k2", 2, "s1", "c2", 100);
    connect_client("k3", 3, "s1", "c3", 300);

    /* the last one's spare ends within the report */

    report("session 1 s2 0 1 complete 2\n"
           "connect d1 k1 1 websocket a 200\n"
           "connect d2 k2 2 websocket a 200\n"
           "connect d3 k3 3 websocket a 200\n"
           "disconnect c3 k3 3 client\n");

    assert_string_equal(heard.text, "kick k1 at s1, spare d1\n"
                                    "kick k2 at s1, spare d2\n"
                                    "kick k3 at s2, spare c3\n");
}


/* --- reports */

static void
test_session_report_tells_of_connections_the_store_did_not_know(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 2\n"
           "connect c1 k1 7 websocket 192.0.2.1 100\n"
           "renew c2 k2 8\n");
    assert_quiet();

    assert_string_equal(find_keys("k1", "k2"), "k1@s1 k2@s1 ");
    assert_string_equal(find_mids(7, 8), "k1@s1 k2@s1 ");

    report("session 1 s1 0 1 complete 0\n"
           "disconnect c1 k1 7 client\ndisconnect c2 k2 8 client\n"
           "disconnect c3 k3 9 client\n");
    assert_quiet();

    assert_string_equal(find_keys("k1", "k2"), "k1@ k2@ ");
    assert_string_equal(find_mids(7, 8), "");
}


static void
test_session_report_that_comes_again_changes_nothing(void **state)
{
    char  before[256];

    static const char  first[] =
        "session 1 s1 0 1 complete 2\n"
        "connect c1 k1 7 websocket 192.0.2.1 100\n"
        "connect c2 k2 7 websocket 192.0.2.2 100\n"
        "connect c3 k3 7 websocket 192.0.2.3 100\n"
        "disconnect c3 k3 7 client\nroom r 2\n";

    (void) state;

    report(first);
    strcpy(before, online());
    assert_string_equal(before, "s1: 2 of 2 addresses\n");

    report(first);
    assert_quiet();

    assert_string_equal(online(), before);
    assert_int_equal(in_room("r"), 2);
    assert_string_equal(find_mids(7, 0), "k1@s1 k2@s1 ");
    assert_string_equal(find_keys("k3", NULL), "k3@ ");
}


static void
test_session_what_the_worker_calls_a_connection_counts(void **state)
{
    (void) state;

    connect_client("k ", 7, "s1", "c1", 100);
    connect_client("k", 6, "s2", "c2", 99);
    report("session 1 s1 0 1 complete 1\nconnect c1 k 8 websocket a 100\n");

    assert_string_equal(heard.text, "kick k at s2, spare c1\n");
    assert_string_equal(find_keys("k", "k "), "k@s1 k @ ");
    assert_string_equal(find_mids(7, 8), "k@s1 ");
}


static void
test_session_times_are_heard_of_renewed_connections_as_well(void **state)
{
    (void) state;

    /* the store is new; both stand for one key, and none has told when */

    report("session 1 s1 0 1 partial 1\nrenew c1 k 7\n");
    report("session 1 s2 0 1 partial 1\nrenew c2 k 7\n");
    assert_quiet();

    report("session 1 s1 0 2 partial 1\nconnect c1 k 7 websocket a 101\n");
    report("session 1 s2 0 2 partial 1\nconnect c2 k 7 websocket a 100\n");

    assert_string_equal(heard.text, "kick k at s2, spare c1\n");
    assert_string_equal(find_keys("k", NULL), "k@s1 ");
}


/* --- epochs */

static void
test_session_epoch_ends_those_before_it_once_it_is_complete(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 2\nconnect c1 k1 7 websocket a 100\n"
           "connect c2 k2 7 websocket b 100\nroom r 2\nroom old 1\n");
    report("session 1 s1 1 1 complete 1\nconnect d1 k4 7 websocket c 100\n");

    report("session 1 s1 0 2 partial 1\nconnect c2 k2 7 websocket b 100\n"
           "connect c3 k3 7 websocket b 100\nroom r 1\n");
    assert_quiet();

    assert_string_equal(find_keys("k1", "k3"), "k1@s1 k3@s1 ");
    assert_string_equal(online(), "s1: 3 of 3 addresses\n");
    assert_int_equal(in_room("r"), 2);
    assert_int_equal(in_room("old"), 1);

    report("session 1 s1 0 2 complete 2\nroom r 2\n");
    assert_quiet();

    assert_string_equal(find_keys("k1", "k3"), "k1@ k3@s1 ");
    assert_string_equal(find_keys("k2", "k4"), "k2@s1 k4@s1 ");
    assert_string_equal(online(), "s1: 3 of 2 addresses\n");
    assert_int_equal(in_room("r"), 2);
    assert_int_equal(in_room("old"), 0);
}


static void
test_session_last_report_ends_all_of_its_epoch(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 1\nconnect c1 k1 7 websocket a 100\n"
           "room r 1\n");
    report("session 1 s1 0 1 last 0\n");
    assert_quiet();

    assert_string_equal(find_keys("k1", NULL), "k1@ ");
    assert_string_equal(online(), "");
    assert_int_equal(in_room("r"), 0);

    report("session 1 s1 0 1 last 0\n");
    assert_quiet();
    assert_string_equal(online(), "");
}


static void
test_session_report_of_an_epoch_that_was_followed_is_ignored(void **state)
{
    size_t  i;

    static const char *const  states[] = { "partial", "complete" };

    (void) state;

    for (i = 0; i < 2; i++) {
        char  text[256];

        report("session 1 s1 0 1 complete 1\n"
               "connect c1 k1 7 websocket a 100\nroom r 1\n");
        (void) snprintf(text, sizeof(text), "session 1 s1 0 2 %s 1\n"
                        "connect c2 k2 7 websocket a 100\nroom r 5\n",
                        states[i]);
        report(text);

        /* late reports of the worker before */

        connect_client("k3", 9, "s2", "c3", 100);
        report("session 1 s1 0 1 complete 99\n"
               "connect c4 k3 7 websocket a 200\nrenew c2 k2 7\n"
               "connect c5 k5 7 websocket a 100\ndisconnect c2 k2 7 client\n"
               "room r 9\n");
        assert_quiet();
        report("session 1 s1 0 1 last 0\n");
        assert_quiet();

        report("session 1 s1 0 2 complete 1\n");
        assert_quiet();

        assert_string_equal(find_keys("k2", "k3"), "k2@s1 k3@s2 ");
        assert_string_equal(find_keys("k1", "k5"), "k1@ k5@ ");
        assert_string_equal(online(), "s1: 1 of 1 addresses\n");
        assert_int_equal(in_room("r"), 5);

        teardown(NULL);
        setup(NULL);
    }
}


static void
test_session_epochs_compare_as_64_bits(void **state)
{
    (void) state;

    report("session 1 s1 0 18446744073709551615 complete 1\n"
           "connect c1 k1 7 websocket a 100\n");
    report("session 1 s1 0 1 complete 0\n");
    report("session 1 s1 0 9223372036854775808 last 0\n");

    assert_string_equal(find_keys("k1", NULL), "k1@s1 ");
}


static void
test_session_server_is_asked_once_to_tell_all_again(void **state)
{
    int  known, i;

    (void) state;

    /* of 16 connections, 14 is one in eight less */

    for (known = 12; known <= 16; known++) {
        char  text[2048], *p;

        p = text + sprintf(text, "session 1 s1 0 1 partial 16\n");

        for (i = 0; i < known; i++) {
            p += sprintf(p, "renew c%d k%d 0\n", i, i);
        }

        report(text);
        assert_quiet();

        report("session 1 s1 0 1 complete 16\n");
        assert_int_equal(heard.resync, known < 14);
        report("session 1 s1 0 1 complete 16\n");
        assert_int_equal(heard.resync, 0);

        /* nor another time when it begins again */

        report("session 1 s1 0 2 partial 16\n");
        assert_int_equal(heard.resync, 0);
        report("session 1 s1 0 2 complete 16\n");
        assert_int_equal(heard.resync, 1);

        teardown(NULL);
        setup(NULL);
    }
}


static void
test_session_last_report_asks_for_no_other(void **state)
{
    (void) state;

    report("session 1 s1 0 1 last 16\n");
    assert_quiet();
}


/* --- what nobody tells of any more */

static void
test_session_slot_that_is_silent_has_no_worker_any_more(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 1\nconnect c1 k1 7 websocket a 100\n"
           "room r 1\n");
    report("session 1 s1 1 1 complete 1\nconnect c2 k2 7 websocket b 100\n"
           "room r 1\n");

    clock_ms += LS_SESSION_SILENT_MS - 1000;
    report("session 1 s1 1 1 complete 1\n");
    clock_ms += 1000;
    assert_string_equal(online(), "s1: 2 of 2 addresses\n");

    clock_ms += 1;
    assert_string_equal(online(), "s1: 1 of 1 addresses\n");
    assert_int_equal(in_room("r"), 1);
    assert_string_equal(find_keys("k1", "k2"), "k1@ k2@s1 ");

    clock_ms += LS_SESSION_SILENT_MS;
    assert_string_equal(online(), "");
    assert_string_equal(find_keys("k1", "k2"), "k1@ k2@ ");
}


static void
test_session_slot_is_not_silent_while_its_next_epoch_reports(void **state)
{
    int  i;

    (void) state;

    report("session 1 s1 0 1 complete 2\nconnect c1 k1 7 websocket a 100\n"
           "connect c2 k2 8 websocket b 100\nroom r 2\n");

    for (i = 0; i < 10; i++) {
        clock_ms += LS_SESSION_SILENT_MS / 3;
        report("session 1 s1 0 2 partial 2\n"
               "connect c1 k1 7 websocket a 100\nroom r 1\n");
        assert_string_equal(online(), "s1: 2 of 2 addresses\n");
        assert_int_equal(in_room("r"), 2);
    }

    assert_string_equal(find_keys("k1", "k2"), "k1@s1 k2@s1 ");

    report("session 1 s1 0 2 complete 1\n");
    assert_string_equal(find_keys("k1", "k2"), "k1@s1 k2@ ");
}


static void
test_session_that_no_worker_tells_of_ends(void **state)
{
    (void) state;

    connect_client("k1", 7, "s1", "c1", 100);
    clock_ms += 1000;
    connect_client("k2", 8, "s1", "c2", 100);
    connect_client("k3", 9, "s1", "c3", 100);
    report("session 1 s1 0 1 complete 1\nconnect c3 k3 9 websocket a 100\n");

    clock_ms += LS_SESSION_EARLY_MS - 1000;
    report("session 1 s1 0 1 complete 1\n");
    (void) online();
    assert_string_equal(find_keys("k1", "k2"), "k1@s1 k2@s1 ");

    clock_ms += 1;
    (void) online();
    assert_string_equal(find_keys("k1", "k2"), "k1@ k2@s1 ");
    assert_string_equal(find_mids(7, 8), "k2@s1 ");

    clock_ms += 1000;
    report("session 1 s1 0 1 complete 1\n");
    (void) online();
    assert_string_equal(find_keys("k2", "k3"), "k2@ k3@s1 ");
}


/* --- sums */

static void
test_session_rooms_are_the_sum_of_all_workers(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 0\nroom r 2\nroom q 4294967295\n");
    report("session 1 s1 1 1 complete 0\nroom r 3\n");
    report("session 1 s2 0 1 complete 0\nroom r 4\nroom p 1\nroom o 0\n");

    (void) online();
    assert_int_equal(in_room("r"), 9);
    assert_int_equal(in_room("q"), 4294967295U);
    assert_int_equal(in_room("p"), 1);
    assert_int_equal(in_room("o"), 0);

    report("session 1 s1 1 1 complete 0\nroom r 0\n");
    report("session 1 s2 0 1 complete 0\nroom r 5\nroom p 0\n");

    (void) online();
    assert_int_equal(in_room("r"), 7);
    assert_int_equal(in_room("p"), 0);

    report("session 1 s1 0 1 last 0\n");
    (void) online();
    assert_int_equal(in_room("r"), 5);
}


static void
test_session_servers_are_the_sum_of_their_workers(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 0\n");
    report("session 1 s1 1 1 partial 4294967295\n");
    report("session 1 s2 0 1 partial 7\n");

    assert_string_equal(online(), "s1: 4294967295 of 0 addresses\n"
                                  "s2: 7 of 0 addresses\n");
}


static void
test_session_addresses_are_counted_once_for_each_server(void **state)
{
    (void) state;

    report("session 1 s1 0 1 complete 3\n"
           "connect c1 k1 0 websocket 192.0.2.1 100\n"
           "connect c2 k2 0 tcp 192.0.2.1 100\n"
           "connect c3 k3 0 tcp 192.0.2.11 100\n"
           "connect c4 k4 0 tcp  100\n");
    report("session 1 s1 1 1 complete 1\n"
           "connect d1 l1 0 tcp 192.0.2.1 100\n");
    report("session 1 s2 0 1 complete 1\n"
           "connect e1 m1 0 tcp 192.0.2.1 100\n");

    assert_string_equal(online(), "s1: 4 of 2 addresses\n"
                                  "s2: 1 of 1 addresses\n");

    report("session 1 s1 0 1 complete 1\n"
           "disconnect c1 k1 0 client\ndisconnect c2 k2 0 client\n"
           "disconnect c4 k4 0 client\n");
    assert_string_equal(online(), "s1: 2 of 2 addresses\n"
                                  "s2: 1 of 1 addresses\n");

    report("session 1 s1 1 1 last 0\n");
    assert_string_equal(online(), "s1: 1 of 1 addresses\n"
                                  "s2: 1 of 1 addresses\n");
}


/* --- no memory */

static void
test_session_connect_without_memory_leaves_all_as_it_was(void **state)
{
    int  at;

    (void) state;

    connect_client("k", 7, "s1", "c1", 100);

    for (at = 1; at < 100; at++) {
        fail_at = at;
        connect_client("k", 8, "s2", "c2", 101);

        if (fail_at) {
            break;
        }

        assert_int_equal(heard.rc, GOIM_NOMEM);
        assert_string_equal(heard.text, "");
        assert_string_equal(find_keys("k", NULL), "k@s1 ");
        assert_string_equal(find_mids(7, 8), "k@s1 ");
    }

    fail_at = 0;
    assert_in_range(at, 3, 50);
    assert_string_equal(heard.text, "kick k at s1, spare c2\n");
    assert_string_equal(find_keys("k", NULL), "k@s2 ");
    assert_string_equal(find_mids(7, 8), "k@s2 ");
}


static void
test_session_report_without_memory_is_whole_when_it_comes_again(void **state)
{
    int   at, ended;
    char  kicks[256];

    static const char  text[] =
        "session 1 s1 0 2 complete 3\n"
        "connect c1 k1 7 websocket 192.0.2.1 200\n"
        "connect c2 k2 7 websocket 192.0.2.2 200\n"
        "disconnect c3 k3 7 client\nrenew c4 k4 8\nroom r 2\nroom q 1\n";

    (void) state;

    for (at = 1, ended = 0; !ended; at++) {
        connect_client("k1", 7, "s2", "d1", 100);
        connect_client("k2", 7, "s2", "d2", 300);
        connect_client("k3", 7, "s1", "c3", 100);
        report("session 1 s1 0 1 complete 1\nrenew c3 k3 7\n");

        fail_at = at;
        report(text);
        ended = fail_at != 0;
        fail_at = 0;

        strcpy(kicks, heard.text);

        if (!ended && heard.rc != GOIM_OK) {
            assert_int_equal(heard.rc, GOIM_NOMEM);
            report(text);
            assert_int_equal(heard.rc, GOIM_OK);
            strcat(kicks, heard.text);
        }

        assert_non_null(strstr(kicks, "kick k1 at s2, spare c1\n"));
        assert_non_null(strstr(kicks, "kick k2 at s1, spare d2\n"));

        assert_string_equal(find_keys("k1", "k2"), "k1@s1 k2@s2 ");
        assert_string_equal(find_keys("k3", "k4"), "k3@ k4@s1 ");
        assert_string_equal(find_mids(8, 0), "k4@s1 ");
        assert_non_null(strstr(online(), "s1: 3 of "));
        assert_int_equal(in_room("r"), 2);
        assert_int_equal(in_room("q"), 1);

        teardown(NULL);
        setup(NULL);
    }

    assert_in_range(at, 10, 100);
}


static void
test_session_questions_without_memory_say_so(void **state)
{
    int         at;
    int64_t     mid = 7;
    goim_str_t  key = view("k1");

    (void) state;

    connect_client("k1", 7, "s1", "c1", 100);
    connect_client("k2", 7, "s1", "c2", 100);

    memset(&heard, 0, sizeof(heard));
    fail_at = 1;
    ls_session_find_keys(store, &key, 1, hear_places, NULL);
    assert_int_equal(heard.rc, GOIM_NOMEM);
    assert_int_equal(heard.n + heard.calls, 1);

    for (at = 1; at < 100; at++) {
        memset(&heard, 0, sizeof(heard));
        fail_at = at;
        ls_session_find_mids(store, &mid, 1, hear_places, NULL);
        assert_int_equal(heard.calls, 1);

        if (fail_at) {
            break;
        }

        assert_int_equal(heard.rc, GOIM_NOMEM);
        assert_int_equal(heard.n, 0);
    }

    assert_in_range(at, 2, 10);

    fail_at = 1;
    assert_null(ls_session_memory_create());
}


#define test(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(test_session_is_found_by_key_and_mid_when_it_has_connected),
        test(test_session_places_are_in_the_order_of_the_keys),
        test(test_session_without_a_member_is_found_by_key_only),
        test(test_session_member_has_all_its_connections),
        test(test_session_names_may_have_their_full_length_and_any_bytes),
        test(test_session_younger_connection_replaces_an_older),
        test(test_session_older_connection_that_comes_late_has_to_go_itself),
        test(test_session_of_two_at_the_same_time_the_later_told_stays),
        test(test_session_late_end_of_a_replaced_connection_is_not_heard),
        test(test_session_replaced_connection_is_kicked_again_when_renewed),
        test(test_session_replaced_connection_comes_back_behind_the_younger),
        test(test_session_kicks_of_one_report_are_all_told),
        test(test_session_report_tells_of_connections_the_store_did_not_know),
        test(test_session_report_that_comes_again_changes_nothing),
        test(test_session_what_the_worker_calls_a_connection_counts),
        test(test_session_times_are_heard_of_renewed_connections_as_well),
        test(test_session_epoch_ends_those_before_it_once_it_is_complete),
        test(test_session_last_report_ends_all_of_its_epoch),
        test(test_session_report_of_an_epoch_that_was_followed_is_ignored),
        test(test_session_epochs_compare_as_64_bits),
        test(test_session_server_is_asked_once_to_tell_all_again),
        test(test_session_last_report_asks_for_no_other),
        test(test_session_slot_that_is_silent_has_no_worker_any_more),
        test(test_session_slot_is_not_silent_while_its_next_epoch_reports),
        test(test_session_that_no_worker_tells_of_ends),
        test(test_session_rooms_are_the_sum_of_all_workers),
        test(test_session_servers_are_the_sum_of_their_workers),
        test(test_session_addresses_are_counted_once_for_each_server),
        test(test_session_connect_without_memory_leaves_all_as_it_was),
        test(test_session_report_without_memory_is_whole_when_it_comes_again),
        test(test_session_questions_without_memory_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
