/*
 * goim's tokens: what their members may be, each limit, and broken input.
 */

#include "ls_faults.h"

#include "ls_report.h"
#include "ls_token.h"


static const char  no_object[] = "it is no JSON object";
static const char  no_key[] = "\"key\" is longer than 255 bytes, has control "
                              "characters, or a space at an end";
static const char  no_room[] = "\"room_id\" is longer than 255 bytes, has "
                               "control characters, or a space at an end";
static const char  no_accepts[] = "\"accepts\" is no array of at most 1024 "
                                  "numbers of 32 bits";


/* From memory of its own, so that nothing behind the text can be read. */
static int
parse_bytes(ls_token_t *token, const char *text, size_t len, const char **why)
{
    int    rc;
    char  *copy;

    copy = __real_malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);

    rc = ls_token_parse(token, (uint8_t *) copy, len, why);

    memset(copy, 'X', len);
    free(copy);

    return rc;
}


static void
assert_parses(ls_token_t *token, const char *text)
{
    const char  *why = "";

    if (parse_bytes(token, text, strlen(text), &why) != GOIM_OK) {
        fail_msg("\"%s\" is refused: %s", text, why);
    }
}


static void
assert_bytes_refused(const char *text, size_t len, const char *sentence)
{
    const char  *why;
    ls_token_t   token;

    why = NULL;

    if (parse_bytes(&token, text, len, &why) != GOIM_INVALID) {
        fail_msg("\"%.200s\" is not refused", text);
    }

    assert_non_null(why);
    assert_string_equal(why, sentence);
    assert_null(token.key);
    assert_null(token.room);
    assert_null(token.accepts);
    assert_null(token.jwt);
}


static void
assert_refused(const char *text, const char *sentence)
{
    assert_bytes_refused(text, strlen(text), sentence);
}


static void
test_token_has_what_its_members_say(void **state)
{
    ls_token_t  token;

    (void) state;

    assert_parses(&token,
                  "{\"mid\":123, \"key\":\"k\", \"room_id\":\"live://1000\", "
                  "\"platform\":\"web\", \"accepts\":[1000,-1001,1002], "
                  "\"token\":\"a.b.c\"}");

    assert_int_equal(token.mid, 123);
    assert_string_equal(token.key, "k");
    assert_string_equal(token.room, "live://1000");
    assert_int_equal(token.naccepts, 3);
    assert_int_equal(token.accepts[0], 1000);
    assert_int_equal(token.accepts[1], -1001);
    assert_int_equal(token.accepts[2], 1002);
    assert_string_equal(token.jwt, "a.b.c");

    ls_token_done(&token);
    ls_token_done(&token);
}


static void
test_token_may_have_nothing(void **state)
{
    size_t      i;
    ls_token_t  token;

    static const char *const  texts[] = {
        "{}", " \t\r\n{ } \n",
        "{\"mid\":0,\"key\":\"\",\"room_id\":\"\",\"platform\":\"\","
        "\"accepts\":[]}",
        "{\"mid\":null,\"key\":null,\"room_id\":null,\"platform\":null,"
        "\"accepts\":null,\"token\":null}",
        "{\"token\":\"a\",\"token\":\"\"}",
        "{\"key\":\"k\",\"room_id\":\"r\",\"accepts\":[1],\"mid\":1,"
        "\"key\":\"\",\"room_id\":\"\",\"accepts\":[],\"mid\":0}",
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_parses(&token, texts[i]);
        assert_int_equal(token.mid, 0);
        assert_null(token.key);
        assert_null(token.room);
        assert_null(token.jwt);
        assert_int_equal(token.naccepts, 0);
        ls_token_done(&token);
    }
}


static void
test_token_ignores_the_case_of_members_and_takes_the_last(void **state)
{
    ls_token_t  token;

    (void) state;

    assert_parses(&token,
                  "{\"key\":\"a\",\"KEY\":\"b\",\"Mid\":1,\"mID\":2,"
                  "\"Room_ID\":\"r\",\"ROOM_id\":null,"
                  "\"accepts\":[1,2,3],\"Accepts\":[4]}");

    assert_int_equal(token.mid, 2);
    assert_string_equal(token.key, "b");
    assert_string_equal(token.room, "r");
    assert_int_equal(token.naccepts, 1);
    assert_int_equal(token.accepts[0], 4);

    ls_token_done(&token);
}


