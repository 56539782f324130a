/*
 * Where Redis servers are, from the text of a setting.  Pure.
 */

#ifndef LS_REDIS_ADDRESS_H_INCLUDED
#define LS_REDIS_ADDRESS_H_INCLUDED


#include "goim.h"
#include "ls_ring.h"


#define LS_REDIS_PORT     6379
#define LS_REDIS_HOST     255
#define LS_REDIS_PATH     107  /* of a unix socket */
#define LS_REDIS_SERVERS  LS_RING_NODES


typedef struct {
    char      host[LS_REDIS_HOST + 1];      /* a name, an address, a path */
    uint16_t  port;                         /* 0: host is a path */
    char      name[LS_REDIS_HOST + 1 + 9];  /* for people */
} ls_redis_address_t;


/*
 * "host", "host:port", "[v6]:port" or "unix:/path", or several, separated by
 * commas.  NULL, or what would be right; list has LS_REDIS_SERVERS.
 */
const char *ls_redis_address_list(const char *text, ls_redis_address_t *list,
    unsigned *n);

/* Whether it is no name that has to be resolved. */
int ls_redis_address_is_numeric(const ls_redis_address_t *address);


#endif /* LS_REDIS_ADDRESS_H_INCLUDED */
