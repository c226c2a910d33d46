// Starting, ending, and what is said of a configuration that is wrong.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {binary, command, patience, pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

scenario('10 starts and stops in a row, each under a second', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const agent = s.newAgent(s.config({loki, local: true}));
    for (let i = 0; i < 10; i++) {
        w.write(100);
        await agent.start();
        const took = await agent.stop(i % 2 ? 'SIGINT' : 'SIGTERM');
        assert.ok(took < 1000 * patience, `ending took ${took} ms`);
    }
    await agent.start();
    await until('all is there', () => loki.lines.size === w.count);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});

scenario('restarts under load lose and repeat nothing', async (s) => {
    const loki = await s.loki();
    const w = s.writer('load.log');
    const agent = await s.agent(s.config({loki}));
    let writing = true;
    const load = (async () => {
        while (writing) {
            w.write(200);
            await sleep(2);
        }
    })();
    for (let i = 0; i < pick({light: 3, full: 8, soak: 50}); i++) {
        await sleep(150 + Math.random() * 300);
        await agent.stop();
        await agent.start();
    }
    writing = false;
    await load;
    await until('all is there', () => loki.lines.size >= w.count);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});

for (const [name, answer] of [['hangs', answers.hang], ['answers without end', () => answers.endless(500)],
    ['refuses everything', () => answers.status(500)]]) {
    scenario(`ends under a second while the sink ${name}`, async (s) => {
        const loki = await s.loki(answer);
        const w = s.writer('a.log');
        w.write(20000);
        const agent = await s.agent(s.config({loki}));
        await until('a request is in flight', () => loki.requests > 0);
        const took = await agent.stop();
        assert.ok(took < 1000 * patience, `ending took ${took} ms`);
        // What was not delivered is delivered by the next run.
        loki.answer = answers.ok;
        await agent.start();
        await until('all is there', () => loki.lines.size >= w.count);
        await agent.stop();
        assert.deepEqual(differences([w], loki.lines), []);
    });
}

scenario('ends under a second while the sink is not there', async (s) => {
    const loki = await s.loki();
    await loki.stop();
    const w = s.writer('a.log');
    w.write(1000);
    const agent = await s.agent(s.config({loki}));
    await sleep(300);
    const took = await agent.stop();
    assert.ok(took < 1000 * patience, `ending took ${took} ms`);
});

scenario('is ready in 200 ms', async (s) => {
    const agent = await s.agent(s.config({local: true}));
    // Five times as long on a machine that is busy; the process is watched every 20 ms.
    assert.ok(agent.startTook < 1000 * patience, `${agent.startTook} ms`);
    await agent.stop();
}, {skip: sanitized && 'sanitizers start slowly'});

scenario('a wrong configuration is refused with its place', async (s) => {
    const file = s.path('bad.yaml');
    for (const [text, said] of [
        ['state_dir: /tmp/x\nmemory_limt: 48MiB\n', /bad\.yaml:2:1: .*memory_limit/],
        ['server: {port: 99xx}\n', /bad\.yaml:1:16: /],
        ['server:\n  port: 1\n  port: 2\n', /bad\.yaml:3:3: .*/],
        ['server: [1, 2\n', /bad\.yaml:\d+:\d+: /],
        ['sinks: {loki: {url: "not a url"}}\n', /bad\.yaml:1:\d+: /],
    ]) {
        fs.writeFileSync(file, text);
        for (const verb of ['run', 'check']) {
            const {code, stdout, stderr} = command([verb, '-c', file]);
            assert.equal(code, 2, `${verb}: ${text}${stdout}${stderr}`);
            assert.match(stdout + stderr, said, text);
            assert.doesNotMatch(stderr, /^census:/m);
        }
    }
    fs.writeFileSync(file, Buffer.from(Array.from({length: 4096}, () => Math.random() * 256)));
    assert.equal(command(['run', '-c', file]).code, 2);
    assert.equal(command(['run', '-c', s.path('absent.yaml')]).code, 2);
});

scenario('a state directory that is in use is said once', async (s) => {
    const loki = await s.loki();
    const agent = await s.agent(s.config({loki}));
    const second = command(['run', '-c', agent.file]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /is in use by another logcap/);
    assert.equal(second.stderr.match(/ERROR/g).length, 1, second.stderr);
    await agent.stop();
});

scenario('a dry run shows lines and leaves positions alone', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(50);
    const agent = s.newAgent(s.config({loki}));
    await agent.start();
    await until('all is there', () => loki.lines.size === 50);
    await agent.stop();
    const written = () => fs.statSync(s.path('state', 'state.db')).mtimeMs;
    const before = written();
    w.write(30);
    const dry = spawn(binary, ['run', '-c', agent.file, '--dry-run']);
    let shown = '';
    dry.stdout.on('data', (data) => { shown += data; });
    s.atEnd(() => dry.kill('SIGKILL'));
    await until('the lines are shown', () => shown.includes(w.line(79)));
    dry.kill('SIGTERM');
    await new Promise((resolve) => dry.on('close', resolve));
    assert.equal(written(), before);
    assert.equal(loki.lines.size, 50);
});

scenario('a dry run ends when nobody reads it any more', async (s) => {
    s.writer('a.log').write(5000);
    const file = s.path('dry.yaml');
    fs.writeFileSync(file, JSON.stringify(s.config({loki: await s.loki()})));
    const dry = spawn(binary, ['run', '-c', file, '--dry-run']);
    s.atEnd(() => dry.kill('SIGKILL'));
    const code = new Promise((resolve) => dry.on('exit', resolve));
    dry.stdout.once('data', () => dry.stdout.destroy());
    assert.equal(await code, 0);
});

scenario('a damaged database is set aside and the agent starts', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    w.write(100);
    const agent = await s.agent(s.config({loki}));
    await until('all is there', () => loki.lines.size === 100);
    await agent.stop();
    const db = s.path('state', 'state.db');
    for (const extra of ['-wal', '-shm'])
        fs.rmSync(db + extra, {force: true});
    fs.writeFileSync(db, Buffer.alloc(20000, 'garbage'));
    w.write(100);
    await agent.start();
    await until('all is there', () => loki.lines.size === 200);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
    assert.ok(fs.readdirSync(path.dirname(db)).some((f) => f.startsWith('state.db.broken-')));
});
