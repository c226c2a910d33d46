"""The first generator: series put together from shapes. Noise is Gaussian, white or AR(1).

`train` and `test` differ in their seeds and in the ranges that parameters are drawn from.
"""
import math
import random

from series import BEGIN, DAY, HOUR, Label, Series, log_uniform

# What a clean series is made of; a mixture takes two or three of them.
FEATURES = ('daily', 'bursts', 'hourly', 'steps', 'warmup', 'pool', 'sawtooth')
FAMILIES = ('steady', 'noisy', 'ar', *FEATURES, 'mixture')
LEAKS = ('linear', 'stairs', 'busy', 'late', 'accelerating')

RANGES = {
    #                  white, ar sigma,     phi,         daily,       burst,      step,        saturation / span, tooth hours
    'train': dict(white=(.002, .02), noisy=(.03, .10), ar=(.01, .06), phi=(.90, .99), daily=(.10, .50), burst=(.2, 2.), step=(.1, .6),
                  tau=(.02, .20), tooth=(.1, 1.5), pool=(.15, .6), excess=(1., 6.)),
    'test': dict(white=(.001, .03), noisy=(.02, .12), ar=(.005, .08), phi=(.85, .99), daily=(.05, .70), burst=(.1, 3.), step=(.05, 1.),
                 tau=(.01, .25), tooth=(.05, 2.), pool=(.1, .7), excess=(1., 10.)),
}


class Shape:
    """Functions of the seconds since the process began to run, in units of the base."""

    def __init__(self, rng, ranges, span):
        self.rng, self.ranges, self.span = rng, ranges, span

    def draw(self, name):
        return self.rng.uniform(*self.ranges[name])

    def daily(self):
        amplitude, phase, form = self.draw('daily'), self.rng.uniform(0, DAY), self.rng.choice(['sine', 'sine', 'peak', 'office'])

        def f(t):
            s = (1 + math.sin(2 * math.pi * (t + phase) / DAY)) / 2
            if form == 'peak':
                s = s * s
            elif form == 'office':
                s = 1 / (1 + math.exp(-12 * (s - .5)))
            return amplitude * s
        return f

    def bursts(self):
        rng, bursts, t = self.rng, [], 0
        every = log_uniform(rng, .5 * HOUR, 8 * HOUR)
        while (t := t + rng.expovariate(1 / every)) < self.span:
            bursts.append((t, t + log_uniform(rng, 30, .1 * every + 60), self.draw('burst')))
        return lambda t: sum(h for a, b, h in bursts if a <= t < b)

    def hourly(self):
        rng = self.rng
        period, length, height = rng.choice([HOUR, HOUR, HOUR / 2, 2 * HOUR, 6 * HOUR]), rng.uniform(60, 900), self.draw('burst') / 2
        phase = rng.uniform(0, period)
        return lambda t: height if (t + phase) % period < length else 0

    def steps(self):
        rng = self.rng
        steps = [(rng.uniform(.05, .95) * self.span, self.draw('step') * rng.choice([1, 1, -.5])) for _ in range(rng.randint(1, 4))]
        return lambda t: sum(h for a, h in steps if t >= a)

    def warmup(self):
        tau, height = self.draw('tau') * self.span, log_uniform(self.rng, .2, 3)
        return lambda t: height * (1 - math.exp(-t / tau))

    def pool(self):
        """Grows in units to a high-water mark: as the running maximum of a load, or straight."""
        rng, height = self.rng, self.draw('step') * 2
        end = self.draw('pool') * self.span
        if rng.random() < .5:
            begin = rng.uniform(0, .5) * end
            return lambda t: height * min(max((t - begin) / (end - begin), 0), 1)
        marks, level = [], 0
        for i in range(200):
            load = abs(rng.gauss(0, 1)) / 2.5
            if load > level:
                level = load
                marks.append((i / 200 * end, level))
        return lambda t: height * next((m for a, m in reversed(marks) if t >= a), 0)

    def sawtooth(self):
        period, height = self.draw('tooth') * HOUR, self.rng.uniform(.1, .8)
        return lambda t: height * (t % period) / period

    def leak(self, kind, life):
        """0 at the begin, 1 at the end of the life."""
        rng = self.rng
        if kind == 'linear':
            return lambda t: t / life
        if kind == 'late':
            begin = rng.uniform(.25, .65) * life
            return lambda t: max(0, (t - begin) / (life - begin))
        if kind == 'accelerating':
            return lambda t: (t / life) ** 2
        if kind == 'stairs':
            n = rng.randint(6, 30)
            return lambda t: math.floor(t / life * n) / n
        # In busy hours only: a third to a half of each day, or of each third of a short series.
        day, share = (DAY if life >= 1.5 * DAY else life / 3), rng.uniform(.33, .6)
        phase = rng.uniform(0, day)

        def busy(t):
            whole, rest = divmod(t + phase, day)
            return whole * share + min(rest / day, share)
        return lambda t: (busy(t) - busy(0)) / (busy(life) - busy(0))


