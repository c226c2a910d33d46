/*
 * letters_alert: whether so many dead letters come, or lie there, that somebody should look.
 *
 * Raised when a minute brought `rate` of them, or when `total` are there; over when both are below half of the rate and nine
 * tenths of the total, so that it does not flap. A limit of 0 is none. Pure: it takes its clock as an argument, in ns.
 * Thread: one at a time; `raised` may be read by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ALERT_BUCKETS = 12 }; /* of five seconds */

struct letters_alert {
    uint64_t rate, total; /* the limits */
    uint64_t came[ALERT_BUCKETS];
    int64_t bucket; /* the newest's number since the epoch of the clock */
    _Atomic bool raised;
};

void letters_alert_came(struct letters_alert *a, int64_t now, uint64_t letters);
uint64_t letters_alert_in_a_minute(struct letters_alert *a, int64_t now);
/* `there`: letters at this time. True when `raised` changed. */
bool letters_alert_judge(struct letters_alert *a, int64_t now, uint64_t there);
