
/*
 * The status page in the text format of Prometheus: a metric for each counter,
 * a sample for each worker or lane.  Drops and closed connections are one
 * metric each, by reason.
 */


#include "ngx_goim.h"


/* What people read in front of a metric; of drops and closed connections the
 * first one is for all reasons. */
static const char *const  ngx_goim_prometheus_help[NGX_GOIM_COUNTERS] = {
    [NGX_GOIM_CONNECTIONS] = "Connections that left their HTTP requests.",
    [NGX_GOIM_CONNECTIONS_TCP] = "Those of them on goim's TCP.",
    [NGX_GOIM_HANDSHAKING] = "Connections that are still HTTP requests.",
    [NGX_GOIM_HANDSHAKING_TCP] = "Those of them on goim's TCP.",
    [NGX_GOIM_CLOSING] = "Connections that have been told goodbye.",
    [NGX_GOIM_CLOSING_TCP] = "Those of them on goim's TCP.",
    [NGX_GOIM_ROOMS] = "Rooms with members on the worker.",
    [NGX_GOIM_HANDSHAKES] = "Upgrades answered with 101.",
    [NGX_GOIM_HANDSHAKE_ERRORS] = "Upgrades refused: the client's fault.",
    [NGX_GOIM_UNAVAILABLE] = "Upgrades refused: no channel, no memory.",
    [NGX_GOIM_AUTH_ACCEPTED] = "Clients that authentication accepted.",
    [NGX_GOIM_AUTH_REFUSED] = "Clients that authentication refused.",
    [NGX_GOIM_AUTH_FAILED] = "Authentications that were not answered.",
    [NGX_GOIM_AUTH_FALLBACK] = "Clients that were let in without an answer.",
    [NGX_GOIM_AUTH_TIMEOUT] = "Clients that were not authenticated in time.",
    [NGX_GOIM_ROOM_FULL] = "Times a client was not let into a full room.",
    [NGX_GOIM_BYTES_IN] = "Bytes from clients.",
    [NGX_GOIM_PACKETS_IN] = "Packets from clients.",
    [NGX_GOIM_RATE_PAUSES] = "Times a client sent too many packets.",
    [NGX_GOIM_BYTES_OUT] = "Bytes to clients.",
    [NGX_GOIM_SENDS] = "System calls that sent something.",
    [NGX_GOIM_RECORDS] = "Messages read from the channel.",
    [NGX_GOIM_NO_SUBSCRIBER] = "Messages that nobody here wanted.",
    [NGX_GOIM_DELIVERED] = "Messages sent whole, per connection.",
    [NGX_GOIM_DROP_MISSED] = "Messages not delivered, by reason.",
    [NGX_GOIM_GAP_NOTICES] = "Times a client was told that some are missing.",
    [NGX_GOIM_CHANNEL_DAMAGED] = "Times a lane held no records.",
    [NGX_GOIM_CHANNEL_RETURNED] = "Times goim-job went on without the worker.",
    [NGX_GOIM_PENDING] = "Bytes that wait for clients, or of them.",
    [NGX_GOIM_UPLINKS] = "Requests to logic on their way.",
    [NGX_GOIM_PUBLISHED] = "Clients' messages that logic answered.",
    [NGX_GOIM_PUBLISH_BUSY] = "Clients' messages refused as too many.",
    [NGX_GOIM_PUBLISH_FAILED] = "Clients' messages that logic failed for.",
    [NGX_GOIM_SESSION_REPORTS] = "Session reports sent.",
    [NGX_GOIM_SESSION_FAILED] = "Session reports that were not taken.",
    [NGX_GOIM_SESSION_RESYNCS] = "Times all sessions were reported anew.",
    [NGX_GOIM_MOVED_OUT] = "Connections that another worker took over.",
    [NGX_GOIM_MOVED_IN] = "Connections taken over from another worker.",
    [NGX_GOIM_HANDOVER_REFUSED] = "Connections offered, and not taken over.",
    [NGX_GOIM_HANDOVER_BACK] = "Connections offered, and taken back.",
    [NGX_GOIM_HANDOVER_DRAINED] = "Connections let go by goim_drain instead.",
    [NGX_GOIM_PACED] = "Broadcasts with a speed under way.",
    [NGX_GOIM_PACED_HURRIED] = "Broadcasts that lost their speed.",
    [NGX_GOIM_CLOSED] = "Connections that ended, by reason."
};


static void
ngx_goim_prometheus_type(ngx_goim_page_t *page, const char *metric,
    const char *type, const char *help)
{
    if (help) {
        ngx_goim_page_print(page, "# HELP goim_%s %s\n", metric, help);
    }

    ngx_goim_page_print(page, "# TYPE goim_%s %s\n", metric, type);
}


/* "drop_closed" is goim_dropped_total with the reason "closed". */
static void
ngx_goim_prometheus_name(ngx_uint_t counter, const char **metric,
    const char **reason)
{
    const char  *name;

    name = ngx_goim_counter_names[counter];
    *reason = NULL;

    if (ngx_strncmp(name, "drop_", 5) == 0) {
        *metric = "dropped";
        *reason = name + 5;

    } else if (ngx_strncmp(name, "closed_", 7) == 0) {
        *metric = "closed";
        *reason = name + 7;

    } else {
        *metric = name;
    }
}


