#include "config/suggest.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LEN = 255 }; /* a path is a name too; longer ones are near to nothing */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned suggest_distance(const char *a, const char *b, unsigned limit)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned rows[3][NAME_MAX_LEN + 1];

    if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
        return limit + 1;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            row[j] = least(least(up[j] + 1, row[j - 1] + 1), up[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                row[j] = least(row[j], up2[j - 2] + 1);
        }
    }
    return least(rows[n % 3][m], limit + 1);
}

void suggest_begin(struct suggest *s, const char *wrong)
{
    /* A third of the letters may be wrong: beyond that a guess confuses more than it helps. */
    *s = (struct suggest){.wrong = wrong, .distance = (unsigned)(strlen(wrong) + 2) / 3 + 1};
}

void suggest_offer(struct suggest *s, const char *name)
{
    unsigned d = suggest_distance(s->wrong, name, s->distance);
    if (d < s->distance) {
        s->distance = d;
        s->best = name;
    }
}
