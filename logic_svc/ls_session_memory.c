/*
 * The store in memory; see ls_session_memory.h.  All calls back before they
 * return.
 *
 * A session is one connection.  It is found by its connection id; the youngest
 * with its key also stands for the key and is found by key and by mid.  It
 * belongs to a life (a worker's epoch) once that has told of it; before, it is
 * early, and ends by itself.
 */

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM  1
#include <uthash.h>
#include <utlist.h>

#include "goim_time.h"
#include "ls_session_memory.h"


typedef struct ls_memory_session_s  ls_memory_session_t;
typedef struct ls_memory_life_s     ls_memory_life_t;


/* A server (comet); kept for good: there are few. */
typedef struct {
    UT_hash_handle  hh;
    uint64_t        conns;   /* while they are summed up */
    uint64_t        addrs;   /* different addresses of its sessions */
    int             live;    /* while they are summed up */
    size_t          len;
    char            name[];
} ls_memory_server_t;


/* How many sessions of a server have an address. */
typedef struct {
    UT_hash_handle       hh;
    ls_memory_server_t  *server;
    uint64_t             sessions;
    size_t               len;
    uint8_t              id[];  /* the server's pointer, then the address */
} ls_memory_addr_t;


/* The sessions of a member that stand for their keys. */
typedef struct {
    UT_hash_handle        hh;
    int64_t               mid;
    ls_memory_session_t  *sessions;
} ls_memory_member_t;


struct ls_memory_session_s {
    UT_hash_handle        hh;       /* by connection id */
    UT_hash_handle        by_key;   /* if it stands for it */
    int                   stands;
    ls_memory_member_t   *member;   /* NULL: mid 0, or does not stand */
    ls_memory_session_t  *member_prev, *member_next;

    ls_memory_life_t     *life;     /* NULL: early */
    ls_memory_session_t  *prev, *next;  /* of its life, or of the early */

    ls_memory_server_t   *server;
    ls_memory_addr_t     *addr;     /* NULL: not known */
    int64_t               mid;
    uint64_t              when_ms;  /* 0: not known */
    int                   beaten;   /* another stands for its key, or did */
    uint64_t              told_ms;  /* early: when that was */
    size_t                key_len, conn_len;
    uint8_t               key[LS_REPORT_NAME];
    uint8_t               conn[LS_REPORT_CONN];
};


typedef struct {
    UT_hash_handle  hh;
    uint32_t        members;
    size_t          len;
    uint8_t         name[];
} ls_memory_room_t;


/* What an epoch of a slot has told. */
typedef struct {
    ls_memory_server_t  *server;
    uint64_t             slot;
    uint64_t             epoch;
} ls_memory_life_id_t;

struct ls_memory_life_s {
    UT_hash_handle        hh;
    ls_memory_life_id_t   id;
    int                   complete;
    uint64_t              conns;
    uint64_t              seen_ms;
    ls_memory_room_t     *rooms;
    ls_memory_session_t  *sessions;
    uint64_t              nsessions;
};


/*
 * Kicks for a callback, with memory for as many as there can be.  Their keys
 * are the caller's; who is spared, and who goes, may end before the callback
 * is called.
 */
typedef struct {
    uint8_t             spare[LS_REPORT_CONN];
    uint8_t             only[LS_REPORT_CONN];
} ls_memory_kick_ids_t;

typedef struct {
    ls_session_kick_t     *elts;
    ls_memory_kick_ids_t  *ids;
    size_t                 n;
} ls_memory_kicks_t;


typedef struct {
    ls_session_t          ls;
    ls_memory_server_t   *servers;
    ls_memory_addr_t     *addrs;
    ls_memory_member_t   *members;
    ls_memory_session_t  *sessions;  /* by connection id */
    ls_memory_session_t  *keys;      /* by key */
    ls_memory_session_t  *early;     /* in the order they came */
    ls_memory_life_t     *lives;
} ls_memory_t;


