/*
 * The channel: one file in shared memory that carries every message of a
 * host from goim-job (the producer of its lanes) to all nginx workers (its
 * readers).  This header holds what both sides see: the file's layout, its
 * generations, and how it is made, found and mapped.  goim_lane.h is the
 * producer's side, goim_reader.h the reader's.  docs/channel.md explains the
 * protocol and why it is safe.
 *
 * No pointer lives in the file, only positions.  A position is a count of
 * bytes since the lane was made; it begins at the ring's size (so that 0 can
 * mean "none"), only grows, and stands at position & (size - 1) in the ring.
 */

#ifndef GOIM_CHANNEL_H_INCLUDED
#define GOIM_CHANNEL_H_INCLUDED


#include <stdatomic.h>
#include <sys/types.h>

#include "goim.h"


#define GOIM_CHANNEL_LAYOUT      4
#define GOIM_CHANNEL_MAGIC       0x676f696d2d636831ULL  /* "goim-ch1" */

#define GOIM_CHANNEL_SLOTS       1024  /* readers at the same time */
#define GOIM_CHANNEL_LANES       64    /* lanes at the most */
#define GOIM_CHANNEL_TOPICS      64    /* topics of one lane at the most */
#define GOIM_CHANNEL_TOPIC_LEN   256   /* Kafka allows 249, and a NUL */
#define GOIM_CHANNEL_PARTITIONS  4096  /* of all topics in one lane */

#define GOIM_CHANNEL_MIN_SIZE    4096u
#define GOIM_CHANNEL_MAX_SIZE    (1u << 30)

#define GOIM_CHANNEL_MIN_STALL   2000     /* ms */
#define GOIM_CHANNEL_MAX_STALL   3600000  /* ms */

#define GOIM_CHANNEL_PATH_LEN    192   /* of a configured path, at most */
#define GOIM_CHANNEL_PATH_MAX    256   /* with layout, generation and NUL */


/* A reader's word in a lane: its position, and its state in the low bits. */

#define GOIM_CURSOR_FREE         0  /* nobody, or the producer found it dead */
#define GOIM_CURSOR_LIVE         1  /* the producer waits for it */
#define GOIM_CURSOR_OUT          2  /* stalled; the producer goes on without */
#define GOIM_CURSOR_STATE        7ULL

#define goim_cursor_position(word)  ((word) & ~GOIM_CURSOR_STATE)
#define goim_cursor_state(word)     ((word) & GOIM_CURSOR_STATE)


typedef enum {
    GOIM_RECORD_PADDING = 0,  /* fills the ring's end; only 8 bytes of it are
                                 written */
    GOIM_RECORD_ROOM,         /* target: the room's name */
    GOIM_RECORD_BROADCAST,    /* target: empty; arg: goim's speed */
    GOIM_RECORD_KEYS,         /* target: keys, each 16-bit length and bytes */
    GOIM_RECORD_KICK,         /* target: a connection id, then keys, in the
                                 form of KEYS; arg: what the id is for; body:
                                 the reason */
    GOIM_RECORD_KINDS
} goim_record_kind_e;

#define GOIM_KICK_SPARE  0  /* all go but this one; it may be empty */
#define GOIM_KICK_ONLY   1  /* nobody goes but this one */


/*
 * A record as it stands in a ring, 8-byte aligned, never split over the
 * ring's end; target and body follow.  Written by the lane's producer before
 * it stores head, and never changed afterwards.
 */
typedef struct {
    uint32_t  size;        /* of the whole record, a multiple of 8 */
    uint8_t   kind;        /* goim_record_kind_e */
    uint8_t   reserved[3]; /* 0; the end of a padding record */
    uint64_t  seq;         /* counts the lane's records from 1 */
    uint64_t  hash;        /* goim_room_name_hash(), 0 unless ROOM */
    uint64_t  prev;        /* position of the room's previous record in this
                              lane; 0: unknown */
    int64_t   offset;      /* Kafka's */
    uint64_t  time;        /* Kafka's timestamp, ms since 1970; 0: unknown */
    int32_t   partition;   /* Kafka's */
    uint32_t  topic;       /* index into the lane's topics */
    int32_t   op;          /* goim operation of the packet that clients get */
    int32_t   arg;         /* by kind, else 0 */
    uint32_t  target_len;
    uint32_t  body_len;
} goim_record_t;

#define goim_record_target(r)  ((const uint8_t *) ((r) + 1))
#define goim_record_body(r)    (goim_record_target(r) + (r)->target_len)


