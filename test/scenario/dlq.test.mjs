// Dead letters: what a sink will never take is kept, shown, sent again or thrown away, and always accounted for.
import assert from 'node:assert/strict';
import {execFile, execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {answers} from './loki.mjs';
import {binary, command, pick, scenario, sleep, until} from './harness.mjs';

const bad = (e) => e.line.includes('bad');

async function dead(agent) {
    return (await agent.get('/dlq/stats')).json;
}

// The ledger of every source at every sink adds up; returns the sums over all.
async function ledger(agent) {
    const {json} = await agent.get('/sources');
    assert.equal(json.adds_up, true);
    const sum = {taken: 0, delivered: 0, dead: 0, purged: 0, in_flight: 0};
    for (const source of json.sources)
        for (const s of source.sinks) {
            sum.taken += s.taken.records;
            sum.delivered += s.delivered.records;
            sum.dead += s.dead.records;
            sum.in_flight += s.in_flight.records;
            sum.purged += s.dropped.purged.records;
        }
    return sum;
}

function write(s, name, lines) {
    fs.appendFileSync(path.join(s.logs, name), lines.map((l) => Buffer.concat([Buffer.from(l), Buffer.from('\n')])).reduce(
        (a, b) => Buffer.concat([a, b]), Buffer.alloc(0)));
}

const post = (agent, where, body) => agent.get(where, {method: 'POST', body: JSON.stringify(body)});

scenario('what is refused is kept with its reason, and delivered once when the server was put right', async (s) => {
    let right = false;
    const loki = await s.loki(() => (right ? answers.ok() : answers.refusing(bad)));
    const agent = await s.agent(s.config({loki}));
    const lines = Array.from({length: 300}, (_, i) => (i % 10 === 3 ? `bad ${i}` : `good ${i}`));
    write(s, 'a.log', lines);
    await until('all is decided', async () => (await ledger(agent)).delivered === 270);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 30);
    assert.deepEqual(await ledger(agent), {taken: 300, delivered: 270, dead: 30, purged: 0, in_flight: 0});
    const {letters} = (await agent.get('/dlq?limit=1000')).json;
    assert.deepEqual(letters.map((l) => l.line).sort(), lines.filter((l) => l.startsWith('bad')).sort());
    for (const l of letters) {
        assert.equal(l.reason, 'too_old');
        assert.match(l.says, /timestamp too old/);
        assert.equal(l.source, path.join(s.logs, 'a.log'));
        assert.equal(l.labels.job, 'test');
        assert.equal(l.attempts, 1);
    }
    const one = (await agent.get(`/dlq/${letters[4].id}`)).json;
    assert.deepEqual(one, letters[4]);

    right = true;
    const answer = await post(agent, '/dlq/reprocess', {});
    assert.equal(answer.status, 202);
    assert.equal(answer.json.matched.letters, 30);
    await until('they are gone', async () => (await dead(agent)).total_entries === 0);
    assert.deepEqual(await ledger(agent), {taken: 300, delivered: 300, dead: 0, purged: 0, in_flight: 0});
    for (const line of lines)
        assert.equal(loki.lines.get(line), 1, line);
    const job = (await dead(agent)).jobs[0];
    assert.deepEqual([job.verb, job.done, job.sent, job.delivered, job.refused], ['replay', true, 30, 30, 0]);
    await agent.stop();
});

const dlq = (agent, ...args) => command(['dlq', ...args, '-c', agent.file]);
// For what waits for the agent, which waits for the sink, which is in this process.
const beside = (agent, ...args) => new Promise((resolve) => {
    execFile(binary, ['dlq', ...args, '-c', agent.file], (error, stdout, stderr) =>
        resolve({code: error ? error.code : 0, stdout, stderr}));
});
const lines = (text) => text.split('\n').filter(Boolean).map((l) => JSON.parse(l));

