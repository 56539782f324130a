/*
 * goim-job's settings: defaults, every limit, and what is said of mistakes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "jw_conf.h"


#define SMALLEST                                                              \
    "[channel]\npath = /run/goim/channel\n[kafka]\nbrokers = a:1\n"


/* What was logged while the last file was read. */
static char  logged[65536];


static jw_conf_t *
load_bytes(const char *text, size_t len)
{
    int         fd;
    char        name[] = "/tmp/jw_conf_test.XXXXXX";
    FILE       *out;
    ssize_t     n;
    goim_log_t  log;
    jw_conf_t  *conf;

    fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t) len);
    close(fd);

    out = tmpfile();
    assert_non_null(out);

    log.fd = fileno(out);
    log.level = GOIM_LOG_DEBUG;
    log.actor = "goim job";

    conf = jw_conf_load(name, &log);

    n = pread(log.fd, logged, sizeof(logged) - 1, 0);
    assert_true(n >= 0);
    logged[n] = '\0';

    fclose(out);
    unlink(name);

    return conf;
}


static jw_conf_t *
load(const char *text)
{
    return load_bytes(text, strlen(text));
}


static void
assert_refused(const char *text, const char *what)
{
    assert_null(load(text));

    if (strstr(logged, what) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", what, logged);
    }
}


static void
test_conf_smallest_file_gets_defaults(void **state)
{
    char        name[256], *p;
    jw_conf_t  *conf;

    (void) state;

    conf = load(SMALLEST);
    assert_non_null(conf);
    assert_string_equal(logged, "");

    assert_string_equal(conf->channel_path, "/run/goim/channel");
    assert_int_equal(conf->ntopics, 1);
    assert_string_equal(conf->topics[0], "goim-push-topic");
    assert_int_equal(conf->reset, JW_CONF_LATEST);
    assert_int_equal(conf->max_age_ms, 0);
    assert_string_equal(conf->v1_room_type, "room");
    assert_int_equal(conf->v1_op, 1000);
    assert_int_equal(conf->partition_check_ms, 5000);
    assert_int_equal(conf->log_level, GOIM_LOG_NOTICE);

    assert_int_equal(gethostname(name, sizeof(name)), 0);

    for (p = name; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p;
    }

    assert_string_equal(conf->server_id, name);

    jw_conf_destroy(conf);
}


static void
test_conf_every_setting_is_taken(void **state)
{
    jw_conf_t  *conf;

    (void) state;

    conf = load("# a comment\n; another\n\n"
                "[channel]\n  path = /dev/shm/a b\n"
                "[kafka]\n"
                "brokers = a:1,b:2\n"
                "topics = one, two ,three\n"
                "auto.offset.reset = earliest\n"
                "group.id = g\n"
                "fetch.wait.max.ms = 7\n"
                "[job]\n"
                "server_id = comet-1\nmax_age = 2h\nv1_room_type = live\n"
                "v1_op = -5\npartition_check = 3600s\nlog_level = debug\n");
    assert_non_null(conf);

    assert_string_equal(conf->channel_path, "/dev/shm/a b");
    assert_int_equal(conf->ntopics, 3);
    assert_string_equal(conf->topics[1], "two");
    assert_string_equal(conf->topics[2], "three");
    assert_int_equal(conf->reset, JW_CONF_EARLIEST);
    assert_int_equal(conf->kafka.n, 3);
    assert_string_equal(conf->kafka.elts[0].name, "bootstrap.servers");
    assert_string_equal(conf->kafka.elts[0].value, "a:1,b:2");
    assert_int_equal(conf->kafka.elts[2].line, 11);
    assert_string_equal(conf->server_id, "comet-1");
    assert_int_equal(conf->max_age_ms, 2 * 3600 * 1000);
    assert_string_equal(conf->v1_room_type, "live");
    assert_int_equal(conf->v1_op, -5);
    assert_int_equal(conf->partition_check_ms, 3600 * 1000);
    assert_int_equal(conf->log_level, GOIM_LOG_DEBUG);

    jw_conf_destroy(conf);
}


static void
test_conf_times_have_units(void **state)
{
    size_t      i;
    char        text[256];
    jw_conf_t  *conf;

    static const struct {
        const char  *value;
        long         ms;  /* -1: refused */
    } cases[] = {
        { "0", 0 },
        { "7", 7000 },
        { "7s", 7000 },
        { "2m", 120000 },
        { "1h", 3600000 },
        { "1d", -1 },
        { "1ms", 1 },
        { "-1s", -1 },
        { "1.5h", -1 },
        { "s", -1 },
        { "1 h", -1 },
        { "0x10", -1 },
        { "99999999999999999999s", -1 },
        { "9999999999999h", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), SMALLEST "[job]\nmax_age = %s\n",
                 cases[i].value);

        if (cases[i].ms == -1) {
            assert_refused(text, ":6: \"max_age\" in [job] can't be");
            continue;
        }

        conf = load(text);
        assert_non_null(conf);
        assert_int_equal(conf->max_age_ms, cases[i].ms);
        jw_conf_destroy(conf);
    }
}


