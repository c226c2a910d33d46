#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "core/dispatcher.h"
#include "core/keeper.h"
#include "core/source.h"
#include "out/local/local_file.h"
#include "out/local/local_pattern.h"
#include "out/local/local_rows.h"
#include "store/store.h"

/* A sink that runs on its own thread with a real store and keeper, as in the agent. */
struct world {
    struct scope scope;
    struct config root;
    struct sink_config config;
    struct pool pool;
    struct sink sink;
    struct sink *list[1];
    struct dispatcher dispatcher;
    struct store *store;
    struct keeper keeper;
    struct source *source;
    struct stream *stream;
    bool pooled, sinked, kept, started;
    bool unread; /* the store cannot say at first which files are the sink's */
    uint64_t at;
};

static char home[64], out_dir[80];

/* Where the lines of most tests go: how often its names were synced, and whether they can be. */
static atomic_int names_synced;
static atomic_bool names_refused;

int fsync(int n)
{
    char link[40], path[300], expected[100];
    snprintf(link, sizeof link, "/proc/self/fd/%d", n);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = 0;
    snprintf(expected, sizeof expected, "%s/var/log", out_dir);
    if (strcmp(path, expected) == 0) {
        if (atomic_load(&names_refused)) {
            errno = EIO;
            return -1;
        }
        atomic_fetch_add(&names_synced, 1);
    }
    return (int)syscall(SYS_fsync, n);
}

static int make_home(void **state)
{
    assert_int_equal(unit_directory(home, sizeof home, "local"), 0);
    snprintf(out_dir, sizeof out_dir, "%s/out", home);
    return 0;
}

static int remove_home(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command) != 0 || assert_tree_empty(state);
}

static void defaults(struct world *w)
{
    *w = (struct world){0};
    w->config = (struct sink_config){
        .name = "files", .type = "local_file", .enabled = true, .queue_size = 1 << 20};
    w->config.local_file = (struct local_file_config){.directory = out_dir,
                                                      .filename = "{path}",
                                                      .sync_interval = MILLISECOND,
                                                      .max_open_files = 4};
}

/* Fails at the first call that comes after the sink's own state was made. */
static bool fail_to_load(struct world *w)
{
    for (uint64_t k = 1;; k++) {
        fault_arm(k, ENOMEM);
        int r = local_file_sink.load(&w->sink, w->store);
        fault_arm(0, 0);
        if (r == 0 || w->sink.state)
            return r < 0;
    }
}

static bool begin(struct world *w)
{
    int r = scope_begin(&w->scope, &scope_root, "world");
    if (r < 0)
        return false;
    if ((r = streams_begin(&w->scope)) < 0)
        return false;
    fault_spare(true);
    w->store = store_open(&w->scope, home, &r);
    fault_spare(false);
    assert_non_null(w->store);
    if (pool_begin(&w->pool, &w->scope, 8 << 20) < 0)
        return false;
    w->pooled = true;
    if (sink_begin(&w->sink, &w->scope, 0, &w->config, &w->root, &local_file_sink, &w->pool) < 0)
        return false;
    w->sinked = true;
    w->list[0] = &w->sink;
    w->dispatcher = (struct dispatcher){w->list, 1, &w->pool};
    if (w->unread ? !fail_to_load(w) : local_file_sink.load(&w->sink, w->store) < 0)
        return false;
    if (sources_begin(&w->scope, w->list, 1) < 0)
        return false;
    if (keeper_begin(&w->keeper, &w->scope, w->store, w->list, 1, 5 * MILLISECOND, NULL) < 0)
        return false;
    w->kept = true;
    if (sink_start(&w->sink) < 0)
        return false;
    w->started = true;
    w->stream =
        stream_get((struct label[]){{"file_path", "/var/log/a.log"}, {"file_name", "a.log"}}, 2);
    w->source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a.log");
    return w->stream && w->source;
}

