#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "in/journal/journal_internal.h"

/* The first bytes of a journal file, see systemd's journal file format; its header has 208 bytes at
 * least. */
static const char signature[8] = "LPKSHHRH";
enum { HEADER_MIN = 208 };

/* Of the host's journal; files lie in the directory and in one below it for each machine. */
static const char *const places[] = {"/var/log/journal", "/run/log/journal"};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Only opening it tells: it may be a link to one, and not every file system says what an entry is. */
static bool may_be_directory(const struct dirent *e)
{
    return e->d_type != DT_REG && e->d_name[0] != '.';
}

static bool any_below(struct scope *scope, const char *directory, int depth)
{
    struct dir d;
    char path[PATH_MAX];
    bool found = false;
    int r = dir_open(&d, scope, directory);
    if (r < 0)
        return r != -ENOENT && r != -ENOTDIR;
    for (struct dirent *e; !found && (e = dir_next(&d));)
        found = ends_with(e->d_name, ".journal") || ends_with(e->d_name, ".journal~") ||
                (depth > 0 && may_be_directory(e) &&
                 snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < (int)sizeof path && any_below(scope, path, depth - 1));
    dir_close(&d);
    return found;
}

bool files_are_below(struct scope *scope, const char *directory)
{
    return any_below(scope, directory, 1);
}

bool files_are_there(struct scope *scope)
{
    bool found = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        found |= files_are_below(scope, places[i]);
    return found;
}

static void look_at(struct journal *j, const char *path)
{
    struct fd f;
    char header[HEADER_MIN];
    if (fd_open(&f, &j->scope, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0) < 0)
        return; /* libsystemd may be refused too: it reads what this user may read */
    ssize_t n = fd_read(f.n, header, sizeof header);
    if (n >= 0 && (n < HEADER_MIN || memcmp(header, signature, sizeof signature) != 0)) {
        log_warn("journal", "%s is damaged and left out", path);
        atomic_fetch_add(&j->source->truncations, 1);
    }
    fd_close(&f);
}

static void look_below(struct journal *j, const char *directory, int depth)
{
    struct dir d;
    char path[PATH_MAX];
    if (dir_open(&d, &j->scope, directory) < 0)
        return;
    for (struct dirent *e; (e = dir_next(&d));) {
        if (e->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", directory, e->d_name) >= (int)sizeof path)
            continue;
        if (ends_with(e->d_name, ".journal"))
            look_at(j, path);
        else if (depth > 0 && may_be_directory(e))
            look_below(j, path, depth - 1);
    }
    dir_close(&d);
}

void files_say_damaged(struct journal *j)
{
    const char *directory = j->config->journal.directory;
    if (j->said_damaged)
        return;
    j->said_damaged = true;
    if (directory[0]) {
        look_below(j, directory, 1);
        return;
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        look_below(j, places[i], 1);
}
