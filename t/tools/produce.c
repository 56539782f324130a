/*
 * A resident Kafka producer for tests: pushes in goim's form, single ones and
 * numbered streams at a rate, each answered when Kafka has acknowledged it.
 *
 *   produce BROKERS TOPIC [PROPERTY=VALUE ...]
 *
 * Takes commands, one a line, until its standard input ends:
 *
 *   send PARTITION|- KEYHEX|- VALUEHEX|- [MS]   MS: the message's timestamp
 *   room ROOM OP BODYHEX
 *   keys SERVER|- KEY[,KEY...] OP BODYHEX
 *   all OP SPEED BODYHEX
 *   kick SERVER|- KEY[,KEY...] SPARE|- REASONHEX [ONLY]
 *   stream NAME ROOM[,ROOM...] OP FIRST COUNT RATE SIZE
 *   committed GROUP PARTITION   answered "committed OFFSET", or "none"
 *   stop                     ends the streams where they are
 *   flush                    answered "flushed" when nothing is on its way
 *
 * A stream sends the numbers FIRST to FIRST+COUNT-1 to each of its rooms, as
 * decimals padded with zeros to SIZE bytes, RATE numbers a second (0: as fast
 * as Kafka takes them).  Commands are taken while streams run.
 *
 * Answers: "ok PARTITION OFFSET" or "error TEXT" to each single push, in the
 * order of their acknowledgement; "streamed NAME NUMBERS FAILED" when all of a
 * stream was acknowledged, where FAILED counts messages.
 */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "goim_push.h"


#define PRODUCE_MAX_LINE     (4 * 1024 * 1024)
#define PRODUCE_MAX_KEYS     1024
#define PRODUCE_MAX_ROOMS    1024
#define PRODUCE_MAX_STREAMS  64
#define PRODUCE_MAX_BODY     (1024 * 1024)

/* of a stream's numbers, before other work is looked at again */
#define PRODUCE_TURN         256


typedef struct {
    int         used;
    int         op;
    int         size;
    int         nrooms;
    char        name[32];
    char       *rooms[PRODUCE_MAX_ROOMS];
    char       *names;     /* what rooms point into; malloc'ed */
    uint64_t    first;
    uint64_t    count;
    uint64_t    sent;      /* numbers handed to librdkafka */
    uint64_t    waiting;   /* messages not yet acknowledged */
    uint64_t    failed;
    double      rate;
    double      started;
} produce_stream_t;


static rd_kafka_t       *produce_rk;
static const char       *produce_topic;
static const char       *produce_brokers;
static produce_stream_t  produce_streams[PRODUCE_MAX_STREAMS];
static int               produce_flushing;

static uint8_t           produce_body[PRODUCE_MAX_BODY];


static double
produce_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static goim_str_t
produce_str(const char *text)
{
    goim_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strcmp(text, "-") == 0 ? 0 : strlen(text);

    return str;
}


/* Decodes hex digits in place; -1: they are none. */
static ssize_t
produce_unhex(char *text)
{
    char      *p, digits[3] = "";
    char      *end;
    uint8_t   *out = (uint8_t *) text;

    if (strcmp(text, "-") == 0) {
        return 0;
    }

    for (p = text; p[0] != '\0'; p += 2) {
        digits[0] = p[0];
        digits[1] = p[1];

        *out++ = (uint8_t) strtoul(digits, &end, 16);

        if (end != digits + 2) {
            return -1;
        }
    }

    return out - (uint8_t *) text;
}


static void
produce_stream_acknowledged(produce_stream_t *st, int failed)
{
    st->waiting--;
    st->failed += failed;

    if (st->waiting == 0 && st->sent == st->count) {
        printf("streamed %s %llu %llu\n", st->name,
               (unsigned long long) st->sent,
               (unsigned long long) st->failed);
        free(st->names);
        st->used = 0;
    }
}


/* called by rd_kafka_poll() only, in the main thread */
static void
produce_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message,
    void *data)
{
    (void) rk;
    (void) data;

    if (message->_private != NULL) {
        produce_stream_acknowledged(message->_private, message->err != 0);
        return;
    }

    if (message->err) {
        printf("error %s\n", rd_kafka_err2str(message->err));

    } else {
        printf("ok %d %lld\n", (int) message->partition,
               (long long) message->offset);
    }
}


