/*
 * goim-logic: start, signals, the event loop, and stop.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "goim_options.h"
#include "goim_time.h"
#include "ls.h"
#include "ls_conf.h"
#include "ls_http.h"
#include "ls_online.h"
#include "ls_producer.h"
#include "ls_session_memory.h"
#include "ls_session_redis.h"


/* an orderly stop: how long what was accepted may take, and librdkafka */
#define LS_MAIN_STOP_US   7000000
#define LS_MAIN_LOOK_US   20000
#define LS_MAIN_END_S     2

#define LS_MAIN_SIGNALS      3
#define LS_MAIN_VERSION_LEN  128


typedef struct {
    ls_t           ls;
    struct event  *signals[LS_MAIN_SIGNALS];
    struct event  *watchdog;
    struct event  *stop;      /* while it stops: looks whether all is done */
    uint64_t       stop_us;   /* when it has to end */
} ls_main_t;


static goim_log_t  *ls_main_libevent_log;


/* libevent's own lines, most of them about a client's connection. */
static void
ls_main_libevent(int severity, const char *text)
{
    goim_log_level_e  level;

    static goim_log_limit_t  limit;

    level = severity >= EVENT_LOG_ERR ? GOIM_LOG_ERROR
            : severity == EVENT_LOG_WARN ? GOIM_LOG_WARN : GOIM_LOG_DEBUG;

    goim_log_limited(ls_main_libevent_log, &limit, level, "libevent: %s",
                     text);
}


/*
 * All is done but librdkafka's threads, one of which may wait for a name
 * server.
 */
static void
ls_main_alarm(int number)
{
    (void) number;

    _exit(GOIM_EXIT_OK);
}


/* --- signals */

/* What was accepted is answered, or its time is over. */
static void
ls_main_look(evutil_socket_t fd, short what, void *data)
{
    ls_main_t       *lm = data;
    struct timeval   pause = { 0, LS_MAIN_LOOK_US };

    (void) fd;
    (void) what;

    if (ls_http_in_flight(lm->ls.http) == 0 || goim_time_us() >= lm->stop_us) {
        event_base_loopexit(lm->ls.base, NULL);
        return;
    }

    (void) evtimer_add(lm->stop, &pause);
}


static void
ls_main_stop(evutil_socket_t number, short what, void *data)
{
    ls_main_t       *lm = data;
    struct timeval   now = { 0, LS_MAIN_LOOK_US };

    (void) what;

    if (lm->ls.stopping) {
        return;
    }

    goim_log(&lm->ls.log, GOIM_LOG_NOTICE, "signal %d: stopping",
             (int) number);
    (void) sd_notify(0, "STOPPING=1");

    lm->ls.stopping = 1;
    lm->stop_us = goim_time_us() + LS_MAIN_STOP_US;

    ls_http_close(lm->ls.http);

    (void) evtimer_add(lm->stop, &now);
}


/* What can't change while it runs keeps the new settings from being used. */
static void
ls_main_reload(evutil_socket_t number, short what, void *data)
{
    ls_t       *ls = &((ls_main_t *) data)->ls;
    ls_conf_t  *conf;

    (void) number;
    (void) what;

    (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                      (unsigned long long) goim_time_us());

    conf = ls_conf_load(ls->conf->file, &ls->log);

    if (conf == NULL) {
        goim_log(&ls->log, GOIM_LOG_ERROR, "the settings in \"%s\" are not "
                 "used: going on with the old ones",
                 ls->conf->file);

    } else if (!ls_conf_same_frame(ls->conf, conf)) {
        goim_log(&ls->log, GOIM_LOG_ERROR, "the settings in \"%s\" are not "
                 "used: \"listen\", \"max_body\", \"timeout\", [kafka], "
                 "[session] and [redis] need a new start",
                 ls->conf->file);
        ls_conf_destroy(conf);

    } else {
        ls_conf_destroy(ls->conf);
        ls->conf = conf;
        ls->log.level = conf->log_level;
        goim_log(&ls->log, GOIM_LOG_NOTICE, "settings read again");
    }

    (void) sd_notify(0, "READY=1");
}


static void
ls_main_watchdog(evutil_socket_t fd, short what, void *data)
{
    (void) fd;
    (void) what;
    (void) data;

    (void) sd_notify(0, "WATCHDOG=1");
}


