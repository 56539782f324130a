
/*
 * Room classes: the goim_room block, and which class a room belongs to.
 */


#include "ngx_goim.h"


#define NGX_GOIM_ROOM_CLASS_NUMBER  1000000
#define NGX_GOIM_ROOM_CLASS_RANGES  16


/* What may stand in the block; set returns what is wrong. */
typedef struct {
    const char  *name;
    char      *(*set)(ngx_conf_t *cf, ngx_goim_room_class_t *class,
        ngx_str_t *value);
    ngx_uint_t   several;  /* values */
} ngx_goim_room_class_command_t;


static char *ngx_goim_room_class_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);


/* A pattern is a name, with one "*" at its end at most. */
static char *
ngx_goim_room_class_pattern(ngx_conf_t *cf, ngx_str_t *pattern)
{
    u_char  *star;

    star = ngx_strlchr(pattern->data, pattern->data + pattern->len, '*');

    if (pattern->len == 0 || pattern->len > GOIM_ROOM_NAME_MAX
        || (star && star != pattern->data + pattern->len - 1))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid room pattern \"%V\": it must be a name or "
                           "its beginning and \"*\", such as \"live://*\"",
                           pattern);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_goim_room_class_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_main_conf_t  *gmcf = conf;

    char                   *rv;
    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_conf_t              save;
    ngx_goim_room_class_t  *class;

    value = cf->args->elts;

    if (ngx_goim_room_class_pattern(cf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    class = gmcf->classes.elts;

    for (i = 0; i < gmcf->classes.nelts; i++) {
        if (class[i].pattern.len == value[1].len
            && ngx_strncmp(class[i].pattern.data, value[1].data, value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate room pattern \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    if (gmcf->classes.nelts == GOIM_BOARD_CLASSES - 1) {
        return "is one too many: there may be 31 of them";
    }

    class = ngx_array_push(&gmcf->classes);
    if (class == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(class, sizeof(ngx_goim_room_class_t));

    class->pattern = value[1];
    class->backlog = NGX_CONF_UNSET_SIZE;
    class->overflow = NGX_CONF_UNSET_UINT;
    class->max_members = NGX_CONF_UNSET_UINT;
    class->flush = NGX_CONF_UNSET_MSEC;
    class->max_rate = NGX_CONF_UNSET_UINT;

    save = *cf;
    cf->handler = ngx_goim_room_class_line;
    cf->handler_conf = (void *) class;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_conf_init_size_value(class->backlog, gmcf->default_class.backlog);
    ngx_conf_init_uint_value(class->overflow, gmcf->default_class.overflow);
    ngx_conf_init_uint_value(class->max_members, 0);
    ngx_conf_init_msec_value(class->flush, 0);
    ngx_conf_init_uint_value(class->max_rate, 0);

    if (class->priority.nelts && class->max_rate == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"priority\" in \"goim_room %V\" needs "
                           "\"max_rate\", without which nothing is skipped",
                           &class->pattern);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_goim_room_class_backlog(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    off_t  size;

    if (class->backlog != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    size = ngx_parse_offset(value);

    if (size < 1024 || size > 1024 * 1024 * 1024) {
        return "must be a size between 1k and 1g";
    }

    class->backlog = size;

    return NGX_CONF_OK;
}


static char *
ngx_goim_room_class_overflow(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    if (class->overflow != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (ngx_strcmp(value->data, "skip") == 0) {
        class->overflow = NGX_GOIM_OVERFLOW_SKIP;

    } else if (ngx_strcmp(value->data, "close") == 0) {
        class->overflow = NGX_GOIM_OVERFLOW_CLOSE;

    } else {
        return "must be \"skip\" or \"close\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_goim_room_class_max_members(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ngx_int_t  n;

    if (class->max_members != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return "must be a number, 0 for any number of members";
    }

    class->max_members = n;

    return NGX_CONF_OK;
}


/* "time", or "time count number". */
static char *
ngx_goim_room_class_flush(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ngx_int_t   n;
    ngx_msec_t  ms;

    if (class->flush != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    ms = ngx_parse_time(value, 0);

    if (ms == (ngx_msec_t) NGX_ERROR || ms > 60000) {
        return "must be a time of at most 1m, 0 for none";
    }

    class->flush = ms;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = cf->args->nelts == 4 && ngx_strcmp(value[1].data, "count") == 0
        ? ngx_atoi(value[2].data, value[2].len) : NGX_ERROR;

    if (n < 1 || n > NGX_GOIM_ROOM_CLASS_NUMBER) {
        return "takes a time, and \"count\" and a number between 1 and "
               "1000000 behind it";
    }

    class->flush_count = n;

    return NGX_CONF_OK;
}


static char *
ngx_goim_room_class_max_rate(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ngx_int_t  n;

    if (class->max_rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    n = value->len > 2
        && ngx_strcmp(value->data + value->len - 2, "/s") == 0
        ? ngx_atoi(value->data, value->len - 2) : NGX_ERROR;

    if (n < 1 || n > NGX_GOIM_ROOM_CLASS_NUMBER) {
        return "must be a number of messages between 1/s and 1000000/s";
    }

    class->max_rate = n;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_goim_room_class_op(u_char *data, size_t len, int32_t *op)
{
    ngx_int_t  n;

    n = ngx_atoi(data, len);

    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    *op = n;

    return NGX_OK;
}


/* An operation, or the first and the last one of several. */
static ngx_int_t
ngx_goim_room_class_range(ngx_str_t *value, ngx_goim_op_range_t *range)
{
    u_char  *last, *minus;

    last = value->data + value->len;
    minus = ngx_strlchr(value->data, last, '-');

    if (minus == NULL) {
        minus = last;
    }

    if (ngx_goim_room_class_op(value->data, minus - value->data,
                               &range->first)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (minus == last) {
        range->last = range->first;
        return NGX_OK;
    }

    if (ngx_goim_room_class_op(minus + 1, last - minus - 1, &range->last)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return range->first <= range->last ? NGX_OK : NGX_ERROR;
}


static char *
ngx_goim_room_class_priority(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ngx_uint_t            i, n;
    ngx_goim_op_range_t  *range;

    if (class->priority.elts) {
        return "is duplicate";
    }

    n = cf->args->nelts - 1;

    if (n > NGX_GOIM_ROOM_CLASS_RANGES) {
        return "takes at most 16 operations and ranges of them";
    }

    if (ngx_array_init(&class->priority, cf->pool, n,
                       sizeof(ngx_goim_op_range_t))
        != NGX_OK)
    {
        return "needs more memory than there is";
    }

    for (i = 0; i < n; i++) {
        range = ngx_array_push(&class->priority);

        if (ngx_goim_room_class_range(&value[i], range) != NGX_OK) {
            return "takes operations, such as 1001, and ranges of them, such "
                   "as 2000-2099";
        }
    }

    return NGX_CONF_OK;
}


/* clang-format off */
static ngx_goim_room_class_command_t  ngx_goim_room_class_commands[] = {
    { "backlog", ngx_goim_room_class_backlog, 0 },
    { "overflow", ngx_goim_room_class_overflow, 0 },
    { "max_members", ngx_goim_room_class_max_members, 0 },
    { "flush", ngx_goim_room_class_flush, 1 },
    { "max_rate", ngx_goim_room_class_max_rate, 0 },
    { "priority", ngx_goim_room_class_priority, 1 },
    { NULL, NULL, 0 }
};
/* clang-format on */


/* One directive within the block. */
static char *
ngx_goim_room_class_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_goim_room_class_t  *class = conf;

    char                           *rv;
    ngx_str_t                      *value;
    ngx_goim_room_class_command_t  *cmd;

    value = cf->args->elts;
    cmd = ngx_goim_room_class_commands;

    while (cmd->name && ngx_strcmp(value[0].data, cmd->name) != 0) {
        cmd++;
    }

    if (cmd->name == NULL) {
        rv = "is unknown: \"backlog\", \"overflow\", \"max_members\", "
             "\"flush\", \"max_rate\" and \"priority\" may stand here";

    } else if (cf->args->nelts < 2) {
        rv = "needs a value";

    } else if (cf->args->nelts > 2 && !cmd->several) {
        rv = "takes one value";

    } else {
        rv = cmd->set(cf, class, &value[1]);
    }

    if (rv == NGX_CONF_OK) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" in \"goim_room %V\" %s", &value[0],
                       &class->pattern, rv);

    return NGX_CONF_ERROR;
}


ngx_goim_room_class_t *
ngx_goim_room_class_find(ngx_http_goim_main_conf_t *gmcf, u_char *name,
    size_t len)
{
    ngx_uint_t              i;
    ngx_goim_room_class_t  *class;

    class = gmcf->classes.elts;

    for (i = 0; i < gmcf->classes.nelts; i++) {
        if (goim_room_name_matches(class[i].pattern.data, class[i].pattern.len,
                                   name, len))
        {
            return &class[i];
        }
    }

    return &gmcf->default_class;
}


ngx_goim_room_class_t *
ngx_goim_room_class_get(ngx_http_goim_main_conf_t *gmcf, ngx_uint_t i)
{
    ngx_uint_t  n;

    n = gmcf->classes.nelts;

    if (i < n) {
        return (ngx_goim_room_class_t *) gmcf->classes.elts + i;
    }

    return i == n ? &gmcf->default_class : NULL;
}


void
ngx_goim_room_class_init(ngx_http_goim_main_conf_t *gmcf)
{
    ngx_uint_t              i;
    ngx_goim_room_class_t  *class;

    for (i = 0; (class = ngx_goim_room_class_get(gmcf, i)); i++) {
        ngx_queue_init(&class->waiting);

        if (ngx_goim_worker.reader) {
            class->counters = goim_reader_set_class(ngx_goim_worker.reader, i,
                                               (char *) class->pattern.data,
                                               class->pattern.len);
        }
    }
}