/* Waits while librdkafka's queue is full; a failure is an answer, too. */
static int
produce_send(int32_t partition, const void *key, size_t key_len,
    const void *value, size_t len, int64_t ms, produce_stream_t *st)
{
    rd_kafka_resp_err_t  err;

    for (;;) {
        err = rd_kafka_producev(produce_rk,
                                RD_KAFKA_V_TOPIC(produce_topic),
                                RD_KAFKA_V_PARTITION(partition),
                                RD_KAFKA_V_KEY(key, key_len),
                                RD_KAFKA_V_VALUE((void *) value, len),
                                RD_KAFKA_V_TIMESTAMP(ms),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                RD_KAFKA_V_OPAQUE(st),
                                RD_KAFKA_V_END);

        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            break;
        }

        rd_kafka_poll(produce_rk, 10);
    }

    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }

    if (st == NULL) {
        printf("error %s\n", rd_kafka_err2str(err));
    }

    return -1;
}


static int
produce_push(const goim_push_t *push, goim_str_t key, produce_stream_t *st)
{
    int       rc;
    size_t    len;
    uint8_t  *value;

    if (goim_push_encode(push, &value, &len) != GOIM_OK) {
        if (st == NULL) {
            printf("error not encoded\n");
        }

        return -1;
    }

    rc = produce_send(RD_KAFKA_PARTITION_UA, key.len ? key.data : NULL,
                      key.len, value, len, 0, st);
    free(value);

    return rc;
}


static int
produce_command_send(char **word, int words)
{
    ssize_t  key_len, len;
    int32_t  partition;

    if (words < 4) {
        return -1;
    }

    partition = strcmp(word[1], "-") == 0 ? RD_KAFKA_PARTITION_UA
                                          : atoi(word[1]);
    key_len = produce_unhex(word[2]);
    len = produce_unhex(word[3]);

    if (key_len < 0 || len < 0) {
        return -1;
    }

    (void) produce_send(partition, key_len ? word[2] : NULL, key_len, word[3],
                        len, words > 4 ? atoll(word[4]) : 0, NULL);

    return 0;
}


static int
produce_command_room(char **word, int words)
{
    ssize_t      len;
    goim_push_t  push = { .type = GOIM_PUSH_ROOM };

    if (words < 4 || (len = produce_unhex(word[3])) < 0) {
        return -1;
    }

    push.op = atoi(word[2]);
    push.room = produce_str(word[1]);
    push.body.data = (uint8_t *) word[3];
    push.body.len = len;

    (void) produce_push(&push, push.room, NULL);

    return 0;
}


/* keys and kick: word[1] is the server, word[2] the keys */
static int
produce_command_keys(char **word, int words)
{
    char        *key;
    ssize_t      len;
    goim_str_t   keys[PRODUCE_MAX_KEYS];
    goim_push_t  push = { .type = GOIM_PUSH_KEYS };

    if (words < 5 || (len = produce_unhex(word[4])) < 0) {
        return -1;
    }

    push.server = produce_str(word[1]);
    push.keys = keys;

    for (key = strtok(word[2], ",");
         key != NULL && push.nkeys < PRODUCE_MAX_KEYS;
         key = strtok(NULL, ","))
    {
        keys[push.nkeys++] = produce_str(key);
    }

    if (push.nkeys == 0) {
        return -1;
    }

    if (strcmp(word[0], "kick") == 0) {
        push.type = GOIM_PUSH_KICK;
        push.spare = produce_str(word[3]);
        push.reason.data = (uint8_t *) word[4];
        push.reason.len = len;

        if (words > 5) {
            push.only = produce_str(word[5]);
        }

    } else {
        push.op = atoi(word[3]);
        push.body.data = (uint8_t *) word[4];
        push.body.len = len;
    }

    (void) produce_push(&push, keys[0], NULL);

    return 0;
}


static int
produce_command_all(char **word, int words)
{
    ssize_t      len;
    goim_push_t  push = { .type = GOIM_PUSH_BROADCAST };

    if (words < 4 || (len = produce_unhex(word[3])) < 0) {
        return -1;
    }

    push.op = atoi(word[1]);
    push.speed = atoi(word[2]);
    push.body.data = (uint8_t *) word[3];
    push.body.len = len;

    (void) produce_push(&push, produce_str(word[1]), NULL);

    return 0;
}


