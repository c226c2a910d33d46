#include "in/files/followed_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "in/files/awaited.h"
#include "in/files/descriptors.h"
#include "in/files/directories.h"
#include "in/files/discover.h"
#include "in/files/groups.h"
#include "in/files/rotation.h"
#include "in/files/wanted.h"

enum { TURN_AGAIN_MS = 100 };

static const char *const state_names[] = {
    [FOLLOWED_AWAITED] = "awaited", [FOLLOWED_HELD] = "held",     [FOLLOWED_READING] = "reading",
    [FOLLOWED_READ] = "read",       [FOLLOWED_FAILED] = "failed", [FOLLOWED_DONE] = "done",
};

const char *followed_state_name(enum followed_state state)
{
    return state_names[state];
}

const char followed_by[] = "a container's log";

/* ---- names ---- */

static uint64_t hash_of(const char *path, size_t n)
{
    return XXH3_64bits(path, n);
}

static struct followed *find(struct files *f, const char *path, size_t n)
{
    struct table_node *at = table_first(&f->followed_by_path, hash_of(path, n));
    for (; at; at = table_next(at)) {
        struct followed *fl = container_of(at, struct followed, by_path);
        if (strncmp(fl->path, path, n) == 0 && fl->path[n] == 0)
            return fl;
    }
    return NULL;
}

/* What a rotator adds to a name, ".1" or ".20261121-105009"; NULL: nothing. */
static const char *rotated_suffix(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot[1] >= '0' && dot[1] <= '9' && dot[1 + strspn(dot + 1, "0123456789-")] == 0 ? dot : NULL;
}

bool followed_is_rotated(const char *name)
{
    return rotated_suffix(name);
}

struct group *followed_group(struct files *f, const char *path)
{
    if (!f->followed)
        return NULL;
    struct followed *fl = find(f, path, strlen(path));
    const char *suffix = fl ? NULL : rotated_suffix(path);
    if (suffix)
        fl = find(f, path, (size_t)(suffix - path));
    return fl && !fl->gone ? &fl->group : NULL;
}

/* Of two files of one log: the rotated one, the one that was rotated earlier, or the one that was made earlier. */
static bool is_older(const struct file *a, const struct file *b)
{
    const char *of_a = rotated_suffix(a->name), *of_b = rotated_suffix(b->name);
    if (a->rest != b->rest)
        return a->rest;
    if (a->id.btime && b->id.btime && a->id.btime != b->id.btime)
        return a->id.btime < b->id.btime;
    if (!of_a || !of_b)
        return of_a != NULL;
    long n_a = atol(of_a + 1), n_b = atol(of_b + 1);
    bool numbers = !strchr(of_a, '-') && !strchr(of_b, '-');
    return numbers ? n_a > n_b : strcmp(of_a, of_b) < 0;
}

bool followed_keeps_open(const struct file *file)
{
    const struct followed *fl = followed_of(file);
    return fl && !fl->gone && (fl->runs || !fl->labels) && strcmp(file->name, fl->base) == 0;
}

bool followed_is_written(const struct file *file)
{
    const struct followed *fl = followed_of(file);
    return fl && !fl->gone && fl->runs && file->listed && strcmp(file->name, fl->base) == 0;
}

/* ---- turns ---- */

static bool has_unread(const struct file *file)
{
    return !file->finished && !file->failed && !file->held && (!file->started || file->size > file->offset + file->scanned);
}

struct file *followed_next(const struct file *file)
{
    const struct followed *fl = followed_of(file);
    struct file *next = NULL;
    if (!fl || file->rest || (file->listed && strcmp(file->name, fl->base) == 0))
        return NULL;
    for (struct file *other = fl->files; other; other = other->next_followed)
        if (other != file && !other->rest && !other->finished && is_older(file, other) && (!next || is_older(other, next)))
            next = other;
    return next;
}

/* A record that its file ends within is waited for: what is behind it is the next file's. */
static bool has_to_be_read(const struct file *file)
{
    return has_unread(file) || (!file->finished && !file->failed && file->scanned && followed_next(file));
}

bool followed_waits_its_turn(struct files *f, struct file *file)
{
    const struct followed *fl = followed_of(file);
    for (struct file *other = fl ? fl->files : NULL; other; other = other->next_followed)
        if (other != file && has_to_be_read(other) && is_older(other, file)) {
            file_ready(f, other);
            file_wait(f, file, TURN_AGAIN_MS * MILLISECOND);
            return true;
        }
    return false;
}

void followed_turned(struct followed *fl)
{
    bool unread = false;
    for (const struct file *file = fl->files; file; file = file->next_followed)
        unread |= file->is_ready && has_to_be_read(file);
    for (struct file *file = fl->files; file && !unread; file = file->next_followed)
        if (file->is_waiting && has_unread(file))
            file_ready(fl->f, file);
    followed_touch(fl);
}

/* ---- states ---- */

