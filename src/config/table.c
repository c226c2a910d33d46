/* The only list of keys. A new key is a row here and a field in config.h; nothing else. */
#include <string.h>

#include "base/clock.h"
#include "config/limits.h"
#include "config/option.h"

#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

#define AT(type, field) .offset = offsetof(type, field), .width = sizeof(((type *)0)->field)
#define SET(name_, title_, prefix_, options_, old_)                                       \
    const struct option_set name_ = {title_,                 prefix_,                     \
                                     options_,               sizeof options_ / sizeof *options_, \
                                     old_,                   sizeof old_ / sizeof *old_}

/* ---- the agent ---- */

static const struct option agent[] = {
    {"state_dir", OPTION_PATH, AT(struct config, state_dir), .initial = NULL,
     .doc = "Where positions are kept; created if missing. As root /var/lib/logcap; under systemd $STATE_DIRECTORY; "
            "else $XDG_STATE_HOME/logcap or ~/.local/state/logcap."},
    {"host", OPTION_STRING, AT(struct config, host), .initial = NULL,
     .doc = "The label `instance` of every record. By default the machine's host name."},
    {"memory_limit", OPTION_SIZE, AT(struct config, memory_limit), .initial = "48MiB", .least = 8 * MIB,
     .most = 64 * GIB,
     .doc = "The memory for records on their way; reserved before reading. At least eight times max_line_bytes + 64KiB."},
    {"max_tasks", OPTION_COUNT, AT(struct config, max_tasks), .initial = "10000", .least = 0, .most = 10000000,
     .doc = "Tasks (readers, sends, threads) that may live at once; beyond it new ones are refused. 0: no limit."},
    {"hot_reload.enabled", OPTION_BOOL, AT(struct config, hot_reload), .initial = "false",
     .doc = "Whether a change of the configuration file, or of a file in config.d, is put in force at once. SIGHUP and POST "
            "/config/reload always do."},
    {"shutdown_timeout", OPTION_TIME, AT(struct config, shutdown_timeout), .initial = "10s",
     .least = 1 * SECOND, .most = 1 * HOUR,
     .doc = "The hard stop: a shutdown that is not over by then ends the process with an error."},
    {"commit_interval", OPTION_TIME, AT(struct config, commit_interval), .initial = "200ms",
     .least = 10 * MILLISECOND, .most = 1 * MINUTE,
     .doc = "How long after a change positions are stored, in groups."},
    {"log.level", OPTION_CHOICE, AT(struct config, log.level), .initial = "info",
     .choices = "debug|info|warn|error", .doc = "The least level of logcap's own messages, on standard error."},
    {"log.format", OPTION_CHOICE, AT(struct config, log.json), .initial = "text", .choices = "text|json",
     .doc = "The form of logcap's own messages."},
    {"server.host", OPTION_STRING, AT(struct config, server.host), .initial = "127.0.0.1",
     .doc = "The address that the HTTP API listens on. It has no authentication: beyond the loopback, put a proxy "
            "before it."},
    {"server.port", OPTION_COUNT, AT(struct config, server.port), .initial = "8401", .least = 0, .most = 65535,
     .doc = "The port of the HTTP API. 0: the kernel chooses."},
    {"server.max_connections", OPTION_COUNT, AT(struct config, server.max_connections), .initial = "64",
     .least = 1, .most = 10000, .doc = "Connections to the HTTP API and the metrics at once."},
    {"metrics.enabled", OPTION_BOOL, AT(struct config, metrics.enabled), .initial = "true",
     .doc = "Whether the metrics are served on a port of their own too."},
    {"metrics.host", OPTION_STRING, AT(struct config, metrics.host), .initial = "127.0.0.1",
     .doc = "The address that the metrics listen on."},
    {"metrics.port", OPTION_COUNT, AT(struct config, metrics.port), .initial = "8001", .least = 0, .most = 65535,
     .doc = "The port of the metrics. 0: the kernel chooses."},
    {"metrics.path", OPTION_STRING, AT(struct config, metrics.path), .initial = "/metrics",
     .doc = "Where the metrics are, on their own port."},
    {"api.enabled", OPTION_BOOL, AT(struct config, api.enabled), .initial = "true",
     .doc = "Whether POST /api/v1/logs takes records."},
    {"api.max_body", OPTION_SIZE, AT(struct config, api.max_body), .initial = "1MiB", .least = 1 * KIB,
     .most = 16 * MIB, .doc = "The largest body of one POST."},
    {"api.rate", OPTION_COUNT, AT(struct config, api.rate), .initial = "10000", .least = 1, .most = 100000000,
     .doc = "Records a second that the API takes; beyond it the answer is 429."},
    {"dead_letters.enabled", OPTION_BOOL, AT(struct config, dead_letters.enabled), .initial = "true",
     .doc = "Whether what a sink will never take is kept; else it is dropped and counted. See `logcap dlq`."},
    {"dead_letters.max_size", OPTION_SIZE, AT(struct config, dead_letters.max_size), .initial = "64MiB", .least = 64 * KIB,
     .most = 64 * GIB, .doc = "All dead letters together; beyond it the oldest are removed, and counted as purged."},
    {"dead_letters.max_age", OPTION_TIME, AT(struct config, dead_letters.max_age), .initial = "30d", .least = 0,
     .most = 3650 * 24 * HOUR, .doc = "How long a dead letter is kept. 0: for ever."},
    {"dead_letters.reprocess.enabled", OPTION_BOOL, AT(struct config, dead_letters.reprocess.enabled), .initial = "false",
     .doc = "Whether dead letters are sent again by themselves. What was refused for good mostly is refused again; "
            "`logcap dlq replay` sends them when what was wrong is put right."},
    {"dead_letters.reprocess.backoff_min", OPTION_TIME, AT(struct config, dead_letters.reprocess.backoff_min),
     .initial = "10m", .least = 1 * SECOND, .most = 30 * 24 * HOUR, .doc = "The wait before a letter is sent again; doubled each time."},
    {"dead_letters.reprocess.backoff_max", OPTION_TIME, AT(struct config, dead_letters.reprocess.backoff_max),
     .initial = "24h", .least = 1 * SECOND, .most = 30 * 24 * HOUR, .doc = "The longest such wait."},
    {"dead_letters.reprocess.max_attempts", OPTION_COUNT, AT(struct config, dead_letters.reprocess.max_attempts),
     .initial = "10", .least = 0, .most = 1000000,
     .doc = "A letter that was refused so often is not sent by itself any more. 0: no limit."},
    {"dead_letters.alert.rate", OPTION_COUNT, AT(struct config, dead_letters.alert.rate), .initial = "100", .least = 0,
     .most = 1000000000,
     .doc = "Dead letters in a minute from which on the log and /health say so, until they are fewer than half. 0: never."},
    {"dead_letters.alert.total", OPTION_COUNT, AT(struct config, dead_letters.alert.total), .initial = "10000", .least = 0,
     .most = 1000000000, .doc = "Dead letters at all from which on they say so. 0: never."},
};

