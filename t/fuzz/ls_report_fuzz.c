/*
 * Any bytes as a worker's session report.  What is accepted keeps its limits,
 * lies in the report's own memory, and, written again, is the same report.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ls_report.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        __builtin_trap();
    }
}


static void
check_str(const goim_str_t *s, size_t min, size_t max)
{
    check(s->len >= min && s->len <= max);
}


static int
same(const goim_str_t *a, const goim_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static char *
put_str(char *p, const goim_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        p += sprintf(p, "%%%02x", s->data[i]);
    }

    return p;
}


static char *
put_event(char *p, const ls_report_event_t *ev)
{
    static const char *const  words[] = {
        "connect ", "disconnect ", "renew "
    };

    p = put_str(stpcpy(p, words[ev->kind]), &ev->conn);
    p = put_str(stpcpy(p, " "), &ev->key);
    p += sprintf(p, " %lld", (long long) ev->mid);

    if (ev->kind == LS_REPORT_CONNECT) {
        p = put_str(stpcpy(p, " tcp "), &ev->addr);
        p += sprintf(p, " %llu", (unsigned long long) ev->when_ms);
    }

    return stpcpy(p, "\n");
}


/* All of it as text, malloc'ed. */
static char *
write_report(const ls_report_t *report, size_t size)
{
    size_t  i;
    char   *text, *p;

    static const char *const  states[] = { "partial", "complete", "last" };

    text = malloc(3 * size + 64 * (report->nevents + report->nrooms + 2));
    check(text != NULL);

    p = put_str(stpcpy(text, "session 1 "), &report->server);
    p += sprintf(p, " %u %llu %s %llu\n", (unsigned) report->slot,
                 (unsigned long long) report->epoch, states[report->state],
                 (unsigned long long) report->conns);

    for (i = 0; i < report->nevents; i++) {
        p = put_event(p, &report->events[i]);
    }

    for (i = 0; i < report->nrooms; i++) {
        p = put_str(stpcpy(p, "room "), &report->rooms[i].name);
        p += sprintf(p, " %u\n", (unsigned) report->rooms[i].members);
    }

    return text;
}


static void
check_limits(const ls_report_t *report)
{
    size_t                    i;
    const ls_report_event_t  *ev;

    check_str(&report->server, 1, LS_REPORT_NAME);
    check(report->slot < LS_REPORT_SLOTS && report->conns <= UINT32_MAX);

    for (i = 0; i < report->nevents; i++) {
        ev = &report->events[i];

        check_str(&ev->conn, 1, LS_REPORT_CONN);
        check_str(&ev->key, 1, LS_REPORT_NAME);
        check_str(&ev->addr, 0, LS_REPORT_ADDR);
        check(ev->kind == LS_REPORT_CONNECT
              || (ev->addr.len == 0 && ev->when_ms == 0));
    }

    for (i = 0; i < report->nrooms; i++) {
        check_str(&report->rooms[i].name, 1, LS_REPORT_NAME);
    }
}


static void
check_same(const ls_report_t *a, const ls_report_t *b)
{
    size_t  i;

    check(same(&a->server, &b->server) && a->slot == b->slot
          && a->epoch == b->epoch && a->state == b->state
          && a->conns == b->conns && a->nevents == b->nevents
          && a->nrooms == b->nrooms);

    for (i = 0; i < a->nevents; i++) {
        check(a->events[i].kind == b->events[i].kind
              && a->events[i].mid == b->events[i].mid
              && a->events[i].when_ms == b->events[i].when_ms
              && same(&a->events[i].conn, &b->events[i].conn)
              && same(&a->events[i].key, &b->events[i].key)
              && same(&a->events[i].addr, &b->events[i].addr));
    }

    for (i = 0; i < a->nrooms; i++) {
        check(a->rooms[i].members == b->rooms[i].members
              && same(&a->rooms[i].name, &b->rooms[i].name));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           rc;
    char         *text;
    uint8_t      *copy;
    const char   *why;
    ls_report_t   report, back;

    copy = size ? malloc(size) : NULL;
    check(size == 0 || copy != NULL);

    if (size) {
        memcpy(copy, data, size);
    }

    why = NULL;
    rc = ls_report_parse(&report, copy, size, &why);

    /* the text is not needed any more */

    free(copy);

    if (rc != GOIM_OK) {
        check(rc == GOIM_INVALID && why != NULL && report.memory == NULL);
        return 0;
    }

    check_limits(&report);
    (void) ls_report_is_short(&report, report.nevents);

    text = write_report(&report, size);

    if (strlen(text) <= LS_REPORT_MAX) {
        check(ls_report_parse(&back, (uint8_t *) text, strlen(text), &why)
              == GOIM_OK);
        check_same(&report, &back);
        ls_report_done(&back);
    }

    free(text);
    ls_report_done(&report);

    return 0;
}
