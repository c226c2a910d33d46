#include "base/clock.h"
#include "base/log.h"
#include "in/files/files.h"
#include "web/process.h"
#include "web/routes.h"

static void write_sink(struct doc *d, struct sink *s, struct scope *scratch)
{
    struct counts counts;
    struct sink_stats *t = &s->stats;

    book_totals(&s->book, &counts);
    doc_object(d, NULL);
    doc_string(d, "name", s->name);
    doc_string(d, "type", s->type->name);
    sink_status_write(d, s, scratch);
    doc_uint(d, "queue_bytes", s->held);
    doc_uint(d, "queue_limit", sink_limit(s));
    doc_uint(d, "leases", s->leases);
    doc_bool(d, "lagging", spooler_has_it(s));
    doc_uint(d, "requests", t->requests);
    doc_uint(d, "request_errors", t->request_errors);
    doc_uint(d, "retries", t->retries);
    doc_uint(d, "bytes_out", t->bytes_out);
    doc_uint(d, "records_out", t->records_out);
    doc_uint(d, "rejected_records", t->rejected_records);
    doc_time(d, "last_success", t->last_success);
    doc_object(d, "since_start");
    counts_write(d, &counts);
    doc_object_end(d);
    doc_object_end(d);
}

void stats_write(struct doc *d, struct web *w, struct scope *scratch)
{
    struct web_context *c = w->context;
    struct process p;

    process_read(&p, scratch);
    doc_string(d, "version", LOGCAP_VERSION);
    doc_real(d, "uptime_seconds", (double)(clock_mono() - c->started) / SECOND);
    doc_array(d, "sinks");
    for (unsigned i = 0; i < c->n_sinks; i++)
        write_sink(d, c->sinks[i], scratch);
    doc_array_end(d);
    doc_uint(d, "sources", sources_count());
    doc_uint(d, "streams", streams_count());
    doc_object(d, "pool");
    doc_uint(d, "used_bytes", c->pool->used);
    doc_uint(d, "limit_bytes", c->pool->limit);
    doc_object_end(d);
    doc_object(d, "process");
    doc_real(d, "cpu_seconds", p.cpu_seconds);
    doc_int(d, "resident_bytes", p.resident_bytes);
    doc_int(d, "virtual_bytes", p.virtual_bytes);
    doc_int(d, "threads", p.threads);
    doc_int(d, "fds", p.fds);
    doc_int(d, "fd_limit", p.fd_limit);
    doc_uint(d, "tasks", task_count());
    doc_object_end(d);
    const struct files_stats *files = c->files ? c->files() : NULL;
    doc_object(d, "container_logs");
    doc_uint(d, "malformed", files ? files->malformed : 0);
    doc_uint(d, "torn", files ? files->torn : 0);
    doc_object_end(d);
    if (c->keeper) {
        doc_object(d, "keeper");
        doc_uint(d, "commits", c->keeper->commits);
        doc_uint(d, "failures", c->keeper->failures);
        doc_time(d, "last_commit", c->keeper->last_commit);
        doc_uint(d, "databases_set_aside", c->databases_set_aside);
        doc_object_end(d);
    }
    if (c->spooler) {
        char why[sizeof c->spooler->why];
        spooler_why(c->spooler, why, sizeof why);
        doc_object(d, "disk_buffer");
        doc_uint(d, "bytes", c->spooler->bytes);
        doc_uint(d, "max_size", c->spooler->max_size);
        doc_uint(d, "written_bytes", c->spooler->written);
        doc_uint(d, "memory_bytes", c->spooler->held);
        doc_uint(d, "memory_limit", c->spooler->memory);
        doc_string(d, "error", why[0] ? why : NULL);
        doc_object_end(d);
    }
    doc_object(d, "http");
    doc_uint(d, "open", w->server.open);
    doc_uint(d, "accepted", w->server.accepted);
    doc_uint(d, "refused", w->server.refused);
    doc_uint(d, "evicted", w->server.evicted);
    doc_uint(d, "timed_out", w->server.timed_out);
    doc_uint(d, "requests", w->server.requests);
    doc_object_end(d);
    doc_object(d, "log");
    doc_uint(d, "warnings", log_count(LOG_LEVEL_WARN));
    doc_uint(d, "errors", log_count(LOG_LEVEL_ERROR));
    doc_object_end(d);
}

void stats_answer(struct web *w, struct request *q)
{
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    stats_write(&d, w, &q->scope);
    doc_object_end(&d);
}
