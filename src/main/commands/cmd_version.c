#include <stdio.h>

#include <sqlite3.h>

#include "main/commands/args.h"
#include "main/commands/commands.h"
#include "net/libcurl.h"

static const char help[] = "usage: logcap version\n\nShows the version of logcap and of the libraries it runs with.\n";

int cmd_version(int argc, char **argv)
{
    const struct arg args[] = {{0}};
    char **words;
    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    if (n < 0)
        return args_code(n);
    printf("logcap %s\n%s\nsqlite %s\n", LOGCAP_VERSION, libcurl_open() == 0 ? libcurl.version() : "libcurl: none",
           sqlite3_libversion());
    return EXIT_DONE;
}
