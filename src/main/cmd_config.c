/* `logcap config`: the values in effect, the defaults, the reference. */
#include <getopt.h>
#include <stdio.h>

#include "main/commands.h"
#include "main/load.h"

enum { TEXT_BYTES = 4 << 20 };

static const char help[] = "usage: logcap config [-c FILE] [--json]\n"
                           "       logcap config --defaults | --reference\n"
                           "\n"
                           "Shows the configuration in effect, every key, secrets as ***.\n"
                           "\n"
                           "  -c, --config FILE  the file; without it /etc/logcap/logcap.yaml, else the defaults\n"
                           "      --json         as JSON; sizes are bytes\n"
                           "      --defaults     every key with its default and what it means, as a file to start from\n"
                           "      --reference    docs/configuration.md\n";

static int show(struct scope *scope, struct buf *out, const char *file, int (*what)(struct buf *),
                int (*print)(const struct config *, struct buf *))
{
    struct config *c = what ? NULL : load_or_say(scope, file);
    if (!what && !c)
        return EXIT_USAGE;
    if (buf_begin(out, scope, "output", TEXT_BYTES) < 0 || (what ? what(out) : print(c, out)) < 0) {
        fputs("logcap: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    fputs(out->data, stdout);
    return EXIT_DONE;
}

int cmd_config(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"defaults", no_argument, NULL, 'd'},
                                            {"reference", no_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *file = NULL;
    int (*what)(struct buf *) = NULL;
    int (*print)(const struct config *, struct buf *) = config_print;
    struct scope scope;
    struct buf out;

    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;)
        switch (o) {
        case 'c':
            file = optarg;
            break;
        case 'j':
            print = config_print_json;
            break;
        case 'd':
            what = config_print_defaults;
            break;
        case 'r':
            what = config_print_reference;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_DONE;
        default:
            fputs(help, stderr);
            return EXIT_USAGE;
        }
    if (optind < argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (scope_begin(&scope, &scope_root, "config command") < 0)
        return EXIT_FAILED;
    int code = show(&scope, &out, file, what, print);
    scope_end(&scope);
    return code;
}