#define SAYS_NOTHING "it never changed what logcap does; remove it"
#define RETRIES "a sink retries for ever, see sinks.NAME.backoff_min and backoff_max; remove it"
#define WATCH "it is not in this version; remove it, or set `enabled: false` in it. Tasks are at /tasks, limited by max_tasks"

static const struct old_key agent_old[] = {
    {"app.log_level", "log.level", NULL, NULL},
    {"app.log_format", "log.format", NULL, NULL},
    {"app.log_file", NULL, NULL, "logcap writes to standard error; redirect that instead"},
    {"app.name", NULL, NULL, "put it into monitors.files.labels instead"},
    {"app.version", NULL, NULL, "put it into monitors.files.labels instead"},
    {"app.environment", NULL, NULL, "put it into monitors.files.labels instead"},
    {"app.operation_timeout", NULL, NULL, "use shutdown_timeout or sinks.NAME.timeout instead"},
    {"app.default_configs", NULL, "true", "defaults always apply; `logcap config` shows them"},
    {"app.", NULL, NULL, "its keys are log.level and log.format now"},
    {"server.enabled", NULL, "true", "the HTTP API always runs; set server.host: 127.0.0.1 to keep it to this machine"},
    {"server.read_timeout", NULL, NULL, "slow clients are bounded without it; remove it"},
    {"server.write_timeout", NULL, NULL, "slow clients are bounded without it; remove it"},
    {"server.idle_timeout", NULL, NULL, "slow clients are bounded without it; remove it"},
    {"server.max_header_bytes", NULL, NULL, "headers are bounded without it; remove it"},
    {"files_config.exclude_patterns", "monitors.files.exclude", NULL, NULL},
    {"files_config.watch_directories", NULL, NULL, "write monitors.files.paths: [\"/DIRECTORY/**/*.log\"] instead"},
    {"files_config.include_patterns", NULL, NULL, "write monitors.files.paths: [\"/DIRECTORY/**/PATTERN\"] instead"},
    {"files_config.exclude_directories", NULL, NULL, "write monitors.files.exclude: [\"/DIRECTORY/**\"] instead"},
    {"files_config.", NULL, NULL, "use monitors.files.paths and monitors.files.exclude instead"},
    {"file_monitor_service.enabled", "monitors.files.enabled", NULL, NULL},
    {"file_monitor_service.poll_interval", "monitors.files.scan_interval", NULL, NULL},
    {"file_monitor_service.seek_strategy", "monitors.files.start_at", NULL, NULL},
    {"file_monitor_service.pipeline_file", NULL, NULL, "write the files into monitors.files.sources instead"},
    {"file_monitor_service.recursive", NULL, NULL, "write '**' in monitors.files.paths instead"},
    {"file_monitor_service.", NULL, NULL, "use monitors.files instead"},
    {"container_monitor.", NULL, NULL, "this version does not read containers yet; set `enabled: false`, or remove it"},
    {"monitors.containers.", NULL, NULL, "this version does not read containers yet; set `enabled: false`, or remove it"},
    {"dispatcher.queue_size", NULL, NULL, "use sinks.NAME.queue_size (in bytes) and memory_limit instead"},
    {"dispatcher.workers", NULL, NULL, "use sinks.NAME.workers instead"},
    {"dispatcher.worker_count", NULL, NULL, "use sinks.NAME.workers instead"},
    {"dispatcher.batch_size", NULL, NULL, "use sinks.NAME.batch_size (in bytes) instead"},
    {"dispatcher.batch_timeout", NULL, NULL, "use sinks.NAME.batch_timeout instead"},
    {"dispatcher.send_timeout", NULL, NULL, "use sinks.NAME.timeout instead"},
    {"dispatcher.max_retries", NULL, NULL, "a sink retries for ever, unless sinks.NAME.max_retries says otherwise; remove it"},
    {"dispatcher.retry_base_delay", NULL, NULL, "use sinks.NAME.backoff_min instead"},
    {"dispatcher.retry_max_delay", NULL, NULL, "use sinks.NAME.backoff_max instead"},
    {"dispatcher.retry_multiplier", NULL, NULL, RETRIES},
    {"dispatcher.deduplication_enabled", NULL, "false", "logcap never drops lines because they look alike; remove it"},
    {"dispatcher.dlq_enabled", "dead_letters.enabled", NULL, NULL},
    {"dispatcher.dlq_config.enabled", "dead_letters.enabled", NULL, NULL},
    {"dispatcher.dlq_config.alert_config.entries_per_minute_threshold", "dead_letters.alert.rate", NULL, NULL},
    {"dispatcher.dlq_config.alert_config.total_entries_threshold", "dead_letters.alert.total", NULL, NULL},
    {"dispatcher.dlq_config.reprocessing_config.enabled", "dead_letters.reprocess.enabled", NULL, NULL},
    {"dispatcher.dlq_config.reprocessing_config.initial_delay", "dead_letters.reprocess.backoff_min", NULL, NULL},
    {"dispatcher.dlq_config.reprocessing_config.max_delay", "dead_letters.reprocess.backoff_max", NULL, NULL},
    {"dispatcher.dlq_config.reprocessing_config.max_retries", "dead_letters.reprocess.max_attempts", NULL, NULL},
    {"dispatcher.dlq_config.max_file_size_mb", NULL, NULL, "use dead_letters.max_size, such as 64MiB, instead"},
    {"dispatcher.dlq_config.retention_days", NULL, NULL, "use dead_letters.max_age, such as 30d, instead"},
    {"dispatcher.dlq_config.directory", NULL, NULL, "dead letters are in state_dir; remove it"},
    {"dispatcher.dlq_config.", NULL, NULL, "use dead_letters instead"},
    {"dlq.enabled", "dead_letters.enabled", NULL, NULL},
    {"dlq.max_size", "dead_letters.max_size", NULL, NULL},
    {"dlq.max_age", "dead_letters.max_age", NULL, NULL},
    {"dlq.reprocess.enabled", "dead_letters.reprocess.enabled", NULL, NULL},
    {"dlq.reprocess.backoff_min", "dead_letters.reprocess.backoff_min", NULL, NULL},
    {"dlq.reprocess.backoff_max", "dead_letters.reprocess.backoff_max", NULL, NULL},
    {"dlq.reprocess.max_attempts", "dead_letters.reprocess.max_attempts", NULL, NULL},
    {"dlq.alert.rate", "dead_letters.alert.rate", NULL, NULL},
    {"dlq.alert.total", "dead_letters.alert.total", NULL, NULL},
    {"dlq.max_file_size_mb", NULL, NULL, "use dead_letters.max_size, such as 64MiB, instead"},
    {"dlq.retention_days", NULL, NULL, "use dead_letters.max_age, such as 30d, instead"},
    {"dlq.directory", NULL, NULL, "dead letters are in state_dir; remove it"},
    {"dlq.", NULL, NULL, "use dead_letters instead"},
    {"dispatcher.rate_limit_enabled", NULL, "false", "use sinks.NAME.rate_limit (in bytes) instead"},
    {"dispatcher.rate_limit_config.", NULL, NULL, "use sinks.NAME.rate_limit (in bytes) instead"},
    {"dispatcher.timestamp_tolerance", NULL, NULL, "use sinks.NAME.timestamps.max_age of a loki sink instead"},
    {"dispatcher.", NULL, NULL, "each sink has its own queue, workers and batches: see sinks.NAME"},
    {"positions.enabled", NULL, "true", "positions are always kept; remove it"},
    {"positions.directory", "state_dir", NULL, NULL},
    {"positions.flush_interval", "commit_interval", NULL, NULL},
    {"positions.force_flush_on_exit", NULL, "true", "positions are always stored at the end; remove it"},
    {"positions.", NULL, NULL, "use state_dir and commit_interval instead"},
    {"goroutine_tracking.max_goroutines", "max_tasks", NULL, NULL},
    {"task_tracking.max_goroutines", "max_tasks", NULL, NULL},
    {"task_tracking.max_tasks", "max_tasks", NULL, NULL},
    {"goroutine_tracking.", NULL, NULL, WATCH},
    {"task_tracking.", NULL, NULL, WATCH},
    {"resource_monitoring.", NULL, NULL, WATCH},
    {"disk_buffer.", NULL, NULL, "there is no spool in this version: a full sink stops the reader and the file is the buffer; "
                                 "set `enabled: false`, or remove it"},
    {"observability.", NULL, NULL, "tasks are at /tasks and metrics at /metrics; set `enabled: false`, or remove it"},
    {"observability.profiling.", NULL, NULL, "tasks are at /tasks; set `enabled: false`, or remove it"},
    {"processing.", NULL, NULL, "use multiline and timestamp in monitors.files.sources instead"},
    {"timestamp_validation.", NULL, NULL, "use sinks.NAME.timestamps (max_age, max_ahead, too_old, too_far) of a loki sink instead"},
    {"service_discovery.", NULL, NULL, "use monitors.files.paths instead"},
    {"hot_reload.watch_interval", NULL, NULL, "changes are seen at once; remove it"},
    {"hot_reload.debounce_interval", NULL, NULL, "half a second of quiet is waited for; remove it"},
    {"hot_reload.validate_on_reload", NULL, "true", "a configuration that is wrong is never put in force; remove it"},
    {"hot_reload.", NULL, NULL, "hot_reload has the key `enabled` alone; remove it"},
    {"cleanup.", NULL, NULL, "use sinks.NAME.retention and retention_size of a local_file sink instead"},
    {"anomaly_detection.", NULL, NULL, "logcap does not judge what records say; remove it"},
    {"multi_tenant.", NULL, NULL, "use sinks.NAME.tenant of a loki sink instead"},
    {"security.", NULL, NULL, "keep server.host at 127.0.0.1 and put a proxy before it instead"},
    {"tracing.", NULL, NULL, "logcap does not trace records; remove it"},
    {"slo.", NULL, NULL, "write rules over /metrics in Prometheus instead"},
};
SET(options_agent, "The agent", "", agent, agent_old);

