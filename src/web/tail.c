#include "web/tail.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json.h"
#include "core/tap.h"
#include "web/filter.h"
#include "web/routes.h"

enum { LINES_A_SECOND = 500, LINES_MOST = 5000, NAMES = 64, CHOSEN_BYTES = 4096 };
#define LOOK (100 * MILLISECOND)

/* One who watches. */
struct watcher {
    struct feed feed; /* first */
    struct tail *tail;
    struct filter filter;
    char chosen[CHOSEN_BYTES]; /* what `patterns` point into */
    const char *patterns[TAP_PATTERNS];
    unsigned n_patterns;
    uint64_t each; /* lines a look */
    /* since the last event */
    struct buf lines;
    uint64_t n_lines, passed, missed, left_out;
    char last[TAP_NAME + 1]; /* the name that was looked at last */
    bool last_chosen;
    char names[NAMES][TAP_NAME + 1];
    unsigned n_names;
    int64_t sent; /* clock_mono() */
};

/* ---- a look ---- */

/* The index of the source's name; -1: there are too many in one event. */
static int name_of(struct watcher *w, const char *name, uint16_t n)
{
    for (unsigned i = 0; i < w->n_names; i++)
        if (strncmp(w->names[i], name, n) == 0 && !w->names[i][n])
            return (int)i;
    if (w->n_names == NAMES)
        return -1;
    memcpy(w->names[w->n_names], name, n);
    w->names[w->n_names][n] = 0;
    return (int)w->n_names++;
}

/* Lines of one source mostly follow each other. */
static bool is_chosen(struct watcher *w, const struct tapped *r)
{
    if (strncmp(w->last, tapped_name(r), r->name_n) != 0 || w->last[r->name_n]) {
        memcpy(w->last, tapped_name(r), r->name_n);
        w->last[r->name_n] = 0;
        w->last_chosen = tap_wants(w->patterns, w->n_patterns, w->last);
    }
    return w->last_chosen;
}

static void look_at(struct watcher *w, const struct tapped *r)
{
    if (!is_chosen(w, r))
        return;
    w->passed++;
    if (!filter_takes(&w->filter, tapped_text(r), r->n))
        return;
    int source = w->n_lines < w->each ? name_of(w, tapped_name(r), r->name_n) : -1;
    if (source < 0 || w->lines.failed) {
        w->left_out++;
        return;
    }
    struct doc d = {.out = &w->lines, .follows = w->n_lines++ > 0};
    doc_array(&d, NULL);
    doc_int(&d, NULL, r->time / MILLISECOND);
    doc_int(&d, NULL, source);
    buf_puts(&w->lines, ",");
    json_add_string(&w->lines, tapped_text(r), r->n);
    doc_uint(&d, NULL, r->whole - r->n);
    doc_array_end(&d);
}

static void forget(struct watcher *w)
{
    buf_clear(&w->lines);
    w->n_lines = w->passed = w->missed = w->left_out = w->n_names = 0;
}

static void write_event(struct watcher *w, struct buf *out)
{
    struct doc d = {.out = out};
    doc_object(&d, NULL);
    doc_int(&d, "at", clock_real() / MILLISECOND);
    doc_array(&d, "sources");
    for (unsigned i = 0; i < w->n_names; i++)
        doc_string(&d, NULL, w->names[i]);
    doc_array_end(&d);
    doc_array(&d, "lines");
    if (w->lines.len)
        buf_add(out, w->lines.data, w->lines.len);
    doc_array_end(&d);
    doc_uint(&d, "passed", w->passed);
    doc_uint(&d, "missed", w->missed);
    doc_uint(&d, "left_out", w->left_out);
    doc_uint(&d, "gave_up", w->filter.gave_up);
    doc_object_end(&d);
}

static void send_event(struct watcher *w, struct buf *scratch)
{
    int64_t now = clock_mono();
    if ((!w->n_lines && now - w->sent < SECOND) || !feed_is_free(&w->feed))
        return;
    buf_clear(scratch);
    write_event(w, scratch);
    if (!scratch->failed)
        feed_send(&w->feed, "lines", scratch->data, scratch->len);
    w->sent = now;
    forget(w);
}

