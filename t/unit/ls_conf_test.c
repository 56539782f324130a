/*
 * goim-logic's settings: defaults, every limit, and what is said of mistakes.
 */

#include "ls_faults.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ls_conf.h"
#include "ls_jwt.h"


#define SMALLEST                                                              \
    "[kafka]\nbrokers = a:1\n[session]\nstore = memory\n"

#define KEY  "0123456789abcdef0123456789abcdef"


/* What was logged while the last file was read. */
static char  logged[65536];

/* A file with a key for signed tokens. */
static char  key_file[] = "/tmp/ls_conf_test_key.XXXXXX";


static ls_conf_t *
load(const char *text)
{
    int         fd, failing;
    char        name[] = "/tmp/ls_conf_test.XXXXXX";
    FILE       *out;
    size_t      len;
    ssize_t     n;
    goim_log_t  log;
    ls_conf_t  *conf;

    failing = fail_at;
    fail_at = 0;

    len = strlen(text);
    fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t) len);
    close(fd);

    out = tmpfile();
    assert_non_null(out);

    log.fd = fileno(out);
    log.level = GOIM_LOG_DEBUG;
    log.actor = "goim logic";

    fail_at = failing;
    conf = ls_conf_load(name, &log);

    n = pread(log.fd, logged, sizeof(logged) - 1, 0);
    assert_true(n >= 0);
    logged[n] = '\0';

    fclose(out);
    unlink(name);

    return conf;
}


static ls_conf_t *
load_with(const char *text)
{
    char        all[4096];
    ls_conf_t  *conf;

    (void) snprintf(all, sizeof(all), SMALLEST "%s", text);

    conf = load(all);

    if (conf == NULL) {
        fail_msg("\"%s\" is refused: %s", text, logged);
    }

    assert_string_equal(logged, "");

    return conf;
}


static void
assert_refused(const char *text, const char *what)
{
    assert_null(load(text));

    if (strstr(logged, what) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", what, logged);
    }
}


/* A setting behind SMALLEST, in line 6. */
static void
assert_value_refused(const char *section, const char *name, const char *value)
{
    char  text[2048], what[1024];

    (void) snprintf(text, sizeof(text), SMALLEST "[%s]\n%s = %s\n", section,
                    name, value);
    (void) snprintf(what, sizeof(what), ":6: \"%s\" in [%s] can't be \"%s\": "
                    "it must", name, section, value);
    assert_refused(text, what);
}


