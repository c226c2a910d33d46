#include <getopt.h>
#include <stdio.h>

#include "main/agent.h"
#include "main/commands.h"

static const char help[] =
    "usage: logcap run [-c FILE] [--dry-run]\n"
    "\n"
    "Captures logs until SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE  configuration; without it /etc/logcap/logcap.yaml, and without that the defaults:\n"
    "                     this host's logs into local files (and to LOKI_URL, if that is set)\n"
    "      --dry-run      shows on standard output what would be sent; positions stay untouched\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 stopped as asked, 1 could not go on, 2 wrong usage or configuration,\n"
    "3 something was not given back at the end (the list is on standard error).\n";

int cmd_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"dry-run", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *config = NULL;
    bool dry_run = false;

    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;)
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 'n':
            dry_run = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_DONE;
        default:
            fputs("logcap run --help lists the options\n", stderr);
            return EXIT_USAGE;
        }
    if (optind < argc) {
        fprintf(stderr, "logcap run: unexpected argument '%s'\n", argv[optind]);
        return EXIT_USAGE;
    }
    return agent_run(config, dry_run);
}
