"""What the parts of bench/run share: programs whose CPU time is known, the sink, the agent, the lines that it reads."""
import json
import os
import pathlib
import queue
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

LINE = 200  # bytes, line end included
MIB = 1 << 20
PATIENCE = 300  # seconds for anything


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def status(pid, key, file='status'):
    """A figure of /proc/PID in bytes."""
    for line in pathlib.Path(f'/proc/{pid}/{file}').read_text().splitlines():
        if line.startswith(key + ':'):
            return int(line.split()[1]) * 1024
    raise Failed(f'/proc/{pid}/{file} has no {key}')


def cpu_ns(pid):
    """The CPU time of all threads so far."""
    return sum(int((task / 'schedstat').read_text().split()[0])
               for task in pathlib.Path(f'/proc/{pid}/task').iterdir())


def wait_for(what, condition, step=0.05):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failed(f'waited {PATIENCE} s in vain for {what}')
        time.sleep(step)
    return result


class Process:
    """A program whose CPU time is known once it has ended."""

    def __init__(self, *command, log=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        self.popen = subprocess.Popen([str(c) for c in command], stderr=log, stdout=stdout)
        self.pid = self.popen.pid

    def wait(self):
        _, state, usage = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(state)
        return usage.ru_utime + usage.ru_stime

    def ended(self):
        return self.popen.returncode is not None

    def check_alive(self):
        if os.waitpid(self.pid, os.WNOHANG)[0]:
            self.popen.returncode, self.cpu = 1, 0
            raise Failed(f'{self.popen.args[0]} ended{self.said()}')

    def said(self):
        return ''

    def stop(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGTERM)
            self.cpu = self.wait()
        return self.cpu


class Sink(Process):
    def __init__(self, bench, *flags):
        super().__init__(bench.programs / 'httpsink', *flags, stdout=subprocess.PIPE)
        self.requests, self.answers, ports = queue.Queue(), queue.Queue(), queue.Queue()
        kinds = {'port': ports, 'request': self.requests, 'totals': self.answers}

        def read():
            for line in self.popen.stdout:
                kind, *numbers = line.decode().split()
                kinds[kind].put([int(n) for n in numbers])
        threading.Thread(target=read, daemon=True).start()
        self.port = ports.get(timeout=PATIENCE)[0]

    def totals(self):
        """Requests, bytes of bodies, entries, bytes of protobuf."""
        os.kill(self.pid, signal.SIGUSR1)
        return self.answers.get(timeout=PATIENCE)

    def wait_entries(self, n, agent=None):
        """Totals once there are n; ends at once if `agent` has ended."""
        def there():
            if agent:
                agent.check_alive()
            totals = self.totals()
            return totals[2] >= n and totals
        totals = wait_for(f'{n} entries at the sink', there)
        if totals[2] != n:
            raise Failed(f'{totals[2]} entries at the sink instead of {n}')
        return totals


class Agent(Process):
    """logcap with a fresh state directory. Its sink as YAML; `paths` are what it reads, `of_files` more of their options, `engines` whose containers and `mode` how."""

    through = ()  # a command that runs it

    def __init__(self, bench, paths, sinks, of_files='', engines=(), mode='auto'):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=bench.dir))
        self.port = free_port()
        self.config = self.dir / 'generated.yaml'
        self.config.write_text(f'''
state_dir: {self.dir}/state
host: bench
server: {{port: {self.port}}}
metrics: {{port: {free_port()}}}
observability: {{profiling: {{port: 0}}}}
monitors:
  files: {{paths: {json.dumps(paths)}, labels: {{job: bench}}{of_files}}}
  journal: {{enabled: false}}
  containers: {{{f'sockets: {json.dumps([e.address for e in engines])}, mode: {mode}, pods_directory: ""' if engines else 'enabled: false'}}}
sinks: {sinks.format(dir=self.dir)}
''')
        self.messages = self.dir / 'messages'
        with self.messages.open('wb') as log:
            through = (word.format(dir=self.dir) for word in self.through)
            super().__init__(*through, bench.logcap, 'run', '-c', self.config, log=log)

    def get(self, path, method='GET'):
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}{path}', method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            self.check_alive()
            return None

    def said(self):
        return f':\n{self.messages.read_text()}'

    def wait_ready(self):
        wait_for('logcap to be ready', lambda: self.get('/ready'), 0.002)
        return self

    def wait_records(self, n):
        wait_for(f'{n} records delivered',
                 lambda: (s := self.get('/stats')) and s['sinks'][0]['records_out'] >= n, 0.1)

    def again(self, bench):
        """Started anew, with its configuration as it is now and what it kept."""
        with self.messages.open('ab') as log:
            super().__init__(bench.logcap, 'run', '-c', self.config, log=log)

    def stop(self):
        cpu = super().stop()
        if self.popen.returncode != 0:
            raise Failed(f'logcap ended with {self.popen.returncode}{self.said()}')
        return cpu


def loki(sink, extra=''):
    return f'{{{{loki: {{{{url: "http://127.0.0.1:{sink.port}"{extra}}}}}}}}}'


NULL = '{{"null": {{}}}}'
LOCAL = '{{local_file: {{directory: {dir}/out}}}}'


def write_lines(path, size):
    """About `size` bytes of what a web service logs, each line LINE bytes; returns how many lines. Equal each time."""
    rng = random.Random(1)
    words = '''request accepted from upstream connection session token cache lookup query user order payment retry queue
        worker finished started timeout response handler database index row commit flush object'''.split()
    tails = []
    for _ in range(20000):
        text = ' '.join(rng.choices(words, k=16))
        head = (f'{rng.choice(["INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"])} [worker-{rng.randrange(32)}] '
                f'{rng.choice(words)}.{rng.choice(words)}: id={rng.getrandbits(64):016x} '
                f'ip=10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)} '
                f'status={rng.choice([200, 200, 200, 304, 404, 500])} ms={rng.randrange(4000)} ')
        tails.append((head + text).ljust(LINE)[:LINE - 29] + '\n')
    n = size // LINE
    with open(path, 'w') as file:
        for first in range(0, n, 10000):
            file.write(''.join(f'2026-11-21T{i // 3600000 % 24:02}:{i // 60000 % 60:02}:{i // 1000 % 60:02}.{i % 1000:03}000Z '
                               f'{tails[i * 7919 % 20000]}' for i in range(first, min(first + 10000, n))))
    if os.path.getsize(path) != n * LINE:
        raise Failed('the generated lines have another length')
    return n


def wrap_lines(lines, path, form):
    """The same lines as a container's runtime writes them: each with a time of its own."""
    def time(i):
        return f'2026-11-21T{i // 3600000 % 24:02}:{i // 60000 % 60:02}:{i // 1000 % 60:02}.{i % 1000:03}{i * 7919 % 1000000:06}Z'
    with open(lines) as plain, open(path, 'w') as file:
        for i, line in enumerate(plain):
            text = line.rstrip('\n')
            if form == 'json-file':
                file.write(f'{{"log":{json.dumps(text + chr(10))},"stream":"stdout","time":"{time(i)}"}}\n')
            else:
                file.write(f'{time(i)} stdout F {text}\n')
