/*
 * again: the settings that a file's lines are made by, as what an intent stores of them (core/intents.h), and made of it again: so
 * that a span that was sent before a kill is read as it was, whatever the configuration, or the file's name, is now.
 *
 * The text names the stream's labels ("label job"; of a container's log those but for `stream`), and what of the group and the monitor decides where records begin and
 * end and which times they find.
 */
#pragma once

#include "core/past.h"
#include "core/pipeline.h"
#include "in/files/outlets.h"

/* Of a container's log that was rotated within a record: where the rest of the record is. */
struct again_next {
    const char *key; /* the source's that goes on; NULL: none */
    uint64_t bytes;  /* of its beginning */
};

/* One reference. next may be NULL. NULL: no memory; then nothing is stored. */
struct settings *again_settings(struct scope *scratch, const struct stream *stream, const struct files_group *group,
                                uint64_t max_line_bytes, const struct again_next *next);

/* What such a text says. Its owner ends the scope. */
struct again {
    struct scope scope;
    struct files_group group; /* only what is in the text */
    uint64_t max_line_bytes;
    struct again_next next;
    struct pipeline *pipeline;
    struct outlets outlets;
};

/* 0, -ENOMEM, or -EINVAL: it is none of ours. Then nothing is to be ended. */
int again_begin(struct again *a, struct scope *owner, const char *text);
void again_end(struct again *a);
