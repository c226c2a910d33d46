/*
 * accounts: the ledger as a list, for commands: from the running agent (/sources), and from state.db for sources that
 * are gone, or for all when no agent answers.
 *
 * Rows are in the order of their sources' names, then keys and sinks. All memory is the scope's.
 */
#pragma once

#include "config/config.h"
#include "core/ledger.h"

struct accounts_row {
    struct accounts_row *next; /* of those loaded */
    const char *source, *key, *sink;
    struct counts counts;
    bool live; /* the agent's; else as it was stored last */
};

struct accounts {
    struct scope *scope;
    struct accounts_row *loaded; /* newest first */
    struct accounts_row **rows;  /* sorted, one for each key and sink */
    size_t n;
    bool no_memory;
};

/* Adds what the agent says. 0, -ENOTCONN: nobody answers there; -EBADMSG: no agent's answer; -ENOMEM; and `error`. */
int accounts_ask(struct accounts *a, const struct config *c, char *error, size_t size);
/* Adds what is stored. 0 or -errno, and `error`. */
int accounts_load(struct accounts *a, const char *state_dir, char *error, size_t size);
/* Sorts; of a row that the agent and the store have, the agent's stays. 0 or -ENOMEM. */
int accounts_sort(struct accounts *a);

/* One page of /sources: how many sources there are in all, at *total. For the test too. 0, -EBADMSG, -ENOMEM. */
int accounts_read_page(struct accounts *a, const char *json, size_t size, uint64_t *total);
