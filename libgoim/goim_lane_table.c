/*
 * A lane's partition table: the mirror that put and skip work on, its hash,
 * and the file's table, which follows in each publication.
 */

#include <string.h>

#include "goim_lane_int.h"


static uint32_t
goim_lane_table_hash(uint32_t topic, int32_t partition)
{
    uint64_t  h;

    h = ((uint64_t) topic << 32 | (uint32_t) partition)
        * 0x9e3779b97f4a7c15ULL;

    return h >> 32;
}


goim_lane_entry_t *
goim_lane_table_find(const goim_lane_t *lane, uint32_t topic,
    int32_t partition)
{
    uint32_t            i;
    goim_lane_entry_t  *e;

    for (i = goim_lane_table_hash(topic, partition);; i++) {
        i &= GOIM_LANE_BUCKETS - 1;

        if (lane->buckets[i] == 0) {
            return NULL;
        }

        e = (goim_lane_entry_t *) &lane->table[lane->buckets[i] - 1];

        if (e->topic == topic && e->partition == partition) {
            return e;
        }
    }
}


goim_lane_entry_t *
goim_lane_table_get(goim_lane_t *lane, uint32_t topic, int32_t partition)
{
    uint32_t            i;
    goim_lane_entry_t  *e;

    e = goim_lane_table_find(lane, topic, partition);
    if (e != NULL) {
        return e;
    }

    if (lane->entries == GOIM_CHANNEL_PARTITIONS) {
        return NULL;
    }

    e = &lane->table[lane->entries++];
    e->topic = topic;
    e->partition = partition;
    e->next = 0;
    e->dirty = 0;

    for (i = goim_lane_table_hash(topic, partition);; i++) {
        i &= GOIM_LANE_BUCKETS - 1;

        if (lane->buckets[i] == 0) {
            lane->buckets[i] = lane->entries;
            return e;
        }
    }
}


void
goim_lane_table_move(goim_lane_t *lane, goim_lane_entry_t *e, uint64_t next)
{
    e->next = next;

    if (!e->dirty) {
        e->dirty = 1;
        lane->dirty[lane->ndirty++] = e - lane->table;
    }
}


/* Entries are appended in the mirror's order, so both have the same index. */
void
goim_lane_table_store(goim_lane_t *lane)
{
    uint32_t                   i, k;
    uint64_t                   n;
    goim_lane_entry_t         *e;
    goim_channel_partition_t  *p;

    n = atomic_load_explicit(&lane->shm->partitions, memory_order_relaxed);

    for (k = n; k < lane->entries; k++) {
        e = &lane->table[k];
        p = &lane->shm->partition[k];
        p->topic = e->topic;
        p->partition = e->partition;
        goim_lane_store(&p->next, e->next);
    }

    if (k > n) {
        goim_lane_store(&lane->shm->partitions, k);
    }

    for (i = 0; i < lane->ndirty; i++) {
        e = &lane->table[lane->dirty[i]];
        e->dirty = 0;
        goim_lane_store(&lane->shm->partition[lane->dirty[i]].next, e->next);
    }

    lane->ndirty = 0;
}


static int
goim_lane_table_load_topics(goim_lane_t *lane)
{
    uint64_t  i, n;

    n = goim_lane_load(&lane->shm->topics);

    if (n > GOIM_CHANNEL_TOPICS) {
        return GOIM_INVALID;
    }

    for (i = 0; i < n; i++) {
        memcpy(lane->topic[i], lane->shm->topic[i], GOIM_CHANNEL_TOPIC_LEN);

        if (lane->topic[i][0] == '\0'
            || memchr(lane->topic[i], '\0', GOIM_CHANNEL_TOPIC_LEN) == NULL)
        {
            return GOIM_INVALID;
        }
    }

    lane->topics = n;

    return GOIM_OK;
}


static int
goim_lane_table_load_entries(goim_lane_t *lane)
{
    uint64_t                   i, n;
    goim_lane_entry_t         *e;
    goim_channel_partition_t  *p;

    n = goim_lane_load(&lane->shm->partitions);

    if (n > GOIM_CHANNEL_PARTITIONS) {
        return GOIM_INVALID;
    }

    for (i = 0; i < n; i++) {
        p = &lane->shm->partition[i];

        if (p->topic >= lane->topics || p->partition < 0
            || goim_lane_load(&p->next) > INT64_MAX
            || goim_lane_table_find(lane, p->topic, p->partition) != NULL)
        {
            return GOIM_INVALID;
        }

        e = goim_lane_table_get(lane, p->topic, p->partition);
        e->next = goim_lane_load(&p->next);
    }

    return GOIM_OK;
}


int
goim_lane_table_load(goim_lane_t *lane)
{
    if (goim_lane_table_load_topics(lane) == GOIM_OK
        && goim_lane_table_load_entries(lane) == GOIM_OK)
    {
        return GOIM_OK;
    }

    memset(lane->buckets, 0, sizeof(lane->buckets));
    lane->entries = 0;
    lane->topics = 0;

    /* no entry may ever stand without its topic */

    goim_lane_store(&lane->shm->partitions, 0);
    goim_lane_store(&lane->shm->topics, 0);

    return GOIM_INVALID;
}


int
goim_lane_topic(goim_lane_t *lane, const char *name, uint32_t *topic)
{
    size_t    len;
    uint32_t  i;

    len = strlen(name);

    if (len == 0 || len >= GOIM_CHANNEL_TOPIC_LEN) {
        return GOIM_INVALID;
    }

    for (i = 0; i < lane->topics; i++) {
        if (strcmp(lane->topic[i], name) == 0) {
            *topic = i;
            return GOIM_OK;
        }
    }

    if (lane->topics == GOIM_CHANNEL_TOPICS) {
        return GOIM_FULL;
    }

    memcpy(lane->topic[i], name, len + 1);
    memcpy(lane->shm->topic[i], name, len + 1);
    goim_lane_store(&lane->shm->topics, i + 1);

    lane->topics = i + 1;
    *topic = i;

    return GOIM_OK;
}


int
goim_lane_knows_topic(const goim_lane_t *lane, uint32_t topic)
{
    uint32_t  i;

    for (i = 0; i < lane->entries; i++) {
        if (lane->table[i].topic == topic) {
            return 1;
        }
    }

    return 0;
}


int
goim_lane_next(const goim_lane_t *lane, uint32_t topic, int32_t partition,
    uint64_t *next)
{
    goim_lane_entry_t  *e;

    e = goim_lane_table_find(lane, topic, partition);
    if (e == NULL) {
        return GOIM_AGAIN;
    }

    *next = e->next;

    return GOIM_OK;
}


int
goim_lane_partition(const goim_lane_t *lane, uint32_t i, const char **topic,
    int32_t *partition, uint64_t *next)
{
    if (i >= lane->entries) {
        return GOIM_AGAIN;
    }

    *topic = lane->topic[lane->table[i].topic];
    *partition = lane->table[i].partition;
    *next = lane->table[i].next;

    return GOIM_OK;
}
