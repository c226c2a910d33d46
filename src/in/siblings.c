#include "in/siblings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "in/descriptors.h"
#include "in/monitor.h"
#include "in/tail.h"

char *siblings_path(const struct directory *d, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s%s%s", d->path, d->path[1] ? "/" : "", name);
    return path;
}

bool siblings_find_inode(struct files *f, const struct directory *d, const struct identity *id,
                         char name[NAME_MAX + 1])
{
    struct dir dir;
    struct dirent *e;
    struct facts facts;
    char path[PATH_MAX];
    bool found = false;
    if (dir_open(&dir, &f->scope, d->path) < 0)
        return false;
    while (!found && (e = dir_next(&dir))) {
        if (e->d_ino != id->ino)
            continue;
        siblings_path(d, e->d_name, path, sizeof path);
        found = facts_of_path(path, false, &facts) == 0 && facts_are(&facts, id);
        if (found)
            snprintf(name, NAME_MAX + 1, "%s", e->d_name);
    }
    dir_close(&dir);
    return found;
}

/* Reads up to the position, through whatever compression, and compares. */
static bool goes_on(struct files *f, int fd, const struct identity *id, uint64_t offset, uint64_t tail_hash)
{
    char head[HEAD_BYTES], tail[TAIL_BYTES];
    size_t tail_len = offset < TAIL_BYTES ? offset : TAIL_BYTES;
    struct plain *p = plain_open(&f->scope, fd);
    if (!p)
        return false;
    bool same = plain_read(p, head, id->head_len) == (ssize_t)id->head_len &&
                fingerprint(head, id->head_len) == id->head_hash;
    plain_close(p);
    if (!same || offset == 0 || tail_hash == 0)
        return same;
    p = plain_open(&f->scope, fd);
    same = p && plain_skip(p, offset - tail_len) == 0 && plain_read(p, tail, tail_len) == (ssize_t)tail_len &&
           fingerprint(tail, tail_len) == tail_hash;
    plain_close(p);
    return same;
}

static bool is_copy(struct files *f, const char *path, const struct facts *facts, const struct identity *id,
                    uint64_t offset, uint64_t tail_hash)
{
    struct fd fd;
    if ((facts->mode & S_IFMT) != S_IFREG || facts->size == 0 || (facts->dev == id->dev && facts->ino == id->ino))
        return false;
    if (fd_open(&fd, &f->scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0) < 0)
        return false;
    bool same = goes_on(f, fd.n, id, offset, tail_hash);
    fd_close(&fd);
    return same;
}

bool siblings_find_copy(struct files *f, const struct directory *d, const struct identity *id, uint64_t offset,
                        uint64_t tail_hash, struct sibling *out)
{
    struct dir dir;
    struct dirent *e;
    struct facts facts;
    char path[PATH_MAX];
    bool found = false;
    if (dir_open(&dir, &f->scope, d->path) < 0)
        return false;
    while ((e = dir_next(&dir))) {
        if (e->d_type != DT_REG && e->d_type != DT_UNKNOWN)
            continue;
        siblings_path(d, e->d_name, path, sizeof path);
        if (facts_of_path(path, false, &facts) < 0 || (found && facts.mtime <= out->facts.mtime) ||
            !is_copy(f, path, &facts, id, offset, tail_hash))
            continue;
        found = true;
        out->facts = facts;
        snprintf(out->name, sizeof out->name, "%s", e->d_name);
    }
    dir_close(&dir);
    return found;
}

int siblings_open_rest(struct files *f, struct file *file, const char *path)
{
    int r = fd_open(&file->fd, &f->scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
    if (r < 0)
        return r;
    file->plain = plain_open(&f->scope, file->fd.n);
    char tail[TAIL_BYTES];
    size_t n = file->offset < TAIL_BYTES ? file->offset : TAIL_BYTES;
    r = file->plain ? plain_skip(file->plain, file->offset - n) : -errno;
    if (r == 0 && plain_read(file->plain, tail, n) != (ssize_t)n)
        r = -ENODATA;
    if (r == 0 && !(file->carry = mem_new(&f->scope, sizeof *file->carry, "rest of a rotated file")))
        r = -errno;
    if (r == 0)
        r = buf_begin(file->carry, &f->scope, "bytes of a rotated file", SIZE_MAX);
    if (r == 0)
        r = buf_add(file->carry, tail, n);
    if (r == 0)
        file->skipping = tail_in_cut_line(f, file);
    if (r == 0)
        r = descriptor_adopted(f, file);
    if (r < 0) {
        file_end_rest(file);
        fd_close(&file->fd);
    }
    return r;
}