static int
ls_main_add_watchdog(ls_main_t *lm)
{
    uint64_t        us;
    struct timeval  interval;

    if (sd_watchdog_enabled(0, &us) <= 0) {
        return GOIM_OK;
    }

    interval.tv_sec = us / 4 / 1000000;
    interval.tv_usec = us / 4 % 1000000;

    lm->watchdog = event_new(lm->ls.base, -1, EV_PERSIST, ls_main_watchdog,
                             lm);

    return lm->watchdog && event_add(lm->watchdog, &interval) == 0
           ? GOIM_OK : GOIM_NOMEM;
}


static int
ls_main_add_events(ls_main_t *lm)
{
    size_t  i;

    static const struct {
        int                number;
        event_callback_fn  handler;
    } signals[LS_MAIN_SIGNALS] = {
        { SIGTERM, ls_main_stop },
        { SIGINT, ls_main_stop },
        { SIGHUP, ls_main_reload },
    };

    for (i = 0; i < LS_MAIN_SIGNALS; i++) {
        lm->signals[i] = evsignal_new(lm->ls.base, signals[i].number,
                                      signals[i].handler, lm);

        if (lm->signals[i] == NULL || event_add(lm->signals[i], NULL) == -1) {
            return GOIM_NOMEM;
        }
    }

    lm->stop = evtimer_new(lm->ls.base, ls_main_look, lm);

    return lm->stop ? ls_main_add_watchdog(lm) : GOIM_NOMEM;
}


static void
ls_main_free_events(ls_main_t *lm)
{
    size_t  i;

    for (i = 0; i < LS_MAIN_SIGNALS; i++) {
        if (lm->signals[i]) {
            event_free(lm->signals[i]);
        }
    }

    if (lm->watchdog) {
        event_free(lm->watchdog);
    }

    if (lm->stop) {
        event_free(lm->stop);
    }
}


/* --- the parts, in the order in which they need each other */

/* NULL: why has been logged. */
static ls_session_t *
ls_main_session(ls_t *ls)
{
    goim_error_t     error;
    ls_session_t    *session;
    ls_redis_conf_t  conf;

    if (ls->conf->store == LS_CONF_MEMORY) {
        session = ls_session_memory_create();

        if (session == NULL) {
            goim_log(&ls->log, GOIM_LOG_CRIT, "no memory for the sessions");
        }

        return session;
    }

    conf.servers = ls->conf->redis_servers;
    conf.username = ls->conf->redis_username;
    conf.password = ls->conf->redis_password;
    conf.database = ls->conf->redis_database;
    conf.timeout_ms = ls->conf->redis_timeout_ms;
    conf.expire_ms = ls->conf->expire_ms;
    conf.max_calls = ls->conf->redis_max_calls;

    session = ls_session_redis_create(ls->base, &conf, &ls->log, &error);

    if (session == NULL) {
        goim_log(&ls->log, GOIM_LOG_CRIT, "redis: %s", error.text);
    }

    return session;
}


static int
ls_main_begin(ls_t *ls)
{
    int  code;

    ls->producer = ls_producer_create(ls, &code);
    if (ls->producer == NULL) {
        return code == GOIM_INVALID ? GOIM_EXIT_USAGE : GOIM_EXIT_RUNTIME;
    }

    ls->session = ls_main_session(ls);
    if (ls->session == NULL) {
        return GOIM_EXIT_RUNTIME;
    }

    ls->online = ls_online_create(ls);

    if (ls->online == NULL) {
        goim_log(&ls->log, GOIM_LOG_CRIT, "no memory for the counts");
        return GOIM_EXIT_RUNTIME;
    }

    ls->http = ls_http_create(ls);

    return ls->http ? GOIM_EXIT_OK : GOIM_EXIT_RUNTIME;
}


/*
 * Whatever waits still is told that it is over, and answers its call.  The
 * answers need the event loop once more, which may have other things to do:
 * they see that the store is gone.
 */
