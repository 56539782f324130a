
/*
 * What the files of the hand-over share; what others call of them is in
 * ngx_goim.h.
 */

#ifndef _NGX_GOIM_HANDOVER_H_INCLUDED_
#define _NGX_GOIM_HANDOVER_H_INCLUDED_


#include "ngx_goim.h"


/* ngx_goim_handover.c: the steps of it */

/* Whether it can be offered now. */
ngx_uint_t ngx_goim_handover_is_ready(ngx_goim_conn_t *gc);

/* An offer was answered, and so many were taken; bytes of one have gone; no
 * answer has come in time; all of a slice are back or taken. */
void ngx_goim_handover_answered(uint32_t moved);
void ngx_goim_handover_moves(void);
void ngx_goim_handover_late(void);
void ngx_goim_handover_slice_done(ngx_uint_t answered);


/* ngx_goim_handover_target.c: who is asked */

/* The next one, and for how many it has room, 1 if for none.  NGX_DECLINED:
 * nobody takes connections, but those that are avoided. */
ngx_int_t ngx_goim_target_find(uint64_t *room);

/* Slot of who was asked last; it is not asked any more. */
uint32_t ngx_goim_target_slot(void);
void ngx_goim_target_avoid(void);

/* Those that are avoided may be asked again; 0: there are none. */
ngx_uint_t ngx_goim_target_forgive(void);

/* Somebody takes connections. */
ngx_uint_t ngx_goim_target_is_there(void);

/* Who was asked last has no room any more, but others have. */
ngx_uint_t ngx_goim_target_is_full(void);


/* ngx_goim_handover_offer.c: the offers of a slice */

ngx_int_t ngx_goim_offer_connect(uint32_t slot);

/* While nothing is read, of so many connections at most.  NGX_DECLINED: there
 * is nothing to wait for; NGX_ERROR: as the system refuses to send. */
ngx_int_t ngx_goim_offer_slice(uint64_t max);

/* The time for an answer is over. */
void ngx_goim_offer_give_up(void);

/* Nothing is under way any more. */
void ngx_goim_offer_end(void);


/* ngx_goim_handover_socket.c: what workers talk through */

/* A worker's socket: an address for it that is short enough.  It holds while
 * *dir, a descriptor or -1, is open.  NGX_ERROR: there is none. */
ngx_int_t ngx_goim_handover_address(uint32_t slot, struct sockaddr_un *sun,
    int *dir);

/* -1: errno tells why not. */
ngx_socket_t ngx_goim_handover_socket(void);

/* A connection of the worker's own, which no shutdown ends.  Its events come
 * once for each change.  NULL: there is none, and fd is still open. */
ngx_connection_t *ngx_goim_handover_watch(ngx_socket_t fd,
    ngx_event_handler_pt read, ngx_event_handler_pt write);
void ngx_goim_handover_close(ngx_connection_t *c);

/* One packet, and n sockets, GOIM_HANDOVER_CONNS at most.  NGX_ERROR: errno
 * tells why nothing of it was sent. */
ngx_int_t ngx_goim_handover_send(ngx_socket_t fd, const u_char *data,
    size_t len, const int *fds, ngx_uint_t n);

/* One packet's length; 0: the end, or too long a packet; NGX_AGAIN,
 * NGX_ERROR.  fds has GOIM_HANDOVER_CONNS places, and the *n that came are
 * the caller's to close, whatever is returned; NULL: none is taken. */
ssize_t ngx_goim_handover_recv(ngx_socket_t fd, u_char *buf, size_t size,
    int *fds, ngx_uint_t *n);


/* ngx_goim_handover_pack.c: a connection as bytes, and back */

/* How many connections this worker has room for, as far as it knows. */
ngx_uint_t ngx_goim_handover_room(void);

/* Its strings point into gc, the id into a buffer of NGX_GOIM_CONN_MAX. */
void ngx_goim_handover_pack(ngx_goim_conn_t *gc, goim_handover_conn_t *state,
    u_char *id);

/*
 * A connection on that socket: open, a member, with what is pending in its
 * queue; but neither read nor written.  NULL: it can't be had here, and the
 * socket is closed.
 */
ngx_goim_conn_t *ngx_goim_handover_unpack(const goim_handover_conn_t *state,
    ngx_socket_t fd);


/* ngx_goim_handover_replay.c: what this worker has read already, and they have
 * not got */

typedef struct {
    ngx_goim_conn_t            *gc;        /* NULL: not taken */
    u_char                     *kick;      /* it was kicked: why; NULL: not */
    size_t                      kick_len;
    unsigned                    missed:1;  /* no memory for something */
} ngx_goim_taken_t;

/* NGX_ERROR: it is gone, or there is no memory. */
ngx_int_t ngx_goim_handover_replay(const uint64_t *positions,
    ngx_goim_taken_t *taken, ngx_uint_t n);


#endif /* _NGX_GOIM_HANDOVER_H_INCLUDED_ */
