/* leaks_metrics: what /metrics says of the detector. */
#pragma once

#include "base/mem.h"

struct leakwatch;
void leaks_metrics(struct buf *out, struct leakwatch *l);