static enum followed_state state_of(const struct followed *fl)
{
    bool any = false, waits = false, failed = false, unread = false;
    for (const struct file *file = fl->files; file; file = file->next_followed) {
        waits |= file->finished && !file->away;
        if (file->finished)
            continue;
        any = true;
        failed |= file->failed;
        unread |= file->is_ready || has_unread(file) || (file->scanned && !fl->runs);
    }
    if (fl->gone && !any && !waits)
        return FOLLOWED_DONE;
    if (failed)
        return FOLLOWED_FAILED;
    if (!any)
        return fl->gone ? FOLLOWED_READ : FOLLOWED_AWAITED;
    if (!fl->labels)
        return FOLLOWED_HELD;
    return unread ? FOLLOWED_READING : FOLLOWED_READ;
}

/* Nothing more comes and all of it is read. */
static void finish_all(struct followed *fl)
{
    for (struct file *file = fl->files, *next; file; file = next) {
        next = file->next_followed;
        if (!file->started)
            file_free(fl->f, file);
        else if (!file->finished)
            file_finish(fl->f, file);
        else if (file->away)
            followed_delivered(fl->f, file);
    }
}

static void look(struct followed *fl)
{
    enum followed_state state = state_of(fl);
    if (fl->gone && (state == FOLLOWED_READ || state == FOLLOWED_FAILED)) {
        finish_all(fl);
        state = state_of(fl);
    }
    fl->beginning = false;
    if (fl->by_pods && !fl->files) {
        followed_end(fl);
        return;
    }
    if (state == fl->told)
        return;
    fl->told = state;
    if (fl->changed)
        fl->changed(fl, fl->arg);
}

static void look_at_touched(struct nudge *n)
{
    struct files *f = container_of(n, struct files, followed_news);
    while (f->touched) {
        struct followed *fl = f->touched;
        f->touched = fl->next_touched;
        fl->touched = false;
        look(fl);
    }
}

void followed_touch(struct followed *fl)
{
    if (!fl || fl->touched)
        return;
    fl->touched = true;
    fl->next_touched = fl->f->touched;
    fl->f->touched = fl;
    nudge_set(&fl->f->followed_news);
}

void followed_delivered(struct files *f, struct file *file)
{
    followed_touch(followed_of(file));
    file_unlist(f, file);
    file_set_group(file, NULL);
    file->unwanted = true;
    file->source->matched = "";
}

/* ---- life ---- */

int followed_begin_all(struct files *f)
{
    int r = table_begin(&f->followed_by_path, &f->scope);
    return r < 0 ? r : nudge_begin(&f->followed_news, &f->scope, f->loop, "followed logs", look_at_touched);
}

static struct pipeline *without_rules(struct files *f)
{
    static const struct files_group none = {.multiline.start = "", .timestamp = {"", ""}};
    struct buf error = {0};
    if (!f->plain_pipeline && buf_begin(&error, &f->scope, "error", 4096) == 0) {
        f->plain_pipeline = pipeline_new(&f->scope, &none, &error);
        buf_end(&error);
    }
    return f->plain_pipeline;
}

static const char *copy_of(struct followed *fl, const char *text)
{
    return text && text[0] ? scope_strdup(&fl->scope, text) : "";
}

static int set_rules(struct followed *fl, const struct files_group *rules)
{
    struct files_group *c = &fl->config;
    struct buf error = {0};
    c->multiline.start = c->timestamp.regex = c->timestamp.format = "";
    if (rules) {
        c->long_lines = rules->long_lines;
        c->multiline = rules->multiline;
        c->multiline.start = copy_of(fl, rules->multiline.start);
        c->timestamp.regex = copy_of(fl, rules->timestamp.regex);
        c->timestamp.format = copy_of(fl, rules->timestamp.format);
        if (!c->multiline.start || !c->timestamp.regex || !c->timestamp.format)
            return -ENOMEM;
    }
    fl->group = (struct group){.config = c, .followed = fl};
    if (!c->multiline.start[0] && !c->timestamp.regex[0]) {
        fl->group.pipeline = without_rules(fl->f);
        return fl->group.pipeline ? 0 : -ENOMEM;
    }
    if (buf_begin(&error, &fl->scope, "error", 4096) < 0)
        return -ENOMEM;
    fl->group.pipeline = pipeline_new(&fl->scope, c, &error);
    if (!fl->group.pipeline)
        log_error("files", "cannot follow %s: %s", fl->path, error.len ? error.data : "out of memory");
    buf_end(&error);
    return fl->group.pipeline ? 0 : -EINVAL;
}

static size_t size_of(const struct label *labels, size_t n)
{
    size_t size = n * sizeof *labels + 1;
    for (size_t i = 0; i < n; i++)
        size += strlen(labels[i].name) + strlen(labels[i].value) + 2;
    return size;
}

static int set_labels(struct followed *fl, const struct label *labels, size_t n)
{
    struct label *copy = mem_new(&fl->scope, size_of(labels, n), "labels");
    if (!copy)
        return -ENOMEM;
    char *p = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = (struct label){p, p + strlen(labels[i].name) + 1};
        p = stpcpy(stpcpy(p, labels[i].name) + 1, labels[i].value) + 1;
    }
    mem_free(fl->labels);
    fl->labels = copy;
    fl->config.labels = (struct label_list){copy, (unsigned)n};
    return 0;
}

