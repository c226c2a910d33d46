/* Any body of POST /dlq/reprocess: read or refused; what was read is written so that it is read as the same. */
#include <assert.h>
#include <string.h>

#include "core/letters/letter_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct letter_ask ask, again;
    struct buf out = {0};
    if (letter_ask_read(&ask, (const char *)data, size))
        return 0;
    assert(ask.filter.n_ids <= LETTER_IDS);
    if (buf_begin(&out, &scope_root, "out", 1 << 20) == 0 && letter_ask_write(&ask, &out) == 0) {
        const char *wrong = letter_ask_read(&again, out.data, out.len);
        assert(!wrong);
        assert(memcmp(&ask, &again, sizeof ask) == 0);
    }
    buf_end(&out);
    return 0;
}