/* --- servers and addresses */

static ls_memory_server_t *
ls_memory_server(ls_memory_t *lm, goim_str_t name)
{
    ls_memory_server_t  *server;

    HASH_FIND(hh, lm->servers, name.data, name.len, server);

    if (server) {
        return server;
    }

    server = calloc(1, sizeof(ls_memory_server_t) + name.len);
    if (server == NULL) {
        return NULL;
    }

    memcpy(server->name, name.data, name.len);
    server->len = name.len;

    HASH_ADD_KEYPTR(hh, lm->servers, server->name, server->len, server);

    if (server->hh.tbl == NULL) {
        free(server);
        return NULL;
    }

    return server;
}


static void
ls_memory_add_addr(ls_memory_t *lm, ls_memory_session_t *s, goim_str_t addr)
{
    size_t             len;
    uint8_t            id[sizeof(void *) + LS_REPORT_ADDR];
    ls_memory_addr_t  *a;

    if (s->addr || addr.len == 0 || addr.len > LS_REPORT_ADDR) {
        return;
    }

    memcpy(id, &s->server, sizeof(void *));
    memcpy(id + sizeof(void *), addr.data, addr.len);
    len = sizeof(void *) + addr.len;

    HASH_FIND(hh, lm->addrs, id, len, a);

    if (a == NULL) {
        a = calloc(1, sizeof(ls_memory_addr_t) + len);
        if (a == NULL) {
            return;
        }

        memcpy(a->id, id, len);
        a->len = len;
        a->server = s->server;

        HASH_ADD_KEYPTR(hh, lm->addrs, a->id, a->len, a);

        if (a->hh.tbl == NULL) {
            free(a);
            return;
        }

        a->server->addrs++;
    }

    a->sessions++;
    s->addr = a;
}


static void
ls_memory_del_addr(ls_memory_t *lm, ls_memory_session_t *s)
{
    ls_memory_addr_t  *a = s->addr;

    s->addr = NULL;

    if (a && --a->sessions == 0) {
        a->server->addrs--;
        HASH_DEL(lm->addrs, a);
        free(a);
    }
}


/* --- sessions */

static ls_memory_session_t *
ls_memory_find(ls_memory_t *lm, goim_str_t conn)
{
    ls_memory_session_t  *s;

    HASH_FIND(hh, lm->sessions, conn.data, conn.len, s);

    return s;
}


static ls_memory_session_t *
ls_memory_find_key(ls_memory_t *lm, goim_str_t key)
{
    ls_memory_session_t  *s;

    HASH_FIND(by_key, lm->keys, key.data, key.len, s);

    return s;
}


static int
ls_memory_add_member(ls_memory_t *lm, ls_memory_session_t *s)
{
    ls_memory_member_t  *member;

    if (s->mid == 0) {
        return GOIM_OK;
    }

    HASH_FIND(hh, lm->members, &s->mid, sizeof(int64_t), member);

    if (member == NULL) {
        member = calloc(1, sizeof(ls_memory_member_t));
        if (member == NULL) {
            return GOIM_NOMEM;
        }

        member->mid = s->mid;
        HASH_ADD(hh, lm->members, mid, sizeof(int64_t), member);

        if (member->hh.tbl == NULL) {
            free(member);
            return GOIM_NOMEM;
        }
    }

    DL_APPEND2(member->sessions, s, member_prev, member_next);
    s->member = member;

    return GOIM_OK;
}


static void
ls_memory_del_member(ls_memory_t *lm, ls_memory_session_t *s)
{
    ls_memory_member_t  *member = s->member;

    if (member == NULL) {
        return;
    }

    s->member = NULL;
    DL_DELETE2(member->sessions, s, member_prev, member_next);

    if (member->sessions == NULL) {
        HASH_DEL(lm->members, member);
        free(member);
    }
}


