/*
 * Connections to Redis; see ls_redis.h.
 *
 * hiredis 0.14 knows no time limits and resolves names in the way of the
 * loop, so both are done here.  Calls are answered in the order they were
 * made: each connection has a queue of them, and a late one at its head means
 * that the connection is given up, and all of them with it.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/dns.h>
#include <event2/util.h>

#include "goim_time.h"
#include "ls_redis.h"
#include "ls_redis_address.h"
#include "ls_redis_events.h"
#include "ls_ring.h"


#define LS_REDIS_BACKOFF_US   100000   /* first delay before connecting */
#define LS_REDIS_BACKOFF_MAX  1000000
#define LS_REDIS_STEADY_US    1000000  /* up for so long: backoff is over */
#define LS_REDIS_PING_US      1000000  /* of silence */
#define LS_REDIS_GRACE_US     10000    /* for replies that have arrived */
#define LS_REDIS_STILL_US     100000   /* a timer is never so late */


typedef enum {
    LS_REDIS_WAITING = 0,  /* for the next attempt */
    LS_REDIS_RESOLVING,
    LS_REDIS_CONNECTING,
    LS_REDIS_GREETING,     /* AUTH, SELECT and PING are not all answered */
    LS_REDIS_IS_UP
} ls_redis_state_e;


typedef struct ls_redis_call_s    ls_redis_call_t;
typedef struct ls_redis_server_s  ls_redis_server_t;


struct ls_redis_call_s {
    ls_redis_call_t   *next;
    ls_redis_done_pt   done;
    void              *data;
    uint64_t           late_us;
};


struct ls_redis_server_s {
    ls_redis_t                 *rd;
    unsigned                    index;
    ls_redis_address_t          address;

    ls_redis_state_e            state;
    redisAsyncContext          *ac;    /* NULL: WAITING and RESOLVING */
    struct evdns_getaddrinfo_request  *lookup;  /* RESOLVING */
    struct event               *timer;

    ls_redis_call_t            *first;
    ls_redis_call_t           **last;
    unsigned                    ncalls;

    uint64_t                    since_us;    /* it went up, or down */
    uint64_t                    retry_us;    /* WAITING: until then */
    uint64_t                    backoff_us;
    uint64_t                    late_us;     /* all before IS_UP */
    uint64_t                    heard_us;
    uint64_t                    graced_us;   /* late_us of the call that gets
                                                more time, */
    uint64_t                    grace_us;    /* until then */
    unsigned                    attempt;     /* chooses among addresses */

    ls_redis_counters_t         counters;
};


struct ls_redis_s {
    struct event_base   *base;
    struct evdns_base   *dns;       /* NULL: no server has a name */
    const goim_log_t    *log;
    goim_log_causes_t    causes;

    char                *username;
    char                *password;
    unsigned             database;
    uint64_t             timeout_us;
    unsigned             max_calls;

    ls_redis_up_pt       up;
    void                *up_data;

    ls_ring_t            ring;
    unsigned             nservers;
    ls_redis_server_t    servers[LS_REDIS_SERVERS];

    unsigned             entered;   /* callbacks that will look at us */
    unsigned             stopped:1;
    unsigned             destroyed:1;
};


static void ls_redis_connect(ls_redis_server_t *sv);
static void ls_redis_arm(ls_redis_server_t *sv);


/* Events: destroy may come at any depth of them */

static void
ls_redis_free(ls_redis_t *rd)
{
    unsigned            i;
    ls_redis_server_t  *sv;

    for (i = 0; i < rd->nservers; i++) {
        sv = &rd->servers[i];

        if (sv->timer) {
            event_free(sv->timer);
        }
    }

    if (rd->dns) {
        evdns_base_free(rd->dns, 0);
    }

    ls_ring_done(&rd->ring);
    free(rd->username);
    free(rd->password);
    free(rd);
}


static void
ls_redis_enter(ls_redis_t *rd)
{
    rd->entered++;
}


static void
ls_redis_leave(ls_redis_t *rd)
{
    rd->entered--;

    if (rd->destroyed && rd->entered == 0) {
        ls_redis_free(rd);
    }
}


/* The end of a connection */

/* What has been going on with a server, at most once a second for each kind
 * of cause. */
static void
ls_redis_log(ls_redis_server_t *sv, goim_log_level_e level, uint64_t cause,
    const char *text)
{
    goim_log_limit_t  *limit;

    limit = goim_log_cause(&sv->rd->causes,
                           cause * LS_RING_NODES + sv->index + 1);

    goim_log_limited(sv->rd->log, limit, level, "redis \"%s\": %s",
                     sv->address.name, text);
}


