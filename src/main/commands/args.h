/*
 * args: the options and words of a command, read in one way for all of them. -h and --help print the help; what is
 * wrong is said on standard error, with the command's name (argv[0]) and where its options are listed.
 */
#pragma once

#include <stdbool.h>

enum { ARGS_MAX = 16 };

struct arg {
    const char *name;  /* "config": --config */
    char letter;       /* 'c': -c too; 0: no short form */
    const char **text; /* it takes a value, which goes here; or */
    bool *flag;        /* it takes none */
};

/*
 * Fills in what `args` (ended by one without a name) point to, and finds the words that are no options: `least` to
 * `most` of them. Returns how many, at *words; or, when there is nothing to do, -1 - the exit code.
 */
int args_parse(int argc, char **argv, const char *help, const struct arg *args, int least, int most, char ***words);

/* The exit code in a negative answer. */
static inline int args_code(int answer)
{
    return -1 - answer;
}
