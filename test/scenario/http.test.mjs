// What the agent says of itself over HTTP while it works.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {command, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';

scenario('the ledger adds up at each look, and in the end it is all delivered', async (s) => {
    const loki = await s.loki((r) => (r.number % 4 ? answers.slow(20) : answers.status(503)));
    const w = s.writer('a.log');
    const agent = await s.agent(s.config({loki, local: {filename: '{file}'}}));
    let looks = 0;
    for (let i = 0; i < 60; i++) {
        w.write(300);
        await sleep(10);
        const {json, status} = await agent.get('/sources');
        assert.equal(status, 200);
        for (const source of json.sources) {
            for (const a of source.sinks) {
                const dropped = Object.values(a.dropped).reduce((n, x) => n + x.records, 0);
                assert.equal(a.taken.records, a.delivered.records + a.spooled.records + a.dead.records + dropped +
                    a.in_flight.records, JSON.stringify(a));
                assert.equal(a.adds_up, true);
                looks++;
            }
        }
    }
    assert.ok(looks > 60);
    await until('the accounts are settled', async () => {
        const {json} = await agent.get('/sources');
        const source = json.sources.find((x) => x.name.endsWith('a.log'));
        return source.sinks.length === 2 && source.sinks.every((a) => a.delivered.records === w.count);
    });
    const {json} = await agent.get('/positions');
    assert.ok(JSON.stringify(json).includes(String(w.count * 100)));
    await agent.stop();
    assert.match(command(['positions', 'show', '-c', agent.file]).stdout, /a\.log/);
});

scenario('health, readiness, tasks, statistics, configuration and metrics answer', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(100);
    const agent = await s.agent(s.config({loki, lokiSink: {password: 'hunter2', username: 'u'}}));
    await until('all is there', () => loki.lines.size === 100);
    const health = await agent.get('/health');
    assert.equal(health.status, 200);
    assert.equal(health.json.status, 'healthy');
    for (const where of ['/ready', '/stats', '/positions', '/tasks', '/sources'])
        assert.equal((await agent.get(where)).status, 200, where);
    const config = await agent.get('/config');
    assert.ok(!config.text.includes('hunter2'), 'a secret is shown');
    assert.match(config.text, /loki/);
    for (const port of [agent.port, agent.metricsPort]) {
        const {text} = await agent.get('/metrics', {}, port);
        assert.match(text, /^logcap_\w+/m);
        assert.match(text, /^file_descriptors_open \d+/m);
        assert.match(text, /^goroutines \d+/m);
        assert.match(text, /^logcap_ledger_mismatches 0$/m);
    }
    assert.equal((await agent.get('/nowhere')).status, 404);
    await agent.stop();
});

scenario('a healthy agent says degraded or worse when its sink is dead', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(10);
    await loki.stop();
    const agent = await s.agent(s.config({loki}));
    await until('it says so', async () => (await agent.get('/health')).json.status !== 'healthy');
    await agent.stop();
    assert.match(agent.stderr, /WARN {2}loki: .*; trying again until it works/);
    assert.doesNotMatch(agent.stderr, /loki: loki:/);
});

scenario('clients that say nothing, or nonsense, hold up nobody', async (s) => {
    const agent = await s.agent(s.config({local: true}));
    const clients = [];
    for (let i = 0; i < 100; i++) {
        const socket = net.connect(agent.port, '127.0.0.1');
        socket.on('error', () => {});
        if (i % 2)
            socket.write('POST /api/v1/logs HTTP/1.1\r\nContent-Length: 99999\r\n');
        clients.push(socket);
    }
    await until('it answers all the same', async () =>
        (await agent.get('/ready').catch(() => null))?.status === 200);
    const took = await agent.stop();
    assert.ok(took < 5000, `${took} ms`);
    clients.forEach((c) => c.destroy());
});

scenario('why explains a file that is read and one that is not', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(5);
    const agent = await s.agent(s.config({loki}));
    await until('all is there', () => loki.lines.size === 5);
    const yes = command(['why', '-c', agent.file, w.file]);
    assert.equal(yes.code, 0, yes.stderr);
    assert.match(yes.stdout, /a\.log/);
    const no = command(['why', '-c', agent.file, '/etc/hostname']);
    assert.match(no.stdout + no.stderr, /not|no pattern/i);
    // Rotated to a name that no pattern matches, it is asked for by that.
    fs.renameSync(w.file, `${w.file}.1`);
    const rotated = command(['why', '-c', agent.file, `${w.file}.1`]);
    assert.ok(rotated.stdout.includes(`It was read as ${w.file}, and is known by that name.`), rotated.stdout);
    assert.match(rotated.stdout, /is_read: (true|yes)/);
    await agent.stop();
});

scenario('why says whose log it is that a pod writes', async (s) => {
    const log = s.path('pods', 'shop_web-0_1234', 'nginx', '0.log');
    fs.mkdirSync(path.dirname(log), {recursive: true});
    fs.writeFileSync(log, '2026-11-21T10:00:00Z stdout F one\n');
    const loki = await s.loki();
    const config = s.config({loki});
    config.monitors.containers = {enabled: true, pods_directory: s.path('pods'), sockets: [`unix://${s.path('no.sock')}`]};
    const agent = await s.agent(config);
    await until('it is there', () => loki.entries.length === 1);
    const {stdout} = command(['why', '-c', agent.file, log]);
    assert.match(stdout, /a log of the container nginx of the pod web-0 in shop/);
    assert.match(stdout, /is_read: (true|yes)/);
    assert.doesNotMatch(stdout, /no pattern matches/);
    await agent.stop();
});
