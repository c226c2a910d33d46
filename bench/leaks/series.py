"""What the generators share: how a series is written, and its label.

A generator yields Series. `noise` is one sigma of what is random around the series' pattern (cycles, teeth and bursts are
pattern), `rise` what the leak adds from its begin until the end of the life in which it adds most.
"""
import csv
import math
import pathlib
from dataclasses import dataclass, fields

HOUR = 3600.0
DAY = 24 * HOUR
BEGIN = 1_700_000_000


@dataclass
class Label:
    file: str
    family: str
    leak: str       # '' : clean
    kind: str       # as `logcap leaks replay --kind` takes it, '' : none
    hours: float
    begin: float    # of the leak, Unix seconds
    base: float
    rise: float
    noise: float
    limit: float = 0  # that the value cannot pass; 0: none

    @property
    def counts(self):
        """Whether the leak is large enough to be demanded."""
        return bool(self.leak) and (self.limit > 0 or self.rise >= 0.15 * abs(self.base) and self.rise >= 4 * self.noise)


@dataclass
class Series:
    label: Label
    times: list
    values: list


def write(series, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    labels = []
    for i, s in enumerate(series):
        s.label.file = f'{i:04}.csv'
        text = ''.join(f'{t:.10g},{v:.8g}\n' if t != int(t) else f'{int(t)},{v:.8g}\n' for t, v in zip(s.times, s.values))
        (directory / s.label.file).write_text('time,value\n' + text)
        labels.append(s.label)
    with (directory / 'labels.csv').open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(f.name for f in fields(Label))
        writer.writerows([getattr(label, f.name) for f in fields(Label)] for label in labels)


def read(directory):
    with (pathlib.Path(directory) / 'labels.csv').open(newline='') as file:
        return [Label(**{f.name: f.type(row[f.name]) for f in fields(Label) if f.name in row}) for row in csv.DictReader(file)]


def log_uniform(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))
