#include "base/scope.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/thread.h"
#include "unit.h"

static int order[8], n_order;

struct marker {
    struct thing thing;
    int id;
};

static void marker_end(struct thing *t)
{
    order[n_order++] = container_of(t, struct marker, thing)->id;
}

static void things_end_newest_first(void **state)
{
    struct scope a, b;
    struct marker m[3] = {{.id = 0}, {.id = 1}, {.id = 2}};
    n_order = 0;
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    assert_int_equal(thing_begin(&m[0].thing, &a, BIRTH_HANDLE, "0", 0, marker_end), 0);
    assert_int_equal(scope_begin(&b, &a, "b"), 0);
    assert_int_equal(thing_begin(&m[1].thing, &b, BIRTH_HANDLE, "1", 0, marker_end), 0);
    assert_int_equal(thing_begin(&m[2].thing, &a, BIRTH_HANDLE, "2", 0, marker_end), 0);
    scope_end(&a);
    assert_int_equal(n_order, 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 0);
    scope_end(&a); /* ending what is not alive does nothing */
}

static void a_thing_may_end_before_its_scope(void **state)
{
    struct scope a;
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    struct marker m = {.id = 7};
    n_order = 0;
    assert_int_equal(thing_begin(&m.thing, &a, BIRTH_HANDLE, "m", 0, marker_end), 0);
    thing_end(&m.thing);
    assert_int_equal(n_order, 1);
    scope_end(&a);
    assert_int_equal(n_order, 1);
}

static bool find_a(const struct birth_info *info, void *arg)
{
    if (info->kind == BIRTH_SCOPE && strcmp(info->name, "a") == 0)
        *(uint64_t *)arg = info->max_bytes;
    return true;
}

static void budgets_refuse_births_anywhere_below(void **state)
{
    struct scope a, b;
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    uint64_t max_bytes = 1;
    birth_walk(find_a, &max_bytes);
    assert_int_equal(max_bytes, 0);
    scope_set_budget(&a, 3, 1000);
    birth_walk(find_a, &max_bytes);
    assert_int_equal(max_bytes, 1000);
    assert_int_equal(scope_begin(&b, &a, "b"), 0);
    void *p = mem_new(&b, 600, "p");
    assert_non_null(p);
    assert_null(mem_new(&b, 600, "q"));
    assert_int_equal(errno, EDQUOT);
    p = mem_resize(p, 1000);
    assert_non_null(p);
    assert_null(mem_resize(p, 1001));
    void *q = mem_new(&a, 0, "q");
    assert_non_null(q);
    assert_null(mem_new(&a, 0, "r"));
    mem_free(p);
    assert_non_null(mem_new(&a, 1000, "r"));
    scope_end(&a);
}

static bool find_fd(const struct birth_info *info, void *arg)
{
    struct birth_info *found = arg;
    if (info->kind == BIRTH_FD)
        *found = *info;
    return true;
}

static void the_census_names_a_descriptor(void **state)
{
    struct scope a;
    struct fd f;
    struct birth_info found = {0};
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    assert_int_equal(fd_open(&f, &a, "/dev/null", O_RDONLY, 0), 0);
    birth_walk(find_fd, &found);
    assert_int_equal(found.fd, f.n);
    assert_int_equal(found.owner, a.id);
    assert_string_equal(found.name, "null");
    assert_true(found.frames >= 1);
    assert_int_equal(birth_count(BIRTH_FD), 1);
    scope_end(&a);
    assert_int_equal(f.n, -1);
}

static void wait_for_stop(struct thread *t)
{
    struct marker *m = mem_new(&t->scope, sizeof *m, "thread's own");
    (void)m;
    while (!atomic_load((_Atomic bool *)t->arg))
        sched_yield();
}

static void set_stop(struct thread *t)
{
    atomic_store((_Atomic bool *)t->arg, true);
}

static void thread_body(void)
{
    struct scope a;
    struct thread t;
    _Atomic bool stop = false;
    if (scope_begin(&a, &scope_root, "a") < 0)
        return;
    (void)thread_begin(&t, &a, "worker", wait_for_stop, set_stop, &stop);
    scope_end(&a);
}

static void threads_are_joined_by_their_scope(void **state)
{
    thread_body();
    TORTURE(thread_body);
}

