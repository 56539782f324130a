/*
 * GET /health and GET /metrics (Prometheus' text form, version 0.0.4).
 */

#include <string.h>

#include "goim_time.h"
#include "ls_endpoints.h"
#include "ls_json.h"
#include "ls_online.h"
#include "ls_producer.h"
#include "ls_session_redis.h"


#define LS_METRICS_TYPE  "text/plain; version=0.0.4; charset=utf-8"


/*
 * Whether it is of use to be asked: with Kafka away pushes fail, with the
 * store away clients can't come.  What still works goes on all the same.
 */
void
ls_health(ls_call_t *call)
{
    int                   store, good;
    ls_t                 *ls = call->ls;
    struct evbuffer      *buf;
    ls_producer_stats_t   stats;

    ls_producer_stats(ls->producer, &stats);
    store = ls_session_up(ls->session);
    good = stats.up && store && !ls->stopping;

    buf = evbuffer_new();

    if (buf) {
        evbuffer_add_printf(buf, "{\"status\":\"%s\",\"kafka\":\"%s\","
                            "\"store\":\"%s\",\"store_type\":\"%s\","
                            "\"version\":\"%s\"}",
                            ls->stopping ? "stopping"
                                         : good ? "ok" : "degraded",
                            stats.up ? "up" : "down", store ? "up" : "down",
                            ls->session->backend->name, LS_VERSION);
    }

    ls_call_reply(call, buf && good ? 200 : 503, LS_HTTP_JSON, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


static void
ls_metrics_head(struct evbuffer *buf, const char *name, const char *type,
    const char *help)
{
    evbuffer_add_printf(buf, "# HELP goim_logic_%s %s\n"
                        "# TYPE goim_logic_%s %s\n",
                        name, help, name, type);
}


static void
ls_metrics_number(struct evbuffer *buf, const char *name, const char *type,
    const char *help, uint64_t n)
{
    ls_metrics_head(buf, name, type, help);
    evbuffer_add_printf(buf, "goim_logic_%s %llu\n", name,
                        (unsigned long long) n);
}


static void
ls_metrics_requests(struct evbuffer *buf, const ls_http_t *http)
{
    size_t                  i, j;
    const ls_http_count_t  *count;
    const ls_http_route_t  *route;

    ls_metrics_head(buf, "requests_total", "counter",
                    "Requests answered, by path and result.");

    for (i = 0; (route = ls_http_route(i)) != NULL; i++) {
        count = ls_http_count(http, i);

        const struct {
            const char  *name;
            uint64_t     n;
        } results[] = {
            { "ok", count->ok },
            { "refused", count->refused },
            { "failed", count->failed },
        };

        for (j = 0; j < sizeof(results) / sizeof(results[0]); j++) {
            evbuffer_add_printf(buf, "goim_logic_requests_total{path=\"%s\","
                                "result=\"%s\"} %llu\n",
                                route->path, results[j].name,
                                (unsigned long long) results[j].n);
        }
    }
}


static void
ls_metrics_kafka(struct evbuffer *buf, ls_t *ls)
{
    ls_producer_stats_t  stats;

    ls_producer_stats(ls->producer, &stats);

    ls_metrics_number(buf, "kafka_up", "gauge",
                      "1 while Kafka can be reached.", stats.up);
    ls_metrics_number(buf, "kafka_outages_total", "counter",
                      "Times that Kafka could not be reached any more.",
                      stats.outages);
    ls_metrics_number(buf, "pushes_total", "counter",
                      "Messages given to Kafka, or refused while it was away.",
                      stats.sent);
    ls_metrics_number(buf, "pushes_acknowledged_total", "counter",
                      "Messages that Kafka has acknowledged.",
                      stats.acknowledged);
    ls_metrics_number(buf, "pushes_failed_total", "counter",
                      "Messages that Kafka has not acknowledged.",
                      stats.failed);
    ls_metrics_number(buf, "pushes_in_flight", "gauge",
                      "Messages that wait for Kafka.", stats.in_flight);
}


static void
ls_metrics_sessions(struct evbuffer *buf, ls_t *ls)
{
    size_t               i, n;
    ls_online_server_t  *servers;

    ls_metrics_number(buf, "store_up", "gauge",
                      "1 while the session store can be reached.",
                      ls_session_up(ls->session));
    ls_metrics_number(buf, "reports_total", "counter",
                      "Session reports taken.", ls->reports);
    ls_metrics_number(buf, "resyncs_total", "counter",
                      "Workers asked to tell of everything again.",
                      ls->resyncs);
    ls_metrics_number(buf, "kicks_total", "counter",
                      "Connections sent away since their key came again.",
                      ls->kicks);
    ls_metrics_number(buf, "auth_limited_total", "counter",
                      "Clients refused as their member has enough "
                      "connections.", ls->auth_limited);
    ls_metrics_number(buf, "kicks_failed_total", "counter",
                      "Such kicks that Kafka did not take.",
                      ls->kicks_failed);
    ls_metrics_number(buf, "online_rooms", "gauge", "Rooms with members.",
                      ls_online_rooms(ls->online));

    servers = ls_online_servers(ls->online, &n);

    ls_metrics_head(buf, "online_connections", "gauge",
                    "Connections, by comet.");

    for (i = 0; i < n; i++) {
        evbuffer_add_printf(buf, "goim_logic_online_connections{server=");
        ls_json_string(buf, servers[i].server, strlen(servers[i].server));
        evbuffer_add_printf(buf, "} %llu\n",
                            (unsigned long long) servers[i].conns);
    }
}


/* One of a Redis server's numbers. */
static void
ls_metrics_redis(struct evbuffer *buf, const ls_redis_t *rd, const char *name,
    const char *help, size_t offset)
{
    unsigned         i;
    const char      *server;
    const uint64_t  *n;

    ls_metrics_head(buf, name, "counter", help);

    for (i = 0; i < ls_redis_servers(rd); i++) {
        server = ls_redis_name(rd, i);
        n = (const uint64_t *) ((const char *) ls_redis_counters(rd, i)
                                + offset);

        evbuffer_add_printf(buf, "goim_logic_%s{redis=", name);
        ls_json_string(buf, server, strlen(server));
        evbuffer_add_printf(buf, "} %llu\n", (unsigned long long) *n);
    }
}


static void
ls_metrics_store(struct evbuffer *buf, ls_t *ls)
{
    size_t             i;
    const char        *server;
    const ls_redis_t  *rd;

    static const struct {
        const char  *name;
        const char  *help;
        size_t       offset;
    } counters[] = {
        { "redis_calls_total", "Calls sent.",
          offsetof(ls_redis_counters_t, calls) },
        { "redis_errors_total", "Calls that were answered by an error, or "
          "not at all.",
          offsetof(ls_redis_counters_t, errors) },
        { "redis_refused_total", "Calls not sent: not connected, or too many "
          "in flight.",
          offsetof(ls_redis_counters_t, refused) },
        { "redis_timeouts_total", "Times that a reply or a connection came "
          "too late.",
          offsetof(ls_redis_counters_t, timeouts) },
        { "redis_connects_total", "Times that it was connected.",
          offsetof(ls_redis_counters_t, connects) },
        { "redis_losses_total", "Times that the connection was lost.",
          offsetof(ls_redis_counters_t, losses) },
    };

    if (ls->conf->store != LS_CONF_REDIS) {
        return;
    }

    rd = ls_session_redis_connections(ls->session);

    ls_metrics_head(buf, "redis_up", "gauge", "1 while it can be called.");

    for (i = 0; i < ls_redis_servers(rd); i++) {
        server = ls_redis_name(rd, i);

        evbuffer_add_printf(buf, "goim_logic_redis_up{redis=");
        ls_json_string(buf, server, strlen(server));
        evbuffer_add_printf(buf, "} %d\n", ls_redis_up(rd, i));
    }

    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        ls_metrics_redis(buf, rd, counters[i].name, counters[i].help,
                         counters[i].offset);
    }
}


void
ls_metrics(ls_call_t *call)
{
    ls_t             *ls = call->ls;
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf) {
        ls_metrics_head(buf, "info", "gauge", "Version and session store.");
        evbuffer_add_printf(buf, "goim_logic_info{version=\"%s\",store=\"%s\"}"
                            " 1\n",
                            LS_VERSION, ls->session->backend->name);

        ls_metrics_number(buf, "start_time_seconds", "gauge",
                          "When it was started, seconds since 1970.",
                          ls->started_ms / 1000);
        ls_metrics_number(buf, "requests_in_flight", "gauge",
                          "Requests that are being answered.",
                          ls_http_in_flight(ls->http));

        ls_metrics_number(buf, "requests_buffered_bytes", "gauge",
                          "Bytes of the bodies of these requests.",
                          ls_http_buffered(ls->http));

        ls_metrics_requests(buf, ls->http);
        ls_metrics_kafka(buf, ls);
        ls_metrics_sessions(buf, ls);
        ls_metrics_store(buf, ls);
    }

    ls_call_reply(call, buf ? 200 : 503, LS_METRICS_TYPE, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}
