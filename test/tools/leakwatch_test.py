"""A program that is not logcap finds its leaks with libleakwatch, as `make install-leakwatch` lays it down."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOP = 'http://localhost:{}/debug/pprof/'

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

    def compile(self, source, name):
        env = {**os.environ, 'PKG_CONFIG_PATH': str(self.prefix / 'lib/pkgconfig'), 'PKG_CONFIG_SYSROOT_DIR': str(self.to)}
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'leakwatch'], env=env, check=True, capture_output=True,
                               text=True).stdout.split()
        # The libraries of the system are where they are.
        flags = [f for f in flags if not f.startswith(f'-L{self.to}/usr/lib') and not f.startswith(f'-I{self.to}/usr/include')]
        subprocess.run(['cc', '-g', '-O2', '-Wall', '-Wextra', '-Werror', '-fno-omit-frame-pointer', source, '-o', self.to / name,
                        *flags], check=True)
        return self.to / name

    def get(self, port, what):
        with urllib.request.urlopen(TOP.format(port) + what, timeout=60) as answer:
            return answer.read().decode()

    def test_finds_what_a_program_forgets(self):
        source = self.to / 'program.c'
        source.write_text(PROGRAM)
        program = self.compile(source, 'program')
        with subprocess.Popen([program, self.prefix / 'libexec/leakwatch-resolve'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as running:
            port, count = running.stdout.readline().split()
            text = self.get(port, 'goroutine?format=text')
            line = 1 + PROGRAM[:PROGRAM.index('    leak_begin("forgotten"')].count('\n')
            self.assertRegex(text, r'\n20 forgotten, the oldest "of a thread" \d+ s\n'
                                   rf' +forgets +{re.escape(str(source))}:{line}\n'
                                   rf' +work +{re.escape(str(source))}:\d+\n')
            self.assertNotIn(' short', text)
            self.assertRegex(text, r'\n +main +.*program\.c:\d+\n')
            self.assertEqual(int(count), 20)
            with self.assertRaises(urllib.error.HTTPError):
                self.get(port, '../../etc/passwd')
            running.stdin.write('\n')
            running.stdin.close()
            self.assertEqual(running.wait(60), 0)

    def test_the_example_says_what_it_forgot(self):
        program = self.compile(ROOT / 'examples/leaky.c', 'leaky')
        done = subprocess.run([program, '0', '20'], check=True, capture_output=True, text=True, timeout=120)
        self.assertRegex(done.stdout, r'^http://localhost:\d+/debug/pprof/\n4 were never ended\n$')


if __name__ == '__main__':
    unittest.main()
