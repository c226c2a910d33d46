#include "in/files/reading.h"

#include <errno.h>
#include <string.h>

#include "in/files/again.h"

enum turn reading_blocked(struct files *f, struct file *file)
{
    atomic_store(&file->source->state, SOURCE_WAITING);
    return TURN_BLOCKED;
}

/* What lies behind belongs to a record that begins there. */
static void stop_at_limit(struct reading *r)
{
    if (r->file->offset + r->n < r->limit)
        return;
    uint32_t n = (uint32_t)(r->limit - r->file->offset);
    r->beyond = r->n - n;
    r->n = n;
    r->at_end = r->complete = true;
}

ssize_t reading_from_file(struct reading *r)
{
    struct file *file = r->file;
    r->tail_len = file->offset < TAIL_BYTES ? (uint32_t)file->offset : TAIL_BYTES;
    struct iovec iov[2] = {{r->tail, r->tail_len}, {r->b->data, r->b->size}};
    ssize_t n = fd_preadv(file->reader->fd.n, iov, 2, file->offset - r->tail_len);
    if (n < 0)
        return n;
    if (n < r->tail_len ||
        (file->tail_hash && fingerprint(r->tail, r->tail_len) != file->tail_hash))
        return -ESTALE;
    r->n = (uint32_t)n - r->tail_len;
    r->at_end = r->n < r->b->size || file->offset + r->n >= file->size;
    stop_at_limit(r);
    return 0;
}

ssize_t reading_from_plain(struct reading *r)
{
    struct file *file = r->file;
    r->tail_len = file->offset < TAIL_BYTES ? (uint32_t)file->offset : TAIL_BYTES;
    memcpy(r->tail, file->reader->carry.data, r->tail_len);
    uint32_t kept = (uint32_t)file->reader->carry.len - r->tail_len, have = kept;
    memcpy(r->b->data, file->reader->carry.data + r->tail_len, kept);
    ssize_t n = 1;
    while (have < r->b->size && (n = plain_read(file->reader->plain, r->b->data + have, r->b->size - have)) > 0)
        have += (uint32_t)n;
    if (n < 0 && have == 0)
        return n;
    r->n = have;
    r->at_end = r->complete = r->last = n <= 0;
    r->damage = n < 0 ? (int)n : 0;
    stop_at_limit(r);
    return 0;
}

struct batch *reading_new_batch(struct reading *r, uint32_t size, uint32_t marks)
{
    struct files *f = r->f;
    struct batch *b = batch_new(f->dispatcher->pool, r->file->source, size, marks);
    bool wrapped = r->config && r->config->wrapping != WRAPPED_NOT; /* those get what they need when that is known */
    if (b)
        b->repeatable = !file_is_plain(r->file);
    if (b && r->outlets && !wrapped && batch_stream(b, r->outlets->of[WRAPPED_BARE]) < 0) {
        batch_drop(b);
        b = NULL;
        errno = ENOMEM;
    }
    if (!b && errno == EDQUOT)
        pool_wait(f->dispatcher->pool, &f->pool);
    return b;
}

/* Of a rest of wrapped lines all of it lies in the carry, as it was. */
static bool keeps_raw(const struct reading *r)
{
    return reading_is_plain(r) && r->config && r->config->wrapping != WRAPPED_NOT;
}

/* Of a file whose bytes were changed in the batch. 0: they are not there any more. */
static uint32_t last_bytes_of_file(const struct reading *r, uint32_t used, char out[TAIL_BYTES])
{
    uint64_t at = r->file->offset + used;
    uint32_t n = at < TAIL_BYTES ? (uint32_t)at : TAIL_BYTES;
    return fd_pread(r->file->reader->fd.n, out, n, at - n) == (ssize_t)n ? n : 0;
}

