// The disk buffer: a sink that is down holds up no other, and gets everything when it is back.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {command, patience, pick, sanitized, scenario, sleep, until} from './harness.mjs';
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

// The ledger as it is stored, after the agent ended: records over all sources at one sink. It must add up.
function ledger(s, sink) {
    const {code, stdout, stderr} = command(['ledger', '--state-dir', s.path('state'), '--sink', sink, '--json']);
    assert.equal(code, 0, stdout + stderr);
    const sum = {taken: 0, delivered: 0, spooled: 0, dead: 0, dropped: {}};
    for (const row of JSON.parse(stdout).accounts) {
        for (const key of ['taken', 'delivered', 'spooled', 'dead'])
            sum[key] += row[key].records;
        for (const [reason, amount] of Object.entries(row.dropped))
            sum.dropped[reason] = (sum.dropped[reason] ?? 0) + amount.records;
    }
    return sum;
}

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
    await until('it is said', () => / a: it lags/.test(agent.stderr));
    down = false;
    await until('the Loki that was down has all', () => a.lines.size >= total);
    await until('that is said too', () => / a: it has caught up/.test(agent.stderr));
    assert.equal(agent.stderr.match(/it lags/g).length, 1);
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

const nothingWaits = (agent, sink) => until('nothing waits', async () => {
    const {since_start: n} = await sinkStats(agent, sink);
    return n.spooled.records === 0 && n.in_flight.records === 0;
});

// Writes to all until `end()` is true; the sum of what was written.
async function writeUntil(writers, end, {lines = 50, pause = 5} = {}) {
    while (!await end()) {
        for (const w of writers)
            w.write(lines);
        await sleep(pause);
    }
    return writers.reduce((n, w) => n + w.count, 0);
}

scenario('kills while it is written and while it is read lose nothing, and the ledger adds up', async (s) => {
    let down = true;
    const a = await s.loki((r) => (down && r.number % 50 ? answers.status(503) : r.number % 3 ? answers.ok() : answers.slow(30)));
    const b = await s.loki();
    const writers = [s.writer('1.log'), s.writer('2.log')];
    const agent = await s.agent(twoLokis(s, a, b));
    let writing = true;
    const load = writeUntil(writers, () => !writing);
    try {
        for (let i = 0; i < pick({light: 6, full: 20, soak: 100}); i++) {
            down = i % 4 < 2;
            await sleep(Math.random() * 600 * patience);
            await agent.kill();
            await agent.start();
        }
    } finally {
        writing = false;
    }
    const total = await load;
    down = false;
    await until(`${total} lines are at both`, () => a.lines.size >= total && b.lines.size >= total, 60);
    await nothingWaits(agent, 'a');
    await agent.stop();
    assert.deepEqual(differences(writers, a.lines, {repeats: true}), []);
    assert.deepEqual(differences(writers, b.lines, {repeats: true}), []);
    for (const sink of ['a', 'b']) {
        const l = ledger(s, sink);
        assert.equal(l.taken, total, 'each line is taken once, whatever dies');
        assert.equal(l.delivered, total);
        assert.equal(l.spooled, 0);
    }
});

// At `a`: on disk, while it is down.
async function allIsSecured(agent, total) {
    await until('all is taken and secured', async () => {
        const {since_start: n} = await sinkStats(agent, 'a');
        return n.taken.records >= total && n.in_flight.records === 0;
    }, 60);
}

// Fills the spool while `a` is down, and ends the agent. Returns the number of lines.
async function fillSpool(s, agent, writers, bytes) {
    const total = await writeUntil(writers, () => spoolBytes(s) > bytes);
    await allIsSecured(agent, total);
    await agent.stop();
    return total;
}

for (const [what, damage] of Object.entries({
    'a byte of data': (file) => flip(file, fs.statSync(file).size - 100),
    'a byte of a head': (file) => flip(file, 20),
    'a cut end': (file) => fs.truncateSync(file, fs.statSync(file).size >> 1),
    'a missing file': (file) => fs.unlinkSync(file),
})) {
    scenario(`damage is counted exactly: ${what}`, async (s) => {
        let down = true;
        const a = await s.loki(() => (down ? answers.status(503) : answers.ok()));
        const b = await s.loki();
        const writers = [s.writer('1.log', {size: 500}), s.writer('2.log', {size: 500})];
        const agent = await s.agent(twoLokis(s, a, b));
        const total = await fillSpool(s, agent, writers, 18 << 20);
        assert.equal(ledger(s, 'a').spooled, total);
        damage(spoolFiles(s)[0]);
        down = false;
        await agent.start();
        await nothingWaits(agent, 'a');
        await agent.stop();
        const l = ledger(s, 'a'), missing = total - a.lines.size;
        assert.ok(missing > 0 && missing < total, `${missing} of ${total} are missing`);
        assert.equal(l.dropped.spool_damaged, missing);
        assert.equal(l.delivered, a.lines.size);
        assert.equal(a.repeats, 0);
        assert.equal(ledger(s, 'b').delivered, total);
        assert.match(agent.stderr, /spool: a: .* is damaged at/);
    });
}

