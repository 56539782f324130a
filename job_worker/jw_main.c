/*
 * goim-job: start, signals, the loop, and stop.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "goim_log.h"
#include "goim_options.h"
#include "goim_time.h"
#include "jw_assign.h"
#include "jw_channel.h"
#include "jw_conf.h"
#include "jw_consumer.h"


#define JW_MAIN_VERSION  "0.1.0"

#define JW_MAIN_LOOK_US        100000  /* generations, free lanes */
#define JW_MAIN_NOTE_US        100000  /* what may be committed */
#define JW_MAIN_STATUS_US      1000000
#define JW_MAIN_POLL_MS        50

/* an orderly stop: for readers, for the commit, for librdkafka's threads */
#define JW_MAIN_READERS_US     300000
#define JW_MAIN_COMMIT_MS      700
#define JW_MAIN_END_S          1

#define JW_MAIN_STATUS_LEN     128
#define JW_MAIN_VERSION_LEN    128


typedef struct {
    goim_log_t      log;
    jw_conf_t      *conf;
    jw_channel_t    channel;
    jw_consumer_t  *consumer;

    uint64_t        next_look_us;
    uint64_t        next_note_us;
    uint64_t        next_status_us;
    uint64_t        next_watchdog_us;
    uint64_t        watchdog_us;  /* 0: systemd asks for none */
    char            status[JW_MAIN_STATUS_LEN];
} jw_main_t;


/* Set by signals, read by the loop. */
static volatile sig_atomic_t  jw_main_stop;
static volatile sig_atomic_t  jw_main_reload;


static void
jw_main_signal(int number)
{
    if (number == SIGHUP) {
        jw_main_reload = 1;

    } else {
        jw_main_stop = number;
    }
}


/*
 * All is done but librdkafka's threads, one of which may wait for a name
 * server.
 */
static void
jw_main_alarm(int number)
{
    (void) number;

    _exit(GOIM_EXIT_OK);
}


static int
jw_main_set_signals(const goim_log_t *log)
{
    size_t            i;
    struct sigaction  sa;

    static const struct {
        int     number;
        void  (*handler)(int);
    } signals[] = {
        { SIGTERM, jw_main_signal },
        { SIGINT, jw_main_signal },
        { SIGHUP, jw_main_signal },
        { SIGALRM, jw_main_alarm },
        { SIGPIPE, SIG_IGN },
    };

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        memset(&sa, 0, sizeof(sa));
        sa.sa_handler = signals[i].handler;
        sigemptyset(&sa.sa_mask);

        if (sigaction(signals[i].number, &sa, NULL) == -1) {
            goim_log(log, GOIM_LOG_CRIT, "sigaction(%d) failed: %s",
                     signals[i].number, strerror(errno));
            return GOIM_ERROR;
        }
    }

    return GOIM_OK;
}


/* Tells systemd what we are at, if that has changed. */
static void
jw_main_status(jw_main_t *jm)
{
    char       text[JW_MAIN_STATUS_LEN];
    unsigned   at, lanes;

    lanes = 0;

    for (at = 0; jw_channel_next_feed(&jm->channel, &at) != NULL;) {
        lanes++;
    }

    if (jm->channel.n == 0) {
        snprintf(text, sizeof(text), "waiting for nginx to make the channel");

    } else if (lanes == 0) {
        snprintf(text, sizeof(text), "standing by for another goim-job");

    } else {
        snprintf(text, sizeof(text), "%u partitions into %u lanes",
                 jm->consumer->assigned, lanes);
    }

    if (strcmp(text, jm->status) != 0) {
        memcpy(jm->status, text, sizeof(text));
        (void) sd_notifyf(0, "STATUS=%s", text);
    }
}


static void
jw_main_watchdog(jw_main_t *jm, uint64_t now)
{
    if (jm->watchdog_us && now >= jm->next_watchdog_us) {
        (void) sd_notify(0, "WATCHDOG=1");
        jm->next_watchdog_us = now + jm->watchdog_us / 4;
    }
}


