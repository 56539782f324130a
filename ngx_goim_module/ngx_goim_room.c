
/*
 * The rooms of this worker: found by hash and name, with the members that
 * this worker has.
 */


#include "ngx_goim.h"


#define NGX_GOIM_ROOM_BUCKETS  256  /* at first; doubled with the rooms */


static ngx_goim_room_t  **ngx_goim_room_buckets;
static uint32_t           ngx_goim_room_nbuckets;
static uint32_t           ngx_goim_room_n;


ngx_int_t
ngx_goim_room_init(ngx_log_t *log)
{
    ngx_goim_room_buckets = ngx_calloc(NGX_GOIM_ROOM_BUCKETS
                                       * sizeof(ngx_goim_room_t *), log);
    if (ngx_goim_room_buckets == NULL) {
        return NGX_ERROR;
    }

    ngx_goim_room_nbuckets = NGX_GOIM_ROOM_BUCKETS;

    return NGX_OK;
}


ngx_goim_room_t *
ngx_goim_room_find(uint64_t hash, const u_char *name, size_t len)
{
    ngx_goim_room_t  *room;

    room = ngx_goim_room_buckets[hash & (ngx_goim_room_nbuckets - 1)];

    while (room
           && (room->hash != hash || room->name_len != len
               || ngx_memcmp(room->name, name, len) != 0))
    {
        room = room->next;
    }

    return room;
}


uint32_t
ngx_goim_room_table_size(void)
{
    return ngx_goim_room_nbuckets;
}


ngx_goim_room_t *
ngx_goim_room_bucket(uint32_t i)
{
    return ngx_goim_room_buckets[i];
}


/* Without memory the buckets stay as they are, and their chains get longer. */
static void
ngx_goim_room_grow(ngx_log_t *log)
{
    uint32_t          i, n;
    ngx_goim_room_t  *room, *next, **buckets, **bucket;

    n = 2 * ngx_goim_room_nbuckets;

    buckets = ngx_calloc(n * sizeof(ngx_goim_room_t *), log);
    if (buckets == NULL) {
        return;
    }

    for (i = 0; i < ngx_goim_room_nbuckets; i++) {
        for (room = ngx_goim_room_buckets[i]; room; room = next) {
            next = room->next;
            bucket = &buckets[room->hash & (n - 1)];
            room->next = *bucket;
            *bucket = room;
        }
    }

    ngx_free(ngx_goim_room_buckets);
    ngx_goim_room_buckets = buckets;
    ngx_goim_room_nbuckets = n;
}


static ngx_goim_room_t *
ngx_goim_room_get(ngx_str_t *name, ngx_log_t *log)
{
    uint64_t          hash;
    ngx_goim_room_t  *room, **bucket;

    hash = goim_room_name_hash(name->data, name->len);

    room = ngx_goim_room_find(hash, name->data, name->len);
    if (room) {
        return room;
    }

    if (ngx_goim_room_n >= ngx_goim_room_nbuckets) {
        ngx_goim_room_grow(log);
    }

    room = ngx_calloc(offsetof(ngx_goim_room_t, name) + name->len, log);
    if (room == NULL) {
        return NULL;
    }

    room->hash = hash;
    room->name_len = name->len;
    ngx_memcpy(room->name, name->data, name->len);
    room->class = ngx_goim_room_class_find(ngx_goim_worker.conf, name->data,
                                           name->len);

    bucket = &ngx_goim_room_buckets[hash & (ngx_goim_room_nbuckets - 1)];
    room->next = *bucket;
    *bucket = room;

    ngx_goim_room_n++;
    ngx_goim_count(NGX_GOIM_ROOMS, 1);
    ngx_goim_count_class(room->class, NGX_GOIM_CLASS_ROOMS, 1);

    return room;
}


void
ngx_goim_room_destroy(ngx_goim_room_t *room)
{
    ngx_uint_t         t;
    ngx_goim_room_t  **p;

    if (room->nmembers || room->sweeping || room->first) {
        return;
    }

    if (room->waiting) {
        ngx_queue_remove(&room->sweep_queue);
    }

    p = &ngx_goim_room_buckets[room->hash & (ngx_goim_room_nbuckets - 1)];

    while (*p != room) {
        p = &(*p)->next;
    }

    *p = room->next;

    for (t = 0; t < NGX_GOIM_TRANSPORTS; t++) {
        ngx_goim_log_trim(&room->logs[t], room->logs[t].end);
    }

    if (room->members) {
        ngx_free(room->members);
    }

    ngx_goim_room_n--;
    ngx_goim_count(NGX_GOIM_ROOMS, (uint64_t) -1);
    ngx_goim_count_class(room->class, NGX_GOIM_CLASS_ROOMS, (uint64_t) -1);

    ngx_free(room);
}


/* The array follows the number of members, both ways. */
static ngx_int_t
ngx_goim_room_resize(ngx_goim_room_t *room, uint32_t n, ngx_log_t *log)
{
    ngx_goim_conn_t  **members;

    members = ngx_alloc(n * sizeof(ngx_goim_conn_t *), log);
    if (members == NULL) {
        return NGX_ERROR;
    }

    if (room->members) {
        ngx_memcpy(members, room->members,
                   room->nmembers * sizeof(ngx_goim_conn_t *));
        ngx_free(room->members);
    }

    room->members = members;
    room->nalloc = n;

    return NGX_OK;
}


