
/*
 * Who a connection is: mid, key, room, accepts, connection id, heartbeat and
 * features, from texts (an auth answer's headers, the variables of
 * goim_identity).
 */


#include "ngx_goim.h"


#define NGX_GOIM_UUID_LEN      36
#define NGX_GOIM_ACCEPTS_MAX   1024
#define NGX_GOIM_HEARTBEAT_MAX 86400  /* seconds */


static int ngx_libc_cdecl
ngx_goim_identity_cmp(const void *one, const void *two)
{
    int32_t  a = *(const int32_t *) one;
    int32_t  b = *(const int32_t *) two;

    return (a > b) - (a < b);
}


/* A decimal number with an optional sign, in the limits of its type. */
static ngx_int_t
ngx_goim_identity_number(u_char *p, u_char *last, int64_t min, int64_t max,
    int64_t *value)
{
    uint64_t    n, limit;
    ngx_uint_t  minus;

    minus = p < last && *p == '-';
    p += minus;

    if (p == last) {
        return NGX_ERROR;
    }

    limit = minus ? (uint64_t) -(min + 1) + 1 : (uint64_t) max;

    for (n = 0; p < last; p++) {
        if (*p < '0' || *p > '9'
            || n > limit / 10
            || n * 10 > limit - (uint64_t) (*p - '0'))
        {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');
    }

    *value = minus ? (int64_t) (0 - n) : (int64_t) n;

    return NGX_OK;
}


/* "1000,1001, 1002"; returns how many, or NGX_ERROR. */
static ngx_int_t
ngx_goim_identity_parse_accepts(ngx_str_t *text, int32_t *accepts)
{
    u_char     *p, *last, *comma, *end;
    int64_t     value;
    ngx_uint_t  n;

    p = text->data;
    last = p + text->len;

    for (n = 0; p < last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');
        if (comma == NULL) {
            comma = last;
        }

        while (p < comma && *p == ' ') {
            p++;
        }

        for (end = comma; end > p && end[-1] == ' '; end--) {
            /* void */
        }

        if (n == NGX_GOIM_ACCEPTS_MAX
            || ngx_goim_identity_number(p, end, INT32_MIN, INT32_MAX, &value)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        accepts[n++] = value;
    }

    ngx_qsort(accepts, n, sizeof(int32_t), ngx_goim_identity_cmp);

    return n;
}


static uint8_t
ngx_goim_identity_feature(u_char *p, size_t len)
{
    ngx_uint_t  i;

    static struct {
        ngx_str_t  name;
        uint8_t    feature;
    } features[] = {
        { ngx_string("gap"), NGX_GOIM_FEATURE_GAP },
        { ngx_null_string, 0 }
    };

    for (i = 0; features[i].name.len; i++) {
        if (features[i].name.len == len
            && ngx_memcmp(features[i].name.data, p, len) == 0)
        {
            break;
        }
    }

    return features[i].feature;
}


/* "gap, resume": whatever another version knows is skipped. */
static uint8_t
ngx_goim_identity_parse_features(ngx_str_t *text)
{
    u_char   *p, *start, *last;
    uint8_t   features;

    features = 0;
    p = text->data;
    last = p + text->len;

    while (p < last) {

        if (*p == ',' || *p == ' ') {
            p++;
            continue;
        }

        for (start = p; p < last && *p != ',' && *p != ' '; p++) {
            /* void */
        }

        features |= ngx_goim_identity_feature(start, p - start);
    }

    return features;
}


/* A UUID version 4 for a client that brought no key. */
static void
ngx_goim_identity_random_key(u_char *p)
{
    ngx_uint_t  i;
    uint32_t    r[4];

    for (i = 0; i < 4; i++) {
        r[i] = (uint32_t) ngx_random() ^ ((uint32_t) ngx_random() << 16);
    }

    r[1] = (r[1] & 0xffff0fff) | 0x00004000;
    r[2] = (r[2] & 0x3fffffff) | 0x80000000;

    ngx_sprintf(p, "%08xD-%04xD-%04xD-%04xD-%04xD%08xD", r[0], r[1] >> 16,
                r[1] & 0xffff, r[2] >> 16, r[2] & 0xffff, r[3]);
}


/* What stands in headers and reports without control characters. */
static ngx_uint_t
ngx_goim_identity_is_text(ngx_str_t *text, size_t max)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            return 0;
        }
    }

    return text->len <= max;
}