static void
test_token_skips_members_that_it_does_not_know(void **state)
{
    ls_token_t  token;

    (void) state;

    assert_parses(&token,
                  "{\"a\":null,\"b\":true,\"c\":1e999,\"d\":\"x\","
                  "\"e\":[{\"mid\":\"x\",\"key\":1},[[]],null,false,1,\"s\"],"
                  "\"f\":{\"accepts\":{\"mid\":[]}},\"\":0,\"keys\":1,"
                  "\"mi\":\"\",\"mid\\u0000\":\"x\","
                  "\"mid\":7,\"g\":18446744073709551616}");
    assert_int_equal(token.mid, 7);
    assert_null(token.key);

    ls_token_done(&token);
}


static void
test_token_asks_for_gaps_in_goim_alone(void **state)
{
    size_t      i;
    ls_token_t  token;

    static const struct {
        const char  *text;
        int          gap;
    } texts[] = {
        { "{\"goim\":{\"gap\":true}}", 1 },
        { "{\"goim\":{\"a\":[{}],\"gap\":true,\"b\":{\"gap\":false}}}", 1 },
        { "{\"GOIM\":{\"gap\":false,\"gap\":true},\"mid\":1}", 1 },
        { "{\"goim\":{\"gap\":true,\"gap\":false}}", 0 },
        { "{\"goim\":{\"gap\":true},\"goim\":{}}", 0 },
        { "{\"goim\":{\"gap\":true},\"goim\":null}", 0 },
        { "{\"goim\":{\"Gap\":true,\"gaps\":true,\"\":true}}", 0 },
        { "{\"goim\":{\"gap\":[true],\"x\":true}}", 0 },
        { "{\"goim\":{\"gap\":{\"gap\":true}}}", 0 },
        { "{\"goim\":[{\"gap\":true},true]}", 0 },
        { "{\"goim\":{\"gap\":1}}", 0 },
        { "{\"goim\":true,\"gap\":true}", 0 },
        { "{\"x\":{\"goim\":{\"gap\":true}}}", 0 },
        { "{\"goim\":\"gap\"}", 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_parses(&token, texts[i].text);

        if (token.gap != texts[i].gap) {
            fail_msg("%s: %d", texts[i].text, token.gap);
        }

        ls_token_done(&token);
    }
}


static void
test_token_refuses_what_is_no_object(void **state)
{
    size_t  i;

    static const char *const  texts[] = {
        "", " ", "\n", "null", "true", "1", "\"{}\"", "[]", "[{}]", "{", "}",
        "{}}", "{} {}", "{}x", "{,}", "{\"mid\":1,}", "{\"mid\" 1}",
        "{\"mid\":}", "{mid:1}", "{'mid':1}", "{\"mid\":01}", "{\"mid\":+1}",
        "{\"mid\":-}", "{\"key\":\"a}", "{\"key\":\"\\x\"}",
        "{\"key\":\"\\ud8\"}", "{\"key\":\"a\nb\"}", "{\"key\":\"\xff\"}",
        "{/**/}", "\xef\xbb\xbf{}",
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i], no_object);
    }

    assert_bytes_refused("\0{}", 3, no_object);
    assert_bytes_refused("{}\0", 3, no_object);
    assert_bytes_refused("{\0}", 3, no_object);
    assert_bytes_refused("{\"key\":\"a\0b\"}", 13, no_object);
}


static void
test_token_refuses_members_with_another_type(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *why;
    } cases[] = {
        { "{\"mid\":\"1\"}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":true}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":[]}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":{}}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":1.0}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":1e3}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":9223372036854775808}", "\"mid\" is no number of 64 bits" },
        { "{\"mid\":-9223372036854775809}",
          "\"mid\" is no number of 64 bits" },
        { "{\"mid\":1000000000000000000000000000000}",
          "\"mid\" is no number of 64 bits" },
        { "{\"key\":1}", "\"key\" is no string" },
        { "{\"key\":[\"k\"]}", "\"key\" is no string" },
        { "{\"key\":{}}", "\"key\" is no string" },
        { "{\"room_id\":false}", "\"room_id\" is no string" },
        { "{\"platform\":1}", "\"platform\" is no string" },
        { "{\"token\":1}", "\"token\" is no string" },
        { "{\"token\":[]}", "\"token\" is no string" },
        { "{\"token\":\"a\\u0000\"}", "\"token\" is no string" },
        { "{\"accepts\":1}", no_accepts },
        { "{\"accepts\":\"1\"}", no_accepts },
        { "{\"accepts\":{}}", no_accepts },
        { "{\"accepts\":[\"1\"]}", no_accepts },
        { "{\"accepts\":[null]}", no_accepts },
        { "{\"accepts\":[true]}", no_accepts },
        { "{\"accepts\":[[1]]}", no_accepts },
        { "{\"accepts\":[{}]}", no_accepts },
        { "{\"accepts\":[1.5]}", no_accepts },
        { "{\"accepts\":[2147483648]}", no_accepts },
        { "{\"accepts\":[-2147483649]}", no_accepts },

        /* even if another follows */
        { "{\"mid\":\"x\",\"mid\":1}", "\"mid\" is no number of 64 bits" },
        { "{\"accepts\":[1,\"x\"],\"accepts\":[1]}", no_accepts },
        { "{\"key\":\"a\\u0000b\",\"key\":\"k\"}", no_key },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].text, cases[i].why);
    }
}


