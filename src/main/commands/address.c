#include "main/commands/address.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "store/store.h"

static const char *path_of(const char *state_dir, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/http", state_dir);
    return path;
}

void address_write(struct scope *scope, const char *state_dir, const struct address *a)
{
    char path[PATH_MAX], text[300];
    struct fd f;
    int n = snprintf(text, sizeof text, "%s %s %" PRIu32 "\n", a->tls ? "https" : "http", a->host, a->port);
    int r = fd_open(&f, scope, path_of(state_dir, path), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (r == 0) {
        r = fd_write_all(f.n, text, (size_t)n);
        fd_close(&f);
    }
    if (r < 0)
        log_warn("agent", "cannot write %s: %s; commands ask at the configured address", path, strerror(-r));
}

void address_remove(const char *state_dir)
{
    char path[PATH_MAX];
    (void)file_unlink(path_of(state_dir, path));
}

static bool read_file(struct scope *scope, const char *state_dir, struct address *a)
{
    char path[PATH_MAX], text[300], scheme[8];
    struct fd f;
    if (store_holder(state_dir) == 0 || fd_open(&f, scope, path_of(state_dir, path), O_RDONLY | O_NOFOLLOW, 0) < 0)
        return false;
    ssize_t n = fd_read(f.n, text, sizeof text - 1);
    fd_close(&f);
    text[n > 0 ? n : 0] = 0;
    if (sscanf(text, "%7s %255s %" SCNu32, scheme, a->host, &a->port) != 3)
        return false;
    a->tls = strcmp(scheme, "https") == 0;
    return true;
}

void address_find(struct scope *scope, const struct config *c, struct address *a)
{
    if (read_file(scope, c->state_dir, a))
        return;
    *a = (struct address){.port = c->server.port, .tls = *c->server.cert_file};
    snprintf(a->host, sizeof a->host, "%s", c->server.host);
}
