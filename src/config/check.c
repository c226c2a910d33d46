#include "config/check.h"

#include <string.h>

#include "base/clock.h"
#include "config/limits.h"
#include "config/suggest.h"
#include "config/units.h"

enum { CHUNK_EXTRA = 64 << 10, CHUNKS_LEAST = 8 };

void check_group(struct node *const *seen, const struct option_set *set, struct problems *problems)
{
    const struct node *format = seen[option_find(set, "timestamp.format")];
    if (format && !seen[option_find(set, "timestamp.regex")])
        problem(problems, format->key_at, "timestamp.format needs timestamp.regex, which finds the time in a record");
    const struct node *start = seen[option_find(set, "multiline.start")];
    static const char *const needs_start[] = {"multiline.max_lines", "multiline.timeout"};
    for (unsigned i = 0; i < 2; i++) {
        const struct node *n = seen[option_find(set, needs_start[i])];
        if (n && !start)
            problem(problems, n->key_at, "%s needs multiline.start", needs_start[i]);
    }
}

static struct place place_in(const struct node *map, const char *key)
{
    const struct node *n = node_child(map, key);
    return n ? n->key_at : map->key_at;
}

/* Both the address of the server and that of its push path are common; they mean the same. */
static void trim_push_path(struct scope *scope, const char **url)
{
    static const char push[] = "/loki/api/v1/push";
    size_t n = strlen(*url), m = sizeof push - 1;
    if (n > m && strcmp(*url + n - m, push) == 0)
        n -= m;
    while (n && (*url)[n - 1] == '/')
        n--;
    char *trimmed = scope_printf(scope, "%.*s", (int)n, *url);
    if (trimmed)
        *url = trimmed;
}

/* 0 is what holds without adapting; then the bounds must leave room between them. */
static void check_batching(const struct config *c, struct loki_config *l, const struct node *n, struct problems *problems)
{
    struct batching_config *b = &l->batching;
    const struct node *at = node_child(n, "adaptive_batching");
    char limit[UNITS_TEXT];
    if (!b->max_size)
        b->max_size = l->batch_size;
    if (!b->max_delay)
        b->max_delay = l->batch_timeout;
    if (!at)
        at = n;
    if (b->max_size > c->memory_limit / 4)
        problem(problems, place_in(at, "max_size"), "adaptive_batching.max_size must be at most a quarter of memory_limit (%s)",
                units_size_text(c->memory_limit, limit));
    if (node_child(at, "min_size") && b->min_size > b->max_size)
        problem(problems, place_in(at, "min_size"), "adaptive_batching.min_size must not be above max_size or batch_size");
    if ((node_child(at, "min_delay") || node_child(at, "min_flush_delay")) && b->min_delay > b->max_delay)
        problem(problems, place_in(at, "min_delay"), "adaptive_batching.min_delay must not be above max_delay or batch_timeout");
    if (b->min_size > b->max_size)
        b->min_size = b->max_size;
    if (b->min_delay > b->max_delay)
        b->min_delay = b->max_delay;
}

/* A slip of one letter, which was said to be one. No valid key is as near. */
static bool is_misspelt(const struct node *map, const char *key)
{
    for (const struct node *n = map->first; n; n = n->next)
        if (suggest_distance(n->key, key, 1) == 1)
            return true;
    return false;
}

static void check_loki(const struct config *c, struct sink_config *s, const struct node *n, struct problems *problems)
{
    struct loki_config *l = &s->loki;
    char limit[UNITS_TEXT];
    const struct node *url = node_child(n, "url");
    if (s->enabled && !*l->url && !(url && url->wrong) && !is_misspelt(n, "url"))
        problem(problems, place_in(n, "url"), "sinks.%s needs a url, such as http://127.0.0.1:3100", s->name);
    trim_push_path((struct scope *)&c->scope, &l->url);
    if (*l->password && *l->password_file)
        problem(problems, place_in(n, "password_file"), "password and password_file exclude each other");
    if (*l->bearer_token && *l->bearer_token_file)
        problem(problems, place_in(n, "bearer_token_file"), "bearer_token and bearer_token_file exclude each other");
    bool basic = *l->username || *l->password || *l->password_file;
    if (basic && (*l->bearer_token || *l->bearer_token_file))
        problem(problems, place_in(n, "username"), "basic and bearer authentication exclude each other");
    if (basic && !*l->username)
        problem(problems, place_in(n, *l->password ? "password" : "password_file"), "a password needs a username");
    if (!*l->cert_file != !*l->key_file)
        problem(problems, place_in(n, *l->cert_file ? "cert_file" : "key_file"), "cert_file and key_file need each other");
    if (l->backoff_min > l->backoff_max)
        problem(problems, place_in(n, "backoff_min"), "backoff_min must not be above backoff_max");
    if (l->breaker.cooldown > l->breaker.max_cooldown)
        problem(problems, place_in(n, "circuit_breaker"), "circuit_breaker.cooldown must not be above max_cooldown");
    check_batching(c, l, n, problems);
    if (l->batch_size > c->memory_limit / 4)
        problem(problems, place_in(n, "batch_size"), "batch_size must be at most a quarter of memory_limit (%s)",
                units_size_text(c->memory_limit, limit));
}

static void check_local_file(const struct sink_config *s, const struct node *n, struct problems *problems)
{
    if (!*s->local_file.filename || s->local_file.filename[0] == '/' || strstr(s->local_file.filename, ".."))
        problem(problems, place_in(n, "filename"), "filename must be a path below directory, without '..'");
}