static void
ls_memory_unstand(ls_memory_t *lm, ls_memory_session_t *s)
{
    if (!s->stands) {
        return;
    }

    s->stands = 0;
    HASH_DELETE(by_key, lm->keys, s);
    ls_memory_del_member(lm, s);
}


/* Makes it the one that stands for its key, in place of other or of none. */
static int
ls_memory_stand(ls_memory_t *lm, ls_memory_session_t *s,
    ls_memory_session_t *other)
{
    HASH_ADD_KEYPTR(by_key, lm->keys, s->key, s->key_len, s);

    if (s->by_key.tbl == NULL) {
        return GOIM_NOMEM;
    }

    s->stands = 1;

    if (ls_memory_add_member(lm, s) != GOIM_OK) {
        ls_memory_unstand(lm, s);
        return GOIM_NOMEM;
    }

    s->beaten = 0;

    if (other) {
        ls_memory_unstand(lm, other);
        other->beaten = 1;
    }

    return GOIM_OK;
}


static ls_memory_session_t *
ls_memory_add(ls_memory_t *lm, const ls_session_entry_t *entry)
{
    ls_memory_session_t  *s;

    if (entry->key.len > LS_REPORT_NAME || entry->conn.len > LS_REPORT_CONN) {
        return NULL;
    }

    s = calloc(1, sizeof(ls_memory_session_t));
    if (s == NULL) {
        return NULL;
    }

    s->server = ls_memory_server(lm, entry->server);
    s->mid = entry->mid;
    s->when_ms = entry->when_ms;
    s->told_ms = goim_time_us() / 1000;
    s->key_len = entry->key.len;
    s->conn_len = entry->conn.len;
    memcpy(s->key, entry->key.data, s->key_len);
    memcpy(s->conn, entry->conn.data, s->conn_len);

    if (s->server) {
        HASH_ADD_KEYPTR(hh, lm->sessions, s->conn, s->conn_len, s);
    }

    if (s->hh.tbl == NULL) {
        free(s);
        return NULL;
    }

    DL_APPEND(lm->early, s);

    return s;
}


static void
ls_memory_del(ls_memory_t *lm, ls_memory_session_t *s)
{
    ls_memory_unstand(lm, s);
    ls_memory_del_addr(lm, s);

    if (s->life) {
        DL_DELETE(s->life->sessions, s);
        s->life->nsessions--;

    } else {
        DL_DELETE(lm->early, s);
    }

    HASH_DEL(lm->sessions, s);
    free(s);
}


/* --- kicks */

static void
ls_memory_add_kick(ls_memory_kicks_t *kicks, const ls_memory_session_t *goes,
    const ls_memory_session_t *stays, goim_str_t key)
{
    ls_session_kick_t     *k;
    ls_memory_kick_ids_t  *ids;

    k = &kicks->elts[kicks->n];
    ids = &kicks->ids[kicks->n++];

    memcpy(ids->spare, stays->conn, stays->conn_len);
    memcpy(ids->only, goes->conn, goes->conn_len);

    k->key = key;
    k->server.data = (uint8_t *) goes->server->name;
    k->server.len = goes->server->len;
    k->spare.data = ids->spare;
    k->spare.len = stays->conn_len;
    k->only.data = ids->only;
    k->only.len = goes->conn_len;
}


/*
 * Of two with the same time the one that is told of later is younger; that it
 * is told of again does not count.
 */
static int
ls_memory_is_younger(const ls_memory_session_t *s,
    const ls_memory_session_t *other)
{
    return s->when_ms > other->when_ms
           || (s->when_ms == other->when_ms && !s->beaten);
}


/*
 * Which of two with one key stands for it; the other one gets a kick, unless
 * nobody knows when either came: the worker tells soon.
 */
