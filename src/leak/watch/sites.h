/*
 * sites: where the things of a series were born, and who holds them: its birth records grouped by their stacks, those that grew
 * since an earlier moment first, then the largest; by the names of the scopes they stand under; and the oldest of them. What an alert names.
 *
 * One walk over the records; groups beyond SITES_SEEN are counted as one of unknown stacks. The watch's thread.
 */
#pragma once

#include "base/census.h"
#include "base/symbols.h"
#include "codec/doc.h"
#include "leak/explain/lines.h"
#include "leak/watch/footprint.h"
#include "leak/watch/tally.h"

enum { SITES_SEEN = 256, SITES_SHOWN = 10, SITES_OLDEST = 5 };

/* How an address is called: with file and line where they were looked up, else by the program's own table; and an owner. */
struct names {
    const struct symbols *symbols; /* may be NULL, as */
    const struct lines *lines;     /* and */
    const struct census *owners;
    bool foreign; /* of a program that is not logcap: which of its functions are base's own is not known */
};

struct site {
    struct birth_info first; /* the oldest of them */
    uint64_t count, bytes;
    uint64_t grown, grown_bytes; /* since the earlier moment; 0 where that is not known */
};

/* Scopes of one name, and what they hold. */
struct holder {
    const char *name; /* the tally's */
    uint64_t count, bytes;
};

struct sites {
    struct scope scope;
    struct site *list;
    unsigned n;
    uint64_t not_listed;
    struct holder holders[TALLY_GROUPS]; /* the largest first */
    unsigned n_holders;
    struct birth_info oldest[SITES_OLDEST]; /* in order */
    unsigned n_oldest;
    int64_t grown_since; /* clock_mono(); 0: there is no earlier moment */
};

/*
 * Of the series of this name (series.h); none for what has no births (children). tally: of just now, kept meanwhile. earlier: NULL for
 * none. 0 or -errno.
 */
int sites_gather(struct sites *s, struct scope *owner, const char *series, const struct tally *tally, const struct footprint *earlier);
void sites_end(struct sites *s);
/* Looks up what a birth (NULL: none), sites and the oldest are about, with files and lines; waits for another process (lines.h). 0 or -errno. */
int sites_look_up(struct lines *l, struct scope *owner, const struct birth_info *birth, const struct sites *sites, int cancel);
/* An array of {count, bytes, grown, grown_bytes, oldest_age_seconds, kind, name, stack}. */
void sites_write(struct doc *d, const char *key, const struct sites *s, const struct names *names, int64_t now);
/* An array of {scope, count, bytes}. */
void sites_write_holders(struct doc *d, const char *key, const struct sites *s);
/* One record as an object: kind, name, owner, age, stack. */
void site_write_birth(struct doc *d, const char *key, const struct birth_info *b, const struct names *names, int64_t now);
/* "file_open < tail_begin < files_turn": so many of the functions that matter, without those of base/ before them. */
const char *site_text(const struct birth_info *b, const struct names *names, unsigned most, char *text, size_t size);