/* The last bytes before `used` bytes behind the offset. */
static uint32_t last_bytes(const struct reading *r, uint32_t used, char out[TAIL_BYTES])
{
    if (keeps_raw(r)) { /* reading_keep_carry() was here */
        uint32_t kept = r->tail_len + used < TAIL_BYTES ? r->tail_len + used : TAIL_BYTES;
        memcpy(out, r->file->reader->carry.data, kept);
        return kept;
    }
    if (r->changed)
        return last_bytes_of_file(r, used, out);
    if (used >= TAIL_BYTES) {
        memcpy(out, r->b->data + used - TAIL_BYTES, TAIL_BYTES);
        return TAIL_BYTES;
    }
    uint32_t old = TAIL_BYTES - used < r->tail_len ? TAIL_BYTES - used : r->tail_len;
    memcpy(out, r->tail + r->tail_len - old, old);
    memcpy(out + old, r->b->data, used);
    return old + used;
}

static uint64_t tail_at(const struct reading *r, uint32_t used)
{
    char tail[TAIL_BYTES];
    uint32_t n = last_bytes(r, used, tail);
    return fingerprint(tail, n);
}

void reading_keep_carry(struct reading *r, uint32_t used)
{
    struct file *file = r->file;
    char tail[TAIL_BYTES];
    if (keeps_raw(r)) {
        uint32_t end = r->tail_len + used, drop = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
        struct buf *carry = &file->reader->carry;
        carry->len -= drop;
        memmove(carry->data, carry->data + drop, carry->len);
        return;
    }
    uint32_t n = last_bytes(r, used, tail), rest = r->n + r->beyond - used;
    buf_clear(&file->reader->carry);
    if (buf_add(&file->reader->carry, tail, n) < 0 || buf_add(&file->reader->carry, r->b->data + used, rest) < 0) {
        file_lost(r->f, file, rest, "no memory to keep them");
        file_finish(r->f, file);
    }
}

void reading_give(struct files *f, struct file *file, struct batch *b)
{
    dispatch(f->dispatcher, b);
    if (dispatch_passes(f->dispatcher)) {
        file->uneven = true;
        files_look_soon(f);
    }
}

void reading_hand_over(struct reading *r, uint64_t to)
{
    struct files *f = r->f;
    struct file *file = r->file;
    struct batch *b = r->b;
    uint32_t used = (uint32_t)(to - b->from);
    b->used = b->n || used < b->used ? used : b->used;
    b->used += r->borrowed;
    b->to = to;
    b->tail_hash = file->tail_hash = tail_at(r, used);
    if (b->cut_bytes)
        atomic_fetch_add(&file->source->cut_bytes, b->cut_bytes);
    file->offset = to;
    atomic_store(&file->source->offset, to);
    atomic_store(&file->source->last_read, clock_real());
    struct amount before = {atomic_load(&file->source->read_records), atomic_load(&file->source->read_bytes)};
    reading_give(f, file, b);
    struct followed *fl = followed_of(file);
    if (fl) {
        fl->records += atomic_load(&file->source->read_records) - before.records;
        fl->bytes += atomic_load(&file->source->read_bytes) - before.bytes;
        fl->last_read = clock_real();
    }
}

/* Times of a file do not go back, so that their order is its order; the clock may: then they stay where it had been. */
static int64_t anchor_of(const struct reading *r)
{
    struct file *file = r->file;
    int64_t now = clock_real();
    int64_t anchor = r->span ? r->span->recipe.anchor : now > file->last_time ? now : file->last_time + 1;
    if (anchor + r->n > file->last_time)
        file->last_time = anchor + r->n;
    return anchor;
}

void reading_write_recipe(struct reading *r)
{
    struct recipe *recipe = &r->b->recipe;
    struct reader *reader = r->file->reader;
    if (r->span) {
        r->file->skipping = r->span->recipe.skipping;
        reader->tie = (struct pipeline_tie){r->span->recipe.tie, r->span->recipe.ties};
        recipe->settings = settings_get(r->span->settings, strlen(r->span->settings));
    } else
        recipe->settings = settings_ref(reader->settings);
    recipe->span = r->span;
    recipe->skipping = r->file->skipping;
    recipe->tie = reader->tie.found;
    recipe->ties = reader->tie.n;
    recipe->anchor = anchor_of(r);
}

void reading_wait_for_end(struct reading *r)
{
    struct files *f = r->f;
    struct file *file = r->file;
    int64_t patience = f->options->partial_flush;
    if (file->pending)
        patience = file->group->config->multiline.timeout;
    int64_t left = r->unwritten ? patience : file->grown + patience - clock_mono();
    file_wait(f, file, left > 0 ? left : 0);
}
