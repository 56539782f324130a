
/*
 * The goim_channel directive, and what the master does with it: the channel's
 * generation is made where nginx makes shared zones.
 */


#include "ngx_goim.h"

#include <grp.h>


static ngx_int_t ngx_goim_channel_init_zone(ngx_shm_zone_t *zone, void *data);


static char *
ngx_goim_channel_mode(ngx_str_t *value, mode_t *mode)
{
    size_t      i;
    ngx_uint_t  m;

    m = 0;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < '0' || value->data[i] > '7' || i == 4) {
            return "\"mode\" must be octal, such as 0660";
        }

        m = m * 8 + (value->data[i] - '0');
    }

    if ((m & 0600) != 0600 || (m & ~0666)) {
        return "\"mode\" must let the owner read and write, and nobody "
               "execute, such as 0660";
    }

    *mode = m;

    return NGX_CONF_OK;
}


static char *
ngx_goim_channel_parameter(ngx_http_goim_main_conf_t *gmcf, ngx_str_t *param)
{
    off_t       size;
    ngx_int_t   n;
    ngx_str_t   value;
    ngx_msec_t  ms;

    value = *param;

#define ngx_goim_channel_is(name)                                             \
    (ngx_strncmp(param->data, name "=", sizeof(name)) == 0                    \
     && (value.data += sizeof(name), value.len -= sizeof(name), 1))

    if (ngx_goim_channel_is("size")) {
        size = ngx_parse_offset(&value);

        if (size < (off_t) GOIM_CHANNEL_MIN_SIZE
            || size > (off_t) GOIM_CHANNEL_MAX_SIZE
            || (size & (size - 1)) != 0)
        {
            return "\"size\" must be a power of two between 4k and 1g";
        }

        gmcf->channel.size = size;
        return NGX_CONF_OK;
    }

    if (ngx_goim_channel_is("lanes")) {
        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > GOIM_CHANNEL_LANES) {
            return "\"lanes\" must be between 1 and 64";
        }

        gmcf->channel.lanes = n;
        return NGX_CONF_OK;
    }

    if (ngx_goim_channel_is("stall")) {
        ms = ngx_parse_time(&value, 0);

        if (ms == (ngx_msec_t) NGX_ERROR || ms < 2000 || ms > 3600000) {
            return "\"stall\" must be a time between 2s and 1h";
        }

        gmcf->channel.stall_ms = ms;
        return NGX_CONF_OK;
    }

    if (ngx_goim_channel_is("group")) {
        if (value.len == 0 || getgrnam((char *) value.data) == NULL) {
            return "\"group\" must be a group of this system";
        }

        gmcf->group = value;
        return NGX_CONF_OK;
    }

    if (ngx_goim_channel_is("mode")) {
        return ngx_goim_channel_mode(&value, &gmcf->channel.mode);
    }

#undef ngx_goim_channel_is

    return "knows the parameters size=, lanes=, stall=, group= and mode=";
}


char *
ngx_goim_channel_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_main_conf_t  *gmcf = conf;

    char        *rv;
    ngx_str_t   *value, name;
    ngx_uint_t   i;

    if (gmcf->path.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    gmcf->channel.size = 32 * 1024 * 1024;
    gmcf->channel.lanes = 1;
    gmcf->channel.stall_ms = 5000;
    gmcf->channel.mode = 0660;

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_goim_channel_parameter(gmcf, &value[i]);

        if (rv != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of "
                               "\"goim_channel\": %s", &value[i], rv);
            return NGX_CONF_ERROR;
        }
    }

    gmcf->cycle = cf->cycle;
    gmcf->path = value[1];

    if (gmcf->path.len == 0
        || ngx_conf_full_name(cf->cycle, &gmcf->path, 0) != NGX_OK
        || gmcf->path.len > GOIM_CHANNEL_PATH_LEN)
    {
        return "takes a path of at most 192 characters";
    }

    /*
     * The zone itself holds nothing: its init is the one place in which the
     * master may still refuse a configuration that has been read.
     */

    ngx_str_set(&name, "goim_channel");

    gmcf->zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                       &ngx_http_goim_module);
    if (gmcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    gmcf->zone->init = ngx_goim_channel_init_zone;
    gmcf->zone->data = gmcf;

    return NGX_CONF_OK;
}


/* The channel's files belong to the workers' user, as far as we may. */
static void
ngx_goim_channel_owner(ngx_http_goim_main_conf_t *gmcf)
{
    struct group     *grp;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(gmcf->cycle->conf_ctx,
                                           ngx_core_module);

    gmcf->channel.uid = (uid_t) -1;
    gmcf->channel.gid = (gid_t) -1;

    if (geteuid() == 0) {
        gmcf->channel.uid = ccf->user;
        gmcf->channel.gid = ccf->group;
    }

    if (gmcf->group.len) {
        grp = getgrnam((char *) gmcf->group.data);

        if (grp != NULL) {
            gmcf->channel.gid = grp->gr_gid;
        }
    }
}


/* Why there is a new generation, where nobody has asked for one. */
static void
ngx_goim_channel_tell(ngx_http_goim_main_conf_t *gmcf,
    ngx_http_goim_main_conf_t *old, int created, ngx_log_t *log)
{
    ngx_uint_t   level;
    const char  *why;

    level = NGX_LOG_WARN;

    switch (created) {

    case GOIM_CHANNEL_KEPT:
        return;

    case GOIM_CHANNEL_REPLACED:
        why = ": the file of the one before is no channel, or damaged";
        break;

    case GOIM_CHANNEL_NO_PIPES:
        why = ": the one before has lost its pipes";
        break;

    default:
        if (old && old->generation && old->channel.size == gmcf->channel.size
            && old->channel.lanes == gmcf->channel.lanes
            && old->path.len == gmcf->path.len
            && ngx_memcmp(old->path.data, gmcf->path.data, old->path.len)
               == 0)
        {
            why = ": the file of the one before has been removed";
            break;
        }

        level = NGX_LOG_NOTICE;
        why = "";
    }

    ngx_log_error(level, log, 0,
                  "goim channel: made generation %uL of \"%V\"%s",
                  gmcf->generation, &gmcf->path, why);
}


/* The zone outlives configurations, and ends with its master. */
static ngx_int_t
ngx_goim_channel_share(ngx_http_goim_main_conf_t *gmcf,
    ngx_http_goim_main_conf_t *old)
{
    struct timespec     ts;
    ngx_goim_shared_t  *shared;

    if (old && old->shared) {
        gmcf->shared = old->shared;
        return NGX_OK;
    }

    shared = ngx_slab_calloc((ngx_slab_pool_t *) gmcf->zone->shm.addr,
                             sizeof(ngx_goim_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    shared->master = ((uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec) | 1;
    gmcf->shared = shared;

    return NGX_OK;
}


static ngx_int_t
ngx_goim_channel_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_goim_main_conf_t  *gmcf = zone->data;

    int           rc, created;
    ngx_log_t    *log;
    goim_error_t  error;

    log = zone->shm.log;
    created = 0;

    gmcf->channel.path = (char *) gmcf->path.data;
    ngx_goim_channel_owner(gmcf);

    if (ngx_test_config) {
        rc = goim_channel_check(&gmcf->channel, &error);

    } else {
        rc = goim_channel_make(&gmcf->channel, &gmcf->generation, &created,
                               &error);
    }

    if (rc != GOIM_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, error.err, "goim channel: %s",
                      error.text);
        return NGX_ERROR;
    }

    ngx_goim_channel_tell(gmcf, data, created, log);

    return ngx_test_config ? NGX_OK : ngx_goim_channel_share(gmcf, data);
}