/* Of a worker, by its slot, or of all "ended" ones. */
static void
ngx_goim_prometheus_sample(ngx_goim_page_t *page, ngx_uint_t counter,
    const u_char *slot, _Atomic uint64_t *counters)
{
    const char  *metric, *reason;

    ngx_goim_prometheus_name(counter, &metric, &reason);

    ngx_goim_page_print(page, "goim_%s%s{slot=\"%s\"%s%s%s} %uL\n", metric,
                        ngx_goim_status_is_gauge(counter) ? "" : "_total",
                        slot, reason ? ",reason=\"" : "",
                        reason ? reason : "", reason ? "\"" : "",
                        atomic_load_explicit(&counters[counter],
                                             memory_order_relaxed));
}


static void
ngx_goim_prometheus_counter(ngx_goim_page_t *page, ngx_uint_t counter,
    const char **last)
{
    char                   name[64];
    u_char                 number[NGX_INT32_LEN + 1];
    uint32_t               i;
    ngx_uint_t             gauge;
    const char            *metric, *reason;
    goim_channel_slots_t  *slots;

    ngx_goim_prometheus_name(counter, &metric, &reason);

    gauge = ngx_goim_status_is_gauge(counter);
    slots = ngx_goim_worker.channel->slots;

    if (*last == NULL || ngx_strcmp(*last, metric) != 0) {
        (void) ngx_snprintf((u_char *) name, sizeof(name), "%s%s%Z", metric,
                            gauge ? "" : "_total");
        ngx_goim_prometheus_type(page, name, gauge ? "gauge" : "counter",
                                 ngx_goim_prometheus_help[counter]);
        *last = metric;
    }

    for (i = 0; i < page->nslots; i++) {
        *ngx_sprintf(number, "%uD", page->slots[i]) = '\0';
        ngx_goim_prometheus_sample(page, counter, number,
                                   slots->slot[page->slots[i]].counters);
    }

    if (!gauge) {
        ngx_goim_prometheus_sample(page, counter, (u_char *) "ended",
                                   slots->ended_counters);
    }
}


static void
ngx_goim_prometheus_workers(ngx_goim_page_t *page)
{
    uint32_t     i;
    ngx_uint_t   k;
    const char  *last;

    last = NULL;

    for (k = 0; k < NGX_GOIM_COUNTERS; k++) {
        ngx_goim_prometheus_counter(page, k, &last);
    }

    ngx_goim_prometheus_type(page, "draining", "gauge",
                             "1: the worker is shutting down.");

    for (i = 0; i < page->nslots; i++) {
        ngx_goim_page_print(page, "goim_draining{slot=\"%uD\"} %uL\n",
                            page->slots[i],
                            atomic_load(&ngx_goim_worker.channel->slots
                                             ->slot[page->slots[i]].draining));
    }
}


static void
ngx_goim_prometheus_clients(ngx_goim_page_t *page)
{
    uint32_t             i;
    ngx_uint_t           t, k;
    ngx_goim_clients_t   clients;

    ngx_goim_prometheus_type(page, "clients", "gauge",
                             "Connections by transport and state.");

    for (i = 0; i < page->nslots; i++) {
        ngx_memzero(clients, sizeof(clients));
        ngx_goim_status_clients(&ngx_goim_worker.channel->slots
                                     ->slot[page->slots[i]],
                                clients);

        for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
            for (k = 0; k < NGX_GOIM_CLIENTS_STATES; k++) {
                ngx_goim_page_print(page,
                                    "goim_clients{slot=\"%uD\","
                                    "transport=\"%V\",state=\"%s\"} %uL\n",
                                    page->slots[i],
                                    &ngx_goim_transport_names[t],
                                    ngx_goim_clients_names[k], clients[t][k]);
            }
        }
    }
}


/* The samples of one of the classes' counters. */
static void
ngx_goim_prometheus_class(ngx_goim_page_t *page, ngx_uint_t counter,
    const char *metric, const char *reason)
{
    ngx_uint_t                       i, k, n;

    static ngx_goim_status_class_t   classes[GOIM_BOARD_CLASSES];

    for (i = 0; i < page->nslots; i++) {
        n = ngx_goim_status_classes(ngx_goim_worker.channel, page->slots[i],
                                    classes);

        for (k = 0; k < n; k++) {
            ngx_goim_page_print(page, "goim_class_%s{slot=\"%uD\",class=",
                                metric, page->slots[i]);
            ngx_goim_page_label(page, classes[k].name, classes[k].len);
            ngx_goim_page_print(page, "%s%s%s} %uL\n",
                                reason ? ",reason=\"" : "",
                                reason ? reason : "", reason ? "\"" : "",
                                classes[k].counters[counter]);
        }
    }
}


