/*
 * A reader's board: what it shows the others, written by its owner alone and
 * read by anybody without a lock.
 */

#include "goim_reader_int.h"

#include <string.h>


goim_channel_board_t *
goim_reader_board(goim_reader_t *rd)
{
    return rd->index < GOIM_CHANNEL_ROOM_SLOTS
           ? &rd->ch->slots->boards[rd->index] : NULL;
}


/* A new owner's: no classes, and texts that nobody takes for new ones. */
void
goim_reader_clear_board(goim_reader_t *rd)
{
    uint32_t               i;
    goim_channel_board_t  *board;

    board = goim_reader_board(rd);

    if (board == NULL) {
        return;
    }

    memset(board->classes, 0, sizeof(board->classes));

    for (i = 0; i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        atomic_store_explicit(&board->acks[i], 0, memory_order_relaxed);
    }

    goim_mail_write(&board->question, 0, NULL, 0);
    goim_mail_write(&board->answer, 0, NULL, 0);
}


_Atomic uint64_t *
goim_reader_set_class(goim_reader_t *rd, uint32_t i, const char *name,
    size_t len)
{
    goim_channel_board_t  *board;
    goim_channel_class_t  *class;

    board = goim_reader_board(rd);

    if (board == NULL || i >= GOIM_BOARD_CLASSES || len == 0) {
        return NULL;
    }

    class = &board->classes[i];

    if (len > GOIM_BOARD_NAME - 1) {
        len = GOIM_BOARD_NAME - 1;
    }

    memcpy(class->name + 1, name + 1, len - 1);
    atomic_thread_fence(memory_order_release);
    class->name[0] = name[0];

    return class->counters;
}


void
goim_mail_write(goim_channel_mail_t *mail, uint64_t about,
    const uint8_t *data, size_t len)
{
    uint64_t  seq;

    if (len > GOIM_MAIL_DATA) {
        len = GOIM_MAIL_DATA;
    }

    /* odd already if the last owner died while it wrote */

    seq = atomic_load_explicit(&mail->seq, memory_order_relaxed) | 1;

    atomic_store_explicit(&mail->seq, seq, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);

    atomic_store_explicit(&mail->about, about, memory_order_relaxed);
    atomic_store_explicit(&mail->len, (uint32_t) len, memory_order_relaxed);

    if (len) {
        memcpy(mail->data, data, len);
    }

    atomic_store_explicit(&mail->seq, seq + 1, memory_order_release);
}


int
goim_mail_read(const goim_channel_mail_t *mail, uint64_t *seq,
    uint64_t *about, uint8_t *data, size_t *len)
{
    uint64_t  before;

    before = goim_reader_load(&mail->seq);

    *about = atomic_load_explicit(&mail->about, memory_order_relaxed);
    *len = atomic_load_explicit(&mail->len, memory_order_relaxed);

    if ((before & 1) || *len > GOIM_MAIL_DATA) {
        return GOIM_AGAIN;
    }

    memcpy(data, mail->data, *len);

    /* pairs with the writer's release fence */

    atomic_thread_fence(memory_order_acquire);

    if (atomic_load_explicit(&mail->seq, memory_order_relaxed) != before) {
        return GOIM_AGAIN;
    }

    *seq = before;

    return GOIM_OK;
}
