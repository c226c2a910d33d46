#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger_rows.h"
#include "main/commands/verify.h"
#include "store/store_verify.h"

struct sums {
    uint64_t taken, delivered, spooled, dead, dropped, skipped, wrong;
};

static bool add_row(const struct store_ledger *row, void *arg)
{
    struct sums *s = arg;
    struct counts c;
    char why[200];
    counts_from_row(&c, row->counters);
    s->taken += c.taken.records;
    s->delivered += c.delivered.records;
    s->spooled += c.spooled.records;
    s->dead += c.dead.records;
    s->skipped += c.skipped.records;
    for (int i = 0; i < DROP_REASONS; i++)
        s->dropped += c.dropped[i].records;
    s->wrong += !counts_check(&c, why, sizeof why);
    return true;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static enum verify_outcome show_part(const char *name, const struct store_part *p)
{
    static const char *const words[] = {"good", "none yet", "DAMAGED", "CANNOT BE READ"};
    printf("%s: %s", name, words[p->state]);
    if (p->counted)
        printf(": %" PRIu64 " source%s, %" PRIu64 " position%s, %" PRIu64 " file%s written", p->sources, plural(p->sources),
               p->positions, plural(p->positions), p->files, plural(p->files));
    if (p->why[0] && p->state != STORE_NONE)
        printf(": %s", p->why);
    putchar('\n');
    return p->state == STORE_DAMAGED ? VERIFY_DAMAGED : p->state == STORE_UNKNOWN ? VERIFY_WRONG : VERIFY_GOOD;
}

static enum verify_outcome show_ledger(const struct store_part *p, const struct sums *sum)
{
    if (!p->counted)
        return VERIFY_GOOD;
    printf("state.db: ledger: %" PRIu64 " account%s: %" PRIu64 " record%s read: %" PRIu64 " delivered, %" PRIu64 " skipped, "
           "%" PRIu64 " spooled, %" PRIu64 " dead, %" PRIu64 " dropped", p->ledger, plural(p->ledger),
           sum->taken + sum->skipped, plural(sum->taken + sum->skipped), sum->delivered,
           sum->skipped, sum->spooled, sum->dead, sum->dropped);
    if (sum->wrong)
        printf("; %" PRIu64 " DO NOT ADD UP: logcap ledger shows which\n", sum->wrong);
    else
        printf("; it adds up\n");
    return sum->wrong ? VERIFY_WRONG : VERIFY_GOOD;
}

static enum verify_outcome worse(enum verify_outcome a, enum verify_outcome b)
{
    return a > b ? a : b;
}

static enum verify_outcome look(struct verify *v)
{
    struct store_report report;
    struct sums sums = {0};
    int r = store_verify(v->scope, v->state_dir, &report, add_row, &sums);
    if (r < 0) {
        fprintf(stderr, "logcap: cannot look into %s: %s\n", v->state_dir, strerror(-r));
        return VERIFY_WRONG;
    }
    enum verify_outcome database = show_part("state.db", &report.database);
    enum verify_outcome ledger = show_ledger(&report.database, &sums);
    enum verify_outcome fallback = show_part("positions (the fallback file)", &report.fallback);
    if (report.set_aside)
        printf("state.db.broken-*: %u damaged database%s set aside earlier; not needed any more\n", report.set_aside,
               report.set_aside == 1 ? " was" : "s were");
    /* What can be repaired is, whatever else is wrong. */
    if (database == VERIFY_DAMAGED || fallback == VERIFY_DAMAGED)
        return VERIFY_DAMAGED;
    return worse(worse(database, ledger), fallback);
}

static int repair(struct verify *v)
{
    return store_repair(v->scope, v->state_dir);
}

const struct verify_part verify_store = {look, repair};
