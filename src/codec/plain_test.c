#include "codec/plain.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "unit.h"

enum { ROOM = 1 << 20 };

/* A file's bytes, and what was read of it. */
static struct {
    char file[ROOM], text[ROOM];
    size_t n_file, n_text;
} w;

static const char *const hello = "hello, hello, hello, hello, hello, hello!\n";

static void put(const void *data, size_t n)
{
    assert_true(n <= ROOM - w.n_file);
    memcpy(w.file + w.n_file, data, n);
    w.n_file += n;
}

static void put_gzip(const char *text, size_t n)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)w.file + w.n_file;
    z.avail_out = (uInt)(ROOM - w.n_file);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    w.n_file += z.total_out;
    deflateEnd(&z);
}

/* window_log: how far back the frame says that it may refer, 0: as the library likes */
static void put_zstd(const char *text, size_t n, int window_log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_inBuffer in = {text, n, 0};
    ZSTD_outBuffer out = {w.file, ROOM, w.n_file};
    assert_non_null(c);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush), 0);
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    w.n_file = out.pos;
    ZSTD_freeCCtx(c);
}

static int file_open(void)
{
    int fd = memfd_create("plain", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, w.file, w.n_file), w.n_file);
    return fd;
}

/* Reads all of it in pieces of `size` bytes; returns the last result. */
static ssize_t read_all(struct plain *p, size_t size)
{
    ssize_t n;
    w.n_text = 0;
    while ((n = plain_read(p, w.text + w.n_text, size < ROOM - w.n_text ? size : ROOM - w.n_text)) > 0)
        w.n_text += (size_t)n;
    assert_int_equal(plain_read(p, w.text + w.n_text, 1), n); /* and again */
    return n;
}

static void assert_reads(enum plain_kind kind, const char *text, size_t n, ssize_t end)
{
    static const size_t sizes[] = {1, 7, 4096, ROOM};
    int fd = file_open();
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct plain *p = plain_open(&scope_root, fd);
        assert_non_null(p);
        assert_int_equal(plain_kind(p), kind);
        assert_int_equal(read_all(p, sizes[i]), end);
        assert_int_equal(w.n_text, n);
        assert_memory_equal(w.text, text, n);
        plain_close(p);
    }
    close(fd);
}

/* Compresses badly enough that input and output are taken in many steps. */
static char *long_text(size_t n)
{
    char *text = malloc(n);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = (char)("0123456789abcdef"[x >> 28]);
    }
    return text;
}

static void what_is_plain_stays_as_it_is(void **state)
{
    w.n_file = 0;
    assert_reads(PLAIN_PLAIN, "", 0, 0);
    put("\x1f\x8b", 2);
    assert_reads(PLAIN_PLAIN, "\x1f\x8b", 2, 0);
    w.n_file = 0;
    put(hello, strlen(hello));
    assert_reads(PLAIN_PLAIN, hello, strlen(hello), 0);
}

static void members_are_one_text(void **state)
{
    w.n_file = 0;
    put_gzip("one\n", 4);
    put_gzip("", 0);
    put("\0\0\0", 3);
    put_gzip("two\n", 4);
    put("\0", 1);
    assert_reads(PLAIN_GZIP, "one\ntwo\n", 8, 0);
    w.n_file = 0;
    put_zstd("one\n", 4, 0);
    put_zstd("", 0, 0);
    put_zstd("two\n", 4, 0);
    assert_reads(PLAIN_ZSTD, "one\ntwo\n", 8, 0);
}

static void long_ones_go_through_in_steps(void **state)
{
    size_t n = 300000;
    char *text = long_text(n);
    w.n_file = 0;
    put_gzip(text, n);
    assert_true(w.n_file > 2 * 65536);
    assert_reads(PLAIN_GZIP, text, n, 0);
    w.n_file = 0;
    put_zstd(text, n, 0);
    assert_reads(PLAIN_ZSTD, text, n, 0);
    free(text);
}

static void much_from_little(void **state)
{
    size_t n = ROOM - 1;
    char *text = malloc(n);
    memset(text, 'x', n);
    w.n_file = 0;
    put_gzip(text, n);
    assert_reads(PLAIN_GZIP, text, n, 0);
    w.n_file = 0;
    put_zstd(text, n, 0);
    assert_reads(PLAIN_ZSTD, text, n, 0);
    free(text);
}

/* Wherever the file is cut: first what can be read, the same in whatever pieces, then the error. */
static void assert_cut_is_seen(enum plain_kind kind, size_t magic)
{
    size_t whole = w.n_file, before = 0;
    static char text[ROOM];
    for (size_t cut = magic; cut < whole; cut++) {
        w.n_file = cut;
        int fd = file_open();
        struct plain *p = plain_open(&scope_root, fd);
        assert_non_null(p);
        assert_int_equal(read_all(p, ROOM), -EUCLEAN);
        plain_close(p);
        close(fd);
        assert_true(w.n_text >= before);
        assert_true(w.n_text <= strlen(hello));
        before = w.n_text;
        assert_memory_equal(w.text, hello, before);
        memcpy(text, w.text, before);
        assert_reads(kind, text, before, -EUCLEAN);
    }
    assert_true(before > 0);
}

