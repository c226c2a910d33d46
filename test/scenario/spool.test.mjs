// The disk buffer: a sink that is down holds up no other, and gets everything when it is back.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const KIB = 1024;

// Two Lokis, `a` and `b`, with little memory, so that what is buffered is soon on disk.
function twoLokis(s, a, b, more = {}) {
    const sink = (loki, extra) => ({type: 'loki', url: loki.url, batch_timeout: '50ms', backoff_min: '50ms', backoff_max: '300ms',
        timeout: '2s', queue_size: 256 * KIB, batch_size: 64 * KIB, workers: 4, ...extra});
    return {...s.config({}), memory_limit: '16MiB', ...more,
        sinks: {a: sink(a), ...(b && {b: sink(b)}), ...more.sinks}};
}

function spoolFiles(s) {
    const dir = s.path('state', 'spool');
    return fs.existsSync(dir) ? fs.readdirSync(dir).sort().map((name) => path.join(dir, name)) : [];
}

const spoolBytes = (s) => spoolFiles(s).reduce((n, file) => n + fs.statSync(file).size, 0);

async function sinkStats(agent, name) {
    const {json} = await agent.get('/stats');
    return json.sinks.find((x) => x.name === name);
}



scenario('a Loki that is down holds up no other, and gets everything in order when it is back', async (s) => {
    let down = true;
    const a = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const b = await s.loki();
    const writers = [s.writer('1.log'), s.writer('2.log'), s.writer('3.log')];
    const agent = await s.agent(twoLokis(s, a, b, {sinks: {local_file: {directory: s.path('out')}}}));
    const chunks = pick({light: 40, full: 100, soak: 400});
    for (let i = 0; i < chunks; i++) {
        for (const w of writers)
            w.write(200);
        await sleep(10);
    }
    const total = writers.reduce((n, w) => n + w.count, 0);
    await until('the other Loki has all', () => b.lines.size >= total);
    assert.equal(a.lines.size, 0);
    await until('what is waiting is on disk', () => spoolBytes(s) > 256 * KIB);
    down = false;
    await until('the Loki that was down has all', () => a.lines.size >= total);
    assert.deepEqual(differences(writers, a.lines), []);
    assert.deepEqual(differences(writers, b.lines), []);
    await until('the spool is empty', () => spoolBytes(s) === 0);
    await agent.stop();
    // The times are those of the capture: both have the same.
    const times = new Map(b.entries.map((e) => [e.line, e.time]));
    const order = new Map();
    for (const e of a.entries) {
        assert.equal(e.time, times.get(e.line));
        const file = e.metadata.file_path;
        assert.ok((order.get(file) ?? 0n) <= e.time, 'in order');
        order.set(file, e.time);
    }
});

// What the ledger says of a sink, over all sources: taken, delivered, spooled, dropped by reason, in records.
function sums(agent, sink) {
    const {code, stdout, stderr} = command(['ledger', '--json', '-c', agent.file]);
    assert.equal(code, 0, stderr);
    return stdout;
}
