/*
 * Takes a client's own message (operation 4) and pushes it to the client's
 * room.  The body of the answer is what the client gets as operation 5, so its
 * status is 200 whatever became of the message.
 */

#include <stdio.h>
#include <string.h>

#include "goim_room_name.h"
#include "ls_endpoints.h"
#include "ls_push.h"


static void
ls_publish_answer(ls_call_t *call, int rc, const char *why)
{
    struct evbuffer  *buf;

    if (rc != GOIM_OK) {
        ls_call_result(call, rc == GOIM_INVALID ? LS_CODE_BAD : LS_CODE_SERVER,
                       why);
        return;
    }

    buf = evbuffer_new();

    if (buf) {
        evbuffer_add(buf, "{\"code\":0}", 10);
    }

    ls_call_reply(call, buf ? 200 : 500, LS_HTTP_JSON, buf);

    if (buf) {
        evbuffer_free(buf);
    }
}


void
ls_publish(ls_call_t *call)
{
    char        message[64];
    goim_str_t  body, room;
    ls_conf_t  *conf = call->ls->conf;

    room.data = (const uint8_t *) ls_call_header(call, "X-Goim-Room");
    room.len = strlen((const char *) room.data);

    if (room.len == 0) {
        ls_call_result(call, LS_CODE_BAD, "join a room first");
        return;
    }

    if (goim_room_name_check(room.data, room.len) != GOIM_OK) {
        ls_call_result(call, LS_CODE_BAD, "the room's name can't be used");
        return;
    }

    body = ls_call_body(call);

    if (body.len == 0) {
        ls_call_result(call, LS_CODE_BAD, "the message is empty");
        return;
    }

    if (body.len > conf->publish_max) {
        snprintf(message, sizeof(message), "the message is longer than %llu "
                 "bytes", (unsigned long long) conf->publish_max);
        ls_call_result(call, LS_CODE_BAD, message);
        return;
    }

    ls_push_to_room(call, conf->publish_op, room, body, ls_publish_answer);
}
