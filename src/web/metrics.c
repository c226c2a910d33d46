/*
 * Prometheus' text format, version 0.0.4. No series for a single source, whatever is read, but for containers: theirs end with
 * them, and beyond CONTAINER_SERIES there are none. Counters count since this start.
 */
#include <inttypes.h>

#include "base/census.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/letters/letters.h"
#include "in/containers/containers.h"
#include "in/files/files.h"
#include "leak/watch/hung.h"
#include "net/http_library.h"
#include "web/families.h"
#include "web/leaks_metrics.h"
#include "web/process.h"
#include "web/routes.h"

enum { CONTAINER_SERIES = 2000 };

struct by_kind {
    uint64_t sources[4], failed[4];
    uint64_t lag[4];
};

static void add_source(struct source *s, void *arg)
{
    struct by_kind *t = arg;
    uint64_t offset = s->offset, size = s->size;
    t->sources[s->kind]++;
    t->failed[s->kind] += s->state == SOURCE_FAILED;
    t->lag[s->kind] += size > offset ? size - offset : 0;
}

static void write_sources(struct buf *out)
{
    struct by_kind live = {0};
    struct source_totals totals[4];
    sources_walk(add_source, &live);
    for (int k = 0; k < 4; k++)
        sources_totals(k, &totals[k]);
#define EACH_KIND(name, type, help, value)                                  \
    do {                                                                    \
        family(out, name, type, help);                                      \
        for (int k = 0; k < 4; k++)                                         \
            labelled(out, name, "kind", source_kind_name(k), (double)value); \
    } while (0)
    EACH_KIND("logcap_sources", "gauge", "Sources that are known.", live.sources[k]);
    EACH_KIND("logcap_sources_failed", "gauge", "Sources that cannot be read now.", live.failed[k]);
    EACH_KIND("logcap_source_lag_bytes", "gauge", "Bytes that are not read yet.", live.lag[k]);
    EACH_KIND("logcap_read_records_total", "counter", "Records read.", totals[k].read_records);
    EACH_KIND("logcap_read_bytes_total", "counter", "Bytes of records read.", totals[k].read_bytes);
    EACH_KIND("logcap_cut_bytes_total", "counter", "Bytes left out of lines that were too long.", totals[k].cut_bytes);
    EACH_KIND("logcap_lost_by_rotator_bytes_total", "counter", "Bytes that rotation destroyed before they were read.",
              totals[k].lost_by_rotator);
    EACH_KIND("logcap_rotations_total", "counter", "Rotations seen.", totals[k].rotations);
    EACH_KIND("logcap_truncations_total", "counter", "Truncations seen.", totals[k].truncations);
#undef EACH_KIND
}

