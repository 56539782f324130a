/*
 * Names of rooms: see goim_room_name.h.
 */

#include <string.h>

#include "goim_room_name.h"


#define GOIM_ROOM_NAME_FNV_BASIS  0xcbf29ce484222325ULL
#define GOIM_ROOM_NAME_FNV_PRIME  0x100000001b3ULL


uint64_t
goim_room_name_hash(const uint8_t *name, size_t len)
{
    size_t    i;
    uint64_t  h;

    h = GOIM_ROOM_NAME_FNV_BASIS;

    for (i = 0; i < len; i++) {
        h = (h ^ name[i]) * GOIM_ROOM_NAME_FNV_PRIME;
    }

    /* names differ in their last digits, which FNV-1a barely spreads */

    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33;

    return h ? h : 1;
}


int
goim_room_name_check(const uint8_t *name, size_t len)
{
    size_t  i;

    if (len == 0 || len > GOIM_ROOM_NAME_MAX) {
        return GOIM_INVALID;
    }

    for (i = 0; i < len; i++) {

        if (name[i] < 0x20 || name[i] == 0x7f) {
            return GOIM_INVALID;
        }
    }

    return GOIM_OK;
}


int
goim_room_name_matches(const uint8_t *pattern, size_t pattern_len,
    const uint8_t *name, size_t len)
{
    if (pattern_len > 0 && pattern[pattern_len - 1] == '*') {
        pattern_len--;

        if (len < pattern_len) {
            return 0;
        }

        len = pattern_len;
    }

    /* memcmp() must not see the null pointer of an empty view */

    return len == pattern_len && (len == 0 || memcmp(pattern, name, len) == 0);
}
