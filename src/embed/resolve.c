/* leakwatch-resolve: the program that looks up files and lines for a program with libleakwatch, see leak/explain/resolver.h. */
#include <stdio.h>

#include "base/child.h"
#include "leak/explain/resolver.h"

enum { LONGEST_S = 60 };

int main(void)
{
    child_bind(LONGEST_S);
    resolver_run(stdin, stdout);
}
