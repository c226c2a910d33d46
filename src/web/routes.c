#include "web/routes.h"

#include <string.h>

#include "web/host.h"

static void index_answer(struct web *w, struct request *q);
static void config_answer(struct web *w, struct request *q);
static void pprof_answer(struct web *w, struct request *q);

static const struct route routes[] = {
    {"/", ROUTE_GET, "the page, for a browser", page_answer},
    {"/page/*", ROUTE_GET, "its files", asset_answer},
    {"/help", ROUTE_GET, "this list", index_answer},
    {"/health", ROUTE_GET | ROUTE_OPEN, "how it is: healthy, degraded (200), unhealthy (503)", health_answer},
    {"/livez", ROUTE_GET | ROUTE_OPEN, "for liveness probes: 503 when a thread hangs so that only a new process helps, else 200", livez_answer},
    {"/ready", ROUTE_GET | ROUTE_OPEN, "whether everything has started (200 or 503)", ready_answer},
    {"/stats", ROUTE_GET, "sinks, memory, threads, log", stats_answer},
    {"/live", ROUTE_GET, "the same and more once a second, as server-sent events", live_answer},
    {"/tail", ROUTE_GET, "lines as they pass, as server-sent events; ?sources=NAMES, one a line&text= or regex=&case=1&limit=LINES_A_SECOND", tail_answer},
    {"/sources", ROUTE_GET, "each source with its ledger; ?limit=N&offset=N&q=PART_OF_NAME", sources_answer},
    {"/containers", ROUTE_GET, "each container with how it is read, or why not; the engines; ?limit=N&offset=N&q=PART_OF_NAME_ID_OR_IMAGE", containers_answer},
    {"/positions", ROUTE_GET, "how far each source is secured at each sink; ?limit=N&offset=N", positions_answer},
    {"/tasks", ROUTE_GET, "what runs, grouped by kind and birth stack; ?full=1 for each", tasks_answer},
    {"/leaks", ROUTE_GET, "what leaks: series with verdicts, findings, suspects, alerts", leaks_answer},
    {"/leaks/history", ROUTE_GET, "a series over time; ?series=fds&from=-3600&to=&step=1|60|3600", leaks_history_answer},
    {"/goroutines/stats", ROUTE_GET, "tasks and their growth, under the predecessor's names", goroutines_stats_answer},
    {"/debug/goroutines", ROUTE_GET, "the same with memory", debug_goroutines_answer},
    {"/api/resources/metrics", ROUTE_GET, "the same with descriptors", resource_metrics_answer},
    {"/debug/pprof/*", ROUTE_GET, "profiles of itself, for go tool pprof; without a name: which there are", pprof_answer},
    {"/tree", ROUTE_GET, "what is owned by whom; ?under=ID (a scope's children), ?find=TEXT, ?id=ID (one, with its stack)", tree_answer},
    {"/why", ROUTE_GET, "why a file or a container is or is not read; ?path=/var/log/x or ?container=NAME, &format=text|json", why_answer},
    {"/config", ROUTE_GET, "the effective configuration, secrets masked", config_answer},
    {"/config/values", ROUTE_GET, "each value with its default and where it comes from", settings_answer},
    {"/config/pending", ROUTE_GET, "what a reload would change, or what is wrong with the file", pending_answer},
    {"/config/reload", ROUTE_GET | ROUTE_POST, "POST: puts the configuration file in force; GET: what came of it last", reload_answer},
    {"/metrics", ROUTE_GET | ROUTE_OPEN, "for Prometheus", metrics_answer},
    {"/dlq", ROUTE_GET, "the dead letters; ?sink=&reason=&source=GLOB&older_than=24h&id=&limit=N&after=ID", dlq_answer},
    {"/dlq/stats", ROUTE_GET, "how many there are, by reason, sink and source; what was asked for", dlq_stats_answer},
    {"/dlq/reprocess", ROUTE_POST, "sends dead letters again, see below", dlq_reprocess_answer, dlq_admit},
    {"/dlq/purge", ROUTE_POST, "removes dead letters, see below", dlq_purge_answer, dlq_admit},
    {"/dlq/*", ROUTE_GET, "one of them, by its id", dlq_letter_answer},
    {"/spool/purge", ROUTE_POST, "throws away what waits on disk for a sink that is not configured; ?sink=NAME", spool_purge_answer},
    {"/api/v1/logs", ROUTE_POST, "takes entries as JSON, see below", logs_answer, logs_admit},
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static bool is_at(const struct route *r, const char *path)
{
    size_t n = strlen(r->path);
    return r->path[n - 1] == '*' ? strncmp(r->path, path, n - 1) == 0 : strcmp(r->path, path) == 0;
}

const struct route *route_find(const char *path, enum web_listener listener, const char *metrics_path)
{
    if (strcmp(path, metrics_path) == 0)
        path = "/metrics";
    for (int i = 0; i < ROUTES; i++) {
        const struct route *r = &routes[i];
        bool measured = r->answer == metrics_answer || r->answer == health_answer;
        bool shown = listener == WEB_ALL || r->answer == pprof_answer || (listener == WEB_METRICS && measured);
        if (shown && is_at(r, path))
            return r;
    }
    return NULL;
}

enum route_method route_method(const char *name)
{
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0)
        return ROUTE_GET;
    return strcmp(name, "POST") == 0 ? ROUTE_POST : 0;
}

