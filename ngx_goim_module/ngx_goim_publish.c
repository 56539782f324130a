
/*
 * Client messages: operation 4 goes to the location of goim_publish, and what
 * that answers comes back as operation 5.
 */


#include "ngx_goim.h"


#define NGX_GOIM_PUBLISH_ANSWER  4096  /* bytes of op 5's body at most */


static void ngx_goim_publish_done(ngx_goim_uplink_t *up);


static ngx_uint_t  ngx_goim_publish_n;  /* messages that are asked about */


/* An answer of our own; goim's codes are negative HTTP statuses. */
static ngx_int_t
ngx_goim_publish_refuse(ngx_goim_conn_t *gc, uint16_t ver, int32_t seq,
    ngx_uint_t status)
{
    u_char       body[64], *last;
    const char  *message;

    message = status == NGX_HTTP_SERVICE_UNAVAILABLE ? "busy, try later"
                                                     : "not published";

    last = ngx_snprintf(body, sizeof(body),
                        "{\"code\":-%ui,\"message\":\"%s\"}", status, message);

    return ngx_goim_send_packet(gc, ver, GOIM_OP_SEND_REPLY, seq, body,
                                last - body);
}


ngx_int_t
ngx_goim_publish(ngx_goim_conn_t *gc, const goim_packet_t *packet)
{
    ngx_goim_uplink_t          *up;
    ngx_goim_client_t           client;
    ngx_http_goim_loc_conf_t   *glcf;
    ngx_goim_uplink_request_t   ur;

    glcf = gc->conf;
    up = NULL;

    if (ngx_goim_publish_n < glcf->uplink_max) {
        ngx_goim_conn_client(gc, &client);

        ur.ctx = glcf->server_ctx;
        ur.uri = glcf->publish_uri;
        ur.from = gc->connection;
        ur.client = &client;
        ur.body = packet->body.data;
        ur.len = packet->body.len;
        ngx_str_set(&ur.type, "application/octet-stream");
        ur.max = NGX_GOIM_PUBLISH_ANSWER;
        ur.done = ngx_goim_publish_done;

        up = ngx_goim_uplink_start(&ur);
    }

    if (up == NULL) {
        ngx_goim_count(NGX_GOIM_PUBLISH_BUSY, 1);

        return ngx_goim_publish_refuse(gc, packet->ver, packet->seq,
                                       NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    ngx_goim_publish_n++;

    up->number = gc->connection->number;
    up->ver = packet->ver;
    up->seq = packet->seq;

    /*
     * Nothing more is read until the answer is there: a client's messages
     * keep their order, and it holds one carrier at most.
     */

    gc->publishing = 1;

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_goim_publish_is_answered(ngx_goim_uplink_t *up)
{
    return up->status == NGX_HTTP_OK && up->answer && !up->cut;
}


static ngx_int_t
ngx_goim_publish_reply(ngx_goim_conn_t *gc, ngx_goim_uplink_t *up)
{
    ngx_uint_t  status;

    if (ngx_goim_publish_is_answered(up)) {
        return ngx_goim_send_packet(gc, up->ver, GOIM_OP_SEND_REPLY, up->seq,
                                    up->answer->data, up->answer->end);
    }

    status = up->status >= NGX_HTTP_BAD_REQUEST ? up->status
                                                : NGX_HTTP_BAD_GATEWAY;

    return ngx_goim_publish_refuse(gc, up->ver, up->seq, status);
}


/* The connection may be gone, or be another one with the same key. */
static void
ngx_goim_publish_done(ngx_goim_uplink_t *up)
{
    ngx_goim_conn_t  *gc;

    ngx_goim_publish_n--;

    ngx_goim_count(ngx_goim_publish_is_answered(up) ? NGX_GOIM_PUBLISHED
                                                    : NGX_GOIM_PUBLISH_FAILED,
                   1);

    gc = ngx_goim_key_find(up->client.key.data, up->client.key.len);

    if (gc == NULL || gc->connection->number != up->number) {
        return;
    }

    gc->publishing = 0;

    if (ngx_goim_publish_reply(gc, up) != NGX_OK) {
        ngx_goim_conn_close(gc, NGX_GOIM_BY_BACKLOG);
        return;
    }

    if (ngx_goim_conn_flush(gc) == NGX_OK) {

        /*
         * What is kept, and what waits in the socket, in a turn of its own:
         * answers that need no waiting would follow each other here for as
         * long as the client sends.
         */

        ngx_post_event(gc->connection->read, &ngx_posted_next_events);
    }
}
