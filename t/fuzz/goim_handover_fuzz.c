/*
 * Any bytes as packets between two workers: what is taken for a connection's
 * state lies within the input, and is written again as the same bytes.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_handover.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_again(const goim_handover_conn_t *conn, size_t used)
{
    size_t                 again;
    uint8_t               *buf;
    goim_handover_conn_t   copy;

    if (goim_handover_size(conn) != used) {
        __builtin_trap();
    }

    buf = malloc(used);
    if (buf == NULL) {
        return;
    }

    (void) goim_handover_encode(buf, conn);

    if (goim_handover_decode(&copy, buf, used, &again) != GOIM_OK
        || again != used
        || memcmp(&copy, conn, offsetof(goim_handover_conn_t, strings)) != 0)
    {
        __builtin_trap();
    }

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                    i;
    size_t                 used;
    goim_handover_head_t   head;
    goim_handover_conn_t   conn;

    if (goim_handover_head(&head, data, size) == GOIM_OK) {
        data += sizeof(head);
        size -= sizeof(head);
    }

    while (goim_handover_decode(&conn, data, size, &used) == GOIM_OK) {

        if (used == 0 || used > size) {
            __builtin_trap();
        }

        for (i = 0; i < GOIM_HANDOVER_STRINGS; i++) {
            if (conn.strings[i].data < data
                || conn.strings[i].data + conn.strings[i].len > data + used)
            {
                __builtin_trap();
            }
        }

        check_again(&conn, used);

        data += used;
        size -= used;
    }

    return 0;
}
