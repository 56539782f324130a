/*
 * A reader's question to all others: it stands on the asker's board, answers
 * on those of the readers that know one, and who has looked in "acks".  Nobody
 * waits for anybody, and whoever dies meanwhile is just not waited for.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "goim_reader_int.h"


/* what answers to a question carry: whose it is, and which */
#define goim_reader_about(slot, seq)                                          \
    ((uint64_t) (slot) << 48 | ((seq) & 0xffffffffffff))


/* A byte into a reader's pipe; if that fails it looks within a second. */
static void
goim_reader_wake_slot(goim_reader_t *rd, uint32_t slot)
{
    int      fd;
    char     name[GOIM_CHANNEL_PATH_MAX + 64];
    ssize_t  n;

    goim_channel_pipe_name(rd->ch->path, slot, name, sizeof(name));

    fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1) {
        return;
    }

    n = write(fd, "", 1);
    (void) n;

    close(fd);
}


int
goim_reader_ask(goim_reader_t *rd, goim_question_t *q, const uint8_t *data,
    size_t len)
{
    uint32_t               i, used;
    goim_channel_board_t  *board;

    memset(q, 0, sizeof(goim_question_t));

    board = goim_reader_board(rd);

    if (board == NULL) {
        return GOIM_FULL;
    }

    goim_mail_write(&board->question, 1, data, len);

    q->seq = atomic_load_explicit(&board->question.seq, memory_order_relaxed);

    /* who sees it raised sees the question */

    atomic_fetch_add(&rd->ch->slots->asked, 1);

    used = goim_channel_slots_used(rd->ch);

    for (i = 0; i < used; i++) {

        if (i == rd->index || !goim_channel_slot_is_held(rd->ch, i)) {
            continue;
        }

        if (i >= GOIM_CHANNEL_ROOM_SLOTS) {
            q->deaf++;
            continue;
        }

        q->waiting[i] = 1;
        goim_reader_wake_slot(rd, i);
    }

    return GOIM_OK;
}


int
goim_reader_collect(goim_reader_t *rd, goim_question_t *q, uint8_t *data,
    size_t *len)
{
    int                    more;
    uint32_t               i;
    uint64_t               ack, seq, about;
    goim_channel_board_t  *board;

    more = 0;

    for (i = 0; i < GOIM_CHANNEL_ROOM_SLOTS; i++) {

        if (!q->waiting[i]) {
            continue;
        }

        board = &rd->ch->slots->boards[i];
        ack = goim_reader_load(&board->acks[rd->index]);

        if ((ack & ~1ULL) != q->seq) {
            more = 1;
            continue;
        }

        if ((ack & 1) == 0) {
            q->waiting[i] = 0;
            continue;
        }

        if (goim_mail_read(&board->answer, &seq, &about, data, len) == GOIM_OK
            && about == goim_reader_about(rd->index, q->seq))
        {
            return GOIM_OK;
        }

        return GOIM_FULL;
    }

    return more ? GOIM_AGAIN : GOIM_INVALID;
}


void
goim_reader_withdraw(goim_reader_t *rd, goim_question_t *q)
{
    goim_channel_board_t  *board;

    board = goim_reader_board(rd);

    if (q->seq && board) {
        goim_mail_write(&board->question, 0, NULL, 0);
        q->seq = 0;
    }
}


/* The question of one slot, if it is a new one. */
static void
goim_reader_answer_slot(goim_reader_t *rd, goim_channel_board_t *board,
    uint32_t asker, goim_reader_know_pt know)
{
    size_t             len;
    uint8_t            data[GOIM_MAIL_DATA], answer[GOIM_MAIL_DATA];
    uint64_t           seq, about;
    _Atomic uint64_t  *ack;

    ack = &board->acks[asker];

    if (goim_mail_read(&rd->ch->slots->boards[asker].question, &seq, &about,
                       data, &len)
        != GOIM_OK
        || about == 0 || seq == (goim_reader_load(ack) & ~1ULL))
    {
        return;
    }

    len = know(data, len, answer);

    if (len) {
        goim_mail_write(&board->answer, goim_reader_about(asker, seq), answer,
                        len);
        seq |= 1;
    }

    atomic_store_explicit(ack, seq, memory_order_release);

    goim_reader_wake_slot(rd, asker);
}


void
goim_reader_answer(goim_reader_t *rd, goim_reader_know_pt know)
{
    uint32_t               i, used;
    goim_channel_board_t  *board;

    board = goim_reader_board(rd);
    used = goim_channel_slots_used(rd->ch);

    for (i = 0; board && i < used && i < GOIM_CHANNEL_ROOM_SLOTS; i++) {
        if (i != rd->index) {
            goim_reader_answer_slot(rd, board, i, know);
        }
    }
}