/*
 * What goim-job counts, per lane; the lane's producer is the only writer.
 * What concerns no lane (broker errors) is counted in the first lane that
 * the process holds.  Names for the status page: goim_job_counter_names[].
 */
typedef enum {
    GOIM_JOB_MESSAGES = 0,    /* Kafka messages taken from librdkafka */
    GOIM_JOB_RECORDS,         /* records published */
    GOIM_JOB_BYTES,           /* bytes of published records */
    GOIM_JOB_BATCHES,         /* publications */
    GOIM_JOB_WAKEUPS,         /* bytes written into readers' pipes */
    GOIM_JOB_UNREADABLE,      /* skipped: neither PushMsg nor v1's JSON */
    GOIM_JOB_TOO_LARGE,       /* skipped: larger than a quarter of the ring */
    GOIM_JOB_TOO_OLD,         /* skipped: older than max_age */
    GOIM_JOB_OTHER_SERVER,    /* skipped: keys of another comet */
    GOIM_JOB_DUPLICATE,       /* skipped: offset below the table's */
    GOIM_JOB_OFFSET_RESETS,   /* offsets outside Kafka's log */
    GOIM_JOB_KAFKA_ERRORS,    /* errors that librdkafka reported */
    GOIM_JOB_PAUSES,          /* times the lane was full */
    GOIM_JOB_PAUSED_MS,       /* how long it was full */
    GOIM_JOB_READERS_DEAD,    /* readers found dead */
    GOIM_JOB_READERS_OUT,     /* readers marked out for stalling */
    GOIM_JOB_RESETS,          /* times the lane was found damaged */
    GOIM_JOB_TAKEN,           /* times the lane was taken */
    GOIM_JOB_COMMITS,         /* offsets committed to Kafka, calls */
    GOIM_JOB_COUNTERS,
    GOIM_JOB_COUNTERS_MAX = 32  /* room in the layout */
} goim_job_counter_e;

extern const char *const  goim_job_counter_names[GOIM_JOB_COUNTERS];


/* The next Kafka offset of one partition; written by the lane's producer. */
typedef struct {
    uint32_t          topic;      /* written before the count that covers it */
    int32_t           partition;  /* likewise */
    _Atomic uint64_t  next;       /* offset of the first message that the lane
                                     has neither published nor skipped */
} goim_channel_partition_t;


/*
 * How long a reader has been in the producer's way; written by the lane's
 * producer, kept here so that the next one goes on counting.
 */
typedef struct {
    uint64_t  epoch;     /* of the slot's owner that this is about */
    uint64_t  word;      /* the reader's word that in_way_us is about */
    uint64_t  from;      /* the reader's position when alone_us began */
    uint64_t  in_way_us; /* in the way without moving */
    uint64_t  alone_us;  /* in the way while all others had read everything,
                            without reading a whole ring in that time */
} goim_channel_judge_t;


/*
 * One bucket of the room index: 8 rooms, hash and last position.  Written by
 * the lane's producer: to give an entry to another room it stores position
 * 0, then the hash, then the position, each with release.
 */
#define GOIM_INDEX_WAYS  8

typedef struct {
    _Atomic uint64_t  hash;
    _Atomic uint64_t  position;
} goim_index_entry_t;

typedef struct {
    _Alignas(64) goim_index_entry_t  entries[GOIM_INDEX_WAYS];
} goim_index_bucket_t;


/*
 * A lane; all of it is written by the process that holds the lane's lock,
 * head, tail and table_pos always with release.  Invariant:
 * tail <= table_pos <= head <= tail + size.
 */
typedef struct {
    _Alignas(64) _Atomic uint64_t  head; /* end of the last published record */
    _Atomic uint64_t  tail;       /* nothing below it may be read any more */
    _Atomic uint64_t  table_pos;  /* offsets, index and seq cover the records
                                     below it */
    _Atomic uint64_t  seq;        /* sequence number of the record to come */

    _Alignas(64) _Atomic uint64_t  alive_ms; /* stored every second: time in ms
                                                since 1970 */
    _Atomic uint64_t  pid;        /* of the producer, for people */
    _Atomic uint64_t  topics;     /* names in use, stored after the name */
    _Atomic uint64_t  partitions; /* entries in use, stored after the entry */

    _Alignas(64) _Atomic uint64_t  counters[GOIM_JOB_COUNTERS_MAX];

    goim_channel_judge_t  judge[GOIM_CHANNEL_SLOTS];

    /* appended, never reordered */

    char  topic[GOIM_CHANNEL_TOPICS][GOIM_CHANNEL_TOPIC_LEN];
    goim_channel_partition_t  partition[GOIM_CHANNEL_PARTITIONS];
} goim_channel_lane_t;


