#include "leak/watch/targets.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

enum { TARGET_TEXT = 256 };

struct target {
    enum fd_type type;
    char text[TARGET_TEXT];
    uint64_t count;
};

struct targets {
    struct target list[TARGETS_SEEN];
    unsigned n;
    uint64_t others;
};

static void address_text(const void *address, int family, in_port_t port, char *text)
{
    char host[INET6_ADDRSTRLEN] = "?";
    inet_ntop(family, address, host, sizeof host);
    if (ntohs(port) < PORTS_OF_CLIENTS)
        snprintf(text, TARGET_TEXT, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, (unsigned)ntohs(port));
    else
        snprintf(text, TARGET_TEXT, "%s", host);
}

/* The peer; of one that has none what it is bound to. false: it is no socket, or has neither. */
static bool socket_text(int n, char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } a = {0};
    socklen_t size = sizeof a - 1;
    if (getpeername(n, &a.any, &size) < 0) {
        size = sizeof a - 1;
        if (getsockname(n, &a.any, &size) < 0)
            return false;
    }
    if (a.any.sa_family == AF_INET)
        address_text(&a.in.sin_addr, AF_INET, a.in.sin_port, text);
    else if (a.any.sa_family == AF_INET6)
        address_text(&a.in6.sin6_addr, AF_INET6, a.in6.sin6_port, text);
    else if (a.any.sa_family == AF_UNIX && a.un.sun_path[0])
        snprintf(text, TARGET_TEXT, "%.*s", (int)sizeof a.un.sun_path, a.un.sun_path);
    else
        return false;
    return true;
}

/* "": its type says all. The number in "pipe:[4711]" tells nobody anything. */
static void target_text(int n, char *text)
{
    if (!socket_text(n, text) && (fd_path(n, text, TARGET_TEXT) < 0 || text[0] != '/'))
        text[0] = 0;
}

static void add(struct targets *t, enum fd_type type, const char *text)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->list[i].type == type && strcmp(t->list[i].text, text) == 0) {
            t->list[i].count++;
            return;
        }
    if (t->n == TARGETS_SEEN) {
        t->others++;
        return;
    }
    struct target *new = &t->list[t->n++];
    *new = (struct target){.type = type, .count = 1};
    snprintf(new->text, sizeof new->text, "%s", text);
}

static int by_count(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count;
}

static void write_target(struct doc *d, const char *type, const char *text, uint64_t count)
{
    doc_object(d, NULL);
    doc_string(d, "type", type);
    doc_string(d, "target", text);
    doc_uint(d, "count", count);
    doc_object_end(d);
}

void targets_write(struct doc *d, const char *key, const struct numbers *open, struct scope *scratch)
{
    struct targets *t = mem_new(scratch, sizeof *t, "targets of descriptors");
    char text[TARGET_TEXT];
    if (!t)
        return;
    memset(t, 0, sizeof *t);
    for (unsigned n = 0; n < numbers_end(open); n++) {
        int type = numbers_has(open, n) ? kernel_fd_type((int)n) : -1;
        if (type < 0)
            continue;
        target_text((int)n, text);
        add(t, (enum fd_type)type, text);
    }
    qsort(t->list, t->n, sizeof *t->list, by_count);
    doc_array(d, key);
    for (unsigned i = 0; i < t->n; i++) {
        if (i < TARGETS_SHOWN)
            write_target(d, fd_type_name(t->list[i].type), t->list[i].text, t->list[i].count);
        else
            t->others += t->list[i].count;
    }
    if (t->others)
        write_target(d, "others", "", t->others);
    doc_array_end(d);
    mem_free(t);
}