static void max_tasks_refuses_births(void **state)
{
    static const struct task_kind kind = {.name = "test"};
    struct task t[2];
    struct scope a;
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    task_set_limit(1);
    assert_int_equal(task_begin(&t[0], &a, &kind, "one"), 0);
    assert_int_equal(task_begin(&t[1], &a, &kind, "two"), -EAGAIN);
    assert_int_equal(task_refused(), 1);
    task_set_limit(0);
    scope_end(&a);
}

static bool note_one(const struct birth_info *b, void *arg)
{
    *(bool *)arg |= strcmp(b->name, "one of many") == 0;
    return true;
}

static void tasks_that_ended_are_gone(void **state)
{
    static const struct task_kind kind = {.name = "test", .heartbeat = 1, .remedy = TASK_BEGUN_ANEW};
    static struct task tasks[100];
    struct scope a;
    bool found = false;
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    uint64_t before = task_count(), all = birth_count(BIRTH_NONE);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(task_begin(&tasks[i], &a, &kind, "one of many"), 0);
        assert_int_equal(task_count(), before + 100);
        for (int i = 0; i < 100; i++)
            task_end(&tasks[round % 2 ? i : 99 - i]);
    }
    birth_walk(note_one, &found);
    assert_false(found);
    assert_int_equal(task_count(), before);
    assert_int_equal(birth_count(BIRTH_NONE), all);
    scope_end(&a);
}

static void note_remedy(const struct task_kind *kind, uint64_t begun_anew, void *arg)
{
    if (strcmp(kind->name, "anew") == 0)
        *(uint64_t *)arg += 10 + begun_anew;
}

static void kinds_say_what_is_done_and_how_often_it_was(void **state)
{
    static const struct task_kind anew = {.name = "anew", .heartbeat = 1, .remedy = TASK_BEGUN_ANEW};
    struct task t;
    struct scope a;
    uint64_t sum = 0;
    task_remedies(note_remedy, &sum);
    assert_int_equal(sum, 0);
    assert_int_equal(scope_begin(&a, &scope_root, "a"), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(task_begin(&t, &a, &anew, "stalls"), 0);
        task_end(&t);
        if (i)
            task_begun_anew(&anew);
    }
    task_remedies(note_remedy, &sum);
    assert_int_equal(sum, 12);
    scope_end(&a);
}

static void buf_body(void)
{
    struct scope a;
    struct buf b;
    struct fd f, r, w;
    if (scope_begin(&a, &scope_root, "a") < 0)
        return;
    if (buf_begin(&b, &a, "buf", 5000) == 0) {
        for (int i = 0; i < 1000; i++)
            buf_printf(&b, "%d,", i);
        if (!fault_fired())
            assert_int_equal(b.len, 3890);
        buf_shrink(&b, 4000);
    }
    char *s = scope_printf(&a, "%s", "text");
    if (s)
        assert_string_equal(s, "text");
    (void)fd_open(&f, &a, "/dev/null", O_RDONLY, 0);
    (void)fd_pipe(&r, &w, &a, "pipe");
    scope_end(&a);
}

static void buffers_and_descriptors_survive_torture(void **state)
{
    TORTURE(buf_body);
}

static void *churn(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct birth *b = birth_new(BIRTH_TASK, 0, "churn-churn-churn", 0);
        birth_beat(b, BIRTH_WAITING, clock_mono());
        birth_free(b);
    }
    return NULL;
}

static bool check_name(const struct birth_info *info, void *arg)
{
    if (strcmp(info->name, "churn-churn-churn") != 0)
        *(bool *)arg = false;
    return true;
}

static void the_census_is_consistent_under_change(void **state)
{
    pthread_t threads[2];
    bool good = true;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 300; i++)
        birth_walk(check_name, &good);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(things_end_newest_first),
        TEST(a_thing_may_end_before_its_scope),
        TEST(budgets_refuse_births_anywhere_below),
        TEST(the_census_names_a_descriptor),
        TEST(threads_are_joined_by_their_scope),
        TEST(max_tasks_refuses_births),
        TEST(tasks_that_ended_are_gone),
        TEST(kinds_say_what_is_done_and_how_often_it_was),
        TEST(buffers_and_descriptors_survive_torture),
        TEST(the_census_is_consistent_under_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