def noise(rng, ranges, family, n):
    """Of n samples: the values, and their sigma."""
    white = log_uniform(rng, *(ranges['noisy'] if family == 'noisy' else ranges['white']))
    values, sigma, ar = [rng.gauss(0, white) for _ in range(n)], white, 0
    if family == 'ar' or family == 'mixture' and rng.random() < .5:
        s, phi = log_uniform(rng, *ranges['ar']), rng.uniform(*ranges['phi'])
        ar = rng.gauss(0, s)
        for i in range(n):
            values[i] += ar
            ar = phi * ar + rng.gauss(0, s * math.sqrt(1 - phi * phi))
        sigma = math.hypot(white, s)
    return values, sigma


def times_of(rng, span):
    interval = rng.choice([15, 20, 30, 30, 60, 60])
    jitter = rng.choice([0, 0, .1]) * interval
    gaps = []
    if rng.random() < .2:
        gaps = [(a, a + log_uniform(rng, 600, .1 * span)) for a in (rng.uniform(0, .9) * span for _ in range(rng.randint(1, 3)))]
    times = [i * interval + (rng.uniform(0, jitter) if jitter else 0) for i in range(int(span / interval))]
    return [t for t in times if not any(a <= t < b for a, b in gaps)]


def one(rng, ranges, family, leak):
    features = [family] if family in FEATURES else rng.sample(FEATURES, rng.randint(2, 3)) if family == 'mixture' else []
    least = 36 * HOUR if 'daily' in features else 6 * HOUR
    span = round(log_uniform(rng, least, 96 * HOUR))
    shape = Shape(rng, ranges, span)
    times = times_of(rng, span)
    random_part, sigma = noise(rng, ranges, family, len(times))
    whole_life = [getattr(shape, f)() for f in features if f in ('daily', 'hourly', 'bursts')]
    of_a_life = [getattr(shape, f)() for f in features if f not in ('daily', 'hourly', 'bursts')]
    restarts = sorted(rng.uniform(.2, .8) * span for _ in range(rng.randint(1, 2))) if rng.random() < .1 else []
    lives = list(zip([0, *restarts], [*restarts, span]))
    begin, end = max(lives, key=lambda life: life[1] - life[0])
    rise, grow, begun = 0, lambda t: 0, 0
    if leak:
        rise = max(.15, 4 * sigma) * log_uniform(rng, *ranges['excess'])
        grow = shape.leak(leak, end - begin)
        begun = BEGIN + begin
    count = rng.random() < .4
    base = log_uniform(rng, 20, 2000) if count else log_uniform(rng, 1e6, 1e10)
    values, life = [], 0
    for t, e in zip(times, random_part):
        while t >= lives[life][1]:
            life += 1
        age = t - lives[life][0]
        v = base * (1 + e + sum(f(t) for f in whole_life) + sum(f(age) for f in of_a_life) + rise * grow(age))
        if restarts:
            v -= base * .6 * math.exp(-age / 120)  # a process that starts is small
        values.append(max(0, round(v) if count else v))
    name = family + ('+restart' if restarts else '')
    label = Label('', name, leak, rng.choice(['tasks', 'fds', 'threads']) if count else 'memory', span / HOUR, begun, base,
                  rise * base, sigma * base)
    return Series(label, [BEGIN + t for t in times], values)


def corpus(split, n, seed):
    """n series, half of them with a leak."""
    for i in range(n):
        rng = random.Random(f'{seed} {split} {i}')
        yield one(rng, RANGES[split], FAMILIES[i // 2 % len(FAMILIES)], LEAKS[i // 2 // len(FAMILIES) % len(LEAKS)] if i % 2 else '')
