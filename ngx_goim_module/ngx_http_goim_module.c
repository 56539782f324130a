
/*
 * The directives of ngx_goim, their configurations, and the module's hooks
 * into master and workers.  No behaviour.
 */


#include "ngx_goim.h"


#define NGX_HTTP_GOIM_SERVER_ID   128  /* bytes */

#define NGX_HTTP_GOIM_MAX_PACKET  (GOIM_PACKET_HEADER_LEN                     \
                                   + GOIM_PACKET_MAX_BODY)


static ngx_int_t ngx_http_goim_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_goim_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_goim_init_process(ngx_cycle_t *cycle);
static void ngx_http_goim_exit_process(ngx_cycle_t *cycle);

static void *ngx_http_goim_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_goim_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_goim_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_goim_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_goim_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_goim_session(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_goim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_goim_tcp(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_goim_uri(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_goim_identity(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_goim_time(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_goim_packet_size(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_goim_number(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_goim_pending_size(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_goim_time_post = { ngx_http_goim_time };
static ngx_conf_post_t  ngx_http_goim_packet_post = {
    ngx_http_goim_packet_size
};
static ngx_conf_post_t  ngx_http_goim_number_post = { ngx_http_goim_number };
static ngx_conf_post_t  ngx_http_goim_pending_post = {
    ngx_http_goim_pending_size
};


/* clang-format off */
static ngx_command_t  ngx_http_goim_commands[] = {

    { ngx_string("goim_channel"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_goim_channel_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_server_id"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_goim_main_conf_t, server_id),
      NULL },

    { ngx_string("goim_room"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_goim_room_class_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_max_pending"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_goim_main_conf_t, max_pending),
      &ngx_http_goim_pending_post },

    { ngx_string("goim_drain"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_goim_main_conf_t, drain),
      NULL },

    { ngx_string("goim_handover"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_goim_main_conf_t, handover),
      NULL },

    { ngx_string("goim_session"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_goim_session,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_goim,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_tcp"),
      NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_goim_tcp,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_goim_uri,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, auth_uri),
      NULL },

    { ngx_string("goim_publish"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_goim_uri,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, publish_uri),
      NULL },

    { ngx_string("goim_uplink_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, uplink_max),
      &ngx_http_goim_number_post },

    { ngx_string("goim_identity"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_goim_identity,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, identity),
      NULL },

    { ngx_string("goim_auth_fallback"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_goim_identity,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, fallback),
      NULL },

    { ngx_string("goim_handshake_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, handshake_timeout),
      &ngx_http_goim_time_post },

    { ngx_string("goim_heartbeat"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, heartbeat),
      &ngx_http_goim_time_post },

    { ngx_string("goim_max_packet"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_goim_loc_conf_t, max_packet),
      &ngx_http_goim_packet_post },

    { ngx_string("goim_packet_rate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_goim_packet_rate_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_access_log"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_goim_access_log_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("goim_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_goim_status_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};
/* clang-format on */


static ngx_http_module_t  ngx_http_goim_module_ctx = {
    ngx_goim_variables_add,         /* preconfiguration */
    ngx_http_goim_postconfiguration, /* postconfiguration */

    ngx_http_goim_create_main_conf, /* create main configuration */
    ngx_http_goim_init_main_conf,   /* init main configuration */

    ngx_http_goim_create_srv_conf,  /* create server configuration */
    NULL,                           /* merge server configuration */

    ngx_http_goim_create_loc_conf,  /* create location configuration */
    ngx_http_goim_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_goim_module = {
    NGX_MODULE_V1,
    &ngx_http_goim_module_ctx,      /* module context */
    ngx_http_goim_commands,         /* module directives */
    NGX_HTTP_MODULE,                /* module type */
    NULL,                           /* init master */
    ngx_http_goim_init_module,      /* init module */
    ngx_http_goim_init_process,     /* init process */
    NULL,                           /* init thread */
    NULL,                           /* exit thread */
    ngx_http_goim_exit_process,     /* exit process */
    NULL,                           /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_goim_worker_t  ngx_goim_worker;


static ngx_int_t
ngx_http_goim_postconfiguration(ngx_conf_t *cf)
{
    if (ngx_goim_listen_postconfiguration(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_goim_handover_postconfiguration(cf) != NGX_OK
        || ngx_goim_access_log_postconfiguration(cf) != NGX_OK
        || ngx_goim_uplink_postconfiguration(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_goim_limit_conn_postconfiguration(cf);
}


/*
 * Not before all is read: either may come first.  The log is that of nginx's
 * own warnings about a configuration; the new one may leave warnings out.
 */
static void
ngx_http_goim_check_drain(ngx_cycle_t *cycle, ngx_http_goim_main_conf_t *gmcf)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->shutdown_timeout && ccf->shutdown_timeout < gmcf->drain) {
        ngx_log_error(NGX_LOG_WARN, cycle->old_cycle->log, 0,
                      "\"worker_shutdown_timeout\" (%Mms) ends connections "
                      "all at once before \"goim_drain\" (%Mms) has let them "
                      "go evenly: it should be longer than \"goim_drain\"",
                      ccf->shutdown_timeout, gmcf->drain);
    }
}


/* Never an error: it would end the master. */
static ngx_int_t
ngx_http_goim_init_module(ngx_cycle_t *cycle)
{
    ngx_http_goim_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_goim_module);

    if (gmcf && gmcf->path.len) {
        ngx_http_goim_check_drain(cycle, gmcf);

        if (gmcf->shared) {

            /* all of the configuration is taken on: workers follow */

            gmcf->shared->handover = gmcf->handover;
            gmcf->reload = ngx_atomic_fetch_add(&gmcf->shared->reload, 1) + 1;
        }
    }

    if (gmcf && gmcf->tcp) {
        ngx_goim_listen_init(cycle);
    }

    return NGX_OK;
}


/*
 * An error returned here would end the worker, and its successors with it: a
 * worker that can't take part serves everything else.
 */
static ngx_int_t
ngx_http_goim_init_process(ngx_cycle_t *cycle)
{
    ngx_http_goim_main_conf_t  *gmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (ngx_get_conf(cycle->conf_ctx, ngx_http_module) == NULL) {
        return NGX_OK;
    }

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_goim_module);

    if (gmcf == NULL || gmcf->path.len == 0) {
        return NGX_OK;
    }

    ngx_goim_worker.cycle = cycle;
    ngx_goim_worker.conf = gmcf;

    ngx_goim_heartbeat_init();
    ngx_goim_memory_init();
    ngx_goim_sweep_init();
    ngx_goim_broadcast_init();

    if (ngx_goim_room_init(cycle->log) != NGX_OK
        || ngx_goim_key_init(cycle->log) != NGX_OK
        || ngx_goim_uplink_init(cycle->log) != NGX_OK)
    {
        return NGX_OK;
    }

    ngx_goim_channel_open(cycle);
    ngx_goim_room_class_init(gmcf);
    ngx_goim_session_init();
    ngx_goim_handover_listen(cycle);

    return NGX_OK;
}


static void
ngx_http_goim_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_goim_worker.conf) {
        ngx_goim_handover_unlisten();
        ngx_goim_channel_close();
    }
}


static void *
ngx_http_goim_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_goim_main_conf_t  *gmcf;

    gmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_goim_main_conf_t));
    if (gmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&gmcf->classes, cf->pool, 4,
                       sizeof(ngx_goim_room_class_t))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&gmcf->locations, cf->pool, 4,
                       sizeof(ngx_http_goim_loc_conf_t *))
        != NGX_OK
        || ngx_array_init(&gmcf->places, cf->pool, 4,
                          sizeof(ngx_goim_place_t))
           != NGX_OK)
    {
        return NULL;
    }

    gmcf->drain = NGX_CONF_UNSET_MSEC;
    gmcf->handover = NGX_CONF_UNSET;
    gmcf->max_pending = NGX_CONF_UNSET;

    ngx_str_set(&gmcf->default_class.pattern, "*");
    gmcf->default_class.backlog = 256 * 1024;
    gmcf->default_class.overflow = NGX_GOIM_OVERFLOW_SKIP;

    return gmcf;
}


/* It stands in Kafka messages, HTTP headers and JSON as it is. */
static char *
ngx_http_goim_check_server_id(ngx_conf_t *cf, ngx_str_t *id)
{
    size_t  i;

    for (i = 0; i < id->len; i++) {
        if (id->data[i] <= ' ' || id->data[i] > '~' || id->data[i] == '"'
            || id->data[i] == '\\')
        {
            break;
        }
    }

    if (id->len && i == id->len && id->len <= NGX_HTTP_GOIM_SERVER_ID) {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"goim_server_id\" must be 1 to 128 visible ASCII "
                  "characters without quotes and backslashes, not \"%V\"",
                  id);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_goim_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_goim_main_conf_t  *gmcf = conf;

    ngx_conf_init_msec_value(gmcf->drain, 60000);
    ngx_conf_init_value(gmcf->handover, 1);

    if (gmcf->max_pending == NGX_CONF_UNSET) {
        gmcf->max_pending = 128 * 1024 * 1024;
    }

    if (gmcf->session_uri.len && gmcf->session_ctx == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"goim_session\" needs a server with a \"goim\" "
                      "location, whose connections it reports");
        return NGX_CONF_ERROR;
    }

    if (gmcf->server_id.data == NULL) {
        gmcf->server_id = cf->cycle->hostname;
    }

    return ngx_http_goim_check_server_id(cf, &gmcf->server_id);
}


static void *
ngx_http_goim_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_goim_srv_conf_t));
}


static void *
ngx_http_goim_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_goim_loc_conf_t  *glcf;

    glcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_goim_loc_conf_t));
    if (glcf == NULL) {
        return NULL;
    }

    glcf->enabled = NGX_CONF_UNSET;
    glcf->auth_uri.data = NGX_CONF_UNSET_PTR;
    glcf->publish_uri.data = NGX_CONF_UNSET_PTR;
    glcf->uplink_max = NGX_CONF_UNSET;
    glcf->identity = NGX_CONF_UNSET_PTR;
    glcf->fallback = NGX_CONF_UNSET_PTR;
    glcf->handshake_timeout = NGX_CONF_UNSET_MSEC;
    glcf->heartbeat = NGX_CONF_UNSET_MSEC;
    glcf->max_packet = NGX_CONF_UNSET_SIZE;
    glcf->packet_rate = NGX_CONF_UNSET_UINT;
    glcf->packet_burst = NGX_CONF_UNSET_UINT;

    return glcf;
}


static void
ngx_http_goim_merge_uri(ngx_str_t *conf, ngx_str_t *prev)
{
    if (conf->data != NGX_CONF_UNSET_PTR) {
        return;
    }

    *conf = *prev;

    if (conf->data == NGX_CONF_UNSET_PTR) {
        ngx_str_null(conf);
    }
}


static char *
ngx_http_goim_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_goim_loc_conf_t  *prev = parent;
    ngx_http_goim_loc_conf_t  *conf = child;

    ngx_http_goim_main_conf_t  *gmcf;

    ngx_http_goim_merge_uri(&conf->auth_uri, &prev->auth_uri);
    ngx_http_goim_merge_uri(&conf->publish_uri, &prev->publish_uri);
    ngx_conf_merge_uint_value(conf->uplink_max, prev->uplink_max, 64);
    ngx_conf_merge_ptr_value(conf->identity, prev->identity, NULL);
    ngx_conf_merge_ptr_value(conf->fallback, prev->fallback, NULL);
    ngx_conf_merge_msec_value(conf->handshake_timeout,
                              prev->handshake_timeout, 8000);
    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat, 480000);
    ngx_conf_merge_size_value(conf->max_packet, prev->max_packet,
                              NGX_HTTP_GOIM_MAX_PACKET);
    ngx_conf_merge_uint_value(conf->packet_rate, prev->packet_rate, 0);
    ngx_conf_merge_uint_value(conf->packet_burst, prev->packet_burst, 1);

    if (conf->access_log == NULL) {
        conf->access_log = prev->access_log;
    }

    if (conf->enabled != 1) {
        return NGX_CONF_OK;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_goim_module);

    if (gmcf->path.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"goim\" needs \"goim_channel\" at the http level");
        return NGX_CONF_ERROR;
    }

    if (conf->auth_uri.len == 0 && conf->identity == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"goim\" needs \"goim_auth\" or \"goim_identity\", "
                      "or nobody could ever be authenticated");
        return NGX_CONF_ERROR;
    }

    return ngx_goim_access_log_merge(cf, conf);
}


