// Sinks that are dead, slow or lie: no line is lost, nobody else waits, the memory holds.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {canMount, pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

// What became of a.log at the only sink. /sources has the API's account too, and its order says nothing.
const account = async (agent) =>
    (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log'))?.sinks[0];

const allThere = (loki, w) => until(`${w.count} lines are at the sink`, () => loki.lines.size >= w.count);

scenario('a dead sink gets everything when it is back', async (s) => {
    const loki = await s.loki();
    const {port} = loki;
    const w = s.writer('a.log');
    w.write(1000);
    const agent = await s.agent(s.config({loki}));
    await allThere(loki, w);
    await loki.stop();
    for (let i = 0; i < 20; i++) {
        w.write(2000);
        await sleep(50);
    }
    assert.equal((await agent.get('/health')).text.length > 0, true);
    await loki.start(port);
    await allThere(loki, w);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});

scenario('a dead sink does not hold up another', async (s) => {
    const loki = await s.loki(answers.hang);
    const w = s.writer('a.log');
    w.write(5000);
    const agent = await s.agent(s.config({loki, local: {filename: '{file}', sync_interval: '100ms'}}));
    await until('the local file has all', () => {
        const file = s.path('out', 'a.log');
        return fs.existsSync(file) && fs.statSync(file).size === 5000 * 100;
    });
    await agent.stop();
});

scenario('a slow sink gets everything, and memory holds', async (s) => {
    const loki = await s.loki(() => answers.slow(200));
    const w = s.writer('a.log', {size: 200});
    w.write(pick({light: 20000, full: 200000, soak: 1000000}));
    const agent = await s.agent(s.config({loki, lokiSink: {workers: 2}, memory_limit: '32MiB'}));
    let most = 0;
    await until('all is there', () => {
        const status = fs.readFileSync(`/proc/${agent.process.pid}/status`, 'utf8');
        most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(status)[1]));
        return loki.lines.size >= w.count;
    }, 120);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
    if (!sanitized)
        assert.ok(most < 64 * 1024, `${most} KiB resident`);
});

// What each liar does to the first requests; then it is honest, and must get everything.
const liars = {
    'answers 500': () => answers.status(500),
    'answers 429 with Retry-After': () => answers.throttled(1),
    'takes half and answers 429': () => answers.partlyThrottled(),
    'answers 401': () => answers.status(401),
    'answers 404': () => answers.status(404),
    'hangs': () => answers.hang(),
    'stores and hangs': () => answers.storedButHanging(),
    'closes in the middle': () => answers.reset(),
    'stores and closes': () => answers.storedButReset(),
    'sends garbage': () => answers.garbage(),
    'answers 500 without end': () => answers.endless(500),
};
for (const [name, answer] of Object.entries(liars)) {
    scenario(`a sink that ${name} gets everything in the end, once`, async (s) => {
        const loki = await s.loki((r) => (r.number <= 3 ? answer() : answers.ok()));
        const w = s.writer('a.log');
        w.write(2000);
        const agent = await s.agent(s.config({loki, lokiSink: {timeout: '1s', workers: 2}}));
        await allThere(loki, w);
        // The sink may have had it all while the agent had no answer that it could believe.
        await until('the agent knows', async () => (await account(agent)).delivered.records === w.count);
        await agent.stop();
        assert.deepEqual(differences([w], loki.lines), []);
    });
}

scenario('413 splits the request', async (s) => {
    const loki = await s.loki(() => answers.tooLarge(2000));
    const w = s.writer('a.log');
    w.write(3000);
    const agent = await s.agent(s.config({loki}));
    await allThere(loki, w);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});

scenario('Retry-After is honoured', async (s) => {
    const times = [];
    const loki = await s.loki(() => {
        times.push(Date.now());
        return times.length === 1 ? answers.throttled(2) : answers.ok();
    });
    const w = s.writer('a.log');
    w.write(1);
    const agent = await s.agent(s.config({loki}));
    await allThere(loki, w);
    await agent.stop();
    assert.ok(times[1] - times[0] >= 1900, `it came again after ${times[1] - times[0]} ms`);
});