/*
 * A reader's slot.  Its owner holds the lock on the slot's byte and is the
 * only writer, except for the cursors (see GOIM_CURSOR_*).
 */
#define GOIM_SLOT_COUNTERS  64

typedef struct {
    _Alignas(64) _Atomic uint64_t  epoch;  /* ns since 1970, when taken */
    _Atomic uint64_t  sleeping;   /* odd: asleep; grows over all owners */
    _Atomic uint64_t  pid;        /* for people; says nothing about life */
    _Atomic uint64_t  draining;   /* 1: an nginx worker that shuts down */

    /* between workers, when one takes another's connections over */
    _Atomic uint64_t  master;     /* the worker's, by number; 0: takes none */
    _Atomic uint64_t  reload;     /* how many that master had seen */
    _Atomic uint64_t  takes;      /* 0, or it listens at the slot's socket:
                                     goim_handover_takes() */
    _Atomic uint64_t  gave_up;    /* offers up to this number count only if
                                     they have been answered */

    _Alignas(64) _Atomic uint64_t  cursors[GOIM_CHANNEL_LANES];

    /* meaning: the reader's program; summed over live slots by anybody */
    _Alignas(64) _Atomic uint64_t  counters[GOIM_SLOT_COUNTERS];
} goim_channel_slot_t;


/*
 * The members that one reader has in one room: an entry of its table, which
 * only the slot's owner writes.  An entry without members may be given to
 * another room: the hash is stored before the members.
 */
#define GOIM_CHANNEL_ROOM_SLOTS  128   /* readers with a table, and a board:
                                          the first */
#define GOIM_CHANNEL_ROOMS       1024  /* entries of a table */
#define GOIM_CHANNEL_ROOM_TRIES  16    /* entries from hash % ROOMS on, round
                                          the table's end, that may hold it */

typedef struct {
    _Atomic uint64_t  hash;     /* goim_room_name_hash() */
    _Atomic uint64_t  members;
} goim_channel_room_t;


/*
 * What a reader shows the others besides: its room classes, by its own order,
 * with counters, and text for whoever asks.  Only the slot's owner writes it.
 */
#define GOIM_BOARD_CLASSES   32
#define GOIM_BOARD_NAME      64   /* bytes of a name, zeros at its end */
#define GOIM_BOARD_COUNTERS  8
#define GOIM_MAIL_DATA       2024

typedef struct {
    char              name[GOIM_BOARD_NAME];  /* empty: no such class; its
                                                 first byte is stored last */
    _Atomic uint64_t  counters[GOIM_BOARD_COUNTERS];
} goim_channel_class_t;

/* Text that is replaced as a whole; see goim_mail_write(). */
typedef struct {
    _Atomic uint64_t  seq;   /* odd: it is being written */
    _Atomic uint64_t  about; /* meaning: the reader's program */
    _Atomic uint32_t  len;
    uint8_t           data[GOIM_MAIL_DATA];
} goim_channel_mail_t;

typedef struct {
    _Alignas(64) goim_channel_class_t  classes[GOIM_BOARD_CLASSES];
    goim_channel_mail_t  question;
    goim_channel_mail_t  answer;

    /* by asker: its last question that was looked at, 1 added if this reader
     * knew an answer; stored after it */
    _Atomic uint64_t     acks[GOIM_CHANNEL_ROOM_SLOTS];
} goim_channel_board_t;


/* All slots; used is raised by a reader before its first cursor is live. */
typedef struct {
    _Alignas(64) _Atomic uint64_t  used;  /* slots at and above it were never
                                             taken */
    _Atomic uint64_t  asked;  /* raised by a reader behind each question */
    goim_channel_slot_t  slot[GOIM_CHANNEL_SLOTS];

    _Alignas(64) goim_channel_room_t
        rooms[GOIM_CHANNEL_ROOM_SLOTS][GOIM_CHANNEL_ROOMS];

    goim_channel_board_t  boards[GOIM_CHANNEL_ROOM_SLOTS];

    /* of readers that are gone: added by each one at its end, or for one that
     * died by the next that begins, under the slot's lock */
    _Alignas(64) _Atomic uint64_t  ended;   /* how many they are */
    _Atomic uint64_t  ended_counters[GOIM_SLOT_COUNTERS];
} goim_channel_slots_t;


