/*
 * The command line of a daemon: -c file, -t, -V, -h.
 */

#ifndef GOIM_OPTIONS_H_INCLUDED
#define GOIM_OPTIONS_H_INCLUDED


#include "goim.h"


/* Exit codes of the daemons. */
#define GOIM_EXIT_OK       0
#define GOIM_EXIT_RUNTIME  1  /* it can't run */
#define GOIM_EXIT_USAGE    2  /* wrong usage or settings */


typedef struct {
    const char  *program;  /* "goim-job" */
    const char  *does;     /* lines of the usage, each with its line feed */
    const char  *version;  /* what -V prints */
    const char  *file;     /* of the settings: the default, then -c's */
    int          check;    /* -t: only test the settings */
} goim_options_t;


/* -1 to go on, else the exit code: all is said then. */
GOIM_MUSTCHECK int goim_options_take(goim_options_t *options, int argc,
    char **argv);


#endif /* GOIM_OPTIONS_H_INCLUDED */
