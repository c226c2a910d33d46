// The machine refuses what the agent needs: watches, descriptors, memory, permissions, a clock that goes on.
// All that can be read is delivered all the same, and what cannot be done is said.
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {binary, canMount, patience, pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const total = (writers) => writers.reduce((n, w) => n + w.count, 0);
// What is missing in the end is what the comparison tells.
const arrived = (loki, writers, seconds) =>
    until(`${total(writers)} lines are at the sink`, () => loki.lines.size >= total(writers), seconds)
        .catch((e) => assert.deepEqual(differences(writers, loki.lines), [], e.message));
const root = process.getuid() === 0;

// ---- inotify ----

// A user namespace has limits of its own, which cost the host nothing.
const limited = (limit, n) => ['unshare', '--user', '--map-root-user', 'sh', '-c',
    `echo ${n} >/proc/sys/user/${limit} && exec "$@"`, 'sh'];
const canLimit = spawnSync('unshare', ['--user', '--map-root-user', 'sh', '-c',
    'echo 1 >/proc/sys/user/max_inotify_watches']).status === 0;

for (const [what, limit, n, said] of [
    ['watches run out', 'max_inotify_watches', 4, /the limit of inotify watches is reached at .* every 500ms; .*max_user_watches/],
    ['there is no inotify', 'max_inotify_instances', 0, /no inotify: .* every 500ms/],
]) {
    scenario(`when ${what}, files are found and followed by the scan`, async (s) => {
        const loki = await s.loki();
        const writers = [];
        for (let i = 0; i < 20; i++)
            writers.push(s.writer(`${i}/there.log`, {name: `there${i}`}));
        for (const w of writers)
            w.write(20);
        const agent = await s.agent(s.config({loki}), {through: limited(limit, n)});
        await arrived(loki, writers);
        for (let i = 0; i < 20; i++)
            writers.push(s.writer(`${i}/later.log`, {name: `later${i}`}),
                s.writer(`new${i}/dir.log`, {name: `new${i}`}));
        for (let k = 0; k < 5; k++) {
            for (const w of writers)
                w.write(10);
            writers[k].rotate('rename');
            await sleep(50);
        }
        await arrived(loki, writers);
        await agent.stop();
        assert.deepEqual(differences(writers, loki.lines), []);
        assert.equal(agent.stderr.split('\n').filter((line) => said.test(line)).length, 1, agent.stderr);
    }, {skip: !canLimit && 'needs user namespaces'});
}

// ---- no journal ----

// Mounts of its own, which end with it.
const withoutJournal = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
    'for d in /var/log /run/log; do [ ! -d $d ] || mount -t tmpfs none $d || exit 1; done; exec "$@"', 'sh'];
const canHide = spawnSync(withoutJournal[0], [...withoutJournal.slice(1), 'true']).status === 0;

scenario('a host without a journal is no fault, unless the configuration asks for one', async (s) => {
    const loki = await s.loki();
    const config = s.config({loki});
    const journal = async (a) => {
        const source = (await a.get('/sources?q=journal')).json.sources.find((one) => one.kind === 'journal');
        return source && {state: source.state, error: source.error};
    };
    const failed = async (a) => Number((await a.get('/metrics')).text.match(/^logcap_sources_failed\{kind="journal"\} (\d+)$/m)[1]);
    delete config.monitors.journal;
    const agent = await s.agent(config, {through: withoutJournal});
    await until('it was looked for', async () => (await journal(agent))?.error);
    assert.deepEqual(await journal(agent), {state: 'idle', error: 'this host has none'});
    assert.equal(await failed(agent), 0);
    assert.equal(agent.stderr.match(/no journal is read: this host has none/g).length, 1, agent.stderr);
    await agent.stop();

    agent.config = {...config, monitors: {...config.monitors, journal: {enabled: true}}};
    await agent.start();
    await until('it was looked for', async () => (await journal(agent))?.error);
    assert.deepEqual(await journal(agent), {state: 'failed', error: 'this host has none'});
    assert.equal(await failed(agent), 1);
    await agent.stop();
}, {skip: !canHide && 'needs user namespaces'});

// ---- descriptors ----

