/*
 * libdw: the functions of elfutils that resolver.c calls, opened when it begins.
 *
 * Only the process that looks up symbols opens it: the agent itself would hold some 3 MiB of libraries for what it
 * mostly never needs. The names are those of elfutils' manual (libdwfl.h, libdw.h).
 */
#pragma once

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#define LIBDW_FUNCTIONS(X) \
    X(dwarf_attr) X(dwarf_attr_integrate) X(dwarf_diename) X(dwarf_filesrc) X(dwarf_formstring) X(dwarf_formudata) \
    X(dwarf_getscopes) X(dwarf_getsrc_die) X(dwarf_getsrcfiles) X(dwarf_haspc) X(dwarf_lineno) X(dwarf_linesrc) \
    X(dwarf_tag) X(dwfl_addrmodule) X(dwfl_begin) X(dwfl_module_addrdie) X(dwfl_module_addrinfo) X(dwfl_module_nextcu) \
    X(dwfl_report_elf) X(dwfl_report_end) X(dwfl_standard_find_debuginfo)

#define LIBDW_FUNCTION(name) __typeof__(name) *name;
struct libdw {
    LIBDW_FUNCTIONS(LIBDW_FUNCTION)
};
#undef LIBDW_FUNCTION

extern struct libdw libdw;

/* 0, or -ELIBACC: it is not there, or lacks a function. */
int libdw_open(void);
