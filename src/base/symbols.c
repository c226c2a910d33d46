/* The format: System V ABI, ELF-64 object file format; see elf(5). */
#include "base/symbols.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

enum { SECTIONS_MAX = 4096, TABLE_MAX = 64 << 20 };

/* The whole range, or an error. */
static int read_at(int fd, void *data, size_t size, uint64_t offset)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = fd_pread(fd, (char *)data + at, size - at, offset + at);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -ENOEXEC;
        at += (size_t)n;
    }
    return 0;
}

static void *read_section(struct scope *owner, int fd, const ElfW(Shdr) *h, int *error)
{
    if (h->sh_size == 0 || h->sh_size > TABLE_MAX) {
        *error = -ENOEXEC;
        return NULL;
    }
    char *data = mem_new(owner, h->sh_size + 1, "symbols"); /* so that names end */
    *error = data ? read_at(fd, data, h->sh_size, h->sh_offset) : -errno;
    if (*error == 0)
        return data;
    mem_free(data);
    return NULL;
}

/* The first object is the program: how far it was moved from where it was linked to. */
static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    *(uintptr_t *)arg = info->dlpi_addr;
    return 1;
}

static int by_start(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int keep_functions(struct symbols *s, struct scope *owner, const ElfW(Sym) *table, size_t n, size_t names_size)
{
    uintptr_t moved = 0;
    dl_iterate_phdr(first_object, &moved);
    s->functions = mem_new(owner, (n + 1) * sizeof *s->functions, "functions");
    if (!s->functions)
        return -errno;
    for (size_t i = 0; i < n; i++)
        if ((table[i].st_info & 0xf) == STT_FUNC && table[i].st_shndx != SHN_UNDEF && table[i].st_name < names_size)
            s->functions[s->n++] = (struct function){moved + table[i].st_value, table[i].st_size,
                                                     s->names + table[i].st_name};
    qsort(s->functions, s->n, sizeof *s->functions, by_start);
    return 0;
}

/* Finds .symtab, and the names that belong to it. */
static int read_tables(struct symbols *s, struct scope *owner, int fd)
{
    ElfW(Ehdr) head;
    int r = read_at(fd, &head, sizeof head, 0);
    if (r < 0)
        return r;
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_shentsize != sizeof(ElfW(Shdr)) || !head.e_shnum ||
        head.e_shnum > SECTIONS_MAX)
        return -ENOEXEC;
    ElfW(Shdr) all = {.sh_offset = head.e_shoff, .sh_size = head.e_shnum * sizeof(ElfW(Shdr))};
    ElfW(Shdr) *sections = read_section(owner, fd, &all, &r);
    if (!sections)
        return r;
    r = -ENODATA;
    for (unsigned i = 0; i < head.e_shnum && r == -ENODATA; i++) {
        const ElfW(Shdr) *h = &sections[i];
        if (h->sh_type != SHT_SYMTAB || h->sh_link >= head.e_shnum)
            continue;
        ElfW(Sym) *table = read_section(owner, fd, h, &r);
        if (table && (s->names = read_section(owner, fd, &sections[h->sh_link], &r)))
            r = keep_functions(s, owner, table, h->sh_size / sizeof *table, sections[h->sh_link].sh_size);
        mem_free(table);
    }
    mem_free(sections);
    return r;
}

int symbols_begin(struct symbols *s, struct scope *owner)
{
    struct fd f;
    *s = (struct symbols){0};
    int r = fd_open(&f, owner, "/proc/self/exe", O_RDONLY, 0);
    if (r < 0)
        return r;
    r = read_tables(s, owner, f.n);
    fd_close(&f);
    if (r < 0)
        symbols_end(s);
    return r;
}

void symbols_end(struct symbols *s)
{
    mem_free(s->functions);
    mem_free(s->names);
    *s = (struct symbols){0};
}

/* The last that begins at or before the address. */
static const struct function *find(const struct symbols *s, uintptr_t address)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->functions[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct function *f = low ? &s->functions[low - 1] : NULL;
    return f && address - f->start < f->size ? f : NULL;
}

const char *symbols_text(const struct symbols *s, uintptr_t address, char text[SYMBOL_TEXT])
{
    /* A return address may be the first byte behind a function whose last instruction was the call. */
    const struct function *f = find(s, address - 1);
    Dl_info library;
    if (f) {
        snprintf(text, SYMBOL_TEXT, "%.120s+0x%lx", f->name, (unsigned long)(address - f->start));
    } else if (s->n && dladdr((void *)address, &library) && library.dli_fname) {
        const char *slash = strrchr(library.dli_fname, '/');
        snprintf(text, SYMBOL_TEXT, "%.120s+0x%lx", slash ? slash + 1 : library.dli_fname,
                 (unsigned long)(address - (uintptr_t)library.dli_fbase));
    } else {
        snprintf(text, SYMBOL_TEXT, "0x%lx", (unsigned long)address);
    }
    return text;
}