static void
write_key(const char *data, size_t len)
{
    FILE  *file;

    file = fopen(key_file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


static int
setup(void **state)
{
    int  fd;

    (void) state;

    fd = mkstemp(key_file);

    return fd < 0 || close(fd) != 0;
}


static int
teardown(void **state)
{
    (void) state;

    return unlink(key_file);
}


static void
test_conf_smallest_file_gets_defaults(void **state)
{
    ls_conf_t  *conf;

    (void) state;

    conf = load_with("");

    assert_int_equal(conf->nlisten, 1);
    assert_string_equal(conf->listen[0].host, "127.0.0.1");
    assert_int_equal(conf->listen[0].port, 3111);
    assert_int_equal(conf->max_body, 1000000);
    assert_int_equal(conf->max_requests, 10000);
    assert_int_equal(conf->max_buffered, 256 << 20);
    assert_int_equal(conf->timeout_ms, 60000);
    assert_string_equal(conf->topic, "goim-push-topic");
    assert_int_equal(conf->store, LS_CONF_MEMORY);
    assert_int_equal(conf->expire_ms, 1800000);
    assert_null(conf->redis_servers);
    assert_null(conf->redis_username);
    assert_null(conf->redis_password);
    assert_int_equal(conf->redis_database, 0);
    assert_int_equal(conf->redis_timeout_ms, 500);
    assert_int_equal(conf->redis_max_calls, 100000);
    assert_int_equal(conf->auth, LS_CONF_ANONYMOUS);
    assert_null(conf->jwt_key);
    assert_int_equal(conf->jwt_alg, ls_jwt_alg("HS256"));
    assert_int_equal(conf->heartbeat_ms, 240000);
    assert_int_equal(conf->heartbeat_max, 2);
    assert_int_equal(conf->publish_op, 1000);
    assert_int_equal(conf->publish_max, 4096);
    assert_string_equal(conf->v1_room_type, "room");
    assert_int_equal(conf->v1_op, 1000);
    assert_string_equal(conf->domain, "");
    assert_string_equal(conf->host_domain, "");
    assert_int_equal(conf->tcp_port, 3101);
    assert_int_equal(conf->ws_port, 3102);
    assert_int_equal(conf->wss_port, 3103);
    assert_string_equal(conf->region, "");
    assert_string_equal(conf->zone, "");
    assert_string_equal(conf->env, "");
    assert_int_equal(conf->nnodes, 0);
    assert_int_equal(conf->log_level, GOIM_LOG_NOTICE);

    ls_conf_destroy(conf);

    conf = load("[kafka]\nbrokers = a:1\n[redis]\nservers = b:2\n");
    assert_non_null(conf);
    assert_int_equal(conf->store, LS_CONF_REDIS);
    ls_conf_destroy(conf);
}


static void
test_conf_every_setting_is_taken(void **state)
{
    char        text[4096];
    ls_conf_t  *conf;

    (void) state;

    write_key(KEY "\n", sizeof(KEY));

    (void) snprintf(text, sizeof(text),
                    "# a comment\n"
                    "[http]\nlisten = 10.0.0.1:80 , [::1]:81,:82,host:83\n"
                    "max_body = 2m\nmax_requests = 5\nmax_buffered = 1024m\n"
                    "timeout = 5s\n"
                    "[kafka]\nbrokers = a:1,b:2\ntopic = t_1.-x\n"
                    "message.timeout.ms = 7000\n"
                    "[session]\nstore = redis\nexpire = 1h\n"
                    "[redis]\nservers = r:1,unix:/r\nusername = u\n"
                    "password = p w\ndatabase = 3\ntimeout = 2s\n"
                    "max_calls = 200\n"
                    "[auth]\nmode = jwt\njwt_key = %s\njwt_alg = HS512\n"
                    "heartbeat = 30s\nheartbeat_max = 3\n"
                    "connections_per_mid = 5\n"
                    "[publish]\nop = -7\nmax_size = 1k\n"
                    "[v1]\nroom_type = live\nop = 5\n"
                    "[nodes]\ndomain = d.example\nhost_domain = .example\n"
                    "tcp_port = 0\nws_port = 65535\nwss_port = 443\n"
                    "region = sh\nzone = sh001\nenv = dev\n"
                    "server comet-1 = 10,203.0.113.1,203.0.113.2\n"
                    "server comet-2 = 0\n"
                    "[log]\nlevel = debug\n",
                    key_file);

    conf = load(text);
    assert_non_null(conf);
    assert_string_equal(logged, "");

    assert_int_equal(conf->nlisten, 4);
    assert_string_equal(conf->listen[0].host, "10.0.0.1");
    assert_int_equal(conf->listen[0].port, 80);
    assert_string_equal(conf->listen[1].host, "::1");
    assert_int_equal(conf->listen[1].port, 81);
    assert_string_equal(conf->listen[2].host, "0.0.0.0");
    assert_int_equal(conf->listen[2].port, 82);
    assert_string_equal(conf->listen[3].host, "host");
    assert_int_equal(conf->max_body, 2 << 20);
    assert_int_equal(conf->max_requests, 5);
    assert_int_equal(conf->max_buffered, 1 << 30);
    assert_int_equal(conf->timeout_ms, 5000);
    assert_string_equal(conf->topic, "t_1.-x");
    assert_int_equal(conf->store, LS_CONF_REDIS);
    assert_int_equal(conf->expire_ms, 3600000);
    assert_string_equal(conf->redis_servers, "r:1,unix:/r");
    assert_string_equal(conf->redis_username, "u");
    assert_string_equal(conf->redis_password, "p w");
    assert_int_equal(conf->redis_database, 3);
    assert_int_equal(conf->redis_timeout_ms, 2000);
    assert_int_equal(conf->redis_max_calls, 200);
    assert_int_equal(conf->auth, LS_CONF_JWT);
    assert_int_equal(conf->jwt_key_len, sizeof(KEY) - 1);
    assert_memory_equal(conf->jwt_key, KEY, sizeof(KEY));
    assert_int_equal(conf->jwt_alg, ls_jwt_alg("HS512"));
    assert_int_equal(conf->heartbeat_ms, 30000);
    assert_int_equal(conf->heartbeat_max, 3);
    assert_int_equal(conf->connections_per_mid, 5);
    assert_int_equal(conf->publish_op, -7);
    assert_int_equal(conf->publish_max, 1024);
    assert_string_equal(conf->v1_room_type, "live");
    assert_int_equal(conf->v1_op, 5);
    assert_string_equal(conf->domain, "d.example");
    assert_string_equal(conf->host_domain, ".example");
    assert_int_equal(conf->tcp_port, 0);
    assert_int_equal(conf->ws_port, 65535);
    assert_int_equal(conf->wss_port, 443);
    assert_string_equal(conf->region, "sh");
    assert_string_equal(conf->zone, "sh001");
    assert_string_equal(conf->env, "dev");
    assert_int_equal(conf->nnodes, 2);
    assert_string_equal(conf->nodes[0].server, "comet-1");
    assert_string_equal(conf->nodes[0].addrs, "203.0.113.1,203.0.113.2");
    assert_int_equal(conf->nodes[0].weight, 10);
    assert_string_equal(conf->nodes[1].server, "comet-2");
    assert_string_equal(conf->nodes[1].addrs, "");
    assert_int_equal(conf->nodes[1].weight, 0);
    assert_int_equal(conf->log_level, GOIM_LOG_DEBUG);

    ls_conf_destroy(conf);
}


/* The least and the most of each setting, and what is one step beyond. */
static void
test_conf_every_setting_has_its_limits(void **state)
{
    size_t  i;
    char    text[256];

    static const struct {
        const char  *section;
        const char  *name;
        const char  *below;
        const char  *least;
        const char  *most;
        const char  *above;
    } cases[] = {
        { "http", "max_body", "0", "1", "64m", "67108865" },
        { "http", "max_requests", "0", "1", "1000000", "1000001" },
        { "http", "max_buffered", "67108863", "64m", "9223372036854775807",
          "9223372036854775808" },
        { "http", "timeout", "999ms", "1000ms", "1h", "3600001ms" },
        { "session", "expire", "59999ms", "1m", "720h", "2592000001ms" },
        { "redis", "database", "-1", "0", "1000000", "1000001" },
        { "redis", "timeout", "9ms", "10ms", "1m", "60001ms" },
        { "redis", "max_calls", "99", "100", "10000000", "10000001" },
        { "auth", "heartbeat", "999ms", "1s", "1h", "3600001ms" },
        { "auth", "heartbeat_max", "0", "1", "100", "101" },
        { "auth", "connections_per_mid", "-1", "0", "100000", "100001" },
        { "publish", "op", "-2147483649", "-2147483648", "2147483647",
          "2147483648" },
        { "publish", "max_size", "0", "1", "64m", "65537k" },
        { "v1", "op", "-2147483649", "-2147483648", "2147483647",
          "2147483648" },
        { "nodes", "tcp_port", "-1", "0", "65535", "65536" },
        { "nodes", "ws_port", "-1", "0", "65535", "65536" },
        { "nodes", "wss_port", "-1", "0", "65535", "65536" },
        { "http", "listen", ":0", ":1", ":65535", ":65536" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_value_refused(cases[i].section, cases[i].name, cases[i].below);
        assert_value_refused(cases[i].section, cases[i].name, cases[i].above);
        assert_value_refused(cases[i].section, cases[i].name, "x");

        (void) snprintf(text, sizeof(text), "[%s]\n%s = %s\n",
                        cases[i].section, cases[i].name, cases[i].least);
        ls_conf_destroy(load_with(text));
        (void) snprintf(text, sizeof(text), "[%s]\n%s = %s\n",
                        cases[i].section, cases[i].name, cases[i].most);
        ls_conf_destroy(load_with(text));
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
        { "[http]\nlisten = 3111\n",
          ":2: \"listen\" in [http] can't be \"3111\": it must be a list of "
          "address:port" },
        { "[http]\nlisten = a:80 b:81\n",
          "it must have commas between its addresses" },
        { "[http]\nlisten = a:80,a:80\n", "each address must stand in it" },
        { "[http]\nlisten = :80,0.0.0.0:80\n", "each address must stand in" },
        { "[kafka]\ntopic = a b\n", ":2: \"topic\" in [kafka] can't be" },
        { "[kafka]\ntopic = ..\n", "it must be a Kafka topic" },
        { "[kafka]\ntopic = a,b\n", "it must be a Kafka topic" },
        { "[kafka]\nenable.idempotence = false\n", "it must be left out" },
        { "[kafka]\npartitioner = random\n", "it must be left out" },
        { "[kafka]\nlog.queue = false\n", "it must be left out" },
        { "[kafka]\nno.such = 1\n",
          ":2: \"no.such\" in [kafka]: librdkafka says: No such" },
        { "[kafka]\nlinger.ms = x\n",
          ":2: \"linger.ms\" in [kafka]: librdkafka says: Invalid" },
        { "[kafka]\nbrokers = a\nbootstrap.servers = b\n",
          ":3: \"bootstrap.servers\" in [kafka]: it is set in line 2" },
        { "[session]\nstore = file\n", "it must be redis, or memory" },
        { "[redis]\nservers = a:x\n",
          ":2: \"servers\" in [redis] can't be \"a:x\": it must be" },
        { "[auth]\nmode = none\n", "it must be anonymous" },
        { "[auth]\njwt_alg = none\n", ":2: \"jwt_alg\" in [auth] can't be "
          "\"none\": it must be HS256" },
        { "[auth]\njwt_key = /nonexistent\n", "it must be a file that can be "
          "read" },
        { "[auth]\njwt_key = /\n", "it must be a file of at most 64 KB" },
        { "[v1]\nroom_type = live://\n", ":2: \"room_type\"" },
        { "[v1]\nroom_type = a\tb\n", ":2: \"room_type\"" },
        { "[nodes]\ndomain = a\tb\n", "it must have no control characters" },
        { "[nodes]\nhost_domain = \x7f\n", "it must have no control" },
        { "[nodes]\nregion = \x01\n", "it must have no control" },
        { "[nodes]\nzone = \x01\n", "it must have no control" },
        { "[nodes]\nenv = \x01\n", "it must have no control" },
        { "[nodes]\nserver = 10\n", ":2: there is no setting \"server\"" },
        { "[log]\nlevel = loud\n", ":2: \"level\" in [log] can't be" },
        { "[log]\nlevel = warn\nlevel = info\n",
          ":3: \"level\" in [log]: it is set in line 2" },
        { "[log]\nlevel =\n", ":2: \"level\" in [log] has no value" },
        { "[log]\nother = 1\n", ":2: there is no setting \"other\" in [log]" },
        { "[logs]\nlevel = warn\n", ":2: \"level\" stands in [logs]: it must "
          "stand in [http], [kafka], [session], [redis], [auth], [publish], "
          "[v1], [nodes] or [log]" },
        { "level = warn\n", ":1: \"level\" stands in []" },
        { "[log]\n\nhello\n", ":3: this is neither" },

        /* what is missing */
        { "[session]\nstore = memory\n", "\"brokers\" in [kafka] is missing" },
        { "[kafka]\nbrokers = a:1\n", "\"servers\" in [redis] is missing" },
        { SMALLEST "[auth]\nmode = jwt\n", "\"jwt_key\" in [auth] is "
          "missing" },

        /* X-Goim-Heartbeat, which nginx takes up to a day */
        { SMALLEST "[auth]\nheartbeat = 1h\nheartbeat_max = 25\n",
          "\"heartbeat\" times \"heartbeat_max\" in [auth] is more than a "
          "day" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].text, cases[i].what);
    }

    ls_conf_destroy(load_with("[auth]\nheartbeat = 1h\nheartbeat_max = 24\n"));
}


static void
test_conf_all_mistakes_of_a_file_are_told(void **state)
{
    (void) state;

    assert_null(load("[log]\nlevel = loud\n[auth]\nheartbeat = x\n"
                     "other = 1\n[nodes]\nserver a = x\n"));
    assert_non_null(strstr(logged, ":2: "));
    assert_non_null(strstr(logged, ":4: "));
    assert_non_null(strstr(logged, ":5: "));
    assert_non_null(strstr(logged, ":7: "));
}


static void
test_conf_listen_has_addresses_and_ports(void **state)
{
    size_t       i;
    char         text[1024], *p;
    ls_conf_t   *conf;

    static const char *const  bad[] = {
        ":", "a:", "a", "a:80,", ",a:80", "a:80,,b:80", "a:80x", "a:-1",
        "a:+80", "a:0x50", "a:99999999999999999999", "[::1]", "[::1]80",
        "[::1:80", "::1]:80", "::1:80", "[]:80", "[:80", "a:80 ,", "[a]b:80",
        "[[::1]]:80",
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_value_refused("http", "listen", bad[i]);
    }

    conf = load_with("[http]\nlisten = [::]:80,[fe80::1%eth0]:0081,a:82\t,\t"
                     "b:83\n");
    assert_int_equal(conf->nlisten, 4);
    assert_string_equal(conf->listen[0].host, "::");
    assert_string_equal(conf->listen[1].host, "fe80::1%eth0");
    assert_int_equal(conf->listen[1].port, 81);
    assert_string_equal(conf->listen[3].host, "b");
    ls_conf_destroy(conf);

    /* as many as there may be, and one more */

    p = text + sprintf(text, "[http]\nlisten = :1");

    for (i = 2; i <= LS_CONF_LISTEN; i++) {
        p += sprintf(p, ",:%d", (int) i);
    }

    conf = load_with(text);
    assert_int_equal(conf->nlisten, LS_CONF_LISTEN);
    ls_conf_destroy(conf);

    strcpy(p, ",:99\n");
    assert_refused(text, "it must not hold more than 16 addresses");
}


static void
test_conf_texts_have_limits(void **state)
{
    char        text[1024], value[512];
    ls_conf_t  *conf;

    (void) state;

    memset(value, 'a', sizeof(value));
    value[249] = '\0';
    (void) snprintf(text, sizeof(text), "[kafka]\ntopic = %s\n", value);
    conf = load_with(text);
    assert_int_equal(strlen(conf->topic), 249);
    ls_conf_destroy(conf);

    value[249] = 'a';
    value[250] = '\0';
    assert_value_refused("kafka", "topic", value);

    value[65] = '\0';
    assert_value_refused("v1", "room_type", value);
    value[64] = '\0';
    (void) snprintf(text, sizeof(text), "[v1]\nroom_type = %s\n", value);
    ls_conf_destroy(load_with(text));
}


static void
test_conf_nodes_have_a_weight_and_addresses(void **state)
{
    size_t      i;
    char        text[512];
    ls_conf_t  *conf;

    static const char *const  bad[] = {
        "x", "-1", "1048577", "1.5", "10 20", "10;a", ",a", "10,", "10,,a",
        "10,a,", "10,a, ,b", "10,a\tb", "0000000000000000010",
        "99999999999999999999,a", "10,a b",
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) snprintf(text, sizeof(text), SMALLEST
                        "[nodes]\nserver c = %s\n", bad[i]);
        assert_refused(text, ":6: \"server c\" in [nodes] can't be");
    }

    conf = load_with("[nodes]\nserver  a b = 1048576 , 203.0.113.1 ,\tb\n");
    assert_int_equal(conf->nnodes, 1);
    assert_string_equal(conf->nodes[0].server, "a b");
    assert_string_equal(conf->nodes[0].addrs, "203.0.113.1,b");
    assert_int_equal(conf->nodes[0].weight, 1048576);
    ls_conf_destroy(conf);
}


static void
test_conf_nodes_have_one_line_for_each_server(void **state)
{
    (void) state;

    assert_refused(SMALLEST "[nodes]\nserver c = 1,a\nserver d = 1,b\n"
                            "server c = 2,c\n",
                   ":8: \"server c\" in [nodes]: it is set in line 6 already");
}


static void
test_conf_nodes_have_limits(void **state)
{
    int         i;
    char       *text, *p, name[300];
    ls_conf_t  *conf;

    (void) state;

    text = __real_malloc(32 * 1024);
    assert_non_null(text);

    p = text + sprintf(text, SMALLEST "[nodes]\n");

    for (i = 0; i < LS_CONF_NODES; i++) {
        p += sprintf(p, "server c%d = 1,a\n", i);
    }

    conf = load(text);
    assert_non_null(conf);
    assert_int_equal(conf->nnodes, LS_CONF_NODES);
    assert_string_equal(conf->nodes[255].server, "c255");
    ls_conf_destroy(conf);

    strcpy(p, "server x = 1,a\n");
    assert_refused(text, ":262: there are more than 256 servers in [nodes]");

    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    (void) sprintf(text, SMALLEST "[nodes]\nserver %s = 1\n", name);
    conf = load(text);
    assert_non_null(conf);
    ls_conf_destroy(conf);

    name[255] = 'n';
    name[256] = '\0';
    (void) sprintf(text, SMALLEST "[nodes]\nserver %s = 1\n", name);
    assert_refused(text, ":6: \"server n");

    free(text);
}


static void
test_conf_key_is_the_bytes_of_its_file(void **state)
{
    size_t      i, len;
    char        text[256], *key;
    ls_conf_t  *conf;

    static const struct {
        const char  *tail;
        size_t       len;
        size_t       kept;
    } cases[] = {
        { "", 0, 0 }, { "\n", 1, 0 }, { "\r\n", 2, 0 }, { "\n\n", 2, 0 },
        { "\0", 1, 1 }, { "\0\n", 2, 1 }, { "\n\0", 2, 2 }, { " ", 1, 1 },
    };

    (void) state;

    (void) snprintf(text, sizeof(text), SMALLEST "[auth]\nmode = jwt\n"
                    "jwt_key = %s\n", key_file);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  data[64] = KEY;

        memcpy(data + sizeof(KEY) - 1, cases[i].tail, cases[i].len);
        write_key(data, sizeof(KEY) - 1 + cases[i].len);

        conf = load(text);
        assert_non_null(conf);
        assert_int_equal(conf->jwt_key_len, sizeof(KEY) - 1 + cases[i].kept);
        assert_memory_equal(conf->jwt_key, data, conf->jwt_key_len);
        assert_int_equal(conf->jwt_key[conf->jwt_key_len], 0);
        ls_conf_destroy(conf);
    }

    write_key(KEY, sizeof(KEY) - 2);
    assert_refused(text, ":7: \"jwt_key\" in [auth]");
    assert_non_null(strstr(logged, "at least 32 bytes"));

    key = __real_malloc(64 * 1024 + 1);
    assert_non_null(key);
    memset(key, 'k', 64 * 1024 + 1);

    for (len = 64 * 1024 - 1; len <= 64 * 1024; len++) {
        write_key(key, len);
        conf = load(text);
        assert_non_null(conf);
        assert_int_equal(conf->jwt_key_len, len);
        ls_conf_destroy(conf);
    }

    write_key(key, len);
    assert_refused(text, "it must be a file of at most 64 KB");

    free(key);
}


