/*
 * plain: reads a file's plain bytes in order, whether it is plain, gzip (RFC 1952) or Zstandard (RFC 8878).
 *
 * What the file is, its first bytes say, not its name. Concatenated members and frames are one text; zero
 * padding behind a gzip member is left out. Memory is bounded: an input buffer of 64 KiB, and the
 * decompressor's window: 32 KiB for gzip, up to 8 MiB for Zstandard (-EFBIG beyond).
 *
 * Owned by a scope; one thread. The descriptor stays the caller's and is read from offset 0 on with pread(),
 * so its file position does not matter.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/scope.h"

struct plain;

enum plain_kind { PLAIN_PLAIN, PLAIN_GZIP, PLAIN_ZSTD };

/* What a file is that begins so; four bytes are enough. */
enum plain_kind plain_kind_of(const void *head, size_t size);

/* NULL: errno says why (ENOMEM, EDQUOT, EIO). */
struct plain *plain_open(struct scope *owner, int fd);
void plain_close(struct plain *p); /* NULL is allowed */
enum plain_kind plain_kind(const struct plain *p);

/*
 * Up to `size` bytes; fewer only at the end or before damage; 0 at the end. Damaged or cut input: what could be read
 * comes first, then -EUCLEAN, and again at each call; so are -ENOMEM and -EFBIG of a decompressor. Other errors are those
 * of pread(); the next call tries again.
 */
ssize_t plain_read(struct plain *p, void *data, size_t size);

/* Reads over `bytes` plain bytes (by seeking where the file is plain). 0, or as plain_read(); -ENODATA: too short. */
int plain_skip(struct plain *p, uint64_t bytes);
