
/*
 * The status page: what this host's workers, lanes and goim-job have counted,
 * read from the channel by whichever worker is asked.
 */


#include "ngx_goim.h"


static ngx_int_t ngx_goim_status_handler(ngx_http_request_t *r);


const char *const  ngx_goim_counter_names[NGX_GOIM_COUNTERS] = {
    "connections",
    "connections_tcp",
    "handshaking",
    "handshaking_tcp",
    "closing",
    "closing_tcp",
    "rooms",
    "handshakes",
    "handshake_errors",
    "unavailable",
    "auth_accepted",
    "auth_refused",
    "auth_failed",
    "auth_fallback",
    "auth_timeout",
    "room_full",
    "bytes_in",
    "packets_in",
    "rate_pauses",
    "bytes_out",
    "sends",
    "records",
    "no_subscriber",
    "delivered",
    "drop_missed",
    "drop_backlog",
    "drop_closed",
    "drop_accepts",
    "drop_nomem",
    "drop_rate",
    "gap_notices",
    "channel_damaged",
    "channel_returned",
    "pending",
    "uplinks",
    "published",
    "publish_busy",
    "publish_failed",
    "session_reports",
    "session_failed",
    "session_resyncs",
    "moved_out",
    "moved_in",
    "handover_refused",
    "handover_back",
    "handover_drained",
    "paced",
    "paced_hurried",
    "closed_client",
    "closed_protocol",
    "closed_timeout",
    "closed_backlog",
    "closed_memory",
    "closed_kick",
    "closed_replacement",
    "closed_refusal",
    "closed_shutdown",
    "closed_error"
};


const char *const  ngx_goim_class_counter_names[
    NGX_GOIM_CLASS_COUNTERS] = {
    "delivered",
    "drop_backlog",
    "drop_closed",
    "drop_nomem",
    "drop_rate",
    "room_full",
    "rooms",
    "members"
};


const char *const  ngx_goim_clients_names[NGX_GOIM_CLIENTS_STATES] = {
    "handshaking",
    "open",
    "draining",
    "closing"
};


static const char *const  ngx_goim_status_states[] = {
    "free", "live", "out"
};


const char *
ngx_goim_status_reason(ngx_goim_reason_e reason)
{
    return ngx_goim_counter_names[NGX_GOIM_CLOSED + reason]
           + sizeof("closed_") - 1;
}


/* A gauge of all transports and of TCP's part in it; read one after the other,
 * they may be of different moments. */
static void
ngx_goim_status_gauge(goim_channel_slot_t *slot, ngx_uint_t all,
    ngx_uint_t tcp, uint64_t n[NGX_GOIM_TRANSPORTS])
{
    uint64_t  sum;

    sum = atomic_load_explicit(&slot->counters[all], memory_order_relaxed);

    n[NGX_GOIM_TCP] = atomic_load_explicit(&slot->counters[tcp],
                                           memory_order_relaxed);
    n[NGX_GOIM_WEBSOCKET] = sum > n[NGX_GOIM_TCP] ? sum - n[NGX_GOIM_TCP] : 0;
}


void
ngx_goim_status_clients(goim_channel_slot_t *slot, ngx_goim_clients_t clients)
{
    uint64_t    handshaking[NGX_GOIM_TRANSPORTS];
    uint64_t    detached[NGX_GOIM_TRANSPORTS];
    uint64_t    closing[NGX_GOIM_TRANSPORTS];
    ngx_uint_t  t, state;

    ngx_goim_status_gauge(slot, NGX_GOIM_HANDSHAKING, NGX_GOIM_HANDSHAKING_TCP,
                          handshaking);
    ngx_goim_status_gauge(slot, NGX_GOIM_CONNECTIONS, NGX_GOIM_CONNECTIONS_TCP,
                          detached);
    ngx_goim_status_gauge(slot, NGX_GOIM_CLOSING, NGX_GOIM_CLOSING_TCP,
                          closing);

    state = atomic_load(&slot->draining) ? NGX_GOIM_CLIENTS_DRAINING
                                         : NGX_GOIM_CLIENTS_OPEN;

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        clients[t][NGX_GOIM_CLIENTS_HANDSHAKING] += handshaking[t];
        clients[t][NGX_GOIM_CLIENTS_CLOSING] += closing[t];

        if (detached[t] > closing[t]) {
            clients[t][state] += detached[t] - closing[t];
        }
    }
}