static void end_within(struct world *w, int64_t time)
{
    if (w->started) {
        sink_stop(&w->sink, clock_mono() + time);
        sink_join(&w->sink);
    }
    if (w->kept)
        keeper_end(&w->keeper);
    source_unref(w->source);
    stream_unref(w->stream);
    if (w->sinked)
        sink_end(&w->sink);
    sources_end();
    if (w->pooled)
        pool_end(&w->pool);
    if (w->store)
        store_close(w->store);
    streams_end();
    scope_end(&w->scope);
}

static void end(struct world *w)
{
    end_within(w, SECOND / 10);
}

/* Lines of `text`, each ending with a newline, from one stream. */
static bool send_as(struct world *w, const char *text, struct stream *stream)
{
    size_t n = strlen(text);
    struct batch *b = batch_new(&w->pool, w->source, (uint32_t)n + 1, 1000);
    if (!b)
        return false;
    int s = batch_stream(b, stream);
    memcpy(b->data, text, n);
    b->used = (uint32_t)n;
    for (uint32_t off = 0; off < n;) {
        uint32_t len = (uint32_t)(strchr(text + off, '\n') - text) - off;
        batch_mark(b, (struct mark){.off = off,
                                    .len = len,
                                    .end = off + len + 1,
                                    .stream = (uint16_t)s,
                                    .time = 1795237678 * SECOND + off});
        off += len + 1;
    }
    b->from = w->at;
    b->to = w->at += n;
    dispatch(&w->dispatcher, b);
    return true;
}

static void say(struct world *w, const char *text)
{
    assert_true(send_as(w, text, w->stream));
}

static void wait_secured(struct world *w)
{
    for (int i = 0; i < 5000 && source_lowest(w->source).offset < w->at; i++)
        usleep(1000);
    assert_int_equal(source_lowest(w->source).offset, w->at);
}

