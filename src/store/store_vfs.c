#include "store/store_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/mem.h"

/* state.db, its WAL and shared memory, a directory being synced; the rest is room to spare. */
enum { SLOTS = 16, HEAP_SOFT_LIMIT = 1 << 20, LOOKASIDE_BYTES = 1200, LOOKASIDE_SLOTS = 32 };

/* Readers have threads of their own; the descriptors of all are things of one scope. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static struct scope *files_scope;
static struct fd slots[SLOTS];

static int open_slot(const char *path, int flags, int mode)
{
    for (int i = 0; i < SLOTS; i++) {
        if (thing_alive(&slots[i].thing))
            continue;
        int r = files_scope ? fd_open(&slots[i], files_scope, path, flags, (mode_t)mode) : -EMFILE;
        return r == 0 ? slots[i].n : r;
    }
    return -EMFILE;
}

static int hook_open(const char *path, int flags, int mode)
{
    pthread_mutex_lock(&lock);
    int n = open_slot(path, flags, mode);
    pthread_mutex_unlock(&lock);
    if (n >= 0)
        return n;
    errno = -n;
    return -1;
}

static int hook_close(int n)
{
    bool ours = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SLOTS && !ours; i++) {
        ours = thing_alive(&slots[i].thing) && slots[i].n == n;
        if (ours)
            fd_close(&slots[i]);
    }
    pthread_mutex_unlock(&lock);
    if (ours)
        return 0;
    errno = EBADF;
    return -1;
}

/* The rest passes through to what was there, unless it is to fail. */
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pread64)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_fstat)(int, struct stat *);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

static ssize_t hook_read(int n, void *data, size_t size)
{
    return fault_here("sqlite read") ? -1 : real_read(n, data, size);
}

static ssize_t hook_pread(int n, void *data, size_t size, off_t at)
{
    return fault_here("sqlite pread") ? -1 : real_pread(n, data, size, at);
}

static ssize_t hook_pread64(int n, void *data, size_t size, off_t at)
{
    return fault_here("sqlite pread64") ? -1 : real_pread64(n, data, size, at);
}

static ssize_t hook_write(int n, const void *data, size_t size)
{
    return fault_here("sqlite write") ? -1 : real_write(n, data, size);
}

static ssize_t hook_pwrite(int n, const void *data, size_t size, off_t at)
{
    return fault_here("sqlite pwrite") ? -1 : real_pwrite(n, data, size, at);
}

static ssize_t hook_pwrite64(int n, const void *data, size_t size, off_t at)
{
    return fault_here("sqlite pwrite64") ? -1 : real_pwrite64(n, data, size, at);
}

static int hook_ftruncate(int n, off_t size)
{
    return fault_here("sqlite ftruncate") ? -1 : real_ftruncate(n, size);
}

static int hook_unlink(const char *path)
{
    return fault_here("sqlite unlink") ? -1 : real_unlink(path);
}

static int hook_fstat(int n, struct stat *st)
{
    return fault_here("sqlite fstat") ? -1 : real_fstat(n, st);
}

static void *hook_mmap(void *at, size_t size, int prot, int flags, int n, off_t offset)
{
    return fault_here("sqlite mmap") ? (void *)-1 : real_mmap(at, size, prot, flags, n, offset);
}

/* A build of SQLite has some of these only. */
static void replace(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr ours, sqlite3_syscall_ptr *real)
{
    *real = vfs->xGetSystemCall(vfs, name);
    if (*real)
        vfs->xSetSystemCall(vfs, name, ours);
}

#define REPLACE(name) \
    replace(vfs, #name, (sqlite3_syscall_ptr)hook_##name, (sqlite3_syscall_ptr *)&real_##name)

static int install(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    if (!vfs || vfs->iVersion < 3)
        return -ENOSYS;
    vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)hook_open);
    vfs->xSetSystemCall(vfs, "close", (sqlite3_syscall_ptr)hook_close);
    REPLACE(read);
    REPLACE(pread);
    REPLACE(pread64);
    REPLACE(write);
    REPLACE(pwrite);
    REPLACE(pwrite64);
    REPLACE(ftruncate);
    REPLACE(unlink);
    REPLACE(fstat);
    REPLACE(mmap);
    return 0;
}

/* SQLite asks for a block's size, so it stands before the block. */
struct head {
    _Alignas(max_align_t) size_t size;
};

static void *heap_alloc(int size)
{
    struct head *h = mem_raw_alloc(sizeof *h + (size_t)size);
    if (!h)
        return NULL;
    h->size = (size_t)size;
    return h + 1;
}

static void heap_free(void *p)
{
    if (p)
        mem_raw_free((struct head *)p - 1);
}

static void *heap_resize(void *p, int size)
{
    struct head *h = mem_raw_resize((struct head *)p - 1, sizeof *h + (size_t)size);
    if (!h)
        return NULL;
    h->size = (size_t)size;
    return h + 1;
}

static int heap_size(void *p)
{
    return p ? (int)((struct head *)p - 1)->size : 0;
}

static int heap_round(int size)
{
    return (size + 7) & ~7;
}

static int heap_init(void *arg)
{
    return SQLITE_OK;
}

static void heap_shutdown(void *arg)
{
}

static int configure(void)
{
    static sqlite3_mem_methods heap = {heap_alloc, heap_free, heap_resize,   heap_size,
                                       heap_round, heap_init, heap_shutdown, NULL};
    static bool done;
    if (done)
        return 0;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &heap);
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD); /* a connection is used by one thread at a time */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_BYTES, LOOKASIDE_SLOTS);
    if (sqlite3_initialize() != SQLITE_OK)
        return -ENOMEM;
    sqlite3_soft_heap_limit64(HEAP_SOFT_LIMIT);
    int r = install();
    done = r == 0;
    return r;
}

int store_vfs_begin(struct scope *files)
{
    pthread_mutex_lock(&lock);
    int r = users ? 0 : configure();
    if (r == 0 && users++ == 0)
        files_scope = files;
    pthread_mutex_unlock(&lock);
    return r;
}

void store_vfs_end(struct scope *files)
{
    pthread_mutex_lock(&lock);
    users--;
    assert(users == 0 || files_scope != files);
    if (users == 0)
        files_scope = NULL;
    for (int i = 0; i < SLOTS && !users; i++)
        assert(!thing_alive(&slots[i].thing));
    pthread_mutex_unlock(&lock);
}
