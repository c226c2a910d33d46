// Containers through an engine's API: engines that stop, misbehave or hang, that may not be asked, and that have several addresses.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {allThere, assertAddsUp, assertOnce, configOf, containersOf, engineOf, fail, one, times} from './containers.mjs';
import {patience, scenario, until} from './harness.mjs';

scenario('an engine that stops and comes back costs no line', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const all = ['a', 'b', 'c', 'd'].map((name) => engine.container(name).start());
    all.forEach((c) => c.number(20));
    const agent = await s.agent(configOf(s, loki, engine));
    await allThere(loki, all);
    for (let round = 0; round < 3; round++) {
        await engine.stop();
        all.forEach((c) => c.number(20));
        await until('it is noticed', async () => (await containersOf(agent)).engines_up === 0);
        const {services} = (await agent.get('/health')).json;
        assert.equal(services.container_monitor.status, 'degraded');
        await engine.start();
        all.forEach((c) => c.number(20));
        await allThere(loki, all);
    }
    assertOnce(loki, all);
    assert.match((await containersOf(agent)).engines[0].address, /engine\.sock$/);
    await agent.stop();
});

// Each: what the engine does to whom, once or for a while; then it behaves.
const misbehaviour = {
    'answers 500 to the list': (engine) => times(engine, 3, (r) => r.path === '/containers/json', (res) => fail(res, 500)),
    'answers 500 to an inspection': (engine) => times(engine, 3, (r) => /[0-9a-f]{64}\/json/.test(r.path), (res) => fail(res, 500)),
    'answers 500 to logs': (engine) => times(engine, 3, (r) => r.path.endsWith('/logs'), (res) => fail(res, 500)),
    'sends a list that is no JSON': (engine) => times(engine, 3, (r) => r.path === '/containers/json', (res) => res.end('[{"Id": "x", ')),
    'sends a list of other things': (engine) => times(engine, 3, (r) => r.path === '/containers/json',
        (res) => res.end(JSON.stringify([1, null, {Id: 5}, {Id: '../../etc'}, {Names: 7, Id: 'f'.repeat(64)}]))),
    'sends an inspection of somebody else': (engine) => times(engine, 2, (r) => /[0-9a-f]{64}\/json/.test(r.path),
        (res) => res.end(JSON.stringify({Id: 'e'.repeat(64), Name: '/x'}))),
    'sends events that are no JSON': (engine) => times(engine, 1, (r) => r.path === '/events', (res) => {
        res.writeHead(200);
        res.write('{"Action": \n\n[]\n{"Action":"start","Actor":{"ID":"../x"}}\n' + 'x'.repeat(200000) + '\n');
        setTimeout(() => res.destroy(), 200);
    }),
    'closes in the middle of a frame': (engine) => times(engine, 3, (r) => r.path.endsWith('/logs'), (res, c) => {
        res.writeHead(200);
        const whole = Buffer.concat(c.log.map((m) => engine.encode(c, m)));
        res.write(whole.subarray(0, 200));
        setTimeout(() => res.destroy(), 100);
    }),
    'ends its answer in the middle of a frame': (engine) => times(engine, 3, (r) => r.path.endsWith('/logs'), (res, c) => {
        res.writeHead(200);
        res.end(Buffer.concat(c.log.map((m) => engine.encode(c, m))).subarray(0, 200));
    }),
    'lies about a length of 2 GB': (engine) => times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => {
        res.writeHead(200);
        res.write(Buffer.from([1, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]));
        const more = () => { while (!res.destroyed && res.write(Buffer.alloc(65536, 'x'))); };
        res.on('drain', more);
        more();
    }),
    'sends logs without frames': (engine) => times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => {
        res.writeHead(200);
        res.write('this is no frame at all\n'.repeat(100));
    }),
    'sends lines without a time': (engine) => times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => {
        res.writeHead(200);
        res.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 3, 97, 98, 10]));
    }),
    'sends an error within the logs': (engine) => times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => {
        const text = Buffer.from('Error grabbing logs: unexpected EOF\n');
        res.writeHead(200);
        res.write(Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 0, 0, text.length]), text]));
    }),
    'is no HTTP': (engine) => times(engine, 3, () => true, (res) => res.socket.end('\u0000\u00ff no HTTP\r\n\r\n')),
};

