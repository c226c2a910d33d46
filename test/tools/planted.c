/*
 * Linked into logcap-planted, an agent that knows how to leak, for scenarios; the agent that users
 * have is linked without it, which tools/check-symbols sees to. The linker puts it between those
 * who call service_begin() and lease_secured() and these two (--wrap).
 *
 * Environment LEAK names a file with a word a line, read ten times a second; empty or missing:
 * nothing leaks.
 *
 *     task MS    each MS a task of the kind "planted" begins, and never ends
 *     reader MS  the same of the kind "file_reader", of which it is known how many there may be
 *     hang       one task begins that should give a sign of life each second, and does not
 *     map MS     each MS 4 KiB come to a map that nothing is ever taken from
 *     lease N    each N-th lease is never returned
 *
 * What begins is the agent's, so that it is given back at the end; but a lease is not. Main's
 * thread, except leases: any.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/task.h"
#include "core/sink.h"
#include "main/service.h"

#define LOOK (100 * MILLISECOND)
enum { TEXT_MOST = 128, WORDS_MOST = 4, BLOCK = 4096 };

static const struct task_kind planted_kind = {.name = "planted"};
static const struct task_kind planted_reader = {.name = "file_reader"};
static const struct task_kind planted_beating = {.name = "planted_beating", .heartbeat = SECOND};

static struct timer planted_timer;
static struct scope *planted_owner, planted_map_scope;
static struct planted_map {
    void **entries;
    size_t n;
} planted_map;
static char planted_text[TEXT_MOST];
static struct planted_word {
    char word[16];
    long number;
    int64_t next; /* when it is due again; 0: never */
} planted_words[WORDS_MOST];
static _Atomic long planted_leases, planted_seen; /* each how many; 0: none */

int __real_service_begin(struct service *s, struct scope *owner, struct loop *l);
int __wrap_service_begin(struct service *s, struct scope *owner, struct loop *l);
void __real_lease_secured(struct lease *l, const struct outcome *outcome);
void __wrap_lease_secured(struct lease *l, const struct outcome *outcome);

static __attribute__((noinline)) void planted_task(const struct task_kind *kind)
{
    struct task *t = scope_alloc(planted_owner, sizeof *t);
    if (t)
        (void)task_begin(t, planted_owner, kind, "never ends");
}

static __attribute__((noinline)) void planted_entry(void)
{
    void **more = planted_map.entries
                      ? mem_resize(planted_map.entries, (planted_map.n + 1) * sizeof *more)
                      : mem_new(&planted_map_scope, sizeof *more, "map");
    if (!more)
        return;
    planted_map.entries = more;
    more[planted_map.n++] = mem_new(&planted_map_scope, BLOCK, "entry");
}

static void planted_read(char text[TEXT_MOST])
{
    const char *path = getenv("LEAK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = file < 0 ? 0 : read(file, text, TEXT_MOST - 1);
    text[n < 0 ? 0 : n] = 0;
    if (file >= 0)
        close(file);
}

static void planted_once(const char *word)
{
    if (strcmp(word, "task") == 0)
        planted_task(&planted_kind);
    else if (strcmp(word, "reader") == 0)
        planted_task(&planted_reader);
    else if (strcmp(word, "hang") == 0)
        planted_task(&planted_beating);
    else if (strcmp(word, "map") == 0)
        planted_entry();
}

static void planted_begin(const char *text)
{
    unsigned n = 0;
    long leases = 0;
    memset(planted_words, 0, sizeof planted_words);
    for (const char *line = text; *line && n < WORDS_MOST; n++) {
        struct planted_word *w = &planted_words[n];
        (void)sscanf(line, "%15s %ld", w->word, &w->number);
        w->next = clock_mono();
        if (strcmp(w->word, "lease") == 0)
            leases = w->number;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    atomic_store(&planted_leases, leases);
}

static void planted_look(struct timer *t)
{
    char now[TEXT_MOST];
    timer_set(t, LOOK);
    planted_read(now);
    if (strcmp(now, planted_text) != 0)
        planted_begin(now);
    memcpy(planted_text, now, sizeof now);
    for (struct planted_word *w = planted_words; w < planted_words + WORDS_MOST; w++)
        for (; w->next && clock_mono() >= w->next; w->next = w->number ? w->next + w->number * MILLISECOND : 0)
            planted_once(w->word);
}

int __wrap_service_begin(struct service *s, struct scope *owner, struct loop *l)
{
    int r = __real_service_begin(s, owner, l);
    planted_owner = owner;
    if (r == 0)
        r = scope_begin(&planted_map_scope, owner, "planted map");
    if (r == 0)
        r = timer_begin(&planted_timer, owner, l, "planted", planted_look);
    if (r < 0)
        return r;
    /* One of each is there from the start, as of what leaks in earnest. */
    planted_task(&planted_kind);
    planted_entry();
    timer_set(&planted_timer, LOOK);
    return 0;
}

void __wrap_lease_secured(struct lease *l, const struct outcome *outcome)
{
    long every = atomic_load(&planted_leases);
    if (every && atomic_fetch_add(&planted_seen, 1) % every == 0)
        return;
    __real_lease_secured(l, outcome);
}