static void cut_files_give_what_they_have(void **state)
{
    w.n_file = 0;
    put_gzip(hello, strlen(hello));
    assert_cut_is_seen(PLAIN_GZIP, 3);
    w.n_file = 0;
    put_zstd(hello, strlen(hello), 0);
    assert_cut_is_seen(PLAIN_ZSTD, 4);
}

static void damage_is_an_error(void **state)
{
    w.n_file = 0;
    put_gzip(hello, strlen(hello));
    w.file[w.n_file - 8] ^= 1; /* its checksum */
    assert_reads(PLAIN_GZIP, hello, strlen(hello), -EUCLEAN);
    w.n_file = 0;
    put_gzip(hello, strlen(hello));
    put("garbage", 7);
    assert_reads(PLAIN_GZIP, hello, strlen(hello), -EUCLEAN);
    w.n_file = 0;
    put_zstd(hello, strlen(hello), 0);
    w.file[w.n_file - 1] ^= 1;
    assert_reads(PLAIN_ZSTD, hello, strlen(hello), -EUCLEAN);
}

static void windows_are_bounded(void **state)
{
    w.n_file = 0;
    put_zstd(hello, strlen(hello), 23);
    assert_reads(PLAIN_ZSTD, hello, strlen(hello), 0);
    w.n_file = 0;
    put_zstd(hello, strlen(hello), 24);
    assert_reads(PLAIN_ZSTD, "", 0, -EFBIG);
}

static void assert_skips(const char *text, size_t n)
{
    int fd = file_open();
    for (size_t from = 0; from <= n; from += 1 + n / 50) {
        struct plain *p = plain_open(&scope_root, fd);
        assert_int_equal(plain_skip(p, from / 2), 0);
        assert_int_equal(plain_skip(p, from - from / 2), 0);
        assert_int_equal(read_all(p, ROOM), 0);
        assert_int_equal(w.n_text, n - from);
        assert_memory_equal(w.text, text + from, n - from);
        assert_int_equal(plain_skip(p, 1), -ENODATA);
        plain_close(p);
        p = plain_open(&scope_root, fd);
        assert_int_equal(plain_skip(p, from), 0);
        assert_int_equal(plain_skip(p, n - from + 1), -ENODATA);
        plain_close(p);
        p = plain_open(&scope_root, fd);
        assert_int_equal(plain_skip(p, from), 0);
        assert_int_equal(plain_skip(p, UINT64_MAX), -ENODATA);
        plain_close(p);
    }
    close(fd);
}

static void skipping_is_reading(void **state)
{
    size_t n = 200000;
    char *text = long_text(n);
    w.n_file = 0;
    put(text, n);
    assert_skips(text, n);
    w.n_file = 0;
    put_gzip(text, n);
    assert_skips(text, n);
    w.n_file = 0;
    put_zstd(text, n, 0);
    assert_skips(text, n);
    free(text);
}

static void open_and_read(void)
{
    int fd = file_open();
    struct plain *p = plain_open(&scope_root, fd);
    if (!p) {
        assert_true(errno == ENOMEM || errno == EIO);
    } else {
        ssize_t n = plain_read(p, w.text, ROOM);
        assert_true(n == -EIO || n == -ENOMEM || (size_t)n == strlen(hello));
    }
    plain_close(p);
    close(fd);
}

static void it_survives_torture(void **state)
{
    w.n_file = 0;
    put(hello, strlen(hello));
    TORTURE(open_and_read);
    w.n_file = 0;
    put_gzip(hello, strlen(hello));
    TORTURE(open_and_read);
    w.n_file = 0;
    put_zstd(hello, strlen(hello), 0);
    TORTURE(open_and_read);
}

/* A read that failed is tried again: nothing is lost or read twice. */
static void a_failed_read_may_pass(void **state)
{
    size_t n = 200000;
    char *text = long_text(n);
    w.n_file = 0;
    put_gzip(text, n);
    int fd = file_open();
    struct plain *p = plain_open(&scope_root, fd);
    assert_int_equal(plain_read(p, w.text, 10), 10); /* all memory is there now: what can fail is pread() */
    fault_arm(1, EIO);
    size_t first = 10 + (size_t)plain_read(p, w.text + 10, ROOM - 10);
    assert_true(fault_fired());
    fault_arm(0, 0);
    assert_true(first > 10 && first < n);
    assert_int_equal(plain_read(p, w.text + first, ROOM - first), n - first);
    assert_memory_equal(w.text, text, n);
    plain_close(p);
    close(fd);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_plain_stays_as_it_is),
        TEST(members_are_one_text),
        TEST(long_ones_go_through_in_steps),
        TEST(much_from_little),
        TEST(cut_files_give_what_they_have),
        TEST(damage_is_an_error),
        TEST(windows_are_bounded),
        TEST(skipping_is_reading),
        TEST(it_survives_torture),
        TEST(a_failed_read_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
