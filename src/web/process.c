#include "web/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static int64_t count_entries(const char *path, struct scope *scratch)
{
    struct dir d;
    int64_t n = 0;
    if (dir_open(&d, scratch, path) < 0)
        return -1;
    for (struct dirent *e; (e = dir_next(&d));)
        n += e->d_name[0] != '.';
    dir_close(&d);
    return n;
}

void process_read(struct process *p, struct scope *scratch)
{
    struct rlimit limit;
    struct fd f;
    char text[200] = "";
    long long pages = 0, resident = 0;

    *p = (struct process){0};
    p->cpu_seconds = (double)clock_read(CLOCK_PROCESS_CPUTIME_ID) / SECOND;
    if (fd_open(&f, scratch, "/proc/self/statm", O_RDONLY, 0) == 0) {
        if (fd_read(f.n, text, sizeof text - 1) < 0 || sscanf(text, "%lld %lld", &pages, &resident) != 2)
            pages = resident = 0;
        fd_close(&f);
    }
    p->virtual_bytes = pages * sysconf(_SC_PAGESIZE);
    p->resident_bytes = resident * sysconf(_SC_PAGESIZE);
    p->fds = count_entries("/proc/self/fd", scratch);
    if (p->fds > 0)
        p->fds--; /* the one that was counting */
    p->threads = count_entries("/proc/self/task", scratch);
    p->fd_limit = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : -1;
}
