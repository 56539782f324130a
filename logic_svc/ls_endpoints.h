/*
 * The handlers of goim-logic's paths, docs/http_api.md: each answers its call,
 * now or later.
 */

#ifndef LS_ENDPOINTS_H_INCLUDED
#define LS_ENDPOINTS_H_INCLUDED


#include "ls_http.h"


/* ls_push_v2.c */
void ls_push_keys(ls_call_t *call);
void ls_push_mids(ls_call_t *call);
void ls_push_room(ls_call_t *call);
void ls_push_all(ls_call_t *call);

/* ls_push_v1.c */
void ls_push_v1_uid(ls_call_t *call);
void ls_push_v1_several(ls_call_t *call);
void ls_push_v1_room(ls_call_t *call);
void ls_push_v1_all(ls_call_t *call);

/* v1's answer: {"ret":1}, or 65535 for any failure; status 200. */
void ls_push_v1_result(ls_call_t *call, int rc);

/* ls_online.c */
void ls_online_top(ls_call_t *call);
void ls_online_room(ls_call_t *call);
void ls_online_total(ls_call_t *call);
void ls_online_v1_count(ls_call_t *call);

/* ls_nodes.c */
void ls_nodes_weighted(ls_call_t *call);
void ls_nodes_instances(ls_call_t *call);

/* what the comet asks and tells: ls_auth.c, ls_sync.c, ls_publish.c */
void ls_auth(ls_call_t *call);
void ls_sync(ls_call_t *call);
void ls_publish(ls_call_t *call);

/* ls_metrics.c */
void ls_health(ls_call_t *call);
void ls_metrics(ls_call_t *call);


#endif /* LS_ENDPOINTS_H_INCLUDED */