static void
jw_main_use_conf(jw_main_t *jm, jw_conf_t *conf)
{
    jw_consumer_set_conf(jm->consumer, conf);
    jw_conf_destroy(jm->conf);
    jm->conf = conf;
    jm->log.level = conf->log_level;
}


/*
 * New settings, or none of them: what can fail comes first.  With another
 * consumer everything goes on at the tables of the lanes, so that a message
 * that the old one had fetched is neither lost nor doubled.
 */
static int
jw_main_change_conf(jw_main_t *jm, jw_conf_t *conf)
{
    jw_consumer_t  *consumer;

    consumer = NULL;

    if (!jw_conf_same_kafka(jm->conf, conf)
        && jw_consumer_create(&consumer, conf, &jm->channel, &jm->log)
           != GOIM_OK)
    {
        return GOIM_ERROR;
    }

    if (strcmp(jm->conf->channel_path, conf->channel_path) != 0
        && jw_channel_set_path(&jm->channel, conf->channel_path) != GOIM_OK)
    {
        goim_log(&jm->log, GOIM_LOG_CRIT, "no memory for the settings");

        if (consumer) {
            jw_consumer_destroy(consumer, 0);
        }

        return GOIM_ERROR;
    }

    if (consumer) {
        jw_channel_publish(&jm->channel);
        jw_channel_drop_held(&jm->channel);
        jw_consumer_destroy(jm->consumer, 0);
        jm->consumer = consumer;
    }

    jw_main_use_conf(jm, conf);

    return GOIM_OK;
}


static void
jw_main_read_again(jw_main_t *jm)
{
    jw_conf_t  *conf;

    jw_main_reload = 0;

    (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                      (unsigned long long) goim_time_us());

    conf = jw_conf_load(jm->conf->file, &jm->log);

    if (conf == NULL || jw_main_change_conf(jm, conf) != GOIM_OK) {
        jw_conf_destroy(conf);
        goim_log(&jm->log, GOIM_LOG_ERROR,
                 "the settings in \"%s\" are not used: "
                 "going on with the old ones",
                 jm->conf->file);

    } else {
        goim_log(&jm->log, GOIM_LOG_NOTICE, "settings read again");
    }

    (void) sd_notify(0, "READY=1");
}


static void
jw_main_turn(jw_main_t *jm)
{
    uint64_t  now;

    now = goim_time_us();
    jw_main_watchdog(jm, now);

    if (now >= jm->next_look_us) {
        jw_channel_look(&jm->channel);
        jm->next_look_us = now + JW_MAIN_LOOK_US;
    }

    jw_assign_discover(jm->consumer);
    jw_assign_update(jm->consumer);

    jw_consumer_poll(jm->consumer, JW_MAIN_POLL_MS);

    jw_channel_look_full(&jm->channel);
    jw_consumer_resume(jm->consumer);

    now = goim_time_us();

    if (now >= jm->next_note_us) {
        jw_channel_note(&jm->channel);
        jm->next_note_us = now + JW_MAIN_NOTE_US;
    }

    jw_consumer_commit(jm->consumer);

    if (now >= jm->next_status_us) {
        jw_main_status(jm);
        jm->next_status_us = now + JW_MAIN_STATUS_US;
    }
}


/*
 * An orderly stop: what the readers have got is committed, the lanes are free
 * before Kafka is waited for, so that a standby goes on at once.
 */
static void
jw_main_end(jw_main_t *jm)
{
    uint64_t                          end;
    struct timespec                   pause = { 0, 5000000 };
    rd_kafka_topic_partition_list_t  *offsets;

    goim_log(&jm->log, GOIM_LOG_NOTICE, "signal %d: stopping",
             (int) jw_main_stop);
    (void) sd_notify(0, "STOPPING=1");

    jw_channel_publish(&jm->channel);
    jw_channel_drop_held(&jm->channel);

    end = goim_time_us() + JW_MAIN_READERS_US;
    jw_channel_note(&jm->channel);

    while (!jw_channel_all_read(&jm->channel) && goim_time_us() < end) {
        nanosleep(&pause, NULL);
        jw_channel_note(&jm->channel);
    }

    /* the first makes a waiting note safe and takes the last one */

    jw_channel_note(&jm->channel);
    jw_channel_note(&jm->channel);

    offsets = jw_consumer_last_offsets(jm->consumer);

    if (offsets) {
        jw_channel_count(&jm->channel, GOIM_JOB_COMMITS, 1);
    }

    jw_channel_done(&jm->channel);
    jw_consumer_commit_last(jm->consumer, offsets, JW_MAIN_COMMIT_MS);

    goim_log(&jm->log, GOIM_LOG_NOTICE, "stopped");

    alarm(JW_MAIN_END_S);
    jw_consumer_destroy(jm->consumer, 1);
    jw_conf_destroy(jm->conf);
    alarm(0);
}


