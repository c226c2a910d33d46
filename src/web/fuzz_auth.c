/* An Authorization header: nobody is let in but who knows the secret. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/auth.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const struct http_config nothing = {.token = "", .token_file = "", .username = "", .password = "", .password_file = ""};
    static const struct http_config both = {.token = "t0ken", .token_file = "", .username = "me", .password = "secret", .password_file = ""};
    static struct auth a, none;
    char *header = malloc(size + 1);
    if (!header)
        return 0;
    memcpy(header, data, size);
    header[size] = 0;
    if (!a.config && (auth_begin(&a, &scope_root, &both) < 0 || auth_begin(&none, &scope_root, &nothing) < 0))
        abort();
    if (auth_allows(&none, header))
        abort();
    if (auth_allows(&a, header) && strncasecmp(header, "Basic ", 6) != 0 &&
        (strncasecmp(header, "Bearer ", 7) != 0 || !strstr(header, "t0ken")))
        abort();
    free(header);
    return 0;
}
