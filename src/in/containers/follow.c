#include "in/containers/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/container.h"

/* Podman calls its k8s-file json-file where it speaks Docker's API. */
enum wrapping follow_wrapping(const struct container *c, const char *driver)
{
    bool json = strcmp(driver, "json-file") == 0;
    if (strcmp(driver, "k8s-file") == 0 || (json && c->engine->facts.podman))
        return WRAPPED_CRI;
    return json ? WRAPPED_JSON_FILE : WRAPPED_NOT;
}

static bool opens(struct containers *m, const char *path, int flags)
{
    struct fd f;
    bool good = fd_open(&f, &m->scope, path, O_RDONLY | O_NONBLOCK | flags, 0) == 0;
    if (good)
        fd_close(&f);
    return good;
}

/* Before its start a container has no log, maybe no directory: then the one of all containers decides. */
bool follow_readable(struct containers *m, const char *path)
{
    struct stat st;
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    int r = file_stat(path, &st);
    if (r == 0)
        return S_ISREG(st.st_mode) && opens(m, path, 0);
    for (int up = 0; r == -ENOENT && up < 3; up++) {
        char *slash = strrchr(parent, '/');
        if (!slash || slash == parent)
            return false;
        *slash = 0;
        r = file_stat(parent, &st);
    }
    return r == 0 && opens(m, parent, O_DIRECTORY);
}

static void changed(struct followed *followed, void *arg)
{
    struct container *c = arg;
    follow_look(c);
}

int follow_begin(struct container *c, const char *path, enum wrapping wrapping, bool held)
{
    struct containers *m = monitor_of(c);
    struct label labels[STREAM_LABELS];
    struct follow what = {
        .path = path,
        .wrapping = wrapping,
        .labels = held ? NULL : labels,
        .n_labels = held ? 0 : container_labels(c, labels),
        .at_end = m->options->start_at == START_END && m->first_start && c->created && c->created < m->began,
        .runs = !c->ended,
        .changed = changed,
        .arg = c,
    };
    if (!m->files)
        return -ENOTSUP;
    c->followed_done = false;
    int r = followed_begin(&c->followed, m->files, &what);
    if (r < 0)
        c->followed = NULL;
    else
        atomic_fetch_add(&m->stats.files, 1);
    return r;
}

void follow_label(struct container *c)
{
    struct label labels[STREAM_LABELS];
    if (followed_label(c->followed, labels, container_labels(c, labels)) < 0)
        container_say(c, "no memory for its labels");
}

void follow_look(struct container *c)
{
    struct followed_view v;
    if (!c->followed)
        return;
    followed_look(c->followed, &v);
    atomic_store(&c->records, v.records);
    atomic_store(&c->bytes, v.bytes);
    atomic_store(&c->unread, v.unread);
    atomic_store(&c->last_read, v.last_read);
    c->followed_done = v.state == FOLLOWED_DONE;
    c->log_found |= v.found;
    container_count_missed(c);
    if (v.state == FOLLOWED_FAILED)
        container_say(c, "%s cannot be read: %s", followed_path(c->followed), strerror(-v.error));
    else if (c->mode == CONTAINER_FILE)
        container_say(c, "%s", "");
}

void follow_end(struct container *c)
{
    if (!c->followed)
        return;
    follow_look(c);
    followed_end(c->followed);
    c->followed = NULL;
    atomic_fetch_sub(&monitor_of(c)->stats.files, 1);
}

void follow_again(struct container *c)
{
    if (!c->followed)
        return;
    follow_end(c);
    container_reconsider(c);
}
