// What the agent says of itself over HTTP while it works.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
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

// ---- TLS ----

// A certificate with its key, put in place as renewal tools do: each file at once, the two one after the other.
function certificate(s, between = () => {}) {
    const [cert, key] = [s.path('tls.crt'), s.path('tls.key')];
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-keyout', `${key}.new`, '-out', `${cert}.new`, '-days', '2', '-subj', '/CN=logcap test']);
    assert.equal(made.status, 0, String(made.stderr));
    fs.renameSync(`${cert}.new`, cert);
    between();
    fs.renameSync(`${key}.new`, key);
    const {stdout} = spawnSync('openssl', ['x509', '-in', cert, '-noout', '-fingerprint', '-sha256'], {encoding: 'utf8'});
    return stdout.trim().split('=')[1];
}

// A request, and whose certificate answered it.
function asked(agent, where, through = false) {
    return new Promise((resolve, reject) => {
        const request = https.get({host: '127.0.0.1', port: agent.port, path: where, agent: through, rejectUnauthorized: false}, (response) => {
            const answer = {status: response.statusCode, by: response.socket.getPeerCertificate().fingerprint256, text: '', over: false, response};
            response.on('data', (data) => { answer.text += data; });
            response.on('error', () => { answer.over = true; });
            response.on('close', () => { answer.over = true; });
            if (where === '/live')
                resolve(answer);
            else
                response.on('end', () => resolve(answer));
        });
        request.on('error', reject);
    });
}

scenario('a renewed certificate is for whoever connects from then on', async (s) => {
    const first = certificate(s);
    const tls = {cert_file: s.path('tls.crt'), key_file: s.path('tls.key')};
    const agent = await s.agent({...s.config({local: true}), log: {level: 'debug'}}, {server: {tls}});
    const by = async () => (await asked(agent, '/health')).by;
    const descriptors = async () => JSON.parse((await asked(agent, '/stats')).text).process.fds;
    const kept = new https.Agent({keepAlive: true, maxSockets: 1, maxCachedSessions: 0});
    const feed = await asked(agent, '/live');
    const goesOn = async () => {
        const heard = feed.text.length;
        await until('the feed goes on, or is cut', () => feed.over || feed.text.length > heard);
        assert.equal(feed.over, false, 'the feed is cut');
    };
    assert.deepEqual([await by(), feed.by, (await asked(agent, '/health', kept)).by], [first, first, first]);

    // Who connected before goes on.
    const second = certificate(s);
    assert.equal(await by(), second);
    assert.equal((await asked(agent, '/health', kept)).by, first);
    await goesOn();

    // Between the two files, and with a file that is none, it is as before.
    const good = fs.readFileSync(tls.cert_file);
    for (const _ of ['once', 'again']) {
        for (let i = 0; i < 3; i++) {
            fs.writeFileSync(tls.cert_file, 'no certificate\n');
            assert.equal(await by(), second);
        }
        fs.writeFileSync(tls.cert_file, good);
        assert.equal(await by(), second);
    }
    await goesOn();
    const meanwhile = [];
    const third = certificate(s, () => meanwhile.push(spawnSync(process.execPath, ['-e', `
        require('https').get({host: '127.0.0.1', port: ${agent.port}, path: '/health', rejectUnauthorized: false},
            (r) => { console.log(r.socket.getPeerCertificate().fingerprint256); r.resume(); })`], {encoding: 'utf8'}).stdout.trim()));
    assert.deepEqual(meanwhile, [second]);
    assert.equal(await by(), third);
    await until('the first certificate is nobody\'s any more', () => feed.over);

    // However often, what it holds is two of them.
    const before = await descriptors();
    for (let i = 0; i < 10; i++) {
        const next = certificate(s);
        assert.equal(await by(), next);
    }
    await until('all is given back', async () => await descriptors() <= before);
    assert.equal((await asked(agent, '/ready')).status, 200);
    kept.destroy();
    await agent.stop();
    // Each of the three that did not fit was said once, and not tried for each who connected.
    assert.equal(agent.stderr.match(/cannot be used \(they are no certificate with its key\)/g).length, 3, agent.stderr);
    assert.equal(agent.stderr.match(/libmicrohttpd: Failed to initialize TLS/g).length, 3, agent.stderr);
});
