
/*
 * A connection as bytes for another worker, and back: which location it has
 * there, and what accepting one from a client would have made.
 */


#include "ngx_goim_handover.h"


#define NGX_GOIM_HANDOVER_RESERVE  16  /* one in so many connections, and fds,
                                          is left to others */


/* the last one that came had one of the last descriptors */
static ngx_uint_t  ngx_goim_handover_full;


/* Configuration: the names of locations, which other configurations know */

static ngx_int_t
ngx_goim_handover_name(ngx_conf_t *cf, ngx_http_goim_loc_conf_t *glcf)
{
    u_char                    *p;
    ngx_str_t                 *server, *location;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = glcf->server_ctx->srv_conf[ngx_http_core_module.ctx_index];
    server = &cscf->server_name;
    location = &glcf->core->name;

    p = ngx_pnalloc(cf->pool, server->len + location->len + 3);
    if (p == NULL) {
        return NGX_ERROR;
    }

    glcf->place.data = p;
    glcf->place.len = ngx_sprintf(p, "%V %s%V", server,
                                  glcf->core->exact_match ? "=" : "", location)
                      - p;

    return NGX_OK;
}


static ngx_int_t
ngx_goim_handover_add_places(ngx_conf_t *cf, ngx_http_goim_main_conf_t *gmcf,
    ngx_http_conf_addr_t *addr)
{
    ngx_uint_t                   i, k;
    ngx_goim_place_t            *place;
    ngx_http_core_srv_conf_t   **cscfp, *cscf;
    ngx_http_goim_loc_conf_t   **glcfp;

    cscfp = addr->servers.elts;
    glcfp = gmcf->locations.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        for (k = 0; k < gmcf->locations.nelts; k++) {
            cscf = glcfp[k]->server_ctx->srv_conf[
                                             ngx_http_core_module.ctx_index];

            if (cscf != cscfp[i]) {
                continue;
            }

            place = ngx_array_push(&gmcf->places);
            if (place == NULL) {
                return NGX_ERROR;
            }

            place->sockaddr = addr->opt.sockaddr;
            place->socklen = addr->opt.socklen;
            place->conf = glcfp[k];
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_goim_handover_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                   i, k;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_goim_loc_conf_t   **glcfp;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_goim_main_conf_t   *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_goim_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    glcfp = gmcf->locations.elts;

    for (i = 0; i < gmcf->locations.nelts; i++) {
        if (ngx_goim_handover_name(cf, glcfp[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (k = 0; k < port[i].addrs.nelts; k++) {
            if (ngx_goim_handover_add_places(cf, gmcf, &addr[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* The same port is enough: one wildcard socket may serve several addresses. */
static ngx_uint_t
ngx_goim_handover_is_near(struct sockaddr *one, socklen_t one_len,
    struct sockaddr *other, socklen_t other_len)
{
    return one->sa_family == other->sa_family
           && one->sa_family != AF_UNIX
           && ngx_inet_get_port(one) == ngx_inet_get_port(other);
}


static ngx_http_goim_loc_conf_t *
ngx_goim_handover_find_place(const goim_str_t *name, struct sockaddr *sa,
    socklen_t socklen)
{
    ngx_uint_t                 i;
    ngx_goim_place_t          *place;
    ngx_http_goim_loc_conf_t  *near;

    near = NULL;
    place = ngx_goim_worker.conf->places.elts;

    for (i = 0; i < ngx_goim_worker.conf->places.nelts; i++) {

        if (place[i].conf->place.len != name->len
            || ngx_memcmp(place[i].conf->place.data, name->data, name->len)
               != 0)
        {
            continue;
        }

        if (ngx_cmp_sockaddr(place[i].sockaddr, place[i].socklen, sa, socklen,
                             1)
            == NGX_OK)
        {
            return place[i].conf;
        }

        if (near == NULL
            && ngx_goim_handover_is_near(place[i].sockaddr, place[i].socklen,
                                         sa, socklen))
        {
            near = place[i].conf;
        }
    }

    return near;
}


static ngx_listening_t *
ngx_goim_handover_find_listening(struct sockaddr *sa, socklen_t socklen)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls, *near;

    near = NULL;
    ls = ngx_goim_worker.cycle->listening.elts;

    for (i = 0; i < ngx_goim_worker.cycle->listening.nelts; i++) {

        if (ls[i].type != SOCK_STREAM) {
            continue;
        }

        if (ngx_cmp_sockaddr(ls[i].sockaddr, ls[i].socklen, sa, socklen, 1)
            == NGX_OK)
        {
            return &ls[i];
        }

        if (near == NULL
            && ngx_goim_handover_is_near(ls[i].sockaddr, ls[i].socklen, sa,
                                         socklen))
        {
            near = &ls[i];
        }
    }

    return near;
}


/* To bytes */

static void
ngx_goim_handover_set(goim_handover_conn_t *state, ngx_uint_t i,
    const void *data, size_t len)
{
    state->strings[i].data = data;
    state->strings[i].len = len;
}


static void
ngx_goim_handover_set_out(goim_handover_conn_t *state, ngx_uint_t i,
    ngx_goim_out_t *out)
{
    if (out) {
        ngx_goim_handover_set(state, i, out->data + out->start,
                              out->end - out->start);
    }
}


/* What the PROXY protocol's variables tell. */
static void
ngx_goim_handover_set_proxy(goim_handover_conn_t *state,
    const ngx_proxy_protocol_t *pp)
{
    if (pp == NULL) {
        return;
    }

    state->flags |= GOIM_HANDOVER_PROXY;
    state->proxy_from = pp->src_port;
    state->proxy_to = pp->dst_port;

    ngx_goim_handover_set(state, GOIM_HANDOVER_PROXY_FROM, pp->src_addr.data,
                          pp->src_addr.len);
    ngx_goim_handover_set(state, GOIM_HANDOVER_PROXY_TO, pp->dst_addr.data,
                          pp->dst_addr.len);
#if (nginx_version >= 1023002)
    ngx_goim_handover_set(state, GOIM_HANDOVER_PROXY_MORE, pp->tlvs.data,
                          pp->tlvs.len);
#endif
}


void
ngx_goim_handover_pack(ngx_goim_conn_t *gc, goim_handover_conn_t *state,
    u_char *id)
{
    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = gc->connection;

    ngx_memzero(state, sizeof(goim_handover_conn_t));

    state->mid = gc->id->mid;
    state->sent_bytes = c->sent;
    state->age_ms = ngx_current_msec - c->start_time;
    state->silent_ms = ngx_goim_heartbeat_silent(gc);
    state->heartbeat_ms = gc->id->heartbeat;
    state->sent = gc->sent;
    state->opened = gc->opened;
    state->features = gc->id->features;
    state->utf8 = gc->utf8;
    state->flags = (gc->transport == NGX_GOIM_TCP ? GOIM_HANDOVER_TCP : 0)
                   | (gc->text ? GOIM_HANDOVER_TEXT : 0);

    for (i = 0; i < NGX_GOIM_SKIPS && i < GOIM_HANDOVER_SKIPS; i++) {
        state->skipped[i] = ngx_goim_conn_skipped(gc, i);
    }

    if (gc->out) {
        state->messages = gc->out->messages;
        state->room_messages = gc->out->saved_messages;
    }

    if (gc->room) {
        state->max_members = gc->room->class->max_members;
        ngx_goim_handover_set(state, GOIM_HANDOVER_ROOM, gc->room->name,
                              gc->room->name_len);
    }

    ngx_goim_handover_set(state, GOIM_HANDOVER_PLACE, gc->conf->place.data,
                          gc->conf->place.len);
    ngx_goim_handover_set(state, GOIM_HANDOVER_LISTEN, c->listening->sockaddr,
                          c->listening->socklen);
    ngx_goim_handover_set(state, GOIM_HANDOVER_PEER, c->sockaddr, c->socklen);
    ngx_goim_handover_set(state, GOIM_HANDOVER_ADDR, c->addr_text.data,
                          c->addr_text.len);
    ngx_goim_handover_set(state, GOIM_HANDOVER_KEY,
                          ngx_goim_identity_key(gc->id), gc->id->key_len);
    ngx_goim_handover_set(state, GOIM_HANDOVER_ID, id,
                          ngx_goim_conn_id(gc, id));
    ngx_goim_handover_set(state, GOIM_HANDOVER_ACCEPTS, gc->id->accepts,
                          gc->id->naccepts * sizeof(int32_t));

    ngx_goim_handover_set_out(state, GOIM_HANDOVER_OUT, gc->out);
    ngx_goim_handover_set_out(state, GOIM_HANDOVER_IN, gc->in);
    ngx_goim_handover_set_out(state, GOIM_HANDOVER_MESSAGE, gc->message);

    ngx_goim_handover_set_proxy(state, c->proxy_protocol);
}


/* From bytes */

/* What is left is for those that this worker accepts itself. */
ngx_uint_t
ngx_goim_handover_room(void)
{
    ngx_uint_t  reserve;

    reserve = ngx_cycle->connection_n / NGX_GOIM_HANDOVER_RESERVE;

    return ngx_goim_handover_full || ngx_cycle->free_connection_n <= reserve
           ? 0 : ngx_cycle->free_connection_n - reserve;
}


static ngx_uint_t
ngx_goim_handover_has_place(ngx_socket_t fd)
{
    struct rlimit  rlmt;

    static rlim_t  fds;

    if (fds == 0) {
        fds = getrlimit(RLIMIT_NOFILE, &rlmt) == 0 ? rlmt.rlim_cur
                                                   : RLIM_INFINITY;
    }

    ngx_goim_handover_full =
        (rlim_t) fd >= fds - fds / NGX_GOIM_HANDOVER_RESERVE;

    return ngx_goim_handover_room() != 0;
}


static ngx_int_t
ngx_goim_handover_get(ngx_connection_t *c, ngx_str_t *text,
    const goim_str_t *bytes)
{
    ngx_str_t  s;

    s.data = (u_char *) bytes->data;
    s.len = bytes->len;

    text->len = bytes->len;
    text->data = ngx_pstrdup(c->pool, &s);

    return text->data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_goim_handover_get_proxy(ngx_connection_t *c,
    const goim_handover_conn_t *state)
{
    const goim_str_t      *strings;
    ngx_proxy_protocol_t  *pp;

    if (!(state->flags & GOIM_HANDOVER_PROXY)) {
        return NGX_OK;
    }

    pp = ngx_pcalloc(c->pool, sizeof(ngx_proxy_protocol_t));
    if (pp == NULL) {
        return NGX_ERROR;
    }

    c->proxy_protocol = pp;
    strings = state->strings;

    pp->src_port = state->proxy_from;
    pp->dst_port = state->proxy_to;

    if (ngx_goim_handover_get(c, &pp->src_addr,
                              &strings[GOIM_HANDOVER_PROXY_FROM]) != NGX_OK
        || ngx_goim_handover_get(c, &pp->dst_addr,
                                 &strings[GOIM_HANDOVER_PROXY_TO]) != NGX_OK)
    {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023002)
    return ngx_goim_handover_get(c, &pp->tlvs,
                                 &strings[GOIM_HANDOVER_PROXY_MORE]);
#else
    return NGX_OK;
#endif
}


static ngx_int_t
ngx_goim_handover_set_addr(ngx_connection_t *c,
    const goim_handover_conn_t *state)
{
    const goim_str_t  *peer;

    peer = &state->strings[GOIM_HANDOVER_PEER];

    c->sockaddr = ngx_palloc(c->pool, ngx_max(peer->len,
                                              sizeof(struct sockaddr)));

    if (c->sockaddr == NULL
        || ngx_goim_handover_get(c, &c->addr_text,
                                 &state->strings[GOIM_HANDOVER_ADDR])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, peer->data, peer->len);
    c->socklen = peer->len;

    c->local_sockaddr = c->listening->sockaddr;
    c->local_socklen = c->listening->socklen;

    return NGX_OK;
}


/* As ngx_event_accept() makes one; from here on ngx_http_close_connection()
 * ends it. */
static ngx_connection_t *
ngx_goim_handover_connection(const goim_handover_conn_t *state,
    ngx_socket_t fd, ngx_listening_t *ls, ngx_http_goim_loc_conf_t *glcf)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        (void) ngx_close_socket(fd);
        return NULL;
    }

    c->pool = ngx_create_pool(ls->pool_size, ngx_cycle->log);
    if (c->pool == NULL) {
        ngx_close_connection(c);
        return NULL;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    c->type = SOCK_STREAM;
    c->listening = ls;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec - state->age_ms;
    c->sent = state->sent_bytes;

    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;
    c->log_error = NGX_ERROR_INFO;
    c->tcp_nodelay = NGX_TCP_NODELAY_SET;

    c->read->ready = 1;
    c->write->ready = 1;
    c->read->handler = ngx_goim_conn_read_handler;
    c->write->handler = ngx_goim_conn_write_handler;

    if (ngx_goim_request_set_log(c, &ls->log, "serving goim client") != NGX_OK
        || ngx_goim_handover_set_addr(c, state) != NGX_OK
        || ngx_goim_handover_get_proxy(c, state) != NGX_OK)
    {
        ngx_http_close_connection(c);
        return NULL;
    }

    ngx_set_connection_log(c, glcf->core->error_log);

    return c;
}


/* A room that takes fewer than it did may not take this one. */
static ngx_uint_t
ngx_goim_handover_is_admitted(const goim_handover_conn_t *state,
    ngx_str_t *room)
{
    ngx_goim_room_class_t  *class;

    if (room->len == 0) {
        return 1;
    }

    class = ngx_goim_room_class_find(ngx_goim_worker.conf, room->data,
                                     room->len);

    return class->max_members == 0
           || (state->max_members && state->max_members <= class->max_members)
           || ngx_goim_room_takes_over(class, room);
}


static ngx_int_t
ngx_goim_handover_copy(ngx_goim_out_t **out, const goim_str_t *bytes)
{
    return bytes->len ? ngx_goim_out_append(out, bytes->data, bytes->len)
                      : NGX_OK;
}


static ngx_int_t
ngx_goim_handover_fill(ngx_goim_conn_t *gc, const goim_handover_conn_t *state)
{
    ngx_uint_t  i;

    gc->id = ngx_goim_identity_restore(state, gc->connection->log);

    if (gc->id == NULL
        || ngx_goim_handover_copy(&gc->out, &state->strings[GOIM_HANDOVER_OUT])
           != NGX_OK
        || ngx_goim_handover_copy(&gc->in, &state->strings[GOIM_HANDOVER_IN])
           != NGX_OK
        || ngx_goim_handover_copy(&gc->message,
                                  &state->strings[GOIM_HANDOVER_MESSAGE])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    gc->transport = state->flags & GOIM_HANDOVER_TCP ? NGX_GOIM_TCP
                                                     : NGX_GOIM_WEBSOCKET;
    gc->text = (state->flags & GOIM_HANDOVER_TEXT) != 0;
    gc->utf8 = state->utf8;
    gc->opened = state->opened;
    gc->sent = state->sent;
    for (i = 0; i < NGX_GOIM_SKIPS && i < GOIM_HANDOVER_SKIPS; i++) {
        gc->skipped[i] = state->skipped[i];
    }

    return NGX_OK;
}


/* What is pending is more than its queue may hold, and partly its room's. */
static void
ngx_goim_handover_account(ngx_goim_conn_t *gc,
    const goim_handover_conn_t *state)
{
    if (gc->out) {
        gc->out->messages = state->messages;
        gc->out->saved = gc->out->end;

        if (gc->room) {
            gc->out->saved_messages = state->room_messages;
            gc->out->saved_class = gc->room->class;
        }
    }
}


ngx_goim_conn_t *
ngx_goim_handover_unpack(const goim_handover_conn_t *state, ngx_socket_t fd)
{
    ngx_str_t                  room;
    ngx_sockaddr_t             sa;
    ngx_goim_conn_t           *gc;
    ngx_listening_t           *ls;
    ngx_connection_t          *c;
    const goim_str_t          *listen;
    ngx_http_goim_loc_conf_t  *glcf;

    listen = &state->strings[GOIM_HANDOVER_LISTEN];
    room.data = (u_char *) state->strings[GOIM_HANDOVER_ROOM].data;
    room.len = state->strings[GOIM_HANDOVER_ROOM].len;

    ngx_memzero(&sa, sizeof(ngx_sockaddr_t));
    ngx_memcpy(&sa, listen->data, ngx_min(listen->len, sizeof(sa)));

    ls = ngx_goim_handover_find_listening(&sa.sockaddr, listen->len);
    glcf = ngx_goim_handover_find_place(&state->strings[GOIM_HANDOVER_PLACE],
                                        &sa.sockaddr, listen->len);

    if (ls == NULL || glcf == NULL || !ngx_goim_handover_has_place(fd)
        || (room.len && goim_room_name_check(room.data, room.len) != GOIM_OK)
        || !ngx_goim_handover_is_admitted(state, &room))
    {
        (void) ngx_close_socket(fd);
        return NULL;
    }

    c = ngx_goim_handover_connection(state, fd, ls, glcf);
    if (c == NULL) {
        return NULL;
    }

    gc = ngx_goim_conn_create(c, glcf);
    if (gc == NULL) {
        ngx_http_close_connection(c);
        return NULL;
    }

    c->data = gc;

    if (ngx_goim_handover_fill(gc, state) != NGX_OK) {
        ngx_goim_conn_destroy(gc);
        ngx_http_close_connection(c);
        return NULL;
    }

    if (ngx_goim_conn_adopt(gc, &room, state->silent_ms) != NGX_OK) {
        ngx_goim_conn_moved(gc);
        return NULL;
    }

    ngx_goim_handover_account(gc, state);

    return gc;
}