static void
test_token_numbers_have_their_whole_range(void **state)
{
    ls_token_t  token;

    (void) state;

    assert_parses(&token, "{\"mid\":9223372036854775807,"
                          "\"accepts\":[2147483647,-2147483648,-0]}");
    assert_true(token.mid == INT64_MAX);
    assert_int_equal(token.accepts[0], INT32_MAX);
    assert_true(token.accepts[1] == INT32_MIN);
    assert_int_equal(token.accepts[2], 0);
    ls_token_done(&token);

    assert_parses(&token, "{\"mid\":-9223372036854775808}");
    assert_true(token.mid == INT64_MIN);
    ls_token_done(&token);
}


/* Headers carry them: no control characters, and nginx takes outer spaces. */
static void
test_token_names_are_what_a_header_can_carry(void **state)
{
    size_t      i, k;
    char        text[64];
    ls_token_t  token;

    static const char *const  members[] = { "key", "room_id" };

    static const char *const  bad[] = {
        " ", " a", "a ", "\\u0000", "a\\u0000", "\\u0000a", "a\\nb", "\\r",
        "\\t", "a\\u001f", "\\u007f", "\x7f",
    };

    static const char *const  good[] = {
        "a b", "\xc3\xa4", "\\u00e4", "\\ud83d\\ude00", "\\\"", "\\\\u0000",
        "%", "a://b,c;d", "!", "~", "\\u0080",
    };

    (void) state;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            (void) snprintf(text, sizeof(text), "{\"%s\":\"%s\"}", members[k],
                            bad[i]);
            assert_refused(text, k ? no_room : no_key);
        }

        for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
            (void) snprintf(text, sizeof(text), "{\"%s\":\"%s\"}", members[k],
                            good[i]);
            assert_parses(&token, text);
            assert_non_null(k ? token.room : token.key);
            ls_token_done(&token);
        }
    }

    assert_parses(&token, "{\"key\":\"\\u00e4\\\\u0000\"}");
    assert_string_equal(token.key, "\xc3\xa4\\u0000");
    ls_token_done(&token);
}