static int
produce_command_stream(char **word, int words)
{
    int                i;
    char              *room;
    produce_stream_t  *st;

    for (i = 0; i < PRODUCE_MAX_STREAMS && produce_streams[i].used; i++) {
        /* void */
    }

    if (words < 8 || i == PRODUCE_MAX_STREAMS) {
        return -1;
    }

    st = &produce_streams[i];
    memset(st, 0, sizeof(*st));

    snprintf(st->name, sizeof(st->name), "%s", word[1]);
    st->op = atoi(word[3]);
    st->first = strtoull(word[4], NULL, 10);
    st->count = strtoull(word[5], NULL, 10);
    st->rate = atof(word[6]);
    st->size = atoi(word[7]);
    st->started = produce_now();

    if (st->count == 0 || st->size < 1 || st->size > PRODUCE_MAX_BODY - 1) {
        return -1;
    }

    st->names = strdup(word[2]);
    if (st->names == NULL) {
        return -1;
    }

    for (room = strtok(st->names, ",");
         room != NULL && st->nrooms < PRODUCE_MAX_ROOMS;
         room = strtok(NULL, ","))
    {
        st->rooms[st->nrooms++] = room;
    }

    st->used = 1;

    return 0;
}


static void
produce_stream_number(produce_stream_t *st)
{
    int          i;
    goim_push_t  push = { .type = GOIM_PUSH_ROOM };

    push.op = st->op;
    push.body.data = produce_body;
    push.body.len = snprintf((char *) produce_body, sizeof(produce_body),
                             "%0*llu", st->size,
                             (unsigned long long) (st->first + st->sent));
    st->sent++;

    /* all of them wait from here on: the last answer ends the stream */

    st->waiting += st->nrooms;

    for (i = 0; i < st->nrooms; i++) {
        push.room = produce_str(st->rooms[i]);

        if (produce_push(&push, push.room, st) != 0) {
            produce_stream_acknowledged(st, 1);
        }
    }
}


/* Sends what is due; returns how long nothing will be, in ms, at most 1000. */
static int
produce_streams_turn(void)
{
    int                i, n, wait, next;
    double             due, now;
    produce_stream_t  *st;

    wait = 1000;

    for (i = 0; i < PRODUCE_MAX_STREAMS; i++) {
        st = &produce_streams[i];

        for (n = 0; st->used && st->sent < st->count; n++) {
            due = st->rate > 0 ? st->started + st->sent / st->rate : 0;

            if (n == PRODUCE_TURN) {
                wait = 0;
                break;
            }

            now = produce_now();

            if (due > now) {
                next = (int) ((due - now) * 1000) + 1;
                wait = next < wait ? next : wait;
                break;
            }

            produce_stream_number(st);
        }

        if (st->used && st->waiting && wait > 5) {
            wait = 5;
        }
    }

    return wait;
}


static void
produce_stop(void)
{
    int                i;
    produce_stream_t  *st;

    for (i = 0; i < PRODUCE_MAX_STREAMS; i++) {
        st = &produce_streams[i];

        if (!st->used) {
            continue;
        }

        st->count = st->sent;

        if (st->waiting == 0) {
            st->waiting = 1;
            produce_stream_acknowledged(st, 0);
        }
    }
}


/* What a group has committed for a partition, asked for as a member would. */
static int
produce_command_committed(char **word, int words)
{
    char                             text[256];
    rd_kafka_t                      *rk;
    rd_kafka_conf_t                 *conf;
    rd_kafka_resp_err_t              err;
    rd_kafka_topic_partition_t      *tp;
    rd_kafka_topic_partition_list_t *list;

    if (words < 3) {
        return -1;
    }

    conf = rd_kafka_conf_new();

    if (rd_kafka_conf_set(conf, "bootstrap.servers", produce_brokers, text,
                          sizeof(text)) != RD_KAFKA_CONF_OK
        || rd_kafka_conf_set(conf, "group.id", word[1], text, sizeof(text))
           != RD_KAFKA_CONF_OK)
    {
        return -1;
    }

    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (rk == NULL) {
        return -1;
    }

    list = rd_kafka_topic_partition_list_new(1);
    tp = rd_kafka_topic_partition_list_add(list, produce_topic, atoi(word[2]));
    err = rd_kafka_committed(rk, list, 10000);

    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        printf("committed error: %s\n", rd_kafka_err2str(err));

    } else if (tp->offset < 0) {
        printf("committed none\n");

    } else {
        printf("committed %lld\n", (long long) tp->offset);
    }

    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);

    return 0;
}