static void write_sinks(struct buf *out, const struct web_context *c)
{
    struct counts counts[SINKS_MAX];
    for (unsigned i = 0; i < c->n_sinks; i++)
        book_totals(&c->sinks[i]->book, &counts[i]);
#define EACH_SINK(family_name, type, help, value)                                       \
    do {                                                                         \
        family(out, family_name, type, help);                                    \
        for (unsigned i = 0; i < c->n_sinks; i++)                                \
            labelled(out, family_name, "sink", c->sinks[i]->name, (double)(value)); \
    } while (0)
#define STAT(field) c->sinks[i]->stats.field
    EACH_SINK("logcap_sink_queue_bytes", "gauge", "Memory of batches leased to the sink.", c->sinks[i]->held);
    EACH_SINK("logcap_sink_queue_limit_bytes", "gauge", "Beyond this the disk buffer takes what follows, or the readers wait.", sink_limit(c->sinks[i]));
    EACH_SINK("logcap_sink_failing", "gauge", "1 while the sink cannot deliver.", STAT(failing));
    EACH_SINK("logcap_sink_taken_records_total", "counter", "Records given to the sink.", counts[i].taken.records);
    EACH_SINK("logcap_sink_delivered_records_total", "counter", "Records acknowledged.", counts[i].delivered.records);
    EACH_SINK("logcap_sink_delivered_bytes_total", "counter", "Bytes of records acknowledged.", counts[i].delivered.bytes);
    EACH_SINK("logcap_sink_in_flight_records", "gauge", "Records not acknowledged yet.", counts[i].in_flight.records);
    EACH_SINK("logcap_sink_requests_total", "counter", "Requests sent.", STAT(requests));
    EACH_SINK("logcap_sink_request_errors_total", "counter", "Requests that failed.", STAT(request_errors));
    EACH_SINK("logcap_sink_retries_total", "counter", "Requests sent again.", STAT(retries));
    EACH_SINK("logcap_sink_sent_bytes_total", "counter", "Bytes sent, as encoded.", STAT(bytes_out));
    EACH_SINK("logcap_sink_last_success_timestamp_seconds", "gauge", "When it last delivered; 0: never.",
              (double)STAT(last_success) / SECOND);
    EACH_SINK("logcap_sink_forgotten_lines_total", "counter",
              "Lines forgotten within their window by deduplicate.max_lines, which may come twice by that.", STAT(forgotten_lines));
#undef STAT
#undef EACH_SINK
    family(out, "logcap_sink_dropped_records_total", "counter", "Records the sink will never have, by reason.");
    for (unsigned i = 0; i < c->n_sinks; i++)
        for (int r = 0; r < DROP_REASONS; r++) {
            buf_puts(out, "logcap_sink_dropped_records_total{sink=\"");
            escaped(out, c->sinks[i]->name);
            buf_printf(out, "\",reason=\"%s\"} %" PRIu64 "\n", drop_reason_name(r), counts[i].dropped[r].records);
        }
    family(out, "logcap_sink_request_duration_seconds", "summary", "Time a request took.");
    for (unsigned i = 0; i < c->n_sinks; i++) {
        struct sink_stats *t = &c->sinks[i]->stats;
        labelled(out, "logcap_sink_request_duration_seconds_sum", "sink", c->sinks[i]->name, (double)t->latency_us_sum / 1e6);
        labelled(out, "logcap_sink_request_duration_seconds_count", "sink", c->sinks[i]->name, (double)t->latency_count);
    }
}

static void write_samples(struct buf *out, const struct sink_metric *m, struct sink *s)
{
    const char *label = NULL;
    char text[NUMBER_TEXT];
    double value;
    for (unsigned n = 0; m->sample(s, n, &label, &value); n++) {
        buf_printf(out, "%s{sink=\"", m->name);
        escaped(out, s->name);
        if (m->label) {
            buf_printf(out, "\",%s=\"", m->label);
            escaped(out, label);
        }
        buf_printf(out, "\"} %s\n", number_text(value, text));
    }
}

/* What only one type has: a family stands together, so all sinks of the type are gone through for each. */
static void write_own_metrics(struct buf *out, const struct web_context *c)
{
    for (unsigned i = 0; i < c->n_sinks; i++) {
        const struct sink_type *type = c->sinks[i]->type;
        unsigned first = 0;
        while (c->sinks[first]->type != type)
            first++;
        for (const struct sink_metric *m = first == i ? type->metrics : NULL; m && m->name; m++) {
            family(out, m->name, m->kind, m->help);
            for (unsigned j = i; j < c->n_sinks; j++)
                if (c->sinks[j]->type == type && c->sinks[j]->started)
                    write_samples(out, m, c->sinks[j]);
        }
    }
}

enum { TASK_KINDS = 64 };
struct task_tally {
    const char *names[TASK_KINDS];
    uint64_t counts[TASK_KINDS];
    unsigned n;
};

static bool add_task(const struct birth_info *b, void *arg)
{
    struct task_tally *t = arg;
    unsigned i = 0;
    if (!b->task_kind)
        return true;
    while (i < t->n && t->names[i] != b->task_kind->name)
        i++;
    if (i == TASK_KINDS)
        return true;
    t->names[i] = b->task_kind->name;
    t->n += i == t->n;
    t->counts[i]++;
    return true;
}

static void write_alive(struct buf *out)
{
    struct task_tally t = {0};
    birth_walk(add_task, &t);
    family(out, "logcap_tasks", "gauge", "Tasks and threads that run, by kind.");
    for (unsigned i = 0; i < t.n; i++)
        labelled(out, "logcap_tasks", "kind", t.names[i], (double)t.counts[i]);
    family(out, "logcap_alive", "gauge", "Things in the census, by kind.");
    for (int k = BIRTH_SCOPE; k < BIRTH_KINDS; k++)
        labelled(out, "logcap_alive", "kind", birth_kind_name(k), (double)birth_count(k));
    plain(out, "logcap_tasks_refused_total", "counter", "Tasks that were refused at max_tasks.", (double)task_refused());
    plain(out, "goroutines", "gauge", "Tasks and threads that run, under the predecessor's name.", (double)task_count());
}