static void ticked(struct timer *timer)
{
    struct tail *t = container_of(timer, struct tail, tick);
    struct tap_counts counts;
    struct buf scratch;
    uint32_t n;
    if (!t->first)
        return;
    timer_set(&t->tick, LOOK);
    if (buf_begin(&scratch, &t->scope, "tail event", FEED_BYTES) < 0)
        return;
    const char *data = tap_take(t->web->context->tap, &n, &counts);
    for (struct feed *f = t->first; f; f = f->next) {
        struct watcher *w = container_of(f, struct watcher, feed);
        uint32_t at = 0;
        for (const struct tapped *r; (r = tap_next(data, n, &at));)
            look_at(w, r);
        /* Of which of the chosen sources those were nobody knows when several watch. */
        w->passed += counts.missed;
        w->missed += counts.missed;
        send_event(w, &scratch);
    }
    buf_end(&scratch);
}

/* ---- who watches ---- */

/* What any of them wants; all if one wants all, or if there are more patterns than the tap takes. */
static void select_for_all(struct tail *t)
{
    const char *patterns[TAP_PATTERNS];
    unsigned n = 0;
    for (struct feed *f = t->first; f; f = f->next) {
        struct watcher *w = container_of(f, struct watcher, feed);
        if (!w->n_patterns || n + w->n_patterns > TAP_PATTERNS) {
            n = 0;
            break;
        }
        memcpy(patterns + n, w->patterns, w->n_patterns * sizeof *patterns);
        n += w->n_patterns;
    }
    tap_select(t->web->context->tap, patterns, n);
}

static void left(struct feed *f)
{
    struct watcher *w = container_of(f, struct watcher, feed);
    struct tail *t = w->tail;
    t->n--;
    if (t->first) {
        select_for_all(t);
        return;
    }
    tap_close(t->web->context->tap, t->web->context->dispatcher);
    timer_clear(&t->tick);
}

/* One a line. false: it is too much. */
static bool choose(struct watcher *w, const char *sources)
{
    size_t n = strlen(sources);
    if (n >= sizeof w->chosen)
        return false;
    memcpy(w->chosen, sources, n + 1);
    for (char *save, *line = strtok_r(w->chosen, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (w->n_patterns == TAP_PATTERNS)
            return false;
        w->patterns[w->n_patterns++] = line;
    }
    return true;
}

/* NULL, or it is answered with what is wrong. */
static bool configure(struct watcher *w, struct request *q)
{
    const char *sources = request_arg(q, "sources"), *text = request_arg(q, "text"), *regex = request_arg(q, "regex");
    const char *limit = request_arg(q, "limit"), *case_matters = request_arg(q, "case");
    char why[FILTER_WHY];
    uint64_t a_second = LINES_A_SECOND;
    if (sources && !choose(w, sources)) {
        request_fail(q, 400, "sources are at most %d, in %d bytes", TAP_PATTERNS, CHOSEN_BYTES - 1);
        return false;
    }
    if (limit)
        page_number(limit, &a_second);
    w->each = (a_second < LINES_MOST ? a_second : LINES_MOST) * LOOK / SECOND;
    w->each += w->each == 0;
    int r = filter_begin(&w->filter, &q->scope, regex && *regex ? regex : text, !(regex && *regex),
                         !case_matters || strcmp(case_matters, "1") != 0, why);
    if (r == 0)
        r = buf_begin(&w->lines, &q->scope, "lines", FEED_BYTES / 2);
    if (r < 0)
        request_fail(q, r == -EINVAL ? 400 : 503, "%s", r == -EINVAL ? why : "no memory now");
    return r == 0;
}

void tail_answer(struct web *web, struct request *q)
{
    struct tail *t = &web->tail;
    bool opened = !t->first;
    if (t->n == TAIL_MOST) {
        q->retry_after = 5;
        request_fail(q, 503, "%d watch lines already, more would cost the agent too much", TAIL_MOST);
        return;
    }
    struct watcher *w = feed_begin(web, q, sizeof *w, &t->first, left);
    if (!w)
        return;
    w->tail = t;
    t->n++;
    if (opened && tap_open(web->context->tap, &t->scope, web->context->dispatcher) < 0)
        request_fail(q, 503, "no memory now");
    else if (configure(w, q)) {
        select_for_all(t);
        timer_set(&t->tick, LOOK);
        return;
    }
    feed_give_up(&w->feed);
}

int tail_begin(struct tail *t, struct scope *owner, struct loop *loop, struct web *w)
{
    t->web = w;
    int r = scope_begin(&t->scope, owner, "tail");
    return r < 0 ? r : timer_begin(&t->tick, &t->scope, loop, "look at the tap", ticked);
}