/* The head of the file; written by the creator before magic, except: */
typedef struct {
    _Atomic uint64_t  magic;      /* stored last, with release */
    uint32_t          layout;
    uint32_t          lanes;
    uint64_t          size;       /* of one ring, a power of two */
    uint64_t          file_size;
    uint64_t          generation;
    uint64_t          index_buckets;  /* of one lane, a power of two */
    uint64_t          slots_at;   /* where the slots stand in the file */
    uint64_t          lanes_at;   /* where lane 0 stands */
    uint64_t          lane_step;  /* from one lane to the next */
    uint64_t          index_at;   /* from a lane's start to its index */
    uint64_t          ring_at;    /* from a lane's start to its ring */

    /* any nginx master, at each start and reload */
    _Alignas(64) _Atomic uint64_t  stall_ms;
    _Atomic uint64_t  successor;  /* number of the next generation, 0: none */
} goim_channel_header_t;


/* Where everything stands; follows from the number of lanes and their size. */
typedef struct {
    uint64_t  slots_at;
    uint64_t  slots_size;
    uint64_t  index_buckets;
    uint64_t  lanes_at;
    uint64_t  lane_step;
    uint64_t  index_at;
    uint64_t  ring_at;
    uint64_t  file_size;
} goim_channel_geometry_t;

/* lanes and size within their limits (goim_channel_conf_t). */
void goim_channel_geometry(goim_channel_geometry_t *g, uint32_t lanes,
    uint64_t size);


/* Locks stand beyond the file's data, so that lock and data cannot part. */
#define goim_channel_lane_lock(ch, i)  ((ch)->file_size + (i))
#define goim_channel_slot_lock(ch, i)                                         \
    ((ch)->file_size + GOIM_CHANNEL_LANES + (i))
#define goim_channel_turn_lock(ch, i)                                         \
    ((ch)->file_size + GOIM_CHANNEL_LANES + GOIM_CHANNEL_SLOTS + (i))


/*
 * One generation, mapped.  Geometry is copied out of the header when it is
 * opened and checked there, so that a later damage of the file never moves a
 * pointer.
 */
typedef struct {
    uint8_t               *base;      /* producer: writable; else read-only */
    goim_channel_slots_t  *slots;     /* writable unless opened to look */
    uint64_t               file_size;
    uint64_t               size;      /* of one ring */
    uint64_t               generation;
    uint64_t               index_buckets;
    uint64_t               lanes_at;
    uint64_t               lane_step;
    uint64_t               index_at;
    uint64_t               ring_at;
    uint64_t               slots_at;
    uint64_t               slots_size;
    uint32_t               lanes;
    int                    fd;        /* for lock tests; holds no lock */
    int                    mode;      /* goim_channel_mode_e */
    volatile int           broken;    /* set when an access raised SIGBUS or
                                         the header was written over: the
                                         memory reads as 0 from then on */
    char                   path[GOIM_CHANNEL_PATH_MAX]; /* of this file */
} goim_channel_t;

#define goim_channel_header(ch)  ((goim_channel_header_t *) (ch)->base)
#define goim_channel_lane(ch, i)                                              \
    ((goim_channel_lane_t *) ((ch)->base + (ch)->lanes_at                     \
                              + (ch)->lane_step * (i)))
#define goim_channel_index(ch, i)                                             \
    ((goim_index_bucket_t *) ((ch)->base + (ch)->lanes_at                     \
                              + (ch)->lane_step * (i) + (ch)->index_at))
#define goim_channel_ring(ch, i)                                              \
    ((ch)->base + (ch)->lanes_at + (ch)->lane_step * (i) + (ch)->ring_at)


typedef enum {
    GOIM_CHANNEL_LOOK = 0,  /* everything read-only (status, tests) */
    GOIM_CHANNEL_READER,    /* slots writable, the rest read-only */
    GOIM_CHANNEL_PRODUCER   /* everything writable */
} goim_channel_mode_e;


/* What the creator wants; see goim_channel in docs/directives.md. */
typedef struct {
    const char  *path;      /* without layout and generation */
    uint64_t     size;      /* of one ring: a power of two,
                               GOIM_CHANNEL_MIN_SIZE..MAX_SIZE */
    uint32_t     lanes;     /* 1..GOIM_CHANNEL_LANES */
    uint64_t     stall_ms;  /* GOIM_CHANNEL_MIN_STALL..MAX_STALL */
    uid_t        uid;       /* owner; (uid_t) -1: leave as it is */
    gid_t        gid;       /* likewise */
    mode_t       mode;      /* permission bits of the file and the pipes */
} goim_channel_conf_t;


