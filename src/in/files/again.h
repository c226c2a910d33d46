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

/* One reference. NULL: no memory; then nothing is stored. */
struct settings *again_settings(struct scope *scratch, const struct stream *stream, const struct files_group *group,
                                uint64_t max_line_bytes);

/* What such a text says. Its owner ends the scope. */
struct again {
    struct scope scope;
    struct files_group group; /* only what is in the text */
    uint64_t max_line_bytes;
    struct pipeline *pipeline;
    struct outlets outlets;
};

/* 0, -ENOMEM, or -EINVAL: it is none of ours. Then nothing is to be ended. */
int again_begin(struct again *a, struct scope *owner, const char *text);
void again_end(struct again *a);
