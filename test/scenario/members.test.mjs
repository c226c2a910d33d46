// Sinks that come and go with the configuration of a running agent.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {command, pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const KIB = 1024;

const sink = (loki, more) => ({type: 'loki', url: loki.url, batch_timeout: '50ms', backoff_min: '50ms', backoff_max: '300ms',
    timeout: '2s', drain_grace: '200ms', ...more});

function write(agent, config) {
    fs.writeFileSync(`${agent.file}.new`, JSON.stringify({
        state_dir: `${agent.directory}/state`, server: {port: agent.port}, metrics: {port: agent.metricsPort},
        observability: {profiling: {port: agent.profilingPort}}, ...config}));
    fs.renameSync(`${agent.file}.new`, agent.file);
}

async function reload(agent, config, sinks) {
    write(agent, {...config, sinks});
    const answer = await agent.get('/config/reload', {method: 'POST'});
    assert.equal(answer.status, 200, answer.text);
    assert.doesNotMatch(answer.json.changed, /restart|reload again/);
    return answer.json.changed;
}

async function underLoad(writers, body) {
    let writing = true;
    const load = (async () => {
        while (writing) {
            for (const w of writers)
                w.write(20);
            await sleep(5);
        }
    })();
    try {
        await body();
    } finally {
        writing = false;
        await load;
    }
}

// From the first line of each file that it has on, it has every one, once.
function gaps(writers, loki) {
    const wrong = [];
    for (const w of writers) {
        let begun = false;
        for (let i = 0; i < w.count; i++) {
            const n = loki.lines.get(w.line(i)) ?? 0;
            begun ||= n > 0;
            if (begun && n !== 1)
                wrong.push([w.line(i), n]);
        }
    }
    return wrong;
}

const accounts = async (agent, name) => (await agent.get('/sources')).json.sources
    .flatMap((source) => source.sinks.filter((x) => x.sink === name));

const metrics = async (agent) => (await agent.get('/metrics')).text;

scenario('a sink that is added gets what comes from then on, and goes without a trace when it is removed', async (s) => {
    const a = await s.loki(), b = await s.loki();
    const writers = [s.writer('1.log'), s.writer('2.log')];
    const config = s.config();
    const agent = await s.agent({...config, sinks: {a: sink(a)}});
    for (const w of writers)
        w.write(100);
    await until('the first is there', () => a.lines.size === 200);
    await underLoad(writers, async () => {
        await sleep(200);
        assert.equal(await reload(agent, config, {a: sink(a), b: sink(b)}), 'sinks.b (added)');
        await sleep(300);
    });
    const total = () => writers.reduce((n, w) => n + w.count, 0);
    await until('a has all', () => a.lines.size === total());
    await until('b has the last', () => writers.every((w) => b.lines.has(w.line(w.count - 1))));
    assert.deepEqual(gaps(writers, b), []);
    assert.ok(b.lines.size <= total() - 200);
    await until('b knows', async () => (await accounts(agent, 'b')).every((x) => x.in_flight.records === 0 && x.adds_up));
    assert.match(await metrics(agent), /logcap_sink_queue_bytes\{sink="b"\}/);
    assert.equal(await reload(agent, config, {a: sink(a)}), 'sinks.b (removed)');
    assert.doesNotMatch(await metrics(agent), /"b"/);
    assert.deepEqual(await accounts(agent, 'b'), []);
    assert.doesNotMatch((await agent.get('/stats')).text, /"b"/);
    const before = b.lines.size;
    for (const w of writers)
        w.write(10);
    await until('a has those', () => a.lines.size === total());
    assert.equal(b.lines.size, before);
    // What b missed meanwhile lies in files that are still there: it goes on where it was.
    await reload(agent, config, {a: sink(a), b: sink(b)});
    await until('b has those too', () => writers.every((w) => b.lines.has(w.line(w.count - 1))));
    assert.deepEqual(gaps(writers, b), []);
    assert.deepEqual(differences(writers, a.lines), []);
    await agent.stop();
});

scenario('what waits on disk for a removed sink is there when it is added again', async (s) => {
    let down = true;
    const a = await s.loki(), b = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const writers = [s.writer('1.log'), s.writer('2.log')];
    const config = {...s.config(), memory_limit: '16MiB'};
    const small = {queue_size: 256 * KIB, batch_size: 64 * KIB};
    const both = {a: sink(a, small), b: sink(b, small)};
    const agent = await s.agent({...config, sinks: both});
    const spooled = async () => (await accounts(agent, 'b')).reduce((n, x) => n + x.spooled.records, 0);
    await underLoad(writers, () => until('b lags', async () => await spooled() > 2000));
    const rotated = writers[0].count;
    writers[0].rotate('rename');
    writers[0].write(10);
    const total = () => writers.reduce((n, w) => n + w.count, 0);
    await until('a has all', () => a.lines.size === total());
    await reload(agent, config, {a: sink(a, small)});
    assert.deepEqual(await accounts(agent, 'b'), []);
    writers[1].write(10);
    await until('a has those', () => a.lines.size === total());
    fs.rmSync(`${writers[0].file}.1`);
    down = false;
    assert.ok(rotated > 0);
    await reload(agent, config, both);
    await until('b has all', () => b.lines.size === total());
    await until('nothing waits', async () => await spooled() === 0);
    assert.ok((await accounts(agent, 'b')).every((x) => x.adds_up));
    await agent.stop();
    assert.deepEqual(differences(writers, b.lines), []);
    assert.deepEqual(differences(writers, a.lines), []);
});