/*
 * The newest generation with this program's layout.  GOIM_OK and its number;
 * GOIM_AGAIN if there is none; GOIM_ERROR if the folder can't be read.
 */
GOIM_MUSTCHECK int goim_channel_newest(const char *path, uint64_t *generation,
    goim_error_t *error);

/*
 * All generations with this program's layout, ascending, at most max of them
 * (the newest ones).  Returns how many, or GOIM_ERROR.
 */
GOIM_MUSTCHECK int goim_channel_list(const char *path, uint64_t *generations,
    int max, goim_error_t *error);

/* goim_channel_make.c */

/* What goim_channel_make() has done. */
typedef enum {
    GOIM_CHANNEL_KEPT = 0,
    GOIM_CHANNEL_MADE,       /* none was there, or one of another size */
    GOIM_CHANNEL_REPLACED,   /* the file that was there is no channel */
    GOIM_CHANNEL_NO_PIPES    /* the one that was there has lost its pipes */
} goim_channel_made_e;

/*
 * Called by the nginx master at each start and reload: finds the newest
 * generation and keeps it if it fits the configuration, else makes the next
 * one, copies the partition table into it and links it from the old one.
 * *created tells which: a goim_channel_made_e.  Never blocks longer than half
 * a second.
 */
GOIM_MUSTCHECK int goim_channel_make(const goim_channel_conf_t *conf,
    uint64_t *generation, int *created, goim_error_t *error);

/*
 * Under nginx -t: would goim_channel_make() be possible?  Creates, resizes and
 * opens nothing for writing.
 */
GOIM_MUSTCHECK int goim_channel_check(const goim_channel_conf_t *conf,
    goim_error_t *error);

/*
 * Removes a generation's file and its pipes, unless a reader holds a slot of
 * it; for goim-job, once the generation has a successor and nobody reads it.
 */
void goim_channel_remove(const char *path, uint64_t generation);

/* goim_channel.c again */

/*
 * Maps one generation, and guards the mapping against SIGBUS.  GOIM_INVALID:
 * the file is not a channel of this layout, or damaged.  The result is freed
 * by goim_channel_close().
 */
GOIM_MUSTCHECK int goim_channel_open(const char *path, uint64_t generation,
    goim_channel_mode_e mode, goim_channel_t **ch, goim_error_t *error);

void goim_channel_close(goim_channel_t *ch);

/*
 * Whether the mapping still is what was opened; to be asked now and then.  One
 * whose file was filled with something else is broken from then on.
 */
int goim_channel_is_whole(goim_channel_t *ch);

/* The file's name is gone, or another file has it. */
int goim_channel_is_unlinked(const goim_channel_t *ch);

/* Whether somebody holds the lock of a slot, or of a lane. */
int goim_channel_slot_is_held(const goim_channel_t *ch, uint32_t slot);
int goim_channel_lane_is_held(const goim_channel_t *ch, uint32_t lane);

/* How many slots have to be looked at; never above the slots there are. */
uint32_t goim_channel_slots_used(const goim_channel_t *ch);

/*
 * Readers there are: slots whose lock is held.  A generation with a successor
 * must be fed as long as this is not 0.
 */
int goim_channel_live_readers(const goim_channel_t *ch);

/*
 * The members of a room over all readers but one (a slot's number, or
 * GOIM_CHANNEL_SLOTS for all).  A reader that has died is left out as soon as
 * goim-job has found it; a room that found no entry with its reader as well.
 */
uint64_t goim_channel_room_members(const goim_channel_t *ch, uint64_t hash,
    uint32_t except);

/* The same without readers that shut down. */
uint64_t goim_channel_room_staying(const goim_channel_t *ch, uint64_t hash,
    uint32_t except);

/* "<path>.<layout>.<generation>": a generation's file. */
void goim_channel_file_name(const char *path, uint64_t generation, char *buf,
    size_t len);

/* "<file>.d/<slot>": a slot's wake-up pipe. */
void goim_channel_pipe_name(const char *file, uint32_t slot, char *buf,
    size_t len);

/* "<file>.d/<slot>.s": a slot's socket, made by its owner. */
void goim_channel_socket_name(const char *file, uint32_t slot, char *buf,
    size_t len);


#endif /* GOIM_CHANNEL_H_INCLUDED */
