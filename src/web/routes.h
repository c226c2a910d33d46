/*
 * routes: which path is answered by whom. Each answer stands in a file of its own, named after its noun.
 */
#pragma once

#include "codec/doc.h"
#include "web/query.h"
#include "web/shown.h"
#include "web/web.h"

enum route_method { ROUTE_GET = 1, ROUTE_POST = 2 };
enum { ROUTE_OPEN = 4 }; /* beside the methods: it is answered without a token and to whoever asks under any name, for probes */

struct route {
    const char *path; /* one that ends in '*': whatever begins so, and is no other */
    unsigned methods; /* enum route_method, ROUTE_OPEN */
    const char *says; /* for the index */
    void (*answer)(struct web *w, struct request *q);
    void (*admit)(struct web *w, struct request *q); /* before the body; NULL: none is taken */
};

/* NULL: no such path for this listener. `metrics_path` is the configured one. */
const struct route *route_find(const char *path, enum web_listener listener, const char *metrics_path);
/* HEAD is GET. 0: some other method. */
enum route_method route_method(const char *name);
void routes_admit(struct request *q);
void routes_answer(struct request *q);

void page_answer(struct web *w, struct request *q);
void asset_answer(struct web *w, struct request *q);
void live_answer(struct web *w, struct request *q);
void tail_answer(struct web *w, struct request *q);
void health_answer(struct web *w, struct request *q);
void livez_answer(struct web *w, struct request *q);
void ready_answer(struct web *w, struct request *q);
void stats_answer(struct web *w, struct request *q);
void positions_answer(struct web *w, struct request *q);
void sources_answer(struct web *w, struct request *q);
void tree_answer(struct web *w, struct request *q);
void settings_answer(struct web *w, struct request *q);
void pending_answer(struct web *w, struct request *q);
void tasks_answer(struct web *w, struct request *q);
void leaks_answer(struct web *w, struct request *q);
void leaks_history_answer(struct web *w, struct request *q);
void goroutines_stats_answer(struct web *w, struct request *q);
void debug_goroutines_answer(struct web *w, struct request *q);
void resource_metrics_answer(struct web *w, struct request *q);
void containers_answer(struct web *w, struct request *q);
struct containers_stats;
/* Members of the object at hand. */
void containers_stats_write(struct doc *d, const struct containers_stats *s);
void why_answer(struct web *w, struct request *q);
void reload_answer(struct web *w, struct request *q);
void spool_purge_answer(struct web *w, struct request *q);
void metrics_answer(struct web *w, struct request *q);
void dlq_stats_answer(struct web *w, struct request *q);
void dlq_answer(struct web *w, struct request *q);
void dlq_letter_answer(struct web *w, struct request *q);
void dlq_admit(struct web *w, struct request *q);
void dlq_reprocess_answer(struct web *w, struct request *q);
void dlq_purge_answer(struct web *w, struct request *q);
void logs_admit(struct web *w, struct request *q);
void logs_answer(struct web *w, struct request *q);


/* The members of what /stats and /health answer. health_write(): false when it is unhealthy. */
void stats_write(struct doc *d, struct web *w, struct scope *scratch);
bool health_write(struct doc *d, struct web *w, struct scope *scratch);