static void write_begun_anew(const struct task_kind *kind, uint64_t begun_anew, void *arg)
{
    if (kind->remedy == TASK_BEGUN_ANEW)
        labelled(arg, "logcap_task_restarts_total", "kind", kind->name, (double)begun_anew);
}

static void write_remedies(struct buf *out, const struct web_context *c, struct scope *scratch)
{
    const struct hung_rule rule = {c->config->task_tracking.restart_hung_after, c->started, &c->main_beat};
    family(out, "logcap_task_restarts_total", "counter", "Tasks that missed their heartbeat and were begun anew, by kind.");
    task_remedies(write_begun_anew, out);
    plain(out, "logcap_restart_due", "gauge", "1 when a thread hangs so that only a new process helps.",
          hung_look(&rule, scratch, clock_mono()).remedy == HUNG_NOW);
}

static void write_process(struct buf *out, const struct web_context *c, struct scope *scratch)
{
    struct process p;
    process_read(&p, scratch);
    family(out, "logcap_build_info", "gauge", "1, with the version.");
    labelled(out, "logcap_build_info", "version", LOGCAP_VERSION, 1);
    plain(out, "logcap_uptime_seconds", "gauge", "Since the start.", (double)(clock_mono() - c->started) / SECOND);
    plain(out, "logcap_ready", "gauge", "1 when everything has started.", c->ready);
    plain(out, "logcap_process_cpu_seconds_total", "counter", "User and system time.", p.cpu_seconds);
    plain(out, "logcap_process_resident_bytes", "gauge", "Resident memory.", (double)p.resident_bytes);
    plain(out, "logcap_process_threads", "gauge", "Kernel threads.", (double)p.threads);
    plain(out, "logcap_process_open_fds", "gauge", "Open descriptors.", (double)p.fds);
    plain(out, "logcap_process_max_fds", "gauge", "Their limit.", (double)p.fd_limit);
    plain(out, "file_descriptors_open", "gauge", "Open descriptors, under the predecessor's name.", (double)p.fds);
    plain(out, "logcap_pool_used_bytes", "gauge", "Memory reserved from the pool.", (double)c->pool->used);
    plain(out, "logcap_pool_limit_bytes", "gauge", "Beyond this the readers wait.", (double)c->pool->limit);
    plain(out, "logcap_http_library_bytes", "gauge", "What libcurl and c-ares hold for requests to servers.",
          (double)http_library_bytes());
}

static void write_api(struct buf *out, struct api *api)
{
    family(out, "logcap_api_requests_total", "counter", "Requests to POST /api/v1/logs, by what became of them.");
    for (int i = 0; i < API_OUTCOMES; i++)
        labelled(out, "logcap_api_requests_total", "outcome", api_outcome_name(i), (double)api->outcomes[i]);
}

static void with_reason(struct buf *out, const char *name, const char *sink, const char *reason, uint64_t number)
{
    buf_printf(out, "%s{sink=\"", name);
    escaped(out, sink);
    buf_printf(out, "\",reason=\"%s\"} %" PRIu64 "\n", reason, number);
}

static void write_letters(struct buf *out, const struct web_context *c)
{
    struct letter_numbers n;
    uint64_t sizes[SINKS_MAX] = {0};
    letters_numbers(c->letters, &n);
    family(out, "logcap_dead_letters", "gauge", "Entries that a sink will never take, kept until somebody looks.");
    for (unsigned s = 0; s < c->n_sinks; s++)
        for (int code = 0; code < LETTER_CODES; code++) {
            sizes[s] += n.there[c->sinks[s]->index][code].size;
            with_reason(out, "logcap_dead_letters", c->sinks[s]->name, letter_code_name(code),
                        n.there[c->sinks[s]->index][code].letters);
        }
    family(out, "logcap_dead_letters_refused_total", "counter", "Entries refused for good and kept, replayed ones too.");
    for (unsigned s = 0; s < c->n_sinks; s++)
        for (int code = 0; code < LETTER_CODES; code++)
            with_reason(out, "logcap_dead_letters_refused_total", c->sinks[s]->name, letter_code_name(code),
                        n.refused[c->sinks[s]->index][code]);
    family(out, "logcap_dead_letters_bytes", "gauge", "What they take; the limit is dead_letters.max_size.");
    for (unsigned s = 0; s < c->n_sinks; s++)
        labelled(out, "logcap_dead_letters_bytes", "sink", c->sinks[s]->name, (double)sizes[s]);
    family(out, "logcap_dead_letters_delivered_total", "counter", "Dead letters that were delivered after all.");
    for (unsigned s = 0; s < c->n_sinks; s++)
        labelled(out, "logcap_dead_letters_delivered_total", "sink", c->sinks[s]->name, (double)n.delivered[c->sinks[s]->index]);
    plain(out, "logcap_dead_letters_purged_total", "counter", "Dead letters removed by their limits or by an operator.",
          (double)n.purged);
    plain(out, "logcap_dead_letters_alert", "gauge", "1 while a limit of dead_letters.alert is passed.", n.alert);
}