/* What other patterns found of it before. */
static void take_over(struct followed *fl)
{
    char path[PATH_MAX];
    for (struct file *file = fl->directory->files; file; file = file->next_in)
        if (followed_of(file) != fl && followed_group(fl->f, file_path(file, path, sizeof path)) == &fl->group)
            groups_change(fl->f, file, &fl->group, followed_by);
}

static int set_path(struct followed *fl, const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    fl->path = scope_strdup(&fl->scope, path);
    if (!fl->path)
        return -ENOMEM;
    fl->base = fl->path + (slash - path) + 1;
    snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fl->directory = directory_get(fl->f, directory, true);
    return fl->directory ? 0 : -ENOMEM;
}

static int begin(struct followed *fl, const struct follow *what)
{
    int r = set_path(fl, what->path);
    if (r == 0)
        r = set_rules(fl, what->rules);
    if (r == 0 && what->labels)
        r = set_labels(fl, what->labels, what->n_labels);
    return r;
}

static void enter(struct followed *fl)
{
    struct files *f = fl->f;
    fl->next = f->followed;
    if (f->followed)
        f->followed->prev = fl;
    f->followed = fl;
    table_put(&f->followed_by_path, &fl->by_path, hash_of(fl->path, strlen(fl->path)));
    fl->directory->followed++;
    fl->directory->refs++;
}

int followed_new(struct followed **out, struct files *f, const struct follow *what)
{
    *out = NULL;
    if (what->path[0] != '/' || strlen(what->path) >= PATH_MAX)
        return -EINVAL;
    if (find(f, what->path, strlen(what->path)))
        return -EEXIST;
    struct followed *fl = scope_new(&f->scope, sizeof *fl, "followed log");
    if (!fl)
        return -ENOMEM;
    fl->f = f;
    fl->changed = what->changed;
    fl->arg = what->arg;
    fl->runs = what->runs;
    fl->stopped = clock_mono();
    fl->at_end = what->at_end;
    fl->config.wrapping = what->wrapping;
    int r = begin(fl, what);
    if (r < 0) {
        scope_end(&fl->scope);
        return r;
    }
    enter(fl);
    take_over(fl);
    followed_touch(fl);
    *out = fl;
    return 0;
}

int followed_begin(struct followed **out, struct files *f, const struct follow *what)
{
    int r = followed_new(out, f, what);
    if (r < 0)
        return r;
    struct followed *fl = *out;
    fl->beginning = true;
    awaited_look(fl);
    fl->beginning = false;
    rotation_seek_past_of(f, fl->path);
    return 0;
}

int followed_label(struct followed *fl, const struct label *labels, size_t n)
{
    bool held = !fl->labels;
    int r = set_labels(fl, labels, n);
    for (struct file *file = fl->files; r == 0 && file; file = file->next_followed) {
        descriptor_forget_outlets(file);
        if (held)
            file_ready(fl->f, file);
    }
    followed_touch(fl);
    return r;
}

void followed_runs(struct followed *fl, bool runs)
{
    if (fl->runs == runs)
        return;
    fl->runs = runs;
    fl->stopped = clock_mono();
    for (struct file *file = fl->files; file; file = file->next_followed)
        file_ready(fl->f, file);
    followed_touch(fl);
}

void followed_gone(struct followed *fl)
{
    followed_runs(fl, false);
    if (!fl->gone && !fl->found)
        awaited_look(fl); /* a last time */
    awaited_end(fl);
    fl->gone = true;
    for (struct file *file = fl->files; file; file = file->next_followed)
        file_ready(fl->f, file);
    followed_touch(fl);
}

static void leave_touched(struct followed *fl)
{
    for (struct followed **at = &fl->f->touched; fl->touched && *at; at = &(*at)->next_touched)
        if (*at == fl) {
            *at = fl->next_touched;
            break;
        }
}

void followed_end(struct followed *fl)
{
    struct files *f = fl->f;
    table_remove(&f->followed_by_path, &fl->by_path);
    *(fl->prev ? &fl->prev->next : &f->followed) = fl->next;
    if (fl->next)
        fl->next->prev = fl->prev;
    if (--fl->directory->followed == 0)
        fl->directory->wanted = wanted_directory(f, fl->directory->path);
    while (fl->files)
        groups_find(f, fl->files);
    leave_touched(fl); /* it was touched by that */
    awaited_end(fl);
    fl->directory->refs--;
    scope_end(&fl->scope);
}

void followed_look(const struct followed *fl, struct followed_view *view)
{
    *view = (struct followed_view){.state = state_of(fl), .found = fl->found, .records = fl->records, .bytes = fl->bytes, .malformed = fl->malformed,
                                   .torn = fl->torn, .last_read = fl->last_read};
    view->error = view->state == FOLLOWED_FAILED ? fl->error : 0;
    for (const struct file *file = fl->files; file; file = file->next_followed) {
        if (file->away)
            continue;
        view->files++;
        view->unread += file->finished || file->held ? 0 : file_unread(fl->f, file);
    }
}

const char *followed_path(const struct followed *fl)
{
    return fl->path;
}