static char *content(const char *name)
{
    static char text[1 << 16];
    char path[300];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static void append(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int count_files(const char *suffix, char last[200])
{
    char command[200];
    int n = 0;
    snprintf(command, sizeof command, "find %s -type f -name '*%s'", out_dir, suffix);
    FILE *p = popen(command, "r");
    while (fgets(last, 200, p)) {
        last[strcspn(last, "\n")] = 0;
        n++;
    }
    pclose(p);
    return n;
}

static void lines_arrive_as_they_were(void **state)
{
    struct world w;
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\ntwo\r\n\nfour\n");
    say(&w, "five\n");
    wait_secured(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\r\n\nfour\nfive\n");
    end(&w);
    defaults(&w); /* the next start goes on behind it */
    assert_true(begin(&w));
    say(&w, "six\n");
    wait_secured(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\r\n\nfour\nfive\nsix\n");
    end(&w);
}

static void what_was_not_secured_is_cut_off(void **state)
{
    struct world w;
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_secured(&w);
    end(&w);
    append("var/log/a.log", "written by a process that was killed\n");
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "two\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\n");
}

/* A reload that comes to nothing: the sink was held, and goes on. What it knows of its files may not be stored yet. */
static void a_sink_that_was_held_goes_on_with_its_files(void **state)
{
    struct world w;
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_secured(&w);
    assert_int_equal(loop_pause(&w.keeper.loop, 5 * SECOND), 0);
    say(&w, "two\n");
    wait_secured(&w);
    sink_hold(&w.sink, clock_mono() + SECOND);
    say(&w, "three\n");
    sink_join(&w.sink);
    sink_go_on(&w.sink);
    assert_int_equal(sink_start(&w.sink), 0);
    loop_resume(&w.keeper.loop);
    wait_secured(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\nthree\n");
    end(&w);
}

static void a_foreign_file_stays_as_it_is(void **state)
{
    char command[300], last[200];
    struct world w;
    snprintf(command, sizeof command, "mkdir -p %s/var/log && echo foreign > %s/var/log/a.log",
             out_dir, out_dir);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "echo foreign > %s/var/log/a.log.20200101-000000", out_dir);
    assert_int_equal(system(command), 0);
    for (int start = 0; start < 2; start++) {
        defaults(&w);
        w.config.local_file.retention = 1;
        w.config.local_file.retention_size = 1;
        w.config.local_file.compress = true;
        assert_true(begin(&w));
        say(&w, "ours\n");
        wait_secured(&w);
        end(&w);
    }
    assert_string_equal(content("var/log/a.log"), "foreign\n");
    assert_string_equal(content("var/log/a.log.20200101-000000"), "foreign\n");
    assert_int_equal(count_files(".gz", last), 0);
}

/* As a crash leaves it between making the file and storing that it is ours. */
static void an_empty_file_is_taken_over(void **state)
{
    char command[300], last[200];
    struct world w;
    snprintf(command, sizeof command, "mkdir -p %s/var/log && touch %s/var/log/a.log", out_dir, out_dir);
    assert_int_equal(system(command), 0);
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "ours\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "ours\n");
    assert_int_equal(count_files("", last), 1);
}

/* What the store could not say at the start it is asked again; our files are not taken for somebody else's meanwhile. */
static void files_that_could_not_be_looked_up_stay_ours(void **state)
{
    char last[200];
    struct world w;
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_secured(&w);
    end(&w);
    defaults(&w);
    w.unread = true;
    assert_true(begin(&w));
    say(&w, "two\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\n");
    assert_int_equal(count_files("", last), 1);
}

static void stays_empty(const char *link)
{
    char command[500];
    struct world w;
    snprintf(command, sizeof command, "mkdir -p %s/var/log && touch %s/theirs && %s %s/theirs %s/var/log/a.log", out_dir, out_dir,
             link, out_dir, out_dir);
    assert_int_equal(system(command), 0);
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "ours\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("theirs"), "");
    assert_string_equal(content("var/log/a.log~2"), "ours\n");
}

/* Nobody expects our lines in it where it has another name. */
static void an_empty_file_with_two_names_stays_as_it_is(void **state)
{
    stays_empty("ln");
}

static void an_empty_file_behind_a_link_stays_as_it_is(void **state)
{
    stays_empty("ln -s");
}

static void files_are_rotated_and_compressed(void **state)
{
    struct world w;
    char last[200] = "", text[200] = {0};
    defaults(&w);
    w.config.local_file.rotate_size = 10;
    w.config.local_file.compress = true;
    assert_true(begin(&w));
    say(&w, "0123456789\n");
    say(&w, "next\n");
    wait_secured(&w);
    for (int i = 0; i < 5000 && (count_files(".gz", last) < 1 || count_files("", text) > 2); i++)
        usleep(1000);
    assert_int_equal(count_files(".gz", last), 1);
    end(&w);
    memset(text, 0, sizeof text);
    gzFile gz = gzopen(last, "r");
    gzread(gz, text, sizeof text - 1);
    gzclose(gz);
    assert_string_equal(text, "0123456789\n");
    assert_string_equal(content("var/log/a.log"), "next\n");
}

static void retention_deletes_the_oldest_of_ours(void **state)
{
    struct world w;
    char last[200];
    defaults(&w);
    w.config.local_file.rotate_size = 10;
    assert_true(begin(&w));
    for (int i = 0; i < 5; i++)
        say(&w, "0123456789\n");
    wait_secured(&w);
    end(&w);
    assert_int_equal(count_files("", last), 5);
    append("foreign.log", "very old\n");
    defaults(&w);
    w.config.local_file.retention_size = 25;
    atomic_store(&names_synced, 0);
    assert_true(begin(&w));
    for (int i = 0; i < 5000 && count_files("", last) > 3; i++)
        usleep(1000);
    end(&w);
    assert_int_equal(count_files("", last), 3);
    assert_int_equal(atomic_load(&names_synced), 3); /* of each that was deleted */
    assert_string_equal(content("foreign.log"), "very old\n");
}

static void a_file_that_was_taken_away_is_begun_anew(void **state)
{
    struct world w;
    char from[300], to[300];
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_secured(&w);
    snprintf(from, sizeof from, "%s/var/log/a.log", out_dir);
    snprintf(to, sizeof to, "%s/moved", out_dir);
    assert_int_equal(rename(from, to), 0);
    say(&w, "two\n");
    wait_secured(&w);
    assert_string_equal(content("var/log/a.log"), "two\n");
    assert_string_equal(content("moved"), "one\n");
    end(&w);
}

static void more_files_than_may_be_open(void **state)
{
    struct world w;
    defaults(&w);
    assert_true(begin(&w));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 20; i++) {
            char name[32];
            snprintf(name, sizeof name, "/x/%d", i);
            struct stream *s = stream_get(&(struct label){"file_path", name}, 1);
            assert_true(send_as(&w, "line\n", s));
            stream_unref(s);
        }
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("x/0"), "line\nline\n");
    assert_string_equal(content("x/19"), "line\nline\n");
}

static struct local_rows *rows_of(struct world *w)
{
    return container_of(w->sink.book.rows, struct local_rows, book_rows);
}

/* What a crash at this moment would leave: how much the source is secured, and the length the file is cut back to. */
static void moment(struct world *w, uint64_t *position, uint64_t *length)
{
    pthread_mutex_lock(&w->sink.book.lock);
    *position = source_lowest(w->source).offset;
    *length = rows_of(w)->first->length;
    pthread_mutex_unlock(&w->sink.book.lock);
}

static void wait_written(const char *text)
{
    for (int i = 0; i < 5000 && (!content("var/log/a.log") || strcmp(content("var/log/a.log"), text) != 0); i++)
        usleep(1000);
    assert_string_equal(content("var/log/a.log"), text);
}

static void wait_failing(struct world *w, bool failing)
{
    for (int i = 0; i < 10000 && atomic_load(&w->sink.stats.failing) != failing; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&w->sink.stats.failing), failing);
}

