/*
 * The channel's generations that are fed, and which of their lanes are ours.
 */

#ifndef JW_CHANNEL_H_INCLUDED
#define JW_CHANNEL_H_INCLUDED


#include "goim_channel.h"
#include "goim_log.h"
#include "jw_feed.h"


#define JW_CHANNEL_GENERATIONS  12  /* libgoim guards 16 mappings */


typedef struct {
    goim_channel_t  *ch;
    char            *path;      /* as configured when it was opened */
    jw_feed_t       *feeds;     /* ch->lanes of them */
    int              unlinked;  /* its name is gone or means another file */
    uint64_t         idle_us;   /* since when it is not needed, 0: it is */
} jw_generation_t;


typedef struct {
    const goim_log_t   *log;
    char             *path;
    jw_generation_t   generations[JW_CHANNEL_GENERATIONS];
    unsigned          n;
    uint64_t          newest;         /* of path, 0: none */
    uint64_t          left[JW_CHANNEL_GENERATIONS];  /* could not be removed
                                                        and are passed over */
    unsigned          nleft;          /* ever; the last of them count */
    int               changed;        /* the set of our lanes; the caller
                                         clears it */
    uint64_t          next_scan_us;
    uint64_t          next_tick_us;
    int               waiting;        /* said that there is no channel */
    goim_log_limit_t  scan_limit;
    goim_log_limit_t  open_limit;
    goim_log_limit_t  take_limit;
} jw_channel_t;


GOIM_MUSTCHECK int jw_channel_init(jw_channel_t *jc, const char *path,
    const goim_log_t *log);

/*
 * Another channel is the one to feed from now on; generations of the old one
 * are fed as long as they have readers.
 */
GOIM_MUSTCHECK int jw_channel_set_path(jw_channel_t *jc, const char *path);

/*
 * Looks for generations, opens, takes, drops and removes; to be called about
 * every 100 ms.  After it jc->changed says that all jw_feed_t pointers got
 * before are void.
 */
void jw_channel_look(jw_channel_t *jc);

/* Publishes what is pending in all lanes. */
void jw_channel_publish(jw_channel_t *jc);

/* Looks after full lanes. */
void jw_channel_look_full(jw_channel_t *jc);

/* All held messages are forgotten, to be consumed again. */
void jw_channel_drop_held(jw_channel_t *jc);

/* Notes what may be committed. */
void jw_channel_note(jw_channel_t *jc);

/* All notes are safe, and all is published. */
int jw_channel_all_read(const jw_channel_t *jc);

/* Our lanes that hold a partition; at most JW_CHANNEL_GENERATIONS. */
unsigned jw_channel_feeds(jw_channel_t *jc, int32_t partition,
    jw_feed_t **feeds);

/* Walks all our lanes: NULL at the end; *at is 0 at first. */
jw_feed_t *jw_channel_next_feed(jw_channel_t *jc, unsigned *at);

/* Counts what concerns no lane in the first that we hold. */
void jw_channel_count(jw_channel_t *jc, goim_job_counter_e counter,
    uint64_t n);

/* Leaves all lanes and closes all generations. */
void jw_channel_done(jw_channel_t *jc);


#endif /* JW_CHANNEL_H_INCLUDED */
