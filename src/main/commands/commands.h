/*
 * commands: what `logcap COMMAND` calls. argv[0] is the command's name. Each returns the exit code and
 * answers --help itself.
 */
#pragma once

enum exit_code {
    EXIT_DONE,
    EXIT_FAILED,    /* it could not be done; the message says why */
    EXIT_USAGE,     /* wrong options, or a configuration that is not right */
    EXIT_NOT_EMPTY, /* something was not given back at the end: a bug; the census is printed */
};

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_dlq(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_positions(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_spool(int argc, char **argv);
int cmd_stacks(int argc, char **argv);
int cmd_tasks(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_why(int argc, char **argv);