for (const [name, misbehave] of Object.entries(misbehaviour))
    scenario(`an engine that ${name}: all is read, and its neighbour is not held up`, async (s) => {
        const [loki, engine, other] = [await s.loki(), await engineOf(s), await engineOf(s, 'other.sock')];
        const over = misbehave(engine);
        const [c, neighbour] = [engine.container('c').start(), other.container('neighbour').start()];
        c.number(50);
        neighbour.number(50);
        const agent = await s.agent(configOf(s, loki, engine, {sockets: [engine.address, other.address]}));
        await allThere(loki, [neighbour]);
        await until('it has misbehaved', over, 60);
        await allThere(loki, [c, neighbour], 60);
        c.number(10);
        await allThere(loki, [c, neighbour]);
        assertOnce(loki, [c, neighbour]);
        await agent.stop();
    });

scenario('Podman, whose headers come late: a stream that keeps failing is said once', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const c = engine.container('c').start();
    let asked = 0, failing = true;
    engine.answer = ({path}, res) => {
        if (path === '/version') {
            res.end(JSON.stringify({Version: '5.0', ApiVersion: '1.41', MinAPIVersion: '1.24', Components: [{Name: 'Podman Engine'}]}));
            return true;
        }
        if (!path.endsWith('/logs') || !failing)
            return false;
        asked++;
        fail(res, 500);
        return true;
    };
    c.number(10);
    const agent = await s.agent(configOf(s, loki, engine));
    await until('it was tried again', () => asked >= 4, 60);
    assert.match((await one(agent, 'c')).detail, /its stream broke: it answers 500: scripted/);
    failing = false;
    await allThere(loki, [c], 60);
    await until('it is well again', async () => (await one(agent, 'c')).reading);
    assert.equal(agent.stderr.match(/its stream broke/g).length, 1);
    assertOnce(loki, [c]);
    await agent.stop();
});

scenario('two addresses of one engine: it is read once, and nothing is wrong', async (s) => {
    const [loki, engine, again] = [await s.loki(), await engineOf(s), await engineOf(s, 'again.sock')];
    const web = engine.container('web').start();
    again.containers = engine.containers;
    again.answer = ({path}, res) => {
        if (path !== '/info')
            return false;
        res.writeHead(200, {'Content-Type': 'application/json'});
        res.end(JSON.stringify({ID: `fake ${engine.path}`, DockerRootDir: engine.root, Driver: 'overlay2', SystemTime: new Date().toISOString()}));
        return true;
    };
    web.number(10);
    const agent = await s.agent(configOf(s, loki, engine, {sockets: [engine.address, again.address]}));
    await allThere(loki, [web]);
    await until('one of both rests', async () => (await containersOf(agent)).engines.some((e) => e.state === 'twin'));
    assert.equal((await agent.get('/health')).json.services.container_monitor.status, 'healthy');
    assertOnce(loki, [web]);
    await agent.stop();
});

