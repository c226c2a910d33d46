// The detector as a product: leaks are planted under the unchanged binary (test/tools/leak.c), and each must be named; without
// any, a load that swings must raise nothing.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {binary, command, pick, sanitized, scenario, sleep, unpacked, until} from './harness.mjs';
import {finding, leaks, planted, quick, skipShim, webhook} from './leaks.mjs';

scenario('a descriptor that nobody closed is named with the place where it was born, everywhere', async (s) => {
    const {plant, env} = planted(s);
    const hook = await webhook(s, [503]);
    const loki = await s.loki();
    s.writer('a.log').write(10);
    const agent = await s.agent(s.config({loki, ...quick, task_tracking: {...quick.task_tracking},
        resource_monitoring: {...quick.resource_monitoring, alert_webhook_url: hook.url}}), {env});
    await until('it was looked at', async () => (await leaks(agent)).totals.fds > 0);
    assert.deepEqual((await leaks(agent)).findings, []);
    plant('close 5');
    await until('it is found', () => finding(agent, 'fds:unowned'), 60);
    const f = await finding(agent, 'fds:unowned');
    plant('');
    assert.equal(f.exact, true);
    assert.equal(f.verdict, 'leaking');
    assert.match(f.text, /nobody owns and nobody closed.*last owned by one born at \w+/);
    assert.ok(f.born.stack.length > 2, 'its birth has a stack');
    // The log, health, metrics, the list of alerts.
    await until('the log says so', () => /leaks: \w+: \d+ descriptors? that nobody owns/.test(agent.stderr), 60);
    const health = (await agent.get('/health')).json.services.goroutine_tracker;
    assert.equal(health.status, 'degraded');
    assert.ok(health.stats.findings > 0);
    assert.match((await agent.get('/metrics')).text, /^logcap_fds_unowned [1-9]/m);
    const [alert] = (await leaks(agent)).alerts.filter((a) => a.event === 'raised');
    assert.equal(alert.kind, 'fds');
    // A webhook that refused the first try has it now, with the stacks.
    await until('the webhook took it', () => hook.posted.length >= 2, 60);
    const [first, second] = hook.posted;
    assert.equal(second.type, 'application/json');
    assert.deepEqual(second.json, first.json);
    for (const key of ['kind', 'severity', 'resource', 'current', 'baseline', 'threshold', 'slope_per_min', 'since', 'limit_in_s',
        'host', 'stacks', 'born', 'text', 'event'])
        assert.ok(key in first.json, key);
    assert.ok(first.json.stacks[0].stack.length > 0);
    assert.match(first.json.born_at, /^\w+\+0x\w+ \S+\.c:\d+$/, 'its birth has a file and a line');
    assert.match(agent.stderr, / \[\w+\+0x\w+ \S+\.c:\d+\]/);
    // And the sinks have it as a record.
    await until('Loki has the record', () => loki.entries.some((e) => /nobody owns/.test(e.line)), 60);
    await agent.stop();
}, {skip: skipShim});

scenario('a thread that nobody owns is named', async (s) => {
    const {plant, env} = planted(s);
    const agent = await s.agent(s.config({local: true, ...quick}), {env});
    plant('thread');
    await until('it is found', () => finding(agent, 'threads:unowned'), 60);
    assert.match((await finding(agent, 'threads:unowned')).text, /1 thread that nobody owns, the last: \d+ \(nobodys\)/);
    await agent.stop();
}, {skip: skipShim});

scenario('a thread that hangs is named while all else goes on', async (s) => {
    const {plant, env} = planted(s);
    const agent = await s.agent(s.config({local: true, ...quick}), {env});
    const w = s.writer('a.log');
    plant('hang');
    await until('it is found', async () => {
        w.write(1);
        await sleep(200);
        return finding(agent, 'tasks:thread');
    }, 120);
    const f = await finding(agent, 'tasks:thread');
    assert.match(f.text, /the thread "\w+" has given no sign of life for \d+ s while it runs; started at \w+/);
    assert.match(f.text, /nobody restarts the agent by itself: it runs under no service manager with a watchdog$/);
    assert.equal(f.severity, 'high');
    const {suspects} = await leaks(agent);
    assert.equal(suspects[0].why, 'no sign of life');
    await agent.kill();
}, {skip: skipShim});

