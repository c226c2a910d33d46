/*
 * config: the configuration, complete and checked. One immutable object under one scope.
 *
 * The option table in table.c is the only list of keys: the parser, `logcap config --defaults` and
 * docs/configuration.md come from it. Sizes are bytes, times are nanoseconds, strings are never NULL
 * ("" when not set), lists have a count.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/mem.h"
#include "codec/wrapped.h"
#include "config/label.h"

struct string_list {
    const char **items;
    unsigned n;
};

struct label_list {
    struct label *items;
    unsigned n;
};

enum start_at { START_BEGINNING, START_END };
enum long_lines { LONG_SPLIT, LONG_CUT };

struct multiline_config {
    const char *start; /* PCRE2; "": off */
    uint32_t max_lines;
    int64_t timeout;
};

struct timestamp_config {
    const char *regex;  /* group 1, or the whole match, is the time; "": off */
    const char *format; /* strptime's, with %f for a fraction and %z; or "auto" */
};

struct files_group {
    struct string_list paths, exclude;
    enum start_at start_at;
    struct label_list labels;
    enum long_lines long_lines;
    struct multiline_config multiline;
    struct timestamp_config timestamp;
    enum wrapping wrapping; /* `format` */
};

struct files_config {
    bool enabled;
    struct files_group *groups; /* the flat keys are the first when they have paths */
    unsigned n_groups;
    uint64_t max_line_bytes;
    uint32_t max_open_files;
    int64_t partial_flush, scan_interval, idle_close;
    struct string_list rotated_directories;
    uint64_t max_deleted_bytes; /* held by deleted files that are not read to their end */
};

struct journal_config {
    bool enabled;
    enum start_at start_at;
    const char *directory; /* "": the host's */
    struct string_list units, exclude_units;
    struct label_list labels;
};

enum containers_mode { CONTAINERS_AUTO, CONTAINERS_FILES, CONTAINERS_API };

struct containers_config {
    bool enabled;
    struct string_list sockets; /* empty: those that are found */
    const char *ca_file, *cert_file, *key_file;
    enum containers_mode mode;
    enum start_at start_at;
    struct string_list include_names, exclude_names, include_labels, exclude_labels; /* globs; "NAME" or "NAME=GLOB" */
    const char *pods_directory; /* "": none */
    struct string_list labels; /* of the container, to be taken over */
    struct label_list add_labels;
    int64_t list_interval, rotation_interval, heartbeat_interval, stall_timeout;
    uint32_t max_concurrent_rotations, max_connections;
};

enum sink_format { FORMAT_TEXT, FORMAT_JSON };

struct breaker_config {
    bool enabled;
    uint32_t failures, probes;
    int64_t cooldown, max_cooldown;
};

struct batching_config {
    bool enabled;
    uint64_t min_size, max_size;
    int64_t min_delay, max_delay, target_latency;
};

enum times_action { TIMES_KEEP, TIMES_CLAMP, TIMES_DEAD_LETTER };

struct times_config {
    int64_t max_age, max_ahead; /* ns; 0: any */
    enum times_action too_old, too_far;
};

struct loki_config {
    const char *url, *tenant, *username, *password, *password_file, *bearer_token, *bearer_token_file, *proxy;
    const char *ca_file, *cert_file, *key_file;
    bool insecure_skip_verify, snappy;
    struct label_list headers, labels;
    struct string_list structured_metadata; /* label names that travel as metadata */
    uint32_t workers;
    uint64_t batch_size;
    int64_t batch_timeout, timeout, connect_timeout, backoff_min, backoff_max;
    uint32_t max_retries; /* 0: for ever */
    struct breaker_config breaker;
    struct batching_config batching; /* max_size and max_delay are never 0 */
    struct times_config times;
    uint64_t max_line_bytes;
    uint32_t max_labels, max_streams; /* max_streams: 0: any number */
};

struct local_file_config {
    const char *directory, *filename; /* the pattern */
    enum sink_format format;
    uint64_t rotate_size;
    int64_t rotate_age, retention, sync_interval;
    uint64_t retention_size;
    bool compress;
    uint32_t max_open_files;
};

struct stdout_config {
    enum sink_format format;
    bool ends_process; /* no key: a dry run has nothing more to do when nobody reads */
};

enum sink_spool { SPOOL_AUTO, SPOOL_ON, SPOOL_OFF };
enum spool_full { SPOOL_WAIT, SPOOL_DROP_OLDEST };

struct deduplicate_config {
    bool enabled;
    int64_t window; /* ns */
    uint32_t max_lines;
};

struct sink_config {
    const char *name, *type;
    bool enabled;
    struct label_list match; /* every one must match: value is a glob; empty: everything */
    uint64_t queue_size;     /* bytes of leases before the readers are stopped */
    int64_t drain_grace;
    struct { uint64_t bytes_per_second, burst; } rate_limit; /* of records; bytes_per_second 0: none */
    enum sink_spool disk_buffer;
    struct deduplicate_config deduplicate;
    union {
        struct loki_config loki;
        struct local_file_config local_file;
        struct stdout_config stdout_;
    };
};

