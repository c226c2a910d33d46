/*
 * loki_rules: what a Loki sink makes of labels and lines: by its configuration now; or, for what was sent before the process
 * was killed or the configuration changed, by the one of then, as its intent has it (core/intents.h).
 *
 * Of old rules one set is kept at a time: they are needed for the few leases that were in flight.
 *
 * Thread: the sink's.
 */
#pragma once

#include "out/loki/loki_streams.h"

struct loki_rules {
    struct settings *settings; /* a reference; NULL: no memory, then no intents are stored */
    const struct loki_config *config;
    struct loki_streams streams;
};

struct loki_rulebook {
    struct thing thing;
    struct sink *sink;
    struct loki_rules now, past;
    unsigned demoted; /* labels, in the settings of now */
    struct scope past_scope;
    struct loki_config past_config; /* only what is in its settings */
    struct string_list past_demoted;
};

int loki_rules_begin(struct loki_rulebook *b, struct scope *owner, const struct loki_config *config, struct sink *sink);

/* What a lease is encoded by. It lives until the next call. NULL: no memory. */
struct loki_rules *loki_rules_of(struct loki_rulebook *b, const struct lease *l);
/* What is sent now for the first time was encoded by these. NULL: no memory. */
struct settings *loki_rules_settings(struct loki_rulebook *b);
