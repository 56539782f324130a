/*
 * A worker's session report, from text to a struct: docs/http_api.md.  Pure:
 * no I/O, no store.
 */

#ifndef LS_REPORT_H_INCLUDED
#define LS_REPORT_H_INCLUDED


#include "goim.h"


#define LS_REPORT_MAX      (1024 * 1024)  /* bytes of a report's text */
#define LS_REPORT_NAME     255            /* bytes of a key, room, server */
#define LS_REPORT_CONN     32             /* bytes of a connection id */
#define LS_REPORT_ADDR     64             /* bytes of an address */
#define LS_REPORT_SLOTS    1024           /* slots of a channel */


typedef enum {
    LS_REPORT_PARTIAL = 0,  /* more of this epoch will follow */
    LS_REPORT_COMPLETE,     /* all connections have been told of */
    LS_REPORT_LAST          /* the worker ends, nothing of its epoch is left */
} ls_report_state_e;


typedef enum {
    LS_REPORT_CONNECT = 0,
    LS_REPORT_DISCONNECT,
    LS_REPORT_RENEW
} ls_report_kind_e;


/* What became of a connection, in the order of the report's lines. */
typedef struct {
    ls_report_kind_e  kind;
    int64_t           mid;      /* 0: none */
    uint64_t          when_ms;  /* CONNECT: when it came, since 1970 */
    goim_str_t        conn;     /* connection id */
    goim_str_t        key;
    goim_str_t        addr;     /* CONNECT: the client's address */
} ls_report_event_t;


/* A room's members on the worker; 0: the last has left. */
typedef struct {
    goim_str_t  name;
    uint32_t    members;
} ls_report_room_t;


typedef struct {
    goim_str_t          server;
    uint32_t            slot;
    uint64_t            epoch;   /* a later worker of a slot has a greater */
    ls_report_state_e   state;
    uint64_t            conns;   /* connections of the worker */

    ls_report_event_t  *events;
    size_t              nevents;
    ls_report_room_t   *rooms;
    size_t              nrooms;

    uint8_t            *memory;  /* what the strings point into */
} ls_report_t;


/*
 * Lines whose first field is unknown are skipped.  GOIM_INVALID: more than
 * LS_REPORT_MAX bytes, no "session" line at its head, another version, or a
 * malformed line; *why is then a static sentence.  GOIM_NOMEM.  On GOIM_OK the
 * caller frees with ls_report_done(); text is not needed any more.
 */
GOIM_MUSTCHECK int ls_report_parse(ls_report_t *report, const uint8_t *text,
    size_t len, const char **why);

void ls_report_done(ls_report_t *report);

/*
 * Whether a complete report's connections are more than those that are known
 * of its epoch, report included, by more than one in eight: some come and go
 * untold while much happens.
 */
int ls_report_is_short(const ls_report_t *report, uint64_t known);


#endif /* LS_REPORT_H_INCLUDED */
