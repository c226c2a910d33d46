/* leaks_metrics: what /metrics says of the detector, in families called PREFIX_NAME, and of what became of its alerts. */
#pragma once

#include "base/mem.h"

struct leakwatch;
void leaks_metrics(struct buf *out, struct leakwatch *l, const char *prefix);
struct teller;
void teller_metrics(struct buf *out, const struct teller *t);
