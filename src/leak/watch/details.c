#include "leak/watch/details.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "leak/explain/explain.h"
#include "leak/watch/sites.h"
#include "leak/watch/targets.h"

#define REMEMBERED HOUR

static void write_suspects(struct leakwatch *w, struct doc *d, const struct names *names, int64_t now)
{
    doc_array(d, "suspects");
    for (unsigned i = 0; i < w->n_suspects; i++)
        site_write_birth(d, NULL, &w->suspects[i].birth, names, now);
    doc_array_end(d);
}

static void write_oldest(struct doc *d, const struct sites *sites, const struct names *names, int64_t now)
{
    doc_array(d, "oldest");
    for (unsigned i = 0; i < sites->n_oldest; i++)
        site_write_birth(d, NULL, &sites->oldest[i], names, now);
    doc_array_end(d);
}

/* One for each kind of series, the last one: an alert about descriptors does not take away what one about memory is explained by. */
static void save_heap(struct leakwatch *w, struct doc *d, const char *kind)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/leak-heap-%s.pb.gz", w->settings.profiles ? w->settings.profiles : "", kind);
    if (w->settings.profiles && explain_save_heap(&w->scope, path) == 0)
        doc_string(d, "heap_profile", path);
}

static void write_details(struct leakwatch *w, const struct alert *a, const struct sites *sites, const struct names *names)
{
    char kind[SERIES_NAME];
    struct doc d = {.out = &w->details};
    int64_t now = clock_mono();
    if (a->has_birth)
        site_write_birth(&d, "born", &a->birth, names, now);
    if (a->section == SERIES_OF_TASKS) {
        write_suspects(w, &d, names, now);
        write_oldest(&d, sites, names, now);
    }
    doc_time(&d, "grown_since", leakwatch_real(sites->grown_since));
    sites_write(&d, "stacks", sites, names, now);
    sites_write_holders(&d, "held_by", sites);
    if (strcmp(alert_kind(a, kind), "fds") == 0)
        targets_write(&d, "descriptors", &w->open, &w->scope);
    save_heap(w, &d, kind);
    if (w->details.failed)
        buf_clear(&w->details);
}

static const struct footprint *earlier(const struct leakwatch *w)
{
    const struct footprint *f = w->footprints;
    return f[1].taken && (!f[0].taken || f[1].taken < f[0].taken) ? &f[1] : &f[0];
}

enum details_site details_site(struct leakwatch *w, const char *series, struct birth_info *birth)
{
    struct sites sites;
    if (sites_gather(&sites, &w->scope, series, &w->tally, earlier(w)) < 0)
        return SITE_NONE;
    bool any = sites.n, grown = any && (!sites.grown_since || sites.list[0].grown);
    if (any)
        *birth = sites.list[0].first;
    sites_end(&sites);
    return grown ? SITE_GROWN : any ? SITE_LARGEST : SITE_NONE;
}

void details_gather(struct leakwatch *w, struct alert *a)
{
    bool all = !w->settings.foreign; /* else only born_at is told */
    struct sites sites = {0};
    struct lines lines;
    struct census census;
    struct names names = {.foreign = w->settings.foreign};
    if (!all && !a->has_birth)
        return;
    if (all && sites_gather(&sites, &w->scope, a->series, &w->tally, earlier(w)) < 0)
        return;
    if (sites_look_up(&lines, &w->scope, a->has_birth ? &a->birth : NULL, &sites, w->loop.wake.n) == 0)
        names.lines = &lines;
    if (a->has_birth && names.lines && lines.resolved) {
        leakwatch_lock(w); /* others read it */
        site_text(&a->birth, &names, 1, a->born_at, sizeof a->born_at);
        leakwatch_unlock(w);
    }
    if (all) {
        if (census_take(&census))
            names.owners = &census;
        write_details(w, a, &sites, &names);
        census_drop(&census);
    }
    if (names.lines)
        lines_end(&lines);
    sites_end(&sites);
}

void details_remember(struct leakwatch *w, int64_t now)
{
    struct footprint *f = w->footprints;
    if (!f[0].taken)
        footprint_take(&f[0], now);
    else if (now - (f[0].taken > f[1].taken ? f[0].taken : f[1].taken) >= REMEMBERED)
        footprint_take(f[0].taken > f[1].taken ? &f[1] : &f[0], now);
}
