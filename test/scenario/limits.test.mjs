// What a server would refuse, or suffer from: times, streams, rates; and what it refuses all the same.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {patience, pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const HOUR = 3600e3, DAY = 24 * HOUR;
const sink = async (agent) => (await agent.get('/stats')).json.sinks[0];
const account = async (agent, name = 'a.log') =>
    (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith(name))?.sinks[0];
const lost = (at) => at.dead.records + Object.values(at.dropped).reduce((n, x) => n + x.records, 0);
const metrics = async (agent) => (await agent.get('/metrics')).text;
const stamped = {timestamp: {regex: '^(\\S+) '}};
const iso = (ms) => new Date(ms).toISOString();
const ms = (time) => Number(time / 1000000n);

// Refuses what Loki refuses by its defaults: what is older than 7 days or more than 10 minutes ahead.
const strict = () => answers.refusing((e) => ms(e.time) < Date.now() - 7 * DAY || ms(e.time) > Date.now() + 10 * 60e3);

function writeTimes(s, now, times) {
    fs.writeFileSync(path.join(s.logs, 'a.log'), times.map(([at, text]) => `${iso(now + at)} ${text}\n`).join(''));
}

const times = [[-30 * DAY, 'ancient'], [-30 * DAY, 'ancient'], [-8 * DAY, 'old'], [-6 * DAY, 'within'], [-1000, 'now'],
    [5 * 60e3, 'soon'], [HOUR, 'ahead'], [HOUR, 'ahead'], [-2000, 'last']];
const fine = ['within', 'now', 'soon', 'last'];
const text = (e) => e.line.split(' ')[1];

scenario('times that the server would refuse are clamped, equal lines stay two, and none is refused', async (s) => {
    const loki = await s.loki(strict);
    const now = Date.now();
    writeTimes(s, now, times);
    const agent = await s.agent(s.config({loki, files: stamped,
        lokiSink: {timestamps: {too_old: 'clamp', too_far: 'clamp'}}}));
    await until('all are there', () => loki.entries.length >= times.length);
    const page = await metrics(agent);
    const at = await account(agent);
    await agent.stop();
    assert.deepEqual(loki.entries.map(text).sort(), times.map(([, t]) => t).sort());
    assert.equal(at.delivered.records, times.length);
    for (const e of loki.entries)
        if (fine.includes(text(e)))
            assert.equal(Math.floor(ms(e.time) / 1000), Math.floor(Date.parse(e.line.split(' ')[0]) / 1000), e.line);
        else if (text(e) === 'ahead')
            assert.ok(ms(e.time) <= Date.now() + 60e3 && ms(e.time) > now - 61e3, `${iso(ms(e.time))}`);
        else
            assert.ok(ms(e.time) > now - 7 * DAY + HOUR - 1000 && ms(e.time) < now - 7 * DAY + 4 * HOUR, iso(ms(e.time)));
    assert.match(page, /logcap_sink_timestamps_total\{sink="loki",outcome="too_old_clamped"\} 3\n/);
    assert.match(page, /logcap_sink_timestamps_total\{sink="loki",outcome="too_far_clamped"\} 2\n/);
});

scenario('times that the server would refuse go to the dead letters unsent, the others arrive', async (s) => {
    const loki = await s.loki(strict);
    writeTimes(s, Date.now(), times);
    const agent = await s.agent(s.config({loki, files: stamped,
        lokiSink: {timestamps: {too_old: 'dead_letter', too_far: 'dead_letter'}}}));
    let at;
    await until('the ledger has all', async () => {
        at = await account(agent);
        return at && at.in_flight.records === 0 && at.taken.records === times.length;
    });
    assert.equal(at.dead.records, 5);
    assert.equal(at.delivered.records, 4);
    assert.equal(at.adds_up, true);
    // A request of nothing but such lines is none.
    const {requests} = loki;
    fs.appendFileSync(path.join(s.logs, 'a.log'), `${iso(0)} epoch\n`.repeat(10));
    await until('they are counted', async () => lost(await account(agent)) === 15);
    assert.equal(loki.requests, requests);
    assert.match(await metrics(agent), /outcome="too_old_dead_letter"\} 13\n/);
    await agent.stop();
    assert.deepEqual(loki.entries.map(text), fine);
});

