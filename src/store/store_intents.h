/*
 * store_intents: of what was sent and is not known to have arrived, how it was made, so that after a kill the same is sent
 * again to the byte (core/intents.h). A row for each sink and span of a source; it goes when the position passes its end.
 *
 * Settings are texts that many rows share, by the hash of the text. Those that no intent names go with store_forget().
 */
#pragma once

#include "store/store.h"

struct store_intent {
    const char *source_key, *sink;
    uint64_t from, to;
    int64_t anchor;
    int64_t tie;   /* core/pipeline.h: what the record before had */
    uint32_t ties;
    bool skipping; /* it begins within a line that is cut */
    int64_t settings, sent_with; /* ids of settings: of the source, of the sink */
};

struct store_settings {
    int64_t id;
    const char *text;
};

/* As the puts of store.h. */
int store_put_settings(struct store *s, const struct store_settings *row); /* nothing when it is there */
int store_put_intent(struct store *s, const struct store_intent *row);     /* in place of one that begins there */
int store_delete_intents(struct store *s, const char *source_key, const char *sink, uint64_t position); /* up to there */

/* In the order of sources and their bytes. */
int store_each_intent(struct store *s, bool (*fn)(const struct store_intent *, void *), void *arg);
int store_each_settings(struct store *s, bool (*fn)(const struct store_settings *, void *), void *arg);
