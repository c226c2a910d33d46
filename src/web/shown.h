/* shown: what more than one answer shows of a source and of its ledger: members of the object at hand. */
#pragma once

#include "codec/doc.h"
#include "core/sink.h"
#include "core/source.h"

void amount_write(struct doc *d, const char *key, struct amount a);
void counts_write(struct doc *d, const struct counts *c);
void source_status_write(struct doc *d, struct source *s);
/* Whether it fails and why, and what its type says of itself. */
void sink_status_write(struct doc *d, struct sink *s, struct scope *scratch);