scenario('kept times are the server\'s to judge, and counted', async (s) => {
    const loki = await s.loki();
    writeTimes(s, Date.now(), times);
    const agent = await s.agent(s.config({loki, files: stamped}));
    await until('all are there', () => loki.entries.length >= times.length);
    assert.match(await metrics(agent), /outcome="too_old_kept"\} 3\n/);
    await agent.stop();
    assert.equal(loki.entries.filter((e) => ms(e.time) < Date.now() - 29 * DAY).length, 2);
});

scenario('clamped times are the same again after a kill', async (s) => {
    if (new Date().getMinutes() >= 58) // the step of the clock is the hour; not over its end
        await sleep(150e3);
    const loki = await s.loki(answers.storedButHanging);
    const now = Date.now();
    writeTimes(s, now, Array.from({length: 500}, (_, i) => [-30 * DAY, i % 10 ? `line ${i}` : 'same']));
    const agent = await s.agent(s.config({loki, files: stamped, lokiSink: {timestamps: {too_old: 'clamp'}}}));
    await until('the sink has them', () => loki.entries.length >= 500);
    await agent.kill();
    loki.answer = answers.ok;
    await agent.start();
    await until('the agent knows', async () => (await account(agent))?.delivered.records === 500);
    await agent.stop();
    assert.equal(loki.entries.length, 500);
    assert.equal(loki.repeats, 500);
}, {timeout: 900000});

scenario('equal lines of one second, or one nanosecond, arrive each, in their order', async (s) => {
    const loki = await s.loki();
    fs.writeFileSync(path.join(s.logs, 'a.log'), '2026-11-20T10:00:00Z again\n'.repeat(1000));
    fs.writeFileSync(path.join(s.logs, 'b.log'), '2026-11-20T10:00:00.123456789Z again\n'.repeat(1000));
    const agent = await s.agent(s.config({loki, files: stamped}));
    await until('all are there', () => loki.entries.length >= 2000);
    await agent.stop();
    assert.equal(loki.repeats, 0);
    for (const e of loki.entries)
        assert.equal(ms(e.time) - ms(e.time) % 1000, Date.parse('2026-11-20T10:00:00Z'));
});

// ---- streams ----

scenario('10,000 streams against max_streams: the label becomes metadata, loudly, and every line arrives', async (s) => {
    const all = pick({light: 2000, full: 10000, soak: 10000}), limit = 500;
    const loki = await s.loki();
    const name = (i) => `f${i}.log`;
    for (let i = 0; i < all; i++)
        fs.writeFileSync(path.join(s.logs, name(i)), `line ${i}\n`);
    const agent = await s.agent(s.config({loki, lokiSink: {max_streams: limit}}));
    await until('all are there', () => loki.lines.size >= all, 60);
    for (let i = 0; i < 100; i++)
        fs.appendFileSync(path.join(s.logs, name(i)), `later ${i}\n`);
    await until('those too', () => loki.lines.size >= all + 100);
    const health = (await agent.get('/health')).json;
    const page = await metrics(agent);
    const {streams, demoted_labels: demoted} = await sink(agent);
    await agent.stop();
    assert.equal(loki.entries.length, all + 100);
    const sent = new Set(loki.entries.map((e) => e.labels));
    assert.ok(sent.size > limit && sent.size <= limit + 1, `${sent.size} streams`);
    for (const e of loki.entries)
        assert.ok(`${e.labels}${JSON.stringify(e.metadata)}`.includes(`"${name(e.line.split(' ')[1])}"`), e.labels);
    for (const e of loki.entries.filter((x) => x.line.startsWith('later')))
        assert.ok(!e.labels.includes('file_name') && e.labels.includes('job="test"'), e.labels);
    assert.deepEqual(demoted, ['file_name']);
    assert.equal(streams, 1);
    assert.equal(health.status, 'degraded');
    assert.equal(health.checks.label_cardinality.value, 1);
    assert.match(page, /logcap_sink_demoted_label\{sink="loki",label="file_name"\} 1\n/);
    const counted = Number(/logcap_sink_demoted_records_total\{sink="loki"\} (\d+)/.exec(page)[1]);
    assert.equal(counted, loki.entries.filter((e) => !e.labels.includes('file_name')).length);
    assert.equal(agent.stderr.match(/more than max_streams/g).length, 1);
});

// ---- rates ----

