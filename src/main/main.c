/* logcap: finds the command, and at the end asks the census whether everything was given back. */
#include <stdio.h>
#include <string.h>

#include "base/census.h"
#include "config/suggest.h"
#include "main/commands/commands.h"

/*
 * Read by jemalloc before main. What is freed goes back to the kernel within a second; one arena and no caches per
 * thread, because nothing is allocated for a record and each cache would only hold memory. One allocation in a MiB, on
 * average, is remembered with its stack: that is what /debug/pprof/heap shows.
 */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1,tcache:false,dirty_decay_ms:1000,muzzy_decay_ms:0,"
                          "prof:true,prof_accum:true,lg_prof_sample:20";

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what; /* NULL: not listed; these come last */
};

static const struct command commands[] = {
    {"run", cmd_run, "capture and deliver"},
    {"check", cmd_check, "say whether a configuration is right, what it reads and where it sends"},
    {"config", cmd_config, "show the configuration in effect, all defaults, or the reference"},
    {"why", cmd_why, "ask the running agent why a file is or is not read"},
    {"positions", cmd_positions, "show or reset how far each source is delivered"},
    {"ledger", cmd_ledger, "show what became of what was read, and whether it adds up"},
    {"leaks", cmd_leaks, "show what leaks in the running agent, or judge a recorded series"},
    {"tasks", cmd_tasks, "show what the running agent runs, and where it was begun"},
    {"top", cmd_top, "watch the running agent on one screen"},
    {"dlq", cmd_dlq, "list, show, export, replay or purge what sinks will never take"},
    {"spool", cmd_spool, "show what waits on disk, and throw away what waits for a sink that is gone"},
    {"stacks", cmd_stacks, "show what the running agent does and holds, by stack"},
    {"verify", cmd_verify, "check what is kept in the state directory, and repair it"},
    {"version", cmd_version, "show the version"},
    {"resolve", cmd_resolve, NULL}, /* of no use to who calls it */
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *out, int code)
{
    fprintf(out, "logcap captures the logs of a host and delivers them to Grafana Loki and local files.\n\n"
                 "usage: logcap COMMAND [OPTION...]\n\n");
    for (unsigned i = 0; i < COMMANDS && commands[i].what; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].what);
    fprintf(out, "\nlogcap COMMAND --help says more. Without a configuration file logcap reads the host's logs, the journal and\n"
                 "its containers and writes local files.\n\n"
                 "Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration, 3 something was not given back at the\n"
                 "end (a bug; what it was is printed).\n");
    return code;
}

static int unknown(const char *name)
{
    struct suggest near;
    suggest_begin(&near, name);
    for (unsigned i = 0; i < COMMANDS && commands[i].what; i++)
        suggest_offer(&near, commands[i].name);
    if (near.best)
        fprintf(stderr, "logcap: there is no command '%s'; did you mean '%s'? logcap --help lists them\n", name, near.best);
    else
        fprintf(stderr, "logcap: there is no command '%s'; logcap --help lists them\n", name);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    char called[32];
    int code = -1;

    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return usage(stdout, EXIT_DONE);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    for (unsigned i = 0; i < COMMANDS && code < 0; i++)
        if (strcmp(commands[i].name, name) == 0) {
            /* What getopt calls it in its messages. */
            snprintf(called, sizeof called, "logcap %s", name);
            argv[1] = called;
            code = commands[i].run(argc - 1, argv + 1);
        }
    if (code < 0)
        return unknown(name);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        perror("logcap: standard output");
        code = EXIT_FAILED;
    }
    return census_empty(stderr) ? code : EXIT_NOT_EMPTY;
}
