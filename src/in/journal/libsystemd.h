/*
 * libsystemd: the functions that read the journal, opened when one is read for the first time.
 *
 * libsystemd brings four libraries with it (libgcrypt, LZMA, LZ4 and libgpg-error), together 0.8 MiB of an agent that reads
 * files only. So it is not linked; what is called is called through this table, without the `sd_` that begins the
 * name in systemd's manual, sd-journal(3). It stays open until the process ends.
 *
 * Thread: the collector's; a journal is used by one thread.
 */
#pragma once

#include <systemd/sd-journal.h>

#define LIBSYSTEMD_FUNCTIONS(X) \
    X(journal_close) X(journal_get_cursor) X(journal_get_data) X(journal_get_events) X(journal_get_fd) \
    X(journal_get_realtime_usec) X(journal_get_timeout) X(journal_has_persistent_files) \
    X(journal_has_runtime_files) X(journal_next) X(journal_open) X(journal_open_directory) X(journal_previous) \
    X(journal_process) X(journal_seek_cursor) X(journal_seek_head) X(journal_seek_tail) \
    X(journal_set_data_threshold) X(journal_test_cursor)

#define LIBSYSTEMD_FUNCTION(name) __typeof__(sd_##name) *name;
struct libsystemd {
    LIBSYSTEMD_FUNCTIONS(LIBSYSTEMD_FUNCTION)
};
#undef LIBSYSTEMD_FUNCTION

extern struct libsystemd libsystemd;

/* 0, or -ELIBACC: it is not there, or lacks a function. Again is nothing. */
int libsystemd_open(void);