/* A number for the first word of a text. */
static uint64_t
ls_redis_cause(const char *text)
{
    uint64_t  hash;

    hash = 5381;

    while (*text && *text != ' ') {
        hash = hash * 33 + (unsigned char) *text++;
    }

    return hash;
}


static void
ls_redis_wait(ls_redis_server_t *sv, uint64_t now)
{
    uint32_t  some;

    sv->state = LS_REDIS_WAITING;

    if (sv->backoff_us == 0) {
        sv->backoff_us = LS_REDIS_BACKOFF_US;
    }

    /* not all goim-logic at once: 3/4 to 5/4 of it */

    evutil_secure_rng_get_bytes(&some, sizeof(some));
    sv->retry_us = now + sv->backoff_us * 3 / 4 + some % (sv->backoff_us / 2);

    sv->backoff_us *= 2;

    if (sv->backoff_us > LS_REDIS_BACKOFF_MAX) {
        sv->backoff_us = LS_REDIS_BACKOFF_MAX;
    }

    if (!sv->rd->stopped) {
        ls_redis_arm(sv);
    }
}


/* All calls under way end, and may make others of other servers. */
static void
ls_redis_fail_calls(ls_redis_server_t *sv)
{
    ls_redis_call_t  *call, *next;

    call = sv->first;
    sv->first = NULL;
    sv->last = &sv->first;
    sv->ncalls = 0;

    for (; call; call = next) {
        next = call->next;
        sv->counters.errors++;
        call->done(call->data, GOIM_AGAIN, NULL);
        free(call);
    }
}


/*
 * The connection has ended, or ends now.  gone: hiredis is about to free it.
 * text NULL: nothing has to be told.
 */
static void
ls_redis_lose(ls_redis_server_t *sv, int gone, const char *text)
{
    uint64_t            now;
    redisAsyncContext  *ac;

    now = goim_time_us();

    if (text) {
        ls_redis_log(sv, GOIM_LOG_WARN, ls_redis_cause(text), text);
    }

    if (sv->state == LS_REDIS_IS_UP) {
        sv->counters.losses++;

        if (now - sv->since_us >= LS_REDIS_STEADY_US) {
            sv->backoff_us = 0;
        }

        sv->since_us = now;
    }

    ac = sv->ac;
    sv->ac = NULL;

    if (sv->lookup) {
        evdns_getaddrinfo_cancel(sv->lookup);
        sv->lookup = NULL;
    }

    ls_redis_wait(sv, now);

    if (ac) {
        ac->data = NULL;

        if (!gone) {

            /* within one of its callbacks this waits for the callback's end */

            redisAsyncFree(ac);
        }
    }

    ls_redis_enter(sv->rd);
    ls_redis_fail_calls(sv);
    ls_redis_leave(sv->rd);
}


/* Calls */

/* Errors that the next connection may not have. */
static int
ls_redis_is_fatal(const char *text)
{
    size_t  i;

    static const char *const  words[] = {
        "LOADING", "READONLY", "MASTERDOWN", "NOAUTH", "WRONGPASS"
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (strncmp(text, words[i], strlen(words[i])) == 0) {
            return 1;
        }
    }

    return 0;
}


/* May free sv->rd. */
static void
ls_redis_on_reply(redisAsyncContext *ac, void *answer, void *data)
{
    redisReply         *reply = answer;
    ls_redis_t         *rd;
    ls_redis_call_t    *call;
    ls_redis_server_t  *sv = ac->data;

    (void) data;

    if (sv == NULL) {

        /* it has been given up, and its calls with it */

        return;
    }

    if (reply == NULL) {
        ls_redis_lose(sv, 1, ac->err ? ac->c.errstr : "connection ended");
        return;
    }

    call = sv->first;

    if (call == NULL) {
        ls_redis_lose(sv, 0, "a reply that nobody has asked for");
        return;
    }

    rd = sv->rd;
    ls_redis_enter(rd);

    sv->first = call->next;
    sv->ncalls--;

    if (sv->first == NULL) {
        sv->last = &sv->first;
    }

    sv->heard_us = goim_time_us();

    if (reply->type == REDIS_REPLY_ERROR) {
        sv->counters.errors++;

        if (ls_redis_is_fatal(reply->str)) {
            ls_redis_lose(sv, 0, reply->str);

        } else {
            ls_redis_log(sv, GOIM_LOG_ERROR, ls_redis_cause(reply->str),
                         reply->str);
        }

        call->done(call->data, GOIM_AGAIN, NULL);

    } else {
        call->done(call->data, GOIM_OK, reply);
    }

    free(call);
    ls_redis_leave(rd);
}


