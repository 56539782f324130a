/*
 * The HTTP server; see ls_http.h.  Connections, parsing and limits are
 * libevent's.  While a request is answered, libevent reads nothing more from
 * its connection and keeps it, so a call stays valid for as long as it takes.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/listener.h>

#include "ls_endpoints.h"
#include "ls_http.h"
#include "ls_json.h"
#include "ls_report.h"


#define LS_HTTP_HEADERS  (32 * 1024)  /* nginx sends a client's along */

/* how long nothing is accepted once there are no files left */
#define LS_HTTP_PAUSE_US  100000


static const ls_http_route_t  ls_http_routes[] = {
    { EVHTTP_REQ_POST, "/goim/push/keys", ls_push_keys },
    { EVHTTP_REQ_POST, "/goim/push/mids", ls_push_mids },
    { EVHTTP_REQ_POST, "/goim/push/room", ls_push_room },
    { EVHTTP_REQ_POST, "/goim/push/all", ls_push_all },
    { EVHTTP_REQ_GET, "/goim/online/top", ls_online_top },
    { EVHTTP_REQ_GET, "/goim/online/room", ls_online_room },
    { EVHTTP_REQ_GET, "/goim/online/total", ls_online_total },
    { EVHTTP_REQ_GET, "/goim/nodes/weighted", ls_nodes_weighted },
    { EVHTTP_REQ_GET, "/goim/nodes/instances", ls_nodes_instances },
    { EVHTTP_REQ_POST, "/goim/auth", ls_auth },
    { EVHTTP_REQ_POST, "/goim/session", ls_sync },
    { EVHTTP_REQ_POST, "/goim/publish", ls_publish },
    { EVHTTP_REQ_POST, "/1/push", ls_push_v1_uid },
    { EVHTTP_REQ_POST, "/1/pushs", ls_push_v1_several },
    { EVHTTP_REQ_POST, "/1/push/room", ls_push_v1_room },
    { EVHTTP_REQ_POST, "/1/push/all", ls_push_v1_all },
    { EVHTTP_REQ_GET, "/1/count", ls_online_v1_count },
    { EVHTTP_REQ_GET, "/health", ls_health },
    { EVHTTP_REQ_GET, "/metrics", ls_metrics },
};

#define LS_HTTP_ROUTES  (sizeof(ls_http_routes) / sizeof(ls_http_routes[0]))


struct ls_http_s {
    ls_t                        *ls;
    struct evhttp               *evhttp;
    struct evhttp_bound_socket  *bound[LS_CONF_LISTEN];
    size_t                       nbound;
    uint64_t                     in_flight;
    uint64_t                     buffered;
    ls_http_count_t              counts[LS_HTTP_ROUTES];
    goim_log_limit_t             accept_limit;
    struct event                *resume;
};


static void
ls_call_free(ls_call_t *call)
{
    call->ls->http->in_flight--;
    call->ls->http->buffered -= call->body_len;
    ls_query_done(&call->query);
    free(call);
}


static void
ls_call_count(ls_call_t *call, int status, int code)
{
    ls_http_count_t  *count;

    count = &call->ls->http->counts[call->route - ls_http_routes];

    if (status >= 500 || (status == 200 && code == LS_CODE_SERVER)) {
        count->failed++;

    } else if (status >= 400 || code) {
        count->refused++;

    } else {
        count->ok++;
    }
}


static void
ls_call_send(ls_call_t *call, int status, int code, const char *type,
    struct evbuffer *body)
{
    struct evkeyvalq  *headers;

    headers = evhttp_request_get_output_headers(call->req);
    (void) evhttp_add_header(headers, "Content-Type", type);

    if (call->ls->stopping) {
        (void) evhttp_add_header(headers, "Connection", "close");
    }

    ls_call_count(call, status, code);
    evhttp_send_reply(call->req, status, NULL, body);
    ls_call_free(call);
}


void
ls_call_reply(ls_call_t *call, int status, const char *type,
    struct evbuffer *body)
{
    ls_call_send(call, status, 0, type, body);
}


