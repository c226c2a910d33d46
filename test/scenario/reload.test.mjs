// Another configuration in a running agent: what changed is in force, what did not goes on, and no line is lost or repeated.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

// Writes the file as the agent was given it at its start.
function write(agent, config) {
    const text = JSON.stringify({
        state_dir: path.join(agent.directory, 'state'), server: {port: agent.port}, metrics: {port: agent.metricsPort},
        observability: {profiling: {port: agent.profilingPort}},
        ...config,
    }, null, 1);
    fs.writeFileSync(`${agent.file}.new`, text);
    fs.renameSync(`${agent.file}.new`, agent.file);
}

async function reload(agent, config, status = 200) {
    if (config)
        write(agent, config);
    const answer = await agent.get('/config/reload', {method: 'POST'});
    assert.equal(answer.status, status, answer.text);
    return answer.json;
}

// Runs body while lines are written.
async function underLoad(w, body) {
    let writing = true;
    const load = (async () => {
        while (writing) {
            w.write(100);
            await sleep(3);
        }
    })();
    try {
        await body();
    } finally {
        writing = false;
        await load;
    }
}

scenario('SIGHUP puts another configuration in force', async (s) => {
    const loki = await s.loki();
    const a = s.writer('a.log'), b = s.writer('b.txt');
    const config = s.config({loki});
    const agent = await s.agent(config);
    a.write(10);
    b.write(10);
    await until('a.log is there', () => loki.lines.size === 10);
    config.monitors.files.paths.push(path.join(s.logs, '*.txt'));
    write(agent, config);
    agent.process.kill('SIGHUP');
    await until('b.txt is there', () => loki.lines.size === 20);
    a.write(10);
    b.write(10);
    await until('all is there', () => loki.lines.size === 40);
    const last = (await agent.get('/config/reload')).json;
    assert.equal(last.status, 'in_force');
    assert.equal(last.changed, 'monitors.files.paths');
    assert.match((await agent.get('/config')).text, /\*\.txt/);
    await agent.stop();
    assert.deepEqual(differences([a, b], loki.lines), []);
});

scenario('a configuration that is wrong changes nothing and says where', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const config = s.config({loki});
    const agent = await s.agent(config);
    const bad = structuredClone(config);
    bad.monitors.files.pahts = bad.monitors.files.paths;
    const answer = await reload(agent, bad, 400);
    assert.equal(answer.status, 'refused');
    assert.match(answer.errors, /config\.yaml:\d+:\d+: .*pahts.*paths/);
    w.write(10);
    await until('it reads on', () => loki.lines.size === 10);
    fs.writeFileSync(agent.file, '{');
    await reload(agent, null, 400);
    assert.doesNotMatch(agent.stderr, /\\x0a/); // an error a line
    assert.deepEqual((await reload(agent, config)).changed, 'nothing differs');
    await agent.stop();
});

scenario('a sink that is configured otherwise sends on with what it held', async (s) => {
    const one = await s.loki(), two = await s.loki();
    const w = s.writer('a.log');
    const config = s.config({loki: one});
    const agent = await s.agent(config);
    await underLoad(w, async () => {
        await sleep(300);
        one.answer = answers.hang;
        await sleep(300);
        config.sinks.loki.url = two.url;
        config.sinks.loki.drain_grace = '100ms';
        assert.equal((await reload(agent, config)).changed, 'sinks.loki.drain_grace, sinks.loki.url');
        await sleep(300);
    });
    const all = () => new Map([...one.lines, ...two.lines]);
    await until('all is there', () => all().size === w.count);
    const source = (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log'));
    await until('the agent knows', async () => (await agent.get('/sources')).json.sources.find((x) => x.name === source.name)
        .sinks[0].delivered.records === w.count);
    await agent.stop();
    assert.deepEqual(differences([w], all()), []);
});

scenario('local files go on in another place, each line once', async (s) => {
    const w = s.writer('a.log');
    const config = s.config({local: {directory: s.path('one'), sync_interval: '50ms'}});
    const agent = await s.agent(config);
    await underLoad(w, async () => {
        await sleep(300);
        config.sinks.local_file.directory = s.path('two');
        await reload(agent, config);
        await sleep(300);
        config.sinks.local_file.directory = s.path('one');
        await reload(agent, config);
        await sleep(300);
    });
    const lines = () => {
        const have = new Map();
        for (const place of ['one', 'two']) {
            const file = path.join(s.path(place), s.logs, 'a.log');
            for (const line of fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])
                have.set(line, (have.get(line) ?? 0) + 1);
        }
        return have;
    };
    await until('all is there', () => lines().size === w.count);
    await agent.stop();
    assert.deepEqual(differences([w], lines()), []);
});

