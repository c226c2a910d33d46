#include "base/birth.h"

#include <pthread.h>

#include "base/mem.h"
#include "unit.h"

/* Whose name is a number has the same one as its owner. */
static struct birth *numbered(uint32_t number)
{
    char name[BIRTH_NAME];
    snprintf(name, sizeof name, "%u", number);
    struct birth *b = birth_new(BIRTH_HANDLE, number, name, 0);
    assert_non_null(b);
    return b;
}

static uint64_t anonymous_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Anonymous: %llu kB", &kib) == 1)
            break;
    fclose(f);
    assert_true(kib > 0);
    return kib * 1024;
}

struct seen {
    uint64_t n, sum;
    bool wrong;
};

static bool look(const struct birth_info *info, void *arg)
{
    struct seen *seen = arg;
    if (info->kind == BIRTH_HANDLE) {
        seen->n++;
        seen->sum += info->owner;
        seen->wrong |= strtoul(info->name, NULL, 10) != info->owner;
    }
    return true;
}

static struct seen seen_now(void)
{
    struct seen seen = {0};
    birth_walk(look, &seen);
    return seen;
}

enum { BURST = 30000, KEPT_EVERY = 3000 };

static void a_burst_gives_its_memory_back(void **state)
{
    static struct birth *all[BURST];
    for (uint32_t i = 0; i < BURST; i++)
        all[i] = numbered(i);
    uint64_t kept = 0, sum = 0;
    for (uint32_t i = 0; i < BURST; i++) {
        if (i % KEPT_EVERY == 0) {
            kept++;
            sum += i;
        } else {
            birth_free(all[i]);
        }
    }
    const uint64_t before = anonymous_bytes();
    mem_trim();
    const uint64_t after = anonymous_bytes();

    struct seen seen = seen_now();
    assert_int_equal(seen.n, kept);
    assert_int_equal(seen.sum, sum);
    assert_false(seen.wrong);
    struct birth *more[BURST / KEPT_EVERY];
    for (uint32_t i = 0; i < BURST / KEPT_EVERY; i++)
        more[i] = numbered(i);
    assert_int_equal(seen_now().n, 2 * kept);
    for (uint32_t i = 0; i < BURST / KEPT_EVERY; i++) {
        birth_free(more[i]);
        birth_free(all[i * KEPT_EVERY]);
    }
    assert_int_equal(seen_now().n, 0);
    assert_true(after + BURST * UINT64_C(150) < before);
}

/* Records that change hands: each thread ends what the other one began. */
enum { ROUNDS = 300, HANDFUL = 1500 };

struct swap {
    struct birth *_Atomic hands[HANDFUL];
    _Atomic bool over;
};

static void *swapper(void *arg)
{
    struct swap *s = arg;
    for (uint32_t i = 0; i < ROUNDS; i++)
        for (uint32_t k = 0; k < HANDFUL; k++)
            birth_free(atomic_exchange(&s->hands[k], i % 2 ? NULL : numbered(k)));
    return NULL;
}

static void *trimmer(void *arg)
{
    struct swap *s = arg;
    while (!atomic_load(&s->over))
        mem_trim();
    return NULL;
}

static void readers_and_owners_do_not_notice_it(void **state)
{
    static struct swap swap;
    pthread_t swappers[2], trims;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&swappers[i], NULL, swapper, &swap), 0);
    assert_int_equal(pthread_create(&trims, NULL, trimmer, &swap), 0);
    bool wrong = false;
    for (int i = 0; i < 100; i++)
        wrong |= seen_now().wrong;
    for (int i = 0; i < 2; i++)
        pthread_join(swappers[i], NULL);
    atomic_store(&swap.over, true);
    pthread_join(trims, NULL);
    for (uint32_t k = 0; k < HANDFUL; k++)
        birth_free(atomic_load(&swap.hands[k]));
    assert_false(wrong);
    assert_int_equal(seen_now().n, 0);
}

/* One that works for a moment and waits for long, by a clock of its own. Under ThreadSanitizer there is time to look between two stores. */
enum { TURNS = 1000000, LONG_WAIT = 1000 };

struct turns {
    struct birth *birth;
    _Atomic int64_t now;
    _Atomic bool over;
    int64_t now_before; /* as its reader began to look, who found: */
    bool wrong; /* it seemed to have run all the time that it waited */
};

static void *take_turns(void *arg)
{
    struct turns *t = arg;
    int64_t now = 0;
    for (int i = 0; i < TURNS; i++) {
        birth_beat(t->birth, BIRTH_RUNNING, now);
        birth_beat(t->birth, BIRTH_WAITING, now);
        atomic_store(&t->now, now += LONG_WAIT);
    }
    atomic_store(&t->over, true);
    return NULL;
}

static bool look_at_turns(const struct birth_info *info, void *arg)
{
    struct turns *t = arg;
    if (info->kind == BIRTH_TASK && info->state == BIRTH_RUNNING && info->beat < t->now_before)
        t->wrong = true;
    return true;
}

static void what_goes_on_after_a_long_wait_is_not_seen_as_silent(void **state)
{
    static struct turns turns;
    pthread_t thread;
    turns.birth = birth_new(BIRTH_TASK, 0, "in turns", 0);
    assert_non_null(turns.birth);
    birth_beat(turns.birth, BIRTH_WAITING, 0);
    assert_int_equal(pthread_create(&thread, NULL, take_turns, &turns), 0);
    while (!atomic_load(&turns.over)) {
        turns.now_before = atomic_load(&turns.now);
        birth_walk(look_at_turns, &turns);
    }
    pthread_join(thread, NULL);
    birth_free(turns.birth);
    assert_false(turns.wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_burst_gives_its_memory_back),
        TEST(readers_and_owners_do_not_notice_it),
        TEST(what_goes_on_after_a_long_wait_is_not_seen_as_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
