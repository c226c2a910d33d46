// When logcap sends, how often and how much: retries, the circuit breaker, batches that adapt.
import assert from 'node:assert/strict';
import {patience, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const allThere = (loki, w) => until(`${w.count} lines are at the sink`, () => loki.lines.size >= w.count);
const sink = async (agent) => (await agent.get('/stats')).json.sinks[0];
const metric = async (agent, name) =>
    Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec((await agent.get('/metrics')).text)?.[1]);
const writers = (s, n, lines) => Array.from({length: n}, (_, i) => {
    const w = s.writer(`w${i}.log`);
    w.write(lines);
    return w;
});
const count = (ws) => ws.reduce((n, w) => n + w.count, 0);

scenario('the circuit breaker leaves a dead sink alone, probes it one request at a time, and nothing is lost', async (s) => {
    let down = true, seen = [], now = 0, most = 0;
    const slowly = () => ({...answers.ok(), reply: (res) => setTimeout(() => { now--; answers.ok().reply(res); }, 50)});
    const loki = await s.loki(() => {
        if (down) {
            seen.push(Date.now());
            return answers.status(503);
        }
        most = Math.max(most, ++now);
        return slowly();
    });
    const ws = writers(s, 30, 200);
    const agent = await s.agent(s.config({loki, lokiSink: {workers: 10,
        circuit_breaker: {failures: 4, cooldown: '500ms', max_cooldown: '1s', probes: 3}}}));
    await until('it is open', async () => !['closed', undefined].includes((await sink(agent)).breaker?.state));
    const opened = Date.now();
    await sleep(4000);
    const {breaker} = await sink(agent);
    assert.match(breaker.reason, /503/);
    assert.ok(breaker.seconds >= 0 && breaker.opened === 1, JSON.stringify(breaker));
    const health = (await agent.get('/health')).json;
    assert.equal(health.status, 'degraded');
    assert.equal(health.sinks.loki.breaker.reason, breaker.reason);
    assert.equal(await metric(agent, 'logcap_sink_breaker{sink="loki",state="closed"}'), 0);
    assert.equal(await metric(agent, 'logcap_sink_breaker_opened_total{sink="loki"}'), 1);
    // What was on its way when it opened; then a probe after 0.5 s, and one a second.
    const later = seen.filter((at) => at > opened + 300).length;
    assert.ok(later >= 1 && later <= 2 + 4 * patience, `${later} requests in 4 s`);
    assert.ok(seen.length <= later + 10 + 4, `${seen.length} requests`);
    let halfOpen = 0;
    down = false;
    await until('it is closed', async () => {
        const {state} = (await sink(agent)).breaker;
        if (state === 'half_open')
            halfOpen = Math.max(halfOpen, most);
        return state === 'closed';
    });
    assert.ok(halfOpen <= 1, `${halfOpen} requests at once while half-open`);
    await until('all is there', () => loki.lines.size >= count(ws));
    assert.equal(await metric(agent, 'logcap_sink_breaker{sink="loki",state="closed"}'), 1);
    await agent.stop();
    assert.deepEqual(differences(ws, loki.lines), []);
    assert.equal(loki.repeats, 0);
    assert.equal(agent.stderr.match(/circuit breaker opens after/g).length, 1);
    assert.equal(agent.stderr.match(/circuit breaker is closed/g).length, 1);
});

scenario('429 does not open the breaker, and what Retry-After says holds', async (s) => {
    const times = [];
    const loki = await s.loki(() => {
        times.push(Date.now());
        return times.length <= 3 ? answers.throttled(1) : answers.ok();
    });
    const w = s.writer('a.log');
    w.write(100);
    const agent = await s.agent(s.config({loki, lokiSink: {workers: 1, circuit_breaker: {failures: 1}}}));
    await allThere(loki, w);
    assert.equal((await sink(agent)).breaker.opened, 0);
    await agent.stop();
    for (let i = 1; i <= 3; i++)
        assert.ok(times[i] - times[i - 1] >= 950, `it came again after ${times[i] - times[i - 1]} ms`);
});