static void
test_conf_mistakes_are_named_with_file_and_line(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *what;
    } cases[] = {
        { "[channel]\npath = run/x\n",
          ":2: \"path\" in [channel] can't be \"run/x\": it must be" },
        { "[channel]\npath = /run/x/\n", ":2: \"path\"" },
        { "[kafka]\ntopics = a,,b\n", ":2: \"topics\"" },
        { "[kafka]\ntopics = a,\n", ":2: \"topics\"" },
        { "[kafka]\ntopics = a,b,a\n", "each topic must stand in it once" },
        { "[kafka]\ntopics = ..\n", ":2: \"topics\"" },
        { "[kafka]\ntopics = a b\n", ":2: \"topics\"" },
        { "[kafka]\nauto.offset.reset = error\n",
          "it must be latest or earliest" },
        { "[kafka]\nenable.auto.commit = false\n", "it must be left out" },
        { "[kafka]\nenable.auto.offset.store = true\n",
          "it must be left out" },
        { "[kafka]\nenable.partition.eof = true\n", "it must be left out" },
        { "[kafka]\nlog.queue = false\n", "it must be left out" },
        { "[kafka]\nno.such = 1\n",
          ":2: \"no.such\" in [kafka]: librdkafka says: No such" },
        { "[kafka]\nfetch.wait.max.ms = x\n",
          ":2: \"fetch.wait.max.ms\" in [kafka]: librdkafka says: Invalid" },
        { "[kafka]\nbrokers = a\nbootstrap.servers = b\n",
          ":3: \"bootstrap.servers\" in [kafka]: it is set in line 2" },
        { "[job]\nlog_level = loud\n", ":2: \"log_level\"" },
        { "[job]\nlog_level = warn\nlog_level = info\n",
          ":3: \"log_level\" in [job]: it is set in line 2" },
        { "[job]\nv1_op = 2147483648\n", ":2: \"v1_op\"" },
        { "[job]\nv1_op = 1x\n", ":2: \"v1_op\"" },
        { "[job]\nv1_room_type = live://\n", ":2: \"v1_room_type\"" },
        { "[job]\npartition_check = 0\n", ":2: \"partition_check\"" },
        { "[job]\npartition_check = 2h\n", ":2: \"partition_check\"" },
        { "[job]\nserver_id =\n", ":2: \"server_id\" in [job] has no value" },
        { "[job]\nother = 1\n", ":2: there is no setting \"other\" in [job]" },
        { "[jobs]\nserver_id = 1\n", ":2: \"server_id\" stands in [jobs]" },
        { "server_id = 1\n", ":1: \"server_id\" stands in []" },
        { "[job]\n\nhello\n", ":3: this is neither" },
        { "[job\nserver_id = a\n", ":1: this is neither" },
        { "[kafka]\nbrokers = a:1\n", "\"path\" in [channel] is missing" },
        { "[channel]\npath = /a\n", "\"brokers\" in [kafka] is missing" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].text, cases[i].what);
    }
}


static void
test_conf_all_mistakes_of_a_file_are_told(void **state)
{
    (void) state;

    assert_null(load("[job]\nlog_level = loud\nmax_age = x\nother = 1\n"));
    assert_non_null(strstr(logged, ":2: "));
    assert_non_null(strstr(logged, ":3: "));
    assert_non_null(strstr(logged, ":4: "));
}


static void
test_conf_missing_file_is_told(void **state)
{
    int       fds[2];
    char      text[256];
    ssize_t   n;
    goim_log_t  log;

    (void) state;

    assert_int_equal(pipe(fds), 0);

    log.fd = fds[1];
    log.level = GOIM_LOG_ERROR;
    log.actor = "goim job";

    assert_null(jw_conf_load("/nonexistent/goim-job.conf", &log));

    n = read(fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "[error] goim job: can't open "
                                 "\"/nonexistent/goim-job.conf\": No such"));

    close(fds[0]);
    close(fds[1]);
}


static void
test_conf_long_lines_are_whole_or_refused(void **state)
{
    size_t      i;
    char       *text;
    jw_conf_t  *conf;

    static const size_t  lengths[] = { 197, 198, 199, 200, 201, 60000 };

    (void) state;

    text = malloc(200000);
    assert_non_null(text);

    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        strcpy(text, SMALLEST "client.rack = ");
        memset(text + strlen(text), 'r', lengths[i] + 1);
        text[sizeof(SMALLEST "client.rack = ") - 1 + lengths[i]] = '\0';
        strcat(text, "\n[job]\nlog_level = warn\n");

        conf = load(text);
        assert_non_null(conf);
        assert_int_equal(strlen(conf->kafka.elts[1].value), lengths[i]);
        assert_int_equal(conf->log_level, GOIM_LOG_WARN);
        jw_conf_destroy(conf);
    }

    strcpy(text, SMALLEST "client.rack = ");
    memset(text + strlen(text), 'r', 150000);
    text[150000] = '\0';
    assert_refused(text, ":5: the line is longer than");

    free(text);
}