static void
produce_command(char *line)
{
    int   rc, words;
    char *word[10];

    words = 0;

    for (word[0] = strtok(line, " "); word[words] != NULL && words < 9;) {
        word[++words] = strtok(NULL, " ");
    }

    if (words == 0) {
        return;
    }

    rc = -1;

    if (strcmp(word[0], "send") == 0) {
        rc = produce_command_send(word, words);

    } else if (strcmp(word[0], "room") == 0) {
        rc = produce_command_room(word, words);

    } else if (strcmp(word[0], "keys") == 0 || strcmp(word[0], "kick") == 0) {
        rc = produce_command_keys(word, words);

    } else if (strcmp(word[0], "all") == 0) {
        rc = produce_command_all(word, words);

    } else if (strcmp(word[0], "stream") == 0) {
        rc = produce_command_stream(word, words);

    } else if (strcmp(word[0], "committed") == 0) {
        rc = produce_command_committed(word, words);

    } else if (strcmp(word[0], "stop") == 0) {
        produce_stop();
        rc = 0;

    } else if (strcmp(word[0], "flush") == 0) {
        produce_flushing = 1;
        rc = 0;
    }

    if (rc != 0) {
        printf("error bad command\n");
    }
}


/* Takes the whole lines that have arrived; 0: the input has ended. */
static int
produce_input(int wait)
{
    char           *start, *end;
    ssize_t         n;
    struct pollfd   pfd = { .fd = STDIN_FILENO, .events = POLLIN };
    static char     buf[PRODUCE_MAX_LINE];
    static size_t   len;

    if (poll(&pfd, 1, wait) <= 0) {
        return 1;
    }

    n = read(STDIN_FILENO, buf + len, sizeof(buf) - len);
    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }

    len += n;
    start = buf;

    while ((end = memchr(start, '\n', len)) != NULL) {
        *end++ = '\0';
        len -= end - start;
        produce_command(start);
        start = end;
    }

    memmove(buf, start, len);

    return len < sizeof(buf);
}


static rd_kafka_t *
produce_new(int argc, char **argv)
{
    int               i;
    char             *value, text[256];
    rd_kafka_t       *rk;
    rd_kafka_conf_t  *conf;

    static char  linger[] = "linger.ms=5";
    static char  queued[] = "queue.buffering.max.messages=200000";
    static char  partitioner[] = "partitioner=fnv1a_random";
    static char  idempotent[] = "enable.idempotence=true";
    static char  brokers[512];

    char  *properties[] = { linger, queued, partitioner, idempotent, brokers };
    int    n = sizeof(properties) / sizeof(properties[0]);

    snprintf(brokers, sizeof(brokers), "bootstrap.servers=%s", argv[1]);

    conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, produce_delivered);

    for (i = 0; i < n + argc - 3; i++) {
        char  *property = i < n ? properties[i] : argv[3 + i - n];

        value = strchr(property, '=');
        if (value == NULL) {
            fprintf(stderr, "produce: no value in \"%s\"\n", property);
            return NULL;
        }

        *value++ = '\0';

        if (rd_kafka_conf_set(conf, property, value, text, sizeof(text))
            != RD_KAFKA_CONF_OK)
        {
            fprintf(stderr, "produce: %s\n", text);
            return NULL;
        }
    }

    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (rk == NULL) {
        fprintf(stderr, "produce: %s\n", text);
    }

    return rk;
}


int
main(int argc, char **argv)
{
    int  wait;

    if (argc < 3) {
        fprintf(stderr, "usage: produce BROKERS TOPIC [PROPERTY=VALUE ...]\n");
        return 1;
    }

    setvbuf(stdout, NULL, _IOLBF, 0);

    produce_brokers = argv[1];
    produce_topic = argv[2];

    produce_rk = produce_new(argc, argv);
    if (produce_rk == NULL) {
        return 1;
    }

    do {
        wait = produce_streams_turn();

        if (rd_kafka_outq_len(produce_rk) > 0 && wait > 1) {
            wait = 1;
        }

        rd_kafka_poll(produce_rk, 0);

        if (produce_flushing && rd_kafka_outq_len(produce_rk) == 0) {
            produce_flushing = 0;
            printf("flushed\n");
        }
    } while (produce_input(wait));

    rd_kafka_flush(produce_rk, 10000);
    rd_kafka_destroy(produce_rk);

    return 0;
}