static void
test_conf_kafka_gets_our_own_properties(void **state)
{
    char              value[64];
    size_t            i, size;
    goim_log_t        log = { STDERR_FILENO, GOIM_LOG_ERROR, "goim logic" };
    ls_conf_t        *conf;
    rd_kafka_conf_t  *kafka;

    static const struct {
        const char  *name;
        const char  *value;
    } cases[] = {
        { "bootstrap.servers", "a:1" },
        { "enable.idempotence", "true" },
        { "client.id", "me" },
        { "message.timeout.ms", "5000" },
        { "linger.ms", "1" },
    };

    (void) state;

    conf = load_with("[kafka]\nclient.id = me\n");

    kafka = ls_conf_kafka(conf, &log);
    assert_non_null(kafka);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size = sizeof(value);
        assert_int_equal(rd_kafka_conf_get(kafka, cases[i].name, value, &size),
                         RD_KAFKA_CONF_OK);
        assert_string_equal(value, cases[i].value);
    }

    rd_kafka_conf_destroy(kafka);
    ls_conf_destroy(conf);
}


static int
same_frame(const char *one, const char *other)
{
    int         same;
    ls_conf_t  *a, *b;

    a = load_with(one);
    b = load_with(other);

    same = ls_conf_same_frame(a, b);
    assert_int_equal(ls_conf_same_frame(b, a), same);

    ls_conf_destroy(a);
    ls_conf_destroy(b);

    return same;
}


