/*
 * Any bytes as a client's token.  What is accepted keeps its limits; what is
 * refused says why and leaves nothing behind.
 */

#include <stdlib.h>
#include <string.h>

#include "ls_report.h"
#include "ls_token.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        __builtin_trap();
    }
}


/* A name that a header carries as it is. */
static void
check_name(const char *name)
{
    size_t  i, len;

    if (name == NULL) {
        return;
    }

    len = strlen(name);
    check(len >= 1 && len <= LS_REPORT_NAME);
    check(name[0] != ' ' && name[len - 1] != ' ');

    for (i = 0; i < len; i++) {
        check((uint8_t) name[i] >= ' ' && name[i] != 127);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    int64_t      sum;
    size_t       i;
    uint8_t     *copy;
    const char  *why;
    ls_token_t   token;

    copy = size ? malloc(size) : NULL;
    check(size == 0 || copy != NULL);

    if (size) {
        memcpy(copy, data, size);
    }

    why = NULL;
    rc = ls_token_parse(&token, copy, size, &why);

    /* the text is not needed any more */

    free(copy);

    if (rc != GOIM_OK) {
        check(rc == GOIM_INVALID && why != NULL);
        check(token.key == NULL && token.room == NULL
              && token.accepts == NULL && token.jwt == NULL);
        return 0;
    }

    check_name(token.key);
    check_name(token.room);
    check(token.jwt == NULL || *token.jwt != '\0');
    check(token.naccepts <= LS_TOKEN_ACCEPTS);

    /* that all of them are there */

    for (i = 0, sum = 0; i < token.naccepts; i++) {
        sum += token.accepts[i];
    }

    check(sum >= INT64_MIN);

    ls_token_done(&token);

    return 0;
}
