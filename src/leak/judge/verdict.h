/*
 * verdict: what the detector says of a series: its words, and what they rest on. The method is in docs/detector.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum leak_state {
    LEAK_UNDETERMINED, /* too little was seen to say anything */
    LEAK_STEADY,
    LEAK_GROWING,  /* it grows, and that may end: a warm-up, a pool, a rising day */
    LEAK_LEAKING,  /* it grows, and nothing that ends explains it; severity none: not for long enough yet to call somebody */
    LEAK_AT_LIMIT, /* 95 % of the real limit are used */
    LEAK_STATES
};

enum leak_severity { LEAK_NONE, LEAK_WARNING, LEAK_HIGH, LEAK_CRITICAL, LEAK_SEVERITIES };

/* Which rule decided about the severity. */
enum leak_rule {
    LEAK_BY_NONE,
    LEAK_BY_TREND,     /* of the floor */
    LEAK_BY_INCREASE,  /* over the baseline: leak_threshold */
    LEAK_BY_ABSOLUTE,  /* warn_threshold, max */
    LEAK_BY_RATE,      /* growth_rate_threshold */
    LEAK_BY_LIMIT,     /* at the limit */
    LEAK_BY_TIME_LEFT, /* it grows towards the limit, and may be there within the hour */
    LEAK_RULES
};

const char *leak_state_name(enum leak_state state);          /* "undetermined" "steady" "growing" "leaking" "at_limit" */
const char *leak_severity_name(enum leak_severity severity); /* "none" "warning" "high" "critical" */
const char *leak_rule_name(enum leak_rule rule);             /* "none" "trend" "increase" "absolute" "rate" "limit" "time_left" */

#define LEAK_NEVER INT64_C(-1) /* as a time */
enum { LEAK_REASON = 192 };

/* Values are in the series' unit, times in ns of the clock the samples came with. */
struct verdict {
    enum leak_state state;
    enum leak_severity severity;
    enum leak_rule rule;
    double current;   /* the floor now, beyond what is expected */
    double baseline;  /* what it is compared with; meaningless while !has_baseline */
    double threshold; /* that `rule` compared with; 0: none */
    bool has_baseline;
    int64_t since;     /* when the growth began; LEAK_NEVER: it does not grow */
    double slope;      /* a minute; 0 unless growing or leaking */
    double slope_low, slope_high; /* its 95 % band (Theil-Sen) */
    double confidence; /* of `state`, 0 to 1 */
    double limit_in;   /* seconds until the real limit at this slope; below 0: never, or there is no limit */
    char reason[LEAK_REASON]; /* one sentence without a full stop, for people; "" when severity is none */
};
