/*
 * A hash table that only grows; see ls_name_map.h.
 */

#include <stdlib.h>
#include <string.h>

#include "goim_room_name.h"
#include "ls_name_map.h"


#define LS_NAME_MAP_SIZE  64  /* of the first table */


/* Where the name is, or would be; there is always a free entry. */
static ls_name_map_entry_t *
ls_name_map_find(const ls_name_map_t *map, uint64_t hash, const uint8_t *name,
    size_t len)
{
    size_t                i;
    ls_name_map_entry_t  *e;

    for (i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
        e = &map->entries[i];

        if (e->name == NULL
            || (e->hash == hash && e->len == len
                && memcmp(e->name, name, len) == 0))
        {
            return e;
        }
    }
}


static int
ls_name_map_grow(ls_name_map_t *map)
{
    size_t                i;
    ls_name_map_t         grown;
    ls_name_map_entry_t  *e;

    grown.size = map->size ? map->size * 2 : LS_NAME_MAP_SIZE;
    grown.n = map->n;
    grown.entries = calloc(grown.size, sizeof(ls_name_map_entry_t));

    if (grown.entries == NULL) {
        return GOIM_NOMEM;
    }

    for (i = 0; i < map->size; i++) {
        e = &map->entries[i];

        if (e->name) {
            *ls_name_map_find(&grown, e->hash, e->name, e->len) = *e;
        }
    }

    free(map->entries);
    *map = grown;

    return GOIM_OK;
}


ls_name_map_entry_t *
ls_name_map_get(ls_name_map_t *map, goim_str_t name)
{
    uint64_t              hash;
    ls_name_map_entry_t  *e;

    if (map->n >= map->size / 4 * 3 && ls_name_map_grow(map) != GOIM_OK) {
        return NULL;
    }

    hash = goim_room_name_hash(name.data, name.len);
    e = ls_name_map_find(map, hash, name.data, name.len);

    if (e->name) {
        return e;
    }

    e->name = malloc(name.len + 1);
    if (e->name == NULL) {
        return NULL;
    }

    if (name.len) {
        memcpy(e->name, name.data, name.len);
    }

    e->hash = hash;
    e->len = name.len;
    e->count = 0;
    map->n++;

    return e;
}


void
ls_name_map_clear(ls_name_map_t *map)
{
    size_t  i;

    for (i = 0; i < map->size; i++) {
        free(map->entries[i].name);
    }

    free(map->entries);
    memset(map, 0, sizeof(ls_name_map_t));
}
