/*
 * Session reports: what their lines mean, each limit, and broken input.
 */

#include "ls_faults.h"

#include "ls_report.h"


#define HEAD   "session 1 comet-1 3 7 complete 9\n"

static const char  malformed[] = "one of its lines is malformed";


/* From memory of its own, so that nothing behind the text can be read. */
static int
parse_bytes(ls_report_t *report, const char *text, size_t len,
    const char **why)
{
    int    rc;
    char  *copy;

    copy = __real_malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);

    rc = ls_report_parse(report, (uint8_t *) copy, len, why);

    memset(copy, 'X', len);
    free(copy);

    return rc;
}


static void
assert_parses(ls_report_t *report, const char *text)
{
    const char  *why = "";

    if (parse_bytes(report, text, strlen(text), &why) != GOIM_OK) {
        fail_msg("\"%s\" is refused: %s", text, why);
    }
}


static void
assert_taken(const char *text)
{
    ls_report_t  report;

    assert_parses(&report, text);
    ls_report_done(&report);
}


static void
assert_refused(const char *text, const char *sentence)
{
    const char   *why;
    ls_report_t   report;

    why = NULL;

    if (parse_bytes(&report, text, strlen(text), &why) != GOIM_INVALID) {
        fail_msg("\"%s\" is not refused", text);
    }

    assert_string_equal(why, sentence);
    assert_null(report.memory);
    assert_null(report.events);
    assert_null(report.rooms);
}


#define assert_str(s, text)                                                   \
    do {                                                                      \
        assert_int_equal((s).len, sizeof(text) - 1);                          \
        assert_memory_equal((s).data, text, sizeof(text) - 1);                \
    } while (0)


static void
test_report_has_what_its_lines_say(void **state)
{
    ls_report_t  report;

    (void) state;

    assert_parses(&report,
                  "session 1 comet-1 3 1795807828597000000 partial 812\n"
                  "disconnect 18ec-2f1 5c0e 4711 client\n"
                  "connect 18ec-30a 9b11 -4712 websocket 203.0.113.9 "
                  "1795807831904\n"
                  "room live://1000 214\n"
                  "renew 18ec-1c 77aa 17\n"
                  "room live://1001 0\n");

    assert_str(report.server, "comet-1");
    assert_int_equal(report.slot, 3);
    assert_int_equal(report.epoch, 1795807828597000000);
    assert_int_equal(report.state, LS_REPORT_PARTIAL);
    assert_int_equal(report.conns, 812);

    assert_int_equal(report.nevents, 3);
    assert_int_equal(report.events[0].kind, LS_REPORT_DISCONNECT);
    assert_str(report.events[0].conn, "18ec-2f1");
    assert_str(report.events[0].key, "5c0e");
    assert_int_equal(report.events[0].mid, 4711);
    assert_int_equal(report.events[0].addr.len, 0);
    assert_int_equal(report.events[0].when_ms, 0);

    assert_int_equal(report.events[1].kind, LS_REPORT_CONNECT);
    assert_str(report.events[1].conn, "18ec-30a");
    assert_str(report.events[1].key, "9b11");
    assert_int_equal(report.events[1].mid, -4712);
    assert_str(report.events[1].addr, "203.0.113.9");
    assert_int_equal(report.events[1].when_ms, 1795807831904);

    assert_int_equal(report.events[2].kind, LS_REPORT_RENEW);
    assert_str(report.events[2].conn, "18ec-1c");
    assert_str(report.events[2].key, "77aa");
    assert_int_equal(report.events[2].mid, 17);

    assert_int_equal(report.nrooms, 2);
    assert_str(report.rooms[0].name, "live://1000");
    assert_int_equal(report.rooms[0].members, 214);
    assert_str(report.rooms[1].name, "live://1001");
    assert_int_equal(report.rooms[1].members, 0);

    ls_report_done(&report);
}


