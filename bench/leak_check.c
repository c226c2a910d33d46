/*
 * leak_check: what the watch thread costs with 10,000 descriptors open, each in a scope: half files, half sockets.
 *
 * Prints milliseconds of CPU time of one check of everything (tasks and resources, with judges), the median of ROUNDS; and of
 * what is done each second.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fd.h"
#include "leak/tell/teller.h"

enum { DESCRIPTORS = 10000, ROUNDS = 21 };

static struct leakwatch watch;
static struct fd fds[DESCRIPTORS];

static const char text[] = "sinks: {null: {}}\n";

static void fail(const char *why)
{
    fprintf(stderr, "leak_check: %s\n", why);
    exit(1);
}

static void open_many(struct scope *s)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("no limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < DESCRIPTORS + 100)
        fail("not enough descriptors are allowed (ulimit -Hn)");
    for (int i = 0; i < DESCRIPTORS; i++)
        if ((i % 2 ? fd_socket(&fds[i], s, AF_INET, SOCK_STREAM, 0) : fd_open(&fds[i], s, "/proc/self/exe", O_RDONLY, 0)) < 0)
            fail("a descriptor was refused");
}

static int64_t cpu(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median_ms(int64_t took[ROUNDS])
{
    qsort(took, ROUNDS, sizeof *took, by_value);
    return (double)took[ROUNDS / 2] / MILLISECOND;
}

int main(void)
{
    static struct buf errors;
    struct scope s = {0};
    int64_t checks[ROUNDS], seconds[ROUNDS];
    if (scope_begin(&s, &scope_root, "bench") < 0 || buf_begin(&errors, &s, "errors", 4096) < 0)
        fail("no memory");
    struct config *c = config_parse(&s, "bench", text, sizeof text - 1, &errors);
    const struct leakwatch_settings settings = c ? teller_settings(c) : (struct leakwatch_settings){0};
    if (!c || leakwatch_begin(&watch, &s, &settings, NULL) < 0)
        fail("the watch does not begin");
    open_many(&s);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t began = cpu();
        measure_tasks(&watch);
        judge_section(&watch, SERIES_OF_TASKS);
        measure_resources(&watch);
        judge_section(&watch, SERIES_OF_RESOURCES);
        checks[i] = cpu() - began;
        began = cpu();
        measure_second(&watch);
        seconds[i] = cpu() - began;
    }
    if (watch.totals.fds < DESCRIPTORS || watch.totals.unowned_fds)
        fail("not what is open was counted");
    leakwatch_end(&watch);
    scope_end(&s);
    printf("%.3f %.4f\n", median_ms(checks), median_ms(seconds));
    return 0;
}
