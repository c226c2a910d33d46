#include "in/files/awaited.h"

#include <stdio.h>
#include <string.h>

#include "in/files/directories.h"
#include "in/files/discover.h"

enum { TRIES = 4 }; /* directories come and go while they are looked for */

void awaited_end(struct followed *fl)
{
    if (!fl->above)
        return;
    fl->above->awaited--;
    fl->above->refs--;
    fl->above = NULL;
}

static void await_below(struct followed *fl, struct directory *above)
{
    awaited_end(fl);
    above->awaited++;
    above->refs++;
    fl->above = above;
    discover_list(fl->f, above); /* it is watched from now on */
}

/* The nearest directory above that is there; NULL: none, or no memory. */
static struct directory *nearest(struct files *f, const char *path)
{
    char parent[PATH_MAX];
    struct facts facts;
    snprintf(parent, sizeof parent, "%s", path);
    for (;;) {
        char *slash = strrchr(parent, '/');
        if (!slash || slash == parent)
            return NULL;
        *slash = 0;
        if (facts_of_path(parent, true, &facts) == 0)
            return directory_get(f, parent, false);
    }
}

void awaited_look(struct followed *fl)
{
    for (int i = 0; i < TRIES; i++) {
        fl->directory->mtime = -1;
        discover_list(fl->f, fl->directory);
        struct directory *above = fl->directory->ino ? NULL : nearest(fl->f, fl->directory->path);
        if (!above) {
            awaited_end(fl);
            return;
        }
        if (above == fl->above) /* it was watched before all that was looked at, so the next one to come is heard of */
            return;
        await_below(fl, above);
    }
}

void awaited_came(struct files *f, const struct directory *above)
{
    for (struct followed *fl = f->followed; fl; fl = fl->next)
        if (fl->above == above)
            awaited_look(fl);
}