static void
test_report_states_are_three(void **state)
{
    size_t        i;
    char          text[64];
    ls_report_t   report;

    static const char *const  states[] = { "partial", "complete", "last" };

    (void) state;

    for (i = 0; i < 3; i++) {
        (void) snprintf(text, sizeof(text), "session 1 s 0 1 %s 0", states[i]);
        assert_parses(&report, text);
        assert_int_equal(report.state, (int) i);
        ls_report_done(&report);
    }
}


static void
test_report_decodes_what_would_end_a_field(void **state)
{
    ls_report_t  report;

    (void) state;

    assert_parses(&report,
                  "session 1 %20%0a%25 0 1 last 0\n"
                  "connect %41%4a%4A%fF k%3f%3F 0 tcp %c3%a4 0\n"
                  "room %00 1\n");

    assert_str(report.server, " \n%");
    assert_str(report.events[0].conn, "AJJ\xff");
    assert_str(report.events[0].key, "k??");
    assert_str(report.events[0].addr, "\xc3\xa4");
    assert_str(report.rooms[0].name, "\0");

    ls_report_done(&report);
}


static void
test_report_skips_what_it_does_not_know(void **state)
{
    ls_report_t  report;

    (void) state;

    assert_parses(&report,
                  HEAD "\nconnection x\nROOM r 1\n room r 1\nroom2 r 1\n"
                  "session 2\n\n\nroom r 1 and more\nrenew c k 1 more\n"
                  "disconnect c k 1\n%zz\n");

    assert_int_equal(report.nevents, 2);
    assert_int_equal(report.nrooms, 1);
    assert_int_equal(report.conns, 9);

    ls_report_done(&report);
}


static void
test_report_refuses_another_head(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *why;
    } cases[] = {
        { "", "it is empty" },
        { "\n" HEAD, "its first line is no \"session\" line" },
        { "room r 1\n" HEAD, "its first line is no \"session\" line" },
        { "sessio", "its first line is no \"session\" line" },
        { "session", "its version is not 1" },
        { "session ", "its version is not 1" },
        { "session 0 s 0 1 last 0", "its version is not 1" },
        { "session 2 s 0 1 last 0", "its version is not 1" },
        { "session 01x s 0 1 last 0", "its version is not 1" },
        { "session 4294967297 s 0 1 last 0", "its version is not 1" },
        { "session 1  0 1 last 0", "its \"session\" line is malformed" },
        { "session 1 s 1024 1 last 0", "its \"session\" line is malformed" },
        { "session 1 s -1 1 last 0", "its \"session\" line is malformed" },
        { "session 1 s 0 18446744073709551616 last 0",
          "its \"session\" line is malformed" },
        { "session 1 s 0 1 lasts 0", "its \"session\" line is malformed" },
        { "session 1 s 0 1 las 0", "its \"session\" line is malformed" },
        { "session 1 s 0 1  0", "its \"session\" line is malformed" },
        { "session 1 s 0 1 last 4294967296",
          "its \"session\" line is malformed" },
        { "session 1 s 0 1 last 0\r\n", "its \"session\" line is malformed" },
        { "session 1 s%2 0 1 last 0", "its \"session\" line is malformed" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].text, cases[i].why);
    }
}


static void
test_report_refuses_malformed_lines(void **state)
{
    size_t  i;
    char    text[512];

    static const char *const  lines[] = {
        "connect", "connect ", "connect c", "connect c k", "connect c k 1",
        "connect c k 1 tcp", "connect c k 1 tcp a", "connect c k 1 tcp a ",
        "connect c k 1 tcp a x", "connect c k 1 tcp a -1",
        "connect c k 1 tcp a 18446744073709551616", "connect  k 1 tcp a 1",
        "connect c  1 tcp a 1", "connect c k  tcp a 1",
        "disconnect c", "disconnect c k", "disconnect c k ",
        "disconnect c k x", "disconnect c k - client", "renew c k +1",
        "renew c k --1", "renew c k 1.0", "renew c k 0x1",
        "renew c k 9223372036854775808", "renew c k -9223372036854775809",
        "renew c%4 k 1", "renew c% k 1", "renew c%4g k 1", "renew c%g4 k 1",
        "room", "room ", "room r", "room r ", "room  1", "room r -1",
        "room r 4294967296", "room r 1x", "room %% 1",
    };

    (void) state;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        (void) snprintf(text, sizeof(text), HEAD "room r 1\n%s", lines[i]);
        assert_refused(text, malformed);
        (void) snprintf(text, sizeof(text), HEAD "%s\nroom r 1\n", lines[i]);
        assert_refused(text, malformed);
    }
}


