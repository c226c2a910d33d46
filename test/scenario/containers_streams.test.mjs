// Containers through an engine's API: what a stream tells is there once, from the first line to the last words, however it breaks. Real engines
// are in containers_docker.test.mjs and containers_podman.test.mjs.
import assert from 'node:assert/strict';
import {allThere, assertAddsUp, assertOnce, assertText, configOf, containersOf, engineOf, fail, labelsOf, one, textOf, times} from './containers.mjs';
import {command, pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';

scenario('each line of each stream once, with its labels and its time', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    engine.split = (b) => b.length < 400 ? [...b].map((x) => Buffer.from([x])) : [b.subarray(0, 7), b.subarray(7, 8000), b.subarray(8000)];
    const web = engine.container('web', {labels: {'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'front', tier: 'a', other: 'b'}});
    web.start();
    web.number(20);
    web.say('to the error stream', {stream: 'stderr'});
    web.say('    indented\tand kept   ');
    web.say('x'.repeat(50000) + ' in pieces');
    web.say('');
    const time = 1700000000123456789n + BigInt(Date.now() - 1700000000000) * 1000000n;
    web.say('with a time of its own', {time});
    web.say('bytes \u0001\u0007 \u00e4\u00f6 \u{1f600}');
    const tty = engine.container('terminal', {tty: true}).start();
    tty.number(20);
    tty.say('y'.repeat(40000) + ' in pieces');
    const agent = await s.agent(configOf(s, loki, engine, {labels: ['tier'], add_labels: {job: 'test'}}));
    await allThere(loki, [web, tty]);
    web.number(20);
    tty.number(20);
    await allThere(loki, [web, tty]);
    assertOnce(loki, [web, tty]);
    assert.equal(labelsOf(loki, 'to the error stream'),
        `{compose_project="shop", compose_service="front", container_name="web", host="here", ` +
        `image="test:1", instance="${(await agent.get('/config')).json.host}", job="test", service="front", source="docker", stream="stderr", tier="a"}`);
    const timed = loki.entries.find((e) => e.line === 'with a time of its own');
    assert.equal(timed.time, time);
    assert.deepEqual(timed.metadata, {container_id: web.id.slice(0, 12)});
    const order = loki.entries.filter((e) => /^web \d/.test(e.line)).map((e) => e.line);
    assert.deepEqual(order, [...order].sort());
    const why = command(['why', '-c', agent.file, 'web']);
    assert.equal(why.code, 0);
    assert.match(why.stdout, /read through the engine's API/);
    const none = command(['why', '-c', agent.file, 'nobody']);
    assert.match(none.stdout, /no (file|such|container)|not read/i);
    const metrics = (await agent.get('/metrics')).text;
    assert.match(metrics, new RegExp(`logcap_container_records_total\\{container_id="${web.id.slice(0, 12)}",container_name="web",mode="api"\\} ${web.lines.length}\\n`));
    assert.equal((await agent.get('/health')).json.services.container_monitor.status, 'healthy');
    await assertAddsUp(agent);
    await agent.stop();
});

scenario('the end of a container, its restart, its name, and what is left of it', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const early = engine.container('early').start(), terminal = engine.container('terminal', {tty: true}).start();
    early.number(5);
    early.say('the last words have no line end', {unfinished: true});
    terminal.number(5);
    terminal.say(`${'t'.repeat(20000)} nor have these`, {unfinished: true});
    early.die();
    terminal.die();
    const agent = await s.agent(configOf(s, loki, engine));
    const c = engine.container('again').start();
    c.number(10);
    await allThere(loki, [early, terminal, c]);
    c.number(3);
    c.say('torn off', {unfinished: true});
    c.die();
    await allThere(loki, [early, terminal, c]);
    await until('no stream is held for who does not run', () => engine.follows.size === 0);
    c.start();
    c.number(10);
    await allThere(loki, [early, terminal, c]);
    c.rename('anew');
    await until('the new name is known', async () => await one(agent, 'anew'));
    c.say('under another name');
    await allThere(loki, [early, terminal, c]);
    assert.match(labelsOf(loki, 'under another name'), /container_name="anew"/);
    c.number(5);
    c.die();
    c.remove();
    early.remove();
    terminal.remove();
    await allThere(loki, [early, terminal, c]);
    await until('they are forgotten', async () => (await containersOf(agent)).total === 0);
    const metrics = (await agent.get('/metrics')).text;
    assert.doesNotMatch(metrics, /container_name="anew"/);
    assertOnce(loki, [early, terminal, c]);
    assert.deepEqual((await agent.get('/tasks')).json.groups.filter((g) => g.kind === 'container_stream'), []);
    await assertAddsUp(agent);
    await agent.stop();
});

scenario('the last words of a container with a TTY have room, however full the batch before them is', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const config = configOf(s, loki, engine);
    config.monitors.files.max_line_bytes = '1KiB';
    const all = [];
    for (let n = 1006; n <= 1022; n++) {
        const c = engine.container(`c${n}`, {tty: true}).start();
        for (let i = 0; i < n; i++)
            c.say(String(i % 10));
        c.say('u'.repeat(16000), {unfinished: true});
        c.die();
        all.push(c);
    }
    engine.answer = ({path: at}, res) => { // all at once: one batch
        const c = at.endsWith('/logs') && all.find((x) => at.includes(x.id));
        if (c)
            res.end(Buffer.concat(c.log.map((m) => engine.encode(c, m))));
        return Boolean(c);
    };
    const agent = await s.agent(config);
    for (const c of all) {
        await until(`all of ${c.name} is there`, () => textOf(loki, c.name).length >= c.lines.join('').length);
        assertText(loki, c.name, c.lines.join(''));
    }
    await assertAddsUp(agent);
    await agent.stop();
});

// Each: how much of its end the engine still tells. Whatever it is, the last words come once.
const ends = {
    'at once': (engine, c) => {
        c.die();
        c.remove();
    },
    'after its log was read to its end, before anybody says that it stopped': async (engine, c) => {
        engine.mute = true;
        const asked = engine.opened;
        c.die();
        await until('it is asked for the last time', () => engine.opened > asked);
        c.remove();
        engine.mute = false;
    },
    'after its log could not be read for a moment': async (engine, c) => {
        const over = times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => fail(res, 500));
        c.die();
        await until('it was asked twice', over);
        c.remove();
    },
    'while the engine was down': async (engine, c) => {
        await engine.stop();
        c.vanish();
        await engine.start();
    },
    'while the engine was down once more, just when it told the log again': async (engine, c) => {
        let told = false;
        engine.answer = ({path: at}, res) => {
            if (!at.endsWith('/logs'))
                return false;
            res.write(engine.encode(c, c.log[0])); // which is the first of those that came before
            told = true;
            return true;
        };
        await engine.stop();
        await engine.start();
        await until('it tells the log again', () => told);
        await engine.stop();
        engine.answer = () => false;
        c.vanish();
        await engine.start();
    },
    'just before its stream was opened anew': (engine, c) => c.vanish(),
    'in the middle of a message': (engine, c) => tear(engine, c, 500),
    'in the middle of a message of which a few bytes came': (engine, c) => tear(engine, c, 45),
};

function tear(engine, c, at) {
    const whole = engine.encode(c, {time: engine.now(), text: Buffer.alloc(1000, 'm')});
    for (const f of engine.follows)
        f.res.end(whole.subarray(0, at));
    c.lines.push(whole.subarray(0, at).toString().replace(/^[^m]*/, ''));
    c.die();
    c.remove();
}

for (const [when, end] of Object.entries(ends))
    for (const tty of [false, true])
        scenario(`a container${tty ? ' with a TTY' : ''} that is removed ${when} loses no last words`, async (s) => {
            const [loki, engine] = [await s.loki(), await engineOf(s)];
            const c = engine.container('brief', {tty}).start();
            const agent = await s.agent(configOf(s, loki, engine, /opened anew/.test(when) ? {rotation_interval: '2s'} : {}));
            await until('it is followed', () => engine.follows.size === 1);
            c.number(3);
            if (!/message/.test(when))
                c.say('the last words', {unfinished: true});
            await until('it is heard', async () => (await one(agent, 'brief')).records === 3);
            await end(engine, c);
            await allThere(loki, [c]);
            engine.breakEvents(); // the list is asked for at once, and once more
            await until('it is forgotten', async () => (await containersOf(agent)).total === 0, 60);
            assertOnce(loki, [c]);
            assert.equal((await containersOf(agent)).gone_before_read, 0);
            await assertAddsUp(agent);
            await agent.stop();
        });

for (const enabled of [true, false])
    scenario(`what was read of a container that is gone is ${enabled ? 'kept on disk' : 'counted'} when logcap ends before the sink took it`, async (s) => {
        const [loki, engine] = [await s.loki(), await engineOf(s)];
        const {answer} = loki;
        const c = engine.container('brief').start();
        c.number(20);
        c.say('the last words', {unfinished: true});
        loki.answer = () => answers.status(503);
        const agent = await s.agent(configOf(s, loki, engine, {}, {disk_buffer: {enabled}}));
        await until('it is heard', async () => (await one(agent, 'brief')).records === 20);
        c.die();
        c.remove();
        await until('it is forgotten', async () => (await containersOf(agent)).total === 0);
        await agent.stop();
        if (enabled) {
            loki.answer = answer;
            await agent.start();
            await allThere(loki, [c]);
            assertOnce(loki, [c]);
            await assertAddsUp(agent);
            await agent.stop();
        } else {
            assert.match(agent.stderr, /21 records that nobody can tell again not delivered in drain_grace: dropped and counted/);
            assert.match(command(['ledger', '-c', agent.file]).stdout, /brief.*shutdown 21/);
        }
    });

scenario('a log that always ends within a message is asked for less and less, and what there is of it is given', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const [ended, running] = ['ended', 'running'].map((name) => engine.container(name).start());
    const whole = [ended, running].map((c) => {
        c.number(2);
        c.say(`the last one of ${c.name} ${'m'.repeat(300)}`);
        return Buffer.concat(c.log.map((m) => engine.encode(c, m)));
    });
    ended.die();
    ended.lines[2] = ended.lines[2].slice(0, -100);
    const asked = [0, 0];
    let torn = true;
    engine.answer = ({path: at}, res) => {
        const i = at.endsWith('/logs') ? [ended, running].findIndex((c) => at.includes(c.id)) : -1;
        if (i >= 0)
            asked[i]++;
        if (i < 0 || !torn)
            return false;
        res.end(whole[i].subarray(0, -101));
        return true;
    };
    const began = Date.now();
    const agent = await s.agent(configOf(s, loki, engine));
    await until('what there is of it is at the sink', () => loki.lines.has(ended.lines[2]), 60);
    assert.equal(asked[0], 5);
    // The pauses are a quarter of a second, a half, one, two at least, and so on.
    const most = 2 + Math.log2(1 + (Date.now() - began) / 250);
    assert.ok(asked[1] <= most, `asked for ${asked[1]} times, not ${most}`);
    torn = false;
    await allThere(loki, [ended, running], 60);
    assertOnce(loki, [ended, running]);
    await agent.stop();
});

