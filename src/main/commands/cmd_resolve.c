/* `logcap resolve`, for logcap itself: functions and lines of its addresses, see leak/explain/resolver.h. */
#include <stdio.h>

#include "base/child.h"
#include "leak/explain/resolver.h"
#include "main/commands/commands.h"

enum { LONGEST_S = 60 };

int cmd_resolve(int argc, char **argv)
{
    child_bind(LONGEST_S);
    resolver_run(stdin, stdout);
}