scenario('export is complete, and hostile lines stay text', async (s) => {
    const loki = await s.loki(() => answers.refusing(() => true));
    const agent = await s.agent(s.config({loki}));
    const hostile = [
        Buffer.from('bad \x1b]0;owned\x07\x1b[2J "quotes" <script>alert(1)</script> \\ \u0085\u009b31m'),
        Buffer.from([0x62, 0x61, 0x64, 0xff, 0xfe, 0x00, 0x80, 0x41]),
        Buffer.from('bad nul \0 in the middle, ünïcödé 🙂'),
    ];
    write(s, 'h.log', hostile);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 3);
    const check = () => {
        const all = lines(dlq(agent, 'export').stdout);
        assert.equal(all.length, 3);
        const exact = all.map((l) => (l.line_base64 ? Buffer.from(l.line_base64, 'base64') : Buffer.from(l.line)));
        for (const line of hostile)
            assert.ok(exact.some((x) => x.equals(line)), `not exported as it was: ${line.toString('hex')}`);
        for (const l of all) {
            assert.deepEqual([l.sink, l.source, l.reason, l.labels.job], ['loki', path.join(s.logs, 'h.log'), 'too_old', 'test']);
            assert.equal(BigInt(l.time_ns) / 1000000n, BigInt(Date.parse(l.time)));
            assert.ok(Date.now() - Date.parse(l.refused_at) < 60000 && l.place > 0);
        }
        for (const verb of [['list'], ['show']]) {
            const out = dlq(agent, ...verb);
            assert.equal(out.code, 0, out.stderr);
            // eslint-disable-next-line no-control-regex
            assert.doesNotMatch(out.stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
            assert.match(out.stdout, /\\x1b\]0;owned/);
            assert.match(out.stdout, /ünïcödé 🙂/);
        }
        return all;
    };
    const there = check();
    const web = (await agent.get('/dlq')).json.letters;
    assert.deepEqual(web, there);
    await agent.stop();
    assert.deepEqual(check(), there); // and without an agent
});

scenario('filters choose, in the command and over HTTP', async (s) => {
    const loki = await s.loki(() => answers.refusing(bad));
    const agent = await s.agent(s.config({loki}));
    write(s, 'a.log', ['bad a1', 'good', 'bad a2']);
    write(s, 'b.log', ['bad b1']);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 3);
    const ids = lines(dlq(agent, 'export', '--source', '**/a.log').stdout).map((l) => l.id);
    assert.equal(ids.length, 2);
    assert.equal(lines(dlq(agent, 'export', String(ids[1])).stdout)[0].line, 'bad a2');
    assert.equal(dlq(agent, 'list', '--reason', 'blocked').stdout, 'no dead letter matches\n');
    assert.equal(dlq(agent, 'list', '--older-than', '1h').stdout, 'no dead letter matches\n');
    assert.equal(lines(dlq(agent, 'list', '--json', '--limit', '1').stdout).length, 1);
    assert.equal(dlq(agent, 'show', '999').code, 1);
    assert.equal(dlq(agent, 'list', '--reason', 'nonsense').code, 2);
    assert.equal(dlq(agent, 'nonsense').code, 2);
    assert.equal((await agent.get('/dlq?source=*b.log')).json.letters.length, 1);
    const page = (await agent.get('/dlq?limit=2')).json;
    assert.equal(page.letters.length, 2);
    assert.equal((await agent.get(`/dlq?limit=2&after=${page.after}`)).json.letters.length, 1);
    for (const [where, status] of [['/dlq/999', 404], ['/dlq/x', 404], ['/dlq/-1', 404], ['/dlq?reason=x', 400],
        ['/dlq?id=0', 400], ['/dlq/stats/x', 404]])
        assert.equal((await agent.get(where)).status, status, where);
    for (const body of ['[]', '{"ids":[0]}', '{"unknown":1}', '{"source":"[a"}', '{"dry_run":1}', '{', 'null', '{"sink":"a"} x'])
        assert.equal((await agent.get('/dlq/reprocess', {method: 'POST', body})).status, 400, body);
    assert.equal((await post(agent, '/dlq/purge', {})).status, 400);
    assert.equal((await agent.get('/dlq/reprocess', {method: 'POST', body: 'x'.repeat(100000)})).status, 413);
    const dry = await post(agent, '/dlq/reprocess', {source: '**/a.log', dry_run: true});
    assert.deepEqual([dry.status, dry.json.matched.letters], [200, 2]);
    assert.match(dlq(agent, 'replay', '--dry-run').stdout, /^3 dead letters would be sent again/);
    const typo = dlq(agent, 'replay', '--sink', 'lokki');
    assert.equal(typo.code, 1);
    assert.match(typo.stderr, /no sink lokki is configured/);
    assert.equal((await dead(agent)).jobs.length, 0);
    await agent.stop();
    const none = dlq(agent, 'replay');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no agent answers/);
});