/* ---- monitors.files ---- */

static const struct option files[] = {
    {"enabled", OPTION_BOOL, AT(struct files_config, enabled), .initial = "true", .doc = "Whether files are read."},
    {"max_line_bytes", OPTION_SIZE, AT(struct files_config, max_line_bytes), .initial = "256KiB", .least = 1 * KIB,
     .most = 64 * MIB, .doc = "What is longer is split or cut, see long_lines."},
    {"max_open_files", OPTION_COUNT, AT(struct files_config, max_open_files), .initial = "512", .least = 1,
     .most = 1000000, .doc = "Files held open at once; idle ones are closed and found again."},
    {"partial_flush", OPTION_TIME, AT(struct files_config, partial_flush), .initial = "5s", .least = 100 * MILLISECOND,
     .most = 1 * HOUR, .doc = "How long a last line without its end is waited for."},
    {"scan_interval", OPTION_TIME, AT(struct files_config, scan_interval), .initial = "10s",
     .least = 100 * MILLISECOND, .most = 1 * HOUR,
     .doc = "How often all directories are looked through; new files are normally found at once."},
    {"idle_close", OPTION_TIME, AT(struct files_config, idle_close), .initial = "5m", .least = 1 * SECOND,
     .most = 24 * HOUR, .doc = "A file without news for so long is closed until there are some."},
    {"rotated_directories", OPTION_PATHS, AT(struct files_config, rotated_directories), .initial = "[]",
     .doc = "Where rotated files are put (logrotate's olddir), if that is neither the file's own directory, nor one in it, "
            "nor one that paths reach."},
    {"max_deleted_bytes", OPTION_SIZE, AT(struct files_config, max_deleted_bytes), .initial = "1GiB", .least = 0,
     .most = 64 * TIB,
     .doc = "Disk space that deleted files may hold because they are not read to their end."},
};
static const struct old_key files_old[] = {
    {"poll_interval", "scan_interval", NULL, NULL},
};
SET(options_files, "Files", "monitors.files.", files, files_old);

