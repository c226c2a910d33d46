/*
 * cardinality: keeps the number of streams that a sink makes within a limit.
 *
 * A stream counts for CARDINALITY_WINDOW after it was last sent. One more than the limit and the label that makes them so
 * many, the one with the most values, is demoted: from then on it is no label at this sink (its owner makes it structured
 * metadata, or leaves it out), until the sink starts again. Then what is left is counted anew, and if it is still too
 * much the next label goes, until they are few. Labels that are configured for all streams are the caller's to leave out;
 * they have one value anyway.
 *
 * Streams are counted exactly, by 64-bit hashes. Values of a label are counted over one to two windows by the bits that
 * they set in a bitmap, which is right to a few percent as long as they are not many times the limit; that is enough to
 * find the largest. Label names beyond CARDINALITY_NAMES are demoted at once.
 *
 * Memory, under the owner's scope: 16 bytes for each of up to twice the limit of streams (rounded up to a power of two), and
 * for each label name two bitmaps of eight times the limit of bits, 4096 to 65536: 16 KiB a name at most.
 * Without memory nothing is demoted. Times are clock_mono() ns. Thread: its owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/scope.h"
#include "codec/loki.h"

enum { CARDINALITY_NAMES = 64, CARDINALITY_NAME = 128 };
#define CARDINALITY_WINDOW (1 * HOUR)

struct cardinality_name;

struct cardinality {
    struct scope scope;
    uint32_t limit; /* 0: none, and nothing is counted */
    struct cardinality_stream *streams; /* open addressing; NULL until one comes */
    uint32_t slots, n;
    struct cardinality_name *names[CARDINALITY_NAMES];
    unsigned n_names, n_demoted;
    uint32_t bits;      /* of a bitmap */
    int64_t turned;     /* when the bitmaps of the window before were thrown away */
};

int cardinality_begin(struct cardinality *c, struct scope *owner, uint32_t limit, int64_t now);

bool cardinality_is_demoted(const struct cardinality *c, const char *name);
/*
 * A stream of these labels is to be sent. NULL: let it go. Else the label that was demoted for it: make its labels anew
 * and ask again; *values is how many different ones it had at least.
 */
const char *cardinality_add(struct cardinality *c, const struct loki_pair *labels, unsigned n, int64_t now,
                            uint32_t *values);
/* The same stream again: it is still in use. Needed each CARDINALITY_WINDOW / 4 only. */
void cardinality_touch(struct cardinality *c, uint64_t hash, int64_t now);
uint64_t cardinality_hash(const struct loki_pair *labels, unsigned n);

/* The n-th that was demoted; NULL: there are fewer. */
const char *cardinality_demoted(const struct cardinality *c, unsigned n);
