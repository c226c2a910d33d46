#include "out/breaker.h"

#include "out/retry.h"

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[BREAKER_STATES] = {"closed", "open", "half_open"};
    return names[state];
}

static void enter(struct breaker *b, enum breaker_state state, int64_t now)
{
    b->state = state;
    b->since = now;
    b->failures = b->good = 0;
    b->probing = false;
    b->ticket++;
}

void breaker_begin(struct breaker *b, const struct breaker_limits *limits, int64_t now)
{
    *b = (struct breaker){.limits = limits, .cooldown = limits->cooldown};
    enter(b, BREAKER_CLOSED, now);
}

static void open_it(struct breaker *b, int64_t now, int64_t after, uint64_t random)
{
    const struct breaker_limits *l = b->limits;
    int64_t wait = b->cooldown + (int64_t)(random % (uint64_t)(b->cooldown / 4 + 1));
    if (after > RETRY_AFTER_MOST)
        after = RETRY_AFTER_MOST;
    b->until = now + (after > wait ? after : wait);
    b->cooldown = b->cooldown < l->max_cooldown / 2 ? 2 * b->cooldown : l->max_cooldown;
    b->opened += b->state == BREAKER_CLOSED;
    enter(b, BREAKER_OPEN, now);
}

uint64_t breaker_admit(struct breaker *b, int64_t now)
{
    if (!b->limits->enabled || b->state == BREAKER_CLOSED)
        return b->ticket;
    if (b->state == BREAKER_OPEN && now >= b->until)
        enter(b, BREAKER_HALF_OPEN, now);
    if (b->state == BREAKER_OPEN || b->probing)
        return 0;
    b->probing = true;
    return b->ticket;
}

void breaker_succeeded(struct breaker *b, uint64_t ticket, int64_t now)
{
    if (ticket != b->ticket)
        return;
    b->failures = 0;
    if (b->state == BREAKER_CLOSED)
        return;
    b->probing = false;
    if (++b->good < b->limits->probes)
        return;
    b->cooldown = b->limits->cooldown;
    enter(b, BREAKER_CLOSED, now);
}

void breaker_failed(struct breaker *b, uint64_t ticket, int64_t now, int64_t after, uint64_t random)
{
    if (!b->limits->enabled || ticket != b->ticket)
        return;
    if (b->state == BREAKER_CLOSED && ++b->failures < b->limits->failures)
        return;
    open_it(b, now, after, random);
}

void breaker_withdrawn(struct breaker *b, uint64_t ticket)
{
    if (ticket == b->ticket)
        b->probing = false;
}

int64_t breaker_wait(const struct breaker *b, int64_t now)
{
    if (b->state == BREAKER_OPEN)
        return b->until > now ? b->until - now : 0;
    return b->probing ? -1 : 0;
}
