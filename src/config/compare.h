/*
 * compare: what differs between two configurations, for a reload that touches only that.
 */
#pragma once

#include "config/option.h"

/* What a section's values decide, names and all. */
bool config_same_files(const struct config *a, const struct config *b); /* host and own directories, too */
bool config_same_journal(const struct config *a, const struct config *b);
bool config_same_containers(const struct config *a, const struct config *b);
bool config_same_sink(const struct sink_config *a, const struct sink_config *b);
const struct sink_config *config_sink(const struct config *c, const char *name); /* NULL: none */

/* Something that differs. */
struct config_change {
    const char *key;
    const struct option *option; /* NULL: a whole sink was added (from is NULL) or removed (to is), or files' groups differ in number */
    const void *from, *to;       /* the option's fields */
    bool restart;                /* a running agent does not follow it */
};
void config_each_change(const struct config *a, const struct config *b, void (*fn)(const struct config_change *change, void *arg),
                        void *arg);
bool config_needs_restart(const char *key);

/*
 * The keys that differ and that a running agent follows, as in the file: "monitors.files.paths, sinks.loki.url, sinks.new
 * (added)". 0 or -ENOMEM.
 */
int config_differences(const struct config *a, const struct config *b, struct buf *out);
/* Those that it does not follow. */
int config_restart_keys(const struct config *a, const struct config *b, struct buf *out);
