#include "out/sinks.h"

#include <string.h>

#include "out/loki.h"

static const struct sink_type *const types[] = {
    &loki_sink,
};

const struct sink_type *sink_type_at(unsigned i)
{
    return i < sizeof types / sizeof *types ? types[i] : NULL;
}

const struct sink_type *sink_type_find(const char *name)
{
    for (unsigned i = 0; sink_type_at(i); i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}
