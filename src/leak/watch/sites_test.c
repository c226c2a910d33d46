#include "leak/watch/sites.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "leak/watch/targets.h"
#include "unit.h"

static struct scope scope, holder;
static struct tally tally;

/* One place each, however the compiler unrolls loops. */
__attribute__((noinline)) static int open_null(struct fd *fd)
{
    return fd_open(fd, &holder, "/dev/null", O_RDONLY, 0);
}

__attribute__((noinline)) static void open_zeros(struct fd *fds, unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        assert_int_equal(fd_open(&fds[i], &holder, "/dev/zero", O_RDONLY, 0), 0);
}

__attribute__((noinline)) static void open_nulls(struct fd *fds, unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        assert_int_equal(open_null(&fds[i]), 0);
}

static void begin(void)
{
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(scope_begin(&holder, &scope, "pool of nothing"), 0);
    assert_int_equal(tally_begin(&tally, &scope, false), 0);
}

/* Those that hold most are not those that grew. */
static void what_grew_since_a_moment_comes_first(void **state)
{
    struct fd many[9], few[3];
    struct footprint *before;
    struct sites s;
    begin();
    before = mem_new(&scope, sizeof *before, "before");
    assert_non_null(before);
    open_zeros(many, 9);
    footprint_take(before, clock_mono());
    open_nulls(few, 3);
    assert_int_equal(tally_take(&tally, clock_mono()), 0);

    assert_int_equal(sites_gather(&s, &scope, "fds", &tally, before), 0);
    assert_int_equal(s.list[0].count, 3);
    assert_int_equal(s.list[0].grown, 3);
    assert_int_equal(s.list[1].count, 9);
    assert_int_equal(s.list[1].grown, 0);
    assert_int_equal(s.grown_since, before->taken);
    assert_string_equal(s.holders[0].name, "pool of nothing");
    assert_int_equal(s.holders[0].count, 12);
    assert_int_equal(s.n_oldest, SITES_OLDEST);
    for (unsigned i = 1; i < s.n_oldest; i++)
        assert_true(s.oldest[i - 1].born <= s.oldest[i].born);
    assert_true(s.oldest[0].born <= s.list[1].first.born);
    sites_end(&s);

    /* Without a moment to compare with, the most come first. */
    assert_int_equal(sites_gather(&s, &scope, "fds", &tally, NULL), 0);
    assert_int_equal(s.list[0].count, 9);
    assert_int_equal(s.list[0].grown, 0);
    assert_int_equal(s.grown_since, 0);
    sites_end(&s);
    scope_end(&scope);
}

static void a_footprint_that_is_full_says_nothing_of_what_it_does_not_know(void **state)
{
    struct fd fd;
    struct sites s;
    begin();
    struct footprint *before = mem_new(&scope, sizeof *before, "before");
    assert_non_null(before);
    footprint_take(before, clock_mono());
    before->full = true;
    assert_int_equal(open_null(&fd), 0);
    assert_int_equal(tally_take(&tally, clock_mono()), 0);
    assert_int_equal(sites_gather(&s, &scope, "fds", &tally, before), 0);
    assert_int_equal(s.list[0].grown, 0);
    sites_end(&s);
    scope_end(&scope);
}

static void descriptors_are_told_by_type_and_target(void **state)
{
    struct fd null[3], listener, clients[2];
    struct numbers open;
    struct kernel_fds fds;
    struct buf out;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    char expected[128];
    begin();
    assert_int_equal(numbers_begin(&open, &scope, "open"), 0);
    assert_int_equal(buf_begin(&out, &scope, "out", 16384), 0);
    open_nulls(null, 3);
    assert_int_equal(fd_socket(&listener, &holder, AF_INET, SOCK_STREAM, 0), 0);
    assert_int_equal(bind(listener.n, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener.n, 8), 0);
    assert_int_equal(getsockname(listener.n, (struct sockaddr *)&a, &size), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fd_socket(&clients[i], &holder, AF_INET, SOCK_STREAM, 0), 0);
        assert_true(connect(clients[i].n, (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
        assert_int_equal(poll(&(struct pollfd){.fd = clients[i].n, .events = POLLOUT}, 1, 60000), 1);
    }
    assert_int_equal(kernel_fds(&fds, &open, &scope), 0);
    struct doc d = {.out = &out};
    doc_object(&d, NULL);
    targets_write(&d, "descriptors", &open, &scope);
    doc_object_end(&d);
    assert_non_null(strstr(out.data, "\"target\":\"/dev/null\",\"count\":"));
    if (ntohs(a.sin_port) < PORTS_OF_CLIENTS)
        snprintf(expected, sizeof expected, "{\"type\":\"tcp_established\",\"target\":\"127.0.0.1:%u\",\"count\":2}", ntohs(a.sin_port));
    else
        snprintf(expected, sizeof expected, "{\"type\":\"tcp_established\",\"target\":\"127.0.0.1\",\"count\":2}");
    assert_non_null(strstr(out.data, expected));
    assert_non_null(strstr(out.data, "{\"type\":\"tcp_listening\",\"target\":\"127.0.0.1"));
    scope_end(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_grew_since_a_moment_comes_first),
        TEST(a_footprint_that_is_full_says_nothing_of_what_it_does_not_know),
        TEST(descriptors_are_told_by_type_and_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
