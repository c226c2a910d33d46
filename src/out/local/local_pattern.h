/*
 * local_pattern: the names of output files, from the labels and the time of what is written to
 * them.
 *
 *     {path}        where it came from: "var/log/nginx/access.log", "journal/ssh.log",
 * "containers/web.log" {file}        the name of the source file     (label file_name) {container}
 * the container's name            (label container_name) {unit}        the systemd unit (label
 * unit) {host}        the host                        (label instance) {label:NAME}  any label
 *     {date} {hour} of the entry's time, UTC: 2026-11-21, 05
 *
 * Only {path} and the pattern itself make directories. A value is made safe: '/' and control bytes
 * become '_', "." and ".." too, what is not there is "none", and one of more than PATTERN_PART
 * bytes is cut and gets a hash, so that two long values stay two files. A path that is still too
 * long for a file system becomes "long-HASH.log".
 *
 * Immutable after pattern_new(); any thread.
 */
#pragma once

#include "core/stream.h"

enum { PATTERN_PART = 180, PATTERN_NAME = 220, PATTERN_PATH = 1024 };

struct pattern;

/* NULL: `error` says what is wrong with it; errno is EINVAL or ENOMEM. */
struct pattern *pattern_new(struct scope *owner, const char *text, char *error, size_t size);
bool pattern_is_timed(const struct pattern *p); /* has {date} or {hour} */
/* Writes the path, relative to the sink's directory. time: UTC ns. */
void pattern_expand(const struct pattern *p, const struct stream *s, int64_t time,
                    char path[PATTERN_PATH]);
