// Which containers are found, chosen and forgotten, whatever an engine says of them, and when.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {allThere, assertOnce, configOf, containersOf, engineOf, fail, labelsOf, one} from './containers.mjs';
import {command, scenario, until} from './harness.mjs';

scenario('what starts while nobody hears the events is found by the list', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const agent = await s.agent(configOf(s, loki, engine));
    await until('the engine is known', async () => (await containersOf(agent)).engines_up === 1);
    engine.mute = true;
    engine.breakEvents();
    const c = engine.container('silent').start();
    c.number(10);
    await allThere(loki, [c]);
    c.die();
    engine.containers.delete(c.id);
    await until('that it is gone is found too', async () => (await containersOf(agent)).total === 0);
    assertOnce(loki, [c]);
    await agent.stop();
});

scenario('a stream of events that tells nothing any more is noticed by the list, and opened anew', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const agent = await s.agent(configOf(s, loki, engine, {list_interval: '1s'}));
    const asked = () => engine.requests.filter((path) => path.startsWith('/events')).length;
    const restarts = async () => Number((await agent.get('/metrics')).text.match(/^logcap_task_restarts_total\{kind="container_events"\} (\d+)$/m)[1]);
    await until('lists were compared', async () => (await containersOf(agent)).lists >= 3);
    assert.deepEqual([asked(), await restarts()], [1, 0]);
    engine.forsakeEvents();
    const c = engine.container('silent').start();
    c.number(10);
    await until('it is opened anew', () => asked() === 2);
    await until('it is counted', async () => await restarts() === 1);
    assert.match(agent.stderr, /its list has containers of which no event told; the stream of events is opened anew/);
    const told = (await containersOf(agent)).events;
    const later = engine.container('told').start();
    later.number(10);
    await until('what happens is told again', async () => (await containersOf(agent)).events > told);
    await allThere(loki, [c, later]);
    const {heartbeats} = (await agent.get('/tasks')).json;
    assert.equal(heartbeats.find((x) => x.kind === 'container_events').restarts, 1);
    assert.match(command(['tasks', '-c', agent.file]).stdout, /^container_events +30 s begun anew +1$/m);
    const lists = (await containersOf(agent)).lists;
    await until('lists were compared', async () => (await containersOf(agent)).lists >= lists + 3);
    assert.equal(await restarts(), 1, 'and it is well');
    await agent.stop();
});

scenario('a container that was removed before it could be asked for is counted', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const agent = await s.agent(configOf(s, loki, engine));
    await until('the engine is known', async () => (await containersOf(agent)).engines_up === 1);
    engine.answer = (r, res) => {
        if (!/[0-9a-f]{64}\//.test(r.path))
            return false;
        fail(res, 404);
        return true;
    };
    const c = engine.container('moment').start();
    c.number(1);
    c.die();
    c.remove();
    await until('it is counted', async () => (await containersOf(agent)).gone_before_read === 1);
    await until('it is forgotten', async () => (await containersOf(agent)).total === 0);
    await agent.stop();
});

scenario('who is left out, and what a reload changes', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const [web, db, noisy, journald] = [engine.container('web'), engine.container('db', {labels: {'logcap.skip': 'yes'}}),
        engine.container('noisy-1'), engine.container('j', {driver: 'none'})];
    for (const c of [web, db, noisy, journald]) {
        c.start();
        c.number(10);
    }
    const config = configOf(s, loki, engine, {exclude_names: ['noisy-*'], exclude_labels: ['logcap.skip=y*']});
    const agent = await s.agent(config);
    await allThere(loki, [web]);
    await until('the others are known', async () => (await containersOf(agent)).ignored === 3);
    assert.match((await one(agent, 'db')).detail, /exclude_labels/);
    assert.match((await one(agent, 'noisy-1')).detail, /exclude_names/);
    assert.match((await one(agent, 'j')).detail, /log driver is none/);
    assertOnce(loki, [web]);
    config.monitors.containers.exclude_names = ['web'];
    config.monitors.containers.exclude_labels = [];
    fs.writeFileSync(agent.file, JSON.stringify({...JSON.parse(fs.readFileSync(agent.file)), monitors: config.monitors}));
    assert.equal((await agent.get('/config/reload', {method: 'POST'})).status, 200);
    await allThere(loki, [web, db, noisy]);
    assertOnce(loki, [web, db, noisy]);
    web.say('not heard');
    config.monitors.containers.enabled = false;
    fs.writeFileSync(agent.file, JSON.stringify({...JSON.parse(fs.readFileSync(agent.file)), monitors: config.monitors}));
    assert.equal((await agent.get('/config/reload', {method: 'POST'})).status, 200);
    await until('nothing is followed', () => engine.follows.size === 0 && engine.connections === 0);
    db.number(10);
    config.monitors.containers.enabled = true;
    config.monitors.containers.exclude_names = [];
    fs.writeFileSync(agent.file, JSON.stringify({...JSON.parse(fs.readFileSync(agent.file)), monitors: config.monitors}));
    assert.equal((await agent.get('/config/reload', {method: 'POST'})).status, 200);
    await allThere(loki, [web, db, noisy]);
    assertOnce(loki, [web, db, noisy]);
    await agent.stop();
});