static void check_deduplicate(const struct config *c, const struct sink_config *s, const struct node *n, struct problems *problems)
{
    const struct deduplicate_config *d = &s->deduplicate;
    const struct node *at = node_child(n, "deduplicate");
    uint64_t need = (uint64_t)d->max_lines * DEDUPLICATE_LINE_COST;
    char size[UNITS_TEXT], limit[UNITS_TEXT];
    if (d->enabled && need > c->memory_limit / 4)
        problem(problems, place_in(at ? at : n, "max_lines"),
                "deduplicate.max_lines needs %s, and may have a quarter of memory_limit (%s)", units_size_text(need, size),
                units_size_text(c->memory_limit, limit));
}

void check_sink(const struct config *c, struct sink_config *s, const struct node *n, struct problems *problems)
{
    check_deduplicate(c, s, n, problems);
    if (strcmp(s->type, "loki") == 0)
        check_loki(c, s, n, problems);
    else if (strcmp(s->type, "local_file") == 0)
        check_local_file(s, n, problems);
}

static struct place place_seen(const struct config *c, const struct binding *b, const char *path)
{
    const struct node *n = b->seen[option_find(b->set, path)];
    return n ? n->at : (struct place){*c->file ? c->file : "configuration", 0, 0};
}

static void check_server(const struct config *c, const struct binding *agent, struct problems *problems)
{
    const struct http_config *s = &c->server;
    bool password = *s->password || *s->password_file;
    if (!*s->host)
        problem(problems, place_seen(c, agent, "server.host"), "server.host is empty; write 127.0.0.1, or 0.0.0.0 for all");
    if (*s->token && *s->token_file)
        problem(problems, place_seen(c, agent, "server.token_file"), "server.token and token_file exclude each other");
    if (*s->password && *s->password_file)
        problem(problems, place_seen(c, agent, "server.password_file"), "server.password and password_file exclude each other");
    if (password && !*s->username)
        problem(problems, place_seen(c, agent, *s->password ? "server.password" : "server.password_file"),
                "a password needs server.username");
    if (*s->username && !password)
        problem(problems, place_seen(c, agent, "server.username"), "server.username needs a password or password_file");
    if (strchr(s->username, ':'))
        problem(problems, place_seen(c, agent, "server.username"), "a user name cannot contain ':'");
    if (!*s->cert_file != !*s->key_file)
        problem(problems, place_seen(c, agent, *s->cert_file ? "server.tls.cert_file" : "server.tls.key_file"),
                "server.tls.cert_file and key_file need each other");
}

static void check_patience(const struct config *c, const struct binding *agent, struct problems *problems)
{
    const int64_t after = c->task_tracking.restart_hung_after;
    if (after && after < MINUTE) /* a busy thread that is well may take half of one for a turn */
        problem(problems, place_seen(c, agent, "task_tracking.restart_hung_after"),
                "task_tracking.restart_hung_after must be at least 1m, or 0: never");
}

void check_config(const struct config *c, const struct binding *agent, const struct binding *files,
                  struct problems *problems)
{
    char line[UNITS_TEXT], least[UNITS_TEXT];
    uint64_t need = CHUNKS_LEAST * (c->files.max_line_bytes + CHUNK_EXTRA);
    const struct node *limit = agent->seen[option_find(agent->set, "memory_limit")];

    if (c->memory_limit < need)
        problem(problems, limit ? limit->at : place_seen(c, files, "max_line_bytes"),
                "memory_limit must be at least %s with max_line_bytes: %s", units_size_text(need, least),
                units_size_text(c->files.max_line_bytes, line));
    if (c->dead_letters.reprocess.backoff_min > c->dead_letters.reprocess.backoff_max)
        problem(problems, place_seen(c, agent, "dead_letters.reprocess.backoff_min"),
                "dead_letters.reprocess.backoff_min must not be above backoff_max");
    if (c->metrics.enabled && c->metrics.port && c->metrics.port == c->server.port &&
        strcmp(c->metrics.host, c->server.host) == 0)
        problem(problems, place_seen(c, agent, "metrics.port"),
                "metrics.port and server.port are the same; the API has /metrics too, so set metrics.enabled: false");
    if (*c->disk_buffer.directory && *c->disk_buffer.directory != '/')
        problem(problems, place_seen(c, agent, "disk_buffer.directory"), "disk_buffer.directory must be an absolute path");
    if (c->metrics.path[0] != '/')
        problem(problems, place_seen(c, agent, "metrics.path"), "metrics.path must begin with '/'");
    check_server(c, agent, problems);
    check_patience(c, agent, problems);
}

static bool is_engine(const char *address)
{
    static const char *const begins[] = {"unix:///", "tcp://", "http://", "https://"};
    for (unsigned i = 0; i < sizeof begins / sizeof *begins; i++) {
        size_t n = strlen(begins[i]);
        if (strncmp(address, begins[i], n) == 0)
            return address[n] && !strpbrk(address, " \t\r\n");
    }
    return false;
}

void check_containers(const struct config *c, const struct binding *b, struct problems *problems)
{
    const struct string_list *sockets = &c->containers.sockets;
    for (unsigned i = 0; i < sockets->n; i++)
        if (!is_engine(sockets->items[i]))
            problem(problems, place_seen(c, b, "sockets"),
                    "'%.80s' in monitors.containers.sockets must be unix:///PATH, tcp://HOST:PORT or https://HOST:PORT",
                    sockets->items[i]);
    if (*c->containers.pods_directory && *c->containers.pods_directory != '/')
        problem(problems, place_seen(c, b, "pods_directory"), "monitors.containers.pods_directory must be an absolute path");
    if (!*c->containers.cert_file != !*c->containers.key_file)
        problem(problems, place_seen(c, b, *c->containers.cert_file ? "cert_file" : "key_file"),
                "monitors.containers.cert_file and key_file belong together");
}