scenario('max_retries ends in the dead letters, and the next lines go on', async (s) => {
    let down = true, seen = 0;
    const loki = await s.loki(() => {
        seen += down;
        return down ? answers.status(500) : answers.ok();
    });
    const w = s.writer('a.log');
    w.write(100);
    const agent = await s.agent(s.config({loki, lokiSink: {workers: 1, max_retries: 2, backoff_max: '100ms'}}));
    const account = async () =>
        (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log'))?.sinks[0];
    await until('they are given up', async () => (await account())?.in_flight.records === 0 && seen > 0);
    const at = await account();
    assert.equal(seen, 3);
    assert.equal(at.delivered.records, 0);
    assert.equal(at.dead.records, 100);
    assert.equal(at.adds_up, true);
    down = false;
    w.write(50);
    await until('the others are there', () => loki.lines.size === 50);
    await agent.stop();
    assert.match(agent.stderr, /max_retries/);
});

for (const [what, answer, config] of [
    ['waits to try again', () => answers.throttled(3600), {}],
    ['has its breaker open', () => answers.status(503), {circuit_breaker: {failures: 1, cooldown: '1h', max_cooldown: '1h'}}],
    ['has a probe on its way', (n) => (n < 3 ? answers.status(503) : answers.hang()),
        {timeout: '1h', circuit_breaker: {failures: 1, cooldown: '50ms', max_cooldown: '50ms'}}],
]) {
    scenario(`a sink that ${what} leaves no timer behind at a shutdown, which takes no time`, async (s) => {
        const loki = await s.loki((r) => answer(r.number));
        const ws = writers(s, 20, 50);
        const agent = await s.agent(s.config({loki, lokiSink: {workers: 10, ...config}}));
        await until('it waits', async () => {
            const {retrying, breaker, in_flight: sending} = await sink(agent);
            return retrying >= 4 || breaker?.state === 'open' && config.timeout !== '1h' ||
                breaker?.state === 'half_open' && sending >= 1;
        });
        // stop() demands exit code 0, which says that the census was empty.
        const took = await agent.stop();
        assert.ok(took < 2000 * patience, `${took} ms`);
        const {requests} = loki;
        loki.answer = answers.ok;
        await agent.start();
        await until('all is there', () => loki.lines.size >= count(ws));
        await agent.stop();
        assert.ok(loki.requests > requests);
        assert.deepEqual(differences(ws, loki.lines), []);
    });
}

scenario('a request that is larger than the server takes at once goes in pieces, also when it says 429', async (s) => {
    const burst = 100;
    const loki = await s.loki((r) => (r.entries.length > burst ? answers.status(429, 'ingestion rate limit') : answers.ok()));
    const w = s.writer('a.log', {size: 200});
    w.write(3000);
    const agent = await s.agent(s.config({loki, lokiSink: {backoff_min: '10ms', backoff_max: '20ms',
        adaptive_batching: {min_size: '4KiB'}}}));
    await allThere(loki, w);
    const {batch_size: size} = await sink(agent);
    await agent.stop();
    assert.ok(size < 1 << 20, `${size} bytes`);
    assert.deepEqual(differences([w], loki.lines), []);
});

scenario('a line leaves after min_delay at a fast server, and within batch_timeout at first', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const agent = await s.agent(s.config({loki, lokiSink: {batch_timeout: '2s', adaptive_batching: {min_delay: '50ms'}}}));
    const arrival = async () => {
        const begun = Date.now();
        w.write(1);
        await allThere(loki, w);
        return Date.now() - begun;
    };
    const first = await arrival();
    assert.ok(first < 2500 * patience, `${first} ms`);
    for (let i = 0; i < 30; i++)
        await arrival();
    const {batch_delay_ms: delay} = await sink(agent);
    // Under a sanitizer no server is fast.
    assert.ok(delay >= 50 && (delay < 2000 || patience > 1), `${delay} ms`);
    await agent.stop();
});
