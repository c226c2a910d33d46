/*
 * yaml: a YAML file as a tree that knows for every value where it stands.
 *
 * libyaml parses; the tree is a copy of it in the arena of one scope, so files can be merged and libyaml's
 * documents end at once. Refused here: duplicate keys, keys that are no scalars, aliases and merge keys
 * (`*x`, `<<`), a second document, tags of one's own, NUL bytes, more than CONFIG_BYTES.
 *
 * ${VAR} and ${VAR:-default} are replaced in scalar values after parsing, so a variable's content can
 * never become structure. `$${` is a literal `${`.
 *
 * One thread. Lines and columns count from 1.
 */
#pragma once

#include "config/problem.h"

enum { CONFIG_BYTES = 1 << 20 };

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };
const char *node_kind_name(enum node_kind kind); /* with its article: "a list" */

struct node {
    enum node_kind kind;
    struct place at;
    const char *text;    /* of a scalar, substituted; of NODE_NULL "null" when it was written so, else NULL */
    struct node *first;  /* of a list or map */
    struct node *next;   /* sibling */
    const char *key;     /* when the parent is a map */
    struct place key_at;
    const char *variable; /* of the environment, that is in the text; NULL: none */
    bool wrong; /* a problem() was said about the value: it means nothing */
};

/*
 * The tree of `size` bytes; a map, empty for an empty file. NULL: out of memory, or so broken that there is
 * no tree (said in problems). Problems that leave a tree are said too. `only`: keys of the file's own map, ended by NULL; what
 * stands under others is passed over, whatever it is (variables that are not set, say). NULL: all.
 */
struct node *node_parse(struct scope *scope, const char *file, const char *bytes, size_t size, const char *const *only,
                        struct problems *problems);
/* The same from a file. */
struct node *node_read(struct scope *scope, const char *path, const char *const *only, struct problems *problems);

/* Moves what is in `more` into `into` (two maps): maps merge, anything else replaces what was there. */
void node_merge(struct node *into, struct node *more);
struct node *node_child(const struct node *map, const char *key); /* NULL: not there, or no map */
bool node_is(const struct node *n, const char *text);             /* a scalar with this text */
