#include "in/files/gone.h"

#include "in/files/monitor.h"

void gone_add(struct files *f, const struct identity *id, uint64_t offset, uint64_t tail_hash)
{
    if (!f->gone)
        f->gone = mem_new(&f->scope, GONE_MAX * sizeof *f->gone, "gone files");
    if (f->gone)
        f->gone[f->n_gone++ % GONE_MAX] = (struct gone){*id, offset, tail_hash};
}

const struct gone *gone_find(const struct files *f, const struct identity *id)
{
    const struct gone *latest = NULL;
    for (size_t i = 0; i < f->n_gone && i < GONE_MAX; i++) {
        const struct gone *g = &f->gone[i];
        if (g->id.dev == id->dev && g->id.ino == id->ino && g->id.btime == id->btime &&
            (!latest || g->id.generation >= latest->id.generation))
            latest = g;
    }
    return latest;
}
