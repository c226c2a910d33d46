#include "in/files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/clock.h"
#include "in/descriptors.h"
#include "in/discover.h"
#include "in/monitor.h"
#include "unit.h"

/*
 * The real monitor, pool and dispatcher, on a loop that the test turns itself; the sink notes each record as a line
 * and secures it at once. A pair of end_process() and begin_process() is a restart.
 */
enum { NOTES = 4 * 1024 * 1024 };

struct world {
    struct scope scope, process;
    struct pool pool;
    struct sink sink;
    struct sink *list[1];
    struct dispatcher dispatcher;
    struct loop loop;
    struct timer over;
    struct files *files;
    struct past past;
    struct files_group group;
    const char *paths[2], *excludes[1];
    struct config config;
    struct sink_config sink_config;
    char dir[64], pattern[96];
    char *notes; /* the records, each with '\n' */
    size_t noted;
    bool hold; /* the sink takes nothing */
};
static struct world *world; /* the sink's */

static void note(struct lease *l)
{
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next)
        for (uint32_t k = i; k < next; k++) {
            const struct mark *m = &l->batch->marks[k];
            assert_true(world->noted + m->len + 1 < NOTES);
            memcpy(world->notes + world->noted, l->batch->data + m->off, m->len);
            world->noted += m->len;
            if (!m->more)
                world->notes[world->noted++] = '\n';
        }
    world->notes[world->noted] = 0;
    lease_secured(l, NULL);
}

static int test_start(struct sink *s)
{
    return 0;
}
static void test_take(struct sink *s, struct lease *l)
{
    note(l);
}
static void test_stop(struct sink *s, int64_t deadline)
{
    sink_drained(s);
}
static const struct sink_type test_type = {
    .name = "test", .start = test_start, .take = test_take, .stop = test_stop};

/* What the store would know at this moment. */
static void remember(struct source *s, void *arg)
{
    struct world *w = arg;
    struct past_source *p = scope_alloc(&w->scope, sizeof *p + sizeof *p->at);
    if (!p)
        return;
    struct counts counts;
    char cursor[POSITION_CURSOR];
    p->key = scope_strdup(&w->scope, s->key);
    p->name = scope_strdup(&w->scope, s->name);
    p->identity = s->identity ? scope_strdup(&w->scope, s->identity) : NULL;
    p->at[0].known = true;
    account_read(&s->accounts[0], &p->at[0].position, cursor, &counts);
    for (struct past_source **at = &w->past.all; *at; at = &(*at)->next)
        if (strcmp((*at)->key, p->key) == 0) {
            p->next = (*at)->next;
            *at = p;
            return;
        }
    p->next = w->past.all;
    w->past.all = p;
}

static void deliver_all(struct world *w)
{
    for (struct qnode *n; !w->hold && (n = queue_pop(&w->sink.queue));)
        note(container_of(n, struct lease, node));
    while (w->sink.book.dirty) { /* what the keeper would do */
        struct account *a = w->sink.book.dirty;
        w->sink.book.dirty = a->next_dirty;
        a->dirty = false;
        remember(a->source, w);
        source_unref(a->source);
    }
}

static void stop_loop(struct timer *t)
{
    loop_stop(t->loop);
}

/* Lets the monitor work for so long. */
static void turn(struct world *w, int ms)
{
    for (int i = 0; i < ms; i += 5) {
        atomic_store(&w->loop.stop, false);
        timer_set(&w->over, 5 * MILLISECOND);
        loop_run(&w->loop);
        deliver_all(w);
    }
}

/* Until `want` is all that was noted; fails after 10 s. */
static void expect(struct world *w, const char *want)
{
    for (int i = 0; i < 1000 && strcmp(w->notes, want) != 0; i++)
        turn(w, 10);
    turn(w, 60); /* nothing more may come */
    assert_string_equal(w->notes, want);
}