scenario('max_tasks refuses births, says so, and says when it is over', async (s) => {
    const agent = await s.agent(s.config({local: true, max_tasks: 12, ...quick}));
    const sockets = [];
    s.atEnd(() => sockets.forEach((x) => x.destroy()));
    await until('it is said', async () => {
        const req = http.get({port: agent.port, path: '/ready', agent: new http.Agent({keepAlive: true})});
        req.on('error', () => {});
        req.on('response', (res) => res.resume());
        req.on('socket', (x) => sockets.push(x));
        return /max_tasks is reached \(12\)/.test(agent.stderr);
    }, 60);
    sockets.forEach((x) => x.destroy());
    await until('it is over', () => /resolved: max_tasks is reached/.test(agent.stderr), 60);
    const text = (await agent.get('/metrics')).text;
    assert.match(text, /^logcap_tasks_refused_total [1-9]/m);
    const [alert] = (await leaks(agent)).alerts.filter((a) => a.resource === 'tasks/refused' && a.event === 'raised');
    assert.equal(alert.severity, 'critical');
    await agent.stop();
});

// What `go tool pprof` reads.
const isProfile = (file) => fs.readFileSync(file).readUInt16BE(0) === 0x1f8b;

scenario('an alert explains descriptors: the stacks that grew, who holds them, what they lead to, and a heap profile', async (s) => {
    const {plant, env} = planted(s);
    const hook = await webhook(s);
    const agent = await s.agent(s.config({local: true, ...quick,
        resource_monitoring: {...quick.resource_monitoring, alert_webhook_url: hook.url, fd_threshold: 30}}), {env});
    // Behind the warm-up there is a moment to compare with.
    await until('there is a baseline', async () => (await leaks(agent)).series.find((one) => one.name === 'fds')?.baseline > 0, 60);
    await sleep(2000);
    // Files that are followed are opened at one place, and that is what grew; what nobody owns leads to one of them.
    plant('close 1');
    for (let i = 0; i < 40; i++)
        fs.writeFileSync(s.path('logs', `new-${i}.log`), 'a line\n');
    await until('it is posted', () => hook.posted.some(({json}) => json.series === 'fds:unowned' && json.stacks?.[0]?.grown >= 20), 60);
    plant('');
    const {json} = hook.posted.find((one) => one.json.series === 'fds:unowned' && one.json.stacks?.[0]?.grown >= 20);
    assert.ok(Date.parse(json.grown_since) < Date.parse(json.time));
    assert.match(json.stacks[0].stack.join(' '), /src\/in\/files\/\S+\.c:\d+/, 'with file and line');
    assert.ok(json.held_by.length > 0 && json.held_by.every((one) => one.scope && one.count > 0));
    assert.ok(json.held_by.reduce((sum, one) => sum + one.count, 0) >= 30);
    assert.ok(json.descriptors.some((one) => one.type === 'epoll' && one.count > 3));
    assert.ok(json.descriptors.every((one, i, all) => one.type === 'others' || i === 0 || all[i - 1].count >= one.count));
    assert.ok(json.descriptors.some((one) => one.target.startsWith('/')));
    assert.ok(isProfile(json.heap_profile), 'the heap is there beside it');
    assert.match(json.heap_profile, /leak-heap-fds\.pb\.gz$/);
    await agent.stop();
}, {skip: skipShim});

scenario('an alert explains tasks: the oldest, their stacks and who holds them', async (s) => {
    const {plant, env} = planted(s);
    const hook = await webhook(s);
    const agent = await s.agent(s.config({local: true, ...quick, task_tracking: {check_interval: '1s', alert_webhook: hook.url}}), {env});
    const w = s.writer('a.log');
    plant('hang');
    await until('it is posted', async () => {
        w.write(1);
        await sleep(200);
        return hook.posted.some(({json}) => json.series === 'tasks:thread');
    }, 120);
    const {json} = hook.posted.find((one) => one.json.series === 'tasks:thread');
    assert.ok(json.oldest.length >= 3 && json.oldest.every((one) => one.kind === 'thread' && one.stack.length > 2));
    assert.ok(json.oldest.every((one, i, all) => i === 0 || all[i - 1].age_seconds >= one.age_seconds));
    assert.match(json.oldest[0].stack.join(' '), /\.c:\d+/);
    assert.equal(json.suspects[0].name, json.born.name);
    assert.ok(json.stacks.length > 1 && json.held_by.some((one) => one.scope === 'agent' || one.count > 0));
    assert.ok(isProfile(json.heap_profile));
    await agent.kill();
}, {skip: skipShim});