static ngx_int_t
ngx_goim_identity_check(ngx_goim_identity_text_t *text, ngx_log_t *log)
{
    const char  *what;

    if (!ngx_goim_identity_is_text(&text->key, NGX_GOIM_KEY_MAX)) {
        what = "a key of more than 255 bytes, or with control characters";

    } else if (!ngx_goim_identity_is_text(&text->conn, NGX_GOIM_CONN_MAX)) {
        what = "a connection id of more than 32 bytes, or with control "
               "characters";

    } else if (text->room.len
               && goim_room_name_check(text->room.data, text->room.len)
                  != GOIM_OK)
    {
        what = "a room's name that is too long or has control characters";

    } else {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0, "goim identity: %s", what);

    return NGX_DECLINED;
}


/* Keys, connection id and what else is not accepts. */
static size_t
ngx_goim_identity_size(size_t strings)
{
    return ngx_align(offsetof(ngx_goim_identity_t, data) + strings,
                     sizeof(int32_t));
}


static void
ngx_goim_identity_set_accepts(ngx_goim_identity_t *id, size_t size,
    int32_t *accepts, uint32_t n)
{
    id->accepts = (int32_t *) ((u_char *) id + size);
    id->naccepts = n;

    ngx_memcpy(id->accepts, accepts, n * sizeof(int32_t));
}


ngx_int_t
ngx_goim_identity_parse(ngx_goim_identity_text_t *text,
    ngx_goim_identity_t **result, ngx_log_t *log)
{
    size_t                size, strings;
    int64_t               mid, heartbeat;
    ngx_int_t             n;
    ngx_goim_identity_t  *id;

    static int32_t        accepts[NGX_GOIM_ACCEPTS_MAX];

    if (ngx_goim_identity_check(text, log) != NGX_OK) {
        return NGX_DECLINED;
    }

    mid = 0;
    heartbeat = 0;
    n = ngx_goim_identity_parse_accepts(&text->accepts, accepts);

    if (n == NGX_ERROR
        || (text->mid.len
            && ngx_goim_identity_number(text->mid.data,
                                        text->mid.data + text->mid.len,
                                        INT64_MIN, INT64_MAX, &mid)
               != NGX_OK)
        || (text->heartbeat.len
            && ngx_goim_identity_number(text->heartbeat.data,
                                        text->heartbeat.data
                                        + text->heartbeat.len,
                                        0, NGX_GOIM_HEARTBEAT_MAX, &heartbeat)
               != NGX_OK)
        || heartbeat < 0)
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "goim identity: mid, accepts or heartbeat is not a "
                      "number, or out of range");
        return NGX_DECLINED;
    }

    strings = (text->key.len ? text->key.len : NGX_GOIM_UUID_LEN)
              + text->conn.len;
    size = ngx_goim_identity_size(strings);

    id = ngx_alloc(size + n * sizeof(int32_t), log);
    if (id == NULL) {
        return NGX_ERROR;
    }

    id->mid = mid;
    id->heartbeat = heartbeat * 1000;
    id->room = text->room;
    id->conn_len = text->conn.len;
    id->features = ngx_goim_identity_parse_features(&text->features);

    if (text->key.len) {
        id->key_len = text->key.len;
        ngx_memcpy(ngx_goim_identity_key(id), text->key.data, text->key.len);

    } else {
        id->key_len = NGX_GOIM_UUID_LEN;
        ngx_goim_identity_random_key(ngx_goim_identity_key(id));
    }

    ngx_memcpy(ngx_goim_identity_conn(id), text->conn.data, text->conn.len);
    ngx_goim_identity_set_accepts(id, size, accepts, n);

    *result = id;

    return NGX_OK;
}


ngx_goim_identity_t *
ngx_goim_identity_restore(const goim_handover_conn_t *state, ngx_log_t *log)
{
    size_t                size;
    ngx_goim_identity_t  *id;
    const goim_str_t     *key, *conn, *accepts;

    key = &state->strings[GOIM_HANDOVER_KEY];
    conn = &state->strings[GOIM_HANDOVER_ID];
    accepts = &state->strings[GOIM_HANDOVER_ACCEPTS];

    size = ngx_goim_identity_size(key->len + conn->len);

    id = ngx_alloc(size + accepts->len, log);
    if (id == NULL) {
        return NULL;
    }

    id->mid = state->mid;
    id->heartbeat = ngx_min(state->heartbeat_ms,
                            NGX_GOIM_HEARTBEAT_MAX * 1000);
    id->features = state->features;
    ngx_str_null(&id->room);

    id->key_len = key->len;
    id->conn_len = conn->len;
    ngx_memcpy(ngx_goim_identity_key(id), key->data, key->len);
    ngx_memcpy(ngx_goim_identity_conn(id), conn->data, conn->len);

    id->accepts = (int32_t *) ((u_char *) id + size);
    id->naccepts = accepts->len / sizeof(int32_t);
    ngx_memcpy(id->accepts, accepts->data, accepts->len);

    return id;
}