static void
ls_call_message(ls_call_t *call, int status, const char *type, int code,
    const char *message)
{
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf) {
        ls_json_envelope(buf, code, message);
        evbuffer_add(buf, "}", 1);
    }

    ls_call_send(call, buf ? status : 500, code, type, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


void
ls_call_result(ls_call_t *call, int code, const char *message)
{
    ls_call_message(call, 200, LS_HTTP_JSON, code, message);
}


void
ls_call_bad_query(ls_call_t *call, const char *message)
{
    ls_call_message(call, 400, LS_HTTP_TEXT, LS_CODE_BAD, message);
}


void
ls_call_error(ls_call_t *call, int status, int code, const char *message)
{
    ls_call_message(call, status, LS_HTTP_JSON, code, message);
}


struct evbuffer *
ls_call_data(ls_call_t *call)
{
    struct evbuffer  *buf;

    buf = evbuffer_new();

    if (buf == NULL) {
        ls_call_reply(call, 500, LS_HTTP_JSON, NULL);
        return NULL;
    }

    ls_json_envelope(buf, LS_CODE_OK, "");
    evbuffer_add(buf, ",\"data\":", 8);

    return buf;
}


void
ls_call_send_data(ls_call_t *call, struct evbuffer *buf)
{
    evbuffer_add(buf, "}", 1);
    ls_call_reply(call, 200, LS_HTTP_JSON, buf);
    evbuffer_free(buf);
}


goim_str_t
ls_call_body(ls_call_t *call)
{
    goim_str_t        body;
    struct evbuffer  *buf;

    buf = evhttp_request_get_input_buffer(call->req);

    body.len = evbuffer_get_length(buf);
    body.data = body.len ? evbuffer_pullup(buf, -1) : NULL;

    if (body.data == NULL) {
        body.len = 0;
    }

    return body;
}


const char *
ls_call_header(ls_call_t *call, const char *name)
{
    const char  *value;

    value = evhttp_find_header(evhttp_request_get_input_headers(call->req),
                               name);

    return value ? value : "";
}


int
ls_call_add_header(ls_call_t *call, const char *name, const char *value)
{
    return evhttp_add_header(evhttp_request_get_output_headers(call->req),
                             name, value)
           == 0 ? GOIM_OK : GOIM_NOMEM;
}


static void
ls_http_not_found(struct evhttp_request *req)
{
    struct evbuffer  *buf;

    static const char  text[] = "404 page not found";

    buf = evbuffer_new();

    if (buf) {
        evbuffer_add(buf, text, sizeof(text) - 1);
    }

    (void) evhttp_add_header(evhttp_request_get_output_headers(req),
                             "Content-Type", "text/plain");
    evhttp_send_reply(req, 404, NULL, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


/* By path and method: as in goim, another method is another page. */
static const ls_http_route_t *
ls_http_find(struct evhttp_request *req, const char *path, size_t len)
{
    size_t  i;

    for (i = 0; i < LS_HTTP_ROUTES; i++) {
        if (ls_http_routes[i].method == evhttp_request_get_command(req)
            && strlen(ls_http_routes[i].path) == len
            && strncmp(ls_http_routes[i].path, path, len) == 0)
        {
            return &ls_http_routes[i];
        }
    }

    return NULL;
}


/*
 * Who asks with a slash at the end is sent to the path without it, as in goim:
 * by 307, so that a push stays one, and by 301 with a page for GET.
 */
static void
ls_http_redirect(struct evhttp_request *req, const ls_http_route_t *route,
    const char *query)
{
    char             *to;
    size_t            len;
    struct evbuffer  *buf;

    len = strlen(route->path) + 1 + (query ? strlen(query) : 0);
    to = malloc(len + 1);
    buf = evbuffer_new();

    if (to == NULL || buf == NULL) {
        evhttp_send_reply(req, 500, NULL, NULL);
        goto done;
    }

    snprintf(to, len + 1, "%s%s%s", route->path, query ? "?" : "",
             query ? query : "");
    (void) evhttp_add_header(evhttp_request_get_output_headers(req),
                             "Location", to);

    if (route->method == EVHTTP_REQ_GET) {
        (void) evhttp_add_header(evhttp_request_get_output_headers(req),
                                 "Content-Type", "text/html; charset=utf-8");
        evbuffer_add_printf(buf, "<a href=\"%s\">Moved Permanently</a>.\n\n",
                            route->path);
    }

    evhttp_send_reply(req, route->method == EVHTTP_REQ_GET ? 301 : 307, NULL,
                      buf);

done:

    free(to);

    if (buf) {
        evbuffer_free(buf);
    }
}


/* NULL: the request is answered. */
static const ls_http_route_t *
ls_http_find_or_answer(struct evhttp_request *req)
{
    size_t                    len;
    const char               *path;
    const ls_http_route_t    *route;
    const struct evhttp_uri  *uri;

    uri = evhttp_request_get_evhttp_uri(req);
    path = uri ? evhttp_uri_get_path(uri) : NULL;
    len = path ? strlen(path) : 0;

    route = len ? ls_http_find(req, path, len) : NULL;
    if (route) {
        return route;
    }

    if (len > 1 && path[len - 1] == '/') {
        route = ls_http_find(req, path, len - 1);
    }

    if (route) {
        ls_http_redirect(req, route, evhttp_uri_get_query(uri));

    } else {
        ls_http_not_found(req);
    }

    return NULL;
}


/*
 * Beyond max_requests and max_buffered nothing more is begun, so that what
 * waits for a slow Kafka or Redis stays bounded; who watches us is still
 * answered.
 */
static int
ls_http_is_busy(ls_http_t *http, const ls_http_route_t *route)
{
    if (http->ls->session == NULL) {
        return 1;
    }

    if (route->handler == ls_health || route->handler == ls_metrics) {
        return 0;
    }

    return http->ls->stopping
           || http->in_flight > http->ls->conf->max_requests
           || http->buffered > http->ls->conf->max_buffered;
}


static void
ls_http_handler(struct evhttp_request *req, void *data)
{
    ls_call_t                *call;
    ls_http_t                *http = data;
    const ls_http_route_t    *route;
    const struct evhttp_uri  *uri;

    route = ls_http_find_or_answer(req);
    if (route == NULL) {
        return;
    }

    call = calloc(1, sizeof(ls_call_t));
    if (call == NULL) {
        evhttp_send_reply(req, 500, NULL, NULL);
        return;
    }

    call->ls = http->ls;
    call->req = req;
    call->route = route;
    call->body_len = evbuffer_get_length(evhttp_request_get_input_buffer(req));

    http->in_flight++;
    http->buffered += call->body_len;

    uri = evhttp_request_get_evhttp_uri(req);

    if (ls_query_parse(&call->query, evhttp_uri_get_query(uri)) != GOIM_OK) {
        ls_call_error(call, 500, LS_CODE_SERVER, "no memory");
        return;
    }

    if (ls_http_is_busy(http, route)) {
        ls_call_error(call, 503, LS_CODE_SERVER, "busy, try later");
        return;
    }

    route->handler(call);
}


/* Without a pause the listener would be ready again at once, for ever. */
static void
ls_http_accept_error(struct evconnlistener *listener, void *data)
{
    size_t           i;
    ls_http_t       *http = data;
    struct timeval   pause = { 0, LS_HTTP_PAUSE_US };

    (void) listener;

    goim_log_limited(&http->ls->log, &http->accept_limit, GOIM_LOG_CRIT,
                     "accept() failed: %s",
                     strerror(EVUTIL_SOCKET_ERROR()));

    for (i = 0; i < http->nbound; i++) {
        evconnlistener_disable(
            evhttp_bound_socket_get_listener(http->bound[i]));
    }

    evtimer_add(http->resume, &pause);
}


static void
ls_http_resume(evutil_socket_t fd, short what, void *data)
{
    size_t      i;
    ls_http_t  *http = data;

    (void) fd;
    (void) what;

    for (i = 0; i < http->nbound; i++) {
        evconnlistener_enable(
            evhttp_bound_socket_get_listener(http->bound[i]));
    }
}


static int
ls_http_listen(ls_http_t *http)
{
    size_t                       i;
    const ls_conf_listen_t      *l;
    struct evhttp_bound_socket  *bound;

    for (i = 0; i < http->ls->conf->nlisten; i++) {
        l = &http->ls->conf->listen[i];

        bound = evhttp_bind_socket_with_handle(http->evhttp, l->host, l->port);
        if (bound == NULL) {
            goim_log(&http->ls->log, GOIM_LOG_CRIT,
                     "can't listen on \"%s\" port %u: %s", l->host,
                     (unsigned) l->port, strerror(errno));
            return GOIM_ERROR;
        }

        evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound),
                                    ls_http_accept_error);
        http->bound[http->nbound++] = bound;
    }

    return GOIM_OK;
}


ls_http_t *
ls_http_create(ls_t *ls)
{
    ls_http_t  *http;

    http = calloc(1, sizeof(ls_http_t));
    if (http == NULL) {
        goto no_memory;
    }

    http->ls = ls;
    http->evhttp = evhttp_new(ls->base);
    http->resume = evtimer_new(ls->base, ls_http_resume, http);

    if (http->evhttp == NULL || http->resume == NULL) {
        goto no_memory;
    }

    evhttp_set_allowed_methods(http->evhttp, 0xffff);
    evhttp_set_default_content_type(http->evhttp, NULL);
    evhttp_set_max_headers_size(http->evhttp, LS_HTTP_HEADERS);
    evhttp_set_max_body_size(http->evhttp,
                             ls->conf->max_body > LS_REPORT_MAX
                             ? ls->conf->max_body : LS_REPORT_MAX);
    evhttp_set_timeout(http->evhttp, ls->conf->timeout_ms / 1000);
    evhttp_set_gencb(http->evhttp, ls_http_handler, http);

    if (ls_http_listen(http) != GOIM_OK) {
        ls_http_destroy(http);
        return NULL;
    }

    return http;

no_memory:

    goim_log(&ls->log, GOIM_LOG_CRIT, "no memory for the HTTP server");
    ls_http_destroy(http);

    return NULL;
}


void
ls_http_close(ls_http_t *http)
{
    event_del(http->resume);

    while (http->nbound) {
        evhttp_del_accept_socket(http->evhttp, http->bound[--http->nbound]);
    }
}


uint64_t
ls_http_in_flight(const ls_http_t *http)
{
    return http->in_flight;
}


uint64_t
ls_http_buffered(const ls_http_t *http)
{
    return http->buffered;
}


void
ls_http_destroy(ls_http_t *http)
{
    if (http == NULL) {
        return;
    }

    if (http->evhttp) {
        evhttp_free(http->evhttp);
    }

    if (http->resume) {
        event_free(http->resume);
    }

    free(http);
}


const ls_http_route_t *
ls_http_route(size_t i)
{
    return i < LS_HTTP_ROUTES ? &ls_http_routes[i] : NULL;
}


const ls_http_count_t *
ls_http_count(const ls_http_t *http, size_t i)
{
    return &http->counts[i];
}
