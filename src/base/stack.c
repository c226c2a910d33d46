#include "base/stack.h"

#include <pthread.h>
#include <stddef.h>

static __thread uintptr_t stack_top;

static void find_top(void)
{
    pthread_attr_t attr;
    void *low;
    size_t size;

    stack_top = 1; /* a walk without bounds ends at once */
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &low, &size) == 0)
        stack_top = (uintptr_t)low + size;
    pthread_attr_destroy(&attr);
}

uintptr_t stack_top_known(void)
{
    return stack_top > 1 ? stack_top : 0;
}

__attribute__((noinline, no_sanitize("address", "thread", "undefined"))) unsigned
stack_walk(uintptr_t *frames, unsigned max, unsigned skip)
{
    if (stack_top == 0)
        find_top();

    unsigned n = 0;
    const uintptr_t *frame = __builtin_frame_address(0);
    while ((uintptr_t)frame + 2 * sizeof *frame <= stack_top && n < max) {
        uintptr_t next = frame[0], ret = frame[1];
        if (ret == 0)
            break;
        if (skip > 0)
            skip--;
        else
            frames[n++] = ret;
        /* Frames lie further up each time; whatever else stands there is no frame. */
        if (next <= (uintptr_t)frame || next % sizeof(uintptr_t) != 0)
            break;
        frame = (const uintptr_t *)next;
    }
    return n;
}