/* Sends it whatever the state. */
static int
ls_redis_send(ls_redis_server_t *sv, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data)
{
    goim_str_t        wire;
    ls_redis_call_t  *call;

    if (ls_redis_command_wire(cmd, &wire) != GOIM_OK) {
        return GOIM_NOMEM;
    }

    call = malloc(sizeof(ls_redis_call_t));
    if (call == NULL) {
        return GOIM_NOMEM;
    }

    if (redisAsyncFormattedCommand(sv->ac, ls_redis_on_reply, NULL,
                                   (const char *) wire.data, wire.len)
        != REDIS_OK)
    {
        free(call);
        sv->counters.refused++;

        return GOIM_AGAIN;
    }

    call->next = NULL;
    call->done = done;
    call->data = data;
    call->late_us = goim_time_us() + sv->rd->timeout_us;

    *sv->last = call;
    sv->last = &call->next;
    sv->ncalls++;
    sv->counters.calls++;

    if (sv->ncalls == 1 && sv->state == LS_REDIS_IS_UP) {
        ls_redis_arm(sv);
    }

    return GOIM_OK;
}


int
ls_redis_call(ls_redis_t *rd, unsigned server, ls_redis_command_t *cmd,
    ls_redis_done_pt done, void *data)
{
    ls_redis_server_t  *sv;

    sv = &rd->servers[server];

    if (rd->stopped || sv->state != LS_REDIS_IS_UP
        || sv->ncalls >= rd->max_calls)
    {
        sv->counters.refused++;
        return GOIM_AGAIN;
    }

    return ls_redis_send(sv, cmd, done, data);
}


/* From connecting to up */

static void
ls_redis_on_greeted(void *data, int rc, const redisReply *reply)
{
    ls_redis_server_t  *sv = data;

    (void) reply;

    if (rc == GOIM_OK || sv->state != LS_REDIS_GREETING) {
        return;
    }

    /* AUTH or SELECT; why has been logged */

    ls_redis_lose(sv, 0, NULL);
}


static void
ls_redis_on_pong(void *data, int rc, const redisReply *reply)
{
    ls_redis_t         *rd;
    ls_redis_server_t  *sv = data;

    if (sv->state != LS_REDIS_GREETING) {
        return;
    }

    if (rc != GOIM_OK || reply->type != REDIS_REPLY_STATUS
        || strcmp(reply->str, "PONG") != 0)
    {
        ls_redis_lose(sv, 0, rc == GOIM_OK ? "no PONG for a PING" : NULL);
        return;
    }

    rd = sv->rd;

    sv->state = LS_REDIS_IS_UP;
    sv->since_us = goim_time_us();
    sv->counters.connects++;

    ls_redis_log(sv, GOIM_LOG_NOTICE, ls_redis_cause("up"), "connected");
    ls_redis_arm(sv);

    if (rd->up) {
        rd->up(rd->up_data, sv->index);
    }
}


/* Sends the greeting that was built, and begins the next. */
static int
ls_redis_say(ls_redis_server_t *sv, ls_redis_command_t *cmd,
    ls_redis_done_pt done)
{
    int  rc;

    rc = ls_redis_send(sv, cmd, done, sv);
    ls_redis_command_reset(cmd);

    return rc;
}


static int
ls_redis_greet(ls_redis_server_t *sv)
{
    int                  rc;
    ls_redis_t          *rd;
    ls_redis_command_t   cmd = { 0 };

    rd = sv->rd;
    rc = GOIM_OK;

    if (rd->password) {
        ls_redis_command_text(&cmd, "AUTH");

        if (rd->username) {
            ls_redis_command_text(&cmd, rd->username);
        }

        ls_redis_command_text(&cmd, rd->password);
        rc = ls_redis_say(sv, &cmd, ls_redis_on_greeted);
    }

    if (rc == GOIM_OK && rd->database) {
        ls_redis_command_text(&cmd, "SELECT");
        ls_redis_command_unsigned(&cmd, rd->database);
        rc = ls_redis_say(sv, &cmd, ls_redis_on_greeted);
    }

    if (rc == GOIM_OK) {
        ls_redis_command_text(&cmd, "PING");
        rc = ls_redis_say(sv, &cmd, ls_redis_on_pong);
    }

    ls_redis_command_done(&cmd);

    return rc;
}


