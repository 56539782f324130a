/*
 * Takes the command line of a daemon; see goim_options.h.
 */

#include <getopt.h>
#include <stdio.h>

#include "goim_options.h"


static void
goim_options_usage(const goim_options_t *o, FILE *out)
{
    fprintf(out,
            "usage: %s [-c file] [--check]\n"
            "\n"
            "%s"
            "\n"
            "  -c, --config file  the settings, default %s\n"
            "  -t, --check        test the settings and exit\n"
            "  -V, --version      print the version and exit\n"
            "  -h, --help         print this and exit\n"
            "\n"
            "Signals: TERM and INT stop, HUP reads the settings again.\n"
            "Exit codes: 0 stopped or tested, 1 can't run, 2 wrong usage or\n"
            "settings.\n",
            o->program, o->does, o->file);
}


int
goim_options_take(goim_options_t *o, int argc, char **argv)
{
    int          option;
    const char  *file;

    static const struct option  options[] = {
        { "config", required_argument, NULL, 'c' },
        { "check", no_argument, NULL, 't' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    file = o->file;

    while ((option = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
        switch (option) {

        case 'c':
            file = optarg;
            break;

        case 't':
            o->check = 1;
            break;

        case 'V':
            printf("%s %s\n", o->program, o->version);
            return GOIM_EXIT_OK;

        case 'h':
            goim_options_usage(o, stdout);
            return GOIM_EXIT_OK;

        default:
            goim_options_usage(o, stderr);
            return GOIM_EXIT_USAGE;
        }
    }

    if (optind < argc) {
        fprintf(stderr, "%s: \"%s\" is not an option\n", o->program,
                argv[optind]);
        goim_options_usage(o, stderr);
        return GOIM_EXIT_USAGE;
    }

    o->file = file;

    return -1;
}
