#include "leak/explain/profile_tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/probe.h"
#include "base/task.h"
#include "leak/explain/asker.h"

enum { THREADS_MAX = 4096, PATIENCE = 200 /* ms for a thread to answer */ };

#define COUNT(name_) {.name = name_, .values = {{name_, "count"}}, .n_values = 1, .period = {name_, "count"}}

static const struct profile_sort profile_goroutine = COUNT("goroutine");
static const struct profile_sort profile_threadcreate = COUNT("threadcreate");
static const struct profile_sort profile_descriptors = COUNT("fds");
static const struct profile_sort profile_others = COUNT("things");
static const struct profile_sort profile_memory = {
    .name = "blocks",
    .values = {{"blocks", "count"}, {"space", "bytes"}},
    .n_values = 2,
    .first_value = 1,
    .period = {"space", "bytes"},
};

static const int64_t one[PROFILE_VALUES] = {1};

static int begin(struct profile *p, struct scope *owner, const struct profile_sort *sort,
                 bool (*add)(const struct birth_info *, void *))
{
    int r = profile_begin(p, owner, sort);
    p->period = 1;
    if (r == 0)
        birth_walk(add, p);
    return r;
}

static bool add_task(const struct birth_info *b, void *p)
{
    if (b->kind == BIRTH_TASK)
        profile_add_birth(p, b, task_kind_name(b), one);
    return true;
}

static bool add_thread(const struct birth_info *b, void *p)
{
    if (b->kind == BIRTH_THREAD && !asker_is(b->fd))
        profile_add_birth(p, b, task_kind_name(b), one);
    return true;
}

static bool add_fd(const struct birth_info *b, void *p)
{
    if (b->kind == BIRTH_FD && b->fd >= 0)
        profile_add_birth(p, b, NULL, one);
    return true;
}

static bool add_block(const struct birth_info *b, void *p)
{
    const int64_t values[PROFILE_VALUES] = {1, (int64_t)b->bytes};
    if (b->bytes)
        profile_add_birth(p, b, birth_kind_name(b->kind), values);
    return true;
}

/* What has profiles of its own, or only holds others, is left out. */
static bool add_thing(const struct birth_info *b, void *p)
{
    if (b->kind != BIRTH_SCOPE && b->kind != BIRTH_MEMORY && b->kind != BIRTH_FD && !task_is(b))
        profile_add_birth(p, b, birth_kind_name(b->kind), one);
    return true;
}

struct birthday {
    pid_t tid;
    int64_t born;
};

static bool find_birthday(const struct birth_info *b, void *arg)
{
    struct birthday *d = arg;
    if (b->kind != BIRTH_THREAD || b->fd != d->tid)
        return true;
    d->born = b->born;
    return false;
}

static void add_probe(struct profile *p, const struct probe *t)
{
    struct birthday d = {.tid = t->tid};
    char name[BIRTH_NAME];
    birth_walk(find_birthday, &d);
    bool held = !t->reached && (t->state == 'D' || t->where[0]);
    snprintf(name, sizeof name, "%s%s%.16s", t->name, held ? " in " : "", held ? t->where : "");
    /* A thread that the census does not know was there first, or is a library's. */
    profile_add(p, t->frames, t->n, t->reached ? "thread" : held ? "thread (in the kernel)" : "thread (stuck)", one, name,
                d.born ? d.born : 1);
}

int profile_tasks(struct profile *p, struct scope *owner)
{
    int r = begin(p, owner, &profile_goroutine, add_task);
    if (r < 0)
        return r;
    struct probe *threads = mem_new(&p->scope, THREADS_MAX * sizeof *threads, "threads");
    r = threads ? probe_threads(threads, THREADS_MAX, PATIENCE * MILLISECOND, &p->scope) : -errno;
    for (int i = 0; i < r; i++)
        if (!asker_is(threads[i].tid))
            add_probe(p, &threads[i]);
    mem_free(threads);
    if (r < 0)
        profile_end(p);
    return r < 0 ? r : 0;
}

int profile_threads(struct profile *p, struct scope *owner)
{
    return begin(p, owner, &profile_threadcreate, add_thread);
}

int profile_things(struct profile *p, struct scope *owner)
{
    return begin(p, owner, &profile_others, add_thing);
}

int profile_blocks(struct profile *p, struct scope *owner)
{
    return begin(p, owner, &profile_memory, add_block);
}

static int64_t count_fds(struct scope *scratch)
{
    struct dir d;
    int64_t n = 0;
    if (dir_open(&d, scratch, "/proc/self/fd") < 0)
        return 0;
    for (struct dirent *e; (e = dir_next(&d));)
        n += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d.stream);
    dir_close(&d);
    return n;
}

int profile_fds(struct profile *p, struct scope *owner)
{
    int r = begin(p, owner, &profile_descriptors, add_fd);
    if (r < 0)
        return r;
    int64_t unknown[PROFILE_VALUES] = {count_fds(&p->scope) - profile_total(p, 0)};
    if (unknown[0] > 0)
        profile_add(p, NULL, 0, "not in the census", unknown, NULL, 0);
    return 0;
}
