#include "in/files/pods.h"

#include "files_world.h"
#include "in/files/followed_internal.h"

#define T "2026-11-21T10:50:09."
#define WEB "pods/shop_web-0_1234-5678/nginx"

static char labels[4096]; /* "namespace/pod/container/stream|" for each record */

static void see(const struct lease *l)
{
    const struct batch *b = l->batch;
    static const char *const names[] = {"source", "namespace", "pod", "container", "stream", "job"};
    for (uint32_t i = l->first; i < b->n; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            const char *value = stream_value(b->streams[b->marks[i].stream], names[k]);
            size_t n = strlen(labels);
            snprintf(labels + n, sizeof labels - n, "%s%c", value ? value : "", k + 1 < sizeof names / sizeof *names ? '/' : '|');
        }
}

static void directories(struct world *w, const char *path)
{
    char part[128];
    for (const char *p = path; p; ) {
        p = strchr(p + 1, '/');
        snprintf(part, sizeof part, "%.*s", p ? (int)(p - path) : (int)strlen(path), path);
        mkdir(at(w, part), 0755);
    }
}

static bool not_secret(const struct pod_log *log, void *arg)
{
    return strcmp(log->container, "secret") != 0;
}

static void begin_pods(struct world *w)
{
    static const struct label more = {"job", "k8s"};
    begin(w);
    w->seen = see;
    labels[0] = 0;
    const struct pods what = {.directory = at(w, "pods"), .instance = "here", .labels = &more, .n_labels = 1, .wants = not_secret};
    assert_int_equal(pods_set(w->files, &what), 0);
}

static void a_path_says_whose_log_it_is(void **state)
{
    struct world w;
    begin_pods(&w);
    directories(&w, WEB);
    append(&w, WEB "/0.log", T "1Z stdout F one\n" T "2Z stderr F two\n");
    expect(&w, "one\ntwo\n");
    assert_string_equal(labels, "kubernetes/shop/web-0/nginx/stdout/k8s|kubernetes/shop/web-0/nginx/stderr/k8s|");
    /* It is started anew. */
    append(&w, WEB "/1.log", T "1Z stdout F three\n");
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

static void nothing_else_reads_it(void **state)
{
    struct world w;
    begin_pods(&w);
    directories(&w, "pods/shop_web-0_1/secret");
    directories(&w, "pods/shop_web-0_1/nginx");
    directories(&w, "containers");
    assert_int_equal(symlink("../pods/shop_web-0_1/nginx/0.log", at(&w, "containers/web.log")), 0);
    append(&w, "pods/shop_web-0_1/secret/0.log", T "1Z stdout F secret\n");
    append(&w, "pods/shop_web-0_1/nginx/0.log", T "1Z stdout F one\n");
    append(&w, "pods/app.log", "no pod's\n"); /* a pattern takes it */
    for (int i = 0; i < 500 && w.noted < 13; i++)
        turn(&w, 10);
    turn(&w, 200);
    assert_true(strcmp(w.notes, "one\nno pod's\n") == 0 || strcmp(w.notes, "no pod's\none\n") == 0);
    end(&w);
}

/* The kubelet renames, the runtime goes on in the old file until it is told; the older ones are compressed. */
static void what_the_kubelet_rotates_is_read_to_its_end(void **state)
{
    struct world w;
    begin_pods(&w);
    directories(&w, WEB);
    append(&w, WEB "/0.log", T "1Z stdout F 1\n");
    expect(&w, "1\n");
    move(&w, WEB "/0.log", WEB "/0.log.20261121-105009");
    append(&w, WEB "/0.log.20261121-105009", T "2Z stdout F 2\n");
    turn(&w, 20);
    append(&w, WEB "/0.log", T "3Z stdout F 3\n");
    expect(&w, "1\n2\n3\n");
    end_process(&w);
    move(&w, WEB "/0.log", WEB "/0.log.20261121-115009");
    append(&w, WEB "/0.log.20261121-115009", T "4Z stdout F 4\n");
    append(&w, WEB "/0.log", T "5Z stdout F 5\n");
    assert_true(begin_process(&w));
    const struct pods what = {.directory = at(&w, "pods"), .instance = "here"};
    assert_int_equal(pods_set(w.files, &what), 0);
    expect(&w, "1\n2\n3\n4\n5\n");
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void what_is_gone_is_let_go_of(void **state)
{
    struct world w;
    begin_pods(&w);
    directories(&w, WEB);
    append(&w, WEB "/0.log", T "1Z stdout F 1\n");
    expect(&w, "1\n");
    assert_non_null(w.files->followed);
    append(&w, WEB "/0.log", T "1Z stdout F 2\n");
    remove(at(&w, WEB "/0.log"));
    remove(at(&w, WEB));
    remove(at(&w, "pods/shop_web-0_1234-5678"));
    expect(&w, "1\n2\n");
    for (int i = 0; i < 1000 && w.files->followed; i++)
        turn(&w, 10);
    assert_null(w.files->followed);
    assert_int_equal(atomic_load(&files_stats(w.files)->files), 0);
    end(&w);
}

static void other_rules_go_on_where_it_was(void **state)
{
    struct world w;
    begin_pods(&w);
    directories(&w, WEB);
    append(&w, WEB "/0.log", T "1Z stdout F 1\n");
    expect(&w, "1\n");
    const struct files_group rules = {.multiline = {"^[0-9]", 10, 100 * MILLISECOND}, .timestamp = {"", ""}};
    const struct pods what = {.directory = at(&w, "pods"), .instance = "here", .rules = &rules};
    assert_int_equal(pods_set(w.files, &what), 0);
    append(&w, WEB "/0.log", T "1Z stdout F 2\n" T "1Z stdout F  b\n");
    expect(&w, "1\n2\n b\n");
    assert_int_equal(pods_set(w.files, NULL), 0); /* now the pattern takes it */
    append(&w, WEB "/0.log", "3\n");
    expect(&w, "1\n2\n b\n3\n");
    end(&w);
}

static void torture_body(void)
{
    struct world w;
    prepare(&w);
    w.config.files.n_groups = 0;
    if (scope_begin(&w.scope, &scope_root, "world") == 0) {
        directories(&w, WEB);
        append(&w, WEB "/0.log", T "1Z stdout F a\n");
        const struct pods what = {.directory = at(&w, "pods"), .instance = "here"};
        if (begin_process(&w) && pods_set(w.files, &what) == 0)
            turn(&w, 15);
        end_process(&w);
    }
    clean(&w);
}

static void it_survives_torture(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_path_says_whose_log_it_is),
        TEST(nothing_else_reads_it),
        TEST(what_the_kubelet_rotates_is_read_to_its_end),
        TEST(what_is_gone_is_let_go_of),
        TEST(other_rules_go_on_where_it_was),
        TEST(it_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
