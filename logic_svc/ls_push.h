/*
 * Pushes on behalf of a call: finds where keys and members are, produces, and
 * answers when Kafka has acknowledged all of it.
 */

#ifndef LS_PUSH_H_INCLUDED
#define LS_PUSH_H_INCLUDED


#include "goim_push.h"
#include "ls_http.h"


/*
 * Answers a call: GOIM_OK, GOIM_INVALID (it can't ever be pushed), GOIM_AGAIN
 * (Kafka or Redis can't be reached) or GOIM_NOMEM; why is "" or a sentence.
 */
typedef void (*ls_push_answer_pt)(ls_call_t *call, int rc, const char *why);

/*
 * All answer exactly once, maybe before they return.  The body must live until
 * then, as a call's does; keys and mids are copied.  A member that is named
 * several times gets it once.
 */
void ls_push_to_keys(ls_call_t *call, int32_t op, const goim_str_t *keys,
    size_t n, goim_str_t body, ls_push_answer_pt answer);
void ls_push_to_mids(ls_call_t *call, int32_t op, const int64_t *mids,
    size_t n, goim_str_t body, ls_push_answer_pt answer);
void ls_push_to_room(ls_call_t *call, int32_t op, goim_str_t room,
    goim_str_t body, ls_push_answer_pt answer);
void ls_push_to_all(ls_call_t *call, int32_t op, int32_t speed,
    goim_str_t body, ls_push_answer_pt answer);

/*
 * Sends connections away that a younger one with their key has replaced.
 * Nobody waits for it: what fails is counted and logged, and tried again when
 * the old connection is renewed.
 */
void ls_push_kicks(ls_t *ls, const ls_session_kick_t *kicks, size_t n);


#endif /* LS_PUSH_H_INCLUDED */
