"""Fluent Bit beside logcap, when the environment's FLUENT_BIT (or the PATH) leads to one: nothing of it is part of this."""
import collections
import http.server
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time

from lib import Agent, Failed, Process, loki


class FluentBit(Process):
    """
    Reads a file from its beginning and pushes to Loki's API, its positions kept in a database as logcap does, the line as
    it is (drop_single_key raw), the path as a label; reads of 1 MiB, memory for records as much as logcap has. All else
    is left at its defaults.
    """

    def __init__(self, bench, program, path, port, output=''):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=bench.dir))
        config = self.dir / 'fluent-bit.conf'
        config.write_text(f'[SERVICE]\n  flush 1\n  log_level error\n'
                          f'[INPUT]\n  name tail\n  path {path}\n  read_from_head on\n  db {self.dir}/positions.db\n'
                          f'  buffer_chunk_size 1M\n  buffer_max_size 1M\n  mem_buf_limit 48M\n'
                          f'[OUTPUT]\n  name loki\n  match *\n  host 127.0.0.1\n  port {port}\n'
                          f'  labels job=bench, instance=bench, file_path={path}\n  drop_single_key raw\n{output}')
        super().__init__(program, '-c', config)

    @staticmethod
    def version(program):
        out = subprocess.run([program, '--version'], capture_output=True, text=True, check=True).stdout
        return re.search(r'v(\d[\d.]*)', out)[1]


class NumberedSink:
    """A Loki that can go away. Remembers which numbered lines came, in bodies that are not compressed."""

    NUMBER = re.compile(rb'number (\d{9}) ')

    def __init__(self):
        self.seen, self.again, self.port, self.server = set(), 0, 0, None
        self.changed = time.monotonic()

    def come(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                sink.take(self.rfile.read(int(self.headers['Content-Length'])))
                self.send_response(204)
                self.end_headers()
                self.close_connection = sink.server is None

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def go(self):
        """From now on nothing listens; a connection that is open ends with its next answer."""
        server, self.server = self.server, None
        server.shutdown()
        server.server_close()

    def take(self, body):
        for number in map(int, self.NUMBER.findall(body)):
            self.again += number in self.seen
            self.seen.add(number)
        self.changed = time.monotonic()


Outcome = collections.namedtuple('Outcome', 'written lost again')
RATE = 1000  # lines a second
QUIET = 90   # seconds after which nothing more is expected


def write_numbered(path, seconds, first):
    """RATE lines each second, for so long; returns the number of the next."""
    began = time.monotonic()
    with open(path, 'a') as file:
        for step in range(seconds * 10):
            lines = range(first, first := first + RATE // 10)
            file.write(''.join(f'number {n:09} of a line that a program wrote while its log was being read\n' for n in lines))
            file.flush()
            time.sleep(max(0, began + (step + 1) / 10 - time.monotonic()))
    return first


def outage(bench, program, seconds):
    """Both agents at once, each with a sink of its own that is there, away, and there again. Retries as each has them by itself."""
    path = bench.dir / 'numbered.log'
    path.touch()
    sinks = {'logcap': NumberedSink(), f'Fluent Bit {FluentBit.version(program)}': NumberedSink()}
    for sink in sinks.values():
        sink.come()
    ours, theirs = sinks.values()
    agents = []
    try:
        agents.append(Agent(bench, [str(path)], loki(ours, ', compression: none')))
        agents.append(FluentBit(bench, program, path, theirs.port))
        written = write_numbered(path, seconds[0], 0)
        for sink in sinks.values():
            sink.go()
        written = write_numbered(path, seconds[1], written)
        for sink in sinks.values():
            sink.come()
        written = write_numbered(path, seconds[2], written)
        back = time.monotonic()
        while any(len(s.seen) < written and time.monotonic() - max(s.changed, back) < QUIET for s in sinks.values()):
            for agent in agents:
                agent.check_alive()
            time.sleep(0.1)
    finally:
        for agent in agents:
            if not agent.ended():
                agent.stop()
        os.unlink(path)
    for name, sink in sinks.items():
        if not sink.seen or max(sink.seen) >= written:
            raise Failed(f'{name} delivered nothing, or what was never written')
    return {name: Outcome(written, written - len(sink.seen), sink.again) for name, sink in sinks.items()}
