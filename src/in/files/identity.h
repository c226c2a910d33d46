/*
 * identity: by what a file is known again: device, inode, birth time, and what its first bytes are.
 *
 * A name says nothing (rename), an inode number is used again, a birth time is 0 where the file system keeps none,
 * and content changes when a file is truncated; so a position in a file counts only while all agree:
 * the head (a fingerprint of the first up to 256 bytes, taken when there were `head_len`), and the tail (one of the
 * last up to 64 bytes before the position). Fingerprints are XXH3, 64 bits; a hash of nothing is 0.
 *
 * The generation tells a truncated file from what it was before: it counts up, and is part of the source's key, so that
 * accounts begin at 0 again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_BYTES = 256, TAIL_BYTES = 64, IDENTITY_TEXT = 160, IDENTITY_KEY = 96 };

struct identity {
    uint64_t dev, ino;
    int64_t btime; /* ns; 0: not known */
    uint32_t generation;
    uint32_t head_len;
    uint64_t head_hash;
};

/* What stat says of a file now. */
struct facts {
    uint64_t dev, ino, size, links, allocated /* bytes on disk */;
    int64_t btime, mtime; /* ns */
    uint32_t mode;
};

int facts_of_fd(int fd, struct facts *out);
int facts_of_path(const char *path, bool follow, struct facts *out);

static inline bool facts_are(const struct facts *f, const struct identity *id)
{
    return f->dev == id->dev && f->ino == id->ino && f->btime == id->btime;
}

/* For tables by device and inode. */
uint64_t identity_hash(uint64_t dev, uint64_t ino);

uint64_t fingerprint(const void *data, size_t n);

/* Takes the head anew. 0 or -errno. */
int identity_take_head(struct identity *id, int fd);
/* Whether the open file still begins with the head: 1, 0, or -errno. */
int identity_check_head(const struct identity *id, int fd);
/* Fingerprint of the bytes before `offset`; 0 or -errno; -ENODATA: the file is shorter. */
int tail_take(int fd, uint64_t offset, uint64_t *hash);

/* For the store: "file:DEV:INO:BTIME" and ".GENERATION" from the first truncation on. */
void identity_key(const struct identity *id, char key[IDENTITY_KEY]);
enum identity_state {
    IDENTITY_OPEN, /* more may come, or some sink lacks some of it */
    IDENTITY_AWAY, /* every sink has it, and it has a name that no pattern matches: it may still grow */
    IDENTITY_DONE, /* every sink has it, and it is gone: nothing is left to look for */
};
/* size: the file's when last seen. */
void identity_print(const struct identity *id, uint64_t size, enum identity_state state, char text[IDENTITY_TEXT]);
bool identity_parse(const char *text, struct identity *id, uint64_t *size, enum identity_state *state);
