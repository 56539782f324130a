/*
 * Reads a topic from its beginning, and tells where numbers in it do not go
 * up by one.  librdkafka's mock brokers append a batch again when a producer
 * sends it again, since the answer to the first one was lost; a real broker
 * knows it by its sequence.  What Kafka has twice clients are to get twice.
 *
 *   witness BROKERS TOPIC
 *
 * Of pushes to rooms whose bodies are decimals, it prints "ROOM N after M"
 * for each number N that does not follow on M, the one before it in its room.
 * A line on its standard input is answered with "read N": so many messages.
 * Ends with its standard input.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "goim_push.h"


#define WITNESS_MAX_ROOMS  64
#define WITNESS_MAX_NAME   64


typedef struct {
    char      name[WITNESS_MAX_NAME];
    uint64_t  last;  /* number */
} witness_room_t;


static witness_room_t  witness_rooms[WITNESS_MAX_ROOMS];
static uint64_t        witness_read;


/* NULL: there are too many, or its name is too long. */
static witness_room_t *
witness_room(const goim_str_t *name)
{
    int              i;
    witness_room_t  *room;

    for (i = 0; i < WITNESS_MAX_ROOMS; i++) {
        room = &witness_rooms[i];

        if (room->name[0] == '\0' && name->len < WITNESS_MAX_NAME) {
            memcpy(room->name, name->data, name->len);
        }

        if (strlen(room->name) == name->len
            && memcmp(room->name, name->data, name->len) == 0)
        {
            return room;
        }
    }

    return NULL;
}


static void
witness_push(const goim_push_t *push)
{
    char             text[32] = "";
    uint64_t         number;
    witness_room_t  *room;

    if (push->type != GOIM_PUSH_ROOM || push->body.len >= sizeof(text)) {
        return;
    }

    memcpy(text, push->body.data, push->body.len);
    number = strtoull(text, NULL, 10);
    room = witness_room(&push->room);

    if (room == NULL || number == 0) {
        return;
    }

    if (room->last != 0 && number != room->last + 1) {
        printf("%s %llu after %llu\n", room->name,
               (unsigned long long) number, (unsigned long long) room->last);
    }

    room->last = number;
}


static void
witness_message(const rd_kafka_message_t *message)
{
    goim_push_t       push;
    const char       *why;
    goim_push_conf_t  conf = { 0 };

    if (message->err) {
        return;
    }

    witness_read++;

    if (goim_push_decode(&push, message->payload, message->len, &conf, &why)
        == GOIM_OK)
    {
        witness_push(&push);
        goim_push_destroy(&push);
    }
}


/* All partitions from their beginning; NULL: it can't be done. */
static rd_kafka_t *
witness_new(const char *brokers, const char *topic)
{
    int                               i, partitions;
    char                              text[256];
    rd_kafka_t                       *rk;
    rd_kafka_conf_t                  *conf;
    rd_kafka_topic_t                 *rkt;
    const rd_kafka_metadata_t        *metadata;
    rd_kafka_topic_partition_list_t  *list;

    conf = rd_kafka_conf_new();

    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text,
                          sizeof(text)) != RD_KAFKA_CONF_OK
        || rd_kafka_conf_set(conf, "group.id", "witness", text, sizeof(text))
           != RD_KAFKA_CONF_OK
        || rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "500", text,
                             sizeof(text)) != RD_KAFKA_CONF_OK)
    {
        fprintf(stderr, "witness: %s\n", text);
        return NULL;
    }

    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (rk == NULL) {
        fprintf(stderr, "witness: %s\n", text);
        return NULL;
    }

    rd_kafka_poll_set_consumer(rk);
    rkt = rd_kafka_topic_new(rk, topic, NULL);

    if (rd_kafka_metadata(rk, 0, rkt, &metadata, 30000)
        != RD_KAFKA_RESP_ERR_NO_ERROR)
    {
        fprintf(stderr, "witness: no metadata\n");
        return NULL;
    }

    partitions = metadata->topics[0].partition_cnt;
    list = rd_kafka_topic_partition_list_new(partitions);

    for (i = 0; i < partitions; i++) {
        rd_kafka_topic_partition_list_add(list, topic, i)->offset
            = RD_KAFKA_OFFSET_BEGINNING;
    }

    rd_kafka_assign(rk, list);

    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(rkt);

    return rk;
}


/* 0: the input has ended. */
static int
witness_input(void)
{
    char           buf[256];
    ssize_t        n;
    struct pollfd  pfd = { .fd = STDIN_FILENO, .events = POLLIN };

    if (poll(&pfd, 1, 0) <= 0) {
        return 1;
    }

    n = read(STDIN_FILENO, buf, sizeof(buf));

    if (n > 0) {
        printf("read %llu\n", (unsigned long long) witness_read);
    }

    return n > 0;
}


int
main(int argc, char **argv)
{
    rd_kafka_t          *rk;
    rd_kafka_message_t  *message;

    if (argc != 3) {
        fprintf(stderr, "usage: witness BROKERS TOPIC\n");
        return 1;
    }

    setvbuf(stdout, NULL, _IOLBF, 0);

    rk = witness_new(argv[1], argv[2]);
    if (rk == NULL) {
        return 1;
    }

    while (witness_input()) {
        message = rd_kafka_consumer_poll(rk, 100);

        if (message != NULL) {
            witness_message(message);
            rd_kafka_message_destroy(message);
        }
    }

    rd_kafka_destroy(rk);

    return 0;
}
