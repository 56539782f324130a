/*
 * A session store for tests, driven by lines.
 *
 *   session_store [NAME=VALUE ...]
 *
 * Names: servers (none: the store in memory), username, password, database,
 * timeout, expire, silent, trust, away (in ms), max_calls.
 *
 * Takes commands, one a line, until its standard input ends, and answers each
 * by its number, 1 for the first, in whatever order they end:
 *
 *   connect KEY MID SERVER CONN WHEN   "1 ok" or "1 again", and " KICKS"
 *   report LINE|LINE|...               the same, and " resync"
 *   keys KEY ...                       "1 ok KEY@SERVER ..."; KEY@: nowhere
 *   mids MID ...                       sorted
 *   online                             "1 ok SERVER=CONNS/ADDRS ...
 *                                      room ROOM=MEMBERS ...", sorted
 *   rooms                              "1 ok N": how many parts of rooms
 *   up                                 "1 1" or "1 0"
 *   counters SERVER                    of a Redis server, by its index
 *   stall MS                           does nothing else for so long
 *   ask KEY ...                        keys, over and over until an answer
 *                                      is "ok"
 *   end                                destroys the store and exits
 *
 * A kick is written as "KEY@SERVER!CONN<ONLY", CONN being spared and ONLY the
 * one that goes.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "ls_session_memory.h"
#include "ls_session_redis.h"


#define STORE_WORDS  20000


typedef struct {
    unsigned long   number;
    ls_report_t     report;
    char          **texts;   /* of online */
    size_t          ntexts;
    char           *again;   /* a command that is to be given once more */
} store_command_t;


static struct event_base   *store_base;
static ls_session_t        *store;
static int                  store_is_redis;
static unsigned long        store_number;
static struct bufferevent  *store_input;


static goim_str_t
store_str(const char *text)
{
    goim_str_t  s;

    s.data = (const uint8_t *) text;
    s.len = strlen(text);

    return s;
}


static const char *
store_rc(int rc)
{
    if (rc == GOIM_NOMEM) {
        return "nomem";
    }

    return rc == GOIM_OK ? "ok" : "again";
}


static store_command_t *
store_command(void)
{
    store_command_t  *c;

    c = calloc(1, sizeof(store_command_t));
    if (c == NULL) {
        abort();
    }

    c->number = store_number;

    return c;
}


static void
store_print_kicks(const ls_session_kick_t *kicks, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        printf(" %.*s@%.*s!%.*s<%.*s", (int) kicks[i].key.len,
               kicks[i].key.data, (int) kicks[i].server.len,
               kicks[i].server.data, (int) kicks[i].spare.len,
               kicks[i].spare.data, (int) kicks[i].only.len,
               kicks[i].only.data);
    }
}


static void
store_connected(void *data, int rc, const ls_session_kick_t *kicks, size_t n)
{
    store_command_t  *c = data;

    printf("%lu %s", c->number, store_rc(rc));
    store_print_kicks(kicks, n);
    printf("\n");
    free(c);
}


static void
store_connect(char **words, size_t n)
{
    ls_session_entry_t  entry;

    if (n != 6) {
        printf("%lu usage\n", store_number);
        return;
    }

    entry.key = store_str(words[1]);
    entry.mid = strtoll(words[2], NULL, 10);
    entry.server = store_str(words[3]);
    entry.conn = store_str(words[4]);
    entry.when_ms = strtoull(words[5], NULL, 10);

    ls_session_connect(store, &entry, store_connected, store_command());
}


static void
store_reported(void *data, int rc, const ls_session_kick_t *kicks, size_t n,
    int resync)
{
    store_command_t  *c = data;

    printf("%lu %s", c->number, store_rc(rc));
    store_print_kicks(kicks, n);
    printf("%s\n", resync ? " resync" : "");
    free(c);
}


static void
store_report(char *text)
{
    char         *p;
    const char   *why;
    ls_report_t   report;

    for (p = text; *p; p++) {
        if (*p == '|') {
            *p = '\n';
        }
    }

    if (ls_report_parse(&report, (uint8_t *) text, strlen(text), &why)
        != GOIM_OK)
    {
        printf("%lu bad report: %s\n", store_number, why);
        return;
    }

    ls_session_report(store, &report, store_reported, store_command());

    /* whoever needs it later has a copy */

    memset(report.memory, 'z', 1);
    ls_report_done(&report);
}


static int
store_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}


static void
store_print_sorted(store_command_t *c)
{
    size_t  i;

    if (c->ntexts) {
        qsort(c->texts, c->ntexts, sizeof(char *), store_compare);
    }

    for (i = 0; i < c->ntexts; i++) {
        printf(" %s", c->texts[i]);
        free(c->texts[i]);
    }

    free(c->texts);
}


static void
store_add_text(store_command_t *c, char *text)
{
    c->texts = realloc(c->texts, (c->ntexts + 1) * sizeof(char *));
    if (c->texts == NULL) {
        abort();
    }

    c->texts[c->ntexts++] = text;
}


static void store_keys_again(store_command_t *c);