/* A synced file without a name on the disk is gone after a power cut. Once is enough for a file. */
static void a_new_file_is_secured_with_its_name(void **state)
{
    struct world w;
    defaults(&w);
    atomic_store(&names_synced, 0);
    atomic_store(&names_refused, true);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_failing(&w, true);
    assert_int_equal(source_lowest(w.source).offset, 0);
    atomic_store(&names_refused, false);
    wait_secured(&w);
    assert_int_equal(atomic_load(&names_synced), 1);
    say(&w, "two\n");
    wait_secured(&w);
    assert_int_equal(atomic_load(&names_synced), 1);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\ntwo\n");
}

/* One sync for the old file's other name, one for the new file's. A failure between renaming and syncing leaves both ours. */
static void a_rotated_file_keeps_both_names(void **state)
{
    struct world w;
    char last[200];
    defaults(&w);
    w.config.local_file.rotate_size = 10;
    assert_true(begin(&w));
    say(&w, "0123456789\n");
    wait_secured(&w);
    atomic_store(&names_synced, 0);
    atomic_store(&names_refused, true);
    say(&w, "next\n");
    wait_failing(&w, true);
    assert_null(content("var/log/a.log"));
    atomic_store(&names_refused, false);
    wait_secured(&w);
    assert_int_equal(atomic_load(&names_synced), 2);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "next\n");
    assert_int_equal(count_files("", last), 2);
    defaults(&w);
    w.config.local_file.retention_size = 5; /* only what is ours is deleted */
    assert_true(begin(&w));
    for (int i = 0; i < 5000 && count_files("", last) > 1; i++)
        usleep(1000);
    end(&w);
    assert_int_equal(count_files("", last), 1);
    assert_string_equal(content("var/log/a.log"), "next\n");
}

/* Somebody else writes between two of our lines, of which none is synced: a crash would neither repeat nor lose one. */
static void others_may_write_before_ours_is_synced(void **state)
{
    struct world w;
    uint64_t position, length;
    defaults(&w);
    w.config.local_file.sync_interval = MINUTE;
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_written("one\n");
    append("var/log/a.log", "them\n");
    say(&w, "two\n");
    wait_written("one\nthem\ntwo\n");
    moment(&w, &position, &length);
    assert_int_equal(position, 4);
    assert_int_equal(length, 9);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\nthem\ntwo\n");
    defaults(&w);
    assert_true(begin(&w));
    moment(&w, &position, &length);
    assert_int_equal(length, 13);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\nthem\ntwo\n");
}

/* They write after our last line, and nothing more comes from us: their bytes are not what a start cuts off. */
static void others_may_write_after_ours(void **state)
{
    struct world w;
    defaults(&w);
    w.config.local_file.sync_interval = SECOND / 4;
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_written("one\n");
    append("var/log/a.log", "them\n");
    wait_secured(&w);
    end(&w);
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "two\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\nthem\ntwo\n");
}