/* hiredis 0.14 goes on with the context: it must not be freed here. */
static void
ls_redis_on_connected(const redisAsyncContext *ac, int status)
{
    ls_redis_server_t  *sv = ac->data;

    if (sv == NULL) {
        return;
    }

    if (status != REDIS_OK) {
        ls_redis_lose(sv, 1, ac->c.errstr);
        return;
    }

    sv->state = LS_REDIS_GREETING;

    if (ls_redis_greet(sv) != GOIM_OK) {

        /* the time limit will end it */

        ls_redis_log(sv, GOIM_LOG_CRIT, 1, "no memory for a call");
    }
}


static void
ls_redis_on_disconnected(const redisAsyncContext *ac, int status)
{
    ls_redis_server_t  *sv = ac->data;

    (void) status;

    if (sv) {
        ls_redis_lose(sv, 1, ac->err ? ac->c.errstr : "connection ended");
    }
}


static void
ls_redis_connect_to(ls_redis_server_t *sv, const char *address)
{
    redisAsyncContext  *ac;

    sv->state = LS_REDIS_CONNECTING;

    ac = sv->address.port ? redisAsyncConnect(address, sv->address.port)
                  : redisAsyncConnectUnix(address);

    if (ac == NULL) {
        ls_redis_lose(sv, 0, "no memory for a connection");
        return;
    }

    if (ac->err) {
        ls_redis_lose(sv, 0, ac->c.errstr);
        redisAsyncFree(ac);
        return;
    }

    if (ls_redis_events_attach(ac, sv->rd->base) != GOIM_OK) {
        ls_redis_lose(sv, 0, "no memory for a connection");
        redisAsyncFree(ac);
        return;
    }

    ac->data = sv;
    sv->ac = ac;

    (void) redisAsyncSetConnectCallback(ac, ls_redis_on_connected);
    (void) redisAsyncSetDisconnectCallback(ac, ls_redis_on_disconnected);
}


/* One of the addresses, another at each attempt; NULL: none. */
static const char *
ls_redis_choose(ls_redis_server_t *sv, struct evutil_addrinfo *all, char *text,
    size_t size)
{
    unsigned                 n;
    struct evutil_addrinfo  *ai;

    n = 0;

    for (ai = all; ai; ai = ai->ai_next) {
        n++;
    }

    if (n == 0) {
        return NULL;
    }

    n = sv->attempt++ % n;

    for (ai = all; n; n--) {
        ai = ai->ai_next;
    }

    return getnameinfo(ai->ai_addr, ai->ai_addrlen, text, size, NULL, 0,
                       NI_NUMERICHOST)
               ? NULL
               : text;
}


/* May come before evdns_getaddrinfo() returns, and once more when the lookup
 * is cancelled. */
static void
ls_redis_on_resolved(int rc, struct evutil_addrinfo *all, void *data)
{
    char                text[64], why[128];
    const char         *address;
    ls_redis_server_t  *sv = data;

    if (rc == EVUTIL_EAI_CANCEL) {
        return;
    }

    sv->lookup = NULL;
    address = rc ? NULL : ls_redis_choose(sv, all, text, sizeof(text));

    if (all) {
        evutil_freeaddrinfo(all);
    }

    if (sv->state != LS_REDIS_RESOLVING) {
        return;
    }

    if (address == NULL) {
        snprintf(why, sizeof(why), "name could not be resolved: %s",
                 rc ? evutil_gai_strerror(rc) : "it has no address");
        ls_redis_lose(sv, 0, why);
        return;
    }

    ls_redis_connect_to(sv, address);
}


static void
ls_redis_connect(ls_redis_server_t *sv)
{
    ls_redis_t              *rd;
    struct evutil_addrinfo   hints;
    struct evdns_getaddrinfo_request  *lookup;

    rd = sv->rd;

    sv->late_us = goim_time_us() + rd->timeout_us;

    if (ls_redis_address_is_numeric(&sv->address)) {
        ls_redis_connect_to(sv, sv->address.host);

    } else {
        memset(&hints, 0, sizeof(hints));
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;

        sv->state = LS_REDIS_RESOLVING;
        lookup = evdns_getaddrinfo(rd->dns, sv->address.host, NULL, &hints,
                                   ls_redis_on_resolved, sv);

        if (sv->state == LS_REDIS_RESOLVING) {
            sv->lookup = lookup;
        }
    }

    if (sv->state != LS_REDIS_WAITING) {
        ls_redis_arm(sv);
    }
}


