#include "leak/judge/verdict.h"

#include <assert.h>

const char *leak_state_name(enum leak_state state)
{
    static const char *const names[] = {"undetermined", "steady", "growing", "leaking", "at_limit"};
    assert(state < LEAK_STATES);
    return names[state];
}

const char *leak_severity_name(enum leak_severity severity)
{
    static const char *const names[] = {"none", "warning", "high", "critical"};
    assert(severity < LEAK_SEVERITIES);
    return names[severity];
}

const char *leak_rule_name(enum leak_rule rule)
{
    static const char *const names[] = {"none", "trend", "increase", "absolute", "rate", "limit", "time_left"};
    assert(rule < LEAK_RULES);
    return names[rule];
}
