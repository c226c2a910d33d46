/* `logcap why PATH`: asks the running agent, at its server's address, why a file is or is not read. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <string.h>

#include "main/commands.h"
#include "main/load.h"
#include "main/outline.h"

enum { ANSWER_BYTES = 1 << 20, TIMEOUT_S = 10 };

static const char help[] = "usage: logcap why [-c FILE] [--json] PATH\n"
                           "\n"
                           "Asks the running agent why a file is or is not read: what matched it, its identity, how far it\n"
                           "is read and delivered, the last error.\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --json         the answer as it came\n"
                           "\n"
                           "Exit code: 0 there was an answer, 1 there was none, 2 wrong usage or configuration.\n";

struct easy {
    struct thing thing;
    CURL *handle;
};

static void easy_end(struct thing *t)
{
    curl_easy_cleanup(container_of(t, struct easy, thing)->handle);
}

static size_t receive(char *data, size_t size, size_t n, void *arg)
{
    return buf_add(arg, data, size * n) < 0 ? 0 : size * n;
}

/* An address that means "all of mine" is asked at the loopback; one of IPv6 goes into brackets. */
static char *url_of(struct scope *scope, const struct config *c, const char *escaped)
{
    const char *host = c->server.host;
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    bool v6 = strchr(host, ':') && *host != '[';
    return scope_printf(scope, "http://%s%s%s:%u/why?format=json&path=%s", v6 ? "[" : "", host, v6 ? "]" : "", c->server.port, escaped);
}

static char *escape(struct scope *scope, const char *path)
{
    char *out = scope_alloc(scope, strlen(path) * 3 + 1), *o = out;
    for (; out && *path; path++)
        o += strchr("/._-", *path) || (*path >= '0' && *path <= '9') || (*path >= 'a' && *path <= 'z') ||
                     (*path >= 'A' && *path <= 'Z')
                 ? sprintf(o, "%c", *path)
                 : sprintf(o, "%%%02X", (unsigned char)*path);
    return out;
}

static int get(struct scope *scope, const char *url, struct buf *answer, long *status)
{
    struct easy e = {0};
    int r = thing_begin(&e.thing, scope, BIRTH_HANDLE, "curl", 0, easy_end);
    if (r < 0)
        return CURLE_OUT_OF_MEMORY;
    e.handle = curl_easy_init();
    if (!e.handle) {
        thing_unborn(&e.thing);
        return CURLE_OUT_OF_MEMORY;
    }
    curl_easy_setopt(e.handle, CURLOPT_URL, url);
    curl_easy_setopt(e.handle, CURLOPT_PROXY, "");
    curl_easy_setopt(e.handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e.handle, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(e.handle, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(e.handle, CURLOPT_WRITEDATA, answer);
    CURLcode code = curl_easy_perform(e.handle);
    if (code == CURLE_OK)
        curl_easy_getinfo(e.handle, CURLINFO_RESPONSE_CODE, status);
    thing_end(&e.thing);
    return (int)code;
}

static int ask(struct scope *scope, struct buf *answer, struct buf *text, const char *file, const char *path, bool json)
{
    char whole[PATH_MAX];
    long status = 0;
    struct config *c = load_or_say(scope, file);

    if (!c)
        return EXIT_USAGE;
    /* As the agent knows it: absolute. What is a link stays one, for the agent's patterns may name it. */
    if (*path != '/') {
        if (!getcwd(whole, sizeof whole))
            return EXIT_FAILED;
        path = scope_printf(scope, "%s/%s", whole, path);
    }
    char *escaped = path ? escape(scope, path) : NULL, *url = escaped ? url_of(scope, c, escaped) : NULL;
    if (!url || buf_begin(answer, scope, "answer", ANSWER_BYTES) < 0 || buf_puts(answer, "") < 0 ||
        buf_begin(text, scope, "text", 2 * ANSWER_BYTES) < 0) {
        fputs("logcap: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    int code = get(scope, url, answer, &status);
    if (code != CURLE_OK) {
        fprintf(stderr, "logcap: no agent answers at %s port %u (%s); is it running, and with this configuration (-c)?\n",
                c->server.host, c->server.port, curl_easy_strerror((CURLcode)code));
        return EXIT_FAILED;
    }
    if (json)
        fwrite(answer->data, 1, answer->len, stdout);
    else if (outline_from_json(answer->data, answer->len, text) == 0)
        fputs(text->data, stdout);
    return status < 400 || status == 404 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_why(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *file = NULL;
    bool json = false;
    struct scope scope;
    struct buf answer, text;

    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        if (o == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (o == 'c')
            file = optarg;
        json |= o == 'j';
        if (o == '?')
            argc = 0;
    }
    if (optind + 1 != argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (scope_begin(&scope, &scope_root, "why command") < 0)
        return EXIT_FAILED;
    int code = ask(&scope, &answer, &text, file, argv[optind], json);
    scope_end(&scope);
    return code;
}
