/*
 * tracked: what a program tracks with libleakwatch: birth records without a scope, which any thread may begin and end, and their
 * kinds. The functions are include/leakwatch.h's.
 */
#pragma once

#include <leakwatch.h>

#include "base/task.h"

/* A kind never changes once there is one of it, and never goes: reading it needs no lock. */
struct tracked_kind {
    struct task_kind kind;
    char said[40]; /* the first bytes of what the program calls it, by which it is found */
    char name[40]; /* the same as text: whole characters, UTF-8 */
    void (*on_hang)(const struct leak_hang *hang, void *arg); /* NULL: nobody is called */
    void *arg;
};

/* Of a record that no scope owns. */
static inline const struct tracked_kind *tracked_kind_of(const struct birth_info *b)
{
    return container_of(b->task_kind, struct tracked_kind, kind);
}