scenario('what an engine says of a TTY instead of its log is no log', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const c = engine.container('terminal', {tty: true}).start();
    c.number(3);
    c.die();
    const over = times(engine, 2, (r) => r.path.endsWith('/logs'), (res) => res.end('Error grabbing logs: unexpected EOF'));
    const agent = await s.agent(configOf(s, loki, engine));
    await allThere(loki, [c]);
    assert.ok(over());
    assertOnce(loki, [c]);
    assert.match(agent.stderr, /the engine says: Error grabbing logs: unexpected EOF/);
    assert.equal((await containersOf(agent)).malformed, 2);
    await agent.stop();
});

scenario('logcap that is stopped, or killed, goes on where it was', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const all = ['a', 'b', 'c'].map((name) => engine.container(name, {tty: name === 'b'}).start());
    const talk = () => all.forEach((c, i) => {
        c.number(200, {stream: i === 2 ? 'stderr' : 'stdout'});
        c.number(50, i === 1 ? {} : {stream: i === 2 ? 'stdout' : 'stderr'});
    });
    talk();
    const agent = await s.agent(configOf(s, loki, engine));
    for (let round = 0; round < pick({light: 4, full: 8, soak: 40}); round++) {
        talk();
        if (round % 2)
            await agent.kill();
        else
            await agent.stop();
        talk();
        await agent.start();
        if (round % 4 === 3)
            await allThere(loki, all);
    }
    talk();
    await allThere(loki, all);
    await agent.stop();
    await agent.start();
    await until('all is known again', async () => (await containersOf(agent)).streams === 3);
    all[0].say('the last one');
    await allThere(loki, all);
    assertOnce(loki, all);
    await assertAddsUp(agent);
    await agent.stop();
});