static void
ngx_goim_status_print_clients(ngx_goim_page_t *page,
    ngx_goim_clients_t clients)
{
    ngx_uint_t  t, i;

    ngx_goim_page_print(page, ",\"clients\":{");

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        ngx_goim_page_print(page, "%s\"%V\":{", t ? "," : "",
                            &ngx_goim_transport_names[t]);

        for (i = 0; i < NGX_GOIM_CLIENTS_STATES; i++) {
            ngx_goim_page_print(page, "%s\"%s\":%uL", i ? "," : "",
                                ngx_goim_clients_names[i], clients[t][i]);
        }

        ngx_goim_page_print(page, "}");
    }

    ngx_goim_page_print(page, "}");
}


/* Why a worker that shuts down has not ended. */
static const char *
ngx_goim_status_keeps(goim_channel_slot_t *slot)
{
    if (atomic_load(&slot->counters[NGX_GOIM_CONNECTIONS])) {
        return "connections";
    }

    return atomic_load(&slot->counters[NGX_GOIM_HANDSHAKING]) ? "handshakes"
                                                              : "requests";
}


ngx_uint_t
ngx_goim_status_is_gauge(ngx_uint_t counter)
{
    return counter == NGX_GOIM_CONNECTIONS
           || counter == NGX_GOIM_CONNECTIONS_TCP
           || counter == NGX_GOIM_HANDSHAKING
           || counter == NGX_GOIM_HANDSHAKING_TCP
           || counter == NGX_GOIM_CLOSING
           || counter == NGX_GOIM_CLOSING_TCP
           || counter == NGX_GOIM_ROOMS
           || counter == NGX_GOIM_PENDING
           || counter == NGX_GOIM_UPLINKS
           || counter == NGX_GOIM_PACED;
}


static void
ngx_goim_status_worker(ngx_goim_page_t *page, goim_channel_t *ch,
    uint32_t slot, uint64_t *total)
{
    uint32_t              i;
    uint64_t              value;
    ngx_goim_clients_t    clients;
    goim_channel_slot_t  *s;

    s = &ch->slots->slot[slot];

    ngx_goim_page_print(page, "{\"slot\":%uD,\"pid\":%uL,\"draining\":%uL",
                        slot, atomic_load(&s->pid),
                        atomic_load(&s->draining));

    if (atomic_load(&s->draining)) {
        ngx_goim_page_print(page, ",\"keeps\":\"%s\"",
                            ngx_goim_status_keeps(s));
    }

    for (i = 0; i < NGX_GOIM_COUNTERS; i++) {
        value = atomic_load_explicit(&s->counters[i], memory_order_relaxed);
        total[i] += value;

        ngx_goim_page_print(page, ",\"%s\":%uL", ngx_goim_counter_names[i],
                            value);
    }

    ngx_memzero(clients, sizeof(clients));
    ngx_goim_status_clients(s, clients);
    ngx_goim_status_print_clients(page, clients);

    ngx_goim_page_print(page, "}");
}


ngx_uint_t
ngx_goim_status_slots(goim_channel_t *ch, uint32_t *slots)
{
    uint32_t    i, used;
    ngx_uint_t  n;

    n = 0;
    used = goim_channel_slots_used(ch);

    for (i = 0; i < used; i++) {

        /* a test from this worker's own description can't see its own lock */

        if (i == ngx_goim_worker.reader->index
            || goim_channel_slot_is_held(ch, i))
        {
            slots[n++] = i;
        }
    }

    return n;
}


static void
ngx_goim_status_workers(ngx_goim_page_t *page, goim_channel_t *ch)
{
    uint64_t            total[NGX_GOIM_COUNTERS];
    ngx_uint_t          i;
    ngx_goim_clients_t  clients;

    ngx_memzero(total, sizeof(total));
    ngx_memzero(clients, sizeof(clients));

    page->nslots = ngx_goim_status_slots(ch, page->slots);

    ngx_goim_page_print(page, "\"workers\":[");

    for (i = 0; i < page->nslots; i++) {
        if (i) {
            ngx_goim_page_print(page, ",");
        }

        ngx_goim_status_worker(page, ch, page->slots[i], total);
        ngx_goim_status_clients(&ch->slots->slot[page->slots[i]], clients);
    }

    ngx_goim_page_print(page, "],\"total\":{\"workers\":%ui",
                        page->nslots);

    for (i = 0; i < NGX_GOIM_COUNTERS; i++) {
        ngx_goim_page_print(page, ",\"%s\":%uL", ngx_goim_counter_names[i],
                            total[i]);
    }

    ngx_goim_status_print_clients(page, clients);

    ngx_goim_page_print(page, "},\"ended\":{\"workers\":%uL",
                        atomic_load(&ch->slots->ended));

    for (i = 0; i < NGX_GOIM_COUNTERS; i++) {
        if (!ngx_goim_status_is_gauge(i)) {
            ngx_goim_page_print(page, ",\"%s\":%uL",
                                ngx_goim_counter_names[i],
                                atomic_load(&ch->slots->ended_counters[i]));
        }
    }

    ngx_goim_page_print(page, "}");
}


