/* A request line's path, and the numbers of a page: what is found is what was asked for. */
#include <stdlib.h>
#include <string.h>

#include "web/routes.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    uint64_t number = 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    const struct route *all = route_find(text, WEB_ALL, "/m"), *few = route_find(text, WEB_METRICS, "/m");
    const char *asked = strcmp(text, "/m") == 0 ? "/metrics" : text;
    size_t before_star = all ? strcspn(all->path, "*") : 0;
    if (all && (strncmp(all->path, asked, before_star) != 0 || (!all->path[before_star] && asked[before_star])))
        abort();
    if (few && few != all)
        abort();
    bool profile = few && strcmp(few->path, "/debug/pprof/*") == 0;
    if (few && strcmp(few->path, "/metrics") != 0 && strcmp(few->path, "/health") != 0 && !profile)
        abort();
    if ((route_find(text, WEB_PROFILING, "/m") != NULL) != profile)
        abort();
    if (page_number(text, &number) && (text[strspn(text, "0123456789")] || !*text))
        abort();
    route_method(text);
    free(text);
    return 0;
}
