/* Any bytes as a configuration: an object or errors, and nothing left over. */
#include <stdlib.h>

#include "base/census.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scope s;
    struct buf errors;
    log_setup(LOG_LEVEL_ERROR, false);
    if (scope_begin(&s, &scope_root, "fuzz") < 0 || buf_begin(&errors, &s, "errors", 1 << 16) < 0)
        abort();
    struct config *c = config_parse(&s, "fuzz", (const char *)data, size, &errors);
    if (!c && errors.len == 0)
        abort(); /* a refusal must say why */
    scope_end(&s);
    if (!census_empty(stderr))
        abort();
    return 0;
}
