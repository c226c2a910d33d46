/* Any text in the place of an intent's settings: what is understood says the same when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "in/files/again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct settings *read_and_write(struct scope *scope, const char *text)
{
    struct again again;
    if (again_begin(&again, scope, text) < 0)
        return NULL;
    struct settings *s = again_settings(scope, again.outlets.of[WRAPPED_BARE], &again.group, again.max_line_bytes, &again.next);
    again_end(&again);
    check(s != NULL);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scope scope = {0};
    char *text = malloc(size + 1);
    check(text && scope_begin(&scope, &scope_root, "fuzz") == 0 && streams_begin(&scope) == 0);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    struct settings *once = read_and_write(&scope, text);
    struct settings *twice = once ? read_and_write(&scope, once->text) : NULL;
    check(once == twice);
    settings_unref(once);
    settings_unref(twice);
    streams_end();
    scope_end(&scope);
    free(text);
    return 0;
}
