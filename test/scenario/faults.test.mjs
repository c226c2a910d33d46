// The machine refuses what the agent needs: watches, descriptors, memory, permissions, a clock that goes on.
// All that can be read is delivered all the same, and what cannot be done is said.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {differences} from './writer.mjs';

const total = (writers) => writers.reduce((n, w) => n + w.count, 0);
// What is missing in the end is what the comparison tells.
const arrived = (loki, writers, seconds) =>
    until(`${total(writers)} lines are at the sink`, () => loki.lines.size >= total(writers), seconds)
        .catch((e) => assert.deepEqual(differences(writers, loki.lines), [], e.message));
const root = process.getuid() === 0;

// ---- inotify ----

// A user namespace has limits of its own, which cost the host nothing.
const limited = (limit, n) => ['unshare', '--user', '--map-root-user', 'sh', '-c',
    `echo ${n} >/proc/sys/user/${limit} && exec "$@"`, 'sh'];
const canLimit = spawnSync('unshare', ['--user', '--map-root-user', 'sh', '-c',
    'echo 1 >/proc/sys/user/max_inotify_watches']).status === 0;

for (const [what, limit, n, said] of [
    ['watches run out', 'max_inotify_watches', 4, /the limit of inotify watches is reached at .* every 500ms; .*max_user_watches/],
    ['there is no inotify', 'max_inotify_instances', 0, /no inotify: .* every 500ms/],
]) {
    scenario(`when ${what}, files are found and followed by the scan`, async (s) => {
        const loki = await s.loki();
        const writers = [];
        for (let i = 0; i < 20; i++)
            writers.push(s.writer(`${i}/there.log`, {name: `there${i}`}));
        for (const w of writers)
            w.write(20);
        const agent = await s.agent(s.config({loki}), {through: limited(limit, n)});
        await arrived(loki, writers);
        for (let i = 0; i < 20; i++)
            writers.push(s.writer(`${i}/later.log`, {name: `later${i}`}),
                s.writer(`new${i}/dir.log`, {name: `new${i}`}));
        for (let k = 0; k < 5; k++) {
            for (const w of writers)
                w.write(10);
            writers[k].rotate('rename');
            await sleep(50);
        }
        await arrived(loki, writers);
        await agent.stop();
        assert.deepEqual(differences(writers, loki.lines), []);
        assert.equal(agent.stderr.split('\n').filter((line) => said.test(line)).length, 1, agent.stderr);
    }, {skip: !canLimit && 'needs user namespaces'});
}

// ---- descriptors ----

scenario('with 64 descriptors, 200 growing files arrive', async (s) => {
    const loki = await s.loki();
    const writers = [];
    for (let i = 0; i < 200; i++)
        writers.push(s.writer(`${i % 10}/${i}.log`));
    for (const w of writers)
        w.write(20);
    const agent = await s.agent(s.config({loki, local: {filename: '{file}', sync_interval: '100ms'}}),
        {through: ['prlimit', '--nofile=64']});
    for (let i = 0; i < 10; i++) {
        for (const w of writers)
            w.write(5);
        if (i % 3 === 0)
            writers[i].rotate('rename');
        await sleep(50);
    }
    await arrived(loki, writers, 60);
    const written = () => fs.readdirSync(s.path('out')).reduce((n, name) => n + fs.statSync(s.path('out', name)).size, 0);
    await until('the local files have all', () => written() === total(writers) * writers[0].size);
    assert.equal((await agent.get('/health')).status, 200);
    await agent.stop();
    assert.deepEqual(differences(writers, loki.lines), []);
    // Room is left for those who cannot do with fewer.
    assert.doesNotMatch(agent.stderr, /Too many open files|connect/);
    assert.match(agent.stderr, /LimitNOFILE/);
});
