// What holds with every real engine, however its containers are read: mode 'file' and 'api'.
import assert from 'node:assert/strict';
import {pick, scenario, until} from './harness.mjs';
import {missing, RealEngine} from './real.mjs';

// A script that prints `n` numbered lines of its own on each of both streams.
export const counting = (name, n, more = '') =>
    `i=0; while [ $i -lt ${n} ]; do echo "${name} out $i"; echo "${name} err $i" >&2; i=$((i+1)); ${more} done`;
export const lines = (name, n) => Array.from({length: n}, (_, i) => [`${name} out ${i}`, `${name} err ${i}`]).flat();

export function assertOnce(loki, expected) {
    const wrong = expected.filter((line) => loki.lines.get(line) !== 1).map((line) => `${loki.lines.get(line) ?? 0} times: ${line.slice(0, 60)}`);
    assert.deepEqual(wrong.slice(0, 10), []);
    assert.deepEqual([...loki.lines.keys()].filter((line) => !expected.includes(line)).map((x) => x.slice(0, 100)).slice(0, 5), []);
}

// Through Podman's API a terminal's line that conmon read in two pieces has the time of the second in its midst (docs/containers.md).
function takeTimesOut(loki) {
    for (const [line, times] of [...loki.lines]) {
        const text = line.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* /, '');
        if (text === line)
            continue;
        loki.lines.delete(line);
        loki.lines.set(text, (loki.lines.get(text) ?? 0) + times);
    }
}

const there = (loki, expected, seconds = 60) => until(`${expected.length} lines are at the sink`, () => loki.lines.size >= expected.length, seconds);

export async function world(kind, s, mode) {
    const engine = new RealEngine(kind, s.path(kind));
    s.atEnd(() => engine.end());
    await engine.start();
    await engine.image();
    const loki = await s.loki();
    const config = s.config({loki});
    config.monitors = {files: {enabled: false, scan_interval: '500ms'}, journal: {enabled: false},
        containers: {enabled: true, sockets: [engine.address], mode, list_interval: '1s'}};
    return {engine, loki, config};
}

export function realScenarios(kind) {
    const skip = missing(kind);
    for (const mode of ['auto', 'api']) {
        const way = mode === 'auto' ? 'file' : 'api';

        scenario(`${kind}, read by ${way}: each line once, over restarts of everybody`, async (s) => {
            const {engine, loki, config} = await world(kind, s, mode);
            const n = pick({light: 300, full: 1000, soak: 5000});
            let expected = [];
            const early = await engine.run('early', counting('early', n));
            expected.push(...lines('early', n));
            const agent = await s.agent(config);
            await there(loki, expected);
            await engine.run('slow', counting('slow', 60, 'usleep 100000;'));
            expected.push(...lines('slow', 60));
            await agent.kill();
            await agent.start();
            await engine.run('pieces', `head -c 40000 /dev/zero | tr '\\0' x; echo; echo '  indented'; printf 'no line end'`);
            expected.push('x'.repeat(40000), '  indented', 'no line end');
            await engine.run('terminal', counting('tty', 50), {tty: true});
            expected.push(...lines('tty', 50));
            for (let i = 0; i < 5; i++) {
                await engine.run(`again${i}`, `echo moment ${i}`);
                expected.push(`moment ${i}`);
            }
            await agent.stop();
            await engine.run('missed', counting('missed', 20));
            expected.push(...lines('missed', 20));
            await agent.start();
            await there(loki, expected);
            await engine.ask('POST', `/containers/${early}/start`); // it says all of it once more
            await until('its second life is at the sink', () => lines('early', n).every((line) => loki.lines.get(line) === 2), 60);
            expected = expected.filter((line) => !line.startsWith('early '));
            for (const line of lines('early', n))
                loki.lines.delete(line);
            if (kind === 'podman' && mode === 'api')
                takeTimesOut(loki);
            assertOnce(loki, expected);
            const {json} = await agent.get('/containers');
            assert.deepEqual([...new Set(json.containers.map((c) => c.mode))], [way]);
            if (mode === 'auto')
                assert.equal(json.stats.opened, 0, 'no stream of the API was needed');
            const labels = loki.entries.find((e) => e.line === 'slow err 3').labels;
            assert.match(labels, new RegExp(`container_name="slow".*service="slow", source="${kind}", stream="stderr"`));
            assert.equal((await agent.get('/sources')).json.adds_up, true);
            await agent.stop();
        }, {skip});

        scenario(`${kind}, read by ${way}: the engine restarts, and containers come and go`, async (s) => {
            const {engine, loki, config} = await world(kind, s, mode);
            const agent = await s.agent(config);
            const expected = [];
            for (let round = 0; round < 2; round++) {
                await engine.run(`before${round}`, counting(`before${round}`, 50));
                expected.push(...lines(`before${round}`, 50));
                await there(loki, expected);
                await engine.stop();
                await engine.start();
                await engine.run(`after${round}`, counting(`after${round}`, 50));
                expected.push(...lines(`after${round}`, 50));
            }
            await there(loki, expected);
            assertOnce(loki, expected);
            for (const c of (await engine.ask('GET', '/containers/json?all=true')).json)
                await engine.ask('DELETE', `/containers/${c.Id}?force=true`);
            await until('they are forgotten', async () => (await agent.get('/containers')).json.total === 0, 60);
            assertOnce(loki, expected);
            await agent.stop();
        }, {skip});
    }

    // One that is gone before its log could be opened at all is counted. Nothing else may be missing, and nothing of one that was opened.
    scenario(`${kind}: containers that live for moments and are removed at once lose nothing`, async (s) => {
        const {engine, loki, config} = await world(kind, s, 'auto');
        const agent = await s.agent(config);
        const stats = async () => (await agent.get('/containers')).json.stats;
        await until('the engine is known', async () => (await stats()).engines_up === 1);
        const said = [];
        for (let i = 0; i < pick({light: 5, full: 15, soak: 200}); i++) {
            await engine.run(`moment${i}`, `echo first ${i}; usleep 50000; echo last ${i}`, {remove: true});
            said.push([`first ${i}`, `last ${i}`]);
        }
        const absent = () => said.filter((lines) => !lines.every((line) => loki.lines.has(line)));
        await until(() => `all but counted ones are at the sink: ${absent().join(', ')}`,
            async () => absent().length <= (await stats()).gone_before_read, 20);
        assertOnce(loki, said.filter((lines) => !absent().includes(lines)).flat());
        assert.equal((await stats()).gone_before_read, absent().length);
        await agent.stop();
    }, {skip});
}
