/*
 * goim v1's JSON form of a push (KafkaMsg), read into a goim_push_t.  Only
 * goim_push.c uses it.
 */

#ifndef GOIM_PUSH_V1_H_INCLUDED
#define GOIM_PUSH_V1_H_INCLUDED


#include "goim_push.h"
#include "goim_push_memory.h"


/* Whether a value can only be v1's JSON: "{" after white space. */
int goim_push_v1_is(const uint8_t *value, size_t len);

/*
 * push is all zero; its views will point into memory, which stays the
 * caller's on failure, too.  GOIM_INVALID (with *why), GOIM_NOMEM.  Targets
 * and limits are left to the caller.
 */
GOIM_MUSTCHECK int goim_push_v1_decode(goim_push_t *push,
    goim_push_memory_t *memory, const uint8_t *value, size_t len,
    const goim_push_conf_t *conf, const char **why);


#endif /* GOIM_PUSH_V1_H_INCLUDED */
