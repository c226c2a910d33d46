#include "codec/plain.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* its allocator hooks */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/fd.h"
#include "base/mem.h"

enum { INPUT_SIZE = 64 << 10, GZIP_WINDOW = 16 + 15, ZSTD_WINDOW_LOG = 23, SKIP_SIZE = 16 << 10, ZSTD_BLOCK_HEADER = 3 };

struct plain {
    struct scope scope;
    struct scope memory; /* of the decompressor, begun before its handle and so ended behind it */
    struct thing handle;
    enum plain_kind kind;
    int fd;
    uint64_t offset; /* of the next byte to be read from the file */
    bool at_end;     /* of the file */
    bool in_member;  /* inside a gzip member or a Zstandard frame */
    bool pending;    /* the decompressor filled the room that it had: it may have more without further input */
    int failed;      /* -errno that every further call gives */
    z_stream gzip;
    ZSTD_DStream *zstd;
    size_t zstd_wants; /* bytes up to the end of the next block's header, 0: unknown */
    const uint8_t *in; /* what is not yet taken of `input` */
    size_t n_in;
    uint8_t input[INPUT_SIZE];
};

static void plain_handle_end(struct thing *t)
{
    struct plain *p = container_of(t, struct plain, handle);
    if (p->kind == PLAIN_GZIP)
        inflateEnd(&p->gzip);
    if (p->kind == PLAIN_ZSTD)
        ZSTD_freeDStream(p->zstd);
}

/* Both libraries' memory is under the reader's scope, so that budgets count it. */
static void *zlib_alloc(void *arg, unsigned n, unsigned size)
{
    struct plain *p = arg;
    return mem_new(&p->memory, (size_t)n * size, "gzip");
}

static void zlib_free(void *arg, void *block)
{
    (void)arg;
    mem_free(block);
}

static void *zstd_alloc(void *arg, size_t size)
{
    struct plain *p = arg;
    return mem_new(&p->memory, size, "zstd");
}

static int fill(struct plain *p)
{
    if (p->n_in || p->at_end)
        return 0;
    ssize_t n = fd_pread(p->fd, p->input, sizeof p->input, p->offset);
    if (n < 0)
        return (int)n;
    p->at_end = n == 0;
    p->offset += (uint64_t)n;
    p->in = p->input;
    p->n_in = (size_t)n;
    return 0;
}

enum plain_kind plain_kind_of(const void *head, size_t size)
{
    if (size >= 3 && memcmp(head, "\x1f\x8b\x08", 3) == 0)
        return PLAIN_GZIP;
    if (size >= 4 && memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0)
        return PLAIN_ZSTD;
    return PLAIN_PLAIN;
}

/* The handle is in the tree before the library makes it. */
static int decompressor_begin(struct plain *p)
{
    p->kind = plain_kind_of(p->in, p->n_in);
    if (p->kind == PLAIN_PLAIN)
        return 0;
    int r = scope_begin(&p->memory, &p->scope, "decompressor");
    if (r < 0)
        return r;
    p->gzip = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = p};
    r = thing_begin(&p->handle, &p->scope, BIRTH_HANDLE, "decompressor", 0, plain_handle_end);
    if (r < 0)
        return r;
    if (p->kind == PLAIN_GZIP) {
        if (inflateInit2(&p->gzip, GZIP_WINDOW) == Z_OK)
            return 0;
    } else {
        p->zstd = ZSTD_createDStream_advanced((ZSTD_customMem){zstd_alloc, zlib_free, p});
        if (p->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(p->zstd, ZSTD_d_windowLogMax,
                                                            ZSTD_WINDOW_LOG)))
            return 0;
        ZSTD_freeDStream(p->zstd);
    }
    thing_unborn(&p->handle);
    return -ENOMEM;
}

struct plain *plain_open(struct scope *owner, int fd)
{
    struct plain *p = scope_new(owner, sizeof *p, "plain");
    if (!p)
        return NULL;
    p->fd = fd;
    int r = fill(p);
    if (r == 0)
        r = decompressor_begin(p);
    if (r < 0) {
        scope_end(&p->scope);
        errno = -r;
        return NULL;
    }
    return p;
}

void plain_close(struct plain *p)
{
    if (p)
        scope_end(&p->scope);
}

enum plain_kind plain_kind(const struct plain *p)
{
    return p->kind;
}

/* Each of these makes one step: bytes made, 0 when only input was taken, -ENODATA at the end of the text. */
static ssize_t plain_step(struct plain *p, void *data, size_t size)
{
    if (!p->n_in)
        return -ENODATA;
    size_t n = p->n_in < size ? p->n_in : size;
    memcpy(data, p->in, n);
    p->in += n;
    p->n_in -= n;
    return (ssize_t)n;
}