function flip(file, at) {
    const f = fs.openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    fs.readSync(f, byte, 0, 1, at);
    byte[0] ^= 1;
    fs.writeSync(f, byte, 0, 1, at);
    fs.closeSync(f);
}

scenario('a full spool makes the sources wait, and nothing is lost', async (s) => {
    let down = true;
    const a = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const b = await s.loki();
    const writers = [s.writer('1.log', {size: 1000}), s.writer('2.log', {size: 1000})];
    const agent = await s.agent(twoLokis(s, a, b, {disk_buffer: {max_size: '32MiB'}}));
    const total = await writeUntil(writers, () => /spool: no room in/.test(agent.stderr), {lines: 400});
    await sleep(500);
    assert.ok(spoolBytes(s) <= 32 << 20, `${spoolBytes(s)} bytes`);
    const check = (await agent.get('/health')).json.checks.disk_buffer;
    assert.equal(check.status, 'degraded');
    assert.match(check.reason, /no room/);
    down = false;
    await until('all is at both', () => a.lines.size >= total && b.lines.size >= total, 60);
    await agent.stop();
    assert.deepEqual(differences(writers, a.lines), []);
    assert.equal(ledger(s, 'a').delivered, total);
});

scenario('with drop_oldest the oldest go, counted, and the others do not wait', async (s) => {
    let down = true;
    const a = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const b = await s.loki();
    const writers = [s.writer('1.log', {size: 1000}), s.writer('2.log', {size: 1000})];
    const agent = await s.agent(twoLokis(s, a, b, {disk_buffer: {max_size: '32MiB', when_full: 'drop_oldest'}}));
    const total = await writeUntil(writers, async () => {
        // Who keeps up loses nothing.
        await until('the other keeps up', () => b.lines.size > 2 * writers[0].count - 4000);
        return writers[0].count > 30000;
    }, {lines: 400});
    await until('the other has all', () => b.lines.size >= total);
    assert.ok(spoolBytes(s) <= 40 << 20, `${spoolBytes(s)} bytes`);
    down = false;
    await nothingWaits(agent, 'a');
    await agent.stop();
    const l = ledger(s, 'a'), missing = total - a.lines.size;
    assert.ok(missing > 10000, `${missing} of ${total} are missing`);
    assert.equal(l.dropped.spool_full, missing, JSON.stringify({...l, total, log: agent.stderr.split('\n').slice(-12)}, null, 1));
    assert.equal(l.delivered, a.lines.size);
    const last = writers.map((w) => w.line(w.count - 1));
    assert.ok(last.every((line) => a.lines.has(line)), 'the newest are there');
});

scenario('posted lines survive a restart and a kill while the only Loki is down', async (s) => {
    let down = true;
    const a = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const agent = await s.agent(twoLokis(s, a));
    const post = async (n) => {
        for (let i = 0; i < 20; i++) {
            const entries = Array.from({length: 50}, (_, k) => ({message: `posted ${n} ${i} ${k} ${'x'.repeat(600)}`}));
            const {status} = await agent.get('/api/v1/logs', {method: 'POST', body: JSON.stringify({entries})});
            assert.equal(status, 202);
        }
    };
    await post(1);
    await agent.stop();
    await agent.start();
    await post(2);
    await allIsSecured(agent, 1000);
    await sleep(500 * patience); // the next commit
    await agent.kill();
    down = false;
    await agent.start();
    await until('all is there', () => a.lines.size >= 2000);
    await agent.stop();
    assert.equal(a.lines.size, 2000);
    assert.equal(ledger(s, 'a').delivered, 2000);
});

scenario('memory stays bounded while a Loki is down', async (s) => {
    const a = await s.loki(() => answers.status(503));
    const b = await s.loki();
    const writers = [s.writer('1.log', {size: 1000}), s.writer('2.log', {size: 1000})];
    const agent = await s.agent(twoLokis(s, a, b));
    let most = 0;
    const total = await writeUntil(writers, async () => {
        most = Math.max(most, (await agent.get('/stats')).json.process.resident_bytes);
        return writers[0].count >= pick({light: 40000, full: 100000, soak: 400000});
    }, {lines: 1000});
    await until('the other has all', () => b.lines.size >= total, 60);
    if (!sanitized)
        assert.ok(most < 40 << 20, `${most >> 20} MiB`);
    await allIsSecured(agent, total);
    await agent.stop();
    assert.equal(ledger(s, 'a').spooled, total);
}, {timeout: 600000});
