// Entries that programs post, up to the sink; and what promtool thinks of the metrics.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {scenario, unpacked, until} from './harness.mjs';
import {answers} from './loki.mjs';

const post = (agent, body) => agent.get('/api/v1/logs', {method: 'POST', body: JSON.stringify(body)});
const source = async (agent) => (await agent.get('/sources')).json.sources.find((x) => x.kind === 'api');

scenario('posted entries arrive once, with their level, time and labels', async (s) => {
    const loki = await s.loki();
    const agent = await s.agent(s.config({loki}));
    const one = {message: 'disk is full ☃', level: 'error', source_type: 'cron', source_id: 'backup',
        timestamp: new Date(Date.now() - 60000).toISOString(), labels: {unit: 'a.service'}};
    assert.deepEqual((await post(agent, one)).json, {accepted: 1});
    for (let i = 0; i < 50; i++) {
        const reply = await post(agent, {entries: Array.from({length: 20}, (_, k) => ({message: `n ${i * 20 + k}`, level: `l${k}`}))});
        assert.equal(reply.status, 202, reply.text);
    }
    assert.equal((await post(agent, [{message: 'not this'}, {text: 'for this has none'}])).status, 400);
    await until('all is there', () => loki.lines.size === 1001);
    const entry = loki.entries.find((e) => e.line === one.message);
    assert.equal(entry.time, BigInt(Date.parse(one.timestamp)) * 1000000n);
    const said = entry.labels + JSON.stringify(entry.metadata);
    for (const word of ['error', 'cron', 'backup', 'a.service'])
        assert.ok(said.includes(word), `${word} in ${said}`);
    for (let i = 0; i < 1000; i++)
        assert.equal(loki.lines.get(`n ${i}`), 1, `n ${i}`);
    assert.ok(!loki.lines.has('not this'));
    await until('the account is settled', async () => (await source(agent)).sinks[0].delivered.records === 1001);
    await agent.stop();
});

scenario('without a disk buffer what is in memory at the end is counted as dropped, and the ledger still says so later', async (s) => {
    const loki = await s.loki(answers.hang);
    const agent = await s.agent(s.config({loki, lokiSink: {drain_grace: '200ms', disk_buffer: false}}));
    assert.deepEqual((await post(agent, [{message: 'a'}, {message: 'b'}])).json, {accepted: 2});
    await until('it is on its way', async () => (await source(agent)).sinks[0].in_flight.records === 2);
    await agent.stop();
    await agent.start();
    const {taken, delivered, dropped, adds_up: addsUp} = (await source(agent)).sinks[0];
    assert.deepEqual([taken.records, delivered.records, dropped.shutdown.records, addsUp], [2, 0, 2, true]);
    await agent.stop();
});

scenario('without a disk buffer a sink that is full makes the answer 429, and nothing that was accepted is lost', async (s) => {
    let dead = true;
    const loki = await s.loki(() => (dead ? answers.status(503) : answers.ok()));
    const agent = await s.agent(s.config({loki, api: {rate: 1000000}, lokiSink: {queue_size: '64KiB', disk_buffer: false}}));
    let accepted = 0;
    let reply;
    for (let i = 0; i < 2000; i++) {
        reply = await post(agent, Array.from({length: 50}, (_, k) => ({message: `${i} ${k} ${'x'.repeat(100)}`})));
        if (reply.status !== 202)
            break;
        accepted += 50;
    }
    assert.equal(reply.status, 429, reply.text);
    dead = false;
    await until('what was accepted is there', () => loki.lines.size === accepted);
    await until('there is room again', async () => (await post(agent, {message: 'again'})).status === 202);
    await until('that too', () => loki.lines.has('again'));
    await agent.stop();
});

scenario('promtool is content with the metrics', async (s) => {
    const promtool = unpacked('prometheus', '/usr/bin/promtool');
    const loki = await s.loki();
    s.writer('a.log').write(100);
    const agent = await s.agent(s.config({loki, local: true}));
    await post(agent, {message: 'x'});
    await until('all is there', () => loki.lines.size === 101);
    for (const port of [agent.port, agent.metricsPort]) {
        const {text} = await agent.get('/metrics', {}, port);
        assert.match(text, /^logcap_api_requests_total\{outcome="taken"\} 1$/m);
        const check = spawnSync(promtool, ['check', 'metrics'], {input: text, encoding: 'utf8'});
        assert.deepEqual([check.status, check.stdout + check.stderr], [0, '']);
    }
    await agent.stop();
});
