"""What `make install` lays down works: the binary, the configuration, the unit file."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Build(unittest.TestCase):
    """A check that fails, or cannot run on this machine, keeps a developer from building, and nobody else."""

    def built(self, goal):
        done = subprocess.run(['make', '-n', '-C', ROOT, goal, 'BUILD=build-test'], check=True,
                              capture_output=True, text=True)
        target = next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith('ninja'))
        done = subprocess.run(['ninja', '-C', ROOT / 'build-test', '-t', 'inputs', target], check=True,
                              capture_output=True, text=True)
        self.assertIn('src/main/main.c', done.stdout)
        return done.stdout

    def test_users_need_no_checks(self):
        for goal in ('run', 'install', 'bench'):
            self.assertNotIn('tools/check-', self.built(goal), goal)

    def test_developers_have_them(self):
        self.assertIn('tools/check-layers', self.built('all'))
        self.assertIn('tools/check-symbols', self.built('all'))


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keep = tempfile.TemporaryDirectory()
        cls.to = pathlib.Path(cls.keep.name)
        cls.install()

    @classmethod
    def tearDownClass(cls):
        cls.keep.cleanup()

    @classmethod
    def install(cls):
        subprocess.run(['make', '-s', '-C', ROOT, 'install', f'DESTDIR={cls.to}', 'PREFIX=/usr', 'BUILD=build-test'],
                       check=True, capture_output=True)

    def test_binary_runs(self):
        done = subprocess.run([self.to / 'usr/bin/logcap', 'version'], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('logcap', done.stdout)

    def test_configuration_is_valid(self):
        done = subprocess.run([self.to / 'usr/bin/logcap', 'check', '-c', self.to / 'etc/logcap/logcap.yaml'],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_configuration_of_the_user_stays(self):
        config = self.to / 'etc/logcap/logcap.yaml'
        before = config.read_text()
        try:
            config.write_text('state_dir: /elsewhere\n')
            self.install()
            self.assertEqual(config.read_text(), 'state_dir: /elsewhere\n')
        finally:
            config.write_text(before)

    @unittest.skipUnless(shutil.which('systemd-analyze'), 'needs systemd-analyze')
    def test_unit_file_is_valid(self):
        unit = self.to / 'usr/lib/systemd/system/logcap.service'
        text = unit.read_text()
        self.assertIn('ExecStart=/usr/bin/logcap run', text)
        # systemd looks for the program where the unit says it is.
        unit.write_text(text.replace('/usr/bin/logcap', str(self.to / 'usr/bin/logcap')))
        done = subprocess.run(['systemd-analyze', 'verify', unit], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))


if __name__ == '__main__':
    unittest.main()
