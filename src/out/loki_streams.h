/*
 * loki_streams: what becomes of a stream's labels at one Loki sink, derived once and kept.
 *
 * Loki's rules (pkg/validation of Loki, defaults of limits_config): at least one label, at most 15 (max_labels here), names of
 * [a-zA-Z_][a-zA-Z0-9_]* up to 1024 bytes, values up to 2048, no name twice, names that begin with "__" are reserved;
 * structured metadata: 128 pairs and 64 KB an entry. Held here before anything is sent:
 *   - the sink's own labels come with each stream; a stream's label of the same name wins
 *   - labels named in structured_metadata, and those beyond max_labels, travel as structured metadata
 *   - "__x" is sent as "label__x"; names and values are cut; a stream without labels gets job="logcap"
 *
 * Memory: at most LOKI_STREAMS streams, the least recently used one makes room. A result lives until the next call.
 * Thread: the sink's.
 */
#pragma once

#include "base/mem.h"
#include "config/config.h"
#include "core/stream.h"

enum { LOKI_STREAMS = 1024, LOKI_METADATA_MAX = 60 * 1024 };

struct loki_labels {
    struct loki_labels *chain, *newer, *older;
    uint64_t id;
    uint32_t labels_n, metadata_n;
    char bytes[]; /* {a="b", c="d"}, then the metadata as it stands in each entry */
};

struct loki_streams {
    struct scope scope;
    const struct loki_config *config;
    struct loki_labels *slots[LOKI_STREAMS];
    struct loki_labels *newest, *oldest;
    unsigned n;
};

int loki_streams_begin(struct loki_streams *c, struct scope *owner, const struct loki_config *config);
void loki_streams_end(struct loki_streams *c);
const struct loki_labels *loki_streams_get(struct loki_streams *c, const struct stream *s); /* NULL: no memory */