static int
ls_memory_compete(ls_memory_t *lm, ls_memory_session_t *s, goim_str_t key,
    ls_memory_kicks_t *kicks)
{
    ls_memory_session_t  *other;

    if (s->stands) {
        return GOIM_OK;
    }

    other = ls_memory_find_key(lm, key);

    if (other == NULL) {
        return ls_memory_stand(lm, s, NULL);
    }

    if (s->when_ms == 0 && other->when_ms == 0) {
        return GOIM_OK;
    }

    if (!ls_memory_is_younger(s, other)) {
        s->beaten = 1;
        ls_memory_add_kick(kicks, s, other, key);
        return GOIM_OK;
    }

    if (ls_memory_stand(lm, s, other) != GOIM_OK) {
        return GOIM_NOMEM;
    }

    ls_memory_add_kick(kicks, other, s, key);

    return GOIM_OK;
}


static void
ls_memory_connect(ls_session_t *ls, const ls_session_entry_t *entry,
    ls_session_kicks_pt done, void *data)
{
    ls_memory_t           *lm = (ls_memory_t *) ls;
    ls_session_kick_t      kick;
    ls_memory_kick_ids_t   ids;
    ls_memory_kicks_t      kicks = { &kick, &ids, 0 };
    ls_memory_session_t   *s;

    s = ls_memory_add(lm, entry);

    if (s && ls_memory_compete(lm, s, entry->key, &kicks) != GOIM_OK) {
        ls_memory_del(lm, s);
        s = NULL;
    }

    done(data, s ? GOIM_OK : GOIM_NOMEM, &kick, kicks.n);
}


/* --- reports */

static void
ls_memory_adopt(ls_memory_t *lm, ls_memory_life_t *life,
    ls_memory_session_t *s)
{
    if (s->life == life) {
        return;
    }

    if (s->life) {
        DL_DELETE(s->life->sessions, s);
        s->life->nsessions--;

    } else {
        DL_DELETE(lm->early, s);
    }

    DL_APPEND(life->sessions, s);
    life->nsessions++;
    s->life = life;
}


/* What the worker says of a session that is known already is what counts. */
static void
ls_memory_update(ls_memory_t *lm, ls_memory_session_t *s,
    const ls_report_event_t *ev)
{
    if (s->when_ms == 0) {
        s->when_ms = ev->when_ms;
    }

    if (s->mid == ev->mid && s->key_len == ev->key.len
        && memcmp(s->key, ev->key.data, s->key_len) == 0)
    {
        return;
    }

    ls_memory_unstand(lm, s);

    s->mid = ev->mid;
    s->key_len = ev->key.len;
    memcpy(s->key, ev->key.data, s->key_len);
}


/* connect, and renew, which does not say when the connection came */
static int
ls_memory_take_session(ls_memory_t *lm, ls_memory_life_t *life,
    const ls_report_t *report, const ls_report_event_t *ev,
    ls_memory_kicks_t *kicks)
{
    ls_session_entry_t    entry;
    ls_memory_session_t  *s;

    s = ls_memory_find(lm, ev->conn);

    if (s == NULL) {
        entry.key = ev->key;
        entry.mid = ev->mid;
        entry.server = report->server;
        entry.conn = ev->conn;
        entry.when_ms = ev->when_ms;

        s = ls_memory_add(lm, &entry);
        if (s == NULL) {
            return GOIM_NOMEM;
        }
    }

    ls_memory_update(lm, s, ev);
    ls_memory_adopt(lm, life, s);
    ls_memory_add_addr(lm, s, ev->addr);

    return ls_memory_compete(lm, s, ev->key, kicks);
}


static int
ls_memory_take_events(ls_memory_t *lm, ls_memory_life_t *life,
    const ls_report_t *report, ls_memory_kicks_t *kicks)
{
    size_t                    i;
    const ls_report_event_t  *ev;
    ls_memory_session_t      *s;

    for (i = 0; i < report->nevents; i++) {
        ev = &report->events[i];

        if (ev->kind != LS_REPORT_DISCONNECT) {
            if (ls_memory_take_session(lm, life, report, ev, kicks)
                != GOIM_OK)
            {
                return GOIM_NOMEM;
            }

            continue;
        }

        s = ls_memory_find(lm, ev->conn);

        if (s) {
            ls_memory_del(lm, s);
        }
    }

    return GOIM_OK;
}