static bool begin_process(struct world *w)
{
    bool good = scope_begin(&w->process, &w->scope, "process") == 0 && streams_begin(&w->process) == 0 &&
                pool_begin(&w->pool, &w->process, 16 << 20) == 0 &&
                sink_begin(&w->sink, &w->process, 0, &w->sink_config, &w->config, &test_type, &w->pool) == 0;
    w->list[0] = &w->sink;
    w->dispatcher = (struct dispatcher){.sinks = w->list, .n_sinks = good, .pool = &w->pool};
    sources_begin(&w->process, w->list, w->dispatcher.n_sinks);
    return good && loop_begin(&w->loop, &w->process, "loop") == 0 &&
           timer_begin(&w->over, &w->process, &w->loop, "over", stop_loop) == 0 &&
           files_begin(&w->files, &w->process, &w->loop, &w->config, &w->dispatcher, &w->past) == 0;
}


static void end_process(struct world *w)
{
    struct files *files = w->files;
    w->files = NULL;
    files_end(files);
    sources_walk(remember, w);
    for (struct qnode *n; thing_alive(&w->sink.scope.thing) && (n = queue_pop(&w->sink.queue));)
        lease_returned(container_of(n, struct lease, node));
    sink_end(&w->sink);
    if (thing_alive(&w->loop.scope.thing))
        loop_end(&w->loop);
    sources_end();
    if (thing_alive(&w->pool.scope.thing))
        pool_end(&w->pool);
    streams_end();
    scope_end(&w->process);
    for (struct past_source *p = w->past.all; p; p = p->next)
        p->claimed = false;
}

