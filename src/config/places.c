#include "config/places.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* systemd gives a list with colons; the first is ours. NULL: not set, or nonsense. */
static const char *directory_from(struct scope *s, const char *variable, bool *no_memory)
{
    const char *value = getenv(variable);
    if (!value || *value != '/')
        return NULL;
    char *copy = scope_strdup(s, value);
    *no_memory = !copy;
    if (copy)
        copy[strcspn(copy, ":")] = 0;
    return copy;
}

const char *place_state_dir(struct scope *s)
{
    bool no_memory = false;
    const char *dir = directory_from(s, "STATE_DIRECTORY", &no_memory);
    if (dir || no_memory)
        return dir;
    if (geteuid() == 0)
        return "/var/lib/logcap";
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg == '/')
        return scope_printf(s, "%s/logcap", xdg);
    if (home && *home == '/')
        return scope_printf(s, "%s/.local/state/logcap", home);
    return scope_printf(s, "/tmp/logcap-%u", (unsigned)geteuid());
}

const char *place_logs_dir(struct scope *s, const char *state_dir)
{
    bool no_memory = false;
    const char *dir = directory_from(s, "LOGS_DIRECTORY", &no_memory);
    if (dir || no_memory)
        return dir;
    return geteuid() == 0 ? "/var/log/logcap" : scope_printf(s, "%s/logs", state_dir);
}

const char *place_host(struct scope *s)
{
    char name[HOST_NAME_MAX + 1];
    if (gethostname(name, sizeof name) < 0 || !*name)
        return "localhost";
    name[sizeof name - 1] = 0;
    return scope_strdup(s, name);
}
