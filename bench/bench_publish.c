/*
 * Publishes numbered messages straight into a channel, in place of goim-job,
 * or into Kafka.
 *
 *   bench_publish CHANNEL SIZE
 *   bench_publish -k BROKERS TOPIC
 *
 * Makes the channel, unless there is one of this size already.  Prints "ready
 * GENERATION"; then reads commands from standard input, one a line:
 *
 *   run ROOMS RATE BURST SIZE SECONDS
 *
 * sends RATE messages a second altogether, BURST at a time (in one
 * publication), to the rooms live://0 … in turn, each with a body of SIZE
 * bytes: its number within the room from 1 on, and the time in ns
 * (CLOCK_MONOTONIC).  Answers "done MESSAGES LATE" when all are published;
 * LATE tells by how many ms it was behind at the end.
 */

#define _GNU_SOURCE

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "goim_lane.h"
#include "goim_push.h"
#include "goim_room_name.h"


#define PUBLISH_ROOMS  100000
#define PUBLISH_SIZE   65536


typedef struct {
    goim_lane_t          *lane;     /* NULL: into Kafka */
    goim_lane_message_t   message;
    rd_kafka_t           *rk;
    rd_kafka_topic_t     *topic;
    uint64_t             *numbers;  /* of each room's last message */
    uint64_t              ticked_ms;
} publish_t;


typedef struct {
    unsigned  rooms;
    double    rate;
    unsigned  burst;
    unsigned  size;
    double    seconds;
} publish_run_t;


static uint64_t
publish_now_ns(clockid_t clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* As goim-job does: its time, and what stalls. */
static void
publish_tick(publish_t *p)
{
    uint64_t  ms;

    ms = publish_now_ns(CLOCK_REALTIME) / 1000000;

    if (ms - p->ticked_ms >= 1000) {
        p->ticked_ms = ms;
        goim_lane_tick(p->lane, ms);
    }
}


static void
publish_fail(const char *text)
{
    fprintf(stderr, "bench_publish: %s\n", text);
    exit(1);
}


static void
publish_to_channel(publish_t *p)
{
    struct timespec  pause = { 0, 50000 };

    while (goim_lane_put(p->lane, &p->message) == GOIM_FULL) {
        goim_lane_publish(p->lane);
        goim_lane_look(p->lane, publish_now_ns(CLOCK_MONOTONIC) / 1000);
        nanosleep(&pause, NULL);
    }

    p->message.offset++;
}


static void
publish_to_kafka(publish_t *p)
{
    size_t       len;
    uint8_t     *value;
    goim_push_t  push;

    memset(&push, 0, sizeof(goim_push_t));
    push.type = GOIM_PUSH_ROOM;
    push.op = p->message.op;
    push.room = p->message.target;
    push.body = p->message.body;

    if (goim_push_encode(&push, &value, &len) != GOIM_OK
        || rd_kafka_produce(p->topic, RD_KAFKA_PARTITION_UA,
                            RD_KAFKA_MSG_F_FREE, value, len, push.room.data,
                            push.room.len, NULL)
           != 0)
    {
        publish_fail("Kafka does not take a message");
    }
}


static void
publish_one(publish_t *p, unsigned room, unsigned size)
{
    int   n;
    char  name[32];

    static char  body[PUBLISH_SIZE];

    n = snprintf(name, sizeof(name), "live://%u", room);
    p->message.target = (goim_str_t) { (uint8_t *) name, n };
    p->message.hash = goim_room_name_hash((uint8_t *) name, n);

    memset(body, '.', size);
    n = snprintf(body, sizeof(body), "%010lu %019lu",
                 (unsigned long) ++p->numbers[room],
                 (unsigned long) publish_now_ns(CLOCK_MONOTONIC));
    body[n] = '.';
    p->message.body = (goim_str_t) { (uint8_t *) body, size };

    if (p->lane) {
        publish_to_channel(p);

    } else {
        publish_to_kafka(p);
    }
}


/* What is pending goes out now. */
static void
publish_out(publish_t *p)
{
    if (p->lane) {
        goim_lane_publish(p->lane);
        publish_tick(p);

    } else {
        (void) rd_kafka_poll(p->rk, 0);
    }
}


static void
publish_run(publish_t *p, const publish_run_t *run)
{
    uint64_t         began, due, now, n, total;
    unsigned         i;
    struct timespec  pause;

    total = run->rate * run->seconds;
    began = publish_now_ns(CLOCK_MONOTONIC);
    now = began;

    for (n = 0; n < total;) {
        for (i = 0; i < run->burst && n < total; i++, n++) {
            publish_one(p, n % run->rooms, run->size);
        }

        publish_out(p);

        due = began + n * 1e9 / run->rate;
        now = publish_now_ns(CLOCK_MONOTONIC);

        if (due > now) {
            pause.tv_sec = (due - now) / 1000000000;
            pause.tv_nsec = (due - now) % 1000000000;
            nanosleep(&pause, NULL);
        }
    }

    if (p->rk && rd_kafka_flush(p->rk, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        publish_fail("Kafka does not acknowledge");
    }

    due = began + total * 1e9 / run->rate;
    now = publish_now_ns(CLOCK_MONOTONIC);

    printf("done %lu %lu\n", (unsigned long) total,
           (unsigned long) (now > due ? (now - due) / 1000000 : 0));
    fflush(stdout);
}


static uint64_t
publish_open(publish_t *p, const char *path, const char *size)
{
    int                  created;
    uint32_t             topic;
    uint64_t             generation;
    goim_error_t         error;
    goim_channel_t      *ch;
    goim_channel_conf_t  conf;

    memset(&conf, 0, sizeof(goim_channel_conf_t));
    conf.path = path;
    conf.size = strtoull(size, NULL, 10);
    conf.lanes = 1;
    conf.stall_ms = 5000;
    conf.uid = (uid_t) -1;
    conf.gid = (gid_t) -1;
    conf.mode = 0660;

    if (goim_channel_make(&conf, &generation, &created, &error) != GOIM_OK
        || goim_channel_open(path, generation, GOIM_CHANNEL_PRODUCER, &ch,
                             &error)
           != GOIM_OK
        || goim_lane_take(ch, 0, &p->lane, &error) != GOIM_OK)
    {
        publish_fail(error.text);
    }

    if (goim_lane_topic(p->lane, "bench", &topic) != GOIM_OK) {
        publish_fail("no topic");
    }

    p->message.kind = GOIM_RECORD_ROOM;
    p->message.topic = topic;

    return generation;
}


static void
publish_open_kafka(publish_t *p, const char *brokers, const char *topic)
{
    char              text[256];
    rd_kafka_conf_t  *conf;

    conf = rd_kafka_conf_new();

    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text,
                          sizeof(text))
        != RD_KAFKA_CONF_OK
        || rd_kafka_conf_set(conf, "linger.ms", "0", text, sizeof(text))
           != RD_KAFKA_CONF_OK)
    {
        publish_fail(text);
    }

    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    p->topic = p->rk ? rd_kafka_topic_new(p->rk, topic, NULL) : NULL;

    if (p->topic == NULL) {
        publish_fail(text);
    }
}