scenario('with 64 descriptors, 200 growing files arrive', async (s) => {
    const loki = await s.loki();
    const writers = [];
    for (let i = 0; i < 200; i++)
        writers.push(s.writer(`${i % 10}/${i}.log`));
    for (const w of writers)
        w.write(20);
    const agent = await s.agent(s.config({loki, local: {filename: '{file}', sync_interval: '100ms'}}),
        {through: ['prlimit', '--nofile=64']});
    // One that is renamed before it was ever seen is no file of logcap's.
    await until('all were seen', () => loki.lines.size >= total(writers));
    for (let i = 0; i < 10; i++) {
        for (const w of writers)
            w.write(5);
        if (i % 3 === 0)
            writers[i].rotate('rename');
        await sleep(50);
    }
    await arrived(loki, writers);
    const written = () => fs.readdirSync(s.path('out')).reduce((n, name) => n + fs.statSync(s.path('out', name)).size, 0);
    await until('the local files have all', () => written() === total(writers) * writers[0].size);
    assert.equal((await agent.get('/health')).status, 200);
    await agent.stop();
    assert.deepEqual(differences(writers, loki.lines), []);
    // Room is left for those who cannot do with fewer.
    assert.doesNotMatch(agent.stderr, /Too many open files|connect/);
    assert.match(agent.stderr, /LimitNOFILE/);
});

// ---- memory ----

