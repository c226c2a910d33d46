#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "main/commands/verify.h"
#include "store/spool.h"

static enum verify_outcome look(struct verify *v)
{
    struct spool_found f;
    int r = spool_check(v->scope, v->spool_dir, &f);
    if (r == -ENOENT)
        return VERIFY_GOOD; /* no sink ever lagged, or was to */
    if (r < 0) {
        printf("spool: CANNOT BE READ: %s: %s\n", v->spool_dir, strerror(-r));
        return VERIFY_WRONG;
    }
    bool damaged = f.damaged || f.unreadable;
    printf("spool: %s: %" PRIu64 " segment%s, %" PRIu64 " bytes, %" PRIu64 " batch%s", damaged ? "DAMAGED" : "good", f.segments,
           f.segments == 1 ? "" : "s", f.bytes, f.records, f.records == 1 ? "" : "es");
    if (damaged)
        printf("; %" PRIu64 " damaged, %" PRIu64 " segment%s that cannot be read to the end: the agent drops and counts what is lost",
               f.damaged, f.unreadable, f.unreadable == 1 ? "" : "s");
    else if (f.unfinished)
        printf("; %" PRIu64 " segment%s with an unfinished record at the end, as a kill or an agent at work leaves it", f.unfinished,
               f.unfinished == 1 ? "" : "s");
    putchar('\n');
    return damaged ? VERIFY_WRONG : VERIFY_GOOD;
}

/* The agent knows best what of it still counts: it steps over the damage by itself. */
static int repair(struct verify *v)
{
    (void)v;
    return 0;
}

const struct verify_part verify_spool = {look, repair};
