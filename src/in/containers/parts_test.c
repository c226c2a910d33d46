/* The pure parts of the container monitor. */
#include "in/containers/address.h"
#include "in/containers/choose.h"
#include "in/containers/containers.h"
#include "in/containers/cursor.h"
#include "in/containers/facts.h"
#include "in/containers/own.h"

#include "unit.h"

#define ID "705bcf4d9c377b4ecd797be61817b7dc582b39656ad7dd4ca2c539aa4fd0693b"

static void a_cursor_survives_as_text(void **state)
{
    struct cursor c = {.at = {{1795258547780138623, 3, 32768, 2}, {5, 1, 0, 0}}, .open = 7, .max_line = 262144, .cuts = 9}, again;
    char text[CURSOR_TEXT], copy[CURSOR_TEXT];
    cursor_write(&c, text);
    assert_string_equal(text, "2 out=1795258547780138623+3/32768:2 err=5+1/0:0 open=7 line=262144 cuts=9");
    assert_true(cursor_read(&again, text));
    cursor_write(&again, copy);
    assert_string_equal(copy, text);
    c = (struct cursor){.at = {{INT64_MIN, UINT64_MAX, UINT64_MAX, UINT32_MAX}, {INT64_MIN, UINT64_MAX, UINT64_MAX, UINT32_MAX}},
                        .open = INT64_MIN, .max_line = UINT64_MAX, .cuts = UINT32_MAX};
    cursor_write(&c, text);
    assert_true(cursor_read(&again, text));
    assert_true(again.max_line == UINT64_MAX && again.open == INT64_MIN && again.cuts == UINT32_MAX);
    assert_false(cursor_read(&again, ""));
    assert_false(cursor_read(&again, "1 out=1+1/0:0 err=1+1/0:0 open=0 line=1 cuts=0"));
}

static void it_is_asked_from_where_nothing_can_be_missed(void **state)
{
    struct cursor c = {0};
    assert_int_equal(cursor_since(&c), 0);
    c.at[0] = (struct cursor_place){.time = 100 * SECOND, .n = 1};
    c.at[1] = (struct cursor_place){.time = 50 * SECOND, .n = 1};
    assert_int_equal(cursor_since(&c), 100 * SECOND - CURSOR_MARGIN);
    c.open = 60 * SECOND;
    assert_int_equal(cursor_since(&c), 60 * SECOND);
    c.open = 100 * SECOND;
    assert_int_equal(cursor_since(&c), 100 * SECOND - CURSOR_MARGIN);
}

/* Three of one time, of which two were read; stderr stands elsewhere. */
static void what_was_read_is_told_by_time_and_count(void **state)
{
    struct cursor c = {.at = {{.time = 10, .n = 2}}};
    struct cursor_replay r = {0};
    assert_false(cursor_meet(&r, &c, 0, 9));
    assert_true(cursor_meet(&r, &c, 1, 9));
    assert_false(cursor_meet(&r, &c, 0, 10));
    assert_false(cursor_meet(&r, &c, 0, 10));
    assert_true(cursor_meet(&r, &c, 0, 10));
    assert_int_equal(r.met[0].n, 3);
    assert_true(cursor_meet(&r, &c, 0, 11));
    assert_true(cursor_meet(&r, &c, 0, 8)); /* the clock was set back: new all the same */
    c.at[0] = r.met[0];
    r = (struct cursor_replay){0};
    assert_true(cursor_meet(&r, &c, 0, 11)); /* twice rather than not at all */
}

static void names_and_labels_choose(void **state)
{
    const char *in[] = {"web-*", "db"}, *out[] = {"*-test"}, *labels[] = {"tier=f*nt", "keep"};
    struct containers_config c = {.include_names = {in, 2}, .exclude_names = {out, 1}};
    assert_null(choose(&c, "web-1", false, false));
    assert_null(choose(&c, "db", false, false));
    assert_non_null(choose(&c, "dbx", false, false));
    assert_non_null(choose(&c, "web-test", false, false));
    assert_non_null(choose(&c, "web-1", false, true));
    c.include_labels = (struct string_list){labels, 2};
    assert_non_null(choose(&c, "web-1", false, false));
    assert_null(choose(&c, "web-1", true, false));
    assert_true(choose_label(&c.include_labels, "tier", "front"));
    assert_false(choose_label(&c.include_labels, "tier", "frontx"));
    assert_true(choose_label(&c.include_labels, "keep", ""));
    assert_false(choose_label(&c.include_labels, "kee", ""));
    assert_false(choose_label(&c.include_labels, "keeper", ""));
    /* A pattern of many stars ends. */
    const char *stars[] = {"*a*a*a*a*a*a*a*a*a*a*b"};
    char text[2001] = {0};
    memset(text, 'a', 2000);
    assert_false(choose_name(&(struct string_list){stars, 1}, text));
}