/* Time */

static uint64_t
ls_redis_due_us(const ls_redis_server_t *sv)
{
    switch (sv->state) {

    case LS_REDIS_WAITING:
        return sv->retry_us;

    case LS_REDIS_IS_UP:
        break;

    default:
        return sv->late_us;
    }

    if (sv->first == NULL) {
        return sv->heard_us + LS_REDIS_PING_US;
    }

    if (sv->first->late_us == sv->graced_us) {
        return sv->grace_us;
    }

    return sv->first->late_us;
}


static void
ls_redis_arm(ls_redis_server_t *sv)
{
    uint64_t        now, due;
    struct timeval  tv;

    now = goim_time_us();
    due = ls_redis_due_us(sv);
    due = due > now ? due - now : 0;

    tv.tv_sec = due / 1000000;
    tv.tv_usec = due % 1000000;

    (void) event_add(sv->timer, &tv);
}


/*
 * Whether the first call is late only since this process was busy or stopped:
 * the timer comes late as well, or there is a reply to be read.  It gets more
 * time then, once.
 */
static int
ls_redis_has_grace(ls_redis_server_t *sv)
{
    uint64_t       now;
    struct pollfd  pfd;

    if (sv->first->late_us == sv->graced_us) {
        return 0;
    }

    now = goim_time_us();

    if (now - sv->first->late_us > LS_REDIS_STILL_US) {
        sv->grace_us = now + sv->rd->timeout_us;

    } else {
        pfd.fd = sv->ac->c.fd;
        pfd.events = POLLIN;

        if (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLIN)) {
            return 0;
        }

        sv->grace_us = now + LS_REDIS_GRACE_US;
    }

    sv->graced_us = sv->first->late_us;

    return 1;
}


static void
ls_redis_be_late(ls_redis_server_t *sv)
{
    char  text[64];

    sv->counters.timeouts++;

    snprintf(text, sizeof(text), "%s within %llu ms",
             sv->state == LS_REDIS_IS_UP ? "no reply" : "not connected",
             (unsigned long long) sv->rd->timeout_us / 1000);
    ls_redis_lose(sv, 0, text);
}


static void
ls_redis_ignore(void *data, int rc, const redisReply *reply)
{
    (void) data;
    (void) rc;
    (void) reply;
}


static void
ls_redis_ping(ls_redis_server_t *sv)
{
    ls_redis_command_t  cmd = { 0 };

    sv->heard_us = goim_time_us();
    ls_redis_command_text(&cmd, "PING");

    if (ls_redis_send(sv, &cmd, ls_redis_ignore, NULL) != GOIM_OK) {
        ls_redis_arm(sv);
    }

    ls_redis_command_done(&cmd);
}


static void
ls_redis_on_timer(evutil_socket_t fd, short what, void *data)
{
    ls_redis_t         *rd;
    ls_redis_server_t  *sv = data;

    (void) fd;
    (void) what;

    rd = sv->rd;
    ls_redis_enter(rd);

    if (goim_time_us() < ls_redis_due_us(sv)) {
        ls_redis_arm(sv);

    } else if (sv->state == LS_REDIS_WAITING) {
        ls_redis_connect(sv);

    } else if (sv->state != LS_REDIS_IS_UP) {
        ls_redis_be_late(sv);

    } else if (sv->first == NULL) {
        ls_redis_ping(sv);

    } else if (ls_redis_has_grace(sv)) {
        ls_redis_arm(sv);

    } else {
        ls_redis_be_late(sv);
    }

    ls_redis_leave(rd);
}


/* Settings */

