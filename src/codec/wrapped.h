/*
 * wrapped: the forms of log files: bare lines, or lines that a container runtime put its own around, and how their lines are marked.
 *
 *   WRAPPED_NOT        a line is a record (lines.h)
 *   WRAPPED_JSON_FILE  Docker's json-file: {"log":"text\n","stream":"stdout","time":"..."} (jsonfile.h)
 *   WRAPPED_CRI        the kubelet's runtimes, and Podman's k8s-file: TIME stdout F text (cri.h)
 *
 * A mark of a wrapped line is what the container wrote, without line end, and
 *
 *   stream   WRAPPED_STDOUT or WRAPPED_STDERR; WRAPPED_BARE: the line is not in the form, and marked as it is
 *   more     1: a piece of a message, which goes on in the next line of the same stream. That need not be the next mark
 *   time     the runtime's, UTC nanoseconds; WRAPPED_NO_TIME for WRAPPED_BARE
 *   end      of the line, from the chunk's start
 *
 * Behind each mark one byte of the chunk is free to be changed: the wrapping's.
 */
#pragma once

#include <stdbool.h>

#include "codec/mark.h"

enum wrapping { WRAPPED_NOT, WRAPPED_JSON_FILE, WRAPPED_CRI };
enum { WRAPPED_STDOUT, WRAPPED_STDERR, WRAPPED_BARE, WRAPPED_STREAMS };
#define WRAPPED_NO_TIME INT64_MIN

const char *wrapping_name(enum wrapping w); /* "lines", "json-file", "cri" */
/* -1: there is none of this name. */
int wrapping_of_name(const char *name);
/* By a file's first bytes: what is no JSON object is CRI. */
enum wrapping wrapping_guess(const char *data, uint32_t size);

/*
 * Marks the whole lines of data[0, size), at most `cap`, and returns how many; *consumed as for lines_mark(). *changed is set, never
 * cleared, if bytes before *consumed were changed; those behind never are. Pure; any thread.
 */
uint32_t wrapped_mark(enum wrapping w, char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed,
                      bool *changed);
