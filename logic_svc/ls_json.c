/*
 * Writes JSON; see ls_json.h.  A buffer that can't grow is noticed by who
 * sends it: its end is missing then.
 */

#include <string.h>

#include "goim_utf8.h"
#include "ls_json.h"


/* The length of the UTF-8 character at p, 0 if it is none. */
static size_t
ls_json_char(const uint8_t *p, const uint8_t *last)
{
    size_t   len;
    uint8_t  state;

    state = goim_utf8_check(GOIM_UTF8_START, p, 1);

    for (len = 1; state != GOIM_UTF8_START; len++) {
        if (state == GOIM_UTF8_INVALID || p + len == last) {
            return 0;
        }

        state = goim_utf8_check(state, p + len, 1);
    }

    return len;
}


/* How Go writes it, or NULL if it stands as it is. */
static const char *
ls_json_escape(const uint8_t *p, size_t len, char text[8])
{
    static const char  hex[] = "0123456789abcdef";

    if (len == 0) {
        return "\\ufffd";
    }

    if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
        return p[2] & 1 ? "\\u2029" : "\\u2028";
    }

    switch (*p) {

    case '"':
        return "\\\"";

    case '\\':
        return "\\\\";

    case '\n':
        return "\\n";

    case '\r':
        return "\\r";

    case '\t':
        return "\\t";

    case '<':
    case '>':
    case '&':
        break;

    default:
        if (*p >= ' ') {
            return NULL;
        }
    }

    memcpy(text, "\\u00", 4);
    text[4] = hex[*p >> 4];
    text[5] = hex[*p & 0xf];
    text[6] = '\0';

    return text;
}


void
ls_json_string(struct evbuffer *buf, const void *data, size_t len)
{
    char            text[8];
    size_t          n;
    const char     *escape;
    const uint8_t  *p, *last, *start;

    p = data;
    last = p + len;
    start = p;

    evbuffer_add(buf, "\"", 1);

    while (p < last) {
        n = ls_json_char(p, last);
        escape = ls_json_escape(p, n, text);

        if (escape) {
            evbuffer_add(buf, start, p - start);
            evbuffer_add(buf, escape, strlen(escape));
            start = p + (n ? n : 1);
        }

        p += n ? n : 1;
    }

    evbuffer_add(buf, start, last - start);
    evbuffer_add(buf, "\"", 1);
}


void
ls_json_envelope(struct evbuffer *buf, int code, const char *message)
{
    evbuffer_add_printf(buf, "{\"code\":%d,\"message\":", code);
    ls_json_string(buf, message, strlen(message));
}