static const struct option group[] = {
    {"paths", OPTION_PATHS, AT(struct files_group, paths),
     .initial = "[\"/var/log/**/*.log\", \"/var/log/**/*_log\", \"/var/log/**/*.err\", /var/log/syslog, /var/log/messages, "
                "/var/log/secure, /var/log/maillog, /var/log/cron, /var/log/debug, /var/log/dmesg]",
     .doc = "Which files: absolute, with *, ?, [a-z], and ** for any depth of directories."},
    {"exclude", OPTION_GLOBS, AT(struct files_group, exclude),
     .initial = "[\"*.gz\", \"*.xz\", \"*.bz2\", \"*.zst\", \"/var/log/journal/**\", wtmp, btmp, lastlog, faillog, tallylog]",
     .doc = "Which of them not: patterns for the name, or with a '/' for the whole path. What logcap writes itself "
            "is always left out."},
    {"start_at", OPTION_CHOICE, AT(struct files_group, start_at), .initial = "beginning", .choices = "beginning|end",
     .doc = "Where a file without a position is begun; only for those that are there at the first start."},
    {"labels", OPTION_LABELS, AT(struct files_group, labels), .initial = "{}",
     .doc = "Labels of every record of these files."},
    {"long_lines", OPTION_CHOICE, AT(struct files_group, long_lines), .initial = "split", .choices = "split|cut",
     .doc = "What becomes of lines over max_line_bytes; bytes that are cut are counted."},
    {"multiline.start", OPTION_REGEX, AT(struct files_group, multiline.start), .initial = "\"\"",
     .doc = "A regular expression (PCRE2) that finds the first line of a record; lines that it does not match belong to "
            "the record before."},
    {"multiline.max_lines", OPTION_COUNT, AT(struct files_group, multiline.max_lines), .initial = "500", .least = 1,
     .most = 100000, .doc = "The most lines of one record."},
    {"multiline.timeout", OPTION_TIME, AT(struct files_group, multiline.timeout), .initial = "2s",
     .least = 10 * MILLISECOND, .most = 1 * HOUR, .doc = "How long a record is waited for to go on."},
    {"timestamp.regex", OPTION_REGEX, AT(struct files_group, timestamp.regex), .initial = "\"\"",
     .doc = "A regular expression (PCRE2) that finds the time in a record: its first group, or all of it."},
    {"timestamp.format", OPTION_STRING, AT(struct files_group, timestamp.format), .initial = "auto",
     .doc = "How the time is written: strptime's format with %f for a fraction and %z for the zone, or auto."},
};
static const struct old_key group_old[] = {
    {"include", "paths", NULL, NULL},
    {"include_patterns", "paths", NULL, NULL},
    {"exclude_patterns", "exclude", NULL, NULL},
    {"seek_strategy", "start_at", NULL, NULL},
};
SET(options_group, "A group of files", "monitors.files.sources[].", group, group_old);