scenario('an alert explains memory: what grew in bytes, and a heap profile that go tool pprof opens', async (s) => {
    const {plant, env} = planted(s);
    const hook = await webhook(s);
    const agent = await s.agent(s.config({local: true, ...quick,
        resource_monitoring: {...quick.resource_monitoring, alert_webhook_url: hook.url, memory_threshold_mb: 60}}), {env});
    await until('there is a baseline', async () => (await leaks(agent)).series.find((one) => one.name === 'memory:rss')?.baseline > 0, 60);
    plant('free 1');
    await until('it is posted', async () => {
        await Promise.all(Array.from({length: 20}, () => agent.get('/metrics')));
        return hook.posted.some(({json}) => json.series === 'memory:rss');
    }, 120);
    plant('');
    const {json} = hook.posted.find((one) => one.json.series === 'memory:rss');
    assert.ok(json.current > 60 * 2 ** 20);
    assert.ok(json.stacks.length > 0 && json.stacks[0].bytes > 0 && 'grown_bytes' in json.stacks[0]);
    assert.ok(json.held_by[0].bytes >= json.held_by.at(-1).bytes && json.held_by[0].bytes > 0);
    const top = spawnSync('go', ['tool', 'pprof', '-top', '-sample_index=inuse_space', json.heap_profile], {encoding: 'utf8', env: {...process.env, PPROF_TMPDIR: s.path('.')}});
    assert.equal(top.status, 0, top.stderr);
    assert.match(top.stdout, /Type: inuse_space[^]*MB/, 'what was never freed is in it');
    await agent.stop();
}, {skip: skipShim});

scenario('a webhook that hangs holds up nothing', async (s) => {
    const {plant, env} = planted(s);
    const hook = await webhook(s, Array(100).fill(0));
    const agent = await s.agent(s.config({local: true, ...quick, task_tracking: {check_interval: '1s', alert_webhook: hook.url}}), {env});
    plant('close 5');
    await until('it is posted', () => hook.posted.length > 0, 60);
    const before = (await leaks(agent)).totals.samples;
    plant('thread');
    await until('another is found meanwhile', () => finding(agent, 'threads:unowned'), 60);
    assert.ok((await leaks(agent)).totals.samples > before);
    assert.ok(await agent.stop() < 5000);
}, {skip: skipShim});

for (const [format, isIt] of [
    ['alertmanager', (j) => Array.isArray(j) && j[0].labels.alertname === 'LogcapLeak' && j[0].annotations.summary && j[0].startsAt],
    ['slack', (j) => /nobody owns/.test(j.text)],
])
    scenario(`alerts are posted in the form of ${format}`, async (s) => {
        const {plant, env} = planted(s);
        const hook = await webhook(s);
        const agent = await s.agent(s.config({local: true, ...quick,
            resource_monitoring: {...quick.resource_monitoring, alert_webhook_url: hook.url, alert_format: format}}), {env});
        plant('close 5');
        await until('it is posted', () => hook.posted.length > 0, 60);
        assert.ok(isIt(hook.posted[0].json), JSON.stringify(hook.posted[0].json));
        await agent.stop();
    }, {skip: skipShim});

scenario('a reload puts another webhook and other intervals in force', async (s) => {
    const {plant, env} = planted(s);
    const [old, hook] = [await webhook(s), await webhook(s)];
    const config = s.config({local: true, ...quick, resource_monitoring: {...quick.resource_monitoring, alert_webhook_url: old.url}});
    const agent = await s.agent(config, {env});
    const change = async (more) => {
        const file = JSON.parse(fs.readFileSync(agent.file, 'utf8'));
        Object.assign(file.resource_monitoring, more);
        fs.writeFileSync(agent.file, JSON.stringify(file));
        assert.equal((await agent.get('/config/reload', {method: 'POST'})).status, 200);
    };
    await change({alert_webhook_url: hook.url, max_alert_history: 5});
    plant('thread');
    await until('the new one has the alert', () => hook.posted.length > 0, 60);
    await change({alert_cooldown: '1m'}); // the same webhook goes on
    plant('close 5');
    await until('and another', () => hook.posted.some(({json}) => json.series === 'fds:unowned'), 60);
    assert.deepEqual(old.posted, []);
    await agent.stop();
}, {skip: skipShim});

