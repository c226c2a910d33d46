/* `logcap config`: the values in effect, the defaults, the reference. */
#include <stdio.h>

#include "main/commands/args.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"

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
    const char *file = NULL;
    bool json = false, defaults = false, reference = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &file, NULL},
                               {"json", 0, NULL, &json},
                               {"defaults", 0, NULL, &defaults},
                               {"reference", 0, NULL, &reference},
                               {0}};
    struct scope scope;
    struct buf out;

    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    if (n < 0)
        return args_code(n);
    if (scope_begin(&scope, &scope_root, "config command") < 0)
        return EXIT_FAILED;
    int code = show(&scope, &out, file, reference ? config_print_reference : defaults ? config_print_defaults : NULL,
                    json ? config_print_json : config_print);
    scope_end(&scope);
    return code;
}
