/*
 * contest: which explains a series better, growth that ends or growth that does not? Each model is fitted by least squares with
 * errors that follow each other (AR(1)), and judged by BIC: what it leaves over, against how many numbers it needs.
 *
 *   ends      a level with up to six steps (one in the midst of a piece takes two); a saturating rise, a straight rise to a plateau, a
 *             day's course, with up to four; a day's course on top of a rise that ended, with up to two
 *   endless   a straight line, one from some time on, an accelerating one; with up to four steps, or with a warm-up that saturates or ends
 *             and up to two
 *
 * Where a day and a half was seen both sides may have a day's course besides; where less was, it is one more way to explain
 * growth that ends. Where there are teeth, both have one more number: by how much each rises.
 */
#pragma once

#include "leak/judge/windows.h"

enum contest_shape { CONTEST_FLAT, CONTEST_SATURATING, CONTEST_PLATEAU, CONTEST_DAY, CONTEST_LINE, CONTEST_LATE, CONTEST_ACCELERATING };

const char *contest_shape_name(enum contest_shape shape); /* "straight line" */

enum contest_warm_up { CONTEST_NO_WARM_UP, CONTEST_SATURATING_WARM_UP, CONTEST_STRAIGHT_WARM_UP };

struct contest_model {
    enum contest_shape shape;
    double from, to;   /* s: from when on it grows; until when, or the time constant */
    enum contest_warm_up warm_up; /* besides; of what ends, of a day's course alone */
    double warm_from, warm_to; /* s: as `from`, `to` */
    unsigned steps;
    double tooth;      /* by how much each rises; 0: there are none (windows.h) */
    double memory;     /* of the errors, from piece to piece */
    double rise;       /* of the shape, from begin to end */
    double sigma;      /* what is left over */
    double bic;
};

/* Of what ends: steps, saturated soon or late, a plateau soon or late, a day's course, one on top of what was full or flat soon. */
enum contest_class {
    CONTEST_STEPS,
    CONTEST_SOON_FULL,
    CONTEST_LATE_FULL,
    CONTEST_SOON_FLAT,
    CONTEST_LATE_FLAT,
    CONTEST_COURSE,
    CONTEST_COURSE_ON_TOP, /* only looked for while growth wins */
    CONTEST_CLASSES
};

struct contest {
    struct contest_model ends, endless; /* the best of each */
    struct contest_model plain;         /* the best that does not end, without a warm-up */
    struct contest_model classes[CONTEST_CLASSES]; /* the best of each class of what ends; bic INFINITY: none */
};

void contest_hold(struct contest *c, const struct windows *w);
