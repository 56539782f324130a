/*
 * From a Kafka message to what a lane takes: a record, or the reason why
 * nobody on this host gets it.
 */

#ifndef JW_ROUTE_H_INCLUDED
#define JW_ROUTE_H_INCLUDED


#include "goim_lane.h"
#include "goim_push.h"


/* What the settings say; strings belong to the caller. */
typedef struct {
    const char        *server_id;
    uint64_t           max_age_ms;  /* 0: off */
    goim_push_conf_t   push;
} jw_route_conf_t;


typedef struct {
    const uint8_t  *value;
    size_t          len;
    int64_t         offset;
    int32_t         partition;
    uint64_t        time_ms;  /* Kafka's timestamp, 0: unknown */
    uint64_t        now_ms;
} jw_route_input_t;


typedef struct {
    /* all but topic, which every lane numbers for itself */
    goim_lane_message_t  message;

    /* why the message is skipped; GOIM_JOB_COUNTERS: it is not */
    goim_job_counter_e   skip;
    const char          *why;     /* UNREADABLE: a sentence */

    goim_push_t          push;    /* what message points into */
    int                  decoded;
    uint8_t             *target;  /* reused from message to message */
    size_t               target_size;
} jw_route_t;


/*
 * GOIM_OK, also for what is to be skipped; GOIM_NOMEM: try again.  The views
 * in rt->message live until jw_route_release() and until the value is freed.
 */
GOIM_MUSTCHECK int jw_route(jw_route_t *rt, const jw_route_conf_t *conf,
    const jw_route_input_t *in);

/* Ends the use of the last message. */
void jw_route_release(jw_route_t *rt);

/* Frees what is kept between messages. */
void jw_route_done(jw_route_t *rt);


#endif /* JW_ROUTE_H_INCLUDED */
