#include "in/containers/roots.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/follow.h"

struct roots {
    struct scope scope;
    struct engine *engine;
    struct fd inotify;
    struct watch watch;
    char path[PATH_MAX];
};

static bool directory_of(const struct engine *e, char *out, size_t size)
{
    const struct engine_facts *f = &e->facts;
    if (!e->address.path || f->root[0] != '/')
        return false;
    int n = f->podman ? snprintf(out, size, "%s/%s-containers", f->root, f->storage) : snprintf(out, size, "%s/containers", f->root);
    return n > 0 && (size_t)n < size;
}

bool roots_log_path(const struct engine *e, const char *id, char *out, size_t size)
{
    if (!e->roots)
        return false;
    int n = e->facts.podman ? snprintf(out, size, "%s/%s/userdata/ctr.log", e->roots->path, id)
                            : snprintf(out, size, "%s/%s/%s-json.log", e->roots->path, id, id);
    return n > 0 && (size_t)n < size;
}

static void appeared(struct engine *e, const char *name)
{
    char path[PATH_MAX];
    if (!facts_is_id(name, strlen(name)) || engine_find(e, name) || e->state == ENGINE_TWIN)
        return;
    struct container *c = container_new(e, name);
    if (!c)
        return;
    if (roots_log_path(e, name, path, sizeof path))
        follow_begin(c, path, e->facts.podman ? WRAPPED_CRI : WRAPPED_JSON_FILE, true);
    engine_inspect(e, c);
}

static void came(struct watch *w, uint32_t events)
{
    struct roots *r = container_of(w, struct roots, watch);
    _Alignas(struct inotify_event) char buffer[16 << 10];
    ssize_t n;
    while ((n = fd_read(w->fd, buffer, sizeof buffer)) > 0)
        for (char *p = buffer; p < buffer + n;) {
            const struct inotify_event *i = (const struct inotify_event *)p;
            if (i->mask & IN_Q_OVERFLOW)
                engine_list(r->engine);
            else if ((i->mask & IN_ISDIR) && i->len)
                appeared(r->engine, i->name);
            p += sizeof *i + i->len;
        }
}

void roots_begin(struct engine *e)
{
    char path[PATH_MAX];
    if (e->roots || !e->monitor->files || e->monitor->options->mode == CONTAINERS_API || !directory_of(e, path, sizeof path))
        return;
    struct roots *r = scope_new(&e->scope, sizeof *r, "roots");
    if (!r)
        return;
    r->engine = e;
    strcpy(r->path, path);
    if (fd_inotify(&r->inotify, &r->scope) < 0 ||
        fd_inotify_add(r->inotify.n, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 ||
        watch_begin(&r->watch, &r->scope, e->monitor->loop, r->inotify.n, EPOLLIN, came) < 0) {
        scope_end(&r->scope); /* another machine's, or one that may not be read: the API is asked */
        return;
    }
    e->roots = r;
}

void roots_end(struct engine *e)
{
    if (e->roots)
        scope_end(&e->roots->scope);
    e->roots = NULL;
}