/* ---- monitors.journal ---- */

static const struct option journal[] = {
    {"enabled", OPTION_BOOL, AT(struct journal_config, enabled), .initial = "true",
     .doc = "Whether the journal is read."},
    {"start_at", OPTION_CHOICE, AT(struct journal_config, start_at), .initial = "beginning",
     .choices = "beginning|end", .doc = "Where a journal without a position is begun."},
    {"directory", OPTION_STRING, AT(struct journal_config, directory), .initial = "\"\"",
     .doc = "Where the journal's files are; empty: the host's own."},
    {"units", OPTION_STRINGS, AT(struct journal_config, units), .initial = "[]",
     .doc = "Only these units, such as nginx.service; empty: all."},
    {"exclude_units", OPTION_STRINGS, AT(struct journal_config, exclude_units), .initial = "[]",
     .doc = "Not these units. logcap's own is always left out."},
    {"labels", OPTION_LABELS, AT(struct journal_config, labels), .initial = "{job: journal}",
     .doc = "Labels of every record of the journal."},
};
static const struct old_key journal_old[] = {
    {"path", "directory", NULL, NULL},
};
SET(options_journal, "The journal", "monitors.journal.", journal, journal_old);

/* ---- sinks ---- */

static const struct option sink[] = {
    {"type", OPTION_STRING, AT(struct sink_config, type), .initial = NULL,
     .doc = "loki, local_file, stdout or null; by default the sink's name."},
    {"enabled", OPTION_BOOL, AT(struct sink_config, enabled), .initial = "true",
     .doc = "Whether anything is sent there."},
    {"match", OPTION_LABELS, AT(struct sink_config, match), .initial = "{}",
     .doc = "Only records with all these labels; a value may have * and ?."},
    {"queue_size", OPTION_SIZE, AT(struct sink_config, queue_size), .initial = "8MiB", .least = 64 * KIB,
     .most = 16 * GIB, .doc = "Bytes that wait for this sink before the readers stop."},
    {"drain_grace", OPTION_TIME, AT(struct sink_config, drain_grace), .initial = "500ms", .least = 0,
     .most = 1 * MINUTE, .doc = "How long what is on its way gets at a shutdown."},
    {"rate_limit.bytes_per_second", OPTION_SIZE, AT(struct sink_config, rate_limit.bytes_per_second), .initial = "0",
     .least = 0, .most = 1 * TIB, .doc = "Bytes of records that the sink takes a second; beyond it the readers wait, nothing "
                                        "is dropped. 0: no limit."},
    {"rate_limit.burst", OPTION_SIZE, AT(struct sink_config, rate_limit.burst), .initial = "0", .least = 0,
     .most = 1 * TIB, .doc = "What it may take at once after a pause. 0: what bytes_per_second allows in one second."},
};
static const struct old_key sink_old[] = {
    {"backpressure_config.", NULL, NULL, "a full queue stops the reader, nothing is thrown away; remove it"},
    {"dlq_config.", NULL, NULL, "dead letters are the same for all sinks: use dead_letters instead"},
};
SET(options_sink, "Every sink", "sinks.NAME.", sink, sink_old);