static int
ls_memory_take_room(ls_memory_life_t *life, const ls_report_room_t *told)
{
    ls_memory_room_t  *room;

    HASH_FIND(hh, life->rooms, told->name.data, told->name.len, room);

    if (room && told->members == 0) {
        HASH_DEL(life->rooms, room);
        free(room);
        return GOIM_OK;
    }

    if (room == NULL && told->members) {
        room = calloc(1, sizeof(ls_memory_room_t) + told->name.len);
        if (room == NULL) {
            return GOIM_NOMEM;
        }

        memcpy(room->name, told->name.data, told->name.len);
        room->len = told->name.len;

        HASH_ADD_KEYPTR(hh, life->rooms, room->name, room->len, room);

        if (room->hh.tbl == NULL) {
            free(room);
            return GOIM_NOMEM;
        }
    }

    if (room) {
        room->members = told->members;
    }

    return GOIM_OK;
}


static void
ls_memory_end_life(ls_memory_t *lm, ls_memory_life_t *life)
{
    ls_memory_room_t  *room, *tmp;

    while (life->sessions) {
        ls_memory_del(lm, life->sessions);
    }

    HASH_ITER(hh, life->rooms, room, tmp) {
        HASH_DEL(life->rooms, room);
        free(room);
    }

    HASH_DEL(lm->lives, life);
    free(life);
}


static int
ls_memory_same_slot(const ls_memory_life_t *one, const ls_memory_life_t *other)
{
    return one->id.server == other->id.server
           && one->id.slot == other->id.slot;
}


/* GOIM_AGAIN: a later epoch has told already, whatever this one had told. */
static int
ls_memory_life(ls_memory_t *lm, const ls_report_t *report,
    ls_memory_life_t **found)
{
    ls_memory_life_t     *life, *tmp;
    ls_memory_life_id_t   id;

    memset(&id, 0, sizeof(ls_memory_life_id_t));
    id.server = ls_memory_server(lm, report->server);
    id.slot = report->slot;
    id.epoch = report->epoch;

    if (id.server == NULL) {
        return GOIM_NOMEM;
    }

    HASH_ITER(hh, lm->lives, life, tmp) {
        if (life->id.server == id.server && life->id.slot == id.slot
            && life->id.epoch > id.epoch)
        {
            return GOIM_AGAIN;
        }
    }

    HASH_FIND(hh, lm->lives, &id, sizeof(id), *found);

    if (*found) {
        return GOIM_OK;
    }

    life = calloc(1, sizeof(ls_memory_life_t));
    if (life == NULL) {
        return GOIM_NOMEM;
    }

    life->id = id;
    life->seen_ms = goim_time_us() / 1000;

    HASH_ADD(hh, lm->lives, id, sizeof(ls_memory_life_id_t), life);

    if (life->hh.tbl == NULL) {
        free(life);
        return GOIM_NOMEM;
    }

    *found = life;

    return GOIM_OK;
}


/*
 * Its slot is not silent.  What earlier epochs have told stays until this one
 * is complete, which may take longer than a silent slot is waited for.
 */
static void
ls_memory_see(ls_memory_t *lm, const ls_memory_life_t *life)
{
    uint64_t           now;
    ls_memory_life_t  *other, *tmp;

    now = goim_time_us() / 1000;

    HASH_ITER(hh, lm->lives, other, tmp) {
        if (ls_memory_same_slot(other, life)) {
            other->seen_ms = now;
        }
    }
}