static int
jw_main_begin(jw_main_t *jm)
{
    int  rc;

    rc = jw_consumer_create(&jm->consumer, jm->conf, &jm->channel, &jm->log);
    if (rc != GOIM_OK) {
        return rc == GOIM_INVALID ? GOIM_EXIT_USAGE : GOIM_EXIT_RUNTIME;
    }

    if (jw_channel_init(&jm->channel, jm->conf->channel_path, &jm->log)
        != GOIM_OK)
    {
        goim_log(&jm->log, GOIM_LOG_CRIT, "no memory for the channel");
        jw_consumer_destroy(jm->consumer, 1);
        return GOIM_EXIT_RUNTIME;
    }

    if (sd_watchdog_enabled(0, &jm->watchdog_us) <= 0) {
        jm->watchdog_us = 0;
    }

    return GOIM_EXIT_OK;
}


static int
jw_main_run(jw_main_t *jm)
{
    int  code;

    code = jw_main_begin(jm);
    if (code != GOIM_EXIT_OK) {
        jw_conf_destroy(jm->conf);
        return code;
    }

    goim_log(&jm->log, GOIM_LOG_NOTICE, "version %s started, server_id \"%s\"",
             JW_MAIN_VERSION, jm->conf->server_id);
    (void) sd_notify(0, "READY=1");

    while (!jw_main_stop) {
        if (jw_main_reload) {
            jw_main_read_again(jm);
        }

        jw_main_turn(jm);
    }

    jw_main_end(jm);

    return GOIM_EXIT_OK;
}


/* Makes the consumer too: librdkafka reads certificates only then. */
static int
jw_main_check(jw_main_t *jm)
{
    int  rc, code;

    rc = jw_consumer_create(&jm->consumer, jm->conf, &jm->channel, &jm->log);
    code = rc == GOIM_INVALID ? GOIM_EXIT_USAGE : GOIM_EXIT_RUNTIME;

    if (rc == GOIM_OK) {
        code = GOIM_EXIT_OK;
        jw_consumer_destroy(jm->consumer, 1);
        fprintf(stderr, "goim-job: the settings in \"%s\" are right\n",
                jm->conf->file);
    }

    jw_conf_destroy(jm->conf);

    return code;
}


int
main(int argc, char **argv)
{
    int             code;
    char            version[JW_MAIN_VERSION_LEN];
    jw_main_t       jm;
    goim_options_t  options = {
        "goim-job",
        "Consumes Kafka and writes each message once into the channel\n"
        "that all nginx workers of this host read.\n",
        version, JW_CONF_FILE, 0
    };

    snprintf(version, sizeof(version),
             JW_MAIN_VERSION " (channel layout %d, librdkafka %s)",
             GOIM_CHANNEL_LAYOUT, rd_kafka_version_str());

    code = goim_options_take(&options, argc, argv);
    if (code != -1) {
        return code;
    }

    memset(&jm, 0, sizeof(jw_main_t));
    jm.log.fd = STDERR_FILENO;
    jm.log.level = GOIM_LOG_NOTICE;
    jm.log.actor = "goim job";

    if (jw_main_set_signals(&jm.log) != GOIM_OK) {
        return GOIM_EXIT_RUNTIME;
    }

    jm.conf = jw_conf_load(options.file, &jm.log);
    if (jm.conf == NULL) {
        return GOIM_EXIT_USAGE;
    }

    jm.log.level = jm.conf->log_level;

    return options.check ? jw_main_check(&jm) : jw_main_run(&jm);
}
