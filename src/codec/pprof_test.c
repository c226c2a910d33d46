/* That it is read elsewhere too is for profiles.test.mjs: `go tool pprof` and a protobuf library are asked there. */
#include "codec/pprof.h"

#include <zlib.h>

#include "unit.h"

static struct buf packed, plain;

static int write_profile(void)
{
    struct pprof p;
    const struct pprof_frame frames[] = {{"inlined", "a.c", 7}, {"outer", "a.c", 1000}};
    const struct pprof_label labels[] = {{"kind", "reader", 0, NULL}, {"age", NULL, 90, "seconds"}};
    const int64_t one[] = {3}, two[] = {-1};
    int r = pprof_begin(&p, &scope_root, 1 << 20);
    if (r < 0)
        return r;
    pprof_sample_type(&p, "tasks", "count");
    pprof_period(&p, "tasks", "count", 1);
    pprof_time(&p, 1, 2);
    uint64_t m = pprof_mapping(&p, &(struct pprof_mapping){0x1000, 0x3000, 0, "/bin/x", "abcd", true});
    uint64_t at[] = {pprof_location(&p, 0x1234, m, frames, 2), pprof_location(&p, 0x2345, m, &frames[1], 1)};
    pprof_sample(&p, at, 2, one, labels, 2);
    pprof_sample(&p, &at[1], 1, two, NULL, 0);
    r = pprof_finish(&p, &packed);
    pprof_end(&p);
    return r;
}

static void unpack(void)
{
    z_stream z = {.next_in = (Bytef *)packed.data, .avail_in = (uInt)packed.len};
    assert_int_equal(buf_begin(&plain, &scope_root, "plain", 1 << 20), 0);
    assert_int_equal(buf_reserve(&plain, 1 << 16), 0);
    z.next_out = (Bytef *)plain.data;
    z.avail_out = 1 << 16;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    plain.len = z.total_out;
    inflateEnd(&z);
}

static size_t at;

static uint64_t varint(void)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t)plain.data[at++];
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
}

/* The next field: its number, and where its bytes are, or its value. */
static unsigned field(const char **data, size_t *n)
{
    uint64_t tag = varint();
    *n = varint();
    *data = NULL;
    if ((tag & 7) == 2) {
        *data = plain.data + at;
        at += *n;
    }
    return (unsigned)(tag >> 3);
}

static void is_what_the_format_says(void **state)
{
    const char *data;
    size_t n, strings = 0;
    unsigned count[16] = {0};
    assert_int_equal(buf_begin(&packed, &scope_root, "packed", 1 << 20), 0);
    assert_int_equal(write_profile(), 0);
    unpack();
    for (at = 0; at < plain.len;) {
        unsigned f = field(&data, &n);
        assert_in_range(f, 1, 14);
        count[f]++;
        if (f == 6 && strings++ == 0)
            assert_int_equal(n, 0);
        if (f == 2 && count[f] == 1)
            /* locations 1, 2; value 3; labels kind=reader, age=90 seconds */
            assert_memory_equal(data, "\x0a\x02\x01\x02\x12\x01\x03\x1a\x04\x08\x08\x10\x09\x1a\x06\x08\x0a\x18\x5a\x20\x0b", n);
        if (f == 2 && count[f] == 2)
            assert_memory_equal(data, "\x0a\x01\x02\x12\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", n);
        if (f == 4 && count[f] == 1)
            assert_memory_equal(data, "\x08\x01\x10\x01\x18\xb4\x24\x22\x04\x08\x01\x10\x07\x22\x05\x08\x02\x10\xe8\x07", n);
    }
    assert_int_equal(at, plain.len);
    assert_int_equal(count[1], 1);
    assert_int_equal(count[2], 2);
    assert_int_equal(count[3], 1);
    assert_int_equal(count[4], 2);
    assert_int_equal(count[5], 2); /* functions, each once */
    assert_int_equal(strings, 1 + 11);
    buf_end(&plain);
    buf_end(&packed);
}

static void keeps_many_apart(void **state)
{
    struct pprof p;
    char name[32];
    const int64_t one[] = {1};
    assert_int_equal(buf_begin(&packed, &scope_root, "packed", 1 << 20), 0);
    assert_int_equal(pprof_begin(&p, &scope_root, 1 << 20), 0);
    pprof_sample_type(&p, "x", "count");
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "f%d", i % 1000);
        uint64_t l = pprof_location(&p, (uint64_t)i, 0, &(struct pprof_frame){name, "x.c", i}, 1);
        pprof_sample(&p, &l, 1, one, NULL, 0);
    }
    assert_int_equal(p.functions.n, 1000);
    assert_int_equal(p.texts.n, 1000 + 3);
    assert_int_equal(pprof_finish(&p, &packed), 0);
    pprof_end(&p);
    buf_end(&packed);
}

static void says_that_it_does_not_fit(void **state)
{
    struct pprof p;
    const int64_t one[] = {1};
    assert_int_equal(buf_begin(&packed, &scope_root, "packed", 1 << 20), 0);
    assert_int_equal(pprof_begin(&p, &scope_root, 1000), 0);
    pprof_sample_type(&p, "x", "count");
    for (int i = 0; i < 100; i++)
        pprof_sample(&p, NULL, 0, one, &(struct pprof_label){"key", "text", 0, NULL}, 1);
    assert_int_equal(pprof_finish(&p, &packed), -ENOMEM);
    pprof_end(&p);
    buf_end(&packed);
}

static void once(void)
{
    if (buf_begin(&packed, &scope_root, "packed", 1 << 20) < 0)
        return;
    write_profile();
    buf_end(&packed);
}

static void survives_torture(void **state)
{
    TORTURE(once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_what_the_format_says),
        TEST(keeps_many_apart),
        TEST(says_that_it_does_not_fit),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