scenario('what waits for a removed sink can be thrown away, and the ledger says so', async (s) => {
    let down = true;
    const a = await s.loki(), b = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const w = s.writer('1.log');
    const config = {...s.config(), memory_limit: '16MiB'};
    const small = {queue_size: 256 * KIB, batch_size: 64 * KIB};
    const one = {a: sink(a, small)}, both = {...one, b: sink(b, small)};
    const agent = await s.agent({...config, sinks: both});
    const sum = async (key) => (await accounts(agent, 'b')).reduce((n, x) => n + (x[key]?.records ?? x.dropped.purged?.records ?? 0), 0);
    const segments = () => fs.readdirSync(path.join(s.path('state'), 'spool')).length;
    const purge = () => command(['spool', 'purge', 'b', '-c', agent.file]);
    await underLoad([w], () => until('b lags', async () => await sum('spooled') > 2000));
    await until('a has all', () => a.lines.size === w.count);
    assert.equal(purge().code, 1); // it is configured
    await reload(agent, config, one);
    const list = command(['spool', 'list', '-c', agent.file]);
    assert.match(list.stdout, /^b +\d+ records .*not configured/m, list.stderr);
    const purged = purge();
    assert.equal(purged.code, 0, purged.stderr);
    const n = Number(/^(\d+) records/.exec(purged.stdout)[1]);
    assert.ok(n > 2000, purged.stdout);
    assert.equal(purge().code, 1); // nothing is left
    await until('the disk is free', () => segments() === 0);
    down = false;
    await reload(agent, config, both);
    w.write(10);
    await until('b has the new ones', () => b.lines.has(w.line(w.count - 1)));
    await until('b knows', async () => (await accounts(agent, 'b')).every((x) => x.in_flight.records === 0 && x.adds_up));
    assert.equal(await sum('purged'), n);
    assert.equal(b.lines.size, w.count - n);
    // The same without an agent.
    down = true;
    await underLoad([w], () => until('b lags', async () => await sum('spooled') > 2000));
    await until('a has all', () => a.lines.size === w.count);
    await reload(agent, config, one);
    await agent.stop();
    assert.equal(purge().code, 0);
    const ledger = JSON.parse(command(['ledger', '--state-dir', s.path('state'), '--sink', 'b', '--json']).stdout);
    assert.equal(ledger.adds_up, true);
    assert.ok(ledger.accounts.reduce((m, x) => m + (x.dropped.purged?.records ?? 0), 0) > n + 2000);
});

scenario('killed while sinks come and go it loses nothing', async (s) => {
    const a = await s.loki(), b = await s.loki((r) => (Date.now() % 700 < 300 ? answers.status(503) : answers.ok()));
    const writers = [s.writer('1.log'), s.writer('2.log')];
    const config = {...s.config(), memory_limit: '16MiB'};
    const small = {queue_size: 256 * KIB, batch_size: 64 * KIB};
    const one = {a: sink(a, small)}, both = {...one, b: sink(b, small)};
    const agent = await s.agent({...config, sinks: both});
    for (const w of writers)
        w.write(10);
    await until('b has begun', () => b.lines.size === 20);
    await underLoad(writers, async () => {
        for (let i = 0; i < pick({light: 3, full: 15, soak: 200}); i++) {
            let over = false;
            const toggling = (async () => {
                for (let n = i; !over; n++) {
                    write(agent, {...config, sinks: n % 2 ? both : one});
                    await agent.get('/config/reload', {method: 'POST'}).catch(() => null);
                    await sleep(Math.random() * 60);
                }
            })();
            await sleep(Math.random() * 500);
            await agent.kill();
            over = true;
            await toggling;
            agent.config = {...config, sinks: i % 3 ? both : one};
            await agent.start();
        }
        await reload(agent, config, both).catch(() => null);
    });
    await until('it is as configured', async () => (await agent.get('/stats')).json.sinks.length === 2);
    const total = () => writers.reduce((n, w) => n + w.count, 0);
    await until('a has all', () => a.lines.size === total());
    await until('b has all', () => b.lines.size === total(), 60);
    assert.ok([...await accounts(agent, 'a'), ...await accounts(agent, 'b')].every((x) => x.adds_up));
    await agent.stop();
});
