#include "main/commands/args.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "main/commands/commands.h"

enum { HELP = 256, FIRST }; /* what getopt returns for a long option: FIRST and its index */

static int done(int code)
{
    return -1 - code;
}

/* What was wrong has been said. */
static int wrong(const char *command)
{
    fprintf(stderr, "%s --help lists the options\n", command);
    return done(EXIT_USAGE);
}

/* The option that getopt found; -1: it is none of ours. */
static int find(const struct arg *args, int found)
{
    for (int i = 0; args[i].name; i++)
        if (found == FIRST + i || (args[i].letter && found == args[i].letter))
            return i;
    return -1;
}

int args_parse(int argc, char **argv, const char *help, const struct arg *args, int least, int most, char ***words)
{
    struct option options[ARGS_MAX + 2] = {{"help", no_argument, NULL, HELP}};
    char letters[2 * ARGS_MAX + 2] = "h";

    for (int i = 0; args[i].name; i++) {
        assert(i < ARGS_MAX);
        options[i + 1] = (struct option){args[i].name, args[i].text ? required_argument : no_argument, NULL, FIRST + i};
        if (args[i].letter)
            snprintf(letters + strlen(letters), 3, "%c%s", args[i].letter, args[i].text ? ":" : "");
    }
    optind = 0; /* also for a second call in one process */
    for (int found; (found = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
        if (found == HELP || found == 'h') {
            fputs(help, stdout);
            return done(EXIT_DONE);
        }
        int i = find(args, found);
        if (i < 0)
            return wrong(argv[0]);
        if (args[i].text)
            *args[i].text = optarg;
        else
            *args[i].flag = true;
    }
    int n = argc - optind;
    *words = argv + optind;
    if (n >= least && n <= most)
        return n;
    if (n > most)
        fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], (*words)[most]);
    else
        fprintf(stderr, "%s: an argument is missing\n", argv[0]);
    return wrong(argv[0]);
}
