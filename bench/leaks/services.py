"""The second generator: services that are simulated, so that shapes come out of what a program does and nobody drew them.

Load comes in requests (Poisson, with a day's course or without); a heap is filled and collected, a cache is filled by misses, pools
grow with what is in flight and never shrink, jobs run, deployments restart. What leaks, leaks for a request, for an error, for a
job, or for time.
"""
import math
import random

from series import BEGIN, DAY, HOUR, Label, Series, log_uniform

FAMILIES = ('heap', 'cache', 'pool', 'connections', 'workers', 'jobs', 'allocator')
LEAKS = ('time', 'request', 'error', 'job', 'deployment')


def poisson(rng, mean):
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    n, p, limit = 0, rng.random(), math.exp(-mean)
    while p > limit:
        n, p = n + 1, p * rng.random()
    return n


class Load:
    """Requests a second: flat or with a day's course of two humps, times a slow wander that comes back."""

    def __init__(self, rng, daily):
        self.rng, self.daily = rng, daily
        self.rate = log_uniform(rng, .2, 20)
        self.phase = rng.uniform(0, DAY)
        self.night = rng.uniform(.1, .6)
        self.wander, self.wander_sigma, self.tau = 0, rng.choice([0, .05, .15, .3]), log_uniform(rng, 300, 3600)

    def at(self, t, dt):
        k = math.exp(-dt / self.tau)
        self.wander = k * self.wander + self.rng.gauss(0, self.wander_sigma * math.sqrt(1 - k * k))
        course = 1
        if self.daily:
            h = (t + self.phase) % DAY / HOUR
            course = self.night + math.exp(-((h - 11) / 3) ** 2) + .8 * math.exp(-((h - 16) / 3.5) ** 2)
        return self.rate * course * math.exp(self.wander)


class Service:
    """Each family's step(t, dt, requests) gives the clean value; `base` and `noise` are said by a run without a leak."""

    def __init__(self, rng, family, load):
        self.rng, self.load = rng, load
        self.family = family
        self.parameters = rng.random(), rng.random(), rng.random(), rng.random()
        self.restart(0)

    def restart(self, t):
        self.born, self.live, self.garbage, self.filled, self.mark, self.held = t, 0, 0, 0, 0, 0

    def step(self, t, dt, n):
        return getattr(self, self.family)(t - self.born, t, dt, n)

    def heap(self, age, t, dt, n):
        a, b, c, _ = self.parameters
        self.live += (n / dt / self.load.rate - self.live) * min(1, dt / (60 + 600 * a))
        self.garbage += n * (.2 + b) / self.load.rate / 300
        if self.garbage > (.2 + c) * (1 + .3 * self.live):
            self.garbage = 0
        return 1 + .3 * self.live + self.garbage - .5 * math.exp(-age / 200)

    def cache(self, age, t, dt, n):
        a, b, c, d = self.parameters
        capacity = .3 + 2 * a
        # Of a request, what is not there yet is fetched; new things come up for ever, old ones are thrown out.
        self.filled += n / self.load.rate / (HOUR * (.3 + 3 * b)) * capacity * (1 - self.filled / capacity)
        return .7 + .3 * min(1, age / 100) + self.filled + self.rng.gauss(0, .002 + .02 * c)

    def pool(self, age, t, dt, n):
        a, b, _, _ = self.parameters
        in_flight = poisson(self.rng, n / dt * (2 + 20 * a))
        self.mark = max(self.mark, in_flight)
        return 15 + int(30 * b) + self.mark

    def connections(self, age, t, dt, n):
        a, b, _, _ = self.parameters
        seconds = 20 + 600 * a
        self.held += n - (poisson(self.rng, self.held * dt / seconds) if dt < seconds else self.held)
        self.held = max(0, self.held)
        return 20 + int(50 * b) + self.held

    def workers(self, age, t, dt, n):
        a, b, c, _ = self.parameters
        wanted = n / dt / self.load.rate * (8 + 40 * a)
        if wanted > self.mark:
            self.mark += min(wanted - self.mark, dt / 60)
        elif self.rng.random() < dt / (HOUR * (1 + 5 * c)):
            self.mark -= (self.mark - wanted) / 2
        return 10 + int(20 * b) + int(self.mark)

    def jobs(self, age, t, dt, n):
        a, b, c, d = self.parameters
        period, length = [HOUR, HOUR, 6 * HOUR, DAY][int(4 * a)], 120 + 1200 * b
        running = (t + c * period) % period < length
        return 1 + (.1 + d) * running + .01 * self.rng.expovariate(1) - .3 * math.exp(-age / 100)

    def allocator(self, age, t, dt, n):
        """What an allocator holds: goes up with the peak at once and back slowly, in steps of its own."""
        a, b, c, _ = self.parameters
        used = .5 + .5 * n / dt / self.load.rate
        if used > self.mark:
            self.mark += (used - self.mark) * min(1, dt / 120)
        else:
            self.mark += (used - self.mark) * min(1, dt / (1800 + 7200 * a))
        return math.ceil((.5 + self.mark) * 64) / 64 + self.rng.gauss(0, .001 + .01 * c)


