/*
 * For LD_PRELOAD: CLOCK_REALTIME as if somebody had set the clock. Environment SHIFT_CLOCK names a file with the number of
 * seconds to add, read at most every 10 ms; without it, or when it is empty, the time is the kernel's.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int64_t shift, looked;

static int real(clockid_t id, struct timespec *ts)
{
    return (int)syscall(SYS_clock_gettime, id, ts);
}

static void look(void)
{
    struct timespec now;
    real(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    const char *path = getenv("SHIFT_CLOCK");
    if (ms - looked < 10 || !path)
        return;
    looked = ms;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char text[32];
    if (fgets(text, sizeof text, file))
        shift = strtoll(text, NULL, 10);
    fclose(file);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int r = real(id, ts);
    if (r == 0 && id == CLOCK_REALTIME) {
        look();
        ts->tv_sec += shift;
    }
    return r;
}
