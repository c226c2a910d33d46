#include "in/files/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"

static int64_t nanoseconds(struct statx_timestamp t)
{
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int facts_at(int dir, const char *path, int flags, struct facts *out)
{
    struct statx st;
    if (fault_here("statx"))
        return -errno;
    if (statx(dir, path, flags | AT_STATX_SYNC_AS_STAT | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME,
              &st) < 0)
        return -errno;
    *out = (struct facts){
        .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .ino = st.stx_ino,
        .size = st.stx_size,
        .links = st.stx_nlink,
        .allocated = st.stx_blocks * 512,
        .btime = st.stx_mask & STATX_BTIME ? nanoseconds(st.stx_btime) : 0,
        .mtime = nanoseconds(st.stx_mtime),
        .mode = st.stx_mode,
    };
    return 0;
}

int facts_of_fd(int fd, struct facts *out)
{
    return facts_at(fd, "", AT_EMPTY_PATH, out);
}

int facts_of_path(const char *path, bool follow, struct facts *out)
{
    return facts_at(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, out);
}

uint64_t identity_hash(uint64_t dev, uint64_t ino)
{
    uint64_t key[2] = {dev, ino};
    return XXH3_64bits(key, sizeof key);
}

uint64_t fingerprint(const void *data, size_t n)
{
    return n ? XXH3_64bits(data, n) : 0;
}

int identity_take_head(struct identity *id, int fd)
{
    char head[HEAD_BYTES];
    ssize_t n = fd_pread(fd, head, sizeof head, 0);
    if (n < 0)
        return (int)n;
    id->head_len = (uint32_t)n;
    id->head_hash = fingerprint(head, (size_t)n);
    return 0;
}

int identity_check_head(const struct identity *id, int fd)
{
    char head[HEAD_BYTES];
    if (id->head_len == 0)
        return 1;
    if (id->head_len > sizeof head)
        return 0;
    ssize_t n = fd_pread(fd, head, id->head_len, 0);
    if (n < 0)
        return (int)n;
    return (size_t)n == id->head_len && fingerprint(head, (size_t)n) == id->head_hash;
}

int tail_take(int fd, uint64_t offset, uint64_t *hash)
{
    char tail[TAIL_BYTES];
    size_t want = offset < TAIL_BYTES ? offset : TAIL_BYTES;
    ssize_t n = want ? fd_pread(fd, tail, want, offset - want) : 0;
    if (n < 0)
        return (int)n;
    if ((size_t)n < want)
        return -ENODATA;
    *hash = fingerprint(tail, want);
    return 0;
}

void identity_key(const struct identity *id, char key[IDENTITY_KEY])
{
    int n = snprintf(key, IDENTITY_KEY, "file:%" PRIx64 ":%" PRIx64 ":%" PRIx64, id->dev, id->ino,
                     (uint64_t)id->btime);
    if (id->generation)
        snprintf(key + n, IDENTITY_KEY - (size_t)n, ".%u", id->generation);
}

static const char *const states[] = {[IDENTITY_OPEN] = "open", [IDENTITY_AWAY] = "away", [IDENTITY_DONE] = "done"};

void identity_print(const struct identity *id, uint64_t size, enum identity_state state, char text[IDENTITY_TEXT])
{
    snprintf(text, IDENTITY_TEXT,
             "%" PRIx64 " %" PRIx64 " %" PRIx64 " %u %u %016" PRIx64 " %" PRIu64 " %s", id->dev, id->ino,
             (uint64_t)id->btime, id->generation, id->head_len, id->head_hash, size, states[state]);
}

bool identity_parse(const char *text, struct identity *id, uint64_t *size, enum identity_state *state)
{
    char word[8];
    uint64_t btime;
    *id = (struct identity){0};
    if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %u %u %" SCNx64 " %" SCNu64 " %7s", &id->dev,
               &id->ino, &btime, &id->generation, &id->head_len, &id->head_hash, size, word) != 8)
        return false;
    id->btime = (int64_t)btime;
    for (*state = IDENTITY_OPEN; *state <= IDENTITY_DONE; ++*state)
        if (strcmp(word, states[*state]) == 0)
            return id->head_len <= HEAD_BYTES;
    return false;
}
