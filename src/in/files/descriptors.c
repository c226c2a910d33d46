#include "in/files/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/clock.h"
#include "in/files/followed_internal.h"

static void leave(struct files *f, struct file *file)
{
    struct file *newer = file->reader->newer, *older = file->reader->older;
    *(newer ? &newer->reader->older : &f->open_newest) = older;
    *(older ? &older->reader->newer : &f->open_oldest) = newer;
}

static void enter(struct files *f, struct file *file)
{
    file->reader->newer = NULL;
    file->reader->older = f->open_newest;
    *(f->open_newest ? &f->open_newest->reader->newer : &f->open_oldest) = file;
    f->open_newest = file;
    file->reader->used = clock_mono();
}

void descriptor_forget_outlets(struct file *file)
{
    if (!file->reader)
        return;
    outlets_drop(&file->reader->outlets);
    settings_unref(file->reader->settings);
    file->reader->settings = NULL;
}

static void reader_free(struct reader *reader)
{
    plain_close(reader->plain);
    buf_end(&reader->carry);
    task_end(&reader->task);
    fd_close(&reader->fd);
    outlets_drop(&reader->outlets);
    settings_unref(reader->settings);
    mem_free(reader);
}

/* What has lost the name that it was found by is opened again by the one that it has now. */
static void learn_name(struct files *f, struct file *file)
{
    char path[PATH_MAX];
    if (fd_path(file->reader->fd.n, path, sizeof path) == 0)
        file_renamed(f, file, path);
}

void descriptor_close(struct files *f, struct file *file)
{
    if (!file->reader)
        return;
    if (file->orphan && !file->deleted && !file->rest)
        learn_name(f, file);
    leave(f, file);
    reader_free(file->reader);
    file->reader = NULL;
    atomic_fetch_sub(&f->stats.open, 1);
}

/* How much is risked by closing a file: that it is deleted meanwhile. A deleted one, or a rest, is not closed at all. */
enum risk { RISK_NONE /* nothing unread */, RISK_LISTED, RISK_RENAMED /* a rotator will delete it some time */ };

static bool may_close(const struct file *file, enum risk risk)
{
    if (file->deleted || file->rest)
        return false;
    switch (risk) {
    case RISK_NONE:
        return file->listed && !file->is_ready && !file->uneven && file->offset >= file->size;
    case RISK_LISTED:
        return file->listed;
    default:
        return true;
    }
}

static bool close_one(struct files *f, const struct file *but, enum risk most)
{
    for (enum risk risk = RISK_NONE; risk <= most; risk++)
        for (struct file *file = f->open_oldest; file; file = file->reader->newer)
            if (file != but && may_close(file, risk)) {
                descriptor_close(f, file);
                return true;
            }
    return false;
}

static bool wants_room(struct files *f)
{
    if (atomic_load(&f->stats.open) >= f->options->max_open_files)
        return true;
    if (!fd_scarce())
        return false;
    if (!f->said_descriptors)
        log_warn("files",
                 "%llu files are open, and the process may not have the descriptors for max_open_files, %llu: files take "
                 "turns; raise LimitNOFILE or ulimit -n",
                 (unsigned long long)f->stats.open, (unsigned long long)f->options->max_open_files);
    f->said_descriptors = true;
    return true;
}

int descriptor_begin(struct files *f, struct file *file, const char *path, int flags)
{
    while (wants_room(f) && close_one(f, file, RISK_RENAMED))
        ;
    flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY;
    struct reader *reader = mem_new(&f->scope, sizeof *reader, "reader");
    if (!reader)
        return -errno;
    int r = fd_open(&reader->fd, &f->scope, path, flags, 0);
    if ((r == -EMFILE || r == -ENFILE) && close_one(f, file, RISK_RENAMED))
        r = fd_open(&reader->fd, &f->scope, path, flags, 0);
    if (r == 0)
        r = task_begin(&reader->task, &f->scope, &file_reader_kind, file->name);
    if (r < 0) {
        reader_free(reader);
        return r;
    }
    file->reader = reader;
    enter(f, file);
    atomic_fetch_add(&f->stats.open, 1);
    return 0;
}

int descriptor_open_as(struct files *f, struct file *file, const char *path, struct facts *facts)
{
    int r = descriptor_begin(f, file, path, 0);
    if (r < 0)
        return r;
    r = facts_of_fd(file->reader->fd.n, facts);
    if (r == 0 && ((facts->mode & S_IFMT) != S_IFREG || !facts_are(facts, &file->id)))
        r = -ESTALE;
    if (r < 0)
        descriptor_close(f, file);
    return r;
}

int descriptor_open(struct files *f, struct file *file, struct facts *facts)
{
    char path[PATH_MAX];
    struct facts at;
    if (file->reader) {
        leave(f, file);
        enter(f, file);
        return facts_of_fd(file->reader->fd.n, facts);
    }
    /* What is no regular file is not even opened: that of a device or FIFO may do something. */
    file_path(file, path, sizeof path);
    int r = facts_of_path(path, true, &at);
    if (r == 0 && ((at.mode & S_IFMT) != S_IFREG || !facts_are(&at, &file->id)))
        r = -ESTALE;
    return r < 0 ? r : descriptor_open_as(f, file, path, facts);
}

int descriptor_hold(struct files *f, struct file *file, struct facts *facts)
{
    if (!file->reader && wants_room(f) && !close_one(f, file, RISK_NONE))
        return -EMFILE;
    return descriptor_open(f, file, facts);
}

void descriptors_close_idle(struct files *f)
{
    int64_t before = clock_mono() - f->options->idle_close;
    while (f->open_oldest && f->open_oldest->reader->used < before) {
        struct file *file = f->open_oldest;
        /* The size of one that waits for its turn is not known yet. */
        if (!file->listed || file->rest || file->is_ready || file->uneven || file->offset < file->size ||
            followed_keeps_open(file)) {
            leave(f, file);
            enter(f, file);
        } else
            descriptor_close(f, file);
    }
}