/* false: it comes from a page that has no business here, and is answered. */
static bool comes_from_here(struct web *w, struct request *q, bool open)
{
    const struct own_names own = {w->own_names, &w->context->config->server.allowed_hosts};
    const char *host = request_header(q, "Host"), *origin = request_header(q, "Origin");
    if (host && !host_allowed(host, &own) && !(open && !q->listener->loopback)) {
        request_fail(q, 403, "not for host %s: ask for localhost, an address or the machine's name, or add it to server.allowed_hosts",
                     host);
        return false;
    }
    if (route_method(q->method) == ROUTE_GET)
        return true;
    const char *site = request_header(q, "Sec-Fetch-Site");
    if ((origin && !origin_allowed(origin, host, &own)) || (site && !origin && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)) {
        request_fail(q, 403, "not from the page at %s", origin ? origin : "another site");
        return false;
    }
    return true;
}

/* false: who asks has not said who it is, and is answered. */
static bool may_ask(struct web *w, struct request *q)
{
    if (auth_is_configured(&w->context->config->server)) {
        if (auth_allows(&w->auth, request_header(q, "Authorization")))
            return true;
        atomic_fetch_add(&w->server.unauthorized, 1);
        q->challenge = "Basic realm=\"logcap\", charset=\"UTF-8\"";
        request_fail(q, 401, "say who you are: the header `Authorization: Bearer TOKEN` (server.token), or a user name and password");
        return false;
    }
    if (q->listener->loopback)
        return true;
    atomic_fetch_add(&w->server.unauthorized, 1);
    request_fail(q, 403, "on an address that other machines reach only /metrics, /health, /livez and /ready answer, until server.token "
                         "or server.password is set");
    return false;
}

static struct web *web_of(struct request *q)
{
    return q->listener->server->config.arg;
}

static const struct route *route_of(struct web *w, struct request *q)
{
    return route_find(q->path, q->listener->tag, w->context->config->metrics.path);
}

void routes_admit(struct request *q)
{
    struct web *w = web_of(q);
    const struct route *r = route_of(w, q);
    bool open = r && r->methods & ROUTE_OPEN;
    if (!comes_from_here(w, q, open) || (!open && !may_ask(w, q)))
        return;
    if (!r) {
        if (q->listener->tag == WEB_ALL)
            request_fail(q, 404, "no such path: %s; GET /help lists them", q->path);
        else if (q->listener->tag == WEB_METRICS)
            request_fail(q, 404, "no such path: %s; here are only %s, /health and /debug/pprof/", q->path,
                         w->context->config->metrics.path);
        else
            request_fail(q, 404, "no such path: %s; here is only /debug/pprof/", q->path);
    } else if (!(route_method(q->method) & r->methods)) {
        unsigned methods = r->methods & (ROUTE_GET | ROUTE_POST);
        q->allow = methods == ROUTE_POST ? "POST" : methods == ROUTE_GET ? "GET, HEAD" : "GET, HEAD, POST";
        request_fail(q, 405, "%s takes %s", r->path, q->allow);
    } else if (r->admit) {
        r->admit(w, q);
    }
}

void routes_answer(struct request *q)
{
    struct web *w = web_of(q);
    q->status = 200;
    q->content_type = "application/json";
    route_of(w, q)->answer(w, q);
    /* So that a terminal's prompt begins a line of its own. */
    if (!q->more && q->out.len && q->out.data[q->out.len - 1] != '\n')
        buf_puts(&q->out, "\n");
}

static const char logs_usage[] =
    "\nPOST /api/v1/logs takes one entry, an array of them, or {\"entries\": [...]}:\n\n"
    "  {\"message\": \"disk is full\", \"level\": \"error\", \"timestamp\": \"2026-11-21T03:54:00Z\",\n"
    "   \"source_type\": \"cron\", \"source_id\": \"backup\", \"labels\": {\"unit\": \"backup.service\"}}\n\n"
    "message must be there; keys that are not known are passed over, and the answer counts them (unknown_keys).\n"
    "A timestamp may also be an integer since the epoch: seconds, or with 3, 6 or 9 digits more. A request is\n"
    "taken whole (202) or not at all: 400 says where it is wrong, 413 that it is too large, 429 that there is\n"
    "no room or api.rate is used up (Retry-After says for how long).\n"
    "Entries live in memory until they are delivered. Those that a sink does not have when logcap has to end are\n"
    "kept in the disk buffer if that sink uses it (disk_buffer), else dropped and counted, with the reason `shutdown`.\n"
    "\nPOST /dlq/reprocess and /dlq/purge take which letters are meant; all that is said must hold:\n\n"
    "  {\"sink\": \"loki\", \"reason\": \"too_old\", \"source\": \"/var/log/nginx/*\", \"older_than\": \"24h\", \"ids\": [7, 9],\n"
    "   \"dry_run\": true}\n\n"
    "Nothing is all of them (a purge wants {\"all\": true} then). The answer is 202 with how many that are now, and the\n"
    "number of a job; /dlq/stats says what became of it.\n";

static void index_answer(struct web *w, struct request *q)
{
    q->content_type = "text/plain; charset=utf-8";
    buf_puts(&q->out, "logcap " LOGCAP_VERSION "\n\n");
    for (int i = 0; i < ROUTES; i++)
        buf_printf(&q->out, "%-5s %-15s %s\n", routes[i].methods == ROUTE_POST ? "POST" : "GET",
                   routes[i].path, routes[i].says);
    buf_puts(&q->out, logs_usage);
}

static void config_answer(struct web *w, struct request *q)
{
    if (w->context->print_config(w->context->config, &q->out) < 0)
        request_fail(q, 500, "the configuration cannot be printed");
}

static void pprof_answer(struct web *w, struct request *q)
{
    if (w->context->config->profiling.enabled)
        explainers_answer(&w->explainers, q);
    else
        request_fail(q, 404, "observability.profiling.enabled is false");
}
