#include "loop/loop.h"

#include <errno.h>
#include <sched.h>

#include "base/clock.h"
#include "base/thread.h"
#include "loop/queue.h"
#include "unit.h"

static int calls[4], n_calls;

struct timed {
    struct timer timer;
    int id;
};

static void on_timer(struct timer *t)
{
    calls[n_calls++] = container_of(t, struct timed, timer)->id;
    if (n_calls == 3)
        loop_stop(t->loop);
}

static void timers_fire_in_their_order(void **state)
{
    struct loop l;
    struct timed t[4] = {{.id = 0}, {.id = 1}, {.id = 2}, {.id = 3}};
    n_calls = 0;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(timer_begin(&t[i].timer, &l.scope, &l, "t", on_timer), 0);
    timer_set(&t[0].timer, 3 * MILLISECOND);
    timer_set(&t[1].timer, 1 * MILLISECOND);
    timer_set(&t[2].timer, 2 * MILLISECOND);
    timer_set(&t[3].timer, 0);
    timer_clear(&t[3].timer);
    assert_int_equal(loop_run(&l), 0);
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 2);
    assert_int_equal(calls[2], 0);
    loop_end(&l);
}

struct item {
    struct qnode node;
    int value;
};

static int sum;

static void on_items(struct queue *q)
{
    for (struct qnode *n; (n = queue_pop(q));)
        sum += container_of(n, struct item, node)->value;
    if (sum == 4950)
        loop_stop(q->nudge.loop);
}

static struct item items[100];

static void produce(struct thread *t)
{
    for (int i = 0; i < 100; i++) {
        items[i].value = i;
        assert_int_equal(queue_push(t->arg, &items[i].node, 1), 0);
    }
}

static void queues_hand_over_between_threads(void **state)
{
    struct loop l;
    struct queue q;
    struct thread t;
    sum = 0;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    assert_int_equal(queue_begin(&q, &l.scope, &l, "queue", 0, on_items), 0);
    assert_int_equal(thread_begin(&t, &scope_root, "producer", produce, NULL, &q), 0);
    assert_int_equal(loop_run(&l), 0);
    thread_end(&t);
    queue_shut(&q);
    assert_int_equal(queue_push(&q, &items[0].node, 1), -EPIPE);
    loop_end(&l);
}

static void a_full_queue_refuses(void **state)
{
    struct loop l;
    struct queue q;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    assert_int_equal(queue_begin(&q, &l.scope, &l, "queue", 10, on_items), 0);
    assert_int_equal(queue_push(&q, &items[0].node, 50), 0);
    assert_int_equal(queue_push(&q, &items[1].node, 1), -EAGAIN);
    assert_int_equal(queue_load(&q, NULL), 50);
    assert_ptr_equal(queue_pop(&q), &items[0].node);
    assert_null(queue_pop(&q));
    loop_end(&l); /* also takes the pending nudge away */
}

static struct watch watches[2];
static struct fd pipes[2][2];

static void end_the_other(struct watch *w, uint32_t events)
{
    n_calls++;
    watch_end(w == &watches[0] ? &watches[1] : &watches[0]);
    loop_stop(w->loop);
}

static void a_watch_ended_in_a_callback_is_not_called(void **state)
{
    struct loop l;
    n_calls = 0;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fd_pipe(&pipes[i][0], &pipes[i][1], &l.scope, "pipe"), 0);
        assert_int_equal(
            watch_begin(&watches[i], &l.scope, &l, pipes[i][0].n, EPOLLIN, end_the_other), 0);
        assert_int_equal(fd_write(pipes[i][1].n, "x", 1), 1);
    }
    assert_int_equal(loop_run(&l), 0);
    assert_int_equal(n_calls, 1);
    loop_end(&l);
}

/* ---- pausing: what a callback counts is only looked at while it cannot run ---- */

static struct {
    struct loop loop;
    struct timer timer;
    struct thread thread;
    int counted;
    _Atomic bool stuck, in_callback;
} p;

static void count(struct timer *t)
{
    p.counted++;
    atomic_store(&p.in_callback, true);
    while (atomic_load(&p.stuck))
        sched_yield();
    timer_set(t, 0);
}

static void count_on(struct thread *t)
{
    loop_run(&p.loop);
}

static void count_stop(struct thread *t)
{
    loop_stop(&p.loop);
}

static void a_paused_loop_calls_nobody(void **state)
{
    memset(&p, 0, sizeof p);
    assert_int_equal(loop_begin(&p.loop, &scope_root, "loop"), 0);
    assert_int_equal(timer_begin(&p.timer, &p.loop.scope, &p.loop, "count", count), 0);
    timer_set(&p.timer, 0);
    assert_int_equal(loop_pause(&p.loop, SECOND), 0); /* before it runs */
    assert_int_equal(thread_begin(&p.thread, &scope_root, "counter", count_on, count_stop, NULL), 0);
    assert_int_equal(p.counted, 0);
    loop_resume(&p.loop);
    for (int i = 0; i < 100; i++) {
        while (!atomic_load(&p.in_callback))
            sched_yield();
        assert_int_equal(loop_pause(&p.loop, 10 * SECOND), 0);
        int before = p.counted;
        atomic_store(&p.in_callback, false);
        sched_yield();
        assert_int_equal(p.counted, before);
        loop_resume(&p.loop);
    }
    assert_int_equal(loop_pause(&p.loop, 10 * SECOND), 0);
    atomic_store(&p.stuck, true);
    atomic_store(&p.in_callback, false);
    loop_resume(&p.loop);
    while (!atomic_load(&p.in_callback))
        sched_yield();
    assert_int_equal(loop_pause(&p.loop, MILLISECOND), -ETIMEDOUT);
    atomic_store(&p.stuck, false);
    thread_end(&p.thread);
    assert_int_equal(loop_pause(&p.loop, 0), 0); /* after it has stopped */
    loop_resume(&p.loop);
    loop_end(&p.loop);
}

static void torture_body(void)
{
    struct loop l;
    struct queue q;
    struct timed t;
    if (loop_begin(&l, &scope_root, "loop") < 0)
        return;
    (void)queue_begin(&q, &l.scope, &l, "queue", 10, on_items);
    (void)timer_begin(&t.timer, &l.scope, &l, "t", on_timer);
    loop_end(&l);
}

static void beginnings_survive_torture(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_their_order),
        TEST(queues_hand_over_between_threads),
        TEST(a_full_queue_refuses),
        TEST(a_watch_ended_in_a_callback_is_not_called),
        TEST(a_paused_loop_calls_nobody),
        TEST(beginnings_survive_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