static void an_engine_says_what_a_container_is(void **state)
{
    static const char *labels[] = {"tier", "none"};
    const struct containers_config options = {.labels = {labels, 2}};
    static const char inspected[] =
        "{\"Id\":\"" ID "\",\"Created\":\"2026-11-21T10:55:47.602433656Z\",\"State\":{\"Status\":\"exited\",\"Pid\":[1,{}]},"
        "\"LogPath\":\"/d/x.log\",\"Name\":\"/a\\u0001b\",\"HostConfig\":{\"LogConfig\":{\"Type\":\"local\"}},"
        "\"Config\":{\"Image\":\"nginx:1\",\"Tty\":true,\"Labels\":{\"tier\":\"front\",\"com.docker.compose.project\":\"p\","
        "\"com.docker.compose.service\":\"s\"}}}";
    struct facts f = {0};
    assert_true(facts_inspected(&f, inspected, sizeof inspected - 1, &options));
    assert_string_equal(f.id, ID);
    assert_string_equal(f.name, "a_b");
    assert_string_equal(f.image, "nginx:1");
    assert_string_equal(f.project, "p");
    assert_string_equal(f.service, "s");
    assert_string_equal(f.chosen[0], "front");
    assert_string_equal(f.chosen[1], "");
    assert_string_equal(f.state, "exited");
    assert_string_equal(f.driver, "local");
    assert_string_equal(f.log_path, "/d/x.log");
    assert_true(f.tty);
    assert_int_equal(f.created, 1795258547602433656);
    for (size_t n = 0; n < sizeof inspected - 2; n++) { /* torn anywhere it is none */
        struct facts torn = {0};
        assert_false(facts_inspected(&torn, inspected, n, &options));
    }
    static const char event[] = "{\"Action\":\"die\",\"Actor\":{\"ID\":\"" ID "\",\"Attributes\":{\"name\":\"n\"}},\"timeNano\":17}\n";
    f = (struct facts){0};
    assert_true(facts_event(&f, event, sizeof event - 1, &options));
    assert_string_equal(f.action, "die");
    assert_int_equal(f.time, 17);
    static const char foreign[] = "{\"Action\":\"die\",\"Actor\":{\"ID\":\"../../etc\"}}";
    f = (struct facts){0};
    assert_false(facts_event(&f, foreign, sizeof foreign - 1, &options));
}

static void long_names_are_cut_between_characters(void **state)
{
    static char text[20000];
    const struct containers_config options = {0};
    struct facts f = {0};
    int n = sprintf(text, "{\"Id\":\"" ID "\",\"Name\":\"/");
    for (int i = 0; i < 4000; i++)
        n += sprintf(text + n, "\xc3\xa4");
    n += sprintf(text + n, "\"}");
    assert_true(facts_inspected(&f, text, (size_t)n, &options));
    assert_int_equal(strlen(f.name), FACTS_NAME - 2); /* 127 characters of two bytes */
}

static void versions_are_read(void **state)
{
    static const char text[] = "{\"Components\":[{\"Name\":\"Podman Engine\",\"Details\":{}}],\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.24\"}";
    struct engine_facts f = {0};
    assert_true(facts_version(&f, text, sizeof text - 1));
    assert_true(f.podman);
    assert_int_equal(f.api_most, 41);
    assert_int_equal(f.api_least, 24);
    assert_false(facts_version(&(struct engine_facts){0}, "{}", 2));
}