static void
store_found_keys(void *data, int rc, const ls_session_place_t *places,
    size_t n)
{
    size_t            i;
    store_command_t  *c = data;

    if (c->again && rc != GOIM_OK) {
        store_keys_again(c);
        return;
    }

    printf("%lu %s", c->number, store_rc(rc));

    for (i = 0; i < n; i++) {
        printf(" %.*s@%.*s", (int) places[i].key.len, places[i].key.data,
               (int) places[i].server.len, places[i].server.data);
    }

    printf("\n");
    free(c->again);
    free(c);
}


static void
store_keys(char **words, size_t n, store_command_t *c)
{
    size_t       i;
    goim_str_t  *keys;

    keys = calloc(n, sizeof(goim_str_t));
    if (keys == NULL) {
        abort();
    }

    for (i = 1; i < n; i++) {
        keys[i - 1] = store_str(words[i]);
    }

    ls_session_find_keys(store, keys, n - 1, store_found_keys, c);
    free(keys);
}


static void
store_on_again(evutil_socket_t fd, short what, void *data)
{
    char             *words[2];
    store_command_t  *c = data;

    (void) fd;
    (void) what;

    words[1] = c->again;
    store_keys(words, 2, c);
}


static void
store_keys_again(store_command_t *c)
{
    struct timeval  pause = { 0, 10000 };

    (void) event_base_once(store_base, -1, EV_TIMEOUT, store_on_again, c,
                           &pause);
}


static void
store_found_mids(void *data, int rc, const ls_session_place_t *places,
    size_t n)
{
    char             *text;
    size_t            i;
    store_command_t  *c = data;

    for (i = 0; i < n; i++) {
        if (asprintf(&text, "%.*s@%.*s", (int) places[i].key.len,
                     places[i].key.data, (int) places[i].server.len,
                     places[i].server.data)
            == -1)
        {
            abort();
        }

        store_add_text(c, text);
    }

    printf("%lu %s", c->number, store_rc(rc));
    store_print_sorted(c);
    printf("\n");
    free(c);
}


static void
store_mids(char **words, size_t n)
{
    size_t    i;
    int64_t  *mids;

    mids = calloc(n, sizeof(int64_t));
    if (mids == NULL) {
        abort();
    }

    for (i = 1; i < n; i++) {
        mids[i - 1] = strtoll(words[i], NULL, 10);
    }

    ls_session_find_mids(store, mids, n - 1, store_found_mids,
                         store_command());
    free(mids);
}


/* Parts of a room add up. */
static void
store_online_room(void *data, goim_str_t name, uint32_t members)
{
    char             *text;
    size_t            i, len;
    unsigned long     sum;
    store_command_t  *c = data;

    sum = members;

    for (i = 0; i < c->ntexts; i++) {
        len = 5 + name.len;

        if (strncmp(c->texts[i], "room:", 5) == 0
            && strncmp(c->texts[i] + 5, (const char *) name.data, name.len)
               == 0
            && c->texts[i][len] == '=')
        {
            sum += strtoul(c->texts[i] + len + 1, NULL, 10);
            free(c->texts[i]);
            c->texts[i] = c->texts[--c->ntexts];
            break;
        }
    }

    if (asprintf(&text, "room:%.*s=%lu", (int) name.len, name.data, sum)
        == -1)
    {
        abort();
    }

    store_add_text(c, text);
}


static void
store_online_server(void *data, const ls_session_server_t *server)
{
    char             *text;
    store_command_t  *c = data;

    if (asprintf(&text, "%.*s=%" PRIu64 "/%" PRIu64, (int) server->server.len,
                 server->server.data, server->conns, server->addrs)
        == -1)
    {
        abort();
    }

    store_add_text(c, text);
}


static void
store_online_done(void *data, int rc)
{
    store_command_t  *c = data;

    printf("%lu %s", c->number, store_rc(rc));
    store_print_sorted(c);
    printf("\n");
    free(c);
}


/* Only how many there are: lists of thousands are slow to add to. */
static void
store_count_room(void *data, goim_str_t name, uint32_t members)
{
    store_command_t  *c = data;

    (void) name;
    (void) members;

    c->ntexts++;
}


static void
store_count_server(void *data, const ls_session_server_t *server)
{
    (void) data;
    (void) server;
}


static void
store_count_done(void *data, int rc)
{
    store_command_t  *c = data;

    printf("%lu %s %zu\n", c->number, store_rc(rc), c->ntexts);
    free(c);
}


static const ls_session_online_t  store_online = {
    store_online_server, store_online_room, store_online_done
};

static const ls_session_online_t  store_count = {
    store_count_server, store_count_room, store_count_done
};


static void
store_counters(char **words, size_t n)
{
    unsigned                    server;
    const ls_redis_counters_t  *c;

    server = n > 1 ? strtoul(words[1], NULL, 10) : 0;
    c = ls_redis_counters(ls_session_redis_connections(store), server);

    printf("%lu calls %" PRIu64 " errors %" PRIu64 " refused %" PRIu64
           " timeouts %" PRIu64 " connects %" PRIu64 " losses %" PRIu64 "\n",
           store_number, c->calls, c->errors, c->refused, c->timeouts,
           c->connects, c->losses);
}


