/*
 * trend: whether a trace grows, and whether anything that ends explains that. docs/detector.md says how and why.
 */
#pragma once

#include "leak/judge/trace.h"
#include "leak/judge/verdict.h"

enum trend_answer {
    TREND_UNKNOWN, /* too little was seen */
    TREND_NONE,
    TREND_GROWING, /* it grows; that may end: a warm-up, a pool, a rising day, too short to say */
    TREND_ENDLESS, /* it grows, and nothing that ends explains it */
};

struct trend {
    enum trend_answer answer;
    bool half_a_day;   /* it grows, but as little was seen as half a day's course would explain */
    bool sure;         /* endless, with enough to spare to tell somebody */
    bool ripe;         /* it has grown for so long that most of what ends would have ended */
    bool settled;      /* it does not grow any more: `level` is where it stays */
    const char *shape; /* "straight line"; NULL: none */
    double level;      /* the floor of late */
    double rise;       /* since it began */
    int64_t since;     /* LEAK_NEVER: it does not grow */
    int64_t life;      /* when the process was started again, as far as that shows; LEAK_NEVER */
    int64_t lasted;    /* ns of growth */
    double slope, slope_low, slope_high; /* a ns, with the 95 % band */
    double confidence; /* of the answer */
};

/*
 * least: a rise below this is none. endless: what the answer was the last time, so that it takes more to find growth than to keep to
 * it.
 */
void trend_find(struct trend *out, const struct trace *t, double least, bool endless);