scenario('names that are long, strange or the same', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const all = ['n'.repeat(10240), '../../../etc/passwd', 'a "quoted\\" \u0001 one', 'same', 'same'].map((name) => engine.container(name).start());
    all.forEach((c, i) => c.say(`of number ${i}`));
    const config = configOf(s, loki, engine);
    config.sinks.local_file = {directory: s.path('out')};
    const agent = await s.agent(config);
    await allThere(loki, all);
    const seen = (await containersOf(agent)).containers;
    assert.equal(seen.length, 5);
    assert.ok(seen.every((c) => c.name.length < 300));
    await until('the files are there', () => fs.existsSync(s.path('out', 'containers')) && fs.readdirSync(s.path('out', 'containers')).length >= 3);
    assert.deepEqual(fs.readdirSync(s.path('out')), ['containers']);
    assert.doesNotMatch((await agent.get('/metrics')).text, /\u0001/);
    assertOnce(loki, all);
    await agent.stop();
});

// An engine whose containers write json-files, as on this machine.
async function engineWithFiles(s, agentOptions = {}) {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    engine.root = s.path('root');
    const directory = (c) => s.path('root', 'containers', c.id);
    fs.mkdirSync(s.path('root', 'containers'), {recursive: true});
    const agent = await s.agent(configOf(s, loki, engine, {mode: 'auto', ...agentOptions}));
    await until('the engine is known', async () => (await containersOf(agent)).engines_up === 1);
    return {
        loki, engine, agent,
        write: (c, text) => {
            fs.mkdirSync(directory(c), {recursive: true});
            fs.appendFileSync(path.join(directory(c), `${c.id}-json.log`),
                `${JSON.stringify({log: `${text}\n`, stream: 'stdout', time: new Date().toISOString()})}\n`);
        },
        open: (c) => until('its log is open', async () => (await agent.get('/sources')).json.sources.some((x) => x.name.includes(c.id))),
        remove: (c) => {
            c.die();
            fs.rmSync(directory(c), {recursive: true, force: true});
            c.remove();
        },
        arrives: (text) => until(`'${text}' is there`, () => loki.lines.get(text) === 1),
    };
}

scenario('a log whose container the engine never said a thing of is read, and one that was never there is counted', async (s) => {
    const {loki, engine, agent, write, open, remove, arrives} = await engineWithFiles(s, {exclude_names: ['left-out']});
    engine.answer = (r, res) => {
        if (!/[0-9a-f]{64}\//.test(r.path))
            return false;
        fail(res, 500);
        return true;
    };
    const c = engine.container('moment');
    write(c, 'what it said');
    c.start();
    await open(c);
    await until('the answer is heard', async () => (await one(agent, 'moment')).detail.includes('it answers 500'));
    remove(c);
    await arrives('what it said');
    assert.match(labelsOf(loki, 'what it said'), /container_name="moment"/);
    await until('it is forgotten', async () => (await containersOf(agent)).total === 0);
    assert.equal((await containersOf(agent)).gone_before_read, 0);
    engine.container('never-started').remove();
    for (const name of ['left-out', 'unheard'])
        remove(engine.container(name).start());
    await until('it is counted', async () => (await containersOf(agent)).gone_before_read > 0);
    await until('they are forgotten', async () => (await containersOf(agent)).total === 0);
    assert.equal((await containersOf(agent)).gone_before_read, 1);
    await agent.stop();
});

// Of a moment that is over: who came meanwhile is not in it, who was removed still is.
scenario('a list that is late ends nobody who is there, and nobody who is gone comes back', async (s) => {
    const {loki, engine, agent, write, open, remove, arrives} = await engineWithFiles(s);
    const gone = engine.container('gone');
    let late, held = false;
    const inspections = [];
    engine.answer = (r, res) => {
        if (held && r.path.startsWith(`/containers/${gone.id}/`) && inspections.push(res))
            return true;
        if (!held || late || r.path !== '/containers/json')
            return false;
        const list = JSON.stringify([...engine.containers.values()].map((x) => ({Id: x.id, Names: [`/${x.name}`], Image: x.image, State: x.state})));
        late = () => {
            res.writeHead(200, {'Content-Type': 'application/json'});
            res.end(list);
        };
        return true;
    };
    held = true;
    gone.start();
    write(gone, 'of one that is gone');
    await open(gone);
    await until('the list is asked for', () => late);
    remove(gone);
    const c = engine.container('there').start();
    write(c, 'first');
    await arrives('first');
    const {lists} = await containersOf(agent);
    late();
    await until('the list is read', async () => (await containersOf(agent)).lists > lists);
    held = false;
    inspections.forEach((res) => fail(res, 404));
    await arrives('of one that is gone');
    write(c, 'last');
    remove(c);
    await arrives('last');
    assert.equal(loki.lines.size, 3);
    await until('they are forgotten', async () => (await containersOf(agent)).total === 0);
    assert.equal((await containersOf(agent)).gone_before_read, 0);
    await agent.stop();
});
