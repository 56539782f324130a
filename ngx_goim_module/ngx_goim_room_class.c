
/*
 * Room classes: the goim_room block, and which class a room belongs to.
 */


#include "ngx_goim.h"


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

    return NGX_CONF_OK;
}


static char *
ngx_goim_room_class_backlog(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ssize_t  size;

    if (class->backlog != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    size = ngx_parse_size(value);

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


static char *
ngx_goim_room_class_flush(ngx_conf_t *cf, ngx_goim_room_class_t *class,
    ngx_str_t *value)
{
    ngx_msec_t  ms;

    if (class->flush != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    ms = ngx_parse_time(value, 0);

    if (ms == (ngx_msec_t) NGX_ERROR || ms > 60000) {
        return "must be a time of at most 1m, 0 for none";
    }

    class->flush = ms;

    return NGX_CONF_OK;
}


/* One directive within the block. */
static char *
ngx_goim_room_class_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_goim_room_class_t  *class = conf;

    char        *rv;
    ngx_str_t   *value;

    value = cf->args->elts;

    if (cf->args->nelts != 2) {
        rv = "takes one value";

    } else if (ngx_strcmp(value[0].data, "backlog") == 0) {
        rv = ngx_goim_room_class_backlog(cf, class, &value[1]);

    } else if (ngx_strcmp(value[0].data, "overflow") == 0) {
        rv = ngx_goim_room_class_overflow(cf, class, &value[1]);

    } else if (ngx_strcmp(value[0].data, "max_members") == 0) {
        rv = ngx_goim_room_class_max_members(cf, class, &value[1]);

    } else if (ngx_strcmp(value[0].data, "flush") == 0) {
        rv = ngx_goim_room_class_flush(cf, class, &value[1]);

    } else {
        rv = "is unknown: \"backlog\", \"overflow\", \"max_members\" and "
             "\"flush\" may stand here";
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


void
ngx_goim_room_class_init(ngx_http_goim_main_conf_t *gmcf)
{
    ngx_uint_t              i, n;
    ngx_goim_room_class_t  *class;

    n = gmcf->classes.nelts;

    for (i = 0; i <= n; i++) {
        class = i < n ? (ngx_goim_room_class_t *) gmcf->classes.elts + i
                      : &gmcf->default_class;

        ngx_queue_init(&class->waiting);

        if (ngx_goim_worker.reader) {
            class->counters = goim_reader_set_class(ngx_goim_worker.reader, i,
                                               (char *) class->pattern.data,
                                               class->pattern.len);
        }
    }
}
