"""What the page costs while it is open and lines pass as fast as they can.

It works by the clock: a snapshot a second, ten looks a second at what passes, each of which takes a bounded amount. So its share
of the instructions is its instructions a second over those that the agent spends a second at full speed. The first are counted under
callgrind, where all is so slow that a share of that run would be many times too high; the second are those of the run divided by the time that
the same bytes take natively.
"""
import shutil
import socket
import threading
import time

from instructions import BYTES, Counted, annotated
from lib import Agent, Failed, Sink, loki, write_lines

LOOKS = 10  # of the tail, a second


class Follower(threading.Thread):
    """Reads the events of one path, as a page does."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.events = 0
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=60)
        self.socket.sendall(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
        self.start()

    def run(self):
        try:
            while data := self.socket.recv(1 << 20):
                self.events += data.count(b'event: ')
        except OSError:
            pass


def counted(bench, lines, entries, with_page):
    """Instructions of each function, of the whole, and for how many seconds a page was served."""
    sink = Sink(bench, '--count')
    agent = Counted(bench, [str(lines)], loki(sink, ''))
    followers = []
    try:
        if with_page:
            agent.wait_ready()
            followers = [Follower(agent.port, path) for path in ('/live', '/tail')]
        sink.wait_entries(entries, agent)
    finally:
        agent.stop()
        sink.stop()
    return *annotated(agent.dir), followers[1].events / LOOKS if followers else 0


def full_speed(bench, lines, entries):
    """Seconds, the least of some runs: what else the machine does only makes it more."""
    took = []
    for _ in range(max(3, bench.options.rounds)):
        sink = Sink(bench, '--count')
        began = time.monotonic()
        agent = Agent(bench, [str(lines)], loki(sink, ''))
        sink.wait_entries(entries, agent)
        took.append(time.monotonic() - began)
        agent.stop()
        sink.stop()
    return min(took)


def page(bench):
    if not shutil.which('valgrind'):
        bench.row('the page, % of the instructions', 'not measured: there is no valgrind')
        return
    lines = bench.dir / 'few.log'
    entries = write_lines(lines, BYTES)
    without, total, _ = counted(bench, lines, entries, False)
    counts, _, seconds = counted(bench, lines, entries, True)
    if 'web_run' not in counts or 'tap_put' not in counts or seconds < 1:
        raise Failed('callgrind says nothing of the page')
    a_second = (counts['web_run'] - without.get('web_run', 0) + counts['tap_put']) / seconds
    # The start, which is not at full speed, makes the rate less than it is, and the share more.
    rate = total / full_speed(bench, lines, entries)
    lines.unlink()
    bench.row('page and tail open: million instructions a second', a_second / 1e6)
    bench.row('the agent at full speed: million instructions a second', rate / 1e6, text='{:.0f}')
    bench.row('page and tail open at full speed, % of the instructions', 100 * a_second / rate, 2)