/* Dead letters that are sent again without being asked. */
struct reprocess_config {
    bool enabled;
    int64_t backoff_min, backoff_max;
    uint64_t max_attempts; /* 0: no limit */
};

struct dead_letters_config {
    bool enabled;
    uint64_t max_size;
    int64_t max_age; /* 0: no limit */
    struct reprocess_config reprocess;
    struct { uint64_t rate, total; } alert; /* letters, of a minute and at once; 0: none */
};

/* The HTTP API and the page; metrics have a port of their own as well. */
struct http_config {
    const char *host;
    uint32_t port, max_connections, max_feeds;
    struct string_list allowed_hosts;
    const char *token, *token_file, *username, *password, *password_file;
    const char *cert_file, *key_file; /* "": no TLS */
};

/* What the watch thread judges tasks by (leak/). Thresholds are in tasks beyond what is expected of their kinds; 0: none. */
struct task_tracking_config {
    bool enabled, tracking_enabled, stack_trace_on_leak;
    int64_t check_interval, retention_period, restart_hung_after /* 0: never */;
    uint64_t leak_threshold /* over the baseline */, warn_threshold;
    const char *alert_webhook;
};

enum alert_format { ALERT_JSON, ALERT_ALERTMANAGER, ALERT_SLACK };

/* And everything else. 0: no such threshold. */
struct resource_monitoring_config {
    bool enabled, alert_on_threshold, stack_trace_on_leak, alert_records;
    int64_t check_interval, alert_cooldown;
    uint64_t task_threshold, fd_threshold; /* over the baseline */
    uint64_t memory_threshold_mb, growth_rate_threshold /* percent an interval */;
    uint32_t max_alert_history;
    const char *alert_webhook_url;
    enum alert_format alert_format;
};

struct origin;

struct config {
    struct scope scope;
    struct origin *origins; /* origin.h: of what the file says */
    const char *file; /* "": built-in defaults */
    struct { enum log_level level; bool json; } log;
    const char *state_dir;
    uint64_t memory_limit;
    int64_t shutdown_timeout, commit_interval;
    uint64_t max_tasks;
    bool hot_reload;
    const char *host;   /* label `instance` */
    struct http_config server;
    struct { bool enabled; const char *host; uint32_t port; const char *path; } metrics;
    struct { bool enabled; const char *host; uint32_t port; } profiling;
    struct { bool enabled; const char *directory; uint64_t max_size, min_free, memory; enum spool_full when_full; } disk_buffer;
    const char *spool_dir; /* no key: disk_buffer.directory, or below state_dir */
    struct { bool enabled; uint64_t max_body, rate; } api; /* POST /api/v1/logs: bytes, entries a second */
    struct dead_letters_config dead_letters;
    struct task_tracking_config task_tracking;
    struct resource_monitoring_config resource_monitoring;
    struct files_config files;
    struct journal_config journal;
    struct containers_config containers;
    struct sink_config *sinks; /* enabled ones only, at most SINKS_MAX */
    unsigned n_sinks;
    struct string_list own_directories;
};

/*
 * Reads `path` (and the *.yaml in path's sibling config.d/, in the order of their names), or the built-in
 * defaults if path is NULL and no file exists at the usual places. NULL: `errors` has one line
 * each, "file:line:column: sentence". Warnings (aliases, keys that await a later version) go to the log.
 */
struct config *config_load(struct scope *owner, const char *path, struct buf *errors);
/*
 * Only where its agent works and answers: state_dir, spool_dir and `server`. All else is neither looked at nor checked, so a variable
 * that is not set there, or a mistake, does not matter; it has its default, and there are no sinks.
 */
struct config *config_load_place(struct scope *owner, const char *path, struct buf *errors);
/* As config_load(), from memory, without a config.d/; `name` is what errors call it. */
struct config *config_parse(struct scope *owner, const char *name, const char *text, size_t size,
                            struct buf *errors);
void config_free(struct config *c); /* NULL is allowed */

/* Whether the file says something whose key begins so: "monitors.journal." */
bool config_mentions(const struct config *c, const char *section);

/* Whether what this sink cannot take goes to the disk (disk_buffer). */
bool config_spools(const struct config *c, const struct sink_config *s);

/*
 * Where logcap itself writes: state_dir and the directories of local_file sinks, also of those that are
 * not enabled (what they wrote earlier is still there). No file below them is ever read.
 */
const struct string_list *config_own_directories(const struct config *c);

/* The effective values as YAML, secrets as ***; and all defaults with comments; and the docs' tables. */
int config_print(const struct config *c, struct buf *out);
int config_print_json(const struct config *c, struct buf *out);
/*
 * A JSON array of each option: {"key", "value", "default", "from": "default" | "file" | "environment", "file", "line", "variable",
 * "restart"}; secrets as in the others. 0 or -ENOMEM.
 */
int config_print_values(const struct config *c, struct buf *out);
/* The same of what differs: {"key", "from", "to", "restart"}; a sink that is there in one of them only has no values. */
int config_print_changes(const struct config *a, const struct config *b, struct buf *out);
int config_print_defaults(struct buf *out);
int config_print_reference(struct buf *out);
