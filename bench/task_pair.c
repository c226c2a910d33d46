/*
 * task_pair: what the beginning and the end of a task cost, with the capture of a stack of full depth.
 *
 * Prints nanoseconds of CPU time a pair: the median of ROUNDS rounds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/task.h"

enum { ROUNDS = 7, PAIRS = 500 * 1000 };

static const struct task_kind kind = {.name = "bench"};
static int depth = BIRTH_FRAMES;

static int64_t round_of_pairs(struct scope *s)
{
    struct task t = {0};
    int64_t from = clock_read(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < PAIRS; i++) {
        if (task_begin(&t, s, &kind, "pair") < 0) {
            fprintf(stderr, "task_pair: a task was refused\n");
            exit(1);
        }
        task_end(&t);
    }
    return clock_read(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* So deep that the record of the stack is full. The sum keeps each frame from being optimized away. */
static __attribute__((noinline, noclone)) int64_t at_depth(struct scope *s, volatile int left)
{
    if (left == 0)
        return round_of_pairs(s);
    return at_depth(s, left - 1) + (left < 0);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct scope s = {0};
    int64_t took[ROUNDS];
    if (scope_begin(&s, &scope_root, "bench") < 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++)
        took[i] = at_depth(&s, depth);
    scope_end(&s);
    qsort(took, ROUNDS, sizeof *took, by_value);
    printf("%.1f\n", (double)took[ROUNDS / 2] / PAIRS);
    return 0;
}
