/*
 * Commands as Redis reads them; see ls_redis_command.h.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ls_redis_command.h"


#define LS_REDIS_COMMAND_LEN  32  /* of "$<len>\r\n" or a number, at most */


void
ls_redis_command_reset(ls_redis_command_t *cmd)
{
    cmd->len = 0;
    cmd->args = 0;
    cmd->failed = 0;
}


void
ls_redis_command_done(ls_redis_command_t *cmd)
{
    free(cmd->data);
    memset(cmd, 0, sizeof(ls_redis_command_t));
}


static uint8_t *
ls_redis_command_reserve(ls_redis_command_t *cmd, size_t len)
{
    size_t    size;
    uint8_t  *data;

    if (cmd->failed) {
        return NULL;
    }

    if (cmd->len == 0) {
        cmd->len = LS_REDIS_COMMAND_HEAD;
    }

    if (len > cmd->size || cmd->len > cmd->size - len) {
        size = cmd->size * 2;

        if (size < cmd->len + len + 240) {
            size = cmd->len + len + 240;
        }

        data = realloc(cmd->data, size);
        if (data == NULL) {
            cmd->failed = 1;
            return NULL;
        }

        cmd->data = data;
        cmd->size = size;
    }

    return cmd->data + cmd->len;
}


void
ls_redis_command_join(ls_redis_command_t *cmd, const char *prefix,
    const void *data, size_t len)
{
    size_t    n;
    uint8_t  *p;

    n = strlen(prefix);

    p = ls_redis_command_reserve(cmd, LS_REDIS_COMMAND_LEN + n + len + 2);
    if (p == NULL) {
        return;
    }

    p += sprintf((char *) p, "$%zu\r\n", n + len);
    memcpy(p, prefix, n);
    p += n;

    if (len) {
        memcpy(p, data, len);
        p += len;
    }

    *p++ = '\r';
    *p++ = '\n';

    cmd->len = p - cmd->data;
    cmd->args++;
}


void
ls_redis_command_add(ls_redis_command_t *cmd, const void *data, size_t len)
{
    ls_redis_command_join(cmd, "", data, len);
}


void
ls_redis_command_text(ls_redis_command_t *cmd, const char *text)
{
    ls_redis_command_add(cmd, text, strlen(text));
}


void
ls_redis_command_number(ls_redis_command_t *cmd, int64_t number)
{
    int   n;
    char  text[LS_REDIS_COMMAND_LEN];

    n = snprintf(text, sizeof(text), "%" PRId64, number);
    ls_redis_command_add(cmd, text, n);
}


void
ls_redis_command_unsigned(ls_redis_command_t *cmd, uint64_t number)
{
    int   n;
    char  text[LS_REDIS_COMMAND_LEN];

    n = snprintf(text, sizeof(text), "%" PRIu64, number);
    ls_redis_command_add(cmd, text, n);
}


int
ls_redis_command_wire(ls_redis_command_t *cmd, goim_str_t *wire)
{
    int   n;
    char  head[LS_REDIS_COMMAND_HEAD + 1];

    if (cmd->failed || cmd->args == 0) {
        return GOIM_NOMEM;
    }

    n = snprintf(head, sizeof(head), "*%u\r\n", cmd->args);
    memcpy(cmd->data + LS_REDIS_COMMAND_HEAD - n, head, n);

    wire->data = cmd->data + LS_REDIS_COMMAND_HEAD - n;
    wire->len = cmd->len - LS_REDIS_COMMAND_HEAD + n;

    return GOIM_OK;
}
