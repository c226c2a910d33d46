/*
 * report: what leakwatch knows, as JSON: status ("ok", or the worst severity that is on), totals, series (each with its verdict and
 * evidence), findings (what is on), suspects, alerts (newest first). docs/leaks.md has the keys.
 */
#pragma once

#include "codec/doc.h"
#include "leak/watch/leakwatch.h"
#include "leak/watch/sites.h"

/* Addresses whose names the report can say, each within its call; at most `room`. Locked. */
size_t report_addresses(const struct leakwatch *l, uintptr_t *addresses, size_t room);
/* Members of an object that is open. `l` is locked. now: clock_mono(). */
void report_members(struct doc *d, const struct leakwatch *l, const struct names *names, int64_t now);
