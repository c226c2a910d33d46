"""The third generator: series of the other two with a limit, half of which run into it within minutes or hours.

The limit is 1.15 to 3 times the top of the clean series. What runs into it grows by a straight line (a third of it from the start, with
noise as it was), takes 20 minutes to 12 hours from where it is, and ends where the limit does.
"""
import dataclasses
import random

import services
import shapes
from series import BEGIN, HOUR, Series, log_uniform

LASTS = ((1, 'under 1 h'), (2, 'under 2 h'), (4, 'under 4 h'), (12, 'under 12 h'))


def run_into(series, rng):
    """The same with growth to its limit, which ends there."""
    label = series.label
    span = label.hours * HOUR
    lasts = min(log_uniform(rng, HOUR / 3, 12 * HOUR), span / 2)
    begin = BEGIN + (0 if rng.random() < 1 / 3 else rng.uniform(0, span - lasts))
    slope = (label.limit - label.base) / lasts
    times, values = [], []
    for t, v in zip(series.times, series.values):
        times.append(t)
        values.append(min(v + max(0, t - begin) * slope, label.limit))
        if values[-1] >= label.limit:
            break
    label.leak = 'limit in ' + next(name for hours, name in LASTS if lasts <= hours * HOUR)
    label.begin, label.rise, label.hours = begin, values[-1] - label.base, (times[-1] - BEGIN) / HOUR
    return Series(label, times, [round(v) for v in values] if label.kind != 'memory' else values)


def corpus(split, n, seed):
    """n series, every other one with a limit that is met."""
    for i, pair in enumerate(zip(shapes.corpus(split, n, seed), services.corpus(split, n, seed))):
        series = pair[i // 2 % 2]
        if series.label.leak:
            continue
        rng = random.Random(f'{seed} limits {split} {i}')
        series.label.limit = max(series.values) * log_uniform(rng, 1.15, 3)
        yield series
        yield run_into(Series(dataclasses.replace(series.label), series.times, series.values), rng)
