/* What an engine may say of containers and of itself: whatever it is, the texts fit and the id is one or none. */
#include <stdlib.h>
#include <string.h>

#include "in/containers/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_facts(const struct facts *f)
{
    check(!f->id[0] || facts_is_id(f->id, strlen(f->id)));
    check(strlen(f->name) < sizeof f->name && strlen(f->image) < sizeof f->image && strlen(f->log_path) < sizeof f->log_path);
    check(strlen(f->state) < sizeof f->state && strlen(f->action) < sizeof f->action && strlen(f->driver) < sizeof f->driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *labels[] = {"tier"}, *entries[] = {"tier=a*", "x"};
    static const struct containers_config options = {.labels = {labels, 1}, .include_labels = {entries, 2}, .exclude_labels = {entries, 1}};
    const char *text = size ? (const char *)data : "";
    struct facts f = {0};
    struct engine_facts e = {0};
    struct json j;
    facts_inspected(&f, text, size, &options);
    check_facts(&f);
    facts_event(&f, text, size, &options);
    check_facts(&f);
    facts_version(&e, text, size);
    facts_info(&e, text, size);
    json_begin(&j, text, size);
    if (json_next(&j) == JSON_ARRAY_BEGIN)
        while (facts_entry(&f, &j, &options))
            check_facts(&f);
    return 0;
}
