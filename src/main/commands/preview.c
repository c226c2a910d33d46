#include "main/commands/preview.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "in/containers/address.h"

enum { SEEN = 16, ADVICE = 200 };

struct engines {
    struct scope *scope;
    const struct containers_config *options;
    struct {
        uint64_t dev, ino;
    } seen[SEEN]; /* sockets: one may have several names */
    unsigned n_seen;
    unsigned shown;
};

static bool is_again(struct engines *e, const char *path)
{
    uint64_t dev, ino;
    if (!address_is_socket(path, &dev, &ino))
        return false;
    for (unsigned i = 0; i < e->n_seen; i++)
        if (e->seen[i].dev == dev && e->seen[i].ino == ino)
            return true;
    if (e->n_seen < SEEN) {
        e->seen[e->n_seen].dev = dev;
        e->seen[e->n_seen++].ino = ino;
    }
    return false;
}

static void show_engine(struct engines *e, const char *text)
{
    char advice[ADVICE];
    struct address a;
    int r = address_parse(&a, e->scope, text, e->options);
    if (r == 0 && a.path && is_again(e, a.path))
        return;
    e->shown++;
    printf("  %s ", text);
    if (r == -EINVAL)
        printf("(no address: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT)\n");
    else if (r < 0)
        printf("(%s)\n", strerror(-r));
    else if (!a.path)
        printf("(over the network, which is not tried here)\n");
    else if ((r = address_try(e->scope, a.path)) == 0)
        printf("(can be connected to)\n");
    else
        printf("(cannot be connected to: %s)\n", *address_advice(a.path, advice, sizeof advice) ? advice : strerror(-r));
}

/* As the container monitor finds them: a socket that is not there is passed over. */
static void show_usual(const char *text, void *arg)
{
    uint64_t dev, ino;
    if (strncmp(text, "unix://", 7) != 0 || address_is_socket(text + 7, &dev, &ino))
        show_engine(arg, text);
}

static void show_engines(struct scope *scope, const struct containers_config *o)
{
    struct engines e = {.scope = scope, .options = o};
    for (unsigned i = 0; i < o->sockets.n; i++)
        show_engine(&e, o->sockets.items[i]);
    if (!o->sockets.n)
        address_usual(show_usual, &e);
    if (!e.shown)
        printf("  no engine is found at the usual sockets now; a running agent looks again every 30 s\n");
}

static void show_pods(struct scope *scope, const struct containers_config *o)
{
    struct dir d;
    unsigned n = 0;
    if (!*o->pods_directory)
        return;
    printf("  %s ", o->pods_directory);
    if (o->mode == CONTAINERS_API) {
        printf("(pods are not read: mode is api)\n");
        return;
    }
    if (o->include_labels.n) {
        printf("(pods are not read: their paths tell no labels, and include_labels wants some)\n");
        return;
    }
    int r = dir_open(&d, scope, o->pods_directory);
    if (r < 0) {
        printf("(no pods: %s)\n", strerror(-r));
        return;
    }
    for (struct dirent *entry; (entry = dir_next(&d));)
        n += entry->d_name[0] != '.';
    dir_close(&d);
    printf("(%u pod%s now)\n", n, n == 1 ? "" : "s");
}

void preview_containers(struct scope *scope, const struct config *c)
{
    static const char *const ways[] = {[CONTAINERS_AUTO] = "from their log files where it can, else through the engine's API",
                                       [CONTAINERS_FILES] = "from their log files",
                                       [CONTAINERS_API] = "through the engine's API"};
    if (!c->containers.enabled) {
        printf("\nIt reads containers: no (monitors.containers.enabled: false)\n");
        return;
    }
    printf("\nIt reads containers, %s:\n", ways[c->containers.mode]);
    show_engines(scope, &c->containers);
    show_pods(scope, &c->containers);
}