static void
test_conf_same_frame_sees_what_needs_a_new_start(void **state)
{
    size_t  i;

    static const char *const  others[] = {
        "[http]\nlisten = :3111\n", "[http]\nlisten = 127.0.0.1:3112\n",
        "[http]\nlisten = 127.0.0.1:3111,127.0.0.1:1\n",
        "[http]\nmax_body = 7\n", "[http]\ntimeout = 7s\n",
        "[kafka]\nlinger.ms = 7\n", "[kafka]\ntopic = t\n",
        "[session]\nexpire = 7m\n", "[redis]\nservers = a\n",
        "[redis]\nusername = u\n", "[redis]\npassword = p\n",
        "[redis]\ndatabase = 7\n", "[redis]\ntimeout = 7s\n",
        "[redis]\nmax_calls = 777\n",
    };

    (void) state;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(same_frame("", others[i]));
        assert_true(same_frame(others[i], others[i]));
    }

    assert_false(same_frame("[redis]\npassword = p\n",
                            "[redis]\npassword = q\n"));

    assert_true(same_frame("", "[http]\nlisten = 127.0.0.1:3111\n"
                               "max_requests = 7\n"
                               "[kafka]\ntopic = goim-push-topic\n"
                               "[auth]\nmode = open\nheartbeat = 7s\n"
                               "[publish]\nop = 7\nmax_size = 7\n"
                               "[v1]\nroom_type = live\nop = 7\n"
                               "[nodes]\ndomain = d\nserver a = 7\n"
                               "[log]\nlevel = debug\n"));
}