static void
test_report_numbers_have_their_whole_range(void **state)
{
    ls_report_t  report;

    (void) state;

    assert_parses(&report,
                  "session 1 s 1023 18446744073709551615 last 4294967295\n"
                  "renew c k 9223372036854775807\n"
                  "renew c k -9223372036854775808\nrenew c k -0\n"
                  "renew c k 007\n"
                  "connect c k 0 tcp a 18446744073709551615\n"
                  "room r 4294967295\n");

    assert_int_equal(report.slot, 1023);
    assert_true(report.epoch == UINT64_MAX);
    assert_int_equal(report.conns, UINT32_MAX);
    assert_true(report.events[0].mid == INT64_MAX);
    assert_true(report.events[1].mid == INT64_MIN);
    assert_int_equal(report.events[2].mid, 0);
    assert_int_equal(report.events[3].mid, 7);
    assert_true(report.events[4].when_ms == UINT64_MAX);
    assert_int_equal(report.rooms[0].members, UINT32_MAX);

    ls_report_done(&report);
}


static void
test_report_names_have_their_limits(void **state)
{
    size_t  i, len;
    char    name[4 * 256], text[2048];

    static const struct {
        const char  *format;
        size_t       max;
    } cases[] = {
        { "session 1 %s 0 1 last 0", LS_REPORT_NAME },
        { HEAD "renew %s k 1", LS_REPORT_CONN },
        { HEAD "renew c %s 1", LS_REPORT_NAME },
        { HEAD "connect c k 1 tcp %s 1", LS_REPORT_ADDR },
        { HEAD "room %s 1", LS_REPORT_NAME },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (len = cases[i].max - 1; len <= cases[i].max + 1; len++) {

            /* decoded bytes count */

            memset(name, 'n', len - 1);
            strcpy(name + len - 1, "%25");

            (void) snprintf(text, sizeof(text), cases[i].format, name);

            if (len <= cases[i].max) {
                assert_taken(text);

            } else {
                assert_refused(text, i ? malformed
                                       : "its \"session\" line is malformed");
            }
        }
    }

    assert_taken(HEAD "connect c k 1  a 1");
    assert_taken(HEAD "connect c k 1 tcp  1");
}


/* What is left of a report at any byte is taken or refused, no more. */
static void
test_report_may_end_anywhere(void **state)
{
    int           rc;
    size_t        len;
    const char   *why;
    ls_report_t   report;

    static const char  text[] =
        "session 1 comet%2d1 3 7 complete 9\n"
        "connect c%31 k%31 -5 websocket 2001%3adb8 1795807831904\n"
        "disconnect c1 k1 5 client\nrenew c2 k2 6\n\nother x\n"
        "room live%3a//1 214\n";

    (void) state;

    for (len = 0; len < sizeof(text); len++) {
        why = NULL;
        rc = parse_bytes(&report, text, len, &why);

        if (rc == GOIM_OK) {
            assert_str(report.server, "comet-1");
            ls_report_done(&report);
            continue;
        }

        assert_int_equal(rc, GOIM_INVALID);
        assert_non_null(why);
    }

    /* a byte that is lost anywhere */

    for (len = 0; len < sizeof(text) - 1; len++) {
        char  lost[sizeof(text)];

        memcpy(lost, text, len);
        memcpy(lost + len, text + len + 1, sizeof(text) - len - 1);

        if (parse_bytes(&report, lost, sizeof(text) - 2, &why) == GOIM_OK) {
            ls_report_done(&report);
        }
    }
}


