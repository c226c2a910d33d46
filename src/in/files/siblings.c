#include "in/files/siblings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "in/files/descriptors.h"
#include "in/files/monitor.h"
#include "in/files/tail.h"
#include "in/files/wanted.h"

enum {
    BELOW_MAX = 64,       /* directories in the file's own one */
    WIDE_EACH_SCAN = 256, /* directories that wide searches list between two scans */
};

char *siblings_path(const struct directory *d, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s%s%s", d->path, d->path[1] ? "/" : "", name);
    return path;
}

/* A search through the places where a rotator may have put a file. */
struct search {
    struct files *f;
    const struct directory *own;
    const struct identity *id;
    const struct file *file; /* copies: whose; NULL: the same inode is sought */
    size_t stem;             /* copies elsewhere share so much of the name */
    bool elsewhere, found;
    struct sibling *out;
};

/* Reads up to the position, through whatever compression, and compares. */
static bool has_head_and_tail(struct files *f, int fd, const struct file *file)
{
    char head[HEAD_BYTES], tail[TAIL_BYTES];
    uint64_t n = file->offset < TAIL_BYTES ? file->offset : TAIL_BYTES, at = file->offset - n;
    struct plain *p = plain_open(&f->scope, fd);
    bool same = p && plain_read(p, head, file->id.head_len) == (ssize_t)file->id.head_len &&
                fingerprint(head, file->id.head_len) == file->id.head_hash;
    if (same && n && file->tail_hash) {
        uint64_t behind = file->id.head_len;
        if (at < behind) { /* the two overlap */
            plain_close(p);
            p = plain_open(&f->scope, fd);
            behind = 0;
        }
        same = p && plain_skip(p, at - behind) == 0 && plain_read(p, tail, n) == (ssize_t)n &&
               fingerprint(tail, n) == file->tail_hash;
    }
    plain_close(p);
    return same;
}

static bool is_copy(struct search *s, const char *path, const struct facts *facts)
{
    struct fd fd;
    if ((facts->mode & S_IFMT) != S_IFREG || facts->size == 0 || facts_are(facts, s->id))
        return false;
    if (fd_open(&fd, &s->f->scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0) < 0)
        return false;
    bool same = has_head_and_tail(s->f, fd.n, s->file);
    fd_close(&fd);
    return same;
}

static void consider(struct search *s, const char *path, const struct dirent *e)
{
    struct facts facts;
    if (s->file ? e->d_type != DT_REG && e->d_type != DT_UNKNOWN : e->d_ino != s->id->ino)
        return;
    if (s->file && s->elsewhere && strncmp(e->d_name, s->file->name, s->stem) != 0)
        return;
    if (facts_of_path(path, false, &facts) < 0)
        return;
    if (s->file ? (s->found && facts.mtime <= s->out->facts.mtime) || !is_copy(s, path, &facts)
                : !facts_are(&facts, s->id))
        return;
    s->found = true;
    s->out->facts = facts;
    snprintf(s->out->path, sizeof s->out->path, "%s", path);
}

static bool is_over(const struct search *s)
{
    return s->found && !s->file;
}

static void look_in(struct search *s, const char *directory, unsigned depth)
{
    struct dir dir;
    struct dirent *e;
    char path[PATH_MAX];
    unsigned below = 0;
    if (own_directory_of(s->f->config, directory) || dir_open(&dir, &s->f->scope, directory) < 0)
        return;
    while (!is_over(s) && (e = dir_next(&dir))) {
        if ((size_t)snprintf(path, sizeof path, "%s%s%s", directory, directory[1] ? "/" : "", e->d_name) >= sizeof path)
            continue;
        if (e->d_type != DT_DIR)
            consider(s, path, e);
        else if (depth > 0 && e->d_name[0] != '.' && ++below <= BELOW_MAX) {
            bool elsewhere = s->elsewhere;
            s->elsewhere = true;
            look_in(s, path, depth - 1);
            s->elsewhere = elsewhere;
        }
    }
    dir_close(&dir);
}

static bool search(struct search *s, bool wide)
{
    const struct string_list *rotated = &s->f->options->rotated_directories;
    look_in(s, s->own->path, 1);
    s->elsewhere = true;
    for (unsigned i = 0; i < rotated->n && !is_over(s); i++)
        look_in(s, rotated->items[i], 0);
    for (struct directory *d = s->f->directories; wide && d && s->f->wide_left && !is_over(s); d = d->next)
        if (d->wanted && d != s->own) {
            s->f->wide_left--;
            look_in(s, d->path, 0);
        }
    return s->found;
}

bool siblings_find_inode(struct files *f, const struct directory *d, const struct identity *id, bool wide,
                         struct sibling *out)
{
    struct search s = {.f = f, .own = d, .id = id, .out = out};
    return search(&s, wide);
}

bool siblings_find_copy(struct files *f, const struct file *file, bool wide, struct sibling *out)
{
    struct search s = {.f = f, .own = file->directory, .id = &file->id, .file = file, .out = out,
                       .stem = strcspn(file->name, ".")};
    return file->id.head_len > 0 && search(&s, wide);
}

void siblings_renew(struct files *f)
{
    if (f->wide_left < WIDE_EACH_SCAN)
        f->wide_left = WIDE_EACH_SCAN;
}

int siblings_open_rest(struct files *f, struct file *file, const char *path)
{
    int r = descriptor_begin(f, file, path, O_NOFOLLOW);
    if (r < 0)
        return r;
    struct reader *reader = file->reader;
    reader->plain = plain_open(&f->scope, reader->fd.n);
    char tail[TAIL_BYTES];
    size_t n = file->offset < TAIL_BYTES ? file->offset : TAIL_BYTES;
    r = reader->plain ? plain_skip(reader->plain, file->offset - n) : -errno;
    if (r == 0 && plain_read(reader->plain, tail, n) != (ssize_t)n)
        r = -ENODATA;
    if (r == 0)
        r = buf_begin(&reader->carry, &f->scope, "bytes of a rotated file", SIZE_MAX);
    if (r == 0)
        r = buf_add(&reader->carry, tail, n);
    if (r == 0)
        file->skipping = tail_in_cut_line(f, file);
    if (r < 0)
        descriptor_close(f, file);
    return r;
}
