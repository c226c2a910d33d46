/*
 * What judging costs: 200 series for two days at 30 s. Prints ns a sample, percent of a core for 1,000 such series, ms for the dearest
 * look, bytes a series.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "leak/judge/judge.h"

enum { SERIES = 200, SHOWN = 1000, SAMPLES = 2 * 24 * 120 };

static double noise(void)
{
    return (double)random() / RAND_MAX + (double)random() / RAND_MAX - 1;
}

/* Of ten series six are flat, three have a day's course, one leaks. */
static double value(unsigned series, unsigned sample)
{
    double t = sample * 30.0;
    switch (series % 10) {
    case 0:
        return 1000 + t / 600 + 10 * noise();
    case 1:
    case 2:
    case 3:
        return 1000 + 200 * sin(2 * M_PI * t / 86400 + series) + 10 * noise();
    default:
        return 1000 + 10 * noise();
    }
}

int main(void)
{
    struct judge *judges = calloc(SERIES, sizeof *judges);
    int64_t spent = 0, dearest = 0;
    if (!judges)
        return 1;
    for (unsigned i = 0; i < SERIES; i++)
        judge_begin(&judges[i], &judge_defaults);
    for (unsigned k = 0; k < SAMPLES; k++)
        for (unsigned i = 0; i < SERIES; i++) {
            double v = value(i, k);
            int64_t begun = clock_read(CLOCK_THREAD_CPUTIME_ID);
            judge_add(&judges[i], (int64_t)(k + 1) * 30 * SECOND, v, 0);
            int64_t took = clock_read(CLOCK_THREAD_CPUTIME_ID) - begun;
            spent += took;
            dearest = took > dearest ? took : dearest;
        }
    printf("%.0f %.4f %.2f %zu\n", (double)spent / SERIES / SAMPLES, (double)spent * SHOWN / SERIES / (SAMPLES * 30.0 * SECOND) * 100,
           (double)dearest / MILLISECOND, sizeof *judges);
    free(judges);
    return 0;
}
