/*
 * cri: the log files of the container runtimes that the kubelet drives, and Podman's k8s-file:
 *
 *     2026-11-21T10:50:09.123456789Z stdout F text
 *     2026-11-21T10:50:09.123456789+01:00 stderr P a piece of a longer line
 *
 * After the stream come tags, separated by ':'; the first is F (full, or the last piece) or P (partial), others are passed over. One
 * blank, then the text to the line's end; its own blanks are kept. Source: kubernetes/design-proposals-archive, node/kubelet-cri-logging.md,
 * and conmon's ctr_logging.c.
 */
#pragma once

#include "codec/wrapped.h"

/* As wrapped_mark(); changes nothing. */
uint32_t cri_mark(const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed);
