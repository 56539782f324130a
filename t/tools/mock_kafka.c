/*
 * librdkafka's mock cluster as a process of its own, so that the programs
 * under test can be killed without losing what Kafka holds.
 *
 *   mock_kafka BROKERS TOPIC:PARTITIONS ...
 *
 * Prints "bootstrap HOST:PORT,..." and lives until its standard input ends or
 * it gets SIGTERM.  Takes commands, one a line, and answers each by "ok" or
 * "error TEXT":
 *
 *   down BROKER              the broker closes its connections and port
 *   up BROKER
 *   rtt BROKER MS            delays its answers
 *   error API CODE COUNT     the next COUNT requests of that API key fail
 *   topic_error TOPIC CODE   metadata of the topic says so; 0: no longer
 *   topic TOPIC PARTITIONS   makes a topic
 *   leader TOPIC PARTITION BROKER
 *
 * A partition keeps its newest 5 MB or 100,000 batches, as librdkafka has it.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>


#define MOCK_MAX_ERRORS  1000

#define mock_is(name, min)  (strcmp(word, name) == 0 && words >= min)


static rd_kafka_resp_err_t
mock_errors(rd_kafka_mock_cluster_t *cluster, int api, int code, int count)
{
    int                  i;
    rd_kafka_resp_err_t  errors[MOCK_MAX_ERRORS];

    if (count < 1 || count > MOCK_MAX_ERRORS) {
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    }

    for (i = 0; i < count; i++) {
        errors[i] = code;
    }

    rd_kafka_mock_push_request_errors_array(cluster, api, count, errors);

    return RD_KAFKA_RESP_ERR_NO_ERROR;
}


static rd_kafka_resp_err_t
mock_command(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    int   a, b, c, words;
    char  word[16], topic[250];

    words = sscanf(line, "%15s %d %d %d", word, &a, &b, &c);

    if (mock_is("down", 2)) {
        return rd_kafka_mock_broker_set_down(cluster, a);
    }

    if (mock_is("up", 2)) {
        return rd_kafka_mock_broker_set_up(cluster, a);
    }

    if (mock_is("rtt", 3)) {
        return rd_kafka_mock_broker_set_rtt(cluster, a, b);
    }

    if (mock_is("error", 4)) {
        return mock_errors(cluster, a, b, c);
    }

    words = sscanf(line, "%15s %249s %d %d", word, topic, &a, &b);

    if (mock_is("topic_error", 3)) {
        rd_kafka_mock_topic_set_error(cluster, topic, a);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }

    if (mock_is("topic", 3)) {
        return rd_kafka_mock_topic_create(cluster, topic, a, 1);
    }

    if (mock_is("leader", 4)) {
        return rd_kafka_mock_partition_set_leader(cluster, topic, a, b);
    }

    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}


/* "topic:partitions", of the command line */
static int
mock_topic(rd_kafka_mock_cluster_t *cluster, char *arg)
{
    char                *colon;
    rd_kafka_resp_err_t  err;

    colon = strrchr(arg, ':');
    if (colon == NULL) {
        fprintf(stderr, "mock_kafka: no \":PARTITIONS\" in \"%s\"\n", arg);
        return -1;
    }

    *colon = '\0';

    err = rd_kafka_mock_topic_create(cluster, arg, atoi(colon + 1), 1);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "mock_kafka: topic \"%s\": %s\n", arg,
                rd_kafka_err2str(err));
        return -1;
    }

    return 0;
}


int
main(int argc, char **argv)
{
    int                       i;
    char                      line[512], text[256];
    rd_kafka_t               *rk;
    rd_kafka_conf_t          *conf;
    rd_kafka_resp_err_t       err;
    rd_kafka_mock_cluster_t  *cluster;

    if (argc < 2 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: mock_kafka BROKERS TOPIC:PARTITIONS ...\n");
        return 1;
    }

    setvbuf(stdout, NULL, _IOLBF, 0);

    /*
     * the cluster wants an instance to run in; this one talks to nobody, and
     * would say so at a higher log level
     */

    conf = rd_kafka_conf_new();

    if (rd_kafka_conf_set(conf, "log_level", "3", text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        fprintf(stderr, "mock_kafka: %s\n", text);
        return 1;
    }

    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (rk == NULL) {
        fprintf(stderr, "mock_kafka: %s\n", text);
        return 1;
    }

    cluster = rd_kafka_mock_cluster_new(rk, atoi(argv[1]));
    if (cluster == NULL) {
        fprintf(stderr, "mock_kafka: no cluster\n");
        return 1;
    }

    for (i = 2; i < argc; i++) {
        if (mock_topic(cluster, argv[i]) != 0) {
            return 1;
        }
    }

    printf("bootstrap %s\n", rd_kafka_mock_cluster_bootstraps(cluster));

    while (fgets(line, sizeof(line), stdin) != NULL) {
        err = mock_command(cluster, line);

        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            printf("ok\n");

        } else {
            printf("error %s\n", rd_kafka_err2str(err));
        }
    }

    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);

    return 0;
}
