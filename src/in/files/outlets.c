#include "in/files/outlets.h"

#include <errno.h>

#include "config/limits.h"

enum { MORE_LABELS = STREAM_LABELS + 16 }; /* what a stream has no room for is counted there */

int outlets_make(struct outlets *o, enum wrapping wrapping, const struct label *labels, size_t n)
{
    static const char *const names[] = {[WRAPPED_STDOUT] = "stdout", [WRAPPED_STDERR] = "stderr"};
    struct label with[MORE_LABELS + 1];
    n = n < MORE_LABELS ? n : MORE_LABELS;
    for (size_t i = 0; i < n; i++)
        with[i + 1] = labels[i];
    o->of[WRAPPED_BARE] = stream_get(labels, n);
    bool made = o->of[WRAPPED_BARE];
    for (int s = 0; wrapping != WRAPPED_NOT && s < WRAPPED_BARE; s++) {
        with[0] = (struct label){"stream", names[s]};
        o->of[s] = stream_get(with, n + 1);
        made &= o->of[s] != NULL;
    }
    if (made)
        return 0;
    outlets_drop(o);
    return -ENOMEM;
}

void outlets_drop(struct outlets *o)
{
    for (int s = 0; s < WRAPPED_STREAMS; s++) {
        stream_unref(o->of[s]);
        o->of[s] = NULL;
    }
}

int outlets_connect(const struct outlets *o, struct batch *b)
{
    int place[WRAPPED_STREAMS] = {-1, -1, -1};
    unsigned used = 0;
    for (uint32_t i = 0; i < b->n; i++)
        used |= 1u << b->marks[i].stream;
    for (int s = 0; s < WRAPPED_STREAMS; s++)
        if (used >> s & 1 && (place[s] = batch_stream(b, o->of[s])) < 0)
            return place[s];
    if (used <= 1u << WRAPPED_STDOUT)
        return 0;
    for (uint32_t i = 0; i < b->n; i++)
        b->marks[i].stream = (uint16_t)place[b->marks[i].stream];
    return 0;
}
