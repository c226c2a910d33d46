#include "main/commands/accounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "core/ledger_rows.h"
#include "main/commands/ask.h"

enum { PAGE = 1000, ANSWER_BYTES = 16 << 20, TRIES = 3 };

static struct accounts_row *add(struct accounts *a, const char *source, const char *key, const char *sink)
{
    struct accounts_row *row = scope_alloc(a->scope, sizeof *row);
    if (row && (!source || (row->source = scope_strdup(a->scope, source))) &&
        (!key || (row->key = scope_strdup(a->scope, key))) && (row->sink = scope_strdup(a->scope, sink))) {
        row->next = a->loaded;
        a->loaded = row;
        return row;
    }
    a->no_memory = true;
    return NULL;
}

/* ---- the agent's answer; each reader stands at its value's first token ---- */

static bool read_number(struct json *j, uint64_t *number)
{
    int64_t n;
    if (j->type != JSON_NUMBER || !json_int(j, &n) || n < 0)
        return false;
    *number = (uint64_t)n;
    return true;
}

static char *read_text(struct accounts *a, struct json *j)
{
    char *text = j->type == JSON_STRING ? scope_alloc(a->scope, j->len + 1) : NULL;
    if (text)
        text[json_unescape(j, text)] = 0;
    else
        a->no_memory |= j->type == JSON_STRING;
    return text;
}

/* The next key of an object, whose value follows; false at its end, or at an error. */
static bool next_key(struct json *j)
{
    return json_next(j) == JSON_KEY;
}

static bool read_amount(struct json *j, struct amount *amount)
{
    if (j->type != JSON_OBJECT_BEGIN)
        return false;
    while (next_key(j)) {
        uint64_t *to = json_is(j, "records") ? &amount->records : json_is(j, "bytes") ? &amount->bytes : NULL;
        if (!to)
            json_skip(j);
        else if (json_next(j), !read_number(j, to))
            return false;
    }
    return j->type == JSON_OBJECT_END;
}

static bool read_dropped(struct json *j, struct counts *counts)
{
    if (j->type != JSON_OBJECT_BEGIN)
        return false;
    while (next_key(j)) {
        int reason = 0;
        while (reason < DROP_REASONS && !json_is(j, drop_reason_name(reason)))
            reason++;
        json_next(j);
        /* A reason that is not known would not be counted: another version's agent. */
        if (reason == DROP_REASONS || !read_amount(j, &counts->dropped[reason]))
            return false;
    }
    return j->type == JSON_OBJECT_END;
}

static struct amount *amount_named(const struct json *j, struct counts *c)
{
    const struct {
        const char *name;
        struct amount *amount;
    } all[] = {{"taken", &c->taken},     {"delivered", &c->delivered}, {"in_flight", &c->in_flight},
               {"spooled", &c->spooled}, {"dead", &c->dead},           {"skipped", &c->skipped}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (json_is(j, all[i].name))
            return all[i].amount;
    return NULL;
}

static bool read_account(struct accounts *a, struct json *j)
{
    struct counts counts = {0};
    const char *sink = NULL;
    bool good = j->type == JSON_OBJECT_BEGIN;
    while (good && next_key(j)) {
        struct amount *amount = amount_named(j, &counts);
        bool is_sink = json_is(j, "sink"), is_dropped = json_is(j, "dropped");
        if (!amount && !is_sink && !is_dropped) {
            json_skip(j);
            continue;
        }
        json_next(j);
        good = amount ? read_amount(j, amount) : is_dropped ? read_dropped(j, &counts) : (sink = read_text(a, j)) != NULL;
    }
    if (!good || j->type != JSON_OBJECT_END || !sink)
        return false;
    struct accounts_row *row = add(a, NULL, NULL, sink);
    if (row) {
        row->counts = counts;
        row->live = true;
    }
    return row;
}

/* Its name may stand before its accounts or behind them. */
static bool read_source(struct accounts *a, struct json *j)
{
    struct accounts_row *before = a->loaded;
    const char *name = NULL, *key = NULL;
    bool good = j->type == JSON_OBJECT_BEGIN;
    while (good && next_key(j)) {
        bool is_name = json_is(j, "name"), is_key = json_is(j, "key");
        if (is_name || is_key) {
            json_next(j);
            good = (*(is_name ? &name : &key) = read_text(a, j)) != NULL;
        } else if (json_is(j, "sinks")) {
            good = json_next(j) == JSON_ARRAY_BEGIN;
            while (good && json_next(j) == JSON_OBJECT_BEGIN)
                good = read_account(a, j);
            good = good && j->type == JSON_ARRAY_END;
        } else {
            json_skip(j);
        }
    }
    for (struct accounts_row *row = a->loaded; row != before; row = row->next) {
        row->source = name ? name : "";
        row->key = key ? key : "";
    }
    return good && j->type == JSON_OBJECT_END && name && key;
}

int accounts_read_page(struct accounts *a, const char *json, size_t size, uint64_t *total)
{
    struct json j;
    bool good = false, has_sources = false;
    json_begin(&j, json, size);
    if (json_next(&j) == JSON_OBJECT_BEGIN) {
        good = true;
        while (good && next_key(&j)) {
            if (json_is(&j, "sources")) {
                has_sources = json_next(&j) == JSON_ARRAY_BEGIN;
                while (good && has_sources && json_next(&j) == JSON_OBJECT_BEGIN)
                    good = read_source(a, &j);
                good = good && j.type == JSON_ARRAY_END;
            } else if (json_is(&j, "total")) {
                json_next(&j);
                good = read_number(&j, total);
            } else {
                json_skip(&j);
            }
        }
    }
    return a->no_memory ? -ENOMEM : good && has_sources && j.type == JSON_OBJECT_END ? 0 : -EBADMSG;
}

/* All pages once. 1: sources came or went meanwhile, so that one may be missing. */
static int ask_pages(struct accounts *a, const struct config *c, struct buf *answer, char *error, size_t size)
{
    uint64_t first = 0, total = 0;
    char path[64];
    for (uint64_t offset = 0; offset == 0 || offset < total; offset += PAGE) {
        long status = 0;
        snprintf(path, sizeof path, "/sources?limit=%d&offset=%" PRIu64, PAGE, offset);
        buf_clear(answer);
        int r = ask_agent(a->scope, c, path, answer, &status, error, size);
        if (r == 0 && status == 200)
            r = accounts_read_page(a, answer->data, answer->len, &total);
        else if (r == 0)
            r = -EBADMSG;
        if (r == -EBADMSG && (status == 401 || status == 403))
            snprintf(error, size, "it does not let us in (status %ld): server.token or server.password is not the running agent's",
                     status);
        else if (r == -EBADMSG)
            snprintf(error, size, "what answers there (status %ld) is no agent of this version", status);
        if (r < 0)
            return r;
        if (offset == 0)
            first = total;
    }
    return total != first;
}

int accounts_ask(struct accounts *a, const struct config *c, char *error, size_t size)
{
    struct accounts_row *before = a->loaded;
    struct buf answer;
    int r = buf_begin(&answer, a->scope, "answer", ANSWER_BYTES);
    if (r < 0)
        return -ENOMEM;
    r = 1;
    for (int i = 0; i < TRIES && r == 1; i++) {
        a->loaded = before;
        r = ask_pages(a, c, &answer, error, size);
    }
    buf_end(&answer);
    return r < 0 ? r : 0;
}

/* ---- the store ---- */

struct names {
    struct names *next;
    const char *key, *name;
};

struct loading {
    struct accounts *accounts;
    struct names **slots;
    size_t mask, n;
    struct names *all;
};

static bool add_name(const struct store_source *row, void *arg)
{
    struct loading *l = arg;
    struct names *n = scope_alloc(l->accounts->scope, sizeof *n);
    if (!n || !(n->key = scope_strdup(l->accounts->scope, row->key)) ||
        !(n->name = scope_strdup(l->accounts->scope, row->name))) {
        l->accounts->no_memory = true;
        return false;
    }
    n->next = l->all;
    l->all = n;
    l->n++;
    return true;
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct names *const *)a)->key, (*(struct names *const *)b)->key);
}

