/* `logcap why PATH`: asks the running agent, at its server's address, why a file or a container is or is not read. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "main/commands/args.h"
#include "main/commands/ask.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "main/commands/outline.h"

enum { ANSWER_BYTES = 1 << 20, ERROR_BYTES = 200 };

static const char help[] = "usage: logcap why [-c FILE] [--json] PATH|CONTAINER\n"
                           "\n"
                           "Asks the running agent why a file or a container is or is not read: what matched it, its identity, how\n"
                           "far it is read and delivered, the last error. A container: by its name, or the begin of its id.\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --json         the answer as it came\n"
                           "\n"
                           "Exit code: 0 there was an answer, 1 there was none, 2 wrong usage or configuration.\n";

static int ask(struct scope *scope, struct buf *answer, struct buf *text, const char *file, const char *path, bool json)
{
    char whole[PATH_MAX], error[ERROR_BYTES];
    const char *name = strchr(path, '/') ? NULL : path; /* it may be a container's, which comes first */
    long status = 0;
    struct config *c = load_place_or_say(scope, file);

    if (!c)
        return EXIT_USAGE;
    /* As the agent knows it: absolute. What is a link stays one, for the agent's patterns may name it. */
    if (*path != '/') {
        if (!getcwd(whole, sizeof whole))
            return EXIT_FAILED;
        path = scope_printf(scope, "%s/%s", whole, path);
    }
    char *escaped = path ? ask_escape(scope, path) : NULL;
    const char *container = name ? ask_escape(scope, name) : "";
    char *query = escaped && container ? scope_printf(scope, "/why?format=json&path=%s%s%s", escaped, name ? "&container=" : "", container)
                                       : NULL;
    int r = -ENOMEM;
    if (query && buf_begin(answer, scope, "answer", ANSWER_BYTES) == 0 &&
        buf_begin(text, scope, "text", 2 * ANSWER_BYTES) == 0)
        r = ask_agent(scope, c, query, answer, &status, error, sizeof error);
    if (r == 0 && !json)
        r = outline_from_json(answer->data, answer->len, text);
    ask_complain(r, c, error);
    if (r < 0)
        return EXIT_FAILED;
    fwrite(json ? answer->data : text->data, 1, json ? answer->len : text->len, stdout);
    return status < 400 || status == 404 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_why(int argc, char **argv)
{
    const char *file = NULL;
    bool json = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &file, NULL}, {"json", 0, NULL, &json}, {0}};
    struct scope scope;
    struct buf answer, text;

    int n = args_parse(argc, argv, help, args, 1, 1, &words);
    if (n < 0)
        return args_code(n);
    if (scope_begin(&scope, &scope_root, "why command") < 0)
        return EXIT_FAILED;
    int code = ask(&scope, &answer, &text, file, words[0], json);
    scope_end(&scope);
    return code;
}
