"""A program that is not logcap finds its leaks with libleakwatch, as `make install-leakwatch` lays it down."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Names that logcap has too: they must not meet. It leaks in one of two places, from two threads, and stops and starts to serve.
PROGRAM = r'''
#include <leakwatch.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

int fd_open(void) { return 1; }
int log_write = 2;
struct scope { int x; } scope_root = {3};

static __attribute__((noinline, noclone)) void forgets(const char *name)
{
    leak_begin("forgotten", name);
    __asm__ volatile("");
}

static void *work(void *arg)
{
    for (volatile int i = 0; i < 500; i++) {
        leak_track("short", "x");
        if (i % 100 == 0)
            forgets("of a thread");
        if (i == 400) {
            leak_track("short too", "y");
            continue;
        }
    }
    return arg;
}

int main(int argc, char **argv)
{
    const struct leak_options options = {.resolver = argc > 1 ? argv[1] : NULL};
    pthread_t threads[4];
    for (int round = 0; round < 2; round++) {
        if (leak_serve(&options) != 0 || leak_serve(&options) == 0)
            return 1;
        if (round == 0)
            leak_stop();
    }
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("%u %llu\n", leak_port(), (unsigned long long)leak_count());
    fflush(stdout);
    getchar();
    leak_stop();
    leak_stop();
    return leak_port() == 0 && fd_open() + log_write + scope_root.x == 6 ? 0 : 1;
}
'''


# With the monitor: looks ten times a second; leaks as it is told to, and says what it hears.
WATCHED = r'''
#include <leakwatch.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BURST = 200000 };
static struct leak_tracked *stuck, *burst[BURST];
static volatile int over;

static void told(const struct leak_alert *a, void *arg)
{
    static const char *const events[] = {"raised", "worse", "resolved"};
    printf("alert %s %d %d %s at %s: %s\n", events[a->event], (int)a->severity, a->exact, a->resource, a->born_at, a->text);
    fflush(arg);
}

static void hangs(const struct leak_hang *h, void *arg)
{
    printf("hang %s %s %d %d\n", h->kind, h->name, h->id == leak_id(stuck), h->silent_s >= 0.2 && leak_port() > 0);
    fflush(arg);
}

static __attribute__((noinline, noclone)) void forgets(void)
{
    leak_begin("forgotten", "one");
    __asm__ volatile("");
}

static void *work(void *what)
{
    int leaks = strcmp(what, "leaks") == 0;
    for (int i = 0; !over; i++) {
        for (int k = 0; k < 20; k++) {
            leak_track("request", "GET /");
            struct leak_tracked *waits = leak_begin("patient", "waits");
            leak_wait(waits);
            leak_end(waits);
        }
        if (leaks) {
            forgets();
            if (open("/proc/self/exe", O_RDONLY) < 0)
                leaks = 0;
        }
        usleep(20000);
    }
    return what;
}

static long resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * 4096;
}

int main(int argc, char **argv)
{
    const struct leak_options options = {
        .resolver = argv[1], .check_interval_ms = 100, .on_alert = told, .arg = stdout,
    };
    const struct leak_kind_options stuck_kind = {.heartbeat_ms = 100, .on_hang = hangs, .arg = stdout};
    const struct leak_kind_options patient_kind = {.heartbeat_ms = 2000, .on_hang = hangs, .arg = stdout};
    pthread_t thread;
    char line[80];
    if (argc != 3 || leak_kind("stuck", &stuck_kind) != 0 || leak_kind("stuck", &stuck_kind) == 0 ||
        leak_kind("patient", &patient_kind) != 0 || leak_kind("aged", &(struct leak_kind_options){.max_age_ms = 300}) != 0 ||
        leak_kind("few", &(struct leak_kind_options){.most = 2}) != 0 || leak_serve(&options) != 0)
        return 1;
    printf("port %u\n", leak_port());
    fflush(stdout);
    pthread_create(&thread, NULL, work, argv[2]);
    struct leak_tracked *waits = leak_begin("patient", "waits long");
    leak_wait(waits);
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "hang\n") == 0)
            stuck = leak_begin("stuck", "the stuck one");
        else if (strcmp(line, "go on\n") == 0)
            leak_wait(stuck);
        else if (strcmp(line, "age\n") == 0)
            leak_begin("aged", "the old one");
        else if (strcmp(line, "many\n") == 0)
            for (volatile int i = 0; i < 3; i++)
                leak_begin("few", "of many");
        else if (strcmp(line, "burst\n") == 0)
            for (volatile int i = 0; i < BURST; i++)
                burst[i] = leak_begin("burst", "x");
        else if (strcmp(line, "burst over\n") == 0)
            for (volatile int i = 0; i < BURST; i++)
                leak_end(burst[i]);
        else if (strcmp(line, "resident\n") == 0)
            printf("resident %ld\n", resident());
        else if (strcmp(line, "again\n") == 0) {
            leak_stop();
            printf("stopped %u\n", leak_port());
            if (leak_serve(&options) == 0)
                printf("port %u\n", leak_port());
        }
        fflush(stdout);
    }
    over = 1;
    pthread_join(thread, NULL);
    leak_stop();
    return 0;
}
'''


class Running:
    """A program that is told lines and says lines."""

    def __init__(self, program):
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()
        self.port = int(self.hear('port').split()[1])

    def listen(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip())

    def tell(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def hear(self, begin, after=0):
        return until(lambda: next((line for line in self.said[after:] if line.startswith(begin)), None), begin)

    def ask(self, line):
        after = len(self.said)
        self.tell(line)
        return self.hear(line, after)

    def leaks(self):
        return json.loads(get(self.port, 'leaks'))

    def find(self, what, name):
        """Of the findings by their resource, or the series by their name."""
        key = 'resource' if what == 'findings' else 'name'
        return next((one for one in self.leaks()[what] if one[key].startswith(name)), None)

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


def until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f'not within {seconds} s: {what}')


def get(port, what):
    with urllib.request.urlopen(f'http://localhost:{port}/{what}', timeout=60) as answer:
        return answer.read().decode()


class Leakwatch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keep = tempfile.TemporaryDirectory()
        cls.to = pathlib.Path(cls.keep.name)
        subprocess.run(['make', '-C', ROOT, 'install-leakwatch', f'DESTDIR={cls.to}', 'BUILD=build-test'], check=True,
                       capture_output=True, timeout=250)
        cls.prefix = cls.to / 'usr/local'

    @classmethod
    def tearDownClass(cls):
        cls.keep.cleanup()

    def compile(self, source, name, compiler='cc'):
        env = {**os.environ, 'PKG_CONFIG_PATH': str(self.prefix / 'lib/pkgconfig'), 'PKG_CONFIG_SYSROOT_DIR': str(self.to)}
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'leakwatch'], env=env, check=True, capture_output=True,
                               text=True).stdout.split()
        # The libraries of the system are where they are.
        flags = [f for f in flags if not f.startswith(f'-L{self.to}/usr/lib') and not f.startswith(f'-I{self.to}/usr/include')]
        subprocess.run([compiler, '-g', '-O2', '-Wall', '-Wextra', '-Werror', '-fno-omit-frame-pointer', source, '-o', self.to / name,
                        *flags], check=True)
        return self.to / name

    def test_finds_what_a_program_forgets(self):
        source = self.to / 'program.c'
        source.write_text(PROGRAM)
        program = self.compile(source, 'program')
        with subprocess.Popen([program, self.prefix / 'libexec/leakwatch-resolve'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as running:
            port, count = running.stdout.readline().split()
            text = get(port, 'debug/pprof/goroutine?format=text')
            line = 1 + PROGRAM[:PROGRAM.index('    leak_begin("forgotten"')].count('\n')
            self.assertRegex(text, r'\n20 forgotten, the oldest "of a thread" \d+ s\n'
                                   rf' +forgets +{re.escape(str(source))}:{line}\n'
                                   rf' +work +{re.escape(str(source))}:\d+\n')
            self.assertNotIn(' short', text)
            self.assertRegex(text, r'\n +main +.*program\.c:\d+\n')
            self.assertEqual(int(count), 20)
            with self.assertRaises(urllib.error.HTTPError):
                get(port, 'debug/pprof/../../etc/passwd')
            running.stdin.write('\n')
            running.stdin.close()
            self.assertEqual(running.wait(60), 0)

    def watched(self, mode):
        source = self.to / 'watched.c'
        source.write_text(WATCHED)
        running = Running([self.compile(source, 'watched'), self.prefix / 'libexec/leakwatch-resolve', mode])
        self.addCleanup(running.process.kill)
        return running

    def test_names_what_grows_with_the_line_that_began_it(self):
        running = self.watched('leaks')
        line = 1 + WATCHED[:WATCHED.index('    leak_begin("forgotten"')].count('\n')
        grows = until(lambda: (s := running.find('series', 'tasks:forgotten')) and s['verdict'] in ('growing', 'leaking') and s, 'growth')
        self.assertGreater(grows['slope_per_min'], 0)
        self.assertRegex(' '.join(grows['born']['stack']), rf'^forgets\S* \S*watched\.c:{line} work')
        until(lambda: (s := running.find('series', 'fds:file')) and s['verdict'] in ('growing', 'leaking'), 'descriptors grow')
        for steady in ('tasks:request', 'tasks:patient', 'threads'):
            s = running.find('series', steady)
            self.assertTrue(s is None or s['verdict'] in ('steady', 'undetermined'), s)
        self.assertFalse([s['name'] for s in running.leaks()['series'] if s['name'].startswith(('arena:', 'things:', 'fds:unowned'))])
        self.assertRegex(get(running.port, 'metrics'), r'\nleakwatch_series\{series="tasks:forgotten"\} [1-9]')
        self.assertEqual(running.end(), 0)

    def test_is_sure_of_what_hangs_is_too_old_or_too_many(self):
        running = self.watched('clean')
        running.tell('hang')
        hang = until(lambda: running.find('findings', 'tasks:stuck/hangs/'), 'the hang')
        self.assertTrue(hang['exact'])
        self.assertRegex(hang['text'], r'^the task "the stuck one" has given no sign of life')
        self.assertIn('watched.c:', ' '.join(hang['born']['stack']))
        self.assertEqual(running.hear('hang'), 'hang stuck the stuck one 1 1')
        running.tell('age')
        self.assertRegex(running.hear('alert raised 1 1 tasks:aged/old'),
                         r' at main\S* \S*watched\.c:\d+: 1 task of the kind aged is older than 0\.3 s, the oldest "the old one"')
        running.tell('many')
        self.assertRegex(running.hear('alert raised 1 1 tasks:few/most'), r': 3 tasks of the kind few exist where at most 2 may; ')
        checks = running.leaks()['totals']['samples']
        until(lambda: running.leaks()['totals']['samples'] > checks + 5, 'more checks')
        self.assertEqual(sum(line.startswith('hang') for line in running.said), 1, running.said)
        running.tell('go on')
        running.hear('alert resolved 2 1 tasks:stuck/hangs/')
        running.tell('again')
        self.assertEqual(running.hear('stopped'), 'stopped 0')
        running.port = int(until(lambda: [line for line in running.said if line.startswith('port')][1:], 'it serves again')[0].split()[1])
        until(lambda: running.find('findings', 'tasks:aged/old'), 'it is found again')
        self.assertEqual(running.end(), 0)

    def test_is_silent_about_a_program_that_works_and_keeps_no_burst(self):
        running = self.watched('clean')
        until(lambda: running.leaks()['totals']['samples'] > 60, 'many checks')
        leaks = running.leaks()
        self.assertEqual([leaks[key] for key in ('status', 'findings', 'suspects', 'alerts')], ['ok', [], [], []])
        resident = lambda: int(running.ask('resident').split()[1])
        before = resident()
        running.tell('burst')
        full = until(lambda: (now := resident()) > before + (30 << 20) and now, 'the burst is there')
        running.tell('burst over')
        until(lambda: resident() < before + (full - before) // 4, 'the burst is given back')
        self.assertFalse([line for line in running.said if line.startswith(('alert', 'hang'))])
        self.assertEqual(running.end(), 0)

    def test_its_names_are_those_of_its_header(self):
        header = (self.prefix / 'include/leakwatch.h').read_text()
        declared = set(re.findall(r'^[a-z].*[ *](leak_\w+)\(.*\);', header, re.M))
        out = subprocess.run(['nm', '-g', '--defined-only', self.prefix / 'lib/libleakwatch.a'], check=True, capture_output=True, text=True)
        self.assertEqual(set(re.findall(r'^[0-9a-f]+ \w (\w+)$', out.stdout, re.M)), declared)
        self.assertGreater(len(declared), 8)

    def test_is_for_cplusplus_too(self):
        source = self.to / 'plus.cc'
        source.write_text('#include <leakwatch.h>\nint main()\n{\n    leak_track("a", "b");\n    leak_kind_options kind{};\n'
                          '    kind.most = 1;\n    leak_kind("c", &kind);\n    leak_begin("a", nullptr);\n'
                          '    return leak_count() == 2 ? 0 : 1;\n}\n')
        subprocess.run([self.compile(source, 'plus', 'c++')], check=True, timeout=60)

    def test_the_example_says_what_it_forgot(self):
        program = self.compile(ROOT / 'examples/leaky.c', 'leaky')
        done = subprocess.run([program, '0', '40', self.prefix / 'libexec/leakwatch-resolve'], check=True, capture_output=True, text=True, timeout=120)
        self.assertRegex(done.stdout, r'^http://localhost:\d+/leaks\n(?:.*\n)*8 were never ended\n$')
        source = (ROOT / 'examples/leaky.c').read_text()
        line = 1 + source[:source.index('leak_begin("upstream"')].count('\n')
        # Told at the second check, as it is older than an upstream may become.
        self.assertRegex(done.stdout, r'\nleak: \d tasks? of the kind upstream (?:is|are) older than 0\.5 s, the oldest "upstream 0" \d+ s; .*'
                                      rf' \[answer_request\S* \S*leaky\.c:{line}\b.*\]\n')


if __name__ == '__main__':
    unittest.main()
