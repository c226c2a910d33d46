#include "main/commands/load.h"

#include <stdio.h>

enum { ERRORS_BYTES = 64 << 10 };

static struct config *load(struct scope *owner, const char *path, bool say,
                           struct config *(*loading)(struct scope *owner, const char *path, struct buf *errors))
{
    struct buf errors;
    if (buf_begin(&errors, owner, "configuration errors", ERRORS_BYTES) < 0) {
        fputs("logcap: out of memory\n", stderr);
        return NULL;
    }
    struct config *c = loading(owner, path, &errors);
    if (!c && say)
        fputs(errors.data ? errors.data : "logcap: out of memory\n", stderr);
    buf_end(&errors);
    return c;
}

struct config *load_or_say(struct scope *owner, const char *path)
{
    return load(owner, path, true, config_load);
}

struct config *load_if_right(struct scope *owner, const char *path)
{
    return load(owner, path, false, config_load);
}

struct config *load_place_or_say(struct scope *owner, const char *path)
{
    return load(owner, path, true, config_load_place);
}