int
main(int argc, char **argv)
{
    char           line[256];
    uint64_t       generation;
    publish_t      p;
    publish_run_t  run;

    memset(&p, 0, sizeof(publish_t));
    signal(SIGPIPE, SIG_IGN);

    p.numbers = calloc(PUBLISH_ROOMS, sizeof(uint64_t));

    if (p.numbers == NULL || argc < 3
        || argc != 3 + (strcmp(argv[1], "-k") == 0))
    {
        fprintf(stderr, "usage: bench_publish CHANNEL SIZE\n"
                "       bench_publish -k BROKERS TOPIC\n");
        return 2;
    }

    generation = 0;
    p.message.op = 1000;

    if (argc == 3) {
        generation = publish_open(&p, argv[1], argv[2]);

    } else {
        publish_open_kafka(&p, argv[2], argv[3]);
    }

    printf("ready %lu\n", (unsigned long) generation);
    fflush(stdout);

    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "run %u %lf %u %u %lf", &run.rooms, &run.rate,
                   &run.burst, &run.size, &run.seconds)
            != 5 || run.rooms < 1 || run.rooms > PUBLISH_ROOMS || run.burst < 1
            || run.rate <= 0 || run.size < 32 || run.size >= PUBLISH_SIZE)
        {
            fprintf(stderr, "bench_publish: what is \"%s\"\n", line);
            return 2;
        }

        publish_run(&p, &run);
    }

    if (p.lane) {
        goim_lane_leave(p.lane);
    }

    return 0;
}
