#include "leak/explain/lines.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"

enum { ANSWER_BYTES = 16 << 20, ASK_BYTES = 4 << 20, PATIENCE_S = 30 };

const char *const lines_itself[] = {"/proc/self/exe", "resolve", NULL};
static const char *const *resolver;

void lines_set_resolver(const char *const argv[])
{
    resolver = argv;
}

/* ---- what lies where ---- */

static void build_id_of(const struct dl_phdr_info *info, const ElfW(Phdr) *h, char *out, size_t size)
{
    const char *at = (const char *)(info->dlpi_addr + h->p_vaddr), *end = at + h->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
        const char *name = at + sizeof *note, *id = name + ((note->n_namesz + 3) & ~3u);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            for (unsigned i = 0; i < note->n_descsz && 2 * i + 3 <= size; i++)
                snprintf(out + 2 * i, 3, "%02x", (unsigned char)id[i]);
            return;
        }
        at = id + ((note->n_descsz + 3) & ~3u);
    }
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct lines *l = arg;
    struct module *m = &l->modules[l->n_modules];
    char path[PATH_MAX] = "";
    *m = (struct module){.start = UINTPTR_MAX, .moved = info->dlpi_addr, .program = l->n_modules == 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_NOTE && !m->build_id[0])
            build_id_of(info, h, m->build_id, sizeof m->build_id);
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
            continue;
        uintptr_t start = info->dlpi_addr + h->p_vaddr;
        if (start < m->start) {
            m->start = start;
            m->file_offset = h->p_offset;
        }
        if (start + h->p_memsz > m->end)
            m->end = start + h->p_memsz;
    }
    ssize_t n = m->program ? readlink("/proc/self/exe", path, sizeof path - 1) : 0;
    path[n > 0 ? n : 0] = 0;
    m->path = scope_strdup(&l->scope, m->program ? path : info->dlpi_name);
    if (!m->path)
        return -ENOMEM;
    /* What has no file is no module: the kernel's own page. */
    if (m->program || m->path[0] == '/')
        l->n_modules++;
    return l->n_modules == MODULES_MAX;
}

static uint32_t module_of(const struct lines *l, uintptr_t address)
{
    for (unsigned i = 0; i < l->n_modules; i++)
        if (address >= l->modules[i].start && address < l->modules[i].end)
            return i;
    return MODULES_MAX;
}

static int by_address(const void *a, const void *b)
{
    const uintptr_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int set_places(struct lines *l, uintptr_t *addresses, size_t n)
{
    l->places = mem_new(&l->scope, (n + 1) * sizeof *l->places, "places");
    if (!l->places)
        return -errno;
    qsort(addresses, n, sizeof *addresses, by_address);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || addresses[i] != addresses[i - 1])
            l->places[l->n_places++] =
                (struct place){.address = addresses[i], .module = module_of(l, addresses[i])};
    return 0;
}

/* ---- asking ---- */

static int write_question(struct lines *l, struct buf *ask)
{
    bool wanted[MODULES_MAX + 1] = {false};
    for (size_t i = 0; i < l->n_places; i++)
        wanted[l->places[i].module] = true;
    for (unsigned i = 0; i < l->n_modules; i++)
        if (wanted[i])
            buf_printf(ask, "m%lx %s\n", (unsigned long)l->modules[i].moved,
                       l->modules[i].program && resolver == lines_itself ? "" : l->modules[i].path);
    for (size_t i = 0; i < l->n_places; i++)
        buf_printf(ask, "a%lx\n", (unsigned long)l->places[i].address);
    return ask->failed ? -ENOMEM : 0;
}

static int ask_resolver(struct lines *l, int cancel)
{
    struct child child = {0};
    struct buf ask = {0};
    if (!resolver || !l->n_places)
        return -ENOENT;
    int r = buf_begin(&ask, &l->scope, "question", ASK_BYTES);
    if (r == 0)
        r = write_question(l, &ask);
    if (r == 0)
        r = child_begin(&child, &l->scope, resolver);
    if (r == 0)
        r = child_exchange(&child, ask.data, ask.len, &l->answer, PATIENCE_S * SECOND, cancel);
    child_end(&child);
    buf_end(&ask);
    if (r < 0 && r != -ECANCELED)
        log_warn("explain", "cannot look up files and lines: %s; stacks have functions only", strerror(-r));
    return r;
}

