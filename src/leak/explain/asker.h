/* asker: the thread that makes the answer. It is there because somebody asks, so answers leave it out. */
#pragma once

#include <stdbool.h>
#include <unistd.h>

static inline bool asker_is(pid_t tid)
{
    return tid == gettid();
}
