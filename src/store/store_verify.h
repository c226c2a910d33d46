/*
 * store_verify: whether what is kept in a state directory is whole, and what is in it; and its repair.
 *
 * Looking takes no lock and changes nothing, so it may be done beside a running agent. The database is checked as a
 * whole (SQLite's integrity_check, also where it is too large for that at a start), the fallback file to its last line.
 *
 * One thread; no other store in the process.
 */
#pragma once

#include "store/store.h"

enum store_state {
    STORE_WHOLE,
    STORE_NONE,    /* there is none; the agent begins it */
    STORE_DAMAGED, /* the agent would set it aside at its next start */
    STORE_UNKNOWN, /* it cannot be read now */
};

struct store_part {
    enum store_state state;
    char why[256];      /* of all but STORE_WHOLE; also of an earlier version's, which is whole */
    bool counted;       /* the rows below */
    uint64_t sources, positions, ledger, files;
};

struct store_report {
    struct store_part database, fallback; /* the fallback file has no ledger */
    unsigned set_aside;                   /* databases that were, state.db.broken-N */
};

/* `ledger` is called with each row of the ledger; NULL: not. 0, or -ENOMEM, or -errno of the directory. */
int store_verify(struct scope *owner, const char *state_dir, struct store_report *report,
                 bool (*ledger)(const struct store_ledger *row, void *arg), void *arg);

/*
 * Sets aside what is damaged: the database as the agent does at its start (state.db.broken-N), the fallback file as
 * positions.broken; then begins what is missing from what is whole. 0; -EBUSY: an agent works there; -ENODATA: neither
 * is whole, which an agent must see itself when it starts, so nothing was touched; -errno. Said in the log.
 */
int store_repair(struct scope *owner, const char *state_dir);