static void
test_conf_without_memory_is_refused(void **state)
{
    int         at;
    char        text[512];
    ls_conf_t  *conf;

    (void) state;

    write_key(KEY, sizeof(KEY) - 1);

    (void) snprintf(text, sizeof(text), SMALLEST
                    "expire = 30m\n[http]\nlisten = a:80,:81\n"
                    "[auth]\njwt_key = %s\n"
                    "[nodes]\ndomain = d\nserver a = 1,b,c\nserver b = 1\n",
                    key_file);

    for (at = 1; at < 200; at++) {
        fail_at = at;
        conf = load(text);

        if (fail_at) {
            break;
        }

        assert_null(conf);
        assert_non_null(strstr(logged, "memory"));
    }

    fail_at = 0;
    assert_in_range(at, 15, 100);
    assert_non_null(conf);
    ls_conf_destroy(conf);
    ls_conf_destroy(NULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_conf_smallest_file_gets_defaults),
        cmocka_unit_test(test_conf_every_setting_is_taken),
        cmocka_unit_test(test_conf_every_setting_has_its_limits),
        cmocka_unit_test(test_conf_mistakes_are_named_with_file_and_line),
        cmocka_unit_test(test_conf_all_mistakes_of_a_file_are_told),
        cmocka_unit_test(test_conf_listen_has_addresses_and_ports),
        cmocka_unit_test(test_conf_texts_have_limits),
        cmocka_unit_test(test_conf_nodes_have_a_weight_and_addresses),
        cmocka_unit_test(test_conf_nodes_have_one_line_for_each_server),
        cmocka_unit_test(test_conf_nodes_have_limits),
        cmocka_unit_test(test_conf_key_is_the_bytes_of_its_file),
        cmocka_unit_test(test_conf_kafka_gets_our_own_properties),
        cmocka_unit_test(test_conf_same_frame_sees_what_needs_a_new_start),
        cmocka_unit_test(test_conf_without_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
