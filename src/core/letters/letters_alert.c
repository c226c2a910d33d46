#include "core/letters/letters_alert.h"

#include "base/clock.h"

static const int64_t BUCKET = MINUTE / ALERT_BUCKETS;

static uint64_t *slot(struct letters_alert *a, int64_t number)
{
    return &a->came[(uint64_t)number % ALERT_BUCKETS];
}

/* The buckets between the newest and this moment were empty. */
static void advance(struct letters_alert *a, int64_t now)
{
    int64_t number = now / BUCKET;
    if (number - a->bucket > ALERT_BUCKETS)
        a->bucket = number - ALERT_BUCKETS;
    while (a->bucket < number)
        *slot(a, ++a->bucket) = 0;
}

void letters_alert_came(struct letters_alert *a, int64_t now, uint64_t letters)
{
    advance(a, now);
    *slot(a, a->bucket) += letters;
}

uint64_t letters_alert_in_a_minute(struct letters_alert *a, int64_t now)
{
    uint64_t sum = 0;
    advance(a, now);
    for (int i = 0; i < ALERT_BUCKETS; i++)
        sum += a->came[i];
    return sum;
}

bool letters_alert_judge(struct letters_alert *a, int64_t now, uint64_t there)
{
    uint64_t rate = letters_alert_in_a_minute(a, now);
    bool was = atomic_load(&a->raised), raised = was;
    if ((a->rate && rate >= a->rate) || (a->total && there >= a->total))
        raised = true;
    else if ((!a->rate || rate < (a->rate + 1) / 2) && (!a->total || there < a->total - a->total / 10))
        raised = false;
    atomic_store(&a->raised, raised);
    return raised != was;
}
