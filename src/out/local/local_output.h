/*
 * local_output: the files that a local_file sink writes to now: made, opened, written, synced, cut
 * back.
 *
 * Lengths, each at most the one before: `length` is what was written, `whole` ends with the last
 * complete lease, `synced` is on the disk and in the row. An error in a lease cuts all back to
 * `whole`; a sync that fails, or a file that was taken away, cuts all back to `synced`, and the
 * leases since then are written again.
 *
 * A sync covers the file's name too: in the first sync of a file, and when it is renamed, its directory is synced.
 *
 * Another process may write into a file of ours, or empty it: its bytes stay and ours are there once. Only after a kill,
 * or a sync that failed, is what it wrote since the last sync cut off with what we wrote.
 *
 * A name that is taken by a file that is not ours stays untouched; ours is then NAME~2, NAME~3 ... An empty file with our user as
 * its owner and no other name becomes ours: a crash leaves such before the store knows them.
 *
 * Thread: the sink's. Errors: 0 or -errno; -EAGAIN: the store has to know something first
 * (local_rows.h).
 */
#pragma once

#include "out/local/local_rows.h"

struct output {
    struct output *next, *next_dirty;
    const char *name; /* relative to the directory */
    struct fd fd;
    struct local_row *row; /* NULL: not made yet */
    struct local_row
        *rotated; /* what the file will be called; not NULL while it waits for the store */
    uint64_t length, whole, synced;
    int64_t used;    /* clock_mono() of the last write */
    bool dirty, cut; /* cut: holds bytes beyond `length` */
    bool named;      /* its name was synced since it was made or found */
};

struct outputs {
    struct scope scope;
    struct sink *sink;
    struct local_rows *rows;
    const char *directory;
    unsigned open, max_open;
    struct output *buckets[256];
    struct output *dirty; /* written since the last sync */
};

int outputs_begin(struct outputs *s, struct scope *owner, struct sink *sink,
                  struct local_rows *rows, const char *directory, unsigned max_open);

struct output *output_get(struct outputs *s, const char *name); /* NULL: ENOMEM */
/* Makes the file, or finds it again, ends a rotation. 0: it can be written to. */
int output_prepare(struct outputs *s, struct output *o);
/*
 * -ESTALE: the file was taken away or replaced, and is no longer ours. 1: somebody else made it longer or shorter: sync
 * and secure what was written, so that the length that is stored next says so together with the positions.
 */
int output_check(struct outputs *s, struct output *o);
/* Everything, or an error and bytes beyond `length`. The iov is used up. */
int output_write(struct outputs *s, struct output *o, struct iovec *iov, int n);
/* The lease is complete: `whole` is `length`. */
void outputs_whole(struct outputs *s);
/* Back to `whole`, or to `synced`; what cannot be cut now is cut before the next write. */
void outputs_cut_back(struct outputs *s, bool to_synced);
/* Between leases. Afterwards the lengths are those of the files, whoever wrote there. */
int outputs_sync(struct outputs *s);
/* After the sync, the book's lock held: the rows get their lengths. */
void outputs_commit(struct outputs *s);
/* Announces a rotation of a synced file: output_prepare() then goes on with it. */
int output_rotate(struct outputs *s, struct output *o);
/* Closes what was not used since `before` (clock_mono()) and forgets it. */
void outputs_close_idle(struct outputs *s, int64_t before);
