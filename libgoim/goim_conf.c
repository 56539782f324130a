/*
 * Reads settings; see goim_conf.h.  The INI syntax is libinih's: a comment is
 * a line of its own that begins with "#" or ";", a setting is one line.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "goim_conf.h"


#define GOIM_CONF_LINE_MAX   65536
#define GOIM_CONF_ERROR_LEN  512
#define GOIM_CONF_TYPE_LEN   64


/* A file being read. */
struct goim_conf_reader_s {
    const goim_conf_schema_t  *schema;
    void                      *conf;
    const char                *name;
    const goim_log_t          *log;
    FILE                      *file;
    int                        line;
    int                        line_open;  /* the last piece had no newline */
    size_t                     line_len;
    int                        errors;
    int                        set_at[GOIM_CONF_SETTINGS];  /* lines, or 0 */
};


const char  goim_conf_no_memory[] = "there is no memory for it";


const char *
goim_conf_set_string(char **field, const char *value)
{
    char  *copy;

    copy = strdup(value);
    if (copy == NULL) {
        return goim_conf_no_memory;
    }

    free(*field);
    *field = copy;

    return NULL;
}


int
goim_conf_has_control(const char *value)
{
    for (; *value; value++) {
        if (iscntrl((unsigned char) *value)) {
            return 1;
        }
    }

    return 0;
}


typedef struct {
    const char  *name;
    uint64_t     factor;
} goim_conf_unit_t;


/* A number and one of the units, which may be ""; at most max of factor 1. */
static int
goim_conf_quantity(const char *value, const goim_conf_unit_t *units, size_t n,
    uint64_t max, uint64_t *quantity)
{
    char                *end;
    size_t               i;
    unsigned long long   number;

    if (!isdigit((unsigned char) value[0])) {
        return GOIM_INVALID;
    }

    errno = 0;
    number = strtoull(value, &end, 10);

    for (i = 0; i < n && strcmp(end, units[i].name) != 0; i++) {
        /* void */
    }

    if (errno || i == n || number > max / units[i].factor) {
        return GOIM_INVALID;
    }

    *quantity = number * units[i].factor;

    return GOIM_OK;
}


