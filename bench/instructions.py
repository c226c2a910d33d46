"""What the ledger, the intents, tracking and samples of the heap cost: instructions of their functions, with all that they call, in logcap's
main case."""
import re
import shutil
import subprocess

from lib import Agent, Failed, Sink, loki, write_lines

# The keeper's thread (commits of positions, ledger and intents), and what sinks and the dispatcher do for it.
FUNCTIONS = ('keeper_run', 'account_taken', 'account_secured', 'account_skipped', 'account_read', 'intent_ask', 'intents_put',
             'intents_done', 'loki_request_waits')
INTENTS = ('intent_ask', 'loki_request_waits', 'commit_intents', 'store_delete_intents')
# What it costs to know what exists: the records of births, and the signs of life.
TRACKING = ('birth_new', 'birth_free', 'birth_beat', 'birth_set_bytes', 'birth_set_owner', 'birth_set_fd', 'birth_set_task_kind')
BYTES = 100_000_000


class Counted(Agent):
    """Under callgrind: slow, but the same number each time."""
    through = ('valgrind', '--tool=callgrind', '--callgrind-out-file={dir}/callgrind.out')


def annotated(directory):
    """Instructions of each function with what it calls; and of the whole."""
    text = subprocess.run(['callgrind_annotate', '--inclusive=yes', '--threshold=100', f'{directory}/callgrind.out'],
                          capture_output=True, text=True, check=True).stdout
    counts, total = {}, 0
    for number, rest in re.findall(r'^\s*([\d,]+) (?:\([ \d.]+%\)\s+)?(.*)$', text, re.M):
        name = re.search(r':(\w+)(?:\'\d+)? \[', rest + ' [')
        n = int(number.replace(',', ''))
        if 'PROGRAM TOTALS' in rest:
            total = n
        elif name:
            counts[name[1]] = max(n, counts.get(name[1], 0))
    return counts, total


def instructions(bench):
    if not shutil.which('valgrind'):
        bench.row('instructions of ledger and intents', 'not measured: there is no valgrind')
        return
    lines = bench.dir / 'few.log'
    entries = write_lines(lines, BYTES)
    sink = Sink(bench, '--count')
    agent = Counted(bench, [str(lines)], loki(sink, ''))
    try:
        sink.wait_entries(entries, agent)
    finally:
        agent.stop()
        sink.stop()
    lines.unlink()
    counts, total = annotated(agent.dir)
    if not total or 'keeper_run' not in counts:
        raise Failed('callgrind says nothing of the keeper')
    # What the keeper calls is in its own count.
    below = {'intents_put', 'intents_done'}
    share = sum(counts.get(f, 0) for f in FUNCTIONS if f not in below)
    intents = sum(counts.get(f, 0) for f in INTENTS if f != 'intent_ask')
    bench.row('ledger and intents, % of the instructions', 100 * share / total, 5)
    bench.row('of that the intents, % of the instructions', 100 * intents / total)
    bench.row('tracking what exists, % of the instructions', 100 * sum(counts.get(f, 0) for f in TRACKING) / total, 1, '{:.3f}')
    # What the allocator does for /debug/pprof/heap: it walks the stack of one allocation in a MiB.
    bench.row('samples of the heap, % of the instructions', 100 * counts.get('_Unwind_Backtrace', 0) / total, 1)
