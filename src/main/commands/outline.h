/* outline: a JSON answer of the agent as indented lines that a person reads: "offset: 12". */
#pragma once

#include "base/mem.h"

/* 0, or -ENOMEM. What is no JSON comes out as it is, line by line. */
int outline_from_json(const char *json, size_t size, struct buf *out);