static void
store_end(void)
{
    ls_session_destroy(store);
    store = NULL;
    printf("ended\n");
    event_base_loopbreak(store_base);
}


static void
store_run(char *line)
{
    char             *p, *save;
    size_t            n;
    store_command_t  *c;
    static char      *words[STORE_WORDS];

    store_number++;

    if (strncmp(line, "report ", 7) == 0) {
        store_report(line + 7);
        return;
    }

    n = 0;

    for (p = strtok_r(line, " ", &save); p && n < STORE_WORDS;
         p = strtok_r(NULL, " ", &save))
    {
        words[n++] = p;
    }

    if (n == 0) {
        return;
    }

    if (strcmp(words[0], "connect") == 0) {
        store_connect(words, n);

    } else if (strcmp(words[0], "keys") == 0) {
        store_keys(words, n, store_command());

    } else if (strcmp(words[0], "ask") == 0 && n == 2) {
        c = store_command();
        c->again = strdup(words[1]);
        store_keys(words, n, c);

    } else if (strcmp(words[0], "mids") == 0) {
        store_mids(words, n);

    } else if (strcmp(words[0], "online") == 0) {
        ls_session_online(store, &store_online, store_command());

    } else if (strcmp(words[0], "rooms") == 0) {
        ls_session_online(store, &store_count, store_command());

    } else if (strcmp(words[0], "up") == 0) {
        printf("%lu %d\n", store_number, ls_session_up(store));

    } else if (strcmp(words[0], "counters") == 0 && store_is_redis) {
        store_counters(words, n);

    } else if (strcmp(words[0], "stall") == 0 && n == 2) {
        usleep(strtoul(words[1], NULL, 10) * 1000);
        printf("%lu ok\n", store_number);

    } else if (strcmp(words[0], "end") == 0) {
        store_end();

    } else {
        printf("%lu unknown\n", store_number);
    }
}


static void
store_on_input(struct bufferevent *bev, void *data)
{
    char  *line;

    (void) data;

    while (store
           && (line = evbuffer_readln(bufferevent_get_input(bev), NULL,
                                      EVBUFFER_EOL_LF)))
    {
        store_run(line);
        free(line);
    }
}


static void
store_on_end(struct bufferevent *bev, short what, void *data)
{
    (void) bev;
    (void) what;
    (void) data;

    if (store) {
        store_end();
    }
}


int
main(int argc, char **argv)
{
    int              i;
    char            *value;
    uint64_t         number, silent, trust, away;
    goim_error_t     error;
    ls_redis_conf_t  conf;

    static const goim_log_t  log = {
        STDERR_FILENO, GOIM_LOG_NOTICE, "session store"
    };

    memset(&conf, 0, sizeof(conf));
    conf.timeout_ms = LS_REDIS_TIMEOUT_MS;
    conf.expire_ms = LS_REDIS_EXPIRE_MS;
    conf.max_calls = LS_REDIS_MAX_CALLS;
    silent = LS_SESSION_SILENT_MS;
    trust = 1000000;
    away = 10000;

    for (i = 1; i < argc; i++) {
        value = strchr(argv[i], '=');

        if (value == NULL) {
            fprintf(stderr, "\"%s\" is no setting\n", argv[i]);
            return 2;
        }

        *value++ = '\0';
        number = strtoull(value, NULL, 10);

        if (strcmp(argv[i], "servers") == 0) {
            conf.servers = value;

        } else if (strcmp(argv[i], "username") == 0) {
            conf.username = value;

        } else if (strcmp(argv[i], "password") == 0) {
            conf.password = value;

        } else if (strcmp(argv[i], "database") == 0) {
            conf.database = number;

        } else if (strcmp(argv[i], "timeout") == 0) {
            conf.timeout_ms = number;

        } else if (strcmp(argv[i], "expire") == 0) {
            conf.expire_ms = number;

        } else if (strcmp(argv[i], "max_calls") == 0) {
            conf.max_calls = number;

        } else if (strcmp(argv[i], "silent") == 0) {
            silent = number;

        } else if (strcmp(argv[i], "trust") == 0) {
            trust = number;

        } else if (strcmp(argv[i], "away") == 0) {
            away = number;

        } else {
            fprintf(stderr, "\"%s\" is no setting\n", argv[i]);
            return 2;
        }
    }

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);

    store_base = event_base_new();

    if (conf.servers) {
        store_is_redis = 1;
        store = ls_session_redis_create(store_base, &conf, &log, &error);

        if (store == NULL) {
            fprintf(stderr, "%s\n", error.text);
            return 2;
        }

        ls_session_redis_set_times(store, silent, trust, away);

    } else {
        store = ls_session_memory_create();
    }

    store_input = bufferevent_socket_new(store_base, STDIN_FILENO, 0);
    bufferevent_setcb(store_input, store_on_input, NULL, store_on_end, NULL);
    bufferevent_enable(store_input, EV_READ);
    evutil_make_socket_nonblocking(STDIN_FILENO);

    event_base_dispatch(store_base);

    bufferevent_free(store_input);
    event_base_free(store_base);

    return 0;
}