scenario('a 400 costs the offending lines only, and the ledger says so', async (s) => {
    const loki = await s.loki(() => answers.refusing((e) => / 0{5}[0-9]00 /.test(e.line)));
    const w = s.writer('a.log');
    w.write(1000); // ten of them are refused
    const agent = await s.agent(s.config({loki}));
    await until('all others are there', () => loki.lines.size >= 990);
    let at;
    await until('the ledger has them all', async () => {
        at = await account(agent);
        return at.in_flight.records === 0 && at.taken.records === 1000;
    });
    await agent.stop();
    assert.equal(loki.lines.size, 990);
    assert.equal(at.adds_up, true);
    const dropped = Object.values(at.dropped).reduce((n, x) => n + x.records, 0);
    // The rest of those requests was stored though 400 was the answer; none of it is lost, and what was refused is kept.
    assert.equal(dropped, 0);
    assert.equal(at.dead.records, 10);
    assert.equal(at.delivered.records, 990);
});

scenario('260 is no delivery', async (s) => {
    const loki = await s.loki(() => answers.policy());
    const w = s.writer('a.log');
    w.write(10);
    const agent = await s.agent(s.config({loki}));
    await until('it was asked', () => loki.requests > 0);
    await sleep(300);
    const {delivered} = await account(agent);
    await agent.stop();
    assert.equal(delivered.records, 0);
});

scenario('a full disk stops the local files, not the agent', async (s) => {
    const out = s.path('small');
    fs.mkdirSync(out);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'logcap-test', out]);
    s.atEnd(() => execFileSync('umount', ['-l', out]));
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(5000); // 500 kB
    const agent = await s.agent(s.config({loki, local: {directory: out, filename: '{file}', compress: false,
        sync_interval: '100ms'}}));
    await allThere(loki, w);
    await until('it is said', () => /no space|disk is full|ENOSPC/i.test(agent.stderr));
    execFileSync('mount', ['-o', 'remount,size=4m', out]);
    await until('the rest is written', () => fs.statSync(`${out}/a.log`).size === w.count * 100, 60);
    await agent.stop();
    const have = new Map();
    for (const line of fs.readFileSync(`${out}/a.log`, 'utf8').trimEnd().split('\n'))
        have.set(line, (have.get(line) ?? 0) + 1);
    assert.deepEqual(differences([w], have), []);
}, {skip: !canMount() && 'needs root and the right to mount'});

for (const rotation of ['rename', 'delete', 'copytruncate', 'none']) {
    scenario(`a full disk of local files holds up no other sink, and its files get every line later: ${rotation}`, async (s) => {
        const out = s.path('small');
        fs.mkdirSync(out);
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'logcap-test', out]);
        s.atEnd(() => execFileSync('umount', ['-l', out]));
        const loki = await s.loki();
        const w = s.writer('a.log'), quiet = s.writer('b.log');
        const agent = await s.agent(s.config({loki, local: {directory: out, filename: 'all', compress: false,
            sync_interval: '100ms', queue_size: '128KiB'}}));
        const write = async (times) => {
            for (let i = 0; i < times; i++) {
                w.write(100);
                quiet.write(10);
                await sleep(2);
            }
        };
        await write(100);
        const has = (loki_) => () => loki_.lines.size === w.count + quiet.count;
        await until('Loki has all', has(loki));
        await until('it is said', () => /it takes nothing: the others go on/.test(agent.stderr));
        if (rotation !== 'none') {
            const old = w.rotate(rotation);
            await write(20);
            await until('Loki has those', has(loki));
            if (rotation === 'rename')
                await sleep(500);
            assert.ok(old);
        }
        await write(20);
        await until('Loki has those too', has(loki));
        execFileSync('mount', ['-o', 'remount,size=8m', out]);
        await write(20);
        await until('the rest is written', () => fs.statSync(`${out}/all`).size === (w.count + quiet.count) * 100, 60);
        await until('it is said too', () => /it has caught up with the others/.test(agent.stderr));
        const at = (await agent.get('/sources')).json.sources.flatMap((x) => x.sinks);
        assert.ok(at.every((x) => x.adds_up));
        await agent.stop();
        const have = new Map();
        for (const line of fs.readFileSync(`${out}/all`, 'utf8').trimEnd().split('\n'))
            have.set(line, (have.get(line) ?? 0) + 1);
        assert.deepEqual(differences([w, quiet], have), []);
        assert.deepEqual(differences([w, quiet], loki.lines), []);
    }, {skip: !canMount() && 'needs root and the right to mount'});
}
