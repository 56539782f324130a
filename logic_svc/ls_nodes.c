/*
 * /goim/nodes: the servers (comets) a client may connect to.  Which are alive
 * and how full they are the comets report; addresses and weights are settings.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ls_endpoints.h"
#include "ls_json.h"
#include "ls_online.h"


#define LS_NODES_BEST    5          /* nodes of one answer */
#define LS_NODES_WEIGHT  10         /* of a server not named in [nodes] */
#define LS_NODES_MAX     (1 << 20)  /* of a node's present weight */

/* goim's example: how clients are to reconnect, seconds */
#define LS_NODES_BACKOFF                                                      \
    "{\"max_delay\":300,\"base_delay\":3,\"factor\":1.8,\"jitter\":0.3}"


/* A server that may be chosen. */
typedef struct {
    ls_online_server_t    *server;
    const ls_conf_node_t  *conf;     /* NULL: not in the settings */
    int64_t                current;  /* present weight */
} ls_nodes_node_t;


static const ls_conf_node_t *
ls_nodes_conf(const ls_conf_t *conf, const char *server)
{
    size_t  i;

    for (i = 0; i < conf->nnodes; i++) {
        if (strcmp(conf->nodes[i].server, server) == 0) {
            return &conf->nodes[i];
        }
    }

    return NULL;
}


static int64_t
ls_nodes_weight(const ls_conf_node_t *conf)
{
    return conf ? conf->weight : LS_NODES_WEIGHT;
}


static int
ls_nodes_compare(const void *one, const void *two)
{
    const ls_nodes_node_t  *a = one;
    const ls_nodes_node_t  *b = two;

    if (a->current != b->current) {
        return a->current > b->current ? -1 : 1;
    }

    return strcmp(a->server->server, b->server->server);
}


/*
 * goim's weights: a server's share of all weights less half its share of all
 * connections, in connections, added to its weight.
 */
static void
ls_nodes_weigh(ls_nodes_node_t *nodes, size_t n)
{
    size_t   i;
    double   weights, conns, ratio, load;
    int64_t  w;

    weights = 0;
    conns = 0;

    for (i = 0; i < n; i++) {
        weights += ls_nodes_weight(nodes[i].conf);
        conns += nodes[i].server->conns + nodes[i].server->chosen;
    }

    for (i = 0; i < n; i++) {
        w = ls_nodes_weight(nodes[i].conf);

        if (conns == 0 || weights == 0) {
            nodes[i].current = w;
            continue;
        }

        ratio = w / weights;
        load = (nodes[i].server->conns + nodes[i].server->chosen) / conns / 2;
        w += llround((ratio - load) * conns);

        nodes[i].current = w < 1 ? 1 : w > LS_NODES_MAX ? LS_NODES_MAX : w;
    }
}


/* All live servers whose weight is not 0, the best first; malloc'ed. */
static ls_nodes_node_t *
ls_nodes_sorted(ls_t *ls, size_t *n)
{
    size_t                i, nservers;
    ls_nodes_node_t      *nodes;
    ls_online_server_t   *servers;

    servers = ls_online_servers(ls->online, &nservers);
    *n = 0;

    nodes = malloc((nservers + 1) * sizeof(ls_nodes_node_t));
    if (nodes == NULL) {
        return NULL;
    }

    for (i = 0; i < nservers; i++) {
        nodes[*n].server = &servers[i];
        nodes[*n].conf = ls_nodes_conf(ls->conf, servers[i].server);

        if (ls_nodes_weight(nodes[*n].conf) > 0) {
            (*n)++;
        }
    }

    ls_nodes_weigh(nodes, *n);
    qsort(nodes, *n, sizeof(ls_nodes_node_t), ls_nodes_compare);

    return nodes;
}


static void
ls_nodes_write_string(struct evbuffer *buf, const char *s)
{
    ls_json_string(buf, s, strlen(s));
}


/* "a,b" as "a","b"; *written tells whether one stands before it. */
static void
ls_nodes_write_addrs(struct evbuffer *buf, const char *addrs, size_t *written)
{
    size_t  len;

    while (*addrs) {
        len = strcspn(addrs, ",");

        if (len) {
            evbuffer_add(buf, ",", (*written)++ != 0);
            ls_json_string(buf, addrs, len);
        }

        addrs += len;
        addrs += *addrs == ',';
    }
}


static void
ls_nodes_write_nodes(struct evbuffer *buf, const ls_conf_t *conf,
    const ls_nodes_node_t *nodes, size_t n, int web)
{
    size_t  i, written;
    char    name[LS_REPORT_NAME + 256];

    evbuffer_add(buf, "[", 1);

    for (written = 0, i = 0; i < n && i < LS_NODES_BEST; i++) {
        if (web) {
            snprintf(name, sizeof(name), "%s%s", nodes[i].server->server,
                     conf->host_domain);
            evbuffer_add(buf, ",", written++ != 0);
            ls_nodes_write_string(buf, name);

        } else if (nodes[i].conf) {
            ls_nodes_write_addrs(buf, nodes[i].conf->addrs, &written);
        }
    }

    if (written == 0) {
        ls_nodes_write_string(buf, conf->domain);
    }

    evbuffer_add(buf, "]", 1);
}