static void prepare(struct world *w)
{
    *w = (struct world){0};
    world = w;
    snprintf(w->dir, sizeof w->dir, "/tmp/logcap-files-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->pattern, sizeof w->pattern, "%s/**/*.log", w->dir);
    w->notes = calloc(1, NOTES);
    w->paths[0] = w->pattern;
    w->group = (struct files_group){.paths = {w->paths, 1}, .multiline = {.start = ""}, .timestamp = {"", "auto"}};
    w->config = (struct config){.host = "here", .files = {
        .enabled = true, .groups = &w->group, .n_groups = 1, .max_line_bytes = 1024, .max_open_files = 64,
        .partial_flush = 300 * MILLISECOND, .scan_interval = 100 * MILLISECOND, .idle_close = 500 * MILLISECOND,
        .max_deleted_bytes = 1 << 20}};
    w->sink_config = (struct sink_config){.name = "test", .queue_size = 8 << 20};
}

static void begin(struct world *w)
{
    prepare(w);
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_true(begin_process(w));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void clean(struct world *w)
{
    scope_end(&w->scope);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w->notes);
}

static void end(struct world *w)
{
    end_process(w);
    clean(w);
}

static const char *at(struct world *w, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", w->dir, name);
    return path;
}

static void put(struct world *w, const char *name, int flags, const char *text)
{
    int fd = open(at(w, name), O_WRONLY | O_CREAT | flags, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void append(struct world *w, const char *name, const char *text)
{
    put(w, name, O_APPEND, text);
}

static void move(struct world *w, const char *from, const char *to)
{
    assert_int_equal(rename(at(w, from), at(w, to)), 0);
}

static void copy(struct world *w, const char *from, const char *to)
{
    char *buf = malloc(1 << 20);
    int in = open(at(w, from), O_RDONLY), out = open(at(w, to), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (ssize_t n; (n = read(in, buf, 1 << 20)) > 0;)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
    free(buf);
}

static uint64_t lost(struct world *w)
{
    return atomic_load(&files_stats(w->files)->lost_by_rotator);
}

/* ---- reading ---- */

static void lines_arrive_as_they_are(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\ntwo\r\n");
    expect(&w, "one\ntwo\n");
    append(&w, "a.log", "bad \xff utf\n\n");
    expect(&w, "one\ntwo\nbad \xff utf\n\n");
    assert_int_equal(mkdir(at(&w, "sub"), 0755), 0);
    append(&w, "sub/b.log", "new\n");
    append(&w, "sub/b.txt", "no\n");
    expect(&w, "one\ntwo\nbad \xff utf\n\nnew\n");
    end(&w);
}

/* More lines than a batch has marks for, all within one chunk: the rest must not pass for a partial line. */
static void short_lines_fill_several_batches(void **state)
{
    enum { LINES = 50000 };
    struct world w;
    begin(&w);
    char *text = malloc(2 * LINES + 1);
    for (int i = 0; i < LINES; i++)
        memcpy(text + 2 * i, "x\n", 2);
    text[2 * LINES] = 0;
    w.config.files.partial_flush = w.config.files.idle_close = HOUR; /* nothing may have to wait for them */
    append(&w, "a.log", text);
    expect(&w, text);
    free(text);
    end(&w);
}

static void a_partial_line_waits_for_its_end(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\ntw");
    expect(&w, "one\n");
    append(&w, "a.log", "o\nthr");
    expect(&w, "one\ntwo\n");
    expect(&w, "one\ntwo\nthr\n"); /* after partial_flush */
    append(&w, "a.log", "ee\n");
    expect(&w, "one\ntwo\nthr\nee\n");
    end(&w);
}

static void long_lines(struct world *w, enum long_lines how)
{
    char line[3001] = "";
    prepare(w);
    w->group.long_lines = how;
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    memset(line, 'x', 3000);
    append(w, "a.log", line);
    append(w, "a.log", "\nend\n");
    assert_true(begin_process(w));
}

static void a_long_line_is_split(void **state)
{
    struct world w;
    char want[4000] = "";
    long_lines(&w, LONG_SPLIT);
    sprintf(want, "%01024d\n%01024d\n%0952d\nend\n", 0, 0, 0);
    for (char *p = want; *p; p++)
        if (*p == '0')
            *p = 'x';
    expect(&w, want);
    end(&w);
}

/* Many records of one line that has no end yet: only the last piece waits. */
static void a_line_without_end_is_split_at_once(void **state)
{
    struct world w;
    char line[20001] = "";
    begin(&w);
    w.config.files.partial_flush = w.config.files.idle_close = HOUR;
    memset(line, 'x', 20000);
    append(&w, "a.log", line);
    turn(&w, 100);
    assert_int_equal(w.noted, 20000 / 1024 * 1025);
    end(&w);
}

static void a_long_line_is_cut_and_the_cut_bytes_are_counted(void **state)
{
    struct world w;
    char want[4000] = "";
    long_lines(&w, LONG_CUT);
    sprintf(want, "%01024d\nend\n", 0);
    for (char *p = want; *p; p++)
        if (*p == '0')
            *p = 'x';
    expect(&w, want);
    assert_int_equal(atomic_load(&w.files->all->source->cut_bytes), 3000 - 1024);
    end(&w);
}

/* The long line has no mark to be split with: the lines behind it wait for the next batch. */
static void a_long_line_is_split_where_marks_are_scarce(void **state)
{
    enum { LONG = 1030, LINES = 3000 };
    struct world w;
    char *text = calloc(1, LONG + 2 * LINES + 2), *want = calloc(1, LONG + 2 * LINES + 3);
    begin(&w);
    memset(text, 'x', LONG);
    text[LONG] = '\n';
    for (int i = 0; i < LINES; i++)
        memcpy(text + LONG + 1 + 2 * i, "y\n", 2);
    sprintf(want, "%.1024s\n%s", text, text + 1024);
    append(&w, "a.log", text);
    expect(&w, want);
    free(text);
    free(want);
    end(&w);
}

static void a_hole_does_not_hold_up_the_rest(void **state)
{
    struct world w;
    begin(&w);
    int fd = open(at(&w, "a.log"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(fd, INT64_C(100) << 30), 0);
    assert_int_equal(pwrite(fd, "end\n", 4, (INT64_C(100) << 30)), 4);
    close(fd);
    append(&w, "b.log", "other\n");
    for (int i = 0; i < 500 && !(strstr(w.notes, "other\n") && strstr(w.notes, "end\n")); i++)
        turn(&w, 10);
    assert_non_null(strstr(w.notes, "other\n"));
    assert_true(w.noted < 100000);
    end(&w);
}

/* ---- rotation ---- */

static void renamed_and_created_anew(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nthr");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "four\n");
    turn(&w, 50);
    append(&w, "a.log.1", "ee\n"); /* the writer has not reopened yet */
    turn(&w, 600);
    assert_non_null(strstr(w.notes, "two\n"));
    assert_non_null(strstr(w.notes, "three\n"));
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\nfour\n"));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void renamed_while_closed_and_to_a_name_that_matches(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    turn(&w, 1000);
    assert_int_equal(atomic_load(&w.files->stats.open), 0);
    move(&w, "a.log", "b.log");
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

static void truncated_by_copytruncate(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nthree\npart");
    copy(&w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(&w, "a.log"), 0), 0);
    append(&w, "a.log", "four\n");
    turn(&w, 800);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\npart\nfour\n"));
    assert_non_null(strstr(w.notes, "two\nthree\n"));
    assert_non_null(strstr(w.notes, "part\n"));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_copy_that_matches_is_not_read_twice(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "app.log", "one\n");
    expect(&w, "one\n");
    append(&w, "app.log", "two\n");
    copy(&w, "app.log", "app-20261121.log");
    turn(&w, 100);
    assert_int_equal(truncate(at(&w, "app.log"), 0), 0);
    append(&w, "app.log", "four\n");
    expect(&w, "one\ntwo\nfour\n");
    turn(&w, 1500);
    assert_string_equal(w.notes, "one\ntwo\nfour\n");
    end(&w);
}

static void truncated_and_grown_beyond(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    put(&w, "a.log", O_TRUNC, "another line that is longer\n");
    expect(&w, "one\nanother line that is longer\n");
    end(&w);
}

static void deleted_while_open(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nlast");
    unlink(at(&w, "a.log"));
    expect(&w, "one\ntwo\nlast\n");
    turn(&w, 1500);
    assert_int_equal(sources_count(), 0);
    append(&w, "a.log", "again\n"); /* perhaps under the same inode */
    expect(&w, "one\ntwo\nlast\nagain\n");
    end(&w);
}

static void a_link_is_switched(void **state)
{
    struct world w;
    begin(&w);
    assert_int_equal(mkdir(at(&w, "data"), 0755), 0);
    append(&w, "data/1", "one\n");
    assert_int_equal(symlink("data/1", at(&w, "cur.log")), 0);
    expect(&w, "one\n");
    append(&w, "data/1", "two\n");
    expect(&w, "one\ntwo\n");
    append(&w, "data/1", "three\n");
    append(&w, "data/2", "four\n");
    assert_int_equal(symlink("data/2", at(&w, "next")), 0);
    move(&w, "next", "cur.log");
    turn(&w, 300);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\nfour\n"));
    end(&w);
}

/* ---- restart ---- */

static void compress_gzip(struct world *w, const char *from, const char *to)
{
    char buf[4096];
    int in = open(at(w, from), O_RDONLY);
    ssize_t n = read(in, buf, sizeof buf);
    gzFile out = gzopen(at(w, to), "wb");
    assert_int_equal(gzwrite(out, buf, (unsigned)n), n);
    gzclose(out);
    close(in);
    unlink(at(w, from));
}

static void compress_zstd(struct world *w, const char *from, const char *to)
{
    char buf[4096], packed[8192];
    int in = open(at(w, from), O_RDONLY), out = open(at(w, to), O_WRONLY | O_CREAT, 0644);
    ssize_t n = read(in, buf, sizeof buf);
    size_t size = ZSTD_compress(packed, sizeof packed, buf, (size_t)n, 3);
    assert_int_equal(write(out, packed, size), size);
    close(in);
    close(out);
    unlink(at(w, from));
}

static void rename_it(struct world *w)
{
    move(w, "a.log", "a.log.1");
}
static void gzip_it(struct world *w)
{
    compress_gzip(w, "a.log", "a.log.1.gz");
}
static void zstd_it(struct world *w)
{
    compress_zstd(w, "a.log", "a.log-20261121.zst");
}
static void copytruncate_it(struct world *w)
{
    copy(w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(w, "a.log"), 0), 0);
}

static void restart_with(void (*rotate)(struct world *))
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    end_process(&w);
    append(&w, "a.log", "two\nlast");
    rotate(&w);
    append(&w, "a.log", "new\n");
    assert_true(begin_process(&w));
    turn(&w, 1500);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nlast\nnew\n"));
    assert_non_null(strstr(w.notes, "two\n"));
    assert_non_null(strstr(w.notes, "last\n"));
    assert_int_equal(lost(&w), 0);
    end_process(&w);
    assert_true(begin_process(&w)); /* and nothing comes again */
    turn(&w, 300);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nlast\nnew\n"));
    append(&w, "a.log", "more\n");
    turn(&w, 300);
    assert_non_null(strstr(w.notes, "more\n"));
    end(&w);
}

/* Killed while the rest in a copy is on its way: the copy is known again by its bytes before the position. */
static void a_rest_is_gone_on_with(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    end_process(&w);
    append(&w, "a.log", "two\n");
    gzip_it(&w);
    append(&w, "a.log", "new\n");
    assert_true(begin_process(&w));
    for (int i = 0; i < 100 && w.noted < 12; i++)
        turn(&w, 5);
    uint64_t tail = 0;
    for (struct file *file = w.files->all; file; file = file->next_all)
        if (file->rest)
            tail = file->tail_hash;
    assert_true(tail == fingerprint("one\ntwo\n", 8));
    end_process(&w); /* before it is known to be done */
    assert_true(begin_process(&w));
    turn(&w, 300);
    assert_int_equal(w.noted, 12);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_rotation_while_down_is_found(void **state)
{
    restart_with(rename_it);
    restart_with(gzip_it);
    restart_with(zstd_it);
    restart_with(copytruncate_it);
}

static void what_is_gone_while_down_is_counted(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    w.hold = true;
    append(&w, "a.log", "two\n");
    turn(&w, 300);
    end_process(&w);
    unlink(at(&w, "a.log"));
    w.hold = false;
    assert_true(begin_process(&w));
    turn(&w, 200);
    assert_int_equal(lost(&w), 4);
    end(&w);
}

static void start_at_end_skips_only_what_was_there(void **state)
{
    struct world w;
    prepare(&w);
    w.group.start_at = START_END;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    append(&w, "a.log", "old\n");
    assert_true(begin_process(&w));
    turn(&w, 100);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

/* ---- what is not a file, or too many ---- */

static void only_regular_files_are_opened(void **state)
{
    struct world w;
    begin(&w);
    assert_int_equal(mkfifo(at(&w, "f.log"), 0644), 0);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    unlink(at(&w, "a.log"));
    assert_int_equal(mkfifo(at(&w, "a.log"), 0644), 0);
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

static void descriptors_are_bounded(void **state)
{
    struct world w;
    begin(&w);
    char name[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        append(&w, name, "x\n");
    }
    for (int i = 0; i < 1000 && w.noted < 4000; i++) {
        turn(&w, 10);
        assert_true(atomic_load(&w.files->stats.open) <= 64);
    }
    assert_int_equal(w.noted, 4000);
    append(&w, "7.log", "y\n");
    turn(&w, 100);
    assert_int_equal(w.noted, 4002);
    end(&w);
}

static void a_directory_vanishes_and_comes_back(void **state)
{
    struct world w;
    begin(&w);
    mkdir(at(&w, "d"), 0755);
    append(&w, "d/a.log", "one\n");
    expect(&w, "one\n");
    unlink(at(&w, "d/a.log"));
    rmdir(at(&w, "d"));
    turn(&w, 300);
    mkdir(at(&w, "d"), 0755);
    append(&w, "d/a.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

static void scans_find_what_no_event_told(void **state)
{
    struct world w;
    begin(&w);
    discover_without_inotify(w.files);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntwo\n");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "three\n");
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

static void a_full_sink_stops_the_reader_and_nothing_is_lost(void **state)
{
    struct world w;
    begin(&w);
    w.sink_config.queue_size = 2000;
    w.hold = true;
    size_t want = 0;
    for (int i = 0; i < 3000; i++) {
        char line[32];
        want += (size_t)snprintf(line, sizeof line, "line %d\n", i);
        append(&w, "a.log", line);
    }
    turn(&w, 300);
    assert_true(atomic_load(&w.sink.held) < 20000 + 1024 * 1024 && w.noted == 0);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < want; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, want);
    end(&w);
}

static void deleted_files_hold_a_bounded_number_of_bytes(void **state)
{
    struct world w;
    char *text = calloc(1, 100001);
    begin(&w);
    memset(text, 'x', 100000);
    text[99999] = '\n';
    w.config.files.max_deleted_bytes = 150000;
    w.sink_config.queue_size = 1;
    append(&w, "a.log", "open\n");
    append(&w, "b.log", "open\n");
    expect(&w, "open\nopen\n");
    w.hold = true;
    append(&w, "first.log", "fills the sink\n");
    turn(&w, 100);
    for (int i = 0; i < 2; i++)
        append(&w, i ? "b.log" : "a.log", text);
    turn(&w, 100);
    unlink(at(&w, "a.log"));
    unlink(at(&w, "b.log"));
    turn(&w, 500);
    assert_int_equal(lost(&w), 100000); /* one of the two was too much */
    assert_int_equal(atomic_load(&files_stats(w.files)->deleted_bytes), 100000);
    w.hold = false;
    free(text);
    end(&w);
}

/* ---- a writer at speed, in a process of its own, while files are rotated ---- */

enum { LINES = 20000, ROTATE_EVERY = 2500 };

static void rotate(struct world *w, int how, int n, int *fd)
{
    char name[32];
    if (how == 0) {
        snprintf(name, sizeof name, "a.log.%d", n);
        move(w, "a.log", name);
        usleep(2000);
    } else {
        snprintf(name, sizeof name, how == 1 ? "a.log.%d" : "a-%d.log", n);
        copy(w, "a.log", name);
        assert_int_equal(ftruncate(*fd, 0), 0);
    }
    if (how == 0) {
        close(*fd);
        *fd = open(at(w, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
}

static void write_at_speed(struct world *w, int how)
{
    int fd = open(at(w, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (int i = 0; i < LINES; i++) {
        char line[64];
        int n = snprintf(line, sizeof line, "number %08d of them\n", i);
        if (write(fd, line, (size_t)n / 2) < 0 || write(fd, line + n / 2, (size_t)(n - n / 2)) < 0)
            _exit(1);
        if (i % ROTATE_EVERY == ROTATE_EVERY - 1) {
            usleep(20000);
            rotate(w, how, i / ROTATE_EVERY, &fd);
        } else if (i % 200 == 0)
            usleep(500);
    }
    _exit(0);
}

static void rotated_at_speed(int how)
{
    struct world w;
    begin(&w);
    w.config.files.partial_flush = 5 * SECOND;
    pid_t pid = fork();
    if (pid == 0)
        write_at_speed(&w, how);
    for (int i = 0; i < 3000 && w.noted < (size_t)LINES * 24; i++)
        turn(&w, 10);
    turn(&w, 300);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    unsigned char *seen = calloc(LINES, 1);
    int total = 0;
    for (char *line = strtok(w.notes, "\n"); line; line = strtok(NULL, "\n")) {
        int i = -1;
        if (sscanf(line, "number %d of them", &i) != 1 || strlen(line) != 23 || seen[i]++)
            fail_msg("torn or twice: '%s'", line);
        total++;
    }
    free(seen);
    assert_int_equal(total, LINES);
    end(&w);
}

/* While a full sink stops the reader, a file that waits for its turn stays open: it may be deleted meanwhile. */
static void a_file_that_waits_for_its_turn_stays_open(void **state)
{
    enum { TEXT = 500000 };
    struct world w;
    char *text = malloc(TEXT + 1);
    begin(&w);
    w.sink_config.queue_size = 64 << 10;
    for (int i = 0; i < TEXT; i++)
        text[i] = i % 100 == 99 ? '\n' : 'x';
    text[TEXT] = 0;
    append(&w, "a.log", "1\n");
    append(&w, "b.log", "2\n");
    turn(&w, 200);
    w.hold = true;
    append(&w, "a.log", text);
    turn(&w, 100);
    append(&w, "b.log", text);
    turn(&w, 1000); /* longer than idle_close */
    assert_int_equal(unlink(at(&w, "b.log")), 0);
    turn(&w, 100);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < 2 * TEXT + 4; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, 2 * TEXT + 4);
    free(text);
    end(&w);
}

static void nothing_is_lost_at_speed_by_rename(void **state)
{
    rotated_at_speed(0);
}
static void nothing_is_lost_at_speed_by_copytruncate(void **state)
{
    rotated_at_speed(1);
}
static void nothing_is_lost_at_speed_by_copies_that_match(void **state)
{
    rotated_at_speed(2);
}

static void a_multi_line_record_and_a_partial_line_each_wait_their_time(void **state)
{
    struct world w;
    prepare(&w);
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 10, .timeout = 100 * MILLISECOND};
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    append(&w, "a.log", "S1\n more\nS2\n and\npart");
    turn(&w, 50);
    assert_string_equal(w.notes, "S1\n more\n");
    turn(&w, 150);
    assert_string_equal(w.notes, "S1\n more\nS2\n and\n");
    append(&w, "a.log", "ial\n");
    expect(&w, "S1\n more\nS2\n and\npartial\n");
    end(&w);
}

/* The rest of a cut line lies before a record that waits: it is not read again when that is. */
static void the_rest_of_a_cut_line_is_no_record(void **state)
{
    enum { CHUNK = 1024 + 64 * 1024 };
    struct world w;
    char *text = calloc(1, CHUNK + 200);
    prepare(&w);
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 10, .timeout = 100 * MILLISECOND};
    w.group.long_lines = LONG_CUT;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    memset(text, 'x', CHUNK + 100);
    text[0] = 'S';
    strcat(text, "\nS2\n and\n");
    append(&w, "a.log", text);
    assert_true(begin_process(&w));
    sprintf(text + 1024, "\nS2\n and\n");
    expect(&w, text);
    assert_int_equal(atomic_load(&w.files->all->source->cut_bytes), CHUNK + 100 - 1024);
    free(text);
    end(&w);
}

/* More lines in one record than a batch has marks for: it goes in parts, and the file goes on. */
static void a_record_of_many_lines_does_not_stop_the_file(void **state)
{
    enum { LENGTH = 100000 };
    struct world w;
    char *text = calloc(1, 2 * LENGTH + 8);
    prepare(&w);
    w.config.files.max_line_bytes = 64 * 1024;
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 1000000, .timeout = 100 * MILLISECOND};
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    for (int i = 0; i < LENGTH; i++)
        memcpy(text + 2 * i, "x\n", 2);
    memcpy(text + 2 * LENGTH, "S2\n", 3);
    append(&w, "a.log", text);
    assert_true(begin_process(&w));
    expect(&w, text);
    free(text);
    end(&w);
}

static void no_permission_is_said_and_tried_again(void **state)
{
    struct world w;
    prepare(&w);
    append(&w, "a.log", "one\n");
    chmod(at(&w, "a.log"), 0);
    chmod(w.dir, 0755);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    turn(&w, 250);
    assert_int_equal(w.noted, 0);
    assert_true(w.files->all->failed);
    assert_int_equal(atomic_load(&w.files->all->source->state), SOURCE_FAILED);
    assert_string_equal(w.files->all->source->error, "cannot open: Permission denied");
    assert_int_equal(seteuid(getuid()), 0);
    chmod(at(&w, "a.log"), 0644);
    expect(&w, "one\n");
    assert_null(w.files->all->source->error);
    end(&w);
}

/* ---- faults, and why ---- */

static void live_once(void)
{
    struct world w;
    prepare(&w);
    append(&w, "a.log", "one\ntwo");
    if (scope_begin(&w.scope, &scope_root, "world") < 0) {
        clean(&w);
        return;
    }
    if (begin_process(&w)) {
        turn(&w, 10);
    }
    end(&w);
}

static void each_call_may_fail(void **state)
{
    TORTURE(live_once);
}

static void why_says_which_rule_decides(void **state)
{
    struct world w;
    struct buf out;
    begin(&w);
    w.group.exclude = (struct string_list){w.excludes, 1};
    w.excludes[0] = "debug.*";
    assert_int_equal(buf_begin(&out, &w.scope, "why", 4096), 0);
    append(&w, "debug.log", "");
    assert_int_equal(files_why(&w.config, at(&w, "debug.log"), &out), 0);
    assert_non_null(strstr(out.data, "debug.* excludes it"));
    buf_clear(&out);
    assert_int_equal(files_why(&w.config, at(&w, "x.txt"), &out), 0);
    assert_non_null(strstr(out.data, "no pattern matches"));
    assert_non_null(strstr(out.data, "No such file"));
    buf_end(&out);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_arrive_as_they_are),
        TEST(short_lines_fill_several_batches),
        TEST(a_partial_line_waits_for_its_end),
        TEST(a_long_line_is_split),
        TEST(a_line_without_end_is_split_at_once),
        TEST(a_long_line_is_split_where_marks_are_scarce),
        TEST(a_long_line_is_cut_and_the_cut_bytes_are_counted),
        TEST(a_hole_does_not_hold_up_the_rest),
        TEST(renamed_and_created_anew),
        TEST(renamed_while_closed_and_to_a_name_that_matches),
        TEST(truncated_by_copytruncate),
        TEST(a_copy_that_matches_is_not_read_twice),
        TEST(truncated_and_grown_beyond),
        TEST(deleted_while_open),
        TEST(a_link_is_switched),
        TEST(a_rest_is_gone_on_with),
        TEST(a_rotation_while_down_is_found),
        TEST(what_is_gone_while_down_is_counted),
        TEST(start_at_end_skips_only_what_was_there),
        TEST(only_regular_files_are_opened),
        TEST(descriptors_are_bounded),
        TEST(a_directory_vanishes_and_comes_back),
        TEST(scans_find_what_no_event_told),
        TEST(a_full_sink_stops_the_reader_and_nothing_is_lost),
        TEST(deleted_files_hold_a_bounded_number_of_bytes),
        TEST(a_file_that_waits_for_its_turn_stays_open),
        TEST(nothing_is_lost_at_speed_by_rename),
        TEST(nothing_is_lost_at_speed_by_copytruncate),
        TEST(nothing_is_lost_at_speed_by_copies_that_match),
        TEST(a_multi_line_record_and_a_partial_line_each_wait_their_time),
        TEST(the_rest_of_a_cut_line_is_no_record),
        TEST(a_record_of_many_lines_does_not_stop_the_file),
        TEST(no_permission_is_said_and_tried_again),
        TEST(each_call_may_fail),
        TEST(why_says_which_rule_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
