/*
 * Reads the settings of a daemon from an INI file: sections, one setting a
 * line, everything that is wrong told at once.  Only the daemons use it: it
 * needs libinih.
 */

#ifndef GOIM_CONF_H_INCLUDED
#define GOIM_CONF_H_INCLUDED


#include <stdarg.h>

#include "goim.h"
#include "goim_log.h"


#define GOIM_CONF_TEXT  256  /* bytes of what a taker may say */


typedef struct goim_conf_reader_s  goim_conf_reader_t;


/*
 * Takes a value into the daemon's struct.  Returns NULL, or what would be
 * right: "it must be …"; goim_conf_no_memory.
 */
typedef const char *(*goim_conf_set_pt)(void *conf, const char *value);


/* What a setting without a setter of its own is. */
typedef enum {
    GOIM_CONF_CUSTOM = 0,
    GOIM_CONF_NUMBER,      /* uint64_t */
    GOIM_CONF_TIME,        /* uint64_t, ms */
    GOIM_CONF_SIZE,        /* uint64_t, bytes */
    GOIM_CONF_OP,          /* int32_t: any operation */
    GOIM_CONF_TEXT_LINE    /* char *, malloc'ed: no control characters, max
                              bytes */
} goim_conf_kind_e;


typedef struct {
    const char        *section;
    const char        *name;
    goim_conf_set_pt   set;     /* NULL: by kind */

    goim_conf_kind_e   kind;
    size_t             offset;  /* of the field in the daemon's struct */
    uint64_t           min;
    uint64_t           max;
    const char        *wanted;  /* said if it is not so; NULL: OP and
                                   TEXT_LINE have words of their own */
} goim_conf_setting_t;

/* A row of the table with a setter. */
#define goim_conf_custom(section, name, set)                                 \
    { section, name, set, GOIM_CONF_CUSTOM, 0, 0, 0, NULL }


/* All that a file may hold. */
typedef struct {
    const goim_conf_setting_t  *settings;
    size_t                      nsettings;  /* at most GOIM_CONF_SETTINGS */

    /* how to name the sections in a message: "[a], [b] or [c]" */
    const char                 *sections;

    /*
     * Takes what is not in the table, NULL where nothing else may be.  It
     * tells of mistakes by goim_conf_error().  Returns 0 if there is no such
     * setting in that section.
     */
    int                       (*other)(goim_conf_reader_t *rd, void *conf,
                                       const char *section, const char *name,
                                       const char *value);

    /* Fills in what the file left out; tells what must not be missing. */
    void                      (*complete)(goim_conf_reader_t *rd, void *conf);
} goim_conf_schema_t;

#define GOIM_CONF_SETTINGS  128


extern const char  goim_conf_no_memory[];


/*
 * GOIM_INVALID: something in the file is wrong, or it can't be read; each
 * mistake is logged, with file, line, setting and what would be right.
 */
GOIM_MUSTCHECK int goim_conf_read(const goim_conf_schema_t *schema,
    const char *file, void *conf, const goim_log_t *log);

/* For takers: one mistake in this line (0: in no line). */
void goim_conf_error(goim_conf_reader_t *rd, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The line that is being read; how many mistakes there were. */
int goim_conf_line(const goim_conf_reader_t *rd);
int goim_conf_errors(const goim_conf_reader_t *rd);

/* Replaces *field, which is malloc'ed or NULL, by a copy. */
const char *goim_conf_set_string(char **field, const char *value);

/* Whether there is a control character in it. */
int goim_conf_has_control(const char *value);

/*
 * A number with ms, s, m or h behind it; without a unit it means seconds.
 * At most 1000 years.
 */
GOIM_MUSTCHECK int goim_conf_time(const char *value, uint64_t *ms);

/* A number with k or m behind it, or none: bytes. */
GOIM_MUSTCHECK int goim_conf_size(const char *value, uint64_t *bytes);

GOIM_MUSTCHECK int goim_conf_number(const char *value, int64_t min,
    int64_t max, int64_t *number);

/* The setter of a room's type, which stands before "://" in its name. */
const char *goim_conf_set_room_type(char **field, const char *value);

/* The setter of a log level. */
const char *goim_conf_set_level(goim_log_level_e *field, const char *value);


#endif /* GOIM_CONF_H_INCLUDED */
