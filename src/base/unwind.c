#include "base/unwind.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>
#include <unwind.h>

#include "base/stack.h"

#define UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))

static bool lockless; /* set before the first signal */

struct walk {
    uintptr_t pc; /* where the thread was interrupted: what lies below is the handler's */
    uintptr_t frame, top;
    uintptr_t *frames;
    unsigned n, max;
    bool there;
};

static _Unwind_Reason_Code ignore(struct _Unwind_Context *context, void *arg)
{
    return _URC_END_OF_STACK;
}

void unwind_prepare(void)
{
    lockless = dlsym(RTLD_DEFAULT, "_dl_find_object") != NULL;
    _Unwind_Backtrace(ignore, NULL);
}

static UNCHECKED _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    int exact = 0;
    uintptr_t at = _Unwind_GetIPInfo(context, &exact), frame = _Unwind_GetCFA(context);

    if (!w->there && !(exact && at == w->pc))
        return _URC_NO_REASON;
    /* The next frame is read where this one says: it must lie further up in this thread's stack. */
    if (at == 0 || w->n == w->max || (w->there && frame <= w->frame) || (w->top && frame >= w->top))
        return _URC_END_OF_STACK;
    w->there = true;
    w->frame = frame;
    w->frames[w->n++] = exact ? at : at - 1;
    return _URC_NO_REASON;
}

static UNCHECKED void follow_pointers(struct walk *w)
{
    if (w->max)
        w->frames[w->n++] = w->pc;
    uintptr_t frame = w->frame, low = (uintptr_t)__builtin_frame_address(0);
    while (w->n < w->max && frame > low && frame % sizeof frame == 0 && frame + 2 * sizeof frame <= w->top) {
        const uintptr_t *at = (const uintptr_t *)frame;
        if (at[1] == 0)
            break;
        w->frames[w->n++] = at[1] - 1;
        low = frame;
        frame = at[0];
    }
}

UNCHECKED unsigned unwind_signal(const void *context, uintptr_t *frames, unsigned max)
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP], pointer = (uintptr_t)u->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    uintptr_t pc = u->uc_mcontext.pc, pointer = u->uc_mcontext.regs[29];
#else
#error "which registers hold the program counter and the frame pointer?"
#endif
    struct walk w = {.pc = pc, .top = stack_top_known(), .frames = frames, .max = max};
    if (lockless)
        _Unwind_Backtrace(step, &w);
    if (w.n)
        return w.n;
    w.frame = pointer;
    follow_pointers(&w);
    return w.n;
}