scenario('what is refused again stays, with another reason and one more try', async (s) => {
    let how = () => answers.refusing(bad);
    const loki = await s.loki((r) => how(r));
    const agent = await s.agent(s.config({loki}));
    write(s, 'a.log', ['bad 1', 'bad 2', 'good']);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 2);
    how = () => ({stores: (e) => e.filter((x) => x.line !== 'bad 1'),
        reply: (res, request) => {
            const n = request.entries.filter((e) => e.line === 'bad 1').length;
            res.writeHead(n ? 400 : 204);
            res.end(n ? `${n} errors like: max entry size exceeded` : '');
        }});
    const out = await beside(agent, 'replay');
    assert.equal(out.code, 0, out.stderr);
    assert.match(out.stdout, /^2 dead letters are sent again\n1 delivered; those that were refused again are in `logcap dlq list`\n$/);
    const {letters} = (await agent.get('/dlq')).json;
    assert.deepEqual(letters.map((l) => [l.line, l.reason, l.attempts]), [['bad 1', 'too_long', 2]]);
    assert.deepEqual(await ledger(agent), {taken: 3, delivered: 2, dead: 1, purged: 0, in_flight: 0});
    assert.equal(loki.lines.get('bad 2'), 1);
    const metrics = (await agent.get('/metrics')).text;
    assert.match(metrics, /^logcap_dead_letters\{sink="loki",reason="too_long"\} 1$/m);
    assert.match(metrics, /^logcap_dead_letters\{sink="loki",reason="too_old"\} 0$/m);
    assert.match(metrics, /^logcap_dead_letters_delivered_total\{sink="loki"\} 1$/m);
    await agent.stop();
});

scenario('purge with and without an agent, and the ledger follows', async (s) => {
    const loki = await s.loki(() => answers.refusing(bad));
    const agent = await s.agent(s.config({loki}));
    write(s, 'a.log', ['bad 1', 'bad 2', 'bad 3', 'bad 4', 'good']);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 4);
    const [first, second] = lines(dlq(agent, 'export').stdout);
    assert.equal(dlq(agent, 'purge').code, 2); // all must be said
    const out = dlq(agent, 'purge', String(first.id));
    assert.equal(out.stdout, '1 dead letter is being removed\n1 purged\n');
    assert.deepEqual(await ledger(agent), {taken: 5, delivered: 1, dead: 3, purged: 1, in_flight: 0});
    await agent.stop();
    assert.equal(dlq(agent, 'purge', String(second.id)).stdout, '1 dead letter removed\n');
    assert.match(dlq(agent, 'purge', '--all', '--dry-run').stdout, /^2 dead letters would be removed/);
    assert.equal(lines(dlq(agent, 'export').stdout).length, 2);
    const verify = command(['ledger', '--state-dir', path.join(s.directory, 'state')]);
    assert.equal(verify.code, 0, verify.stdout + verify.stderr);
    await agent.start();
    assert.equal((await dead(agent)).total_entries, 2);
    assert.deepEqual(await ledger(agent), {taken: 5, delivered: 1, dead: 2, purged: 2, in_flight: 0});
    const all = dlq(agent, 'purge', '--all');
    assert.equal(all.code, 0, all.stderr);
    await until('they are gone', async () => (await dead(agent)).total_entries === 0);
    assert.deepEqual(await ledger(agent), {taken: 5, delivered: 1, dead: 0, purged: 4, in_flight: 0});
    assert.equal(dlq(agent, 'list').stdout, 'no dead letters\n');
    await agent.stop();
});

