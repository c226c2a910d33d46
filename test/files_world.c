#include "files_world.h"

#include <ftw.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

static struct world *world; /* the sink's */

/*
 * Where the loop would wait while a test turns it, the wait is over at once and the clock goes on by as much. These two come before
 * the C library's.
 */
static _Atomic int64_t passed; /* ns */
static _Thread_local bool hurried;

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int r = (int)syscall(SYS_clock_gettime, id, ts);
    if (r == 0 && id == CLOCK_MONOTONIC) {
        int64_t now = ts->tv_sec * SECOND + ts->tv_nsec + atomic_load(&passed);
        *ts = (struct timespec){now / SECOND, now % SECOND};
    }
    return r;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    int n = (int)syscall(SYS_epoll_pwait, epoll, events, most, hurried ? 0 : timeout, NULL, (size_t)0);
    if (hurried && n == 0 && timeout > 0)
        atomic_fetch_add(&passed, timeout * MILLISECOND);
    return n;
}

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
    if (world->seen)
        world->seen(l);
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
    account_read(&s->first[0], &p->at[0].position, cursor, &counts);
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

void turn(struct world *w, int ms)
{
    for (int i = 0; i < ms; i += 5) {
        atomic_store(&w->loop.stop, false);
        timer_set(&w->over, 5 * MILLISECOND);
        hurried = !w->beside;
        loop_run(&w->loop);
        hurried = false;
        deliver_all(w);
    }
}

void expect(struct world *w, const char *want)
{
    for (int i = 0; i < 1000 && strcmp(w->notes, want) != 0; i++)
        turn(w, 10);
    turn(w, 60); /* nothing more may come */
    assert_string_equal(w->notes, want);
}

bool begin_process(struct world *w)
{
    bool good = scope_begin(&w->process, &w->scope, "process") == 0 && streams_begin(&w->process) == 0 &&
                pool_begin(&w->pool, &w->process, 16 << 20) == 0 &&
                sink_begin(&w->sink, &w->process, 0, &w->sink_config, &w->config, &test_type, &w->pool) == 0;
    w->list[0] = w->past.sinks[0] = &w->sink;
    w->past.n_sinks = 1;
    w->dispatcher = (struct dispatcher){.sinks = w->list, .n_sinks = good, .pool = &w->pool};
    sources_begin(&w->process, w->list, w->dispatcher.n_sinks);
    return good && loop_begin(&w->loop, &w->process, "loop") == 0 &&
           timer_begin(&w->over, &w->process, &w->loop, "over", stop_loop) == 0 &&
           files_begin(&w->files, &w->process, &w->loop, &w->config, &w->dispatcher, &w->past) == 0;
}

void end_process(struct world *w)
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

void prepare(struct world *w)
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

void begin(struct world *w)
{
    prepare(w);
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_true(begin_process(w));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

void clean(struct world *w)
{
    scope_end(&w->scope);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w->notes);
}

void end(struct world *w)
{
    end_process(w);
    clean(w);
}

const char *at(struct world *w, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", w->dir, name);
    return path;
}

void put(struct world *w, const char *name, int flags, const char *text)
{
    int fd = open(at(w, name), O_WRONLY | O_CREAT | flags, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void append(struct world *w, const char *name, const char *text)
{
    put(w, name, O_APPEND, text);
}

void move(struct world *w, const char *from, const char *to)
{
    assert_int_equal(rename(at(w, from), at(w, to)), 0);
}

void copy(struct world *w, const char *from, const char *to)
{
    char *buf = malloc(1 << 20);
    int in = open(at(w, from), O_RDONLY), out = open(at(w, to), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (ssize_t n; (n = read(in, buf, 1 << 20)) > 0;)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
    free(buf);
}

uint64_t lost(struct world *w)
{
    return atomic_load(&files_stats(w->files)->lost_by_rotator);
}