static const struct option loki[] = {
    {"url", OPTION_URL, AT(struct sink_config, loki.url), .initial = "\"\"",
     .doc = "Where Loki is, such as http://127.0.0.1:3100; needed."},
    {"tenant", OPTION_STRING, AT(struct sink_config, loki.tenant), .initial = "\"\"",
     .doc = "The tenant (X-Scope-OrgID)."},
    {"username", OPTION_STRING, AT(struct sink_config, loki.username), .initial = "\"\"", .doc = "For basic authentication."},
    {"password", OPTION_SECRET, AT(struct sink_config, loki.password), .initial = "\"\"", .doc = "For basic authentication."},
    {"password_file", OPTION_STRING, AT(struct sink_config, loki.password_file), .initial = "\"\"",
     .doc = "A file with the password."},
    {"bearer_token", OPTION_SECRET, AT(struct sink_config, loki.bearer_token), .initial = "\"\"",
     .doc = "A token for `Authorization: Bearer`."},
    {"bearer_token_file", OPTION_STRING, AT(struct sink_config, loki.bearer_token_file), .initial = "\"\"",
     .doc = "A file with the token."},
    {"proxy", OPTION_URL, AT(struct sink_config, loki.proxy), .initial = "\"\"",
     .doc = "An HTTP proxy; empty: what http_proxy, https_proxy and no_proxy say."},
    {"ca_file", OPTION_STRING, AT(struct sink_config, loki.ca_file), .initial = "\"\"",
     .doc = "Certificates to trust; empty: the system's."},
    {"cert_file", OPTION_STRING, AT(struct sink_config, loki.cert_file), .initial = "\"\"", .doc = "The client's certificate."},
    {"key_file", OPTION_STRING, AT(struct sink_config, loki.key_file), .initial = "\"\"", .doc = "The client's key."},
    {"insecure_skip_verify", OPTION_BOOL, AT(struct sink_config, loki.insecure_skip_verify), .initial = "false",
     .doc = "Trust any server. For tests only."},
    {"compression", OPTION_CHOICE, AT(struct sink_config, loki.snappy), .initial = "snappy", .choices = "none|snappy",
     .doc = "snappy sends protobuf in a snappy block; none sends it uncompressed within one."},
    {"headers", OPTION_HEADERS, AT(struct sink_config, loki.headers), .initial = "{}", .doc = "Further HTTP headers."},
    {"labels", OPTION_LABELS, AT(struct sink_config, loki.labels), .initial = "{}",
     .doc = "Labels added to every stream."},
    {"structured_metadata", OPTION_STRINGS, AT(struct sink_config, loki.structured_metadata),
     .initial = "[file_path, container_id]",
     .doc = "Names of labels that travel as structured metadata, so that they make no streams."},
    {"workers", OPTION_COUNT, AT(struct sink_config, loki.workers), .initial = "10", .least = 1, .most = 256,
     .doc = "Requests at once."},
    {"batch_size", OPTION_SIZE, AT(struct sink_config, loki.batch_size), .initial = "1MiB", .least = 4 * KIB,
     .most = 64 * MIB, .doc = "Bytes of records in one request, before compression. At most a quarter of memory_limit."},
    {"batch_timeout", OPTION_TIME, AT(struct sink_config, loki.batch_timeout), .initial = "1s", .least = 0,
     .most = 5 * MINUTE, .doc = "The longest that a record waits for its request to fill. 0: none."},
    {"timeout", OPTION_TIME, AT(struct sink_config, loki.timeout), .initial = "30s", .least = 100 * MILLISECOND,
     .most = 1 * HOUR, .doc = "The longest that one request takes."},
    {"connect_timeout", OPTION_TIME, AT(struct sink_config, loki.connect_timeout), .initial = "5s",
     .least = 100 * MILLISECOND, .most = 5 * MINUTE, .doc = "The longest that connecting takes."},
    {"backoff_min", OPTION_TIME, AT(struct sink_config, loki.backoff_min), .initial = "500ms",
     .least = 10 * MILLISECOND, .most = 10 * MINUTE, .doc = "The first wait before a request is sent again."},
    {"backoff_max", OPTION_TIME, AT(struct sink_config, loki.backoff_max), .initial = "1m",
     .least = 10 * MILLISECOND, .most = 24 * HOUR, .doc = "The longest wait before a request is sent again."},
    {"max_retries", OPTION_COUNT, AT(struct sink_config, loki.max_retries), .initial = "0", .least = 0, .most = 1000000,
     .doc = "How often a request is sent again before its records are given up. 0: for ever."},
    {"circuit_breaker.enabled", OPTION_BOOL, AT(struct sink_config, loki.breaker.enabled), .initial = "true",
     .doc = "Whether a server that fails is left alone for a while, by all workers."},
    {"circuit_breaker.failures", OPTION_COUNT, AT(struct sink_config, loki.breaker.failures), .initial = "5", .least = 1,
     .most = 10000, .doc = "Failures in a row (no answer, 5xx, 401, 403, 404; never 400, 413 or 429) that open it."},
    {"circuit_breaker.cooldown", OPTION_TIME, AT(struct sink_config, loki.breaker.cooldown), .initial = "1s",
     .least = 10 * MILLISECOND, .most = 1 * HOUR, .doc = "How long it is open at first; then twice as long each time."},
    {"circuit_breaker.max_cooldown", OPTION_TIME, AT(struct sink_config, loki.breaker.max_cooldown), .initial = "1m",
     .least = 10 * MILLISECOND, .most = 24 * HOUR, .doc = "The longest that it is open."},
    {"circuit_breaker.probes", OPTION_COUNT, AT(struct sink_config, loki.breaker.probes), .initial = "3", .least = 1,
     .most = 1000, .doc = "Requests that must succeed, one after the other, before all workers send again."},
    {"adaptive_batching.enabled", OPTION_BOOL, AT(struct sink_config, loki.batching.enabled), .initial = "true",
     .doc = "Whether size and delay of requests follow what the server makes of them; else they are batch_size and "
            "batch_timeout."},
    {"adaptive_batching.min_size", OPTION_SIZE, AT(struct sink_config, loki.batching.min_size), .initial = "64KiB",
     .least = 1 * KIB, .most = 64 * MIB, .doc = "The smallest that a busy server's requests become."},
    {"adaptive_batching.max_size", OPTION_SIZE, AT(struct sink_config, loki.batching.max_size), .initial = "0",
     .least = 0, .most = 64 * MIB, .doc = "The largest that requests become while that pays; they begin at batch_size. "
                                          "0: batch_size. At most a quarter of memory_limit."},
    {"adaptive_batching.min_delay", OPTION_TIME, AT(struct sink_config, loki.batching.min_delay), .initial = "100ms",
     .least = 0, .most = 5 * MINUTE, .doc = "What a record waits at least for its request to fill, at a fast server."},
    {"adaptive_batching.max_delay", OPTION_TIME, AT(struct sink_config, loki.batching.max_delay), .initial = "0",
     .least = 0, .most = 5 * MINUTE, .doc = "What it waits at most, at a slow one. 0: batch_timeout."},
    {"adaptive_batching.target_latency", OPTION_TIME, AT(struct sink_config, loki.batching.target_latency),
     .initial = "2s", .least = 0, .most = 1 * HOUR, .doc = "Requests that take longer become smaller. 0: no target."},
    {"timestamps.max_age", OPTION_TIME, AT(struct sink_config, loki.times.max_age), .initial = "7d", .least = 0,
     .most = 3650 * 24 * HOUR,
     .doc = "Older records are too old for this server (its limits_config.reject_old_samples_max_age). 0: none is."},
    {"timestamps.max_ahead", OPTION_TIME, AT(struct sink_config, loki.times.max_ahead), .initial = "10m", .least = 0,
     .most = 3650 * 24 * HOUR,
     .doc = "Records with a later time are too far ahead (its limits_config.creation_grace_period). 0: none is."},
    {"timestamps.too_old", OPTION_CHOICE, AT(struct sink_config, loki.times.too_old), .initial = "keep",
     .choices = "keep|clamp|dead_letter",
     .doc = "What becomes of them before they are sent: kept for the server to judge, given a time that it takes, or "
            "dead letters. All are counted."},
    {"timestamps.too_far", OPTION_CHOICE, AT(struct sink_config, loki.times.too_far), .initial = "keep",
     .choices = "keep|clamp|dead_letter", .doc = "The same for those that are too far ahead; clamped, they get the time of "
                                                 "now."},
    {"max_streams", OPTION_COUNT, AT(struct sink_config, loki.max_streams), .initial = "5000", .least = 0,
     .most = 1000000,
     .doc = "Streams within an hour; beyond it the label with the most values becomes structured metadata (or goes, "
            "where structured_metadata is empty), and it is said. Loki takes 5000 of a tenant. 0: no limit."},
    {"max_line_bytes", OPTION_SIZE, AT(struct sink_config, loki.max_line_bytes), .initial = "256KiB", .least = 1 * KIB,
     .most = 64 * MIB, .doc = "The longest record that this server takes (its limits_config.max_line_size)."},
    {"max_labels", OPTION_COUNT, AT(struct sink_config, loki.max_labels), .initial = "15", .least = 1,
     .most = STREAM_LABELS, .doc = "The most labels of a stream that this server takes; the rest becomes structured metadata."},
};
static const struct old_key loki_old[] = {
    {"push_endpoint", NULL, "/loki/api/v1/push", "write the address before it into url"},
    {"tenant_id", "tenant", NULL, NULL},
    {"default_labels", "labels", NULL, NULL},
    {"max_request_size", "batch_size", NULL, NULL},
    {"auth.username", "username", NULL, NULL},
    {"auth.password", "password", NULL, NULL},
    {"auth.token", "bearer_token", NULL, NULL},
    {"auth.type", NULL, "none", "what is set decides: username and password, or bearer_token; remove it"},
    {"tls.ca_file", "ca_file", NULL, NULL},
    {"tls.cert_file", "cert_file", NULL, NULL},
    {"tls.key_file", "key_file", NULL, NULL},
    {"tls.verify_certificate", NULL, "true", "use insecure_skip_verify: true instead"},
    {"tls.", NULL, NULL, "write https:// in url instead"},
    {"retry_delay", "backoff_min", NULL, NULL},
    {"adaptive_batching.min_flush_delay", "adaptive_batching.min_delay", NULL, NULL},
    {"adaptive_batching.max_flush_delay", "adaptive_batching.max_delay", NULL, NULL},
    {"adaptive_batching.latency_threshold", "adaptive_batching.target_latency", NULL, NULL},
    {"adaptive_batching.min_batch_size", NULL, NULL, "use adaptive_batching.min_size (in bytes) instead"},
    {"adaptive_batching.max_batch_size", NULL, NULL, "use adaptive_batching.max_size (in bytes) instead"},
    {"adaptive_batching.initial_batch_size", NULL, NULL, "it begins at batch_size (in bytes); remove it"},
    {"adaptive_batching.initial_flush_delay", NULL, NULL, "it begins at batch_timeout; remove it"},
    {"adaptive_batching.adaptation_interval", NULL, NULL, "it adapts after each 16 full requests; remove it"},
    {"adaptive_batching.throughput_target", NULL, NULL, "requests grow while that pays; remove it"},
    {"adaptive_batching.buffer_size", NULL, NULL, "use queue_size (in bytes) instead"},
    {"timestamp_learning.", NULL, NULL, "use timestamps.max_age and timestamps.too_old instead"},
};
SET(options_loki, "loki", "sinks.NAME.", loki, loki_old);

