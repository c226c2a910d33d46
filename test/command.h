/*
 * command: runs a command of the command line within a test, in a directory of its own, and keeps what it printed.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

struct command {
    char dir[64];
    char out[64 * 1024], err[64 * 1024];
};
static struct command command;

static inline const char *in_dir(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", command.dir, name);
    return p;
}

static inline int command_make_dir(void **state)
{
    return unit_directory(command.dir, sizeof command.dir, "cmd");
}

static inline int command_remove_dir(void **state)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", command.dir);
    return system(line) == 0 ? assert_tree_empty(state) : -1;
}

static inline void write_text(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline int take_stream(FILE *stream, int fd)
{
    fflush(stream);
    int saved = dup(fd);
    assert_non_null(freopen(in_dir(fd == 1 ? "out" : "err"), "w", stream));
    return saved;
}

static inline void give_stream(FILE *stream, int fd, int saved, char *text, size_t size)
{
    fflush(stream);
    dup2(saved, fd);
    close(saved);
    FILE *f = fopen(in_dir(fd == 1 ? "out" : "err"), "r");
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

/* The words of argv, ended by NULL; the first is the command's name. Returns the exit code. */
static inline int run_words(int (*cmd)(int, char **), char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    int out = take_stream(stdout, 1), err = take_stream(stderr, 2);
    int code = cmd(argc, argv);
    give_stream(stdout, 1, out, command.out, sizeof command.out);
    give_stream(stderr, 2, err, command.err, sizeof command.err);
    return code;
}
#define RUN(cmd, ...) run_words(cmd, (char *[]){(char *)(uintptr_t) "logcap " #cmd, __VA_ARGS__, NULL})
#define RUN_BARE(cmd) run_words(cmd, (char *[]){(char *)(uintptr_t) "logcap " #cmd, NULL})
#define WORD(text) ((char *)(uintptr_t)(text))

static inline void printed(const char *part)
{
    if (!strstr(command.out, part))
        fail_msg("\"%s\" is not in: %s", part, command.out);
}

static inline void complained(const char *part)
{
    if (!strstr(command.err, part))
        fail_msg("\"%s\" is not in: %s", part, command.err);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, command_make_dir, command_remove_dir)
