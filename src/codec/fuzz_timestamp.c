/* A format and a text, separated by the first newline: neither may read out of bounds or overflow. */
#include <string.h>

#include "codec/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    char format[TIMESTAMP_MAX] = "auto";
    int64_t out;

    if (end && (size_t)(end - data) < sizeof format) {
        memcpy(format, data, (size_t)(end - data));
        format[end - data] = 0;
        size -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    if (!timestamp_check(format))
        timestamp_parse(format, (const char *)data, size, 1795233240000000000, &out, NULL);
    return 0;
}