static void an_engine_says_why_it_refuses(void **state)
{
    static const char text[] = "{\"cause\":\"x\",\"message\":\"no \\\"such\\\" container\",\"response\":404}";
    char out[FACTS_VALUE];
    assert_true(facts_message(out, text, sizeof text - 1));
    assert_string_equal(out, "no \"such\" container");
    assert_false(facts_message(out, text, sizeof text - 2)); /* torn */
    assert_string_equal(out, "");
    assert_false(facts_message(out, "<h1>403</h1>", 12));
    assert_false(facts_message(out, "{}", 2));
}

static void the_own_container_is_found(void **state)
{
    char id[FACTS_ID + 1];
    own_id_from("1 2 0:1 / / rw - overlay overlay rw\n"
                "36 35 98:0 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 /dev/x rw\n", "", id);
    assert_string_equal(id, ID);
    own_id_from("", "0::/system.slice/docker-" ID ".scope\n", id);
    assert_string_equal(id, ID);
    own_id_from("36 35 98:0 /containers/" ID "a/hostname /etc/hostname rw\n", "0::/\n1:cpu:/x/" "abc" "\n", id);
    assert_string_equal(id, "");
    /* What the host mounts of others' is not its own. */
    own_id_from("36 35 98:0 /containers/" ID "/x /var/lib/docker/containers/" ID "/mounts/shm rw\n", "", id);
    assert_string_equal(id, "");
}

static void addresses_are_taken_apart(void **state)
{
    struct scope s;
    struct address a;
    struct containers_config c = {.cert_file = ""};
    assert_int_equal(scope_begin(&s, &scope_root, "test"), 0);
    assert_int_equal(address_parse(&a, &s, "unix:///run/docker.sock", &c), 0);
    assert_string_equal(a.path, "/run/docker.sock");
    assert_int_equal(address_parse(&a, &s, "tcp://h:2375", &c), 0);
    assert_null(a.path);
    assert_string_equal(a.url, "http://h:2375");
    c.cert_file = "/c";
    assert_int_equal(address_parse(&a, &s, "tcp://h:2376", &c), 0);
    assert_string_equal(a.url, "https://h:2376");
    assert_int_equal(address_parse(&a, &s, "ssh://h", &c), -EINVAL);
    assert_int_equal(address_parse(&a, &s, "unix://relative", &c), -EINVAL);
    scope_end(&s);
}

#define POD "/pods/shop_web-0_1234/nginx/0.log"

static void pod_says(const struct config *config, const char *path, const char *part)
{
    struct scope s;
    struct buf out;
    assert_int_equal(scope_begin(&s, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&out, &s, "why", 4096), 0);
    assert_int_equal(containers_why_pod(config, path, &out), part != NULL);
    if (part && !strstr(out.data, part))
        fail_msg("\"%s\" is not in: %s", part, out.data);
    scope_end(&s);
}

static void why_a_pod_is_read_or_not(void **state)
{
    const char *not[] = {"secret*"};
    struct config c = {.containers = {.enabled = true, .pods_directory = "/pods/", .exclude_names = {not, 1}}};
    pod_says(&c, POD, "a log of the container nginx of the pod web-0 in shop, known by its path");
    pod_says(&c, POD ".20261121-105009", "the container nginx");
    pod_says(&c, POD ".20261121-105009.gz", "It is not read: only N.log is");
    pod_says(&c, "/pods/shop_web-0_1234/secret/0.log", "It is not read: monitors.containers.exclude_names has its name.");
    pod_says(&c, "/pods/shop_web-0_1234/nginx/app.log", NULL);
    pod_says(&c, "/var/log/app.log", NULL);
    c.containers.mode = CONTAINERS_API;
    pod_says(&c, POD, NULL);
    c.containers.mode = CONTAINERS_FILES;
    pod_says(&c, POD, "nginx");
    c.containers.enabled = false;
    pod_says(&c, POD, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cursor_survives_as_text),
        TEST(it_is_asked_from_where_nothing_can_be_missed),
        TEST(what_was_read_is_told_by_time_and_count),
        TEST(names_and_labels_choose),
        TEST(an_engine_says_what_a_container_is),
        TEST(long_names_are_cut_between_characters),
        TEST(versions_are_read),
        TEST(an_engine_says_why_it_refuses),
        TEST(the_own_container_is_found),
        TEST(addresses_are_taken_apart),
        TEST(why_a_pod_is_read_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