/* Members whose value is nothing are left out, as goim's are. */
static void
ls_nodes_write_number(struct evbuffer *buf, const char *name, uint64_t n)
{
    if (n) {
        evbuffer_add_printf(buf, "\"%s\":%llu,", name, (unsigned long long) n);
    }
}


static void
ls_nodes_write_weighted(struct evbuffer *buf, const ls_conf_t *conf,
    const ls_nodes_node_t *nodes, size_t n, int web)
{
    evbuffer_add(buf, "{", 1);

    if (*conf->domain) {
        evbuffer_add(buf, "\"domain\":", 9);
        ls_nodes_write_string(buf, conf->domain);
        evbuffer_add(buf, ",", 1);
    }

    ls_nodes_write_number(buf, "tcp_port", conf->tcp_port);
    ls_nodes_write_number(buf, "ws_port", conf->ws_port);
    ls_nodes_write_number(buf, "wss_port", conf->wss_port);
    ls_nodes_write_number(buf, "heartbeat", conf->heartbeat_ms / 1000);

    evbuffer_add(buf, "\"nodes\":", 8);
    ls_nodes_write_nodes(buf, conf, nodes, n, web);

    evbuffer_add_printf(buf, ",\"backoff\":%s,\"heartbeat_max\":%llu}",
                        LS_NODES_BACKOFF,
                        (unsigned long long) conf->heartbeat_max);
}


/* Without counts the domain is all that can be told, which still serves. */
void
ls_nodes_weighted(ls_call_t *call)
{
    int               web;
    size_t            n;
    goim_str_t        platform;
    struct evbuffer  *buf;
    ls_nodes_node_t  *nodes;

    platform = ls_query_get(&call->query, "platform");
    web = platform.len == 3 && memcmp(platform.data, "web", 3) == 0;

    nodes = ls_nodes_sorted(call->ls, &n);
    if (nodes == NULL) {
        ls_call_result(call, LS_CODE_SERVER, "no memory");
        return;
    }

    if (!ls_online_is_fresh(call->ls->online)) {
        n = 0;
    }

    buf = ls_call_data(call);

    if (buf) {
        ls_nodes_write_weighted(buf, call->ls->conf, nodes, n, web);

        if (n) {
            nodes[0].server->chosen++;
        }

        ls_call_send_data(call, buf);
    }

    free(nodes);
}


static void
ls_nodes_write_instance(struct evbuffer *buf, ls_t *ls,
    const ls_online_server_t *server)
{
    size_t                 written;
    const char            *addrs;
    const ls_conf_node_t  *conf;

    conf = ls_nodes_conf(ls->conf, server->server);
    addrs = conf ? conf->addrs : "";

    evbuffer_add(buf, "{\"region\":", 10);
    ls_nodes_write_string(buf, ls->conf->region);
    evbuffer_add(buf, ",\"zone\":", 8);
    ls_nodes_write_string(buf, ls->conf->zone);
    evbuffer_add(buf, ",\"env\":", 7);
    ls_nodes_write_string(buf, ls->conf->env);
    evbuffer_add_printf(buf, ",\"appid\":\"goim.comet\",\"hostname\":");
    ls_nodes_write_string(buf, server->server);

    evbuffer_add(buf, ",\"addrs\":[", 10);
    written = 0;
    ls_nodes_write_addrs(buf, addrs, &written);

    evbuffer_add_printf(buf, "],\"version\":\"\",\"latest_timestamp\":%llu,"
                        "\"metadata\":{\"addrs\":",
                        (unsigned long long)
                        ls_online_updated_ms(ls->online) * 1000000);
    ls_nodes_write_string(buf, addrs);

    evbuffer_add_printf(buf, ",\"conn_count\":\"%llu\",\"ip_count\":\"%llu\","
                        "\"offline\":\"false\",\"weight\":\"%lld\"}}",
                        (unsigned long long) server->conns,
                        (unsigned long long) server->addrs,
                        (long long) ls_nodes_weight(conf));
}


void
ls_nodes_instances(ls_call_t *call)
{
    size_t               i, n;
    struct evbuffer     *buf;
    ls_online_server_t  *servers;

    buf = ls_call_data(call);
    if (buf == NULL) {
        return;
    }

    servers = ls_online_servers(call->ls->online, &n);

    if (n == 0 || !ls_online_is_fresh(call->ls->online)) {
        evbuffer_add(buf, "null", 4);

    } else {
        for (i = 0; i < n; i++) {
            evbuffer_add(buf, i ? "," : "[", 1);
            ls_nodes_write_instance(buf, call->ls, &servers[i]);
        }

        evbuffer_add(buf, "]", 1);
    }

    ls_call_send_data(call, buf);
}
