/* A record that begins in a rotated file and ends in the one that came after it: both parts in one batch of the older file. */
#include <errno.h>
#include <string.h>

#include "core/messages.h"
#include "in/files/again.h"
#include "in/files/descriptors.h"
#include "in/files/reading.h"

/* The sinks that are not further begin behind what went with the file before it. */
static int place_next(struct file *next, uint64_t to)
{
    struct position p = {.offset = to};
    int r = tail_take(next->reader->fd.n, to, &p.tail_hash);
    if (r < 0 || next->offset >= to)
        return r;
    EACH_ACCOUNT(a, next->source) {
        struct position had;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(a, &had, cursor, &counts);
        if (had.offset < to)
            account_place(a, &p);
    }
    next->offset = to;
    next->tail_hash = p.tail_hash;
    next->scanned = 0;
    next->pending = false;
    atomic_store(&next->source->offset, to);
    file_store_identity(next, IDENTITY_OPEN); /* so that the places are stored, with the older file's position at the latest */
    return 0;
}

/* What the file has left, and behind it at most `head` bytes of the next one. 0, or -errno: it is not all there. */
static int read_over(struct reading *r, const struct file *next, uint32_t own, uint32_t head)
{
    int e = (int)reading_from_file(r);
    if (e < 0)
        return e;
    if (r->n < own)
        return -ESTALE;
    ssize_t n = fd_pread(next->reader->fd.n, r->b->data + own, head, 0);
    r->n = own + (n > 0 ? (uint32_t)n : 0);
    return n < 0 ? (int)n : 0;
}

static struct settings *settings_over(const struct reading *r, const struct file *next, uint64_t bytes)
{
    char key[IDENTITY_KEY];
    identity_key(&next->id, key);
    return again_settings(&r->f->scope, r->outlets->of[WRAPPED_BARE], r->config, r->max_line, &(struct again_next){key, bytes});
}

/* Both are open, and the reading says by what rules. exact: so many bytes of the next file, as it was before a kill; else 0. */
static enum turn join(struct reading *r, struct file *next, uint32_t exact)
{
    struct files *f = r->f;
    struct file *file = r->file;
    uint32_t own = (uint32_t)(file->size - file->offset), head = exact ? exact : (uint32_t)f->options->max_line_bytes + CHUNK_MORE;
    r->limit = file->size;
    r->b = reading_new_batch(r, own + head, messages_marks(wrapped_lines_in(own + head, true), own + head, r->max_line));
    if (!r->b)
        return reading_blocked(f, file);
    r->b->from = file->offset;
    int e = read_over(r, next, own, head);
    if (e == 0 && r->n < own + exact)
        e = -ESTALE;
    if (e == 0) {
        reading_write_recipe(r);
        e = reading_mark_over(r, own, exact);
        if (e < 0) {
            batch_drop(r->b);
            return reading_blocked(f, file);
        }
    }
    if (e == 0 && r->used > own && place_next(next, r->used - own) == 0) {
        settings_unref(r->b->recipe.settings);
        r->b->recipe.settings = settings_over(r, next, r->used - own);
        r->borrowed = r->used - own;
        file->scanned = 0;
        reading_hand_over(r, file->size);
        return TURN_AGAIN;
    }
    file->flush = e < 0 || r->n == own + head; /* it is not there, or too far away */
    batch_drop(r->b);
    if (file->flush)
        return TURN_AGAIN;
    reading_wait_for_end(r);
    return TURN_IDLE;
}

static bool open_next(struct files *f, struct file *file, struct file *next)
{
    struct facts facts;
    int r = descriptor_open(f, next, &facts);
    if (r == 0 && !next->started)
        r = file_start(f, next, &facts);
    return r == 0 && next->reader && file->reader && !next->reader->plain;
}

bool reading_on_in_next(struct files *f, struct file *file, enum turn *turn)
{
    struct file *next = file->scanned && !file->flush && !file->pending ? followed_next(file) : NULL;
    if (!next || past_span_at(f->past, file->source, file->offset))
        return false;
    if (!dispatch_ready(f->dispatcher, &f->work)) {
        *turn = reading_blocked(f, file);
        return true;
    }
    if (!open_next(f, file, next) || file_ensure_outlets(f, file) < 0)
        return false;
    struct reading r = {.f = f, .file = file, .config = file->group->config, .pipeline = file->group->pipeline,
                        .max_line = f->options->max_line_bytes, .outlets = &file->reader->outlets};
    *turn = join(&r, next, 0);
    return true;
}

static struct file *file_of_key(struct file *file, const char *key)
{
    char its[IDENTITY_KEY];
    struct followed *fl = followed_of(file);
    for (struct file *other = fl ? fl->files : NULL; other; other = other->next_followed) {
        identity_key(&other->id, its);
        if (strcmp(its, key) == 0)
            return other;
    }
    return NULL;
}

bool reading_join_again(struct reading *r, const struct again_next *it, enum turn *turn)
{
    struct file *next = file_is_plain(r->file) ? NULL : file_of_key(r->file, it->key);
    if (!next || !open_next(r->f, r->file, next) || r->span->to != r->file->size || it->bytes == 0 || it->bytes > UINT32_MAX / 4)
        return false;
    uint64_t before = r->file->offset;
    *turn = join(r, next, (uint32_t)it->bytes);
    r->file->flush = false;
    return r->file->offset != before || *turn == TURN_BLOCKED;
}