scenario('two addresses of one engine that fail in turns: each goes on where the other was', async (s) => {
    const [loki, engine, again] = [await s.loki(), await engineOf(s), await engineOf(s, 'again.sock')];
    const [web, idle] = [engine.container('web').start(), engine.container('idle').start()];
    const filed = engine.container('filed', {logPath: s.path('filed-json.log')});
    const talk = () => {
        const line = `filed ${filed.lines.length}`;
        web.number(10);
        filed.lines.push(line);
        fs.appendFileSync(filed.logPath, `${JSON.stringify({log: `${line}\n`, stream: 'stdout', time: new Date().toISOString()})}\n`);
    };
    again.containers = engine.containers;
    again.follows = engine.follows;
    let failing; // but for the streams that are open
    for (const e of [engine, again])
        e.answer = ({path}, res) => {
            if (e === failing)
                fail(res, 500);
            else if (path === '/info')
                res.end(JSON.stringify({ID: 'one', DockerRootDir: engine.root, Driver: 'overlay2', SystemTime: new Date().toISOString()}));
            return e === failing || path === '/info';
        };
    talk();
    filed.start();
    const config = configOf(s, loki, engine, {mode: 'auto', sockets: [engine.address, again.address]});
    const agent = await s.agent(config);
    const states = async () => Object.fromEntries((await containersOf(agent)).engines.map((e) => [e.address, e.state]));
    const otherOf = (e) => (e === engine ? again : engine);
    await allThere(loki, [web, filed]);
    await until('one of both rests', async () => Object.values(await states()).sort().join() === 'twin,up');
    for (let turn = 0; turn < 2; turn++) {
        failing = (await states())[engine.address] === 'up' ? engine : again;
        await until('it is down', async () => (await states())[failing.address] === 'down');
        talk();
        await allThere(loki, [web, filed]);
        config.monitors.containers.exclude_names = [`nobody${turn}`]; // a reload wakes the one that rests
        fs.writeFileSync(agent.file, JSON.stringify({...JSON.parse(fs.readFileSync(agent.file)), monitors: config.monitors}));
        assert.equal((await agent.get('/config/reload', {method: 'POST'})).status, 200);
        await until('the other is asked', async () => (await states())[otherOf(failing).address] === 'up');
        talk();
        failing = undefined;
        await until('the one that failed rests', async () => Object.values(await states()).sort().join() === 'twin,up', 60);
        talk();
        await allThere(loki, [web, filed]);
        await until('each is followed once', () => engine.follows.size === 2);
        assert.equal((await containersOf(agent)).total, 3);
    }
    assert.deepEqual([(await one(agent, 'filed')).mode, (await one(agent, 'web')).mode], ['file', 'api']);
    idle.say('the last');
    talk();
    filed.die();
    fs.rmSync(filed.logPath);
    filed.remove();
    await allThere(loki, [web, idle, filed]);
    await until('it is forgotten', async () => (await containersOf(agent)).total === 2);
    assertOnce(loki, [web, idle, filed]);
    await assertAddsUp(agent);
    await agent.stop();
});

scenario('streams whose engine has nothing to say wait, and do not hang', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    engine.container('silent').start();
    const agent = await s.agent(configOf(s, loki, engine));
    await until('all is followed', () => engine.follows.size === 1);
    const states = async () => (await agent.get('/tasks?full=1')).json.tasks.filter((t) => /^container_(events|stream)$/.test(t.kind)).map((t) => t.state);
    await until('both wait', async () => (await states()).join() === 'waiting,waiting', 5);
    await agent.stop();
});

scenario('an engine that hangs holds nobody up, not even the end', async (s) => {
    const [loki, engine, other] = [await s.loki(), await engineOf(s), await engineOf(s, 'other.sock')];
    const neighbour = other.container('neighbour').start();
    engine.answer = () => true;
    neighbour.number(50);
    const agent = await s.agent(configOf(s, loki, engine, {sockets: [engine.address, other.address]}));
    await allThere(loki, [neighbour]);
    const took = await agent.stop();
    assert.ok(took < 2000 * patience, `the end took ${took} ms`);
    assertOnce(loki, [neighbour]);
});

scenario('a socket that may not be used is said with its remedy', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const c = engine.container('c').start();
    c.number(10);
    fs.chmodSync(engine.path, 0);
    const agent = await s.agent(configOf(s, loki, engine));
    await until('it is said', async () => /permission denied; let logcap's user into/.test((await containersOf(agent)).engines[0].error ?? ''));
    assert.match(agent.stderr, /WARN\s+containers: unix:.*engine\.sock cannot be asked: .*permission denied/);
    assert.equal(agent.stderr.match(/cannot be asked/g).length, 1);
    fs.chmodSync(engine.path, 0o600);
    await allThere(loki, [c], 60);
    await agent.stop();
});