/* ---- what came of it ---- */

static struct frame *new_frame(struct lines *l)
{
    if (l->n_frames == l->frames_cap) {
        size_t cap = l->frames_cap ? 2 * l->frames_cap : l->n_places + 64;
        struct frame *more = l->frames ? mem_resize(l->frames, cap * sizeof *more)
                                       : mem_new(&l->scope, cap * sizeof *more, "frames");
        if (!more)
            return NULL;
        l->frames = more;
        l->frames_cap = cap;
    }
    return &l->frames[l->n_frames++];
}

/* What the program itself knows: a function, or where in which file: addr2line takes that. */
static void ask_symbols(struct lines *l, const struct place *p, struct frame *f)
{
    char text[SYMBOL_TEXT];
    symbols_text(&l->symbols, p->address + 1, text);
    char *plus = strrchr(text, '+');
    if (plus && !strstr(text, ".so")) {
        f->offset = (uint32_t)strtoul(plus + 1, NULL, 16) - 1;
        *plus = 0;
    } else if (p->module < MODULES_MAX) {
        const struct module *m = &l->modules[p->module];
        const char *slash = strrchr(m->path, '/');
        snprintf(text, sizeof text, "%.120s+0x%lx", slash ? slash + 1 : m->path, (unsigned long)(p->address - m->moved));
    }
    f->function = scope_strdup(&l->scope, text);
    if (!f->function)
        f->function = "?";
}

/* Cuts the next field out of the line. */
static char *field(char **line)
{
    char *at = *line, *end = at + strcspn(at, "\t");
    *line = *end ? end + 1 : end;
    *end = 0;
    return at;
}

/* One line of the answer; false: the address has no more. */
static bool read_frame(struct lines *l, char **text, struct place *p, int *error)
{
    char *line = *text, *end = strchr(line, '\n');
    if (!end)
        return false;
    *end = 0;
    *text = end + 1;
    if (strcmp(line, ".") == 0)
        return false;
    struct frame *f = new_frame(l);
    if (!f) {
        *error = -ENOMEM;
        return false;
    }
    f->function = field(&line);
    f->offset = (uint32_t)strtoul(field(&line), NULL, 10);
    f->line = (uint32_t)strtoul(field(&line), NULL, 10);
    f->file = line;
    p->n++;
    return true;
}

static int read_answer(struct lines *l)
{
    char nothing[] = "", *text = l->resolved ? l->answer.data : nothing;
    int error = 0;
    for (size_t i = 0; i < l->n_places && error == 0; i++) {
        struct place *p = &l->places[i];
        p->first = (uint32_t)l->n_frames;
        while (read_frame(l, &text, p, &error))
            ;
        if (error == 0 && p->n == 0) {
            struct frame *f = new_frame(l);
            if (!f)
                return -ENOMEM;
            *f = (struct frame){.function = "", .file = ""};
            p->n = 1;
        }
        struct frame *last = &l->frames[p->first + p->n - 1];
        if (error == 0 && !last->function[0])
            ask_symbols(l, p, last);
    }
    return error;
}

int lines_begin(struct lines *l, struct scope *owner, uintptr_t *addresses, size_t n, int cancel)
{
    *l = (struct lines){0};
    int r = scope_begin(&l->scope, owner, "lines");
    if (r < 0)
        return r;
    r = buf_begin(&l->answer, &l->scope, "answer", ANSWER_BYTES);
    if (r == 0)
        r = dl_iterate_phdr(add_module, l) < 0 ? -ENOMEM : 0;
    if (r == 0)
        r = set_places(l, addresses, n);
    if (r == 0) {
        (void)symbols_begin(&l->symbols, &l->scope); /* without them: addresses */
        l->resolved = ask_resolver(l, cancel) == 0 && l->answer.len;
        r = read_answer(l);
    }
    symbols_end(&l->symbols);
    if (r < 0)
        scope_end(&l->scope);
    return r;
}

void lines_end(struct lines *l)
{
    scope_end(&l->scope);
}

const struct place *lines_find(const struct lines *l, uintptr_t address)
{
    size_t low = 0, high = l->n_places;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->places[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->n_places && l->places[low].address == address ? &l->places[low] : NULL;
}
