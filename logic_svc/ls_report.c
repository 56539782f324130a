/*
 * Parses session reports; see ls_report.h.  All strings are decoded into one
 * piece of memory as large as the text, which they never outgrow; lines are
 * counted first, so that nothing is moved later.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_report.h"


#define LS_REPORT_VERSION   1

/* bytes of the shortest line with something in it: "room a 0" */
#define LS_REPORT_SHORTEST  9


typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;  /* the line's end */
    uint8_t        *out;   /* where the next string is decoded to */
} ls_report_reader_t;


static int
ls_report_hex(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* The next field, as it stands; it ends at a space or with the line. */
static int
ls_report_field(ls_report_reader_t *rd, goim_str_t *field)
{
    const uint8_t  *end;

    if (rd->p > rd->last) {
        return GOIM_INVALID;
    }

    end = memchr(rd->p, ' ', rd->last - rd->p);
    if (end == NULL) {
        end = rd->last;
    }

    field->data = rd->p;
    field->len = end - rd->p;
    rd->p = end + 1;

    return GOIM_OK;
}


static int
ls_report_is(const goim_str_t *field, const char *word)
{
    return field->len == strlen(word)
           && memcmp(field->data, word, field->len) == 0;
}


/* A field of min to max bytes once it is decoded. */
static int
ls_report_string(ls_report_reader_t *rd, goim_str_t *s, size_t min, size_t max)
{
    int             high, low;
    goim_str_t      field;
    uint8_t        *out;
    const uint8_t  *p, *last;

    if (ls_report_field(rd, &field) != GOIM_OK) {
        return GOIM_INVALID;
    }

    out = rd->out;
    last = field.data + field.len;

    for (p = field.data; p < last; p++) {
        if (*p != '%') {
            *out++ = *p;
            continue;
        }

        if (last - p < 3) {
            return GOIM_INVALID;
        }

        high = ls_report_hex(p[1]);
        low = ls_report_hex(p[2]);

        if (high < 0 || low < 0) {
            return GOIM_INVALID;
        }

        *out++ = high * 16 + low;
        p += 2;
    }

    s->data = rd->out;
    s->len = out - rd->out;
    rd->out = out;

    return s->len >= min && s->len <= max ? GOIM_OK : GOIM_INVALID;
}


static int
ls_report_number(ls_report_reader_t *rd, uint64_t max, uint64_t *n)
{
    size_t      i;
    unsigned    digit;
    goim_str_t  field;

    if (ls_report_field(rd, &field) != GOIM_OK || field.len == 0) {
        return GOIM_INVALID;
    }

    *n = 0;

    for (i = 0; i < field.len; i++) {
        digit = field.data[i] - '0';

        if (digit > 9 || *n > (max - digit) / 10) {
            return GOIM_INVALID;
        }

        *n = *n * 10 + digit;
    }

    return GOIM_OK;
}


static int
ls_report_mid(ls_report_reader_t *rd, int64_t *mid)
{
    int       negative;
    uint64_t  n;

    negative = rd->p < rd->last && *rd->p == '-';
    rd->p += negative;

    if (ls_report_number(rd, (uint64_t) INT64_MAX + negative, &n) != GOIM_OK) {
        return GOIM_INVALID;
    }

    *mid = negative ? (int64_t) -n : (int64_t) n;

    return GOIM_OK;
}


static int
ls_report_head(ls_report_t *report, ls_report_reader_t *rd, const char **why)
{
    uint64_t    n;
    goim_str_t  word, state;

    *why = "its first line is no \"session\" line";

    if (ls_report_field(rd, &word) != GOIM_OK
        || !ls_report_is(&word, "session"))
    {
        return GOIM_INVALID;
    }

    if (ls_report_number(rd, UINT32_MAX, &n) != GOIM_OK
        || n != LS_REPORT_VERSION)
    {
        *why = "its version is not 1";
        return GOIM_INVALID;
    }

    *why = "its \"session\" line is malformed";

    if (ls_report_string(rd, &report->server, 1, LS_REPORT_NAME) != GOIM_OK
        || ls_report_number(rd, LS_REPORT_SLOTS - 1, &n) != GOIM_OK)
    {
        return GOIM_INVALID;
    }

    report->slot = n;

    if (ls_report_number(rd, UINT64_MAX, &report->epoch) != GOIM_OK
        || ls_report_field(rd, &state) != GOIM_OK
        || ls_report_number(rd, UINT32_MAX, &report->conns) != GOIM_OK)
    {
        return GOIM_INVALID;
    }

    if (ls_report_is(&state, "partial")) {
        report->state = LS_REPORT_PARTIAL;

    } else if (ls_report_is(&state, "complete")) {
        report->state = LS_REPORT_COMPLETE;

    } else if (ls_report_is(&state, "last")) {
        report->state = LS_REPORT_LAST;

    } else {
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


static int
ls_report_event(ls_report_t *report, ls_report_reader_t *rd,
    ls_report_kind_e kind)
{
    goim_str_t          word;
    ls_report_event_t  *ev;

    ev = &report->events[report->nevents];
    memset(ev, 0, sizeof(ls_report_event_t));
    ev->kind = kind;

    if (ls_report_string(rd, &ev->conn, 1, LS_REPORT_CONN) != GOIM_OK
        || ls_report_string(rd, &ev->key, 1, LS_REPORT_NAME) != GOIM_OK
        || ls_report_mid(rd, &ev->mid) != GOIM_OK)
    {
        return GOIM_INVALID;
    }

    if (kind == LS_REPORT_CONNECT
        && (ls_report_field(rd, &word) != GOIM_OK
            || ls_report_string(rd, &ev->addr, 0, LS_REPORT_ADDR) != GOIM_OK
            || ls_report_number(rd, UINT64_MAX, &ev->when_ms) != GOIM_OK))
    {
        return GOIM_INVALID;
    }

    report->nevents++;

    return GOIM_OK;
}


static int
ls_report_room(ls_report_t *report, ls_report_reader_t *rd)
{
    uint64_t           n;
    ls_report_room_t  *room;

    room = &report->rooms[report->nrooms];

    if (ls_report_string(rd, &room->name, 1, LS_REPORT_NAME) != GOIM_OK
        || ls_report_number(rd, UINT32_MAX, &n) != GOIM_OK)
    {
        return GOIM_INVALID;
    }

    room->members = n;
    report->nrooms++;

    return GOIM_OK;
}


static int
ls_report_line(ls_report_t *report, ls_report_reader_t *rd)
{
    goim_str_t  word;

    if (ls_report_field(rd, &word) != GOIM_OK) {
        return GOIM_INVALID;
    }

    if (ls_report_is(&word, "connect")) {
        return ls_report_event(report, rd, LS_REPORT_CONNECT);
    }

    if (ls_report_is(&word, "disconnect")) {
        return ls_report_event(report, rd, LS_REPORT_DISCONNECT);
    }

    if (ls_report_is(&word, "renew")) {
        return ls_report_event(report, rd, LS_REPORT_RENEW);
    }

    if (ls_report_is(&word, "room")) {
        return ls_report_room(report, rd);
    }

    return GOIM_OK;
}


/*
 * Room for as many events and rooms as there are lines; a text of line feeds
 * alone has none of them.
 */
static int
ls_report_alloc(ls_report_t *report, const uint8_t *text, size_t len)
{
    size_t          lines;
    const uint8_t  *p, *last;

    lines = 1;
    last = text + len;

    for (p = text; p < last; p++) {
        p = memchr(p, '\n', last - p);
        if (p == NULL) {
            break;
        }

        lines++;
    }

    if (lines > len / LS_REPORT_SHORTEST + 1) {
        lines = len / LS_REPORT_SHORTEST + 1;
    }

    report->memory = malloc(len + 1);
    report->events = malloc(lines * sizeof(ls_report_event_t));
    report->rooms = malloc(lines * sizeof(ls_report_room_t));

    if (report->memory == NULL || report->events == NULL
        || report->rooms == NULL)
    {
        return GOIM_NOMEM;
    }

    return GOIM_OK;
}


int
ls_report_parse(ls_report_t *report, const uint8_t *text, size_t len,
    const char **why)
{
    int                  rc;
    const uint8_t       *last;
    ls_report_reader_t   rd;

    memset(report, 0, sizeof(ls_report_t));

    if (len == 0) {
        *why = "it is empty";
        return GOIM_INVALID;
    }

    if (len > LS_REPORT_MAX) {
        *why = "it is longer than 1 MB";
        return GOIM_INVALID;
    }

    if (ls_report_alloc(report, text, len) != GOIM_OK) {
        ls_report_done(report);
        return GOIM_NOMEM;
    }

    rd.p = text;
    rd.out = report->memory;
    last = text + len;

    for (rc = GOIM_OK; text < last && rc == GOIM_OK; text = rd.last + 1) {
        rd.p = text;
        rd.last = memchr(text, '\n', last - text);

        if (rd.last == NULL) {
            rd.last = last;
        }

        if (report->server.len == 0) {
            rc = ls_report_head(report, &rd, why);

        } else if (rd.last > text) {
            *why = "one of its lines is malformed";
            rc = ls_report_line(report, &rd);
        }
    }

    if (rc != GOIM_OK) {
        ls_report_done(report);
    }

    return rc;
}


void
ls_report_done(ls_report_t *report)
{
    free(report->events);
    free(report->rooms);
    free(report->memory);
    memset(report, 0, sizeof(ls_report_t));
}


int
ls_report_is_short(const ls_report_t *report, uint64_t known)
{
    return known < report->conns - report->conns / 8;
}