/* Adds a class to those of the same name, or behind all others if there is
 * room for max; returns how many there are then. */
static ngx_uint_t
ngx_goim_status_add_class(ngx_goim_status_class_t *sum, ngx_uint_t n,
    ngx_uint_t max, ngx_goim_status_class_t *class)
{
    ngx_uint_t  i, k;

    for (i = 0; i < n; i++) {
        if (sum[i].len == class->len
            && ngx_memcmp(sum[i].name, class->name, class->len) == 0)
        {
            for (k = 0; k < NGX_GOIM_CLASS_COUNTERS; k++) {
                sum[i].counters[k] += class->counters[k];
            }

            return n;
        }
    }

    if (n < max) {
        sum[n++] = *class;
    }

    return n;
}


/* Names that were cut may be the same; so is "*", if there is such a block. */
ngx_uint_t
ngx_goim_status_classes(goim_channel_t *ch, uint32_t slot,
    ngx_goim_status_class_t *classes)
{
    ngx_uint_t                i, k, n;
    goim_channel_class_t     *c;
    ngx_goim_status_class_t   class;

    if (slot >= GOIM_CHANNEL_ROOM_SLOTS) {
        return 0;
    }

    for (i = 0, n = 0; i < GOIM_BOARD_CLASSES; i++) {
        c = &ch->slots->boards[slot].classes[i];

        ngx_memcpy(class.name, c->name, GOIM_BOARD_NAME);
        class.len = strnlen((char *) class.name, GOIM_BOARD_NAME);

        for (k = 0; k < NGX_GOIM_CLASS_COUNTERS; k++) {
            class.counters[k] = atomic_load_explicit(&c->counters[k],
                                                     memory_order_relaxed);
        }

        if (class.len) {
            n = ngx_goim_status_add_class(classes, n, GOIM_BOARD_CLASSES,
                                          &class);
        }
    }

    return n;
}


static void
ngx_goim_status_room_classes(ngx_goim_page_t *page, goim_channel_t *ch)
{
    ngx_uint_t                       i, k, n, nclasses;

    static ngx_goim_status_class_t   sum[2 * GOIM_BOARD_CLASSES];
    static ngx_goim_status_class_t   classes[GOIM_BOARD_CLASSES];

    n = 0;

    for (i = 0; i < page->nslots; i++) {
        nclasses = ngx_goim_status_classes(ch, page->slots[i], classes);

        for (k = 0; k < nclasses; k++) {
            n = ngx_goim_status_add_class(sum, n, 2 * GOIM_BOARD_CLASSES,
                                          &classes[k]);
        }
    }

    ngx_goim_page_print(page, ",\"room_classes\":[");

    for (i = 0; i < n; i++) {
        ngx_goim_page_print(page, "%s{\"pattern\":", i ? "," : "");
        ngx_goim_page_string(page, sum[i].name, sum[i].len);

        for (k = 0; k < NGX_GOIM_CLASS_COUNTERS; k++) {
            ngx_goim_page_print(page, ",\"%s\":%uL",
                                ngx_goim_class_counter_names[k],
                                sum[i].counters[k]);
        }

        ngx_goim_page_print(page, "}");
    }

    ngx_goim_page_print(page, "]");
}


static void
ngx_goim_status_readers(ngx_goim_page_t *page, goim_channel_t *ch,
    uint32_t lane, uint64_t head)
{
    uint32_t    i, used;
    uint64_t    word, state, position;
    ngx_uint_t  n;

    n = 0;
    used = goim_channel_slots_used(ch);

    ngx_goim_page_print(page, ",\"readers\":[");

    for (i = 0; i < used; i++) {
        word = atomic_load_explicit(&ch->slots->slot[i].cursors[lane],
                                    memory_order_acquire);
        state = goim_cursor_state(word);
        position = goim_cursor_position(word);

        if (state == GOIM_CURSOR_FREE || state > GOIM_CURSOR_OUT) {
            continue;
        }

        ngx_goim_page_print(page, "%s{\"slot\":%uD,\"state\":\"%s\","
                            "\"position\":%uL,\"behind\":%uL}",
                            n++ ? "," : "", i, ngx_goim_status_states[state],
                            position, head > position ? head - position : 0);
    }

    ngx_goim_page_print(page, "]");
}