static void write_spool(struct buf *out, const struct web_context *c)
{
    struct spooler *sp = c->spooler;
    plain(out, "logcap_spool_bytes", "gauge", "What the disk buffer takes on the disk.", (double)sp->bytes);
    plain(out, "logcap_spool_limit_bytes", "gauge", "disk_buffer.max_size.", (double)sp->max_size);
    plain(out, "logcap_spool_written_bytes_total", "counter", "Written to the disk buffer.", (double)sp->written);
    plain(out, "logcap_spool_syncs_total", "counter", "Syncs of the disk buffer.", (double)sp->syncs);
    plain(out, "logcap_spool_failures_total", "counter", "Writes to the disk buffer that failed.", (double)sp->failures);
    plain(out, "logcap_spool_full", "gauge", "1 while there is no room in it.", sp->full);
    family(out, "logcap_spool_records", "gauge", "Records that wait in the disk buffer.");
    for (unsigned i = 0; i < c->n_sinks; i++) {
        struct counts counts;
        book_totals(&c->sinks[i]->book, &counts);
        labelled(out, "logcap_spool_records", "sink", c->sinks[i]->name, (double)counts.spooled.records);
    }
    family(out, "logcap_spool_lagging", "gauge", "1 while what follows for the sink goes to the disk buffer.");
    for (unsigned i = 0; i < c->n_sinks; i++)
        labelled(out, "logcap_spool_lagging", "sink", c->sinks[i]->name, spooler_has_it(c->sinks[i]));
    family(out, "logcap_spool_oldest_seconds", "gauge", "How long ago the oldest record that the sink does not have yet was buffered.");
    for (unsigned i = 0; i < c->n_sinks; i++) {
        const struct spooled *p = c->sinks[i]->spooled;
        int64_t oldest = p ? atomic_load(&p->oldest) : 0;
        labelled(out, "logcap_spool_oldest_seconds", "sink", c->sinks[i]->name,
                 oldest ? (double)(clock_real() - oldest) / SECOND : 0);
    }
}

struct container_family {
    struct buf *out;
    const char *name;
    uint64_t (*number)(const struct container_view *v);
    unsigned n;
};

static void container_series(const struct container_view *v, void *arg)
{
    struct container_family *f = arg;
    if (v->gone || f->n++ >= CONTAINER_SERIES)
        return;
    buf_printf(f->out, "%s{container_id=\"%.12s\",container_name=\"", f->name, v->id);
    escaped(f->out, v->name);
    buf_printf(f->out, "\",mode=\"%s\"} %" PRIu64 "\n", v->mode, f->number(v));
}

static uint64_t container_records(const struct container_view *v)
{
    return v->records;
}

static uint64_t container_bytes(const struct container_view *v)
{
    return v->bytes;
}

static uint64_t container_reading(const struct container_view *v)
{
    return v->reading;
}

