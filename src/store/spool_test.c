#include "store/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "directory.h"

enum { SMALL = 4096, BODY = 300 };

static const char *segment_path(uint32_t number)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%010u.seg", dir, number);
    return path;
}

/* ---- records whose content follows from their number ---- */

static void fill(unsigned n, struct mark marks[2], char data[BODY])
{
    for (unsigned i = 0; i < BODY; i++)
        data[i] = (char)('a' + (n + i) % 26);
    marks[0] = (struct mark){.off = 0, .len = 100, .end = 101, .stream = 0, .more = 1, .time = 1000 + n};
    marks[1] = (struct mark){.off = 101, .len = BODY - 102, .end = BODY, .stream = 1, .time = -5};
}

static int append(struct spool *s, unsigned n, uint64_t *place)
{
    static const struct label first[] = {{"job", "test"}, {"file", "/var/log/a"}};
    struct mark marks[2];
    char data[BODY], key[32];
    struct buf labels;
    snprintf(key, sizeof key, "file:%u", n);
    struct spool_head h = {.kind = 3, .ordinal = n % 2, .key = key, .name = "/var/log/a", .cursor = n % 2 ? "s=1;i=2" : "",
                           .from = n, .to = n + BODY, .tail_hash = UINT64_MAX - n, .stored = 42, .n_streams = 2,
                           .n_marks = 2, .data_size = BODY, .n_sinks = 2,
                           .sinks = {{"loki", 1, UINT64_MAX, n, 200}, {"other", 0, 2, 3, 4}}};
    int r = buf_begin(&labels, &scope_root, "labels", SPOOL_LABELS_MAX);
    if (r < 0)
        return r;
    r = spool_add_labels(&labels, first, 2);
    if (r == 0)
        r = spool_add_labels(&labels, NULL, 0);
    h.labels_size = (uint32_t)labels.len;
    fill(n, marks, data);
    if (r == 0)
        r = spool_append(s, &h, labels.data, marks, data);
    buf_end(&labels);
    *place = h.place;
    return r;
}

/* 0 or what the reading said; the content must be right if it said nothing. */
static int check(struct spool_reader *r, uint64_t place, unsigned n, uint64_t *next)
{
    struct spool_head h;
    struct mark marks[2], expected_marks[2];
    char data[BODY], expected[BODY], labels[100], key[32];
    struct label items[STREAM_LABELS];
    int e = spool_read_head(r, place, &h);
    if (e)
        return e;
    *next = h.next;
    snprintf(key, sizeof key, "file:%u", n);
    assert_string_equal(h.key, key);
    assert_string_equal(h.name, "/var/log/a");
    assert_string_equal(h.cursor, n % 2 ? "s=1;i=2" : "");
    assert_true(h.kind == 3 && h.ordinal == n % 2 && h.from == n && h.to == n + BODY && h.tail_hash == UINT64_MAX - n);
    assert_true(h.stored == 42 && h.n_sinks == 2 && h.n_streams == 2 && h.n_marks == 2 && h.data_size == BODY);
    assert_string_equal(h.sinks[0].name, "loki");
    assert_true(h.sinks[0].first == 1 && h.sinks[0].wanted == UINT64_MAX && h.sinks[0].records == n);
    assert_string_equal(h.sinks[1].name, "other");
    assert_true(h.sinks[1].wanted == 2 && h.sinks[1].bytes == 4);
    assert_true(h.labels_size <= sizeof labels);
    e = spool_read_body(r, &h, labels, marks, data);
    if (e)
        return e;
    fill(n, expected_marks, expected);
    assert_memory_equal(marks, expected_marks, sizeof marks);
    assert_memory_equal(data, expected, BODY);
    const char *at = labels, *end = labels + h.labels_size;
    assert_int_equal(spool_next_labels(&at, end, items), 2);
    assert_string_equal(items[1].name, "file");
    assert_string_equal(items[1].value, "/var/log/a");
    assert_int_equal(spool_next_labels(&at, end, items), 0);
    assert_ptr_equal(at, end);
    return 0;
}

static void open_spool(struct spool *s, struct spool_reader *r)
{
    assert_int_equal(spool_begin(s, &scope_root, dir, SMALL, 0), 0);
    assert_int_equal(spool_reader_begin(r, s, &s->scope), 0);
}