/* A time behind the name of a parameter, in ms. */
static ngx_int_t
ngx_http_goim_time_parameter(ngx_str_t *param, size_t name, ngx_msec_t max,
    ngx_msec_t *value)
{
    ngx_str_t  text;

    text.data = param->data + name;
    text.len = param->len - name;

    *value = ngx_parse_time(&text, 0);

    return *value == (ngx_msec_t) NGX_ERROR || *value < 100 || *value > max
           ? NGX_ERROR : NGX_OK;
}


static char *
ngx_http_goim_session(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_main_conf_t  *gmcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (gmcf->session_uri.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].data[0] != '/') {
        return "takes the uri of a location, beginning with \"/\"";
    }

    gmcf->session_uri = value[1];
    gmcf->session_interval = 1000;
    gmcf->session_renew = 600000;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "interval=", 9) == 0) {
            if (ngx_http_goim_time_parameter(&value[i], 9, 60000,
                                             &gmcf->session_interval)
                != NGX_OK)
            {
                return "takes an \"interval\" between 100ms and 1m";
            }

        } else if (ngx_strncmp(value[i].data, "renew=", 6) == 0) {
            if (ngx_http_goim_time_parameter(&value[i], 6, 86400000,
                                             &gmcf->session_renew)
                != NGX_OK)
            {
                return "takes a \"renew\" between 100ms and 1d";
            }

        } else {
            return "knows the parameters interval= and renew=";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_goim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_loc_conf_t  *glcf = conf;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_goim_loc_conf_t  **lp;
    ngx_http_goim_main_conf_t *gmcf;

    if (glcf->enabled != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    glcf->enabled = 1;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    glcf->server_ctx = cscf->ctx;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_goim_module);

    if (gmcf->session_ctx == NULL) {
        gmcf->session_ctx = cscf->ctx;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_goim_handshake_handler;
    glcf->core = clcf;

    lp = ngx_array_push(&gmcf->locations);
    if (lp == NULL) {
        return NGX_CONF_ERROR;
    }

    *lp = glcf;

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_tcp(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_goim_srv_conf_t  *gscf = conf;

    ngx_str_t  *value;

    if (gscf->tcp_uri.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].data[0] != '/') {
        return "takes the uri of a location with \"goim\", beginning with "
               "\"/\"";
    }

    gscf->tcp_uri = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_uri(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value, *uri;

    uri = (ngx_str_t *) ((u_char *) conf + cmd->offset);

    if (uri->data != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_null(uri);
        return NGX_CONF_OK;
    }

    if (value[1].data[0] != '/') {
        return "takes the uri of a location, beginning with \"/\", or \"off\"";
    }

    *uri = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_identity(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    size_t                              len;
    ngx_str_t                          *value, text;
    ngx_uint_t                          i, k;
    ngx_goim_identity_conf_t           *gic, **result;
    ngx_http_complex_value_t          **slot;
    ngx_http_compile_complex_value_t    ccv;

    static struct {
        ngx_str_t   name;
        ngx_uint_t  offset;
    } fields[] = {
        { ngx_string("mid="), offsetof(ngx_goim_identity_conf_t, mid) },
        { ngx_string("key="), offsetof(ngx_goim_identity_conf_t, key) },
        { ngx_string("room="), offsetof(ngx_goim_identity_conf_t, room) },
        { ngx_string("accepts="),
          offsetof(ngx_goim_identity_conf_t, accepts) },
        { ngx_string("features="),
          offsetof(ngx_goim_identity_conf_t, features) },
        { ngx_null_string, 0 }
    };

    result = (ngx_goim_identity_conf_t **) ((u_char *) conf + cmd->offset);

    if (*result != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        *result = NULL;
        return NGX_CONF_OK;
    }

    gic = ngx_pcalloc(cf->pool, sizeof(ngx_goim_identity_conf_t));
    if (gic == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; fields[k].name.len; k++) {
            len = fields[k].name.len;

            if (value[i].len >= len
                && ngx_strncmp(value[i].data, fields[k].name.data, len) == 0)
            {
                break;
            }
        }

        slot = (ngx_http_complex_value_t **)
                   ((u_char *) gic + fields[k].offset);

        if (fields[k].name.len == 0 || *slot != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": it must be mid=, "
                               "key=, room=, accepts= or features=, each "
                               "once",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        text.data = value[i].data + fields[k].name.len;
        text.len = value[i].len - fields[k].name.len;

        *slot = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (*slot == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &text;
        ccv.complex_value = *slot;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    *result = gic;

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_time(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t  *msp = data;

    if (*msp < 100 || *msp > 86400000) {
        return "must be between 100ms and 1d";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_packet_size(ngx_conf_t *cf, void *post, void *data)
{
    size_t  *sp = data;

    if (*sp < GOIM_PACKET_HEADER_LEN || *sp > NGX_GOIM_PACKET_LIMIT) {
        return "must be between 16 (a packet's header) and 1m";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_number(ngx_conf_t *cf, void *post, void *data)
{
    ngx_int_t  *np = data;

    if (*np < 1 || *np > 65535) {
        return "must be between 1 and 65535";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_goim_pending_size(ngx_conf_t *cf, void *post, void *data)
{
    off_t  *op = data;

    if (*op < 1024 * 1024 || *op > (off_t) 64 * 1024 * 1024 * 1024) {
        return "must be between 1m and 64g";
    }

    return NGX_CONF_OK;
}