static ngx_int_t
ngx_goim_identity_value(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_str_t *value)
{
    if (cv == NULL) {
        ngx_str_null(value);
        return NGX_OK;
    }

    return ngx_http_complex_value(r, cv, value);
}


ngx_int_t
ngx_goim_identity_eval(ngx_http_request_t *r, ngx_goim_identity_conf_t *gic,
    ngx_goim_identity_t **id)
{
    ngx_goim_identity_text_t  text;

    ngx_memzero(&text, sizeof(ngx_goim_identity_text_t));

    if (ngx_goim_identity_value(r, gic->mid, &text.mid) != NGX_OK
        || ngx_goim_identity_value(r, gic->key, &text.key) != NGX_OK
        || ngx_goim_identity_value(r, gic->room, &text.room) != NGX_OK
        || ngx_goim_identity_value(r, gic->accepts, &text.accepts) != NGX_OK
        || ngx_goim_identity_value(r, gic->features, &text.features)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_goim_identity_parse(&text, id, r->connection->log);
}


ngx_uint_t
ngx_goim_identity_accepts(ngx_goim_identity_t *id, int32_t op)
{
    uint32_t  low, high, middle;

    low = 0;
    high = id->naccepts;

    while (low < high) {
        middle = (low + high) / 2;

        if (id->accepts[middle] == op) {
            return 1;
        }

        if (id->accepts[middle] < op) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return 0;
}


/* ngx_sprintf() negates what is below 0, which the least one does not bear. */
u_char *
ngx_goim_identity_print_mid(u_char *p, int64_t mid)
{
    return mid < 0 ? ngx_sprintf(p, "-%uL", 0 - (uint64_t) mid)
                   : ngx_sprintf(p, "%uL", (uint64_t) mid);
}


/* Both lists are sorted; returns the length of their union. */
static uint32_t
ngx_goim_identity_add(int32_t *dst, ngx_goim_identity_t *id, int32_t *accepts,
    uint32_t n)
{
    uint32_t  i, k, len;

    len = 0;

    for (i = 0, k = 0; i < id->naccepts || k < n; /* void */) {

        if (k == n || (i < id->naccepts && id->accepts[i] <= accepts[k])) {
            dst[len] = id->accepts[i++];

        } else {
            dst[len] = accepts[k++];
        }

        if (len == 0 || dst[len] != dst[len - 1]) {
            len++;
        }
    }

    return len;
}


static uint32_t
ngx_goim_identity_take(int32_t *dst, ngx_goim_identity_t *id,
    int32_t *accepts, uint32_t n)
{
    uint32_t  i, k, len;

    len = 0;

    for (i = 0, k = 0; i < id->naccepts; i++) {

        while (k < n && accepts[k] < id->accepts[i]) {
            k++;
        }

        if (k == n || accepts[k] != id->accepts[i]) {
            dst[len++] = id->accepts[i];
        }
    }

    return len;
}


ngx_int_t
ngx_goim_identity_change(ngx_goim_identity_t **result, ngx_str_t *text,
    ngx_uint_t add, ngx_log_t *log)
{
    size_t                size;
    uint32_t              len;
    ngx_int_t             n;
    ngx_goim_identity_t  *id, *old;

    static int32_t        accepts[NGX_GOIM_ACCEPTS_MAX];
    static int32_t        changed[2 * NGX_GOIM_ACCEPTS_MAX];

    old = *result;

    n = ngx_goim_identity_parse_accepts(text, accepts);
    if (n == NGX_ERROR) {
        return NGX_DECLINED;
    }

    len = add ? ngx_goim_identity_add(changed, old, accepts, n)
              : ngx_goim_identity_take(changed, old, accepts, n);

    if (len > NGX_GOIM_ACCEPTS_MAX) {
        return NGX_DECLINED;
    }

    size = ngx_goim_identity_size(old->key_len + old->conn_len);

    id = ngx_alloc(size + len * sizeof(int32_t), log);
    if (id == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(id, old, offsetof(ngx_goim_identity_t, data) + old->key_len
                        + old->conn_len);
    ngx_goim_identity_set_accepts(id, size, changed, len);

    ngx_free(old);
    *result = id;

    return NGX_OK;
}
