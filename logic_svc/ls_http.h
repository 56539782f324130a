/*
 * goim-logic's HTTP server: listens, finds the handler of a path, answers.
 * A call is a request from its arrival to its answer; whoever holds it answers
 * it exactly once, and it is gone then.
 */

#ifndef LS_HTTP_H_INCLUDED
#define LS_HTTP_H_INCLUDED


#include <event2/buffer.h>
#include <event2/http.h>

#include "goim.h"
#include "ls.h"
#include "ls_query.h"


/* goim's codes: what "code" says in an answer. */
#define LS_CODE_OK      0
#define LS_CODE_BAD     -400
#define LS_CODE_SERVER  -500

#define LS_HTTP_JSON    "application/json; charset=utf-8"
#define LS_HTTP_TEXT    "text/plain; charset=utf-8"


typedef struct ls_call_s  ls_call_t;
typedef struct ls_http_s  ls_http_t;

typedef void (*ls_call_handler_pt)(ls_call_t *call);


typedef struct {
    enum evhttp_cmd_type  method;
    const char           *path;
    ls_call_handler_pt    handler;
} ls_http_route_t;


/* How often each route was answered, by status. */
typedef struct {
    uint64_t  ok;          /* 2xx */
    uint64_t  refused;     /* 4xx */
    uint64_t  failed;      /* 5xx, and 200 with a code other than 0 */
} ls_http_count_t;


struct ls_call_s {
    ls_t                   *ls;
    struct evhttp_request  *req;
    const ls_http_route_t  *route;
    ls_query_t              query;
    size_t                  body_len;
};


/*
 * Listens on all addresses of the settings.  NULL: no memory, or an address
 * can't be listened on (logged).
 */
ls_http_t *ls_http_create(ls_t *ls);

/* No new connections and requests; those in flight are still answered. */
void ls_http_close(ls_http_t *http);

/* Calls that have not been answered; the bytes of their bodies. */
uint64_t ls_http_in_flight(const ls_http_t *http);
uint64_t ls_http_buffered(const ls_http_t *http);

void ls_http_destroy(ls_http_t *http);

/* For /metrics: route i, NULL behind the last. */
const ls_http_route_t *ls_http_route(size_t i);
const ls_http_count_t *ls_http_count(const ls_http_t *http, size_t i);


/* The body, in one piece, until the call is answered. */
goim_str_t ls_call_body(ls_call_t *call);

/* A request header; "" if there is none. */
const char *ls_call_header(ls_call_t *call, const char *name);

/* A header of the answer.  GOIM_NOMEM, or the value has line breaks. */
GOIM_MUSTCHECK int ls_call_add_header(ls_call_t *call, const char *name,
    const char *value);

/* Any answer; body may be NULL.  It is emptied. */
void ls_call_reply(ls_call_t *call, int status, const char *type,
    struct evbuffer *body);

/* goim's answer without data: 200, {"code":<code>,"message":"<message>"}. */
void ls_call_result(ls_call_t *call, int code, const char *message);

/* goim's answer to a query that can't be used: 400, code -400, as text. */
void ls_call_bad_query(ls_call_t *call, const char *message);

/* The same form with another status, as JSON. */
void ls_call_error(ls_call_t *call, int status, int code,
    const char *message);

/*
 * 200, {"code":0,"message":"","data":<what write() adds>}.  NULL as a call's
 * buffer: no memory; then it answers 500.
 */
struct evbuffer *ls_call_data(ls_call_t *call);
void ls_call_send_data(ls_call_t *call, struct evbuffer *buf);


#endif /* LS_HTTP_H_INCLUDED */