static void
test_token_has_limits(void **state)
{
    size_t       n, i;
    char        *text, *p;
    const char  *why;
    ls_token_t   token;

    (void) state;

    text = __real_malloc(LS_TOKEN_MAX + 64);
    assert_non_null(text);

    for (n = LS_REPORT_NAME - 1; n <= LS_REPORT_NAME + 1; n++) {
        for (i = 0; i < 2; i++) {
            p = text + sprintf(text, i ? "{\"key\":\"" : "{\"room_id\":\"");
            memset(p, 'n', n);
            strcpy(p + n, "\"}");

            if (n <= LS_REPORT_NAME) {
                assert_parses(&token, text);
                assert_int_equal(strlen(i ? token.key : token.room), n);
                ls_token_done(&token);

            } else {
                assert_refused(text, i ? no_key : no_room);
            }
        }
    }

    for (n = LS_TOKEN_ACCEPTS - 1; n <= LS_TOKEN_ACCEPTS + 1; n++) {
        p = text + sprintf(text, "{\"accepts\":[0");

        for (i = 1; i < n; i++) {
            p += sprintf(p, ",%d", (int) i);
        }

        strcpy(p, "]}");

        if (n <= LS_TOKEN_ACCEPTS) {
            assert_parses(&token, text);
            assert_int_equal(token.naccepts, n);
            assert_int_equal(token.accepts[n - 1], n - 1);
            ls_token_done(&token);

        } else {
            assert_refused(text, no_accepts);
        }
    }

    /* its length */

    memset(text, ' ', LS_TOKEN_MAX + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(parse_bytes(&token, text, LS_TOKEN_MAX, &why), GOIM_OK);
    ls_token_done(&token);
    assert_bytes_refused(text, LS_TOKEN_MAX + 1, "it is longer than 64 KB");

    free(text);
}


static void
test_token_limits_the_depth(void **state)
{
    char        *text, *p;
    int          depth, i;
    ls_token_t   token;

    (void) state;

    text = __real_malloc(LS_TOKEN_MAX + 64);
    assert_non_null(text);

    /* the object is the first level */

    for (depth = 31; depth <= 33; depth++) {
        p = text + sprintf(text, "{\"x\":");

        for (i = 1; i < depth; i++) {
            *p++ = '[';
        }

        for (i = 1; i < depth; i++) {
            *p++ = ']';
        }

        strcpy(p, "}");

        if (depth <= 32) {
            assert_parses(&token, text);
            ls_token_done(&token);

        } else {
            assert_refused(text, "it is nested too deep");
        }
    }

    p = text + sprintf(text, "{\"x\":");
    memset(p, '[', LS_TOKEN_MAX);
    assert_bytes_refused(text, LS_TOKEN_MAX, "it is nested too deep");

    free(text);
}


static void
test_token_may_end_anywhere(void **state)
{
    size_t       len;
    const char  *why;
    ls_token_t   token;

    static const char  text[] =
        "{\"mid\":-12, \"key\":\"k\\u00e4\xc3\xa4\", \"room_id\":\"a://1\", "
        "\"x\":[{\"y\":1.5e1},null,true], \"accepts\":[1000,-1001]}";

    (void) state;

    for (len = 0; len < sizeof(text) - 1; len++) {
        assert_bytes_refused(text, len, no_object);
    }

    assert_parses(&token, text);
    ls_token_done(&token);

    /* a byte that is lost anywhere */

    for (len = 0; len < sizeof(text) - 1; len++) {
        char  lost[sizeof(text)];

        memcpy(lost, text, len);
        memcpy(lost + len, text + len + 1, sizeof(text) - len - 1);

        if (parse_bytes(&token, lost, sizeof(text) - 2, &why) == GOIM_OK) {
            ls_token_done(&token);
        }
    }
}


static void
test_token_without_memory_says_so(void **state)
{
    int          at, rc;
    char         text[6000], *p;
    const char  *why;
    ls_token_t   token;

    (void) state;

    /* a long string makes yajl ask for more */

    p = text + sprintf(text, "{\"key\":\"k\",\"room_id\":\"r\","
                             "\"accepts\":[1],\"key\":\"l\",\"x\":\"\\n");
    memset(p, 'x', 5000);
    strcpy(p + 5000, "\"}");

    for (at = 1; at < 50; at++) {
        fail_at = at;
        rc = parse_bytes(&token, text, strlen(text), &why);

        if (fail_at) {
            break;
        }

        assert_int_equal(rc, GOIM_NOMEM);
        assert_null(token.key);
        assert_null(token.room);
        assert_null(token.accepts);
    }

    fail_at = 0;
    assert_int_equal(rc, GOIM_OK);
    assert_in_range(at, 6, 49);
    assert_string_equal(token.key, "l");
    ls_token_done(&token);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_token_has_what_its_members_say),
        cmocka_unit_test(test_token_may_have_nothing),
        cmocka_unit_test(
            test_token_ignores_the_case_of_members_and_takes_the_last),
        cmocka_unit_test(test_token_skips_members_that_it_does_not_know),
        cmocka_unit_test(test_token_asks_for_gaps_in_goim_alone),
        cmocka_unit_test(test_token_refuses_what_is_no_object),
        cmocka_unit_test(test_token_refuses_members_with_another_type),
        cmocka_unit_test(test_token_numbers_have_their_whole_range),
        cmocka_unit_test(test_token_names_are_what_a_header_can_carry),
        cmocka_unit_test(test_token_has_limits),
        cmocka_unit_test(test_token_limits_the_depth),
        cmocka_unit_test(test_token_may_end_anywhere),
        cmocka_unit_test(test_token_without_memory_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
