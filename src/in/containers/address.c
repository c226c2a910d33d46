#include "in/containers/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

static const char unix_scheme[] = "unix://", tcp_scheme[] = "tcp://";
#define IS(text, scheme) (strncmp(text, scheme, sizeof scheme - 1) == 0)

int address_parse(struct address *a, struct scope *owner, const char *text, const struct containers_config *c)
{
    *a = (struct address){.text = scope_strdup(owner, text)};
    if (!a->text)
        return -ENOMEM;
    if (IS(text, unix_scheme)) {
        a->path = a->text + sizeof unix_scheme - 1;
        a->url = "http://localhost"; /* for the header Host */
        return a->path[0] == '/' ? 0 : -EINVAL;
    }
    if (IS(text, tcp_scheme))
        a->url = scope_printf(owner, "%s%s", *c->cert_file ? "https://" : "http://", text + sizeof tcp_scheme - 1);
    else if (IS(text, "http://") || IS(text, "https://"))
        a->url = a->text;
    else
        return -EINVAL;
    return a->url ? 0 : -ENOMEM;
}

void address_usual(void (*fn)(const char *text, void *arg), void *arg)
{
    static const char *const here[] = {"unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"};
    static const char *const of_user[] = {"docker.sock", "podman/podman.sock"};
    const char *host = getenv("DOCKER_HOST"), *runtime = getenv("XDG_RUNTIME_DIR");
    char text[300];
    if (host && *host)
        fn(host, arg);
    for (unsigned i = 0; i < sizeof here / sizeof *here; i++)
        fn(here[i], arg);
    for (unsigned i = 0; runtime && *runtime && i < sizeof of_user / sizeof *of_user; i++)
        if ((size_t)snprintf(text, sizeof text, "unix://%s/%s", runtime, of_user[i]) < sizeof text)
            fn(text, arg);
}

bool address_is_socket(const char *path, uint64_t *dev, uint64_t *ino)
{
    struct stat st;
    if (file_stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    *dev = st.st_dev;
    *ino = st.st_ino;
    return true;
}

int address_try(struct scope *owner, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct fd f;
    if ((size_t)snprintf(to.sun_path, sizeof to.sun_path, "%s", path) >= sizeof to.sun_path)
        return -ENAMETOOLONG;
    int r = fd_socket(&f, owner, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (r < 0)
        return r;
    r = connect(f.n, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
    fd_close(&f);
    return r;
}

const char *address_advice(const char *path, char *out, size_t size)
{
    struct stat st;
    int r = file_stat(path, &st);
    if (r == -ENOENT)
        snprintf(out, size, "there is no such socket; is the engine running?");
    else if (r == -EACCES || (r == 0 && faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0 && errno == EACCES))
        snprintf(out, size, "permission denied; let logcap's user into the socket's group%s",
                 r == 0 && st.st_gid ? ": usermod -aG docker logcap, or with systemd SupplementaryGroups=docker" : ", or run it as root");
    else if (r == 0 && !S_ISSOCK(st.st_mode))
        snprintf(out, size, "it is no socket");
    else
        out[0] = 0;
    return out;
}
