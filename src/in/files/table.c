#include "in/files/table.h"

#include <errno.h>

enum { TABLE_FIRST = 64 };

int table_begin(struct table *t, struct scope *owner)
{
    *t = (struct table){.mask = TABLE_FIRST - 1};
    t->slots = mem_new(owner, TABLE_FIRST * sizeof *t->slots, "table");
    return t->slots ? 0 : -errno;
}

static void grow(struct table *t)
{
    size_t old = t->mask + 1, size = 2 * old;
    struct table_node **slots = mem_resize(t->slots, size * sizeof *slots);
    if (!slots)
        return;
    t->slots = slots;
    t->mask = size - 1;
    for (size_t i = 0; i < old; i++) {
        struct table_node *node = slots[i];
        slots[i] = slots[i + old] = NULL;
        while (node) {
            struct table_node *next = node->next;
            struct table_node **slot = &slots[node->hash & t->mask];
            node->next = *slot;
            *slot = node;
            node = next;
        }
    }
}

void table_put(struct table *t, struct table_node *node, uint64_t hash)
{
    if (t->n > t->mask)
        grow(t);
    struct table_node **slot = &t->slots[hash & t->mask];
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    t->n++;
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_node **at = &t->slots[node->hash & t->mask];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
    struct table_node *node = t->slots[hash & t->mask];
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct table_node *table_next(struct table_node *node)
{
    uint64_t hash = node->hash;
    do
        node = node->next;
    while (node && node->hash != hash);
    return node;
}