def unit_of(rng, leak, span, dt):
    """Fraction of the leak's whole that comes in a step, as a function of (t, requests, expected requests)."""
    if leak == 'time':
        return lambda t, n, mean: dt / span
    if leak == 'request':
        return lambda t, n, mean: n / mean * dt / span
    if leak == 'error':
        events = rng.randint(15, 120)
        return lambda t, n, mean: poisson(rng, events * dt / span) / events
    if leak == 'job':
        period = rng.choice([HOUR / 2, HOUR]) if span < DAY else rng.choice([HOUR, 2 * HOUR, 4 * HOUR])
        return lambda t, n, mean: (int((t + dt) / period) - int(t / period)) * period / span
    deployed = rng.uniform(.2, .6) * span
    return lambda t, n, mean: dt / (span - deployed) if t >= deployed else 0


def one(rng, family, leak):
    span = log_uniform(rng, 6 * HOUR, 96 * HOUR)
    daily = span >= 36 * HOUR and rng.random() < .7
    dt = rng.choice([15, 30, 30, 60])
    load = Load(rng, daily)
    service = Service(rng, family, load)
    restarts = [rng.uniform(.2, .7) * span] if rng.random() < .15 else []
    times, clean, requests, t = [], [], [], 0
    due = list(restarts)
    while t < span:
        if due and t >= due[0]:
            service.restart(t)
            due.pop()
        n = poisson(rng, load.at(t, dt) * dt)
        times.append(t)
        requests.append(n)
        clean.append(service.step(t, dt, n))
        t += dt
    count = family in ('pool', 'connections', 'workers')
    scale = 1 if count else log_uniform(rng, 1e7, 4e9)
    ordered = sorted(clean)
    base = ordered[len(ordered) // 2]
    # Noise: what differs within ten minutes, so that the day's course and what a service does slowly are no noise.
    k = max(1, int(600 / dt))
    differences = [b - a for a, b in zip(clean, clean[k:])]
    noise = math.sqrt(sum(d * d for d in differences) / len(differences) / 2) if differences else 0
    rise = total = 0
    values = clean
    if leak:
        rise = max(.15 * base, 4 * noise) * log_uniform(rng, 1, 8)
        step, mean = unit_of(rng, leak, span, dt), sum(requests) / len(requests)
        leaked, values, most, due = 0, [], 0, list(restarts)
        for t, c, n in zip(times, clean, requests):
            if due and t >= due[0]:
                leaked = 0
                due.pop()
            leaked += step(t, n, mean or 1) * rise
            most = max(most, leaked)
            values.append(c + leaked)
        rise = most
    keep = [True] * len(times)
    if rng.random() < .15:
        a = rng.uniform(.1, .8) * span
        b = a + rng.uniform(.01, .08) * span
        keep = [not a <= t < b for t in times]
    label = Label('', family + ('+restart' if restarts else '') + ('+daily' if daily else ''), leak,
                  rng.choice(['fds', 'tasks', 'threads']) if count else 'memory', span / HOUR, BEGIN, base * scale, rise * scale, noise * scale)
    return Series(label, [BEGIN + t for t, k in zip(times, keep) if k],
                  [round(v) if count else v * scale for v, k in zip(values, keep) if k])


def corpus(split, n, seed):
    for i in range(n):
        rng = random.Random(f'{seed} services {split} {i}')
        yield one(rng, FAMILIES[i // 2 % len(FAMILIES)], LEAKS[i // 2 // len(FAMILIES) % len(LEAKS)] if i % 2 else '')