scenario('lines of 10 MB pass through 8 MiB of memory, whole', async (s) => {
    const loki = await s.loki(() => answers.slow(20));
    const n = pick({light: 4, full: 12, soak: 100}), size = 10e6;
    const file = path.join(s.logs, 'huge.log');
    const line = (i) => Buffer.alloc(size, `line ${i}, and no end yet; `);
    for (let i = 0; i < n; i++)
        fs.appendFileSync(file, Buffer.concat([line(i), Buffer.from('\n')]));
    const small = s.writer('small.log');
    const agent = await s.agent(s.config({loki, memory_limit: '8MiB'}));
    let most = 0;
    const arrivedBytes = () => loki.entries.reduce((sum, e) => sum + (e.metadata.file_path === file ? e.line.length : 0), 0);
    await until('all of it is there', () => {
        small.write(1);
        most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${agent.process.pid}/status`, 'utf8'))[1]));
        return arrivedBytes() >= n * size;
    }, 60);
    await until('the small ones are there', () => small.count <= loki.entries.filter((e) => e.metadata.file_path === small.file).length);
    await agent.stop();
    const pieces = loki.entries.filter((e) => e.metadata.file_path === file);
    const whole = Buffer.from(pieces.sort((a, b) => (a.time < b.time ? -1 : 1)).map((e) => e.line).join(''));
    assert.ok(whole.equals(Buffer.concat(Array.from({length: n}, (_, i) => line(i)))), 'the pieces make the lines');
    if (!sanitized)
        assert.ok(most < (8 + 24) * 1024, `${most} KiB resident`);
});

// ---- permissions ----

const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

scenario('what a user may not read is said once, costs nobody else, and is read once it may be', async (s) => {
    const loki = await s.loki();
    const writers = [s.writer('open.log'), s.writer('closed/in.log'), s.writer('file.log')];
    for (const w of writers)
        w.write(100);
    fs.chmodSync(s.directory, 0o777);
    fs.chmodSync(path.join(s.logs, 'closed'), 0o700);
    fs.chmodSync(writers[2].file, 0o600);
    const agent = await s.agent(s.config({loki}), {through: nobody});
    await arrived(loki, [writers[0]]);
    await sleep(2000); // some scans
    writers[0].write(100);
    await arrived(loki, [writers[0]]);
    const {json} = await agent.get('/sources');
    assert.match(json.sources.find((x) => x.name === writers[2].file).error, /Permission denied/);
    for (const said of [/cannot list .*\/closed: Permission denied/, /cannot open .*file\.log: Permission denied/])
        assert.equal(agent.stderr.split('\n').filter((line) => said.test(line)).length, 1, agent.stderr);
    fs.chmodSync(path.join(s.logs, 'closed'), 0o755);
    fs.chmodSync(writers[2].file, 0o644);
    await arrived(loki, writers);
    await agent.stop();
    assert.deepEqual(differences(writers, loki.lines), []);
}, {skip: !root && 'needs root, to become somebody else'});

function mountState(s) {
    const state = s.path('state');
    fs.mkdirSync(state);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'logcap-test', state]);
    s.atEnd(() => execFileSync('umount', ['-l', state]));
    return state;
}

// Nothing came again over another restart, and the positions of all are known.
async function isOnceAfterRestart(agent, loki, writers) {
    await agent.start();
    for (const w of writers)
        w.write(10);
    await arrived(loki, writers);
    await sleep(500);
    await agent.stop();
    assert.deepEqual(differences(writers, loki.lines), []);
    assert.equal(loki.entries.length, total(writers));
    assert.equal(loki.repeats, 0);
}

for (const end of ['stop', 'kill']) {
    scenario(`after a ${end}, with a state directory that is read-only it starts where it ended, says so, and keeps ` +
        'positions once it can', async (s) => {
        const state = mountState(s);
        const loki = await s.loki();
        const w = s.writer('a.log');
        w.write(100);
        const agent = await s.agent(s.config({loki, commit_interval: '100ms'}));
        await arrived(loki, [w]);
        await sleep(1000 * patience); // for the commit
        await agent[end]();
        execFileSync('mount', ['-o', 'remount,ro', state]);
        await agent.start();
        w.write(100);
        await arrived(loki, [w]);
        await until('it is said', () => agent.stderr.includes(state));
        assert.equal((await agent.get('/health')).json.status, 'degraded');
        execFileSync('mount', ['-o', 'remount,rw', state]);
        await until('all is well again', async () => (await agent.get('/health')).json.status === 'healthy');
        await agent.stop();
        await isOnceAfterRestart(agent, loki, [w]);
    }, {skip: !canMount() && 'needs root and the right to mount'});
}

scenario('while the disk of the state directory is full lines go on, and later all positions are kept', async (s) => {
    const state = mountState(s);
    const loki = await s.loki();
    const writers = Array.from({length: 50}, (_, i) => s.writer(`${i}.log`));
    writers[0].write(100);
    const agent = await s.agent(s.config({loki}));
    await arrived(loki, writers);
    const ballast = path.join(state, 'ballast');
    assert.throws(() => fs.writeFileSync(ballast, Buffer.alloc(4 << 20)), /ENOSPC/);
    for (let i = 0; i < 10; i++) {
        for (const w of writers)
            w.write(100);
        await sleep(100);
    }
    await arrived(loki, writers);
    await until('it is said', () => /(full|No space).*positions|positions.*(full|No space)/.test(agent.stderr));
    assert.equal((await agent.get('/health')).json.status, 'degraded');
    fs.unlinkSync(ballast);
    await until('all is well again', async () => (await agent.get('/health')).json.status === 'healthy', 60);
    await agent.stop();
    await isOnceAfterRestart(agent, loki, writers);
}, {skip: !canMount() && 'needs root and the right to mount'});

// ---- the clock ----

const shift = path.join(path.dirname(binary), 'libshift_clock.so');

scenario('the clock jumps forward and back: nothing is lost, and times keep the order of lines', async (s) => {
    const loki = await s.loki();
    const file = s.path('shift');
    const w = s.writer('a.log');
    const set = (seconds) => fs.writeFileSync(file, String(seconds));
    set(0);
    const agent = await s.agent(s.config({loki, local: {filename: '{file}', sync_interval: '100ms'}}),
        {env: {LD_PRELOAD: shift, SHIFT_CLOCK: file}});
    for (const seconds of [0, -86400, 300, 0, -5, 0]) {
        set(seconds);
        await sleep(100);
        w.write(200);
        await arrived(loki, [w]);
    }
    await agent.stop();
    const lines = loki.entries.sort((a, b) => (a.time < b.time ? -1 : 1)).map((e) => e.line);
    assert.deepEqual(lines, [...w.lines()]);
    assert.equal(fs.statSync(s.path('out', 'a.log')).size, w.count * w.size);
}, {skip: (sanitized || !fs.existsSync(shift)) && 'sanitizers want to be loaded first'});
