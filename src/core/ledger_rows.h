/*
 * ledger_rows: an account's counts as the store keeps them, and back.
 *
 * What is in flight is not stored: if the process dies it was never taken, because it is read again from
 * the position that stands in the same transaction. So a stored row adds up without it:
 *
 *     taken = delivered + spooled + dead + dropped (by reason)
 *
 * Counters beyond what a row of the store can hold (2^63 - 1) stay there.
 */
#pragma once

#include "core/ledger.h"
#include "store/store.h"

void counts_to_row(const struct counts *counts, uint64_t counters[STORE_COUNTERS]);
void counts_from_row(struct counts *counts, const uint64_t counters[STORE_COUNTERS]); /* in_flight is 0 */
