/*
 * leakwatch: what a C program does and holds, by stack: logcap's tracker and profiles, for any program.
 *
 *     #include <leakwatch.h>
 *
 *     static void serve(struct connection *c)
 *     {
 *         leak_track("connection", c->peer);     // until the end of this block, however it is left
 *         ...
 *     }
 *
 *     int main(void)
 *     {
 *         leak_serve(&(struct leak_options){.port = 6060});
 *         ...
 *         leak_stop();
 *     }
 *
 * and then `curl 'http://localhost:6060/debug/pprof/goroutine?debug=1'`, or `go tool pprof` with any of the profiles that
 * http://localhost:6060/debug/pprof/ lists: goroutine (what is tracked, by the stack that began it, and all threads where they are),
 * threadcreate, fds, blocks, profile (processor time), and heap if jemalloc is linked and samples (MALLOC_CONF=prof:true).
 *
 * Build: cc program.c $(pkg-config --cflags --libs leakwatch). With -fno-omit-frame-pointer stacks of what is tracked are whole; with
 * -g they have files and lines.
 *
 * Threads: everything from any thread. A track costs some 150 ns and no lock; its record (192 bytes) lies in memory that
 * is reused and not given back. leak_serve() takes the signal SIGPROF and one thread; without it nothing runs.
 */
#ifndef LEAKWATCH_H
#define LEAKWATCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Something that runs or is held until it is ended. */
struct leak_tracked;

/*
 * `kind` groups ("connection"), `name` tells one from the other (its first 39 bytes are kept). NULL: there is no memory, or there
 * are LEAK_KINDS kinds already; all the other functions take NULL and do nothing.
 */
struct leak_tracked *leak_begin(const char *kind, const char *name);
void leak_end(struct leak_tracked *t);
void leak_beat(struct leak_tracked *t); /* it got somewhere */
void leak_wait(struct leak_tracked *t); /* it waits, until the next beat */
uint64_t leak_count(void);              /* how many there are */

enum { LEAK_KINDS = 256 };

/* Until the end of the block. */
#define leak_track(kind, name) \
    struct leak_tracked *LEAK_NAME(__LINE__) __attribute__((cleanup(leak_end_at), unused)) = leak_begin(kind, name)
#define LEAK_NAME(line) LEAK_JOIN(leak_tracked_, line)
#define LEAK_JOIN(a, b) a##b
static inline void leak_end_at(struct leak_tracked **t)
{
    leak_end(*t);
}

struct leak_options {
    const char *host;     /* the address to listen on; NULL: 127.0.0.1. There is no authentication */
    unsigned port;        /* 0: the kernel chooses, see leak_port() */
    const char *resolver; /* the program that looks up files and lines; NULL: where it was installed */
};

/* 0, or a negative errno: it runs already (-EALREADY), or cannot listen. */
int leak_serve(const struct leak_options *options);
unsigned leak_port(void); /* 0: it does not run */
void leak_stop(void);     /* ends the thread and closes what was opened; nothing when it does not run */

#ifdef __cplusplus
}
#endif
#endif
