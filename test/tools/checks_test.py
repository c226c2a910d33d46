"""The checks of what is built fail when they must, and say what is wrong."""
import pathlib
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / 'tools'


class Layers(unittest.TestCase):
    def check(self, **files):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                path = pathlib.Path(directory) / (name.replace('__', '/') + '.c')
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            done = subprocess.run([TOOLS / 'check-layers', directory], capture_output=True, text=True)
            return done.returncode, done.stderr

    def test_down_and_beside_itself_is_fine(self):
        self.assertEqual(self.check(core__a='#include "base/scope.h"\n#include "core/b.h"\n'), (0, ''))

    def test_up_is_refused(self):
        code, said = self.check(loop__a='\n#include "core/sink.h"\n')
        self.assertEqual(code, 1)
        self.assertIn('loop/a.c:2: "core/sink.h": loop stands below core', said)

    def test_siblings_do_not_see_each_other(self):
        code, said = self.check(out__a='#include "in/files/tail.h"\n')
        self.assertEqual(code, 1)
        self.assertIn('side by side', said)

    def test_local_spelling_is_refused(self):
        self.assertEqual(self.check(base__a='#include "scope.h"\n')[0], 1)


class Symbols(unittest.TestCase):
    def check(self, name, text):
        with tempfile.TemporaryDirectory() as directory:
            source, stamp = pathlib.Path(directory) / 'x.c', pathlib.Path(directory) / 'stamp'
            source.write_text(text)
            target = pathlib.Path(directory) / name
            subprocess.run(['cc', '-O2', '-D_FORTIFY_SOURCE=2', '-D_FILE_OFFSET_BITS=64', '-c', source, '-o', target],
                           check=True)
            done = subprocess.run([TOOLS / 'check-symbols', stamp, target], capture_output=True, text=True)
            self.assertEqual(stamp.exists(), done.returncode == 0)
            return done.returncode, done.stderr

    def test_the_owner_may(self):
        code = '#include <stdlib.h>\nvoid *f(size_t n) { return malloc(n); }\n'
        self.assertEqual(self.check('src_base_mem.c.o', code), (0, ''))

    def test_nobody_else_may(self):
        code, said = self.check('src_core_batch.c.o', '#include <stdlib.h>\nvoid *f(size_t n) { return malloc(n); }\n')
        self.assertEqual(code, 1)
        self.assertIn('src/core/batch.c: calls malloc()', said)

    def test_large_file_and_checked_spellings_are_seen(self):
        code, said = self.check('src_in_tail.c.o', '#include <fcntl.h>\nint f(const char *p, int n) { return open(p, n); }\n')
        self.assertEqual(code, 1)
        self.assertIn('a descriptor', said)

    def test_nobody_forks(self):
        code, said = self.check('src_base_thread.c.o', '#include <unistd.h>\nint f(void) { return fork(); }\n')
        self.assertEqual(code, 1)
        self.assertIn('only base/child.c may', said)

    def test_what_leaks_on_purpose_is_refused(self):
        code, said = self.check('src_core_sink.c.o', 'static __attribute__((used)) void planted_task(void) {}\n')
        self.assertEqual(code, 1)
        self.assertIn('has planted_task, which is for tests alone', said)
        self.assertEqual(self.check('src_core_sink.c.o', 'void __wrap_lease(void) {}\n')[0], 1)

    def test_nothing_to_look_at_is_a_failure(self):
        self.assertEqual(self.check('other.o', 'int f(void) { return 1; }\n')[0], 1)


class Unused(unittest.TestCase):
    def check(self, **files):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                source = pathlib.Path(directory) / f'{name}.c'
                source.write_text(text)
                subprocess.run(['cc', '-c', source, '-o', pathlib.Path(directory) / f'{name}.c.o'], check=True)
            done = subprocess.run([TOOLS / 'check-unused', directory], capture_output=True, text=True)
            return done.returncode, done.stderr

    def test_what_another_file_uses_is_fine(self):
        self.assertEqual(self.check(src_base_a='int f(void) { return 1; }', src_base_b='int f(void); int main(void) { return f(); }'),
                         (0, ''))
        self.assertEqual(self.check(src_base_a='int n; int f(void) { return n; }', test_b='extern int n; int f(void); int g(void) { return f() + n; }'),
                         (0, ''))

    def test_what_only_its_own_file_uses_is_not(self):
        code, said = self.check(src_base_a='int f(void) { return 1; } int main(void) { return f(); }')
        self.assertEqual(code, 1)
        self.assertIn('src_base_a.c.o: f is used by no other file', said)

    def test_nothing_to_look_at_is_a_failure(self):
        self.assertEqual(self.check(test_b='int g(void) { return 1; }')[0], 1)


if __name__ == '__main__':
    unittest.main()