scenario('the oldest go when there is no more room', async (s) => {
    const loki = await s.loki(() => answers.refusing(bad));
    const agent = await s.agent(s.config({loki, dead_letters: {max_size: '64KiB'}}));
    const n = 2000;
    write(s, 'a.log', Array.from({length: n}, (_, i) => `bad ${i} ${'x'.repeat(100)}`));
    await until('all were refused', async () => (await dead(agent)).entries_written === n, 60);
    await until('the limit holds', async () => (await dead(agent)).size <= 65536);
    const stats = await dead(agent);
    const sum = await ledger(agent);
    assert.equal(sum.dead, stats.total_entries);
    assert.equal(sum.dead + sum.purged, n);
    assert.ok(stats.total_entries > 100, `${stats.total_entries}`);
    const kept = lines(dlq(agent, 'export').stdout).map((l) => Number(l.line.split(' ')[1]));
    assert.deepEqual(kept.sort((a, b) => a - b), Array.from({length: kept.length}, (_, i) => n - kept.length + i));
    await agent.stop();
});

scenario('without dead letters what is refused is dropped and counted', async (s) => {
    const loki = await s.loki(() => answers.refusing(bad));
    const agent = await s.agent(s.config({loki, dead_letters: {enabled: false}}));
    write(s, 'a.log', ['bad 1', 'good']);
    await until('it is decided', async () => (await ledger(agent)).delivered === 1);
    const {json} = await agent.get('/sources');
    await until('it is dropped', async () => (await agent.get('/sources')).json.sources[0].sinks[0].dropped.invalid.records === 1);
    assert.equal(json.adds_up, true);
    assert.equal((await dead(agent)).total_entries, 0);
    await agent.stop();
});

scenario('too many of them raise an alert, once, and it ends', async (s) => {
    const loki = await s.loki(() => answers.refusing(bad));
    const agent = await s.agent(s.config({loki, dead_letters: {alert: {rate: 0, total: 5}}}));
    write(s, 'a.log', Array.from({length: 20}, (_, i) => `bad ${i}`));
    await until('it says so', async () => (await agent.get('/health')).json.checks.dead_letters.status === 'degraded');
    assert.equal((await agent.get('/health')).json.status, 'degraded');
    assert.match((await agent.get('/metrics')).text, /^logcap_dead_letters_alert 1$/m);
    assert.equal(agent.stderr.match(/ERROR letters: \d+ dead letters/g).length, 1);
    dlq(agent, 'purge', '--all');
    await until('it is over', async () => (await agent.get('/health')).json.status === 'healthy');
    assert.match(agent.stderr, /below the limits of dead_letters.alert again/);
    await agent.stop();
});

scenario('by themselves: sent again with a backoff, and delivered when that is possible', async (s) => {
    let right = false;
    const loki = await s.loki(() => (right ? answers.ok() : answers.refusing(bad)));
    const agent = await s.agent(s.config({loki,
        dead_letters: {reprocess: {enabled: true, backoff_min: '1s', backoff_max: '2s', max_attempts: 0}}}));
    write(s, 'a.log', ['bad 1', 'good']);
    await until('it was tried again', async () => (await agent.get('/dlq')).json.letters[0]?.attempts > 1, 60);
    assert.ok(Date.parse((await agent.get('/dlq')).json.letters[0].next_try) > Date.now() - 20000);
    right = true;
    await until('it is delivered', async () => (await dead(agent)).total_entries === 0, 60);
    assert.deepEqual(await ledger(agent), {taken: 2, delivered: 2, dead: 0, purged: 0, in_flight: 0});
    assert.equal(loki.lines.get('bad 1'), 1);
    await agent.stop();
});