scenario('the rate limit holds within a tenth, slows the source down and loses nothing', async (s) => {
    const rate = 200000, lines = pick({light: 6000, full: 12000, soak: 60000});
    let first, last, bytes = 0;
    const loki = await s.loki((r) => {
        last = Date.now();
        first ??= last;
        bytes += r.entries.reduce((n, e) => n + e.line.length, 0);
        return answers.ok();
    });
    const w = s.writer('a.log');
    w.write(lines);
    const agent = await s.agent(s.config({loki, files: {max_line_bytes: '1KiB'}, lokiSink: {queue_size: '64KiB',
        rate_limit: {bytes_per_second: rate, burst: '20KiB'}, adaptive_batching: {enabled: false}, batch_timeout: '10ms'}}));
    await sleep(1000);
    const lag = (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log')).lag_bytes;
    await until('all is there', () => loki.lines.size >= w.count, 200);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
    assert.ok(lag > 0, 'the reader waits');
    // A chunk of 65 KiB and the burst come at once.
    const measured = (bytes - 65 * 1024 - 20 * 1024) / ((last - first) / 1000);
    assert.ok(measured < rate * 1.1, `${measured} bytes a second`);
    if (!sanitized)
        assert.ok(bytes / ((last - first) / 1000) > rate * 0.9, `${bytes / ((last - first) / 1000)} bytes a second`);
});

// ---- what is refused all the same ----

// As Loki does beyond a few messages: the valid ones are stored, and the text names neither all nor how many.
const capped = (bad) => ({
    stores: (e) => e.filter((x) => !bad(x)),
    reply: (res, request) => {
        const n = request.entries.filter(bad).length;
        res.writeHead(n ? 400 : 204);
        res.end(n ? 'entry for stream is wrong; and others, which are not shown' : '');
    },
});

for (const [what, answer] of [['counts', answers.refusing], ['is capped', capped]]) {
    scenario(`a 400 whose message ${what} costs the offenders only, and what comes again is the same to the byte`, async (s) => {
        const times = new Map();
        const loki = await s.loki((r) => {
            for (const e of r.entries)
                times.set(e.line, (times.get(e.line) ?? new Set()).add(`${e.labels} ${e.time} ${JSON.stringify(e.metadata)}`));
            return answer((e) => /0{6}[0-9]7 /.test(e.line));
        });
        const w = s.writer('a.log');
        w.write(100); // ten of them are refused
        const agent = await s.agent(s.config({loki}));
        let at;
        await until('the ledger has them all', async () => {
            at = await account(agent);
            return at && at.in_flight.records === 0 && at.taken.records === 100;
        });
        await agent.stop();
        assert.equal(loki.lines.size, 90);
        assert.equal(lost(at), 10);
        assert.equal(at.delivered.records, 90);
        assert.equal(loki.entries.length, 90);
        assert.ok(loki.requests < 2 * 100);
        for (const [line, seen] of times)
            assert.equal(seen.size, 1, line);
    });
}

scenario('260 refuses a stream and not the others', async (s) => {
    const loki = await s.loki((r) => (r.entries.some((e) => /secret/.test(e.labels)) ? answers.policy() : answers.ok()));
    const config = s.config({loki});
    config.monitors.files.sources = [
        {paths: [path.join(s.logs, 'a.log')], labels: {job: 'open'}},
        {paths: [path.join(s.logs, 'b.log')], labels: {job: 'secret'}}];
    delete config.monitors.files.paths;
    delete config.monitors.files.labels;
    config.sinks.loki.workers = 1;
    const a = s.writer('a.log'), b = s.writer('b.log');
    a.write(50);
    b.write(50);
    const agent = await s.agent(config);
    await until('both are judged', async () => {
        const [x, y] = [await account(agent), await account(agent, 'b.log')];
        return x && y && x.delivered.records === 50 && lost(y) === 50;
    });
    await agent.stop();
    assert.deepEqual(differences([a], loki.lines), []);
});

scenario('413 for a single line costs that line', async (s) => {
    const loki = await s.loki((r) => (r.entries.some((e) => e.line.length > 5000) ? answers.status(413) : answers.ok()));
    fs.writeFileSync(path.join(s.logs, 'a.log'), `one\n${'x'.repeat(6000)}\ntwo\n`);
    const agent = await s.agent(s.config({loki}));
    await until('the others are there', () => loki.lines.size === 2);
    let at;
    await until('it is counted', async () => lost(at = await account(agent)) === 1);
    await agent.stop();
    assert.deepEqual([...loki.lines.keys()].sort(), ['one', 'two']);
});