/* The state of a report, once all else of it is taken; whether to resync. */
static int
ls_memory_take_state(ls_memory_t *lm, ls_memory_life_t *life,
    const ls_report_t *report)
{
    int                resync;
    ls_memory_life_t  *other, *tmp;

    life->conns = report->conns;
    ls_memory_see(lm, life);

    if (report->state == LS_REPORT_PARTIAL) {
        return 0;
    }

    resync = !life->complete && report->state == LS_REPORT_COMPLETE
             && ls_report_is_short(report, life->nsessions);
    life->complete = 1;

    HASH_ITER(hh, lm->lives, other, tmp) {
        if (ls_memory_same_slot(other, life)
            && other->id.epoch < life->id.epoch)
        {
            ls_memory_end_life(lm, other);
        }
    }

    if (report->state == LS_REPORT_LAST) {
        ls_memory_end_life(lm, life);
    }

    return resync;
}


static int
ls_memory_take_report(ls_memory_t *lm, const ls_report_t *report,
    ls_memory_kicks_t *kicks, int *resync)
{
    int                rc;
    size_t             i;
    ls_memory_life_t  *life;

    rc = ls_memory_life(lm, report, &life);
    if (rc != GOIM_OK) {
        return rc == GOIM_AGAIN ? GOIM_OK : rc;
    }

    rc = ls_memory_take_events(lm, life, report, kicks);

    for (i = 0; i < report->nrooms && rc == GOIM_OK; i++) {
        rc = ls_memory_take_room(life, &report->rooms[i]);
    }

    if (rc == GOIM_OK) {
        *resync = ls_memory_take_state(lm, life, report);
    }

    return rc;
}


static void
ls_memory_report(ls_session_t *ls, const ls_report_t *report,
    ls_session_report_pt done, void *data)
{
    int                rc, resync;
    ls_memory_kicks_t  kicks;

    rc = GOIM_NOMEM;
    resync = 0;

    kicks.n = 0;
    kicks.elts = malloc((report->nevents + 1) * sizeof(ls_session_kick_t));
    kicks.ids = malloc((report->nevents + 1) * sizeof(ls_memory_kick_ids_t));

    if (kicks.elts && kicks.ids) {
        rc = ls_memory_take_report((ls_memory_t *) ls, report, &kicks,
                                   &resync);
    }

    done(data, rc, kicks.elts, kicks.n, resync);

    free(kicks.elts);
    free(kicks.ids);
}


/* --- questions */

static ls_session_place_t
ls_memory_place(const ls_memory_session_t *s)
{
    return (ls_session_place_t) {
        { s->key, s->key_len },
        { (const uint8_t *) s->server->name, s->server->len }
    };
}


static void
ls_memory_find_keys(ls_session_t *ls, const goim_str_t *keys, size_t n,
    ls_session_places_pt done, void *data)
{
    size_t                i;
    ls_memory_t          *lm = (ls_memory_t *) ls;
    ls_session_place_t   *places;
    ls_memory_session_t  *s;

    places = calloc(n + 1, sizeof(ls_session_place_t));

    for (i = 0; places && i < n; i++) {
        s = ls_memory_find_key(lm, keys[i]);

        if (s) {
            places[i] = ls_memory_place(s);
        }

        places[i].key = keys[i];
    }

    done(data, places ? GOIM_OK : GOIM_NOMEM, places, places ? n : 0);
    free(places);
}


static void
ls_memory_find_mids(ls_session_t *ls, const int64_t *mids, size_t n,
    ls_session_places_pt done, void *data)
{
    size_t                i, found;
    ls_memory_t          *lm = (ls_memory_t *) ls;
    ls_session_place_t   *places, *p;
    ls_memory_member_t   *member;
    ls_memory_session_t  *s;

    places = NULL;
    found = 0;

    for (i = 0; i < n; i++) {
        HASH_FIND(hh, lm->members, &mids[i], sizeof(int64_t), member);

        if (member == NULL) {
            continue;
        }

        DL_FOREACH2(member->sessions, s, member_next) {
            p = realloc(places, (found + 1) * sizeof(ls_session_place_t));

            if (p == NULL) {
                done(data, GOIM_NOMEM, NULL, 0);
                free(places);
                return;
            }

            places = p;
            places[found++] = ls_memory_place(s);
        }
    }

    done(data, GOIM_OK, places, found);
    free(places);
}


