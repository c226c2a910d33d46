#include "codec/heap.h"

#include <math.h>

#include "unit.h"

static const char whole[] = "heap_v2/524288\n"
                            "  t*: 3: 3000 [5: 5000]\n"
                            "  t0: 3: 3000 [5: 5000]\n"
                            "@ 0x5601 0x7fffaaaa1234\n"
                            "  t*: 1: 1024 [2: 2048]\n"
                            "  t0: 1: 1024 [2: 2048]\n"
                            "@\n"
                            "  t*: 2: 1976 [3: 2952]\n"
                            "\nMAPPED_LIBRARIES:\n"
                            "@ 0x1\n";

static int count_of(const char *text, size_t n)
{
    struct heap_reader r;
    struct heap_stack s;
    int stacks = 0, got = heap_begin(&r, text, n);
    for (; got == 0 && (got = heap_next(&r, &s)) == 1; got = 0)
        stacks++;
    return got < 0 ? got : stacks;
}

static void reads_stacks(void **state)
{
    struct heap_reader r;
    struct heap_stack s;
    assert_int_equal(heap_begin(&r, whole, strlen(whole)), 0);
    assert_int_equal(r.rate, 524288);
    assert_int_equal(heap_next(&r, &s), 1);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.frames[0], 0x5601);
    assert_int_equal(s.frames[1], 0x7fffaaaa1234);
    assert_int_equal(s.objects, 1);
    assert_int_equal(s.bytes, 1024);
    assert_int_equal(s.ever_objects, 2);
    assert_int_equal(s.ever_bytes, 2048);
    assert_int_equal(heap_next(&r, &s), 1);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.bytes, 1976);
    assert_int_equal(heap_next(&r, &s), 0);
}

static void refuses_what_is_none(void **state)
{
    static const char *const wrong[] = {
        "", "heap_v2/", "heap_v2/0\n", "heap_v1/1\n", "heap_v2/1\n@ 0x1\n", "heap_v2/1\n@ 0x1\n  t0: 1: 1 [0: 0]\n",
        "heap_v2/1\n@ 1\n  t*: 1: 1 [0: 0]\n", "heap_v2/1\n@ 0x10000000000000000\n  t*: 1: 1 [0: 0]\n",
        "heap_v2/1\n@ 0x1\n  t*: 1: 1\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(count_of(wrong[i], strlen(wrong[i])), -EINVAL);
    assert_int_equal(count_of(whole, sizeof whole - 1), 2);
}

static void leaves_out_what_is_too_deep(void **state)
{
    char text[2000] = "heap_v2/1\n@";
    struct heap_reader r;
    struct heap_stack s;
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), 16, " 0x%x", i + 1);
    strcat(text, "\n t*: 1: 1 [0: 0]\n");
    assert_int_equal(heap_begin(&r, text, strlen(text)), 0);
    assert_int_equal(heap_next(&r, &s), 1);
    assert_int_equal(s.n, HEAP_FRAMES);
    assert_int_equal(s.frames[HEAP_FRAMES - 1], HEAP_FRAMES);
}

/* An object as large as the distance between samples is seen with probability 1 - 1/e. */
static void scales(void **state)
{
    assert_true(fabs(heap_scale(2, 2 * 524288, 524288) - 1.5819767) < 1e-6);
    assert_true(fabs(heap_scale(1, 1ull << 40, 524288) - 1) < 1e-9);
    assert_true(fabs(heap_scale(10, 1000, 524288) - 5243.38) < 0.01);
    assert_true(heap_scale(0, 0, 524288) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_stacks),
        TEST(refuses_what_is_none),
        TEST(leaves_out_what_is_too_deep),
        TEST(scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