scenario('SIGKILL at any moment: no letter is lost, none is doubled, the ledger adds up', async (s) => {
    let right = false;
    const loki = await s.loki(() => (right ? answers.ok() : answers.refusing(bad)));
    // With times of their own, so that what is read again is the same entry.
    const config = s.config({loki, files: {timestamp: {regex: '^(\\S+) ', format: 'auto'}}});
    const agent = await s.agent(config);
    let n = 0;
    const kills = pick({light: 4, full: 12, soak: 200});
    for (let k = 0; k < kills; k++) {
        write(s, 'a.log', Array.from({length: 200}, () => {
            const at = new Date(Date.now() - 60000 + n).toISOString();
            return `${at} ${n++ % 5 ? 'good' : 'bad'} ${n}`;
        }));
        if (k % 3 === 2) // some of the letters are on their way again
            await post(agent, '/dlq/reprocess', {});
        await sleep(Math.random() * 400);
        await agent.kill();
        await agent.start();
        await ledger(agent);
    }
    const want = n / 5;
    await until('all are decided', async () => {
        const sum = await ledger(agent);
        return sum.delivered + sum.dead === n && sum.in_flight === 0;
    }, 60);
    await until('all are stored', async () => (await dead(agent)).total_entries === want);
    const exported = lines(dlq(agent, 'export').stdout);
    assert.equal(new Set(exported.map((l) => l.line)).size, want);
    right = true;
    await post(agent, '/dlq/reprocess', {});
    await sleep(300);
    await agent.kill(); // in the middle of a replay
    await agent.start();
    await post(agent, '/dlq/reprocess', {});
    await until('they are gone', async () => (await dead(agent)).total_entries === 0, 60);
    assert.deepEqual(await ledger(agent), {taken: n, delivered: n, dead: 0, purged: 0, in_flight: 0});
    assert.equal(loki.lines.size, n);
    for (const [line, times] of loki.lines)
        assert.equal(times, 1, line);
    await agent.stop();
});

scenario('a database that cannot be written stops the readers, not the memory, and nothing is lost', async (s) => {
    const state = s.path('state');
    fs.mkdirSync(state);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'logcap-test', state]);
    s.atEnd(() => execFileSync('umount', ['-l', state]));
    const loki = await s.loki(() => answers.refusing(bad));
    const queue = 256 * 1024;
    const agent = await s.agent(s.config({loki, lokiSink: {queue_size: queue, disk_buffer: false}}));
    const n = 30000; // 3.6 MB
    write(s, 'a.log', Array.from({length: n}, (_, i) => `bad ${i} ${'x'.repeat(110)}`));
    await until('it is said', () => /positions cannot be kept/.test(agent.stderr));
    let most = 0;
    for (let i = 0; i < 20; i++) {
        const {json} = await agent.get('/stats');
        most = Math.max(most, json.sinks[0].queue_bytes);
        await sleep(50);
    }
    assert.ok(most > queue / 2 && most < 8 * queue, `${most} bytes wait`);
    await ledger(agent);
    assert.equal((await agent.get('/health')).json.status, 'degraded');
    execFileSync('mount', ['-o', 'remount,size=60m', state]);
    await until('all are letters', async () => (await dead(agent)).total_entries === n, 90);
    assert.deepEqual(await ledger(agent), {taken: n, delivered: 0, dead: n, purged: 0, in_flight: 0});
    await until('no memory is held', async () => (await agent.get('/stats')).json.sinks[0].queue_bytes === 0);
    await agent.stop();
});

scenario('what waited on the disk and is refused then becomes letters too', async (s) => {
    let how = () => answers.status(503);
    const loki = await s.loki((r) => how(r));
    const agent = await s.agent(s.config({loki, lokiSink: {queue_size: '64KiB', disk_buffer: true}}));
    const n = 5000;
    write(s, 'a.log', Array.from({length: n}, (_, i) => `${i % 50 ? 'good' : 'bad'} ${i} ${'x'.repeat(200)}`));
    const spooled = async () => (await agent.get('/sources')).json.sources[0].sinks[0].spooled.records;
    await until('most of it is on the disk', async () => (await spooled()) > n / 2);
    how = () => answers.refusing(bad);
    await until('all is decided', async () => {
        const sum = await ledger(agent);
        return sum.delivered === n * 0.98 && sum.dead === n / 50;
    }, 60);
    await until('all letters are stored', async () => (await dead(agent)).total_entries === n / 50);
    const places = lines(dlq(agent, 'export').stdout).map((l) => l.place);
    assert.equal(new Set(places).size, n / 50);
    how = () => answers.ok();
    await post(agent, '/dlq/reprocess', {});
    await until('they are gone', async () => (await dead(agent)).total_entries === 0);
    assert.deepEqual(await ledger(agent), {taken: n, delivered: n, dead: 0, purged: 0, in_flight: 0});
    assert.equal(loki.lines.size, n);
    await agent.stop();
});
