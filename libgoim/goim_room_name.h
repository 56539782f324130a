/*
 * Names of rooms, "type://id": their hash, and the patterns of room classes.
 */

#ifndef GOIM_ROOM_NAME_H_INCLUDED
#define GOIM_ROOM_NAME_H_INCLUDED


#include "goim.h"


#define GOIM_ROOM_NAME_MAX  255  /* bytes */


/*
 * The 64-bit hash that goim-job writes into records and that readers look
 * rooms up by: FNV-1a 64, then murmur3's 64-bit finalizer; 0 becomes 1.
 * Part of the channel's layout.
 */
uint64_t goim_room_name_hash(const uint8_t *name, size_t len);

/* GOIM_INVALID: empty, longer than GOIM_ROOM_NAME_MAX, or with a control
 * character (0..31, 127). */
GOIM_MUSTCHECK int goim_room_name_check(const uint8_t *name, size_t len);

/*
 * Whether a name matches a pattern: equal to it, or, if the pattern ends in
 * "*", beginning with what stands before the "*".
 */
int goim_room_name_matches(const uint8_t *pattern, size_t pattern_len,
    const uint8_t *name, size_t len);


#endif /* GOIM_ROOM_NAME_H_INCLUDED */
