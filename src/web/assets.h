/*
 * assets: the files of the page (page/), in the binary: tools/embed puts them there, as they are and gzipped.
 *
 *   /                        index.html, asked for anew each time (ETag)
 *   /page/VERSION/NAME       the others; VERSION changes with the content of any of them, so they may be kept for ever
 */
#pragma once

#include <stddef.h>

struct asset {
    const char *name, *type;
    const unsigned char *plain, *packed;
    size_t plain_n, packed_n;
    const char *etag, *packed_etag;
};

extern const struct asset assets[]; /* ends with one without a name */
extern const char assets_version[];

