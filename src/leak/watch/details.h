/*
 * details: what an alert carries beside its numbers, so that it says whose it is: the stacks that grew and those that hold most, with
 * files and lines; which scopes hold them; the oldest; tasks that are suspects; descriptors by type and target; a heap profile beside it.
 *
 * What grew is compared with an earlier moment: the first is when the warm-up is over, then one an hour is kept, and the older of two is
 * taken, so that a slow leak has one to two hours to stand out.
 *
 * Thread: the watch's. Waits up to some 100 ms for names of functions.
 */
#pragma once

#include "leak/watch/leakwatch.h"

/*
 * Into w->details, as members of a JSON object, and a->born_at. Without memory for it: nothing. In a program that is not ours a->born_at
 * alone: it is told no more.
 */
void details_gather(struct leakwatch *w, struct alert *a);
/*
 * The oldest of the series' things that were born where most of those that came since the earlier moment were, or ever without one. If
 * nothing came since: where most of all were.
 */
enum details_site { SITE_NONE, SITE_LARGEST, SITE_GROWN };
enum details_site details_site(struct leakwatch *w, const char *series, struct birth_info *birth);
/* After each check behind the warm-up: keeps what there is as an earlier moment when it is time to. */
void details_remember(struct leakwatch *w, int64_t now);