/* As logrotate's copytruncate does it: what was written was written, and is not written again. */
static void others_may_empty_the_file(void **state)
{
    struct world w;
    uint64_t position, length;
    char path[300];
    defaults(&w);
    w.config.local_file.sync_interval = MINUTE;
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_written("one\n");
    snprintf(path, sizeof path, "%s/var/log/a.log", out_dir);
    assert_int_equal(truncate(path, 0), 0);
    say(&w, "two\n");
    wait_written("two\n");
    moment(&w, &position, &length);
    assert_int_equal(position, 4);
    assert_int_equal(length, 0);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "two\n");
}

static bool all_stored(struct world *w)
{
    pthread_mutex_lock(&w->sink.book.lock);
    bool stored = !rows_of(w)->changed;
    for (const struct local_row *row = rows_of(w)->first; row; row = row->next)
        stored = stored && !row->changed && !row->storing;
    pthread_mutex_unlock(&w->sink.book.lock);
    return stored;
}

/* Files that do not change meanwhile stay ours, though the database that knew them is gone. */
static void a_database_that_is_begun_anew_knows_all_files(void **state)
{
    struct world w;
    char command[300], last[200];
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "one\n");
    wait_secured(&w);
    for (int i = 0; i < 5000 && !all_stored(&w); i++)
        usleep(1000);
    snprintf(command, sizeof command, "mv %s/state.db %s/elsewhere; rm %s/state.db-*", home, home, home);
    assert_int_equal(system(command), 0);
    struct stream *other = stream_get((struct label[]){{"file_path", "/var/log/b.log"}, {"file_name", "b.log"}}, 2);
    assert_true(send_as(&w, "two\n", other));
    wait_secured(&w);
    stream_unref(other);
    end(&w);
    defaults(&w);
    assert_true(begin(&w));
    say(&w, "three\n");
    wait_secured(&w);
    end(&w);
    assert_string_equal(content("var/log/a.log"), "one\nthree\n");
    assert_int_equal(count_files("~2", last), 0);
}

static void json_is_json(void **state)
{
    struct world w;
    char command[300];
    defaults(&w);
    w.config.local_file.format = FORMAT_JSON;
    w.config.local_file.filename = "{date}/{hour}.json";
    assert_true(begin(&w));
    say(&w, "plain\n\"quoted\" \\ \t \x01 \xff\xfe \xc3\xa9 \xed\xa0\x80\n");
    wait_secured(&w);
    end(&w);
    assert_non_null(content("2026-11-21/05.json"));
    snprintf(
        command, sizeof command,
        "python3 -c 'import json\nfor l in open(\"%s/2026-11-21/05.json\", encoding=\"utf-8\"): "
        "assert json.loads(l)[\"labels\"][\"file_name\"] == \"a.log\"'",
        out_dir);
    assert_int_equal(system(command), 0);
}

static void a_full_disk_stops_the_sink_until_there_is_room(void **state)
{
    struct world w;
    static char big[40000];
    char last[200];
    mkdir(out_dir, 0750);
    if (mount("logcap-test", out_dir, "tmpfs", 0, "size=64k") < 0)
        skip();
    append("filler", "");
    for (int i = 0; i < 4; i++) {
        memset(big, 'x', 9999);
        big[9999] = 0;
        append("filler", big);
    }
    defaults(&w);
    assert_true(begin(&w));
    memset(big, 'y', sizeof big - 2);
    for (size_t i = 999; i < sizeof big - 1; i += 1000)
        big[i] = '\n';
    big[sizeof big - 2] = '\n';
    big[sizeof big - 1] = 0;
    say(&w, "before\n");
    wait_secured(&w);
    say(&w, big);
    for (int i = 0; i < 5000 && !atomic_load(&w.sink.stats.failing); i++)
        usleep(1000);
    assert_true(atomic_load(&w.sink.stats.failing));
    usleep(20000);
    assert_string_equal(content("var/log/a.log"), "before\n");
    snprintf(last, sizeof last, "%s/filler", out_dir);
    assert_int_equal(unlink(last), 0);
    wait_secured(&w);
    assert_false(atomic_load(&w.sink.stats.failing));
    assert_int_equal(strlen(content("var/log/a.log")), 7 + strlen(big));
    end(&w);
    assert_int_equal(umount2(out_dir, MNT_DETACH), 0);
}

