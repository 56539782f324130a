/*
 * How many are online: each room's members and each server's connections, all
 * hosts together.  A copy of what the session store sums up, made anew about
 * once a second; so it is at most that old, or, with many rooms, twenty times
 * what the summing up takes.
 */

#ifndef LS_ONLINE_H_INCLUDED
#define LS_ONLINE_H_INCLUDED


#include <event2/buffer.h>

#include "ls.h"


typedef struct ls_online_s  ls_online_t;


/* A live server (comet). */
typedef struct {
    char      server[LS_REPORT_NAME + 1];
    uint64_t  conns;
    uint64_t  addrs;   /* different addresses of clients */
    uint64_t  chosen;  /* clients sent to it since the last summing up */
} ls_online_server_t;


/* NULL: no memory. */
ls_online_t *ls_online_create(ls_t *ls);
void ls_online_destroy(ls_online_t *o);

/*
 * Whether the copy can be told: younger than 30 seconds.
 */
int ls_online_is_fresh(const ls_online_t *o);

/* The servers, *n of them; until the event loop goes on. */
ls_online_server_t *ls_online_servers(ls_online_t *o, size_t *n);

/* When the copy was made, ms since 1970; 0: never. */
uint64_t ls_online_updated_ms(const ls_online_t *o);

/* Rooms with members; all their members. */
uint64_t ls_online_rooms(const ls_online_t *o);

/*
 * Adds "room <name> <members>" lines for the rooms of a report, and for those
 * that have changed lately.  Nothing, if the copy can't be told.
 */
void ls_online_add_rooms(ls_online_t *o, const ls_report_t *report,
    struct evbuffer *buf);


#endif /* LS_ONLINE_H_INCLUDED */
