#include "in/containers/own.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

enum { FILE_MOST = 256 * 1024 };

/* The first 64 hexadecimal digits in a row, and no more, of [text, end). */
static bool find_id(const char *text, const char *end, char id[FACTS_ID + 1])
{
    while (text < end) {
        size_t n = 0;
        while (text + n < end && strchr("0123456789abcdef", text[n]) && text[n])
            n++;
        if (n == FACTS_ID) {
            memcpy(id, text, n);
            id[n] = 0;
            return true;
        }
        text += n + 1;
    }
    return false;
}

/* A line of mountinfo: "36 35 98:0 /root/in/its/file/system /mount/point rw,noatime ...". */
static bool mounts_own_file(const char *line, const char *end, char id[FACTS_ID + 1])
{
    static const char *const files[] = {" /etc/hostname ", " /etc/hosts ", " /etc/resolv.conf "};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        const char *at = memmem(line, (size_t)(end - line), files[i], strlen(files[i]));
        if (at && find_id(line, at, id))
            return true;
    }
    return false;
}

void own_id_from(const char *mountinfo, const char *cgroup, char id[FACTS_ID + 1])
{
    id[0] = 0;
    for (const char *line = mountinfo; *line;) {
        const char *end = line + strcspn(line, "\n");
        if (mounts_own_file(line, end, id))
            return;
        line = end + (*end == '\n');
    }
    for (const char *line = cgroup; *line;) {
        const char *end = line + strcspn(line, "\n"), *name = memrchr(line, '/', (size_t)(end - line));
        if (name && find_id(name + 1, end, id))
            return;
        line = end + (*end == '\n');
    }
}

static void read_whole(struct scope *scratch, const char *path, struct buf *out)
{
    struct fd f;
    if (fd_open(&f, scratch, path, O_RDONLY, 0) < 0)
        return;
    while (buf_reserve(out, 4096) == 0) {
        ssize_t n = fd_read(f.n, out->data + out->len, 4096);
        if (n <= 0)
            break;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
    fd_close(&f);
}

void own_id(struct scope *scratch, char id[FACTS_ID + 1])
{
    struct buf mounts, cgroup;
    id[0] = 0;
    if (buf_begin(&mounts, scratch, "mountinfo", FILE_MOST) < 0)
        return;
    if (buf_begin(&cgroup, scratch, "cgroup", FILE_MOST) == 0) {
        read_whole(scratch, "/proc/self/mountinfo", &mounts);
        read_whole(scratch, "/proc/self/cgroup", &cgroup);
        own_id_from(mounts.data ? mounts.data : "", cgroup.data ? cgroup.data : "", id);
        buf_end(&cgroup);
    }
    buf_end(&mounts);
}
