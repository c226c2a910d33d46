#include "config/option.h"

#include <string.h>

const char *option_type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_BOOL] = "true or false",
        [OPTION_COUNT] = "a number",
        [OPTION_SIZE] = "a size such as 48MiB or 1MB",
        [OPTION_TIME] = "a time such as 100ms, 30s, 5m or 24h",
        [OPTION_STRING] = "a text",
        [OPTION_SECRET] = "a text",
        [OPTION_URL] = "an address such as http://127.0.0.1:3100",
        [OPTION_PATH] = "an absolute path",
        [OPTION_REGEX] = "a regular expression",
        [OPTION_CHOICE] = "a word",
        [OPTION_STRINGS] = "a list",
        [OPTION_GLOBS] = "a list of patterns",
        [OPTION_PATHS] = "a list of absolute paths or patterns",
        [OPTION_LABELS] = "a map such as {name: value}",
        [OPTION_HEADERS] = "a map such as {name: value}",
    };
    return names[type];
}

const struct option_set *option_sink_type(const char *type)
{
    for (const struct option_set *const *s = options_sink_types; *s; s++)
        if (strcmp((*s)->title, type) == 0)
            return *s;
    return NULL;
}

int option_find(const struct option_set *set, const char *relative)
{
    for (unsigned i = 0; i < set->n; i++)
        if (strcmp(set->options[i].path, relative) == 0)
            return (int)i;
    return -1;
}

const struct old_key *option_find_old(const struct option_set *set, const char *relative)
{
    size_t len = strlen(relative);
    for (unsigned i = 0; i < set->n_old; i++) {
        const char *path = set->old[i].path;
        size_t n = strlen(path);
        bool section = path[n - 1] == '.';
        if (section ? n == len + 1 && memcmp(path, relative, len) == 0 : strcmp(path, relative) == 0)
            return &set->old[i];
    }
    return NULL;
}

static bool lies_below(const char *path, const char *section, size_t len)
{
    return strncmp(path, section, len) == 0 && path[len] == '.' && path[len + 1];
}

bool option_is_section(const struct option_set *set, const char *relative, bool with_old)
{
    size_t len = strlen(relative);
    for (unsigned i = 0; i < set->n; i++)
        if (lies_below(set->options[i].path, relative, len))
            return true;
    for (unsigned i = 0; with_old && i < set->n_old; i++)
        if (lies_below(set->old[i].path, relative, len))
            return true;
    return false;
}