static const struct option local_file[] = {
    {"directory", OPTION_PATH, AT(struct sink_config, local_file.directory), .initial = NULL,
     .doc = "Where the files go. As root /var/log/logcap; under systemd $LOGS_DIRECTORY; else `logs` in state_dir."},
    {"filename", OPTION_STRING, AT(struct sink_config, local_file.filename), .initial = "\"{path}\"",
     .doc = "The file's name below directory. {path} mirrors where lines come from (var/log/nginx/access.log, journal/ssh.log, containers/web.log); also {date}, {hour} (UTC), {host}, {file}, {container}, {unit}, {label:NAME}."},
    {"format", OPTION_CHOICE, AT(struct sink_config, local_file.format), .initial = "text", .choices = "text|json",
     .doc = "text is the record alone, json has its time and labels too."},
    {"rotate_size", OPTION_SIZE, AT(struct sink_config, local_file.rotate_size), .initial = "100MiB", .least = 0,
     .most = 1 * TIB, .doc = "A larger file is rotated. 0: never."},
    {"rotate_age", OPTION_TIME, AT(struct sink_config, local_file.rotate_age), .initial = "24h", .least = 0,
     .most = 3650 * 24 * HOUR, .doc = "An older file is rotated. 0: never."},
    {"compress", OPTION_BOOL, AT(struct sink_config, local_file.compress), .initial = "true",
     .doc = "Whether rotated files are compressed (gzip)."},
    {"retention", OPTION_TIME, AT(struct sink_config, local_file.retention), .initial = "7d", .least = 0,
     .most = 3650 * 24 * HOUR, .doc = "Rotated files are removed after this time. 0: never."},
    {"retention_size", OPTION_SIZE, AT(struct sink_config, local_file.retention_size), .initial = "2GiB", .least = 0,
     .most = 64 * TIB, .doc = "Rotated files together; beyond it the oldest are removed. 0: no limit."},
    {"sync_interval", OPTION_TIME, AT(struct sink_config, local_file.sync_interval), .initial = "1s",
     .least = 10 * MILLISECOND, .most = 1 * MINUTE, .doc = "How often what was written is synced; positions move then."},
    {"max_open_files", OPTION_COUNT, AT(struct sink_config, local_file.max_open_files), .initial = "64", .least = 1,
     .most = 100000, .doc = "Files held open at once."},
};
static const struct old_key local_file_old[] = {
    {"filename_pattern", "filename", NULL, NULL},
    {"output_format", "format", NULL, NULL},
    {"filename_pattern_files", NULL, NULL, "use filename with {file} instead"},
    {"filename_pattern_containers", NULL, NULL, "use filename with {container} instead"},
    {"text_format.raw_message_only", NULL, "true", "format: text is the record alone, format: json has the rest"},
    {"text_format.include_timestamp", NULL, "false", "use format: json instead"},
    {"text_format.include_labels", NULL, "false", "use format: json instead"},
    {"text_format.", NULL, NULL, "format: text is the record alone, format: json has the rest"},
    {"rotation.compress", "compress", NULL, NULL},
    {"rotation.max_size_mb", NULL, NULL, "use rotate_size, such as 100MiB, instead"},
    {"rotation.max_files", NULL, NULL, "use retention_size instead"},
    {"rotation.retention_days", NULL, NULL, "use retention, such as 7d, instead"},
    {"rotation.enabled", NULL, "true", "set rotate_size: 0 and rotate_age: 0 instead"},
    {"rotation.", NULL, NULL, "use rotate_size, rotate_age, retention, retention_size and compress instead"},
    {"auto_sync", NULL, "true", "files are always synced, see sync_interval"},
    {"file_permissions", NULL, NULL, "the process' umask decides; remove it"},
    {"dir_permissions", NULL, NULL, "the process' umask decides; remove it"},
    {"worker_count", NULL, NULL, "one thread writes the files, in order; remove it"},
};
SET(options_local_file, "local_file", "sinks.NAME.", local_file, local_file_old);

static const struct option stdout_options[] = {
    {"format", OPTION_CHOICE, AT(struct sink_config, stdout_.format), .initial = "text", .choices = "text|json",
     .doc = "text is the record alone, json has its time and labels too."},
};
const struct option_set options_stdout = {"stdout", "sinks.NAME.", stdout_options, 1, NULL, 0};
const struct option_set options_null = {"null", "sinks.NAME.", NULL, 0, NULL, 0};

const struct option_set *const options_sink_types[] = {&options_loki, &options_local_file, &options_stdout,
                                                       &options_null, NULL};