static void
test_conf_too_many_topics_are_refused(void **state)
{
    int   i;
    char  text[2048], *p;

    (void) state;

    p = text + sprintf(text, SMALLEST "topics = t0");

    for (i = 1; i <= GOIM_CHANNEL_TOPICS; i++) {
        p += sprintf(p, ",t%d", i);
    }

    assert_refused(text, "more than 64 topics");
}


static void
test_conf_kafka_gets_our_own_defaults(void **state)
{
    char              value[64];
    size_t            size;
    goim_log_t        log = { STDERR_FILENO, GOIM_LOG_ERROR, "goim job" };
    jw_conf_t        *conf;
    rd_kafka_conf_t  *kafka;

    (void) state;

    conf = load(SMALLEST);
    assert_non_null(conf);

    kafka = jw_conf_kafka(conf, &log);
    assert_non_null(kafka);

    size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(kafka, "fetch.wait.max.ms", value,
                                       &size),
                     RD_KAFKA_CONF_OK);
    assert_string_equal(value, "100");

    rd_kafka_conf_destroy(kafka);
    jw_conf_destroy(conf);
}


static void
test_conf_kafka_gets_our_own_properties(void **state)
{
    char              value[64];
    size_t            i, size;
    goim_log_t          log = { STDERR_FILENO, GOIM_LOG_ERROR, "goim job" };
    jw_conf_t        *conf;
    rd_kafka_conf_t  *kafka;

    static const struct {
        const char  *name;
        const char  *value;
    } cases[] = {
        { "bootstrap.servers", "a:1" },
        { "group.id", "goim-push-comet-1" },
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "auto.offset.reset", "error" },
        { "enable.partition.eof", "false" },
        { "fetch.wait.max.ms", "7" },
    };

    (void) state;

    conf = load(SMALLEST "fetch.wait.max.ms = 7\n"
                         "auto.offset.reset = earliest\n"
                         "[job]\nserver_id = comet-1\n");
    assert_non_null(conf);

    kafka = jw_conf_kafka(conf, &log);
    assert_non_null(kafka);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size = sizeof(value);
        assert_int_equal(rd_kafka_conf_get(kafka, cases[i].name, value, &size),
                         RD_KAFKA_CONF_OK);
        assert_string_equal(value, cases[i].value);
    }

    rd_kafka_conf_destroy(kafka);
    jw_conf_destroy(conf);
}


static int
same_kafka(const char *one, const char *other)
{
    int         same;
    char        text[512];
    jw_conf_t  *a, *b;

    snprintf(text, sizeof(text), SMALLEST "%s", one);
    a = load(text);
    snprintf(text, sizeof(text), SMALLEST "%s", other);
    b = load(text);

    assert_non_null(a);
    assert_non_null(b);

    same = jw_conf_same_kafka(a, b);

    jw_conf_destroy(a);
    jw_conf_destroy(b);

    return same;
}


static void
test_conf_same_kafka_sees_what_needs_a_new_consumer(void **state)
{
    (void) state;

    assert_true(same_kafka("", ""));
    assert_true(same_kafka("", "topics = goim-push-topic\n"));
    assert_true(same_kafka("", "[job]\nmax_age = 5s\nlog_level = debug\n"));
    assert_true(same_kafka("client.rack = a\nfetch.wait.max.ms = 1\n",
                           "fetch.wait.max.ms = 1\nclient.rack = a\n"));

    assert_false(same_kafka("client.rack = a\n", "client.rack = b\n"));
    assert_false(same_kafka("client.rack = a\n", ""));
    assert_false(same_kafka("topics = a,b\n", "topics = a\n"));
    assert_false(same_kafka("", "auto.offset.reset = earliest\n"));

    /* the group's name comes from the server's */

    assert_false(same_kafka("[job]\nserver_id = a\n",
                            "[job]\nserver_id = b\n"));
    assert_true(same_kafka("group.id = g\n[job]\nserver_id = a\n",
                           "group.id = g\n[job]\nserver_id = b\n"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_conf_smallest_file_gets_defaults),
        cmocka_unit_test(test_conf_every_setting_is_taken),
        cmocka_unit_test(test_conf_times_have_units),
        cmocka_unit_test(test_conf_mistakes_are_named_with_file_and_line),
        cmocka_unit_test(test_conf_all_mistakes_of_a_file_are_told),
        cmocka_unit_test(test_conf_missing_file_is_told),
        cmocka_unit_test(test_conf_long_lines_are_whole_or_refused),
        cmocka_unit_test(test_conf_too_many_topics_are_refused),
        cmocka_unit_test(test_conf_kafka_gets_our_own_defaults),
        cmocka_unit_test(test_conf_kafka_gets_our_own_properties),
        cmocka_unit_test(test_conf_same_kafka_sees_what_needs_a_new_consumer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