/* By the class that a room belongs to; drops are one metric. */
static void
ngx_goim_prometheus_classes(ngx_goim_page_t *page)
{
    ngx_uint_t  i;

    ngx_goim_prometheus_type(page, "class_delivered_total", "counter",
                             "Messages sent whole, by room class.");
    ngx_goim_prometheus_class(page, NGX_GOIM_CLASS_DELIVERED,
                              "delivered_total", NULL);

    ngx_goim_prometheus_type(page, "class_dropped_total", "counter",
                             "Messages not delivered, by room class.");

    for (i = NGX_GOIM_CLASS_DROP_BACKLOG;
         i <= NGX_GOIM_CLASS_DROP_RATE;
         i++)
    {
        ngx_goim_prometheus_class(page, i, "dropped_total",
                                  ngx_goim_class_counter_names[i]
                                  + sizeof("drop_") - 1);
    }

    ngx_goim_prometheus_type(page, "class_room_full_total", "counter",
                             "Times a client was not let into a full room.");
    ngx_goim_prometheus_class(page, NGX_GOIM_CLASS_ROOM_FULL,
                              "room_full_total", NULL);

    ngx_goim_prometheus_type(page, "class_rooms", "gauge",
                             "Rooms with members, by room class.");
    ngx_goim_prometheus_class(page, NGX_GOIM_CLASS_ROOMS, "rooms", NULL);

    ngx_goim_prometheus_type(page, "class_members", "gauge",
                             "Members of rooms, by room class.");
    ngx_goim_prometheus_class(page, NGX_GOIM_CLASS_MEMBERS, "members", NULL);
}


static void
ngx_goim_prometheus_job(ngx_goim_page_t *page)
{
    uint32_t              i;
    uint64_t              value;
    ngx_uint_t            k;
    goim_channel_lane_t  *lane;

    for (k = 0; k < GOIM_JOB_COUNTERS; k++) {
        ngx_goim_page_print(page, "# TYPE goim_job_%s_total counter\n",
                            goim_job_counter_names[k]);

        for (i = 0; i < ngx_goim_worker.channel->lanes; i++) {
            lane = goim_channel_lane(ngx_goim_worker.channel, i);
            value = atomic_load_explicit(&lane->counters[k],
                                         memory_order_relaxed);

            ngx_goim_page_print(page,
                                "goim_job_%s_total{lane=\"%uD\"} %uL\n",
                                goim_job_counter_names[k], i, value);
        }
    }
}


static void
ngx_goim_prometheus_lanes(ngx_goim_page_t *page)
{
    uint32_t         i;
    goim_channel_t  *ch;

    ch = ngx_goim_worker.channel;

    ngx_goim_prometheus_type(page, "lane_held", "gauge",
                             "1: some goim-job holds the lane.");

    for (i = 0; i < ch->lanes; i++) {
        ngx_goim_page_print(page, "goim_lane_held{lane=\"%uD\"} %d\n", i,
                            goim_channel_lane_is_held(ch, i));
    }

    ngx_goim_prometheus_type(page, "lane_silent_milliseconds", "gauge",
                             "Since goim-job's last sign of life.");

    for (i = 0; i < ch->lanes; i++) {
        ngx_goim_page_print(page,
                            "goim_lane_silent_milliseconds{lane=\"%uD\"} "
                            "%uL\n", i,
                            ngx_goim_status_silent_ms(goim_channel_lane(ch,
                                                                        i)));
    }
}


/* How far each worker is behind in a lane; who is out is not waited for. */
static void
ngx_goim_prometheus_readers(ngx_goim_page_t *page)
{
    uint32_t         i, k;
    uint64_t         head, word, position;
    goim_channel_t  *ch;

    ch = ngx_goim_worker.channel;

    ngx_goim_prometheus_type(page, "reader_behind_bytes", "gauge",
                             "What a worker has still to read.");

    for (i = 0; i < ch->lanes; i++) {
        head = atomic_load_explicit(&goim_channel_lane(ch, i)->head,
                                    memory_order_acquire);

        for (k = 0; k < page->nslots; k++) {
            word = atomic_load_explicit(&ch->slots->slot[page->slots[k]]
                                             .cursors[i],
                                        memory_order_acquire);
            position = goim_cursor_position(word);

            ngx_goim_page_print(page,
                                "goim_reader_behind_bytes{lane=\"%uD\","
                                "slot=\"%uD\",out=\"%d\"} %uL\n",
                                i, page->slots[k],
                                goim_cursor_state(word) == GOIM_CURSOR_OUT,
                                head > position ? head - position : 0);
        }
    }
}


void
ngx_goim_prometheus_page(ngx_goim_page_t *page)
{
    ngx_goim_prometheus_type(page, "up", "gauge",
                             "1: the worker that answers has a channel.");
    ngx_goim_page_print(page, "goim_up %d\n",
                        ngx_goim_worker.reader != NULL);

    if (ngx_goim_worker.reader == NULL) {
        return;
    }

    page->nslots = ngx_goim_status_slots(ngx_goim_worker.channel, page->slots);

    ngx_goim_prometheus_workers(page);
    ngx_goim_prometheus_clients(page);
    ngx_goim_prometheus_classes(page);
    ngx_goim_prometheus_lanes(page);
    ngx_goim_prometheus_readers(page);
    ngx_goim_prometheus_job(page);
}