static void store_some(unsigned n, uint64_t *places)
{
    struct spool s;
    assert_int_equal(spool_begin(&s, &scope_root, dir, SMALL, 0), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(append(&s, i, &places[i]), 0);
    assert_int_equal(spool_sync(&s), 0);
    assert_int_equal(s.written, s.bytes);
    spool_end(&s);
}

static void what_was_stored_is_read_again_over_segments(void **state)
{
    enum { N = 50 };
    uint64_t places[N], next = spool_place(1, 0);
    struct spool s;
    struct spool_reader r;
    struct spool_head h;
    store_some(N, places);
    open_spool(&s, &r);
    assert_true(spool_count(&s) > 4);
    assert_int_equal(s.next_number, spool_count(&s) + 1);
    for (unsigned i = 0; i < N; i++) {
        if (spool_read_head(&r, next, &h) == 1)
            next = h.next;
        assert_int_equal(next, places[i]);
        assert_int_equal(check(&r, places[i], i, &next), 0);
    }
    assert_int_equal(spool_read_head(&r, next, &h), 1);
    assert_true(h.next == UINT64_MAX);
    spool_end(&s);
}

static void a_number_is_never_used_twice(void **state)
{
    uint64_t place;
    struct spool s;
    store_some(1, &place);
    assert_int_equal(spool_begin(&s, &scope_root, dir, SMALL, spool_place(7, 9)), 0);
    assert_int_equal(append(&s, 1, &place), 0);
    assert_int_equal(spool_segment(place), 8);
    assert_true(s.barrier == spool_place(8, 0));
    assert_int_equal(spool_remove(&s, 8), 0);
    assert_int_equal(access(segment_path(8), F_OK), -1);
    assert_int_equal(append(&s, 1, &place), 0);
    assert_int_equal(spool_segment(place), 9);
    assert_int_equal(spool_from(&s, 2)->number, 9);
    assert_int_equal(spool_remove(&s, 1), 0);
    assert_int_equal(spool_remove(&s, 1), 0);
    assert_int_equal(spool_count(&s), 1);
    assert_true(s.bytes == spool_at(&s, 0)->size);
    spool_end(&s);
}

static void other_files_are_left_alone(void **state)
{
    struct spool s;
    char path[128];
    static const char *const names[] = {"notes.txt", "1.seg", "0000000000.seg", "0000000003.seg.old", "9999999999.seg"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    assert_int_equal(spool_begin(&s, &scope_root, dir, SMALL, 0), 0);
    assert_int_equal(spool_count(&s), 0);
    spool_end(&s);
}

/* ---- damage ---- */

static size_t load(uint32_t number, char *bytes, size_t size)
{
    int f = open(segment_path(number), O_RDONLY);
    ssize_t n = read(f, bytes, size);
    close(f);
    assert_true(n > 0);
    return (size_t)n;
}

static void save(uint32_t number, const char *bytes, size_t n)
{
    int f = open(segment_path(number), O_WRONLY | O_TRUNC);
    assert_int_equal(write(f, bytes, n), n);
    close(f);
}

static int read_first(uint64_t *next)
{
    struct spool s;
    struct spool_reader r;
    open_spool(&s, &r);
    int e = check(&r, spool_place(1, 0), 0, next);
    spool_end(&s);
    return e;
}

static void a_flipped_byte_is_always_seen(void **state)
{
    uint64_t places[2], next;
    char bytes[SMALL];
    store_some(2, places);
    size_t n = load(1, bytes, sizeof bytes), one = (size_t)(uint32_t)places[1];
    for (size_t i = 0; i < one; i++) {
        bytes[i] ^= 0x10;
        save(1, bytes, n);
        next = 0;
        assert_int_equal(read_first(&next), -EUCLEAN);
        /* Where the head is good the next record is found all the same. */
        assert_true(next == 0 || next == places[1]);
        assert_true(next == places[1] || i < one - BODY);
        bytes[i] ^= 0x10;
    }
    save(1, bytes, n);
    assert_int_equal(read_first(&next), 0);
}

static void a_segment_that_was_cut_off_is_seen(void **state)
{
    uint64_t place, next;
    char bytes[SMALL];
    store_some(1, &place);
    size_t n = load(1, bytes, sizeof bytes);
    for (size_t i = 1; i < n; i++) {
        save(1, bytes, i);
        assert_int_equal(read_first(&next), -EUCLEAN);
    }
    save(1, bytes, 0);
    assert_int_equal(read_first(&next), 1);
    unlink(segment_path(1));
    assert_int_equal(read_first(&next), -ENOENT);
}

static void what_is_damaged_is_counted(void **state)
{
    uint64_t places[30];
    char bytes[SMALL];
    struct spool_found found;
    assert_int_equal(spool_check(&scope_root, "/nonexistent/spool", &found), -ENOENT);
    store_some(30, places);
    assert_int_equal(spool_check(&scope_root, dir, &found), 0);
    assert_int_equal(found.records, 30);
    assert_int_equal(found.damaged + found.unreadable, 0);
    size_t n = load(1, bytes, sizeof bytes);
    bytes[places[1] - 1 - spool_place(1, 0)] ^= 1;
    save(1, bytes, n);
    n = load(2, bytes, sizeof bytes);
    bytes[20] ^= 1;
    save(2, bytes, n);
    assert_int_equal(spool_check(&scope_root, dir, &found), 0);
    assert_int_equal(found.damaged, 1);
    assert_int_equal(found.unreadable, 1);
    assert_int_equal(found.unfinished, 0);
    n = load(3, bytes, sizeof bytes);
    save(3, bytes, n - 5);
    assert_int_equal(spool_check(&scope_root, dir, &found), 0);
    assert_int_equal(found.unreadable, 1);
    assert_int_equal(found.unfinished, 1);
    assert_true(found.records < 30 && found.segments > 2);
}

/* ---- faults ---- */

/* Stores ten records, each synced, whatever fails; a thing that fails is tried again after spool_undo(). */
static void store_stubbornly(void)
{
    enum { N = 10 };
    struct spool s;
    struct spool_reader r;
    uint64_t places[N], next;
    int e = spool_begin(&s, &scope_root, dir, 1200, 0);
    if (e < 0)
        return;
    for (unsigned i = 0, tries = 0; i < N; tries++) {
        assert_true(tries < 3 * N);
        unsigned until = i + 2 < N ? i + 2 : N, at = i;
        for (e = 0; at < until && e == 0; at++)
            e = append(&s, at, &places[at]);
        if (e == 0)
            e = spool_sync(&s);
        if (e < 0)
            spool_undo(&s);
        else
            i = until;
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < spool_count(&s); i++)
        sum += spool_at(&s, i)->size;
    assert_true(sum == s.bytes);
    fault_arm(0, 0);
    spool_end(&s);
    assert_int_equal(spool_begin(&s, &scope_root, dir, 1200, 0), 0);
    assert_int_equal(spool_reader_begin(&r, &s, &s.scope), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(check(&r, places[i], i, &next), 0);
    while (spool_count(&s))
        assert_int_equal(spool_remove(&s, spool_at(&s, 0)->number), 0);
    spool_end(&s);
}

static void storing(int err)
{
    for (uint64_t k = 1; k < 200; k++) {
        fault_arm(k, err);
        store_stubbornly();
        fault_arm(0, 0);
        assert_true(census_empty(stderr));
    }
}

static void what_was_synced_survives_any_fault(void **state)
{
    storing(ENOSPC);
    storing(EIO);
    storing(ENOMEM);
}

static void read_all_records(void)
{
    struct spool s;
    struct spool_reader r;
    struct spool_found found;
    uint64_t next, place = spool_place(1, 0);
    (void)spool_check(&scope_root, dir, &found);
    if (spool_begin(&s, &scope_root, dir, SMALL, 0) < 0)
        return;
    if (spool_reader_begin(&r, &s, &s.scope) == 0)
        for (unsigned i = 0; i < 3 && check(&r, place, i, &next) == 0; i++)
            place = next;
    spool_end(&s);
}

static void reading_bears_any_fault(void **state)
{
    uint64_t places[3];
    store_some(3, places);
    TORTURE(read_all_records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_was_stored_is_read_again_over_segments),
        IN_DIR(a_number_is_never_used_twice),
        IN_DIR(other_files_are_left_alone),
        IN_DIR(a_flipped_byte_is_always_seen),
        IN_DIR(a_segment_that_was_cut_off_is_seen),
        IN_DIR(what_is_damaged_is_counted),
        IN_DIR(what_was_synced_survives_any_fault),
        IN_DIR(reading_bears_any_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
