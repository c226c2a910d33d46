#include "in/collector.h"

#include <string.h>

#include "in/files.h"
#include "in/journal.h"

static void collector_run(struct thread *t)
{
    struct collector *c = t->arg;
    int r = 0;

    c->loop.task = &t->task;
    if (c->config->files.enabled)
        r = files_begin(&c->files, &t->scope, &c->loop, c->config, c->dispatcher, c->past);
    if (r < 0)
        log_error("files", "the file monitor cannot start: %s", strerror(-r));
    r = 0;
    if (c->config->journal.enabled)
        r = journal_begin(&c->journal, &t->scope, &c->loop, c->config, c->dispatcher, c->past);
    if (r < 0)
        log_error("journal", "the journal cannot be read: %s", strerror(-r));
    r = loop_run(&c->loop);
    if (r < 0)
        log_error("collector", "its event loop failed: %s", strerror(-r));
    if (c->journal)
        journal_end(c->journal);
    if (c->files)
        files_end(c->files);
}

static void collector_stop(struct thread *t)
{
    struct collector *c = t->arg;
    loop_stop(&c->loop);
}

int collector_begin(struct collector *c, struct scope *owner, const struct config *config,
                    struct dispatcher *dispatcher, struct past *past)
{
    *c = (struct collector){.config = config, .dispatcher = dispatcher, .past = past};
    int r = loop_begin(&c->loop, owner, "collector loop");
    if (r == 0)
        r = thread_begin(&c->thread, owner, "collector", collector_run, collector_stop, c);
    if (r < 0)
        loop_end(&c->loop);
    return r;
}

void collector_end(struct collector *c)
{
    thread_end(&c->thread);
    loop_end(&c->loop);
}