static void
ls_main_end(ls_t *ls)
{
    alarm(LS_MAIN_END_S);

    if (ls->session) {
        ls_session_destroy(ls->session);
        ls->session = NULL;
    }

    ls_producer_destroy(ls->producer);
    ls->producer = NULL;

    if (ls->http) {
        (void) event_base_loop(ls->base, EVLOOP_NONBLOCK);
    }

    ls_http_destroy(ls->http);
    ls_online_destroy(ls->online);

    alarm(0);
}


static void
ls_main_tell(const ls_t *ls)
{
    goim_log(&ls->log, GOIM_LOG_NOTICE, "version %s started, sessions in %s",
             LS_VERSION, ls->session->backend->name);

    if (ls->conf->auth == LS_CONF_OPEN) {
        goim_log(&ls->log, GOIM_LOG_NOTICE, "auth mode is open: whoever "
                 "connects may have any mid and any key");
    }

    (void) sd_notify(0, "READY=1");
}


static int
ls_main_run(ls_main_t *lm)
{
    int  code;

    lm->ls.base = event_base_new();

    if (lm->ls.base == NULL || ls_main_add_events(lm) != GOIM_OK) {
        goim_log(&lm->ls.log, GOIM_LOG_CRIT, "no memory for the event loop");
        code = GOIM_EXIT_RUNTIME;

    } else {
        code = ls_main_begin(&lm->ls);

        if (code == GOIM_EXIT_OK) {
            ls_main_tell(&lm->ls);
            (void) event_base_dispatch(lm->ls.base);

            code = lm->ls.stopping ? GOIM_EXIT_OK : GOIM_EXIT_RUNTIME;
            goim_log(&lm->ls.log, GOIM_LOG_NOTICE, "stopped");
        }

        ls_main_end(&lm->ls);
    }

    ls_main_free_events(lm);

    if (lm->ls.base) {
        event_base_free(lm->ls.base);
    }

    return code;
}


/* Makes a producer too: librdkafka reads certificates only then. */
static int
ls_main_check(ls_main_t *lm)
{
    int  code;

    lm->ls.base = event_base_new();
    if (lm->ls.base == NULL) {
        return GOIM_EXIT_RUNTIME;
    }

    lm->ls.producer = ls_producer_create(&lm->ls, &code);

    if (lm->ls.producer == NULL) {
        code = code == GOIM_INVALID ? GOIM_EXIT_USAGE : GOIM_EXIT_RUNTIME;

    } else {
        code = GOIM_EXIT_OK;
        fprintf(stderr, "goim-logic: the settings in \"%s\" are right\n",
                lm->ls.conf->file);
    }

    ls_main_end(&lm->ls);
    event_base_free(lm->ls.base);

    return code;
}


int
main(int argc, char **argv)
{
    int             code;
    char            version[LS_MAIN_VERSION_LEN];
    ls_main_t       lm;
    goim_options_t  options = {
        "goim-logic",
        "Answers nginx's auth subrequests, keeps the sessions, takes\n"
        "pushes over HTTP and produces them to Kafka.\n",
        version, LS_CONF_FILE, 0
    };

    snprintf(version, sizeof(version),
             LS_VERSION " (librdkafka %s, libevent %s)",
             rd_kafka_version_str(), event_get_version());

    code = goim_options_take(&options, argc, argv);
    if (code != -1) {
        return code;
    }

    memset(&lm, 0, sizeof(ls_main_t));
    lm.ls.log.fd = STDERR_FILENO;
    lm.ls.log.level = GOIM_LOG_NOTICE;
    lm.ls.log.actor = "goim logic";
    lm.ls.started_ms = goim_time_wall_ms();

    ls_main_libevent_log = &lm.ls.log;
    event_set_log_callback(ls_main_libevent);

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR
        || signal(SIGALRM, ls_main_alarm) == SIG_ERR)
    {
        goim_log(&lm.ls.log, GOIM_LOG_CRIT, "signal() failed: %s",
                 strerror(errno));
        return GOIM_EXIT_RUNTIME;
    }

    lm.ls.conf = ls_conf_load(options.file, &lm.ls.log);
    if (lm.ls.conf == NULL) {
        return GOIM_EXIT_USAGE;
    }

    lm.ls.log.level = lm.ls.conf->log_level;

    code = options.check ? ls_main_check(&lm) : ls_main_run(&lm);

    ls_conf_destroy(lm.ls.conf);

    return code;
}
