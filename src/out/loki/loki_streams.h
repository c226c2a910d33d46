/*
 * loki_streams: what becomes of a stream's labels at one Loki sink, derived once and kept.
 *
 * Loki's rules (pkg/validation of Loki, defaults of limits_config): at least one label, at most 15 (max_labels here), names of
 * [a-zA-Z_][a-zA-Z0-9_]* up to 1024 bytes, values up to 2048, no name twice, names that begin with "__" are reserved;
 * structured metadata: 128 pairs and 64 KB an entry. Held here before anything is sent:
 *   - the sink's own labels come with each stream; a stream's label of the same name wins
 *   - labels named in structured_metadata, and those beyond max_labels, travel as structured metadata
 *   - a stream that is one too many (max_streams) has the label that makes them so many demoted, here and from then on:
 *     it becomes structured metadata, or goes if none is configured (cardinality.h). The sink's own labels stay
 *   - "__x" is sent as "label__x"; names and values are cut; a stream without labels gets job="logcap"
 *
 * Memory: at most LOKI_STREAMS streams, the least recently used one makes room. A result lives until the next call.
 * Thread: the sink's, but for what is shown.
 */
#pragma once

#include "base/mem.h"
#include "config/config.h"
#include "core/sink.h"
#include "core/stream.h"
#include "out/cardinality.h"

enum { LOKI_STREAMS = 1024, LOKI_METADATA_MAX = 60 * 1024 };

struct loki_labels {
    struct loki_labels *chain, *newer, *older;
    uint64_t id;
    uint64_t hash;    /* of the labels, for cardinality */
    int64_t touched;  /* clock_mono() */
    bool demoted;     /* some label is not one because of max_streams */
    uint32_t labels_n, metadata_n;
    char bytes[]; /* {a="b", c="d"}, then the metadata as it stands in each entry */
};

struct loki_streams {
    struct scope scope;
    const struct loki_config *config;
    struct sink *sink; /* whose name is in the log */
    struct cardinality cardinality;
    const struct string_list *was_demoted; /* when what is sent again was sent first; may be NULL */
    struct loki_labels *slots[LOKI_STREAMS];
    struct loki_labels *newest, *oldest;
    unsigned n;
    /* For any thread: streams within the window, and the labels that were demoted, in that order. */
    _Atomic uint32_t active;
    const char *_Atomic demoted[CARDINALITY_NAMES];
};

/* sink: NULL for what is sent again by old rules. */
int loki_streams_begin(struct loki_streams *c, struct scope *owner, const struct loki_config *config, struct sink *sink);
void loki_streams_end(struct loki_streams *c);
const struct loki_labels *loki_streams_get(struct loki_streams *c, const struct stream *s); /* NULL: no memory */
