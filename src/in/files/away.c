#include "in/files/away.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "in/files/monitor.h"
#include "in/files/siblings.h"

enum { AWAY_HOURS = 24 };

void away_begin(struct files *f, struct file *file)
{
    file_unwait(f, file);
    file->finished = file->away = true;
    file_store_identity(file, IDENTITY_AWAY);
    atomic_store(&file->source->state, SOURCE_IDLE);
}

void away_end(struct files *f, struct file *file)
{
    if (file->size > file->offset)
        file_lost(f, file, file->size - file->offset, "it was deleted while it was not open");
    file_store_identity(file, IDENTITY_DONE);
    atomic_store(&file->source->state, SOURCE_GONE);
    file_free(f, file);
}

void away_return(struct files *f, struct file *file)
{
    file_unwait(f, file);
    file->finished = file->away = false;
    file->grown = clock_mono();
    file_store_identity(file, IDENTITY_OPEN);
    file_ready(f, file);
}

/* The rotator renames the older ones at each rotation. */
static bool renamed_again(struct files *f, struct file *file, struct facts *facts)
{
    struct sibling found;
    if (!siblings_find_inode(f, file->directory, &file->id, false, &found) || file_renamed(f, file, found.path) < 0)
        return false;
    *facts = found.facts;
    return true;
}

void away_look(struct files *f, struct file *file)
{
    char path[PATH_MAX];
    struct facts facts;
    int r = facts_of_path(file_path(file, path, sizeof path), false, &facts);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
        return;
    bool here = (r == 0 && facts_are(&facts, &file->id)) || renamed_again(f, file, &facts);
    if (here && facts.size > file->offset) {
        file->size = facts.size;
        file->orphan = true;
        away_return(f, file);
    } else if (!here || facts.size < file->offset || clock_mono() - file->grown > AWAY_HOURS * HOUR)
        away_end(f, file);
}

void away_look_unwanted(struct files *f, struct file *file)
{
    char path[PATH_MAX];
    struct facts facts;
    int r = facts_of_path(file_path(file, path, sizeof path), false, &facts);
    bool gone = r == -ENOENT || r == -ENOTDIR || (r == 0 && !facts_are(&facts, &file->id));
    if (!gone || renamed_again(f, file, &facts))
        return;
    file->size = file->offset; /* nobody wanted the rest */
    away_end(f, file);
}
