#include "leak/explain/resolver.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "leak/explain/libdw.h"

enum { LINE_BYTES = PATH_MAX + 64 };

/* "/x/build/../src/a.c" is "/x/src/a.c": as text, for the file may be on another machine. */
static void put_path(const char *path, FILE *out)
{
    char clean[PATH_MAX];
    size_t n = 0;
    for (const char *end; *path && n < sizeof clean - 1; path = end) {
        end = strchrnul(path + 1, '/');
        size_t len = (size_t)(end - path);
        char *last = n ? memrchr(clean, '/', n) : NULL;
        if (len == 3 && memcmp(path, "/..", 3) == 0 && last && strncmp(last, "/..", n - (size_t)(last - clean)) != 0) {
            n = (size_t)(last - clean);
            continue;
        }
        if (len > sizeof clean - 1 - n)
            len = sizeof clean - 1 - n;
        memcpy(clean + n, path, len);
        n += len;
    }
    fwrite(clean, 1, n, out);
}

/* `unit`: whose directory the file's name is relative to. */
static void put_frame(FILE *out, const char *function, uint64_t offset, int line, const char *file, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    char path[2 * PATH_MAX];
    const char *directory = NULL;
    fprintf(out, "%s\t%" PRIu64 "\t%d\t", function ? function : "", offset, line);
    if (file && *file != '/' && unit)
        directory = libdw.dwarf_formstring(libdw.dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    snprintf(path, sizeof path, "%s%s%s", directory ? directory : "", directory ? "/" : "", file ? file : "");
    put_path(path, out);
    putc('\n', out);
}

/* Where an inlined function was called from. */
static void call_site(Dwarf_Die *inlined, Dwarf_Die *unit, int *line, const char **file)
{
    Dwarf_Attribute attribute;
    Dwarf_Files *files;
    Dwarf_Word number;
    size_t n;
    *line = 0;
    *file = NULL;
    if (libdw.dwarf_formudata(libdw.dwarf_attr(inlined, DW_AT_call_line, &attribute), &number) == 0)
        *line = (int)number;
    if (libdw.dwarf_formudata(libdw.dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) == 0 &&
        libdw.dwarf_getsrcfiles(unit, &files, &n) == 0)
        *file = libdw.dwarf_filesrc(files, number, NULL, NULL);
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *linkage = libdw.dwarf_formstring(libdw.dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    return linkage ? linkage : libdw.dwarf_diename(die);
}

/* The inlined functions around the address, innermost first; leaves line and file of the call in what is not. */
static void put_inlined(FILE *out, Dwarf_Die *unit, uint64_t address, int *line, const char **file)
{
    Dwarf_Die *scopes = NULL;
    int n = libdw.dwarf_getscopes(unit, address, &scopes);
    for (int i = 0; i < n; i++) {
        int tag = libdw.dwarf_tag(&scopes[i]);
        if (tag == DW_TAG_subprogram)
            break;
        if (tag != DW_TAG_inlined_subroutine)
            continue;
        put_frame(out, name_of(&scopes[i]), 0, *line, *file, unit);
        call_site(&scopes[i], unit, line, file);
    }
    mem_raw_free(scopes); /* it was allocated for us */
}

/* clang writes no table of addresses (.debug_aranges), which libdw would look into: then each unit is asked. */
static Dwarf_Die *unit_of(Dwfl_Module *module, uint64_t address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = libdw.dwfl_module_addrdie(module, address, bias);
    if (unit)
        return unit;
    while ((unit = libdw.dwfl_module_nextcu(module, unit, bias)))
        if (libdw.dwarf_haspc(unit, address - *bias) == 1)
            return unit;
    return NULL;
}

static void put_address(FILE *out, Dwfl *dwfl, uint64_t address)
{
    Dwfl_Module *module = libdw.dwfl_addrmodule(dwfl, address);
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = module ? unit_of(module, address, &bias) : NULL;
    Dwarf_Line *source = unit ? libdw.dwarf_getsrc_die(unit, address - bias) : NULL;
    const char *file = source ? libdw.dwarf_linesrc(source, NULL, NULL) : NULL;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    int line = 0;
    if (source)
        libdw.dwarf_lineno(source, &line);
    if (unit)
        put_inlined(out, unit, address - bias, &line, &file);
    const char *function =
        module ? libdw.dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL) : NULL;
    if (module)
        put_frame(out, function, offset, line, file, unit);
    fputs(".\n", out);
}

static void add_module(Dwfl *dwfl, const char *text)
{
    char *path;
    uint64_t bias = strtoull(text, &path, 16);
    path += *path == ' ';
    /* The program's own file may have been replaced or deleted: what runs is still there. */
    libdw.dwfl_report_elf(dwfl, *path ? path : "program", *path ? path : "/proc/self/exe", -1, bias, true);
}

static bool answer(FILE *in, FILE *out)
{
    static char *debug_path;
    static Dwfl_Callbacks callbacks;
    char line[LINE_BYTES];
    bool reported = false;

    if (libdw_open() < 0)
        return false;
    unsetenv("DEBUGINFOD_URLS"); /* it would ask the network */
    callbacks.find_debuginfo = libdw.dwfl_standard_find_debuginfo;
    callbacks.debuginfo_path = &debug_path;
    Dwfl *dwfl = libdw.dwfl_begin(&callbacks);
    if (!dwfl)
        return false;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 'm' && !reported)
            add_module(dwfl, line + 1);
        if (line[0] != 'a')
            continue;
        if (!reported)
            libdw.dwfl_report_end(dwfl, NULL, NULL);
        reported = true;
        put_address(out, dwfl, strtoull(line + 1, NULL, 16));
    }
    return fflush(out) == 0;
}

void resolver_run(FILE *in, FILE *out)
{
    _exit(answer(in, out) ? 0 : 1);
}
