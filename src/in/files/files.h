/*
 * files: the file monitor: finds the files that the configuration names, reads what is appended to them, and
 * follows them through rotation of every kind, so that no line is lost and none comes twice.
 *
 * Tailing is stateless: a file that says nothing holds no buffer, and after idle_close no descriptor. Each turn
 * reads from the file's offset straight into a batch; what is not a whole line stays in the file and is read again when
 * more is there. Files take turns, a batch each, so that a flood in one does not hold up the others.
 *
 * Parts: discover (scans; wanted: globs; directories; events: inotify) says which files there are; file is one of them; tail reads;
 * rotation knows where a file's bytes went; descriptors bounds the open ones; identity says who is who.
 *
 * Ownership: one struct under the scope given; everything runs on the given loop's thread. Errors: 0 or -errno.
 */
#pragma once

#include "core/dispatcher.h"
#include "core/past.h"

struct files;

int files_begin(struct files **out, struct scope *owner, struct loop *loop, const struct config *config,
                struct dispatcher *dispatcher, struct past *past);
/*
 * Follows another configuration, which must stay until the next one or the end. Files that both name go on where they are;
 * what is no longer named is let go of, and goes on where it was should it be named again. 0, or -errno and all is as it was.
 * The loop's thread, or while that is paused.
 */
int files_reload(struct files *f, const struct config *config);
/*
 * A sink came, while the loop is paused: what it does not have yet of a file that is followed is read again. Of one that was read
 * to its end and let go of it gets nothing more.
 */
void files_add_sink(struct files *f, const struct sink *sink);
void files_end(struct files *f); /* NULL is allowed; batches on their way keep their sources */

struct files_stats { /* atomic; any thread */
    _Atomic uint64_t directories, files, open, watches, scans, unwatched /* directories */;
    _Atomic uint64_t rotations, truncations, lost_by_rotator /* bytes */, deleted_bytes /* still unread */, errors;
    _Atomic uint64_t malformed, torn; /* of containers' logs: lines not in the form; records in several, as they did not fit */
};
const struct files_stats *files_stats(const struct files *f);

/* Any thread, pure: why a path is read or not, as sentences. */
int files_why(const struct config *config, const char *path, struct buf *out);
/* The same, but for the patterns, which have no say. */
int files_why_file(const struct config *config, const char *path, struct buf *out);
/* The key of the file there as a source: this, or this and a '.' with more (identity.h), whatever its name was. Any thread. 0 or -errno. */
int files_key(const char *path, char *key, size_t size);
