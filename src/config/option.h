/*
 * option: one row of the table of all that can be configured (table.c), and the rows of what the
 * predecessor's configuration had. Everything about a key that parser, printer and documentation need.
 *
 * A set is the options of one struct: an option's path is relative to where the struct stands in the file.
 */
#pragma once

#include "config/config.h"

enum option_type {
    OPTION_BOOL,
    OPTION_COUNT,   /* uint32_t or uint64_t, by width */
    OPTION_SIZE,    /* uint64_t bytes */
    OPTION_TIME,    /* int64_t ns */
    OPTION_STRING,
    OPTION_SECRET,  /* a string, printed as *** */
    OPTION_URL,     /* a string; the user:password in it is printed as *** */
    OPTION_PATH,    /* a string: an absolute path */
    OPTION_REGEX,   /* a string that PCRE2 compiles */
    OPTION_CHOICE,  /* an enum or a bool: the index in `choices` */
    OPTION_STRINGS, /* struct string_list */
    OPTION_GLOBS,   /* the same, of patterns for paths (codec/glob.h) */
    OPTION_PATHS,   /* the same, of absolute ones */
    OPTION_LABELS,  /* struct label_list: a map of names that are valid as labels */
    OPTION_HEADERS, /* struct label_list: a map of HTTP headers, values printed as *** */
};
const char *option_type_name(enum option_type type); /* "a size such as 1MiB" */

struct option {
    const char *path;
    enum option_type type;
    size_t offset, width;
    /* As written in the file; NULL: it depends on the machine, `doc` says how. Lists and maps in flow style. */
    const char *initial;
    uint64_t least, most; /* counts, bytes, ns */
    const char *choices;  /* "split|cut" */
    const char *doc;      /* one sentence */
};

/*
 * What the predecessor's users may still have in their files. `path` as in struct option, in the same set;
 * one that ends in '.' is a whole section, accepted (and ignored) when it says `enabled: false`.
 */
struct old_key {
    const char *path;
    const char *becomes; /* an alias of this path in the file; NULL: refused */
    const char *only;    /* accepted with this value, which is how logcap always works; else refused */
    const char *advice;  /* a sentence's end: "use X instead" */
};

struct option_set {
    const char *title, *prefix; /* for the docs; the prefix ends in '.' or is "" */
    const struct option *options;
    unsigned n;
    const struct old_key *old;
    unsigned n_old;
};

extern const struct option_set options_agent, options_files, options_group, options_journal, options_containers, options_sink;
/* The sets of the sink types, NULL-terminated; `title` is the type's name. */
extern const struct option_set *const options_sink_types[];

/* A set at its place: the struct that it fills and where that stands in the file. */
struct binding {
    const struct option_set *set;
    const char *prefix;
    void *base;
    struct node **seen; /* what the file says, by the option's index; NULL entries: nothing */
};

const struct option_set *option_sink_type(const char *type); /* NULL: no such type */
/* The option, old key or section at a path in the file. -1 / NULL: none. */
int option_find(const struct option_set *set, const char *relative);
const struct old_key *option_find_old(const struct option_set *set, const char *relative);
bool option_is_section(const struct option_set *set, const char *relative, bool with_old);
