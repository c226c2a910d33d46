/*
 * outlets: the streams that the records of a file go to: of bare lines one, of a container's log three, by the mark's stream: the labels with
 * stream="stdout", with stream="stderr", and as they are for lines that are not in the form (codec/wrapped.h).
 *
 * Each is a reference. One thread.
 */
#pragma once

#include "codec/wrapped.h"
#include "core/batch.h"

struct outlets {
    struct stream *of[WRAPPED_STREAMS]; /* of bare lines only the last */
};

/* 0 or -ENOMEM, and there are none. */
int outlets_make(struct outlets *o, enum wrapping wrapping, const struct label *labels, size_t n);
void outlets_drop(struct outlets *o); /* none are allowed */
static inline bool outlets_made(const struct outlets *o)
{
    return o->of[WRAPPED_BARE] != NULL;
}
/* Gives an unsealed batch of wrapped lines those streams that its marks name, and the marks their places. 0 or -errno. */
int outlets_connect(const struct outlets *o, struct batch *b);
