/*
 * process: what the kernel says of this process. Any thread; -1 or 0 in what cannot be read.
 */
#pragma once

#include <stdint.h>

#include "base/scope.h"

struct process {
    double cpu_seconds;
    int64_t resident_bytes, virtual_bytes;
    int64_t fds, fd_limit, threads;
};

void process_read(struct process *p, struct scope *scratch); /* scratch: for what is open meanwhile */
