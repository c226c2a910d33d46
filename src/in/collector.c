#include "in/collector.h"

#include <string.h>

#include "config/compare.h"
#include "in/containers/containers.h"
#include "in/files/files.h"
#include "in/journal/journal.h"

static int begin_files(struct collector *c, const struct config *config)
{
    struct files *files;
    int r = files_begin(&files, &c->thread.scope, &c->loop, config, c->dispatcher, c->past);
    c->files = files;
    if (r < 0)
        log_error("files", "the file monitor cannot start: %s", strerror(-r));
    return r;
}

static int begin_journal(struct collector *c, const struct config *config)
{
    int r = journal_begin(&c->journal, &c->thread.scope, &c->loop, config, c->dispatcher, c->past);
    if (r < 0)
        log_error("journal", "the journal cannot be read: %s", strerror(-r));
    return r;
}

/* Their log files are read by the file monitor, also when it has no files of its own. */
static int begin_containers(struct collector *c, const struct config *config)
{
    struct containers *containers;
    if (!c->files)
        begin_files(c, c->files_config);
    int r = containers_begin(&containers, &c->thread.scope, &c->loop, config, c->dispatcher, c->past, c->files);
    c->containers = containers;
    if (r < 0)
        log_error("containers", "the container monitor cannot start: %s", strerror(-r));
    return r;
}

/* Within the loop, so that who pauses it finds all of it or nothing; a reload may have begun some of it. */
static void begin_reading(struct nudge *n)
{
    struct collector *c = container_of(n, struct collector, start);
    if (!c->files && c->files_config->files.enabled)
        begin_files(c, c->files_config);
    if (!c->journal && c->journal_config->journal.enabled)
        begin_journal(c, c->journal_config);
    if (!c->containers && c->containers_config->containers.enabled)
        begin_containers(c, c->containers_config);
}

static void collector_run(struct thread *t)
{
    struct collector *c = t->arg;
    c->loop.task = &t->task;
    int r = loop_run(&c->loop);
    if (r < 0)
        log_error("collector", "its event loop failed: %s", strerror(-r));
    struct journal *journal = c->journal;
    struct files *files = c->files;
    struct containers *containers = c->containers;
    c->journal = NULL; /* should the loop have failed, a reload may still come */
    c->files = NULL;
    c->containers = NULL;
    containers_end(containers);
    journal_end(journal);
    files_end(files);
}

static void collector_stop(struct thread *t)
{
    struct collector *c = t->arg;
    loop_stop(&c->loop);
}

int collector_begin(struct collector *c, struct scope *owner, const struct config *config,
                    struct dispatcher *dispatcher, struct past *past)
{
    *c = (struct collector){.files_config = config, .journal_config = config, .containers_config = config,
                            .dispatcher = dispatcher, .past = past};
    int r = loop_begin(&c->loop, owner, "collector loop");
    if (r == 0)
        r = nudge_begin(&c->start, &c->loop.scope, &c->loop, "begin reading", begin_reading);
    if (r == 0)
        nudge_set(&c->start);
    if (r == 0)
        r = thread_begin(&c->thread, owner, "collector", collector_run, collector_stop, c);
    if (r < 0)
        loop_end(&c->loop);
    return r;
}

static int reload_files(struct collector *c, const struct config *config)
{
    if (config_same_files(c->files_config, config))
        return 0;
    int r = 0;
    if (c->files)
        r = files_reload(c->files, config);
    else if (config->files.enabled)
        r = begin_files(c, config);
    if (r == 0)
        c->files_config = config;
    return r;
}

static int reload_journal(struct collector *c, const struct config *config)
{
    if (config_same_journal(c->journal_config, config))
        return 0;
    int r = 0;
    if (c->journal)
        journal_reload(c->journal, config);
    else if (config->journal.enabled)
        r = begin_journal(c, config);
    if (r == 0)
        c->journal_config = config;
    return r;
}

static int reload_containers(struct collector *c, const struct config *config)
{
    if (config_same_containers(c->containers_config, config))
        return 0;
    int r = 0;
    if (c->containers)
        containers_reload(c->containers, config);
    else if (config->containers.enabled)
        r = begin_containers(c, config);
    if (r == 0)
        c->containers_config = config;
    return r;
}

int collector_reload(struct collector *c, const struct config *config)
{
    int files = reload_files(c, config), journal = reload_journal(c, config);
    int containers = reload_containers(c, config);
    return files < 0 ? files : journal < 0 ? journal : containers;
}

void collector_add_sink(struct collector *c, const struct sink *sink)
{
    if (c->files)
        files_add_sink(c->files, sink);
}

const struct files_stats *collector_files(const struct collector *c)
{
    const struct files *files = c->files;
    return files ? files_stats(files) : NULL;
}

struct containers *collector_containers(const struct collector *c)
{
    return c->containers;
}

void collector_end(struct collector *c)
{
    thread_end(&c->thread);
    loop_end(&c->loop);
}
