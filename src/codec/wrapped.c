#include "codec/wrapped.h"

#include <string.h>

#include "codec/cri.h"
#include "codec/jsonfile.h"
#include "codec/lines.h"

static const char *const names[] = {[WRAPPED_NOT] = "lines", [WRAPPED_JSON_FILE] = "json-file", [WRAPPED_CRI] = "cri"};

const char *wrapping_name(enum wrapping w)
{
    return names[w];
}

int wrapping_of_name(const char *name)
{
    for (int w = WRAPPED_NOT; w <= WRAPPED_CRI; w++)
        if (strcmp(names[w], name) == 0)
            return w;
    return -1;
}

enum wrapping wrapping_guess(const char *data, uint32_t size)
{
    return size && data[0] == '{' ? WRAPPED_JSON_FILE : WRAPPED_CRI;
}

uint32_t wrapped_mark(enum wrapping w, char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed,
                      bool *changed)
{
    switch (w) {
    case WRAPPED_JSON_FILE:
        return jsonfile_mark(data, size, marks, cap, consumed, changed);
    case WRAPPED_CRI:
        return cri_mark(data, size, marks, cap, consumed);
    default:
        return lines_mark(data, size, marks, cap, consumed);
    }
}
