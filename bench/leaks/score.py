#!/usr/bin/env python3
"""Replays labelled series through `logcap leaks replay` and scores the verdicts: bench/leaks/score.py [CORPUS...]

CORPUS is GENERATOR:SPLIT:N (shapes, services or limits, train or test), or a directory with labels.csv. A leak counts as found if the
verdict at the end is leaking or at_limit; each alert of a clean series is a false alarm. Leaks that add less than 15 % of the base
or 4 times the noise are shown and not scored.
"""
import argparse
import collections
import concurrent.futures
import importlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import series  # noqa: E402

LEAKING = ('leaking', 'at_limit')


def judged(logcap, directory, label):
    command = [logcap, 'leaks', 'replay', '--json', str(directory / label.file)]
    if label.kind:
        command += ['--kind', label.kind]
    if label.limit:
        command += ['--limit', str(label.limit)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def notice(label, answer):
    """0: nothing was said before 95 % of the limit were used."""
    first = next((a for a in answer['alerts'] if a['time'] >= label.begin), None)
    if not first or first['reason'].endswith('that are possible'):
        return 0
    return series.BEGIN + label.hours * series.HOUR - first['time']


class Score:
    def __init__(self):
        self.leaks = self.found = self.alerted = self.clean = self.wrong = self.growing = self.undetermined = self.alarms = 0
        self.days = 0.0
        self.notices = []  # seconds between the first alert and the moment at which the limit was met, of those that met one

    def add(self, label, answer):
        leaking = answer['verdict'] in LEAKING
        self.growing += answer['verdict'] == 'growing'
        self.undetermined += answer['verdict'] == 'undetermined'
        if label.leak:
            self.leaks += 1
            self.found += leaking
            self.alerted += bool(answer['alerts'])
            if label.limit:
                self.notices.append(notice(label, answer))
        else:
            self.clean += 1
            self.wrong += leaking
            self.alarms += len(answer['alerts'])
            self.days += label.hours / 24

    @property
    def precision(self):
        return self.found / max(self.found + self.wrong, 1)

    @property
    def recall(self):
        return self.found / max(self.leaks, 1)

    @property
    def alarm_rate(self):
        """In 1,000 series-days."""
        return self.alarms / self.days * 1000 if self.days else 0

    def row(self, name):
        def share(a, b):
            return f'{a / b:.3f}' if b else '-'
        return (f'| {name} | {self.leaks} | {self.clean} | {share(self.found, self.found + self.wrong)} | {share(self.found, self.leaks)} '
                f'| {share(self.alerted, self.leaks)} | {self.wrong} | {self.alarms} | {self.alarm_rate:.1f} '
                f'| {self.growing} | {self.undetermined} |')


    def notice_row(self, name):
        told = sum(n > 0 for n in self.notices)
        return f'| {name} | {len(self.notices)} | {told / len(self.notices):.3f} | {statistics.median(self.notices) / 60:.0f} |'


HEAD = ('| | leaks | clean | precision | recall | alerted | false verdicts | false alarms | in 1,000 series-days | growing | undetermined |\n'
        '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|')

NOTICE_HEAD = '| | met their limit | told before 95 % | minutes before, in the middle |\n|---|---:|---:|---:|'


def groups_of(label):
    hours = next(h for h in (12, 24, 36, math.inf) if label.hours < h)
    yield 'all'
    yield 'span ' + (f'under {hours} h' if hours < math.inf else '36 h and more')
    for part in label.family.split('+'):
        yield f'family {part}'
    if label.leak:
        yield f'leak {label.leak}'


def right(label, answer):
    return (answer['verdict'] in LEAKING) == bool(label.leak) and (label.leak or not answer['alerts'])


def miss(name, label, answer):
    alerts = [f'{(a["time"] - series.BEGIN) / 3600:.1f} h {a["severity"]}' for a in answer['alerts']]
    return (f'{name} {label.file} {label.family} {label.leak or "clean"} {label.hours:.1f} h rise {label.rise / label.base:.2f} '
            f'noise {label.noise / label.base:.3f}: {answer["verdict"]}, alerts {alerts[:4]}')


def score(name, logcap, keep, seed='1', misses=False):
    """The scores of a corpus by group."""
    directory = pathlib.Path(name)
    if not directory.is_dir():
        generator, split, n = name.split(':')
        directory = pathlib.Path(keep) / f'{generator}-{split}-{n}-{seed}'
        if not (directory / 'labels.csv').exists():
            series.write(importlib.import_module(generator).corpus(split, int(n), seed), directory)
    labels = [label for label in series.read(directory) if label.counts or not label.leak]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda label: judged(logcap, directory, label), labels))
    groups = collections.defaultdict(Score)
    for label, answer in zip(labels, answers):
        for group in groups_of(label):
            groups[group].add(label, answer)
        if misses and not right(label, answer):
            print(miss(name, label, answer))
    return groups


def corpora(names, logcap):
    """The total of each, of series that are thrown away."""
    with tempfile.TemporaryDirectory(prefix='logcap-leaks-') as scratch:
        return {name: score(name, logcap, scratch)['all'] for name in names}


def table(name, groups):
    print(f'\n{name}\n\n{HEAD}')
    for group in sorted(groups, key=lambda g: (g != 'all', g)):
        print(groups[group].row(group))
    if groups['all'].notices:
        print(f'\n{NOTICE_HEAD}')
        for group in sorted(g for g in groups if g.startswith('leak')):
            print(groups[group].notice_row(group))


def below(total, floors):
    """What is worse than it must be."""
    precision, recall, alarms = floors
    return [what for what, bad in ((f'precision {total.precision:.3f}', total.precision < precision),
                                   (f'recall {total.recall:.3f}', total.recall < recall),
                                   (f'{total.alarms} false alarms', total.alarms > alarms)) if bad]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('corpora', nargs='*', default=['shapes:test:400', 'services:test:280'], metavar='CORPUS')
    p.add_argument('--logcap', default=str(HERE.parent.parent / 'build' / 'logcap'))
    p.add_argument('--seed', default='1')
    p.add_argument('--keep', help='write the series below this directory, and use those that are there')
    p.add_argument('--misses', action='store_true', help='list what was judged wrongly')
    p.add_argument('--floors', nargs=3, type=float, metavar=('PRECISION', 'RECALL', 'ALARMS'),
                   help='fail if precision or recall is lower, or there are more false alarms')
    options = p.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix='logcap-leaks-') as scratch:
        for name in options.corpora:
            groups = score(name, options.logcap, options.keep or scratch, options.seed, options.misses)
            table(name, groups)
            for what in below(groups['all'], options.floors) if options.floors else []:
                print(f'{name}: {what}, which is worse than {options.floors}')
                failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