static ssize_t gzip_step(struct plain *p, void *data, size_t size)
{
    while (!p->in_member && p->n_in && *p->in == 0) { /* padding, as tapes and preallocation leave it */
        p->in++;
        p->n_in--;
    }
    if (!p->n_in && !p->pending) {
        if (!p->at_end)
            return 0;
        return p->in_member ? -EUCLEAN : -ENODATA;
    }
    p->in_member = true;
    p->gzip.next_in = (uint8_t *)p->in;
    p->gzip.avail_in = (uInt)p->n_in;
    p->gzip.next_out = data;
    p->gzip.avail_out = (uInt)(size > INPUT_SIZE * 16 ? INPUT_SIZE * 16 : size);
    uInt before = p->gzip.avail_out;
    int r = inflate(&p->gzip, Z_NO_FLUSH);
    p->in = p->gzip.next_in;
    p->n_in = p->gzip.avail_in;
    ssize_t made = (ssize_t)(before - p->gzip.avail_out);
    p->pending = p->gzip.avail_out == 0 && r == Z_OK;
    if (r == Z_STREAM_END) {
        p->in_member = false;
        if (inflateReset(&p->gzip) != Z_OK)
            r = Z_MEM_ERROR;
    }
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        p->failed = r == Z_MEM_ERROR ? -ENOMEM : -EUCLEAN;
    return made ? made : p->failed;
}

static int zstd_error(size_t r)
{
    switch (ZSTD_getErrorCode(r)) {
    case ZSTD_error_memory_allocation:
        return -ENOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        return -EFBIG;
    default:
        return -EUCLEAN;
    }
}

/*
 * On an error the library does not say what it has written before. So it gets one block at a time, and none while it
 * still has output: what an error takes with it is the damaged block alone.
 */
static ssize_t zstd_step(struct plain *p, void *data, size_t size)
{
    if (!p->n_in && !p->pending) {
        if (!p->at_end)
            return 0;
        return p->in_member ? -EUCLEAN : -ENODATA;
    }
    size_t wants = p->zstd_wants > ZSTD_BLOCK_HEADER ? p->zstd_wants - ZSTD_BLOCK_HEADER : 1;
    ZSTD_inBuffer in = {p->in, p->pending ? 0 : wants < p->n_in ? wants : p->n_in, 0};
    ZSTD_outBuffer out = {data, size, 0};
    size_t r = ZSTD_decompressStream(p->zstd, &out, &in);
    p->in += in.pos;
    p->n_in -= in.pos;
    p->pending = !ZSTD_isError(r) && out.pos == size && r != 0;
    if (ZSTD_isError(r)) {
        p->failed = zstd_error(r);
    } else {
        p->in_member = r != 0;
        p->zstd_wants = r;
    }
    return out.pos ? (ssize_t)out.pos : p->failed;
}

static ssize_t step(struct plain *p, void *data, size_t size)
{
    switch (p->kind) {
    case PLAIN_GZIP:
        return gzip_step(p, data, size);
    case PLAIN_ZSTD:
        return zstd_step(p, data, size);
    default:
        return plain_step(p, data, size);
    }
}

ssize_t plain_read(struct plain *p, void *data, size_t size)
{
    size_t done = 0;
    while (done < size && !p->failed) {
        int r = fill(p);
        if (r < 0)
            return done ? (ssize_t)done : r; /* may pass: not remembered */
        ssize_t n = step(p, (char *)data + done, size - done);
        if (n == -ENODATA)
            return (ssize_t)done;
        if (n < 0)
            p->failed = (int)n;
        else
            done += (size_t)n;
    }
    return done ? (ssize_t)done : p->failed;
}

int plain_skip(struct plain *p, uint64_t bytes)
{
    char waste[SKIP_SIZE];
    if (p->kind == PLAIN_PLAIN && bytes > p->n_in) {
        struct stat st;
        uint64_t at = p->offset - p->n_in;
        if (fstat(p->fd, &st) == 0 && S_ISREG(st.st_mode) && at <= (uint64_t)st.st_size &&
            bytes <= (uint64_t)st.st_size - at) {
            p->offset = at + bytes;
            p->n_in = 0;
            return 0;
        }
    }
    while (bytes) {
        ssize_t n = plain_read(p, waste, bytes < sizeof waste ? (size_t)bytes : sizeof waste);
        if (n <= 0)
            return n ? (int)n : -ENODATA;
        bytes -= (uint64_t)n;
    }
    return 0;
}
