#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct problem {
    struct problem *next;
    struct place at;
    char sentence[];
};

static int compare(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

static int by_place(const struct problems *p, struct place a, struct place b)
{
    int r = strcmp(a.file, b.file);
    if (r != 0 && strcmp(a.file, p->main_file) == 0)
        return -1;
    if (r != 0 && strcmp(b.file, p->main_file) == 0)
        return 1;
    if (r == 0)
        r = compare(a.line, b.line);
    return r ? r : compare(a.column, b.column);
}

void problem(struct problems *p, struct place at, const char *format, ...)
{
    char sentence[600];
    va_list ap;

    if (++p->n > PROBLEMS_KEPT)
        return;
    va_start(ap, format);
    vsnprintf(sentence, sizeof sentence, format, ap);
    va_end(ap);
    /* What was written may hold anything; a message is one line. */
    for (char *c = sentence; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    size_t size = strlen(sentence) + 1;
    struct problem *one = scope_alloc(p->scope, sizeof *one + size), **where = &p->first;
    if (!one)
        return;
    one->at = at;
    memcpy(one->sentence, sentence, size);
    /* Behind those of the same place, which were found before. */
    while (*where && by_place(p, (*where)->at, at) <= 0)
        where = &(*where)->next;
    one->next = *where;
    *where = one;
}

void problems_print(const struct problems *p, struct buf *out)
{
    unsigned shown = 0;
    for (const struct problem *one = p->first; one && shown < PROBLEMS_SHOWN; one = one->next, shown++) {
        if (one->at.line)
            buf_printf(out, "%s:%u:%u: %s\n", one->at.file, one->at.line, one->at.column, one->sentence);
        else
            buf_printf(out, "%s: %s\n", one->at.file, one->sentence);
    }
    if (p->n && !shown)
        buf_puts(out, "out of memory\n");
    else if (p->n > shown)
        buf_printf(out, "there are %u more errors; these are the first %u\n", p->n - shown, shown);
}