int
goim_conf_time(const char *value, uint64_t *ms)
{
    static const goim_conf_unit_t  units[] = {
        { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
        { "h", 60 * 60 * 1000 }
    };

    /* a thousand years is far from every overflow */

    return goim_conf_quantity(value, units, sizeof(units) / sizeof(units[0]),
                              1000ULL * 366 * 24 * 3600 * 1000, ms);
}


int
goim_conf_size(const char *value, uint64_t *bytes)
{
    static const goim_conf_unit_t  units[] = {
        { "", 1 }, { "k", 1024 }, { "K", 1024 }, { "m", 1024 * 1024 },
        { "M", 1024 * 1024 }
    };

    return goim_conf_quantity(value, units, sizeof(units) / sizeof(units[0]),
                              UINT64_MAX / 2, bytes);
}


int
goim_conf_number(const char *value, int64_t min, int64_t max, int64_t *number)
{
    char       *end;
    long long   n;

    if (!isdigit((unsigned char) value[0])
        && !(value[0] == '-' && isdigit((unsigned char) value[1])))
    {
        return GOIM_INVALID;
    }

    errno = 0;
    n = strtoll(value, &end, 10);

    if (errno || *end != '\0' || n < min || n > max) {
        return GOIM_INVALID;
    }

    *number = n;

    return GOIM_OK;
}


const char *
goim_conf_set_room_type(char **field, const char *value)
{
    if (strlen(value) > GOIM_CONF_TYPE_LEN || goim_conf_has_control(value)
        || strstr(value, "://") != NULL)
    {
        return "it must be what stands before \"://\" in a room's name: 1 to "
               "64 bytes, no control characters";
    }

    return goim_conf_set_string(field, value);
}


const char *
goim_conf_set_level(goim_log_level_e *field, const char *value)
{
    goim_log_level_e  level;

    level = goim_log_level(value);

    if (level == GOIM_LOG_LEVELS) {
        return "it must be alert, crit, error, warn, notice, info or debug";
    }

    *field = level;

    return NULL;
}


void
goim_conf_error(goim_conf_reader_t *rd, int line, const char *fmt, ...)
{
    char     text[GOIM_CONF_ERROR_LEN];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    rd->errors++;

    if (line) {
        goim_log(rd->log, GOIM_LOG_ERROR, "%s:%d: %s", rd->name, line, text);

    } else {
        goim_log(rd->log, GOIM_LOG_ERROR, "%s: %s", rd->name, text);
    }
}


int
goim_conf_line(const goim_conf_reader_t *rd)
{
    return rd->line;
}


int
goim_conf_errors(const goim_conf_reader_t *rd)
{
    return rd->errors;
}


static const char *
goim_conf_set_text(const goim_conf_setting_t *s, char **field,
    const char *value)
{
    if (goim_conf_has_control(value)) {
        return "it must have no control characters";
    }

    if (strlen(value) > s->max) {
        return s->wanted;
    }

    return goim_conf_set_string(field, value);
}


static const char *
goim_conf_set_op(int32_t *field, const char *value)
{
    int64_t  n;

    if (goim_conf_number(value, INT32_MIN, INT32_MAX, &n) != GOIM_OK) {
        return "it must be an operation number of 32 bits";
    }

    *field = n;

    return NULL;
}


/* What has no setter: a value of a kind, within its limits. */
static const char *
goim_conf_set_kind(const goim_conf_setting_t *s, void *conf,
    const char *value)
{
    int       rc;
    void     *field;
    int64_t   number;
    uint64_t  n;

    field = (char *) conf + s->offset;

    switch (s->kind) {

    case GOIM_CONF_TEXT_LINE:
        return goim_conf_set_text(s, field, value);

    case GOIM_CONF_OP:
        return goim_conf_set_op(field, value);

    case GOIM_CONF_TIME:
        rc = goim_conf_time(value, &n);
        break;

    case GOIM_CONF_SIZE:
        rc = goim_conf_size(value, &n);
        break;

    default:
        rc = goim_conf_number(value, 0, INT64_MAX, &number);
        n = number;
    }

    if (rc != GOIM_OK || n < s->min || n > s->max) {
        return s->wanted;
    }

    *(uint64_t *) field = n;

    return NULL;
}


static void
goim_conf_take(goim_conf_reader_t *rd, size_t i, const char *value)
{
    const char                 *wanted;
    const goim_conf_setting_t  *s;

    s = &rd->schema->settings[i];

    if (rd->set_at[i]) {
        goim_conf_error(rd, rd->line, "\"%s\" in [%s]: it is set in line %d "
                        "already",
                        s->name, s->section, rd->set_at[i]);
        return;
    }

    rd->set_at[i] = rd->line;

    wanted = s->set ? s->set(rd->conf, value)
                    : goim_conf_set_kind(s, rd->conf, value);
    if (wanted) {
        goim_conf_error(rd, rd->line, "\"%s\" in [%s] can't be \"%s\": %s",
                        s->name, s->section, value, wanted);
    }
}


static int
goim_conf_is_section(const goim_conf_reader_t *rd, const char *section)
{
    char  name[64];

    snprintf(name, sizeof(name), "[%s]", section);

    return strstr(rd->schema->sections, name) != NULL;
}


/* libinih's handler; always goes on, so that all errors of a file are told. */
static int
goim_conf_handler(void *data, const char *section, const char *name,
    const char *value)
{
    size_t                     i;
    goim_conf_reader_t        *rd = data;
    const goim_conf_schema_t  *schema = rd->schema;

    if (!goim_conf_is_section(rd, section)) {
        goim_conf_error(rd, rd->line, "\"%s\" stands in [%s]: it must stand "
                        "in %s",
                        name, section, schema->sections);
        return 1;
    }

    if (value[0] == '\0') {
        goim_conf_error(rd, rd->line, "\"%s\" in [%s] has no value: write "
                        "one, or leave the line out",
                        name, section);
        return 1;
    }

    for (i = 0; i < schema->nsettings; i++) {
        if (strcmp(schema->settings[i].section, section) == 0
            && strcmp(schema->settings[i].name, name) == 0)
        {
            goim_conf_take(rd, i, value);
            return 1;
        }
    }

    if (schema->other == NULL
        || !schema->other(rd, rd->conf, section, name, value))
    {
        goim_conf_error(rd, rd->line, "there is no setting \"%s\" in [%s]",
                        name, section);
    }

    return 1;
}


/* As fgets(), but a NUL becomes a space and is told of; 0: the end. */
static size_t
goim_conf_get_piece(goim_conf_reader_t *rd, char *buf, size_t size)
{
    int     c, nul;
    size_t  len;

    nul = 0;
    c = 0;

    for (len = 0; len + 1 < size && c != '\n'; len++) {
        c = getc(rd->file);

        if (c == EOF) {
            break;
        }

        nul |= c == '\0';
        buf[len] = c ? c : ' ';
    }

    buf[len] = '\0';

    if (nul) {
        goim_conf_error(rd, rd->line + !rd->line_open, "there is a NUL in "
                        "the line");
    }

    return len;
}


/*
 * libinih's reader: a line may come in several pieces.  It counts the lines,
 * which the handler is not told.
 */
static char *
goim_conf_gets(char *buf, int size, void *data)
{
    size_t               len;
    goim_conf_reader_t  *rd = data;

    len = goim_conf_get_piece(rd, buf, size);

    if (len == 0) {
        return NULL;
    }

    if (!rd->line_open) {
        rd->line++;
        rd->line_len = 0;
    }

    rd->line_open = buf[len - 1] != '\n';

    if (rd->line_len <= GOIM_CONF_LINE_MAX
        && rd->line_len + len > GOIM_CONF_LINE_MAX)
    {
        goim_conf_error(rd, rd->line, "the line is longer than %d bytes",
                        GOIM_CONF_LINE_MAX);
    }

    rd->line_len += len;

    return buf;
}


static void
goim_conf_parse(goim_conf_reader_t *rd)
{
    int  rc;

    /* libinih's settings; it has no other place for them */

    ini_use_stack = 0;
    ini_allow_realloc = 1;
    ini_max_line = 2 * GOIM_CONF_LINE_MAX;
    ini_allow_multiline = 0;
    ini_allow_inline_comments = 0;

    rc = ini_parse_stream(goim_conf_gets, rd, goim_conf_handler, rd);

    if (rc > 0) {
        goim_conf_error(rd, rc, "this is neither \"name = value\", nor a "
                        "[section], nor a comment");

    } else if (rc < 0) {
        goim_conf_error(rd, 0, "%s", goim_conf_no_memory);
    }

    if (ferror(rd->file)) {
        goim_conf_error(rd, 0, "can't be read: %s", strerror(errno));
    }
}


int
goim_conf_read(const goim_conf_schema_t *schema, const char *file, void *conf,
    const goim_log_t *log)
{
    goim_conf_reader_t  rd;

    memset(&rd, 0, sizeof(goim_conf_reader_t));

    rd.schema = schema;
    rd.conf = conf;
    rd.name = file;
    rd.log = log;

    rd.file = fopen(file, "re");
    if (rd.file == NULL) {
        goim_log(log, GOIM_LOG_ERROR, "can't open \"%s\": %s", file,
                 strerror(errno));
        return GOIM_INVALID;
    }

    goim_conf_parse(&rd);
    schema->complete(&rd, conf);

    fclose(rd.file);

    return rd.errors ? GOIM_INVALID : GOIM_OK;
}