scenario('what only a restart changes is said, and the rest is in force', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const config = s.config({loki});
    const agent = await s.agent(config);
    const answer = await reload(agent, {...config, state_dir: s.path('elsewhere'), log: {level: 'debug'}});
    assert.equal(answer.changed, 'log.level; needs a restart: state_dir (the old value stays until then)');
    assert.match(agent.stderr, /applied: log\.level; needs a restart: state_dir/);
    const again = await reload(agent);
    assert.equal(again.changed, 'nothing; needs a restart: state_dir (the old value stays until then)');
    w.write(10);
    await until('it reads on', () => loki.lines.size === 10);
    await agent.stop();
    assert.equal(fs.existsSync(s.path('elsewhere')), false);
});

scenario('a change of the file is seen when hot_reload says so', async (s) => {
    const loki = await s.loki();
    const a = s.writer('a.log'), b = s.writer('b.txt');
    const config = {...s.config({loki}), hot_reload: {enabled: true}};
    const agent = await s.agent(config);
    a.write(10);
    b.write(10);
    await until('a.log is there', () => loki.lines.size === 10);
    config.monitors.files.paths = [path.join(s.logs, '*')];
    write(agent, config);
    await until('b.txt is there', () => loki.lines.size === 20);
    const parts = path.join(path.dirname(agent.file), 'config.d');
    fs.mkdirSync(parts); // comes later than the agent
    await sleep(700);
    fs.writeFileSync(path.join(parts, 'more.yaml'), 'max_tasks: 54321\n');
    await until('the part is in force', async () => (await agent.get('/config')).text.includes('54321'));
    // Another file beside it, or nothing but a new time of reading, is no change.
    const reloads = (await agent.get('/config/reload')).json.reloads;
    fs.writeFileSync(path.join(path.dirname(agent.file), 'notes.txt'), 'x');
    await sleep(700);
    assert.equal((await agent.get('/config/reload')).json.reloads, reloads);
    config.monitors.files.paths = [path.join(s.logs, '*.none')];
    config.hot_reload.enabled = false;
    fs.writeFileSync(agent.file, '{"broken'); // an editor in between
    await sleep(700);
    write(agent, config);
    await until('it is in force', async () => !(await agent.get('/config')).text.includes(JSON.stringify(path.join(s.logs, '*'))));
    a.write(10);
    await sleep(700);
    assert.equal(loki.lines.size, 20);
    await agent.stop();
});

scenario('many reloads under load lose nothing and leave nothing behind', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const config = s.config({loki, local: true});
    const agent = await s.agent(config);
    const descriptors = () => fs.readdirSync(`/proc/${agent.process.pid}/fd`).length;
    const change = async (i) => {
        config.monitors.files.labels.round = String(i % 7);
        config.sinks.loki.batch_timeout = `${20 + i % 5}ms`;
        config.sinks.local_file.format = i % 2 ? 'json' : 'text';
        config.log = {level: i % 3 ? 'info' : 'warn'};
        assert.equal((await reload(agent, config)).status, 'in_force');
    };
    const delivered = () => until('it is quiet', async () => loki.lines.size === w.count &&
        (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log'))?.sinks
            .every((x) => x.in_flight.records === 0));
    // How many requests and connections there are follows the load; of a sink that just began, and delivered a little, it is known.
    const quiet = async (i) => {
        await delivered();
        await change(i);
        w.write(10);
        await delivered();
        await sleep(100);
    };
    w.write(10);
    await underLoad(w, async () => {
        for (let i = 0; i < 5; i++)
            await change(i);
    });
    await quiet(5);
    // Blocks of caches come and go; everything else is counted to the last one.
    const alive = async () => Object.fromEntries([...(await agent.get('/metrics')).text
        .matchAll(/^logcap_alive\{kind="(\w+)"\} (\d+)$/mg)].map(([, kind, n]) => [kind, Number(n)]));
    const before = {descriptors: descriptors(), alive: await alive()};
    const rounds = pick({light: 20, full: 60, soak: 1000});
    await underLoad(w, async () => {
        for (let i = 6; i < 6 + rounds; i++)
            await change(i);
    });
    await quiet(6 + rounds);
    assert.equal((await agent.get('/config/reload')).json.reloads, rounds + 7);
    let after, memory;
    await until(() => `there is no more than before: ${JSON.stringify({before, after, memory})}`, async () => {
        after = {descriptors: descriptors(), alive: await alive()};
        memory = after.alive.memory - before.alive.memory;
        return memory <= 10 && after.descriptors <= before.descriptors &&
            Object.keys(before.alive).every((kind) => kind === 'memory' || after.alive[kind] <= before.alive[kind]);
    });
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});
