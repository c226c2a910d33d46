/*
 * table: finds things by a hash they carry: chained, intrusive, grows with what is in it.
 *
 * Two things may have the same hash: the user walks the chain with table_next() and compares. Nothing is
 * owned but the slots, which lie under the scope given. When they cannot grow the chains get longer, so that
 * table_put() never fails. One thread.
 */
#pragma once

#include "base/mem.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **slots;
    size_t n, mask;
};

int table_begin(struct table *t, struct scope *owner);
void table_put(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node); /* must be in it */
struct table_node *table_first(const struct table *t, uint64_t hash);       /* NULL: none */
struct table_node *table_next(struct table_node *node); /* the next one of the same hash */
