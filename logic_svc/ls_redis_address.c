/*
 * Addresses of Redis servers; see ls_redis_address.h.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ls_redis_address.h"


/* clang-format off */
static const char  ls_redis_address_form[] =
    "it must be \"host:port\", \"[address]:port\" or \"unix:/path\", or "
    "several, separated by commas";
/* clang-format on */


static const char *
ls_redis_address_path(ls_redis_address_t *a, const char *path, size_t len)
{
    if (len > LS_REDIS_PATH || path[0] != '/') {
        return "after \"unix:\" there must be a path, from \"/\" on, of up to "
               "107 bytes";
    }

    memcpy(a->host, path, len);
    a->host[len] = '\0';
    a->port = 0;
    snprintf(a->name, sizeof(a->name), "unix:%s", a->host);

    return NULL;
}


/* 0: it is none. */
static uint16_t
ls_redis_address_port(const char *text, size_t len)
{
    size_t         i;
    unsigned long  port;

    port = 0;

    for (i = 0; i < len; i++) {

        if (text[i] < '0' || text[i] > '9' || port > 65535) {
            return 0;
        }

        port = port * 10 + (text[i] - '0');
    }

    return port > 65535 ? 0 : port;
}


static const char *
ls_redis_address_one(ls_redis_address_t *a, const char *text, size_t len)
{
    int          v6;
    size_t       n;
    const char  *end, *last;

    if (len > 5 && strncmp(text, "unix:", 5) == 0) {
        return ls_redis_address_path(a, text + 5, len - 5);
    }

    last = text + len;
    v6 = len && text[0] == '[';

    if (v6) {
        text++;
    }

    end = memchr(text, v6 ? ']' : ':', last - text);

    if (end == NULL) {

        if (v6) {
            return ls_redis_address_form;
        }

        end = last;
    }

    n = end - text;

    if (n == 0 || n > LS_REDIS_HOST || memchr(text, ' ', n)) {
        return ls_redis_address_form;
    }

    memcpy(a->host, text, n);
    a->host[n] = '\0';

    end += v6;
    a->port = LS_REDIS_PORT;

    if (end < last) {
        a->port = *end == ':' ? ls_redis_address_port(end + 1, last - end - 1)
                              : 0;
    }

    if (a->port == 0 || (v6 && !ls_redis_address_is_numeric(a))) {
        return ls_redis_address_form;
    }

    snprintf(a->name, sizeof(a->name), v6 ? "[%s]:%u" : "%s:%u", a->host,
             a->port);

    return NULL;
}


const char *
ls_redis_address_list(const char *text, ls_redis_address_t *list, unsigned *n)
{
    size_t       len;
    const char  *wrong, *end;

    for (*n = 0;; (*n)++) {

        if (*n == LS_REDIS_SERVERS) {
            return "there must be 64 of them at most";
        }

        text += strspn(text, " ");
        end = text + strcspn(text, ",");
        len = end - text;

        while (len && text[len - 1] == ' ') {
            len--;
        }

        wrong = ls_redis_address_one(&list[*n], text, len);

        if (wrong) {
            return wrong;
        }

        if (*end == '\0') {
            (*n)++;
            return NULL;
        }

        text = end + 1;
    }
}


int
ls_redis_address_is_numeric(const ls_redis_address_t *address)
{
    uint8_t  bytes[16];

    return address->port == 0
           || inet_pton(AF_INET, address->host, bytes) == 1
           || inet_pton(AF_INET6, address->host, bytes) == 1;
}