static const char *
ls_redis_add_server(ls_redis_t *rd, const ls_redis_address_t *address)
{
    ls_redis_server_t  *sv;

    sv = &rd->servers[rd->nservers];
    sv->rd = rd;
    sv->index = rd->nservers++;
    sv->address = *address;
    sv->last = &sv->first;
    sv->since_us = goim_time_us();

    sv->timer = event_new(rd->base, -1, 0, ls_redis_on_timer, sv);
    if (sv->timer == NULL) {
        return "no memory";
    }

    if (rd->dns == NULL && !ls_redis_address_is_numeric(address)) {
        rd->dns = evdns_base_new(rd->base,
                                 EVDNS_BASE_INITIALIZE_NAMESERVERS
                                 | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (rd->dns == NULL) {
            return "names can't be resolved: /etc/resolv.conf could not be "
                   "read";
        }
    }

    return NULL;
}


static const char *
ls_redis_add_servers(ls_redis_t *rd, const char *servers)
{
    unsigned             i, n;
    const char          *wrong;
    ls_redis_address_t  *list;

    list = calloc(LS_REDIS_SERVERS, sizeof(ls_redis_address_t));
    if (list == NULL) {
        return "no memory";
    }

    wrong = ls_redis_address_list(servers, list, &n);

    for (i = 0; wrong == NULL && i < n; i++) {
        wrong = ls_redis_add_server(rd, &list[i]);
    }

    free(list);

    return wrong;
}


static const char *
ls_redis_init(ls_redis_t *rd, const ls_redis_conf_t *conf)
{
    const char  *wrong;

    rd->timeout_us = conf->timeout_ms * 1000;
    rd->database = conf->database;
    rd->max_calls = conf->max_calls;

    if (conf->username && conf->username[0]
        && (rd->username = strdup(conf->username)) == NULL)
    {
        return "no memory";
    }

    if (conf->password && conf->password[0]
        && (rd->password = strdup(conf->password)) == NULL)
    {
        return "no memory";
    }

    wrong = ls_redis_add_servers(rd, conf->servers);
    if (wrong) {
        return wrong;
    }

    return ls_ring_make(&rd->ring, rd->nservers) == GOIM_OK ? NULL
                                                            : "no memory";
}


ls_redis_t *
ls_redis_create(struct event_base *base, const ls_redis_conf_t *conf,
    const goim_log_t *log, goim_error_t *error)
{
    unsigned     i;
    ls_redis_t  *rd;
    const char  *wrong;

    error->err = 0;

    rd = calloc(1, sizeof(ls_redis_t));
    if (rd == NULL) {
        snprintf(error->text, sizeof(error->text), "no memory");
        return NULL;
    }

    rd->base = base;
    rd->log = log;

    wrong = ls_redis_init(rd, conf);
    if (wrong) {
        snprintf(error->text, sizeof(error->text), "%s", wrong);
        ls_redis_free(rd);
        return NULL;
    }

    ls_redis_enter(rd);

    for (i = 0; i < rd->nservers; i++) {
        ls_redis_connect(&rd->servers[i]);
    }

    ls_redis_leave(rd);

    return rd;
}


void
ls_redis_stop(ls_redis_t *rd)
{
    unsigned            i;
    ls_redis_server_t  *sv;

    if (rd->stopped) {
        return;
    }

    ls_redis_enter(rd);
    rd->stopped = 1;

    for (i = 0; i < rd->nservers; i++) {
        sv = &rd->servers[i];

        (void) event_del(sv->timer);
        ls_redis_lose(sv, 0, NULL);
    }

    ls_redis_leave(rd);
}


void
ls_redis_destroy(ls_redis_t *rd)
{
    if (rd->destroyed) {
        return;
    }

    ls_redis_enter(rd);
    ls_redis_stop(rd);
    rd->destroyed = 1;
    ls_redis_leave(rd);
}


/* What others ask */

void
ls_redis_on_up(ls_redis_t *rd, ls_redis_up_pt up, void *data)
{
    rd->up = up;
    rd->up_data = data;
}


unsigned
ls_redis_servers(const ls_redis_t *rd)
{
    return rd->nservers;
}


unsigned
ls_redis_place(const ls_redis_t *rd, const void *name, size_t len)
{
    return rd->nservers == 1 ? 0 : ls_ring_node(&rd->ring, name, len);
}


int
ls_redis_up(const ls_redis_t *rd, unsigned server)
{
    return rd->servers[server].state == LS_REDIS_IS_UP;
}


uint64_t
ls_redis_up_ms(const ls_redis_t *rd, unsigned server)
{
    return ls_redis_up(rd, server)
               ? (goim_time_us() - rd->servers[server].since_us) / 1000
               : 0;
}


const char *
ls_redis_name(const ls_redis_t *rd, unsigned server)
{
    return rd->servers[server].address.name;
}


const ls_redis_counters_t *
ls_redis_counters(const ls_redis_t *rd, unsigned server)
{
    return &rd->servers[server].counters;
}


unsigned
ls_redis_in_flight(const ls_redis_t *rd, unsigned server)
{
    return rd->servers[server].ncalls;
}