scenario('a load that swings between idle and full raises nothing', async (s) => {
    // Takes everything and keeps nothing: an hour of lines would fill the test's own memory.
    const loki = await s.loki(() => ({stores: () => [], reply: (res) => res.writeHead(204).end()}));
    const agent = await s.agent(s.config({loki, local: true, ...quick}));
    const writers = Array.from({length: 20}, (_, i) => s.writer(`${i}.log`));
    const end = Date.now() + pick({light: 15, full: 60, soak: 3600}) * 1000;
    for (let swing = 0; Date.now() < end; swing++) {
        for (let burst = 0; burst < 20; burst++) {
            for (const w of writers)
                w.write(20);
            await Promise.all([agent.get('/metrics'), agent.get('/leaks'), agent.get('/stats')]);
        }
        if (swing % 3 === 2) {
            const extra = s.writer(`extra-${swing}.log`);
            extra.write(10);
        }
        await sleep(3000);
    }
    const {alerts, findings, totals, suspects} = await leaks(agent);
    assert.deepEqual({alerts, findings, suspects}, {alerts: [], findings: [], suspects: []});
    assert.ok(totals.samples > 10);
    await agent.stop();
});

scenario("the predecessor's addresses and keys answer, and history outlives a restart", async (s) => {
    const agent = await s.agent(s.config({local: true, ...quick}));
    const at = async (where) => (await agent.get(where)).json;
    await until('it was looked at', async () => (await at('/goroutines/stats')).samples_collected > 1);
    const keys = (o) => Object.keys(o).sort();
    assert.deepEqual(keys(await at('/goroutines/stats')), ['baseline_goroutines', 'current_goroutines', 'growth_rate_per_min',
        'last_check', 'samples_collected', 'status', 'total_growth']);
    assert.deepEqual(keys(await at('/debug/goroutines')), ['cpus', 'goroutines', 'memory', 'timestamp', 'tracker_stats']);
    assert.deepEqual(keys(await at('/api/resources/metrics')), ['file_descriptors', 'goroutine_growth', 'goroutines',
        'heap_objects', 'memory_alloc_mb', 'memory_growth', 'memory_sys_mb', 'memory_total_mb', 'timestamp']);
    assert.match((await agent.get('/metrics', {}, agent.metricsPort)).text, /^goroutines [1-9]/m);
    assert.equal((await at('/health')).services.goroutine_tracker.status, 'healthy');
    const {points} = await at('/leaks/history?series=fds&step=1');
    assert.ok(points.length > 0 && points.every(([time, mean]) => time > 1.6e9 && mean > 5), JSON.stringify(points));
    assert.equal((await agent.get('/leaks/history?series=fds&step=7')).status, 400);
    const names = (await at('/leaks/history')).series;
    assert.ok(names.includes('tasks') && names.includes('memory:rss') && names.includes('fds:epoll'));
    const shown = command(['leaks', '-c', agent.file, '--all']);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /^ok: \d+ tasks \(0 unexpected\)/);
    assert.match(shown.stdout, /^fds:epoll +\d+ /m);
    assert.match(command(['tasks', '-c', agent.file, '--full']).stdout, /thread +watch .*logcap\/agent\/leakwatch/);
    assert.match(command(['tasks', '-c', agent.file]).stdout, /^ +\d+ thread /m);
    const top = command(['top', '--once', '-c', agent.file]);
    assert.equal(top.code, 0, top.stderr);
    assert.match(top.stdout, /^logcap .* leaks: ok .*\n(.*\n)*SINK +records\/s.*\nlocal_file .* ok\n(.*\n)*TASKS .*thread \d+/);
    await agent.stop();
    assert.equal(command(['leaks', '-c', agent.file]).code, 1);
    await agent.start();
    const stored = (await at('/leaks/history?series=fds&step=60')).points;
    assert.ok(stored.length >= 1 && stored[0][1] > 5, JSON.stringify(stored));
    assert.equal((await at('/leaks/history?series=fds&step=3600')).points.length >= 1, true);
    await agent.stop();
});

