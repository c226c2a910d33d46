#include "in/files/pods.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "in/files/discover.h"
#include "in/files/followed_internal.h"

struct pods_state {
    struct scope scope;
    struct pods what;
    struct files_group rules;
};

static bool copy_part(char out[POD_PART], const char *from, size_t n)
{
    if (n == 0 || n >= POD_PART)
        return false;
    memcpy(out, from, n);
    out[n] = 0;
    return true;
}

/* Of "NAMESPACE_POD_UID": none of them has a '_'. */
static bool split_pod(const char *name, size_t n, struct pod_parts *p)
{
    const char *first = memchr(name, '_', n), *last = memrchr(name, '_', n);
    return first && last > first && copy_part(p->namespace, name, (size_t)(first - name)) &&
           copy_part(p->pod, first + 1, (size_t)(last - first - 1)) && copy_part(p->uid, last + 1, (size_t)(name + n - last - 1));
}

static const char *below(const char *directory, const char *path)
{
    size_t n = strlen(directory);
    return strncmp(path, directory, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* "0.log", and what a rotator adds to it. */
static bool is_log(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits && strncmp(name + digits, ".log", 4) == 0 && (name[digits + 4] == 0 || name[digits + 4] == '.');
}

bool pods_split(const char *directory, const char *path, struct pod_parts *p)
{
    const char *pod = below(directory, path), *container = pod ? strchr(pod, '/') : NULL, *file = container ? strchr(container + 1, '/') : NULL;
    return file && split_pod(pod, (size_t)(container - pod), p) && copy_part(p->container, container + 1, (size_t)(file - container - 1)) &&
           copy_part(p->file, file + 1, strlen(file + 1)) && !strchr(p->file, '/') && is_log(p->file);
}

bool pods_reads(const struct pod_parts *p)
{
    return !strchr(p->file, '.')[sizeof ".log" - 1] || followed_is_rotated(p->file);
}

static bool split(const struct files *f, const char *path, struct pod_parts *p)
{
    return f->pods && pods_split(f->pods->what.directory, path, p);
}

bool pods_has(const struct files *f, const char *path)
{
    struct pod_parts p;
    return split(f, path, &p);
}

bool pods_has_directory(const struct files *f, const char *path)
{
    struct pod_parts p;
    const char *pod = f->pods ? below(f->pods->what.directory, path) : NULL;
    if (!pod)
        return f->pods && strcmp(path, f->pods->what.directory) == 0;
    const char *end = strchrnul(pod, '/');
    return split_pod(pod, (size_t)(end - pod), &p) && (!*end || !strchr(end + 1, '/'));
}

const char *pods_root(const struct files *f)
{
    return f->pods ? f->pods->what.directory : NULL;
}

static enum wrapping guess(struct files *f, const char *path)
{
    char first[1];
    struct fd fd;
    if (fd_open(&fd, &f->scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0) < 0)
        return WRAPPED_CRI;
    ssize_t n = fd_pread(fd.n, first, sizeof first, 0);
    fd_close(&fd);
    return wrapping_guess(first, n > 0 ? (uint32_t)n : 0);
}

static struct followed *follow(struct files *f, const char *path, const struct pod_parts *p)
{
    const struct pods *what = &f->pods->what;
    struct label labels[STREAM_LABELS];
    struct followed *fl;
    size_t n = 0;
    labels[n++] = (struct label){"source", "kubernetes"};
    labels[n++] = (struct label){"service", p->container};
    labels[n++] = (struct label){"instance", what->instance};
    for (size_t i = 0; i < what->n_labels && n < STREAM_LABELS - 3; i++)
        labels[n++] = what->labels[i];
    labels[n++] = (struct label){"namespace", p->namespace};
    labels[n++] = (struct label){"pod", p->pod};
    labels[n++] = (struct label){"container", p->container};
    const struct follow ask = {.path = path, .wrapping = guess(f, path), .labels = labels, .n_labels = n, .rules = what->rules,
                               .at_end = what->at_end, .runs = true};
    if (followed_new(&fl, f, &ask) < 0)
        return NULL;
    fl->by_pods = true;
    fl->beginning = f->first_scan && f->first_start;
    return fl;
}

struct group *pods_group(struct files *f, const char *path)
{
    struct pod_parts p;
    char base[PATH_MAX];
    if (!split(f, path, &p) || !pods_reads(&p))
        return NULL;
    const struct pods *what = &f->pods->what;
    const struct pod_log log = {p.namespace, p.pod, p.uid, p.container};
    if (what->wants && !what->wants(&log, what->arg))
        return NULL;
    /* Of a rotated name the one that it had: when only rotated files are left, they are read all the same. */
    const char *dot = strstr(p.file, ".log");
    int cut = (int)strlen(dot + 4);
    snprintf(base, sizeof base, "%.*s", (int)strlen(path) - cut, path);
    struct followed *fl = follow(f, base, &p);
    return fl ? &fl->group : NULL;
}

static int copy(struct pods_state *s, const struct pods *what)
{
    struct label *labels = scope_alloc(&s->scope, (what->n_labels + 1) * sizeof *labels);
    s->what = *what;
    s->what.directory = scope_strdup(&s->scope, what->directory);
    s->what.instance = scope_strdup(&s->scope, what->instance);
    bool good = labels && s->what.directory && s->what.instance;
    for (size_t i = 0; good && i < what->n_labels; i++) {
        labels[i] = (struct label){scope_strdup(&s->scope, what->labels[i].name), scope_strdup(&s->scope, what->labels[i].value)};
        good = labels[i].name && labels[i].value;
    }
    s->what.labels = labels;
    if (what->rules) {
        s->rules = (struct files_group){.long_lines = what->rules->long_lines, .multiline = what->rules->multiline};
        s->rules.multiline.start = scope_strdup(&s->scope, what->rules->multiline.start);
        s->rules.timestamp.regex = scope_strdup(&s->scope, what->rules->timestamp.regex);
        s->rules.timestamp.format = scope_strdup(&s->scope, what->rules->timestamp.format);
        good = good && s->rules.multiline.start && s->rules.timestamp.regex && s->rules.timestamp.format;
        s->what.rules = &s->rules;
    }
    return good ? 0 : -ENOMEM;
}

int pods_set(struct files *f, const struct pods *what)
{
    struct pods_state *old = f->pods, *new = NULL;
    if (what) {
        new = scope_new(&f->scope, sizeof *new, "pods");
        int r = new ? copy(new, what) : -ENOMEM;
        if (r < 0) {
            if (new)
                scope_end(&new->scope);
            return r;
        }
    }
    f->pods = new;
    for (struct followed *fl = f->followed, *next; fl; fl = next) {
        next = fl->next;
        if (fl->by_pods)
            followed_end(fl);
    }
    if (old)
        scope_end(&old->scope);
    discover_anew(f);
    return 0;
}
