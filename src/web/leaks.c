/*
 * What the detector says (leak/watch/leakwatch.h), as JSON.
 *
 * GET /leaks: status ("ok", or the worst severity that is on), totals, series (each with its verdict and evidence), findings (what is
 * on), suspects, alerts (newest first). docs/leaks.md has the keys.
 *
 * GET /leaks/history?series=NAME&from=&to=&step=: points of one series as [time, mean, least, most]. Times are seconds since
 * 1970; from and to below 0 are counted from now. step 1 (what is in memory, as it was measured), 60 or 3600 (state.db); without
 * it the finest that reaches back to `from`. Without from: the last fifteen minutes, day, or 31 days, as the step is. Without a
 * series: their names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "leak/watch/report.h"
#include "store/store_history.h"
#include "web/routes.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 24 * 3600, POINTS_MAX = 50000 };

static struct leakwatch *watch_of(struct web *w, struct request *q)
{
    struct leakwatch *l = w->context->leaks;
    if (!l)
        request_fail(q, 404, "nothing is watched here");
    return l;
}

/* ---- GET /leaks ---- */

void leaks_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    struct doc d = {.out = &q->out};
    struct symbols symbols;
    struct census census;
    struct names names = {.symbols = &symbols};
    int64_t now = clock_mono();
    if (!l)
        return;
    (void)symbols_begin(&symbols, &q->scope); /* without them: addresses */
    if (census_take(&census)) /* before the lock, for which the watch would have to wait */
        names.owners = &census;
    leakwatch_lock(l);
    doc_object(&d, NULL);
    doc_time(&d, "time", clock_real());
    doc_string(&d, "host", w->context->config->host);
    report_members(&d, l, &names, now);
    doc_object_end(&d);
    leakwatch_unlock(l);
    census_drop(&census);
    symbols_end(&symbols);
}

/* ---- GET /leaks/history ---- */

/* Seconds since 1970, as many as a point's time can say; below 0: before now. What is no number is as if it were not there. */
static int64_t time_arg(struct request *q, const char *name, int64_t now, int64_t otherwise)
{
    const char *text = request_arg(q, name);
    char *end;
    int64_t n = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end)
        return otherwise;
    if (n < 0)
        n += now;
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : n;
}

static int64_t step_for(int64_t from, int64_t now)
{
    return now - from <= SERIES_KEPT_S ? 1 : now - from <= 2 * DAY_S ? MINUTE_S : HOUR_S;
}

static int64_t shown_of(int64_t step)
{
    return step == HOUR_S ? 31 * DAY_S : step == MINUTE_S ? DAY_S : SERIES_KEPT_S;
}

static void write_point(struct doc *d, int64_t time, double mean, double least, double most)
{
    doc_array(d, NULL);
    doc_int(d, NULL, time);
    doc_real(d, NULL, mean);
    doc_real(d, NULL, least);
    doc_real(d, NULL, most);
    doc_array_end(d);
}

static bool write_step(const struct store_history *row, void *arg)
{
    write_point(arg, row->start, row->mean, row->least, row->most);
    return true;
}

static void write_from_memory(struct doc *d, const struct series *s, int64_t from, int64_t to)
{
    struct point points[SERIES_KEPT_S];
    unsigned n = s ? series_points(s, (uint32_t)from, (uint32_t)to, points, SERIES_KEPT_S) : 0;
    for (unsigned i = 0; i < n; i++)
        write_point(d, points[i].time, (double)points[i].value, (double)points[i].value, (double)points[i].value);
}

/* false: the reply says why. */
static bool write_from_store(struct web *w, struct request *q, struct doc *d, const char *name, int64_t step, int64_t from,
                             int64_t to)
{
    char why[256];
    int error;
    struct store *s = store_open_reader(&q->scope, w->context->config->state_dir, &error, why, sizeof why);
    if (!s) {
        request_fail(q, 503, "%s", why);
        return false;
    }
    int r = store_each_history(s, name, step, from, to, write_step, d);
    if (r < 0)
        request_fail(q, 503, "%s", store_error(s));
    store_close(s);
    return r == 0;
}

static void write_names(struct leakwatch *l, struct doc *d)
{
    doc_object(d, NULL);
    doc_array(d, "series");
    for (unsigned i = 0; i < l->series.n; i++)
        doc_string(d, NULL, l->series.list[i]->name);
    doc_array_end(d);
    doc_object_end(d);
}

void leaks_history_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    const char *name = request_arg(q, "series");
    struct doc d = {.out = &q->out};
    int64_t now = clock_real() / SECOND;
    if (!l)
        return;
    if (!name) {
        leakwatch_lock(l);
        write_names(l, &d);
        leakwatch_unlock(l);
        return;
    }
    uint64_t asked = 0;
    if (!request_number(q, "step", 0, HOUR_S, &asked))
        return;
    int64_t step = (int64_t)asked;
    int64_t from = time_arg(q, "from", now, now - shown_of(step)), to = time_arg(q, "to", now, now);
    if (!step)
        step = step_for(from, now);
    from -= from % step; /* the step that it lies in too */
    if ((step != 1 && step != MINUTE_S && step != HOUR_S) || (to - from) / step > POINTS_MAX) {
        request_fail(q, 400, "step is 1, 60 or 3600, and at most %d points are shown", POINTS_MAX);
        return;
    }
    leakwatch_lock(l);
    const struct series *s = series_find(&l->series, name);
    doc_object(&d, NULL);
    doc_string(&d, "series", name);
    doc_string(&d, "unit", s && s->bytes ? "bytes" : "count");
    doc_int(&d, "step", step);
    doc_int(&d, "from", from);
    doc_int(&d, "to", to);
    doc_array(&d, "points");
    if (step == 1)
        write_from_memory(&d, s, from, to);
    leakwatch_unlock(l);
    if (step > 1 && !write_from_store(w, q, &d, name, step, from, to))
        return;
    doc_array_end(&d);
    doc_object_end(&d);
}