scenario('each metric of deploy/ is in /metrics', async (s) => {
    const deploy = new URL('../../deploy/', import.meta.url);
    const rules = fs.readFileSync(new URL('prometheus-alerts.yml', deploy), 'utf8');
    const dashboard = fs.readFileSync(new URL('grafana-dashboard.json', deploy), 'utf8');
    const {panels} = JSON.parse(dashboard);
    assert.ok(panels.every((p) => p.targets.length > 0));
    const loki = await s.loki();
    const agent = await s.agent(s.config({loki, local: true, ...quick}));
    await until('it was looked at', async () => (await leaks(agent)).totals.fds > 0);
    const {text} = await agent.get('/metrics');
    const families = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map((m) => m[1]));
    const named = (source) => [...new Set(source.match(/\blogcap_[a-z_]+/g))];
    assert.ok(named(rules).length > 10 && named(dashboard).length > 10);
    for (const name of [...named(rules), ...named(dashboard)])
        assert.ok(families.has(name), `${name} is not in /metrics`);
    // Series that the dashboard picks by name.
    for (const series of ['fds:', sanitized ? 'memory:rss' : 'memory:heap', 'arena:']) // sanitizers' allocators do not say
        assert.match(text, new RegExp(`^logcap_series\\{series="${series}`, 'm'));
    const promtool = unpacked('prometheus', '/usr/bin/promtool');
    const checked = spawnSync(promtool, ['check', 'rules', fileURLToPath(new URL('prometheus-alerts.yml', deploy))], {encoding: 'utf8'});
    assert.deepEqual([checked.status, checked.stderr], [0, '']);
    assert.match(checked.stdout, /SUCCESS: [1-9]\d* rules found/);
    const format = spawnSync(promtool, ['check', 'metrics'], {input: text, encoding: 'utf8'});
    assert.deepEqual([format.status, format.stdout + format.stderr], [0, '']);
    await agent.stop();
});

scenario('logcap top fits a terminal of 80 by 24, and q leaves it as it was', async (s) => {
    const agent = await s.agent(s.config({local: true, ...quick}));
    const top = spawn('script', ['-qefc', `stty rows 24 cols 80; exec ${binary} top -c ${agent.file}`, '/dev/null'],
        {stdio: ['pipe', 'pipe', 'inherit']});
    let shown = '';
    top.stdout.on('data', (data) => { shown += data; });
    const exited = new Promise((resolve) => top.on('exit', resolve));
    await until('a picture is there', () => /FOUND: 0/.test(shown));
    top.stdin.write(' ');
    await until('a key refreshed it', () => shown.split('FOUND: 0').length > 2);
    top.stdin.write('q');
    assert.equal(await exited, 0);
    const [, picture] = shown.split('\x1b[H');
    const lines = picture.split('\x1b[J')[0].split('\r\n').map((line) => line.replace(/\x1b\[[0-9;]*[a-zA-Z]/g, ''));
    assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80), lines.join('\n'));
    assert.ok(shown.startsWith('\x1b[?1049h') && shown.endsWith('\x1b[?1049l'), 'the screen is given back');
    await agent.stop();
});

scenario('logcap top says below a sink why it fails', async (s) => {
    const why = `${'no tenant of that name, '.repeat(4)}at last`;
    const loki = await s.loki(() => ({stores: () => [], reply: (res) => res.writeHead(503, {'content-type': 'text/plain'}).end(why)}));
    s.writer('a.log').write(1);
    const agent = await s.agent(s.config({loki, local: true}));
    await until('it fails', async () => /503/.test(JSON.stringify((await agent.get('/stats')).json.sinks)), 60);
    const {code, stdout, stderr} = command(['top', '--once', '-c', agent.file]);
    assert.equal(code, 0, stderr);
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => /^loki .* failing$/.test(line));
    assert.ok(at > 0, stdout);
    assert.match(lines.slice(at + 1).map((line) => line.trim()).join(' '), /^\S.*503.*no tenant of that name,.* at last local_file /);
    const below = lines.slice(at + 1, lines.findIndex((line) => line.startsWith('local_file ')));
    assert.ok(below.length > 1 && below.every((line) => /^ {4}\S/.test(line) && line.length <= 80), stdout);
    await agent.kill();
});

// STRESS=48h SOAK_HOURS=50 make soak: as long as one likes.
const stress = pick({light: '10s', full: '20s', soak: process.env.STRESS ?? '2h'});
scenario(`the stress test passes: ${stress}`, async () => {
    const script = fileURLToPath(new URL('../../test-scripts/stress-test.sh', import.meta.url));
    const run = spawn(script, ['--duration', stress, '--workers', '4', '--binary', binary], {stdio: ['ignore', 'pipe', 'inherit']});
    let said = '';
    run.stdout.on('data', (data) => { said += data; });
    const code = await new Promise((resolve) => run.on('exit', resolve));
    assert.equal(code, 0, said);
    assert.match(said, /PASS: (\d+) of \1 criteria are met\n$/);
}, {skip: sanitized && 'judges processor and memory', timeout: 50 * 3600 * 1000});
