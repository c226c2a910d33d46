/*
 * leaky: a program with a leak, and with leakwatch to find it.
 *
 *     cc -g -fno-omit-frame-pointer leaky.c -o leaky $(pkg-config --cflags --libs leakwatch)
 *     ./leaky &
 *     curl http://localhost:6060/leaks
 *     curl 'http://localhost:6060/debug/pprof/goroutine?format=text'
 *
 * It answers a request each tenth of a second. One in five forgets to end what it began. That an upstream does not take half a
 * second is all that it says of itself.
 */
#include <leakwatch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer_request(int number)
{
    leak_track("request", "GET /");
    char name[32];
    snprintf(name, sizeof name, "upstream %d", number);
    struct leak_tracked *upstream = leak_begin("upstream", name);
    if (number % 5)
        leak_end(upstream);
    /* else: an early return, years ago */
}

static void say(const struct leak_alert *alert, void *arg)
{
    (void)arg;
    printf("%s: %s [%s]\n", alert->event == LEAK_ALERT_RESOLVED ? "resolved" : "leak", alert->text, alert->born_at);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const struct leak_options options = {
        .port = argc > 1 ? (unsigned)atoi(argv[1]) : 6060,
        .check_interval_ms = 1000,
        .on_alert = say,
        .resolver = argc > 3 ? argv[3] : NULL,
    };
    int requests = argc > 2 ? atoi(argv[2]) : 600;
    leak_kind("upstream", &(struct leak_kind_options){.max_age_ms = 500});
    int r = leak_serve(&options);
    if (r < 0) {
        fprintf(stderr, "leaky: cannot watch: %s\n", strerror(-r));
        return 1;
    }
    printf("http://localhost:%u/leaks\n", leak_port());
    fflush(stdout);
    for (int i = 0; i < requests; i++) {
        answer_request(i);
        usleep(100 * 1000);
    }
    leak_stop();
    printf("%llu were never ended\n", (unsigned long long)leak_count());
    return 0;
}