uint64_t
ngx_goim_status_silent_ms(goim_channel_lane_t *lane)
{
    uint64_t     now, alive;
    ngx_time_t  *tp;

    alive = atomic_load_explicit(&lane->alive_ms, memory_order_relaxed);

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    return alive && now > alive ? now - alive : 0;
}


static void
ngx_goim_status_lane(ngx_goim_page_t *page, goim_channel_t *ch, uint32_t i)
{
    uint32_t              k;
    uint64_t              head;
    goim_channel_lane_t  *lane;

    lane = goim_channel_lane(ch, i);
    head = atomic_load_explicit(&lane->head, memory_order_acquire);
    ngx_goim_page_print(page,
                        "{\"lane\":%uD,\"held\":%s,\"pid\":%uL,"
                        "\"silent_ms\":%uL,\"head\":%uL,\"tail\":%uL,"
                        "\"table_pos\":%uL,\"seq\":%uL,\"partitions\":%uL,"
                        "\"job\":{",
                        i, goim_channel_lane_is_held(ch, i) ? "true" : "false",
                        atomic_load(&lane->pid),
                        ngx_goim_status_silent_ms(lane), head,
                        atomic_load(&lane->tail),
                        atomic_load(&lane->table_pos),
                        atomic_load(&lane->seq),
                        atomic_load(&lane->partitions));

    for (k = 0; k < GOIM_JOB_COUNTERS; k++) {
        ngx_goim_page_print(page, "%s\"%s\":%uL", k ? "," : "",
                            goim_job_counter_names[k],
                            atomic_load_explicit(&lane->counters[k],
                                                 memory_order_relaxed));
    }

    ngx_goim_page_print(page, "}");

    ngx_goim_status_readers(page, ch, i, head);

    ngx_goim_page_print(page, "}");
}


static void
ngx_goim_status_page(ngx_goim_page_t *page)
{
    uint32_t         i;
    goim_channel_t  *ch;

    ch = ngx_goim_worker.channel;

    ngx_goim_page_print(page, "{\"server_id\":\"%V\",",
                        &ngx_goim_worker.conf->server_id);

    if (ngx_goim_worker.reader == NULL) {

        /* a worker without a slot has nothing to tell but of itself */

        ngx_goim_page_print(page, "\"channel\":null,\"unavailable\":%uL}\n",
                            ngx_goim_worker.counters[NGX_GOIM_UNAVAILABLE]);
        return;
    }

    ngx_goim_page_print(page, "\"channel\":");

    ngx_goim_page_print(page,
                        "{\"layout\":%d,\"generation\":%uL,\"size\":%uL,"
                        "\"lanes\":%uD,\"broken\":%s},",
                        GOIM_CHANNEL_LAYOUT, ch->generation, ch->size,
                        ch->lanes, ch->broken ? "true" : "false");

    ngx_goim_status_workers(page, ch);
    ngx_goim_status_room_classes(page, ch);

    ngx_goim_page_print(page, ",\"lanes\":[");

    for (i = 0; i < ch->lanes; i++) {
        if (i) {
            ngx_goim_page_print(page, ",");
        }

        ngx_goim_status_lane(page, ch, i);
    }

    ngx_goim_page_print(page, "]}\n");
}


static ngx_int_t
ngx_goim_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  type;
    ngx_goim_page_t            page;
    ngx_http_goim_loc_conf_t  *glcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_goim_worker.conf == NULL) {

        /* there is no goim_channel, or this is no worker */

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    rc = ngx_goim_query_handler(r);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_memzero(&page, sizeof(ngx_goim_page_t));

    page.pool = r->pool;
    page.last = &page.first;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_goim_module);

    if (glcf->status == NGX_GOIM_STATUS_PROMETHEUS) {
        ngx_goim_prometheus_page(&page);
        ngx_str_set(&type, "text/plain; version=0.0.4");

    } else {
        ngx_goim_status_page(&page);
        ngx_str_set(&type, "application/json");
    }

    r->headers_out.status = NGX_HTTP_OK;

    return ngx_goim_page_send(r, &page, &type);
}


char *
ngx_goim_status_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_loc_conf_t  *glcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    if (cf->args->nelts == 1 || ngx_strcmp(value[1].data, "json") == 0) {
        glcf->status = NGX_GOIM_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        glcf->status = NGX_GOIM_STATUS_PROMETHEUS;

    } else {
        return "takes \"json\" or \"prometheus\"";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_goim_status_handler;

    return NGX_CONF_OK;
}
