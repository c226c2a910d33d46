#include "web/assets.h"

#include <string.h>

#include "web/routes.h"

/*
 * Nothing but our own files is run or loaded, nobody may frame them, and text never becomes markup: the browser refuses
 * innerHTML and its kin altogether.
 */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
                             "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

static const struct asset *asset_find(const char *name)
{
    for (const struct asset *a = assets; a->name; a++)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static void give(struct request *q, const struct asset *a, const char *cache)
{
    const char *takes = request_header(q, "Accept-Encoding"), *has = request_header(q, "If-None-Match");
    bool packed = takes && strstr(takes, "gzip");
    q->content_type = a->type;
    q->policy = policy;
    q->cache = cache;
    q->encoding = packed ? "gzip" : NULL;
    q->etag = packed ? a->packed_etag : a->etag;
    if (has && strstr(has, q->etag)) {
        q->status = 304;
        return;
    }
    q->fixed = packed ? a->packed : a->plain;
    q->fixed_n = packed ? a->packed_n : a->plain_n;
}

void page_answer(struct web *w, struct request *q)
{
    give(q, asset_find("index.html"), "no-cache");
}

void asset_answer(struct web *w, struct request *q)
{
    const char *path = q->path + strlen("/page/");
    size_t n = strlen(assets_version);
    bool current = strncmp(path, assets_version, n) == 0 && path[n] == '/';
    const struct asset *a = current ? asset_find(path + n + 1) : NULL;
    if (a)
        give(q, a, "public, max-age=31536000, immutable");
    else
        request_fail(q, 404, "the page has no such file, or is of another version: load it anew");
}