static void expand(const char *pattern, const struct label *labels, size_t n, const char *expected)
{
    struct scope s;
    char why[200], path[PATTERN_PATH];
    assert_int_equal(scope_begin(&s, &scope_root, "s"), 0);
    assert_int_equal(streams_begin(&s), 0);
    struct pattern *p = pattern_new(&s, pattern, why, sizeof why);
    struct stream *stream = stream_get(labels, n);
    if (!expected) {
        assert_null(p);
    } else {
        assert_non_null(p);
        pattern_expand(p, stream, 1795237678 * SECOND, path);
        assert_string_equal(path, expected);
    }
    stream_unref(stream);
    streams_end();
    scope_end(&s);
}

static void patterns_stay_in_the_directory(void **state)
{
    const struct label labels[] = {{"file_path", "/var/../../etc//passwd"},
                                   {"file_name", "../x"},
                                   {"unit", ".."},
                                   {"instance", "host"},
                                   {"evil", "a/b\n"}};
    expand("{path}", labels, 5, "var/__/__/etc/passwd");
    expand("{host}/{unit}/{file}", labels, 5, "host/__/.._x");
    expand("{date}-{hour}-{label:evil}-{container}", labels, 5, "2026-11-21-05-a_b_-none");
    expand("{path}", (struct label[]){{"source", "journal"}, {"service", "ssh"}}, 2,
           "journal/ssh.log");
    expand("{path}", (struct label[]){{"container_name", "web"}}, 1, "containers/web.log");
    expand("/etc/{file}", labels, 5, NULL);
    expand("a/../b", labels, 5, NULL);
    expand("{nonsense}", labels, 5, NULL);
    expand("{date", labels, 5, NULL);
    expand("", labels, 5, NULL);
}

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return at->level == 0 ? 0 : remove(path);
}

static void torture_body(void)
{
    struct world w;
    assert_int_equal(nftw(home, remove_below, 8, FTW_DEPTH | FTW_PHYS), 0);
    defaults(&w);
    if (begin(&w))
        send_as(&w, "one\ntwo\n", w.stream);
    end_within(&w, 20 * MILLISECOND); /* what meets a fault is not tried again before that */
}

static void beginning_and_ending_survive_torture(void **state)
{
    TORTURE(torture_body);
}

#define AT_HOME(fn) cmocka_unit_test_setup_teardown(fn, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_stay_in_the_directory),
        AT_HOME(lines_arrive_as_they_were),
        AT_HOME(what_was_not_secured_is_cut_off),
        AT_HOME(a_sink_that_was_held_goes_on_with_its_files),
        AT_HOME(a_foreign_file_stays_as_it_is),
        AT_HOME(files_that_could_not_be_looked_up_stay_ours),
        AT_HOME(an_empty_file_is_taken_over),
        AT_HOME(an_empty_file_with_two_names_stays_as_it_is),
        AT_HOME(an_empty_file_behind_a_link_stays_as_it_is),
        AT_HOME(files_are_rotated_and_compressed),
        AT_HOME(retention_deletes_the_oldest_of_ours),
        AT_HOME(a_file_that_was_taken_away_is_begun_anew),
        AT_HOME(more_files_than_may_be_open),
        AT_HOME(a_new_file_is_secured_with_its_name),
        AT_HOME(a_rotated_file_keeps_both_names),
        AT_HOME(others_may_write_before_ours_is_synced),
        AT_HOME(others_may_write_after_ours),
        AT_HOME(others_may_empty_the_file),
        AT_HOME(a_database_that_is_begun_anew_knows_all_files),
        AT_HOME(json_is_json),
        AT_HOME(a_full_disk_stops_the_sink_until_there_is_room),
        AT_HOME(beginning_and_ending_survive_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