scenario('many messages of one time are told apart', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const c = engine.container('coarse').start();
    const second = BigInt(Math.floor(Date.now() / 1000)) * 1000000000n;
    for (let i = 0; i < 50; i++)
        c.say(i % 2 ? 'the same' : `number ${i}`, {time: second + BigInt(i < 30 ? 0 : 1000000000)});
    const agent = await s.agent(configOf(s, loki, engine, {rotation_interval: '1s'}));
    const there = (n) => until(`${n} are at the sink`, () => loki.entries.length >= n);
    await there(50);
    for (let i = 50; i < 100; i++) {
        c.say(i % 2 ? 'the same' : `number ${i}`, {time: second + 1000000000n});
        if (i % 10 === 0)
            await sleep(100);
    }
    await there(100);
    await until('it was opened anew', async () => (await one(agent, 'coarse')).rotations >= 2);
    await agent.kill();
    c.say('after', {time: second + 1000000000n});
    await agent.start();
    await there(101);
    await until('it is read', async () => (await containersOf(agent)).streams === 1);
    assert.equal(loki.entries.length, 101);
    assert.equal(loki.lines.get('the same'), 50);
    await agent.stop();
});

scenario('a stream that goes silent is noticed and opened anew', async (s) => {
    const [loki, engine] = [await s.loki(), await engineOf(s)];
    const [c, quiet] = [engine.container('c').start(), engine.container('quiet').start()];
    c.number(10);
    quiet.number(10);
    const agent = await s.agent(configOf(s, loki, engine, {heartbeat_interval: '100ms', stall_timeout: '1s'}));
    await allThere(loki, [c, quiet]);
    for (const f of engine.follows)
        f.deaf = f.container === c;
    c.number(10);
    await allThere(loki, [c, quiet]);
    assertOnce(loki, [c, quiet]);
    assert.equal((await one(agent, 'c')).stalls, 1);
    assert.equal((await one(agent, 'quiet')).stalls, 0);
    await agent.stop();
});
