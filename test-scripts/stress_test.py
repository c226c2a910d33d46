"""Runs logcap under a load of many workers and judges it: pass or fail for each criterion, and as exit code.

Each worker appends lines to a log file of its own, in swings between idle and --rate, rotates it now and then, posts entries to
the HTTP API, and asks the agent for its metrics. What is delivered goes to a server that answers as Loki does (and fails now and
then, as servers do), or to LOKI_URL. The agent has a configuration, ports and a state directory of its own, which are gone afterwards.
"""
import argparse
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNITS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
SWING = 20     # s: half of it idle
ROTATION = 30  # s
FAILURES = 200 # one request of so many is refused with 503


def seconds(text):
    m = re.fullmatch(r'(\d+)([smhd]?)', text)
    if not m or int(m[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration such as 90s, 10m or 2h")
    return int(m[1]) * UNITS[m[2] or 's']


class Server(http.server.ThreadingHTTPServer):
    """Takes what Loki takes. Whether each line arrives is `make test`'s business; here it is counted that requests succeed."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_POST(self):
            self.rfile.read(int(self.headers['Content-Length']))
            self.server.requests += 1
            self.send_response(503 if self.server.requests % FAILURES == 0 else 204)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def log_message(self, *args):
            pass

    def __init__(self):
        super().__init__(('127.0.0.1', 0), self.Handler)
        self.requests = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f'http://127.0.0.1:{self.server_address[1]}'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Agent:
    def __init__(self, binary, directory, url):
        self.port = free_port()
        self.directory = pathlib.Path(directory)
        self.logs = self.directory / 'logs'
        self.logs.mkdir()
        config = {
            'state_dir': str(self.directory / 'state'),
            'server': {'port': self.port},
            'metrics': {'port': free_port()},
            'monitors': {'files': {'paths': [f'{self.logs}/*.log']}, 'journal': {'enabled': False}},
            'sinks': {'loki': {'url': url}, 'local_file': {'directory': str(self.directory / 'out'), 'retention_size': '256MiB'}},
        }
        file = self.directory / 'logcap.yaml'
        file.write_text(json.dumps(config))
        self.said = open(self.directory / 'stderr', 'wb')
        self.process = subprocess.Popen([binary, 'run', '-c', str(file)], stderr=self.said, start_new_session=True)

    def get(self, where, data=None):
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}{where}', data=data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def json(self, where):
        return json.loads(self.get(where))

    def wait_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.get('/ready')
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f'stress-test: the agent does not start:\n{(self.directory / "stderr").read_text()}')

    def stop(self):
        """(seconds it took, exit code, whether a process is left of it)"""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        took = time.monotonic() - begun
        try:
            os.killpg(self.process.pid, 0)
            orphan = True
        except ProcessLookupError:
            orphan = False
        return took, code, orphan


class Worker(threading.Thread):
    def __init__(self, agent, number, rate, over):
        super().__init__(daemon=True)
        self.agent, self.number, self.rate, self.over = agent, number, rate, over
        self.path = agent.logs / f'worker-{number}.log'
        self.lines = 0

    def rotate(self):
        for old in self.agent.logs.glob(f'{self.path.name}.*'):
            old.unlink()
        self.path.rename(f'{self.path}.{self.lines}')

    def run(self):
        file, rotated = open(self.path, 'a'), time.monotonic()
        while not self.over.wait(0.1):
            if (time.monotonic() + self.number) % SWING < SWING / 2:
                for _ in range(self.rate // 10):
                    self.lines += 1
                    file.write(f'worker {self.number} line {self.lines} {"x" * 80}\n')
                file.flush()
            if random.random() < 0.02:
                self.ask()
            if time.monotonic() - rotated > ROTATION + self.number:
                self.rotate()
                file.close()
                file, rotated = open(self.path, 'a'), time.monotonic()
        file.close()

    def ask(self):
        try:
            self.agent.get('/metrics')
            self.agent.get('/api/v1/logs', json.dumps({'message': f'worker {self.number}'}).encode())
        except OSError:
            pass  # it is said by the sampler, if it lasts


def sample(agent):
    stats, tasks, health = agent.json('/stats'), agent.json('/goroutines/stats'), agent.json('/health')
    loki = next(s for s in stats['sinks'] if s['name'] == 'loki')
    return {
        'time': time.monotonic(),
        'tasks': tasks['current_goroutines'],
        'fds': stats['process']['fds'],
        'memory': stats['process']['resident_bytes'] / 2**20,
        'cpu': stats['process']['cpu_seconds'],
        'uptime': stats['uptime_seconds'],
        'health': health['status'],
        'requests': loki['requests'],
        'errors': loki['request_errors'],
        'rejected': loki['rejected_records'],
        'delivered': loki['since_start']['delivered']['records'],
    }


def mean(samples, key):
    return sum(s[key] for s in samples) / len(samples)


def growth_a_minute(samples, key):
    """From the second quarter to the last: the first is warm-up."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter:2 * quarter] or samples[:1], samples[-quarter:]
    minutes = (mean(late, 'time') - mean(early, 'time')) / 60
    return (mean(late, key) - mean(early, key)) / minutes if minutes > 0 else 0


def judge(samples, alerts, took, code, orphan):
    """(criterion, measured, passed), as the reports of the predecessor have them."""
    first, last = samples[0], samples[-1]
    wall = last['time'] - first['time']
    cpu = 100 * (last['cpu'] - first['cpu']) / wall if wall > 0 else 0
    success = 100 * (1 - last['errors'] / last['requests']) if last['requests'] else 0
    unhealthy = [s['health'] for s in samples if s['health'] == 'unhealthy']
    minutes = wall / 60
    # A short run cannot tell a rate: the swing of one sample would be many a minute.
    grown = growth_a_minute(samples, 'tasks') if minutes >= 5 else 0
    return [
        ('tasks at the end under 100', f'{last["tasks"]:.0f}', last['tasks'] < 100),
        ('tasks grow by less than 1 a minute', f'{grown:.2f}' if minutes >= 5 else 'too short to say', grown < 1),
        ('descriptors stable', f'{first["fds"]} to {last["fds"]}', last['fds'] < first['fds'] + 64),
        ('memory under 200 MB', f'{max(s["memory"] for s in samples):.0f} MiB at most', all(s['memory'] < 190 for s in samples)),
        ('CPU under 10 %', f'{cpu:.1f} %', cpu < 10),
        ('health never unhealthy', f'{len(unhealthy)} of {len(samples)} samples', not unhealthy),
        ('no restart', f'up {last["uptime"]:.0f} s', last['uptime'] >= wall),
        ('Loki requests that succeed over 99 %', f'{success:.2f} % of {last["requests"]}', success > 99),
        ('records refused by Loki: none', f'{last["rejected"]} of {last["delivered"]}', last['rejected'] == 0 and last['delivered'] > 0),
        ('the detector raises nothing', ', '.join(a['text'] for a in alerts) or 'nothing', not alerts),
        ('shutdown under 1 s', f'{took:.2f} s', took < 1),
        ('ends well, nothing left alive', f'exit code {code}', code == 0),
        ('no orphan', 'one is left' if orphan else 'none', not orphan),
    ]


def run(agent, args):
    over = threading.Event()
    agent.wait_ready()
    workers = [Worker(agent, n, args.rate, over) for n in range(args.workers)]
    for w in workers:
        w.start()
    samples, end = [], time.monotonic() + args.duration
    pause = min(5, args.duration / 10)
    while time.monotonic() < end:
        time.sleep(pause)
        samples.append(sample(agent))
        s = samples[-1]
        if len(samples) % 60 == 1:
            print(f'{args.duration - (end - s["time"]):7.0f} s  tasks {s["tasks"]:.0f}  descriptors {s["fds"]}  '
                  f'memory {s["memory"]:.1f} MiB  delivered {s["delivered"]}  {s["health"]}', flush=True)
    alerts = [a for a in agent.json('/leaks')['alerts'] if a['event'] == 'raised']
    took = agent.stop()  # under load
    over.set()
    for w in workers:
        w.join()
    return judge(samples, alerts, *took)


def main():
    p = argparse.ArgumentParser(prog='stress-test.sh', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--duration', type=seconds, default='2h', help='90s, 10m, 2h, 48h (2h)')
    p.add_argument('--workers', type=int, default=10, help='who write (10)')
    p.add_argument('--rate', type=int, default=100, help='lines a second of each, when it writes (100)')
    p.add_argument('--binary', default=os.environ.get('LOGCAP', str(ROOT / 'build' / 'logcap')), help='(build/logcap)')
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix='logcap-stress-') as directory:
        agent = Agent(args.binary, directory, os.environ.get('LOKI_URL') or Server().url())
        try:
            criteria = run(agent, args)
        finally:
            if agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()
            said = (pathlib.Path(directory) / 'stderr').read_text(errors='replace')
    for what, measured, passed in criteria:
        print(f'{"pass" if passed else "FAIL"}  {what:42} {measured}')
    failed = sum(not passed for _, _, passed in criteria)
    if failed:
        print(f'\nthe agent said last:\n{said[-4000:]}')
    print(f'\n{"FAIL" if failed else "PASS"}: {len(criteria) - failed} of {len(criteria)} criteria are met')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