/* --- the sum */

/* Ends what nobody will tell of any more. */
static void
ls_memory_expire(ls_memory_t *lm)
{
    uint64_t           now;
    ls_memory_life_t  *life, *tmp;

    now = goim_time_us() / 1000;

    HASH_ITER(hh, lm->lives, life, tmp) {
        if (now - life->seen_ms > LS_SESSION_SILENT_MS) {
            ls_memory_end_life(lm, life);
        }
    }

    while (lm->early && now - lm->early->told_ms > LS_SESSION_EARLY_MS) {
        ls_memory_del(lm, lm->early);
    }
}


/*
 * While a worker tells of everything anew, what it had told before stands for
 * it.
 */
static int
ls_memory_counts(ls_memory_t *lm, const ls_memory_life_t *life)
{
    ls_memory_life_t  *other, *tmp;

    HASH_ITER(hh, lm->lives, other, tmp) {
        if (other != life && ls_memory_same_slot(other, life)
            && (life->complete ? other->complete
                                 && other->id.epoch > life->id.epoch
                               : other->complete
                                 || other->id.epoch < life->id.epoch))
        {
            return 0;
        }
    }

    return 1;
}


static void
ls_memory_online(ls_session_t *ls, const ls_session_online_t *visitor,
    void *data)
{
    goim_str_t            name;
    ls_memory_t          *lm = (ls_memory_t *) ls;
    ls_memory_life_t     *life, *ltmp;
    ls_memory_room_t     *room, *rtmp;
    ls_memory_server_t   *server, *stmp;
    ls_session_server_t   sum;

    ls_memory_expire(lm);

    HASH_ITER(hh, lm->servers, server, stmp) {
        server->conns = 0;
        server->live = 0;
    }

    HASH_ITER(hh, lm->lives, life, ltmp) {
        if (!ls_memory_counts(lm, life)) {
            continue;
        }

        life->id.server->live = 1;
        life->id.server->conns += life->conns;

        HASH_ITER(hh, life->rooms, room, rtmp) {
            name.data = room->name;
            name.len = room->len;
            visitor->room(data, name, room->members);
        }
    }

    HASH_ITER(hh, lm->servers, server, stmp) {
        if (server->live) {
            sum.server.data = (uint8_t *) server->name;
            sum.server.len = server->len;
            sum.conns = server->conns;
            sum.addrs = server->addrs;
            visitor->server(data, &sum);
        }
    }

    visitor->done(data, GOIM_OK);
}


static int
ls_memory_up(ls_session_t *ls)
{
    (void) ls;

    return 1;
}


static void
ls_memory_destroy(ls_session_t *ls)
{
    ls_memory_t         *lm = (ls_memory_t *) ls;
    ls_memory_life_t    *life, *ltmp;
    ls_memory_server_t  *server, *stmp;

    HASH_ITER(hh, lm->lives, life, ltmp) {
        ls_memory_end_life(lm, life);
    }

    while (lm->early) {
        ls_memory_del(lm, lm->early);
    }

    HASH_ITER(hh, lm->servers, server, stmp) {
        HASH_DEL(lm->servers, server);
        free(server);
    }

    free(lm);
}


static const ls_session_backend_t  ls_memory_backend = {
    "memory",
    ls_memory_connect,
    ls_memory_report,
    ls_memory_find_keys,
    ls_memory_find_mids,
    ls_memory_online,
    ls_memory_up,
    ls_memory_destroy
};


ls_session_t *
ls_session_memory_create(void)
{
    ls_memory_t  *lm;

    lm = calloc(1, sizeof(ls_memory_t));
    if (lm == NULL) {
        return NULL;
    }

    lm->ls.backend = &ls_memory_backend;

    return &lm->ls;
}
