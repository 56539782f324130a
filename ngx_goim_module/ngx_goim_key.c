
/*
 * The keys of this worker's connections.
 */


#include "ngx_goim.h"


#define NGX_GOIM_KEY_BUCKETS  1024  /* at first; doubled with the keys */


static ngx_goim_conn_t  **ngx_goim_key_buckets;
static uint32_t           ngx_goim_key_nbuckets;
static uint32_t           ngx_goim_key_n;


ngx_int_t
ngx_goim_key_init(ngx_log_t *log)
{
    ngx_goim_key_buckets = ngx_calloc(NGX_GOIM_KEY_BUCKETS
                                      * sizeof(ngx_goim_conn_t *), log);
    if (ngx_goim_key_buckets == NULL) {
        return NGX_ERROR;
    }

    ngx_goim_key_nbuckets = NGX_GOIM_KEY_BUCKETS;

    return NGX_OK;
}


static ngx_goim_conn_t **
ngx_goim_key_bucket(ngx_goim_conn_t **buckets, uint32_t n, const u_char *key,
    size_t len)
{
    return &buckets[goim_room_name_hash(key, len) & (n - 1)];
}


static ngx_goim_conn_t *
ngx_goim_key_search(const u_char *key, size_t len, ngx_goim_conn_t *except)
{
    ngx_goim_conn_t  *gc;

    gc = *ngx_goim_key_bucket(ngx_goim_key_buckets, ngx_goim_key_nbuckets,
                              key, len);

    while (gc
           && (gc == except || gc->id->key_len != len
               || ngx_memcmp(ngx_goim_identity_key(gc->id), key, len) != 0))
    {
        gc = gc->key_next;
    }

    return gc;
}


ngx_goim_conn_t *
ngx_goim_key_find(const u_char *key, size_t len)
{
    return ngx_goim_key_search(key, len, NULL);
}


ngx_goim_conn_t *
ngx_goim_key_other(ngx_goim_conn_t *gc)
{
    return ngx_goim_key_search(ngx_goim_identity_key(gc->id),
                               gc->id->key_len, gc);
}


/* Without memory the buckets stay as they are. */
static void
ngx_goim_key_resize(uint32_t n, ngx_log_t *log)
{
    uint32_t           i;
    ngx_goim_conn_t   *gc, *next, **buckets, **bucket;

    buckets = ngx_calloc(n * sizeof(ngx_goim_conn_t *), log);
    if (buckets == NULL) {
        return;
    }

    for (i = 0; i < ngx_goim_key_nbuckets; i++) {
        for (gc = ngx_goim_key_buckets[i]; gc; gc = next) {
            next = gc->key_next;
            bucket = ngx_goim_key_bucket(buckets, n,
                                         ngx_goim_identity_key(gc->id),
                                         gc->id->key_len);
            gc->key_next = *bucket;
            *bucket = gc;
        }
    }

    ngx_free(ngx_goim_key_buckets);
    ngx_goim_key_buckets = buckets;
    ngx_goim_key_nbuckets = n;
}


void
ngx_goim_key_add(ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  **bucket;

    if (ngx_goim_key_n >= ngx_goim_key_nbuckets) {
        ngx_goim_key_resize(2 * ngx_goim_key_nbuckets, gc->connection->log);
    }

    bucket = ngx_goim_key_bucket(ngx_goim_key_buckets, ngx_goim_key_nbuckets,
                                 ngx_goim_identity_key(gc->id),
                                 gc->id->key_len);
    gc->key_next = *bucket;
    *bucket = gc;

    ngx_goim_key_n++;
}


void
ngx_goim_key_remove(ngx_goim_conn_t *gc)
{
    ngx_goim_conn_t  **p;

    if (gc->id == NULL) {
        return;
    }

    p = ngx_goim_key_bucket(ngx_goim_key_buckets, ngx_goim_key_nbuckets,
                            ngx_goim_identity_key(gc->id), gc->id->key_len);

    while (*p) {
        if (*p == gc) {
            *p = gc->key_next;
            gc->key_next = NULL;
            ngx_goim_key_n--;
            break;
        }

        p = &(*p)->key_next;
    }

    if (ngx_goim_key_nbuckets > NGX_GOIM_KEY_BUCKETS
        && ngx_goim_key_n < ngx_goim_key_nbuckets / 8)
    {
        ngx_goim_key_resize(ngx_goim_key_nbuckets / 2, gc->connection->log);
    }
}
