#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <sqlite3.h>

#include "main/commands.h"

int cmd_version(int argc, char **argv)
{
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        fputs("usage: logcap version\n\nShows the version of logcap and of the libraries it runs with.\n", help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    printf("logcap %s\n%s\nsqlite %s\n", LOGCAP_VERSION, curl_version(), sqlite3_libversion());
    return EXIT_DONE;
}