static void write_containers(struct buf *out, struct containers *m)
{
    const struct containers_stats *s = containers_stats(m);
    plain(out, "logcap_container_engines", "gauge", "Container engines that are known.", (double)s->engines);
    plain(out, "logcap_container_engines_up", "gauge", "Those that answer.", (double)s->engines_up);
    plain(out, "logcap_containers", "gauge", "Containers that are known.", (double)s->containers);
    plain(out, "logcap_containers_running", "gauge", "Those that run.", (double)s->running);
    plain(out, "logcap_containers_files", "gauge", "Those that are read from their log files.", (double)s->files);
    plain(out, "logcap_containers_streams", "gauge", "Connections that follow the engines' API.", (double)s->streams);
    plain(out, "logcap_containers_waiting", "gauge", "Containers that wait for a connection (max_connections).", (double)s->waiting);
    plain(out, "logcap_containers_ignored", "gauge", "Those that are left out.", (double)s->ignored);
    plain(out, "logcap_container_streams_opened_total", "counter", "Streams of the API that were opened.", (double)s->opened);
    plain(out, "logcap_container_stream_rotations_total", "counter", "Streams that were opened anew by rotation_interval.", (double)s->rotations);
    plain(out, "logcap_container_stream_stalls_total", "counter", "Streams that were silent while there was more.", (double)s->stalls);
    plain(out, "logcap_container_stream_failures_total", "counter", "Streams that broke.", (double)s->failures);
    plain(out, "logcap_containers_gone_before_read_total", "counter", "Containers that were removed before their log could be opened.",
          (double)s->gone_before_read);
    plain(out, "logcap_container_malformed_total", "counter", "Answers and messages of engines that made no sense.", (double)s->malformed);
    struct container_family families[] = {{out, "logcap_container_records_total", container_records, 0},
                                          {out, "logcap_container_bytes_total", container_bytes, 0},
                                          {out, "logcap_container_reading", container_reading, 0}};
    static const char *const types[] = {"counter", "counter", "gauge"};
    static const char *const says[] = {"Records read of the container.", "Their bytes.", "1 while the container is read and all is well."};
    for (int i = 0; i < 3; i++) {
        family(out, families[i].name, types[i], says[i]);
        containers_walk(m, container_series, &families[i]);
    }
}

static void write_container_logs(struct buf *out, const struct files_stats *s)
{
    plain(out, "logcap_container_log_malformed_total", "counter", "Lines of containers' log files that are not in their form: records as they are.",
          s ? (double)s->malformed : 0);
    plain(out, "logcap_container_log_torn_total", "counter",
          "Messages of containers' log files in several records, as they did not fit or were not finished.", s ? (double)s->torn : 0);
}

void metrics_answer(struct web *w, struct request *q)
{
    const struct web_context *c = w->context;
    struct buf *out = &q->out;
    static const char *const levels[] = {"debug", "info", "warn", "error"};

    q->content_type = "text/plain; version=0.0.4; charset=utf-8";
    write_process(out, c, &q->scope);
    write_alive(out);
    write_remedies(out, c, &q->scope);
    write_sources(out);
    write_sinks(out, c);
    struct containers *containers = c->containers ? c->containers() : NULL;
    if (containers)
        write_containers(out, containers);
    write_container_logs(out, c->files ? c->files() : NULL);
    write_own_metrics(out, c);
    if (c->leaks)
        leaks_metrics(out, c->leaks, "logcap");
    if (c->teller)
        teller_metrics(out, c->teller);
    if (c->letters)
        write_letters(out, c);
    if (c->keeper) {
        plain(out, "logcap_commits_total", "counter", "Commits of positions and ledgers.", (double)c->keeper->commits);
        plain(out, "logcap_commit_failures_total", "counter", "Commits that failed.", (double)c->keeper->failures);
        plain(out, "logcap_ledger_mismatches", "gauge", "Accounts and sinks whose sums do not add up, found since the start.",
              (double)c->keeper->audit.mismatches);
    }
    if (c->spooler)
        write_spool(out, c);
    plain(out, "logcap_databases_set_aside", "gauge", "Damaged databases set aside at this start.",
          (double)c->databases_set_aside);
    family(out, "logcap_log_messages_total", "counter", "logcap's own messages.");
    for (int i = 0; i < 4; i++)
        labelled(out, "logcap_log_messages_total", "level", levels[i], (double)log_count(i));
    write_api(out, &w->api);
    plain(out, "logcap_http_connections", "gauge", "Open HTTP connections.", w->server.open);
    plain(out, "logcap_http_requests_total", "counter", "HTTP requests.", (double)w->server.requests);
    plain(out, "logcap_http_turned_away_total", "counter", "HTTP connections refused, evicted or too slow.",
          (double)(w->server.refused + w->server.evicted + w->server.timed_out));
}