/* Other workers count our members as well; a room they can't be told of is
 * counted here alone. */
static void
ngx_goim_room_tell(ngx_goim_room_t *room)
{
    if (ngx_goim_worker.reader
        && goim_reader_set_room(ngx_goim_worker.reader, room->hash,
                                room->nmembers)
           != GOIM_OK)
    {
        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "goim room: no entry for \"%*s\"",
                       (size_t) room->name_len, room->name);
    }
}


uint64_t
ngx_goim_room_online(ngx_goim_room_t *room)
{
    if (ngx_goim_worker.reader == NULL) {
        return room->nmembers;
    }

    return room->nmembers
           + goim_channel_room_members(ngx_goim_worker.channel, room->hash,
                                       ngx_goim_worker.reader->index);
}


/* The members that this worker has. */
static uint64_t
ngx_goim_room_members(uint64_t hash, ngx_str_t *name)
{
    ngx_goim_room_t  *room;

    room = ngx_goim_room_find(hash, name->data, name->len);

    return room ? room->nmembers : 0;
}


ngx_uint_t
ngx_goim_room_takes_over(ngx_goim_room_class_t *class, ngx_str_t *name)
{
    uint64_t  n, hash;

    hash = goim_room_name_hash(name->data, name->len);

    n = ngx_goim_room_members(hash, name);
    n += goim_channel_room_staying(ngx_goim_worker.channel, hash,
                                   ngx_goim_worker.reader->index);

    return n < class->max_members;
}


ngx_uint_t
ngx_goim_room_admits(ngx_str_t *name)
{
    uint64_t                n, hash;
    ngx_goim_room_class_t  *class;

    class = ngx_goim_room_class_find(ngx_goim_worker.conf, name->data,
                                     name->len);

    if (class->max_members == 0) {
        return 1;
    }

    hash = goim_room_name_hash(name->data, name->len);
    n = ngx_goim_room_members(hash, name);

    if (ngx_goim_worker.reader) {
        n += goim_channel_room_members(ngx_goim_worker.channel, hash,
                                       ngx_goim_worker.reader->index);
    }

    if (n < class->max_members) {
        return 1;
    }

    ngx_goim_count(NGX_GOIM_ROOM_FULL, 1);
    ngx_goim_count_class(class, NGX_GOIM_CLASS_ROOM_FULL, 1);

    return 0;
}


ngx_int_t
ngx_goim_room_join(ngx_goim_conn_t *gc, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_goim_log_t   *log;
    ngx_goim_room_t  *room;

    room = ngx_goim_room_get(name, gc->connection->log);
    if (room == NULL) {
        return NGX_ERROR;
    }

    if (room->nmembers == room->nalloc
        && ngx_goim_room_resize(room, ngx_max(4, 2 * room->nalloc),
                                gc->connection->log)
           != NGX_OK)
    {
        ngx_goim_room_destroy(room);
        return NGX_ERROR;
    }

    gc->room = room;
    gc->room_index = room->nmembers;
    room->members[room->nmembers++] = gc;

    room->nspeak[gc->transport]++;
    ngx_goim_count_class(room->class, NGX_GOIM_CLASS_MEMBERS, 1);

    log = &room->logs[gc->transport];

    gc->pos = log->end;
    gc->seen = log->messages;
    gc->told = log->gap.lost;
    gc->told_holes = (uint8_t) log->gap.holes;
    gc->due = 0;

    for (i = 0; i < NGX_GOIM_SKIP_BY_ROOM; i++) {
        gc->skipped[i] -= log->skipped[i];
    }

    room->ngaps += gc->gaps;

    ngx_goim_room_tell(room);

    return NGX_OK;
}


/* A sweep goes downwards: the last member was visited, or joined since. */
void
ngx_goim_room_leave(ngx_goim_conn_t *gc)
{
    ngx_uint_t        i;
    ngx_goim_conn_t  *last;
    ngx_goim_room_t  *room;

    room = gc->room;

    if (room == NULL) {
        return;
    }

    (void) ngx_goim_send_settle(gc);

    for (i = 0; i < NGX_GOIM_SKIP_BY_ROOM; i++) {
        gc->skipped[i] += room->logs[gc->transport].skipped[i];
    }

    room->nspeak[gc->transport]--;
    room->ngaps -= gc->gaps;
    ngx_goim_count_class(room->class, NGX_GOIM_CLASS_MEMBERS, (uint64_t) -1);

    last = room->members[--room->nmembers];
    room->members[gc->room_index] = last;
    last->room_index = gc->room_index;

    gc->room = NULL;

    ngx_goim_room_tell(room);

    if (room->nmembers == 0) {
        ngx_goim_session_empty_room(room);
        ngx_goim_room_destroy(room);
        return;
    }

    if (room->nalloc > 64 && room->nmembers < room->nalloc / 4) {
        (void) ngx_goim_room_resize(room, room->nalloc / 2,
                                    gc->connection->log);
    }
}
