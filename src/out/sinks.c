#include "out/sinks.h"

#include <string.h>

#include "out/local/local_file.h"
#include "out/loki/loki.h"
#include "out/null.h"
#include "out/stdout.h"

static const struct sink_type *const types[] = {
    &loki_sink,
    &local_file_sink,
    &stdout_sink,
    &null_sink,
};

const struct sink_type *sink_type_find(const char *name)
{
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}
