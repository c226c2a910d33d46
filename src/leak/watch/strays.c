#include "leak/watch/strays.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "leak/watch/kernel.h"

static struct stray *find(struct strays *s, enum stray_kind kind, int number)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->list[i].kind == kind && s->list[i].number == number)
            return &s->list[i];
    return NULL;
}

static void forget_unseen(struct strays *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->list[i].seen)
            s->list[n++] = s->list[i];
    s->n = n;
}

static bool is_excepted(const struct strays *s, const struct stray *t)
{
    const char *slash = strrchr(t->what, '/');
    for (unsigned i = 0; slash && i < s->n_exceptions; i++)
        if (strstr(slash, s->exceptions[i]))
            return true;
    return false;
}

/* What it is, and the same as at the last look? A number that stands for something else now is looked at anew. */
static void look_at(struct strays *s, struct stray *t, int64_t now)
{
    struct stat st = {0};
    bool open = t->kind == STRAY_FD && kernel_fd_stat(t->number, &st) == 0;
    t->seen = true;
    if (t->looks && t->device == st.st_dev && t->inode == st.st_ino) {
        t->looks++;
        return;
    }
    t->device = st.st_dev;
    t->inode = st.st_ino;
    t->looks = 1;
    t->first = now;
    if (t->kind == STRAY_THREAD) {
        kernel_thread_name(&s->scope, t->number, t->what);
        return;
    }
    if (open) {
        int type = kernel_fd_type(t->number);
        t->type = type < 0 ? FD_OTHER : (enum fd_type)type;
        if (fd_path(t->number, t->what, sizeof t->what) < 0)
            snprintf(t->what, sizeof t->what, "%s", fd_type_name(t->type));
    }
    t->has_birth = open && birth_last_of_fd(t->number, &t->birth);
    t->excepted = is_excepted(s, t);
}

static void differs(struct strays *s, enum stray_kind kind, int number, int64_t now)
{
    struct stray *t = find(s, kind, number);
    if (!t && s->n == STRAYS_MAX) {
        s->not_listed++;
        return;
    }
    if (!t) {
        t = &s->list[s->n++];
        *t = (struct stray){.kind = kind, .number = number};
    }
    look_at(s, t, now);
}

/* ---- everything ---- */

struct look {
    struct strays *strays;
    const struct tally *tally;
    int64_t now;
};

/* ThreadSanitizer starts one of its own with the first thread. */
static void let_sanitizer(struct strays *s, int tid)
{
#ifdef __SANITIZE_THREAD__
    if (s->n_threads == 0 && tid != getpid())
        s->threads[s->n_threads++] = tid;
#endif
}

static bool is_inherited_thread(const struct strays *s, int tid)
{
    for (unsigned i = 0; i < s->n_threads; i++)
        if (s->threads[i] == tid)
            return true;
    return tid == getpid();
}

static void look_at_thread(int tid, void *arg)
{
    struct look *l = arg;
    if (tally_owns_thread(l->tally, tid))
        return;
    let_sanitizer(l->strays, tid);
    if (!is_inherited_thread(l->strays, tid))
        differs(l->strays, STRAY_THREAD, tid, l->now);
}

int strays_look(struct strays *s, const struct numbers *open, const struct tally *tally, int64_t now)
{
    struct look l = {s, tally, now};
    unsigned end = numbers_end(open), owned_end = numbers_end(&tally->fds);
    s->not_listed = 0;
    for (unsigned i = 0; i < s->n; i++)
        s->list[i].seen = false;
    for (unsigned n = 0; n < end || n < owned_end; n++) {
        bool is_open = numbers_has(open, n), owned = numbers_has(&tally->fds, n);
        if (is_open != owned && !numbers_has(&s->inherited, n))
            differs(s, is_open ? STRAY_FD : STRAY_CLOSED, (int)n, now);
    }
    int r = tally->n_threads < TALLY_THREADS ? kernel_threads(&s->scope, look_at_thread, &l) : 0;
    forget_unseen(s);
    return r;
}

/* ---- candidates ---- */

static bool still_differs(const struct stray *t, const struct tally *tally)
{
    char name[16];
    switch (t->kind) {
    case STRAY_FD: return !numbers_has(&tally->fds, (unsigned)t->number) && kernel_fd_type(t->number) >= 0;
    case STRAY_CLOSED: return numbers_has(&tally->fds, (unsigned)t->number) && kernel_fd_type(t->number) < 0;
    default: break;
    }
    kernel_thread_name((struct scope *)&tally->scope, t->number, name);
    return name[0] && !tally_owns_thread(tally, t->number);
}

bool strays_look_again(struct strays *s, struct tally *tally)
{
    bool unsure = false;
    for (unsigned i = 0; i < s->n; i++)
        unsure |= s->list[i].looks < STRAY_LOOKS;
    if (!unsure || tally_take_owned(tally) < 0)
        return false;
    for (unsigned i = 0; i < s->n; i++) {
        struct stray *t = &s->list[i];
        t->seen = t->looks >= STRAY_LOOKS;
        if (!t->seen && still_differs(t, tally))
            look_at(s, t, t->first);
    }
    forget_unseen(s);
    return true;
}

/* ---- life ---- */

static void inherit_thread(int tid, void *arg)
{
    struct look *l = arg;
    struct strays *s = l->strays;
    if (tid != getpid() && !tally_owns_thread(l->tally, tid) && s->n_threads < STRAYS_INHERITED)
        s->threads[s->n_threads++] = tid;
}

int strays_begin(struct strays *s, struct scope *owner, struct tally *tally)
{
    struct kernel_fds fds;
    struct look l = {s, tally, 0};
    *s = (struct strays){0};
    int r = scope_begin(&s->scope, owner, "strays");
    if (r == 0 && !(s->list = mem_new(&s->scope, STRAYS_MAX * sizeof *s->list, "strays")))
        r = -errno;
    if (r == 0)
        r = numbers_begin(&s->inherited, &s->scope, "inherited descriptors");
    if (r == 0)
        r = tally_take_owned(tally);
    if (r == 0)
        r = kernel_fds(&fds, &s->inherited, &s->scope);
    for (unsigned n = 0; r == 0 && n < numbers_end(&s->inherited); n++)
        if (numbers_has(&tally->fds, n))
            numbers_remove(&s->inherited, n);
    if (r == 0)
        r = kernel_threads(&s->scope, inherit_thread, &l);
    if (r < 0)
        scope_end(&s->scope);
    return r;
}

void strays_except(struct strays *s, const char *part)
{
    if (s->n_exceptions < STRAY_EXCEPTIONS)
        s->exceptions[s->n_exceptions++] = part;
}
