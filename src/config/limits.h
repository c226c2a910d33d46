/*
 * limits: what no option can raise, since structs are sized by it. The configuration is checked against these.
 */
#pragma once

enum {
    SINKS_MAX = 16, /* enabled at one time */
    STREAM_LABELS = 32,
    STREAM_LABEL_NAME = 1024, /* bytes */
    STREAM_LABEL_VALUE = 2048,
    DEDUPLICATE_LINE_COST = 56, /* bytes of memory for each of deduplicate.max_lines */
};