static void
test_report_may_be_as_long_as_a_worker_makes_it(void **state)
{
    size_t        i, len, n;
    char         *text, *p;
    ls_report_t   report;
    const char   *why;

    static const char *const  lines[] = {
        "\n", "renew a b 0\n", "room a 0\n", "connect a b 0   0\n",
        "disconnect a b 0\n",
    };

    (void) state;

    text = __real_malloc(LS_REPORT_MAX + 64);
    assert_non_null(text);

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        p = text + sprintf(text, HEAD);
        len = strlen(lines[i]);

        for (n = 0; p + len <= text + LS_REPORT_MAX; n++) {
            memcpy(p, lines[i], len);
            p += len;
        }

        assert_int_equal(parse_bytes(&report, text, p - text, &why), GOIM_OK);
        assert_int_equal(report.nevents + report.nrooms, i ? n : 0);
        ls_report_done(&report);
    }

    memset(text, '\n', LS_REPORT_MAX + 1);
    memcpy(text, HEAD, strlen(HEAD));

    assert_int_equal(parse_bytes(&report, text, LS_REPORT_MAX, &why), GOIM_OK);
    ls_report_done(&report);

    why = NULL;
    assert_int_equal(parse_bytes(&report, text, LS_REPORT_MAX + 1, &why),
                     GOIM_INVALID);
    assert_string_equal(why, "it is longer than 1 MB");

    free(text);
}


static void
test_report_without_memory_says_so(void **state)
{
    int           at;
    const char   *why;
    ls_report_t   report;

    (void) state;

    for (at = 1; at < 10; at++) {
        fail_at = at;

        if (parse_bytes(&report, HEAD, strlen(HEAD), &why) == GOIM_OK) {
            break;
        }

        assert_int_equal(fail_at, 0);
        assert_null(report.memory);
    }

    fail_at = 0;
    assert_in_range(at, 2, 9);
    ls_report_done(&report);
}


static void
test_report_is_short_by_more_than_one_in_eight(void **state)
{
    uint64_t      conns;
    ls_report_t   report;

    (void) state;

    memset(&report, 0, sizeof(report));
    assert_false(ls_report_is_short(&report, 0));

    report.conns = 1;
    assert_true(ls_report_is_short(&report, 0));
    assert_false(ls_report_is_short(&report, 1));
    assert_false(ls_report_is_short(&report, 2));

    report.conns = UINT32_MAX;
    assert_true(ls_report_is_short(&report, 0));
    assert_false(ls_report_is_short(&report, UINT32_MAX));

    for (conns = 1; conns < 100; conns++) {
        uint64_t  known;

        report.conns = conns;

        for (known = 0; known <= conns + 1; known++) {
            assert_int_equal(ls_report_is_short(&report, known),
                             known < conns && (conns - known) * 8 > conns);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_report_has_what_its_lines_say),
        cmocka_unit_test(test_report_states_are_three),
        cmocka_unit_test(test_report_decodes_what_would_end_a_field),
        cmocka_unit_test(test_report_skips_what_it_does_not_know),
        cmocka_unit_test(test_report_refuses_another_head),
        cmocka_unit_test(test_report_refuses_malformed_lines),
        cmocka_unit_test(test_report_numbers_have_their_whole_range),
        cmocka_unit_test(test_report_names_have_their_limits),
        cmocka_unit_test(test_report_may_end_anywhere),
        cmocka_unit_test(test_report_may_be_as_long_as_a_worker_makes_it),
        cmocka_unit_test(test_report_without_memory_says_so),
        cmocka_unit_test(test_report_is_short_by_more_than_one_in_eight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
