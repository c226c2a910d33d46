/*
 * sites: where the things of a series were born: its birth records grouped by their stacks, the largest groups first. What an
 * alert names.
 *
 * One walk over the records; groups beyond SITES_SEEN are counted as one of unknown stacks. Any thread.
 */
#pragma once

#include "base/symbols.h"
#include "codec/doc.h"
#include "leak/explain/lines.h"
#include "leak/watch/tally.h"

enum { SITES_SEEN = 256, SITES_SHOWN = 10 };

/* How an address is called: with file and line where they were looked up, else by the program's own table. */
struct names {
    const struct symbols *symbols; /* may be NULL, as */
    const struct lines *lines;
};

struct site {
    struct birth_info first; /* the oldest of them */
    uint64_t count, bytes;
};

struct sites {
    struct scope scope;
    struct site *list; /* largest first */
    unsigned n;
    uint64_t not_listed;
};

/* Of the series of this name (series.h); none for what has no births (children). 0 or -errno. */
int sites_gather(struct sites *s, struct scope *owner, const char *series);
void sites_end(struct sites *s);
/* Looks up what a birth (NULL: none) and sites are about, with files and lines; waits for another process (lines.h). 0 or -errno. */
int sites_look_up(struct lines *l, struct scope *owner, const struct birth_info *birth, const struct sites *sites, int cancel);
/* An array of {count, bytes, oldest_age_seconds, kind, name, stack}. NULL key: none. */
void sites_write(struct doc *d, const char *key, const struct sites *s, const struct names *names, int64_t now);
/* One record as an object: kind, name, owner, age, stack. */
void site_write_birth(struct doc *d, const char *key, const struct birth_info *b, const struct names *names, int64_t now);
/* "file_open < tail_begin < files_turn": so many of the functions that matter, without those of base/ before them. */
const char *site_text(const struct birth_info *b, const struct names *names, unsigned most, char *text, size_t size);