static const char *name_of(const struct loading *l, const char *key)
{
    const struct names wanted = {.key = key}, *at = &wanted;
    struct names **found = l->n ? bsearch(&at, l->slots, l->n, sizeof *l->slots, by_key) : NULL;
    return found ? (*found)->name : key;
}

static bool add_ledger(const struct store_ledger *row, void *arg)
{
    struct loading *l = arg;
    struct accounts_row *to = add(l->accounts, name_of(l, row->source_key), row->source_key, row->sink);
    if (to)
        counts_from_row(&to->counts, row->counters);
    return to;
}

static int load(struct loading *l, struct store *s)
{
    struct accounts *a = l->accounts;
    int r = store_each_source(s, add_name, l);
    if (r == 0 && !a->no_memory && (l->slots = scope_alloc(a->scope, (l->n + 1) * sizeof *l->slots))) {
        size_t i = 0;
        for (struct names *n = l->all; n; n = n->next)
            l->slots[i++] = n;
        qsort(l->slots, l->n, sizeof *l->slots, by_key);
        r = store_each_ledger(s, add_ledger, l);
    }
    return a->no_memory || (r == 0 && !l->slots) ? -ENOMEM : r;
}

int accounts_load(struct accounts *a, const char *state_dir, char *error, size_t size)
{
    struct loading l = {.accounts = a};
    int r;
    struct store *s = store_open_reader(a->scope, state_dir, &r, error, size);
    if (!s)
        return r;
    r = load(&l, s);
    if (r < 0)
        snprintf(error, size, "%s", r == -ENOMEM ? "out of memory" : store_error(s));
    store_close(s);
    return r;
}

/* ---- both ---- */

static int by_account(const void *a, const void *b)
{
    const struct accounts_row *x = *(struct accounts_row *const *)a, *y = *(struct accounts_row *const *)b;
    int r = strcmp(x->key, y->key);
    if (r == 0)
        r = strcmp(x->sink, y->sink);
    return r ? r : y->live - x->live;
}

static int by_name(const void *a, const void *b)
{
    const struct accounts_row *x = *(struct accounts_row *const *)a, *y = *(struct accounts_row *const *)b;
    int r = strcmp(x->source, y->source);
    return r ? r : by_account(a, b);
}

int accounts_sort(struct accounts *a)
{
    size_t n = 0, kept = 0;
    for (struct accounts_row *row = a->loaded; row; row = row->next)
        n++;
    struct accounts_row **rows = scope_alloc(a->scope, (n + 1) * sizeof *rows);
    if (!rows)
        return -ENOMEM;
    n = 0;
    for (struct accounts_row *row = a->loaded; row; row = row->next)
        rows[n++] = row;
    qsort(rows, n, sizeof *rows, by_account);
    for (size_t i = 0; i < n; i++) {
        const struct accounts_row *last = kept ? rows[kept - 1] : NULL;
        if (!last || strcmp(last->key, rows[i]->key) != 0 || strcmp(last->sink, rows[i]->sink) != 0)
            rows[kept++] = rows[i];
    }
    qsort(rows, kept, sizeof *rows, by_name);
    a->rows = rows;
    a->n = kept;
    return 0;
}
