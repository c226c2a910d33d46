// The same with a real Docker engine (Debian's docker.io), started here as root.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {Engine} from './engine.mjs';
import {scenario, until} from './harness.mjs';
import {missing} from './real.mjs';
import {assertOnce, counting, lines, realScenarios, world} from './real_scenarios.mjs';

realScenarios('docker');

// An engine of our own with so many containers that run and say nothing more, each with a real log file of one line.
async function idleEngine(s, n) {
    const engine = await new Engine(s.path('idle.sock')).start();
    s.atEnd(() => engine.stop());
    engine.root = s.path('idle');
    const said = Array.from({length: n}, (_, i) => {
        const c = engine.container(`idle${i}`);
        c.logPath = path.join(engine.root, 'containers', c.id, `${c.id}-json.log`);
        fs.mkdirSync(path.dirname(c.logPath), {recursive: true});
        fs.writeFileSync(c.logPath, `${JSON.stringify({log: `the only line of ${i}\n`, stream: 'stdout', time: new Date().toISOString()})}\n`);
        c.start();
        return `the only line of ${i}`;
    });
    return {engine, said};
}

// Connections that an engine has accepted on its socket.
const connectionsTo = (socket) => fs.readFileSync('/proc/net/unix', 'utf8').split('\n')
    .filter((line) => line.endsWith(` ${socket}`) && line.split(/\s+/)[5] === '03').length;

scenario('docker, 20 real containers beside 500 idle ones of another engine: by file, with no connection for any of them', async (s) => {
    const controls = 8; // lists, inspections and events of an engine: docs/containers.md
    const {engine, loki, config} = await world('docker', s, 'auto');
    const idle = await idleEngine(s, 500);
    config.monitors.containers.sockets.push(idle.engine.address);
    const agent = await s.agent(config);
    const names = Array.from({length: 20}, (_, i) => `c${i}`);
    await Promise.all(names.map((name) => engine.run(name, `${counting(name, 100, 'usleep 20000;')}; sleep 1000`)));
    const connections = () => Math.max(connectionsTo(engine.socket), idle.engine.connections);
    await until('the connections by which they were started are closed', () => connections() <= controls);
    const expected = [...idle.said, ...names.flatMap((name) => lines(name, 100))];
    let most = 0;
    await until(() => `${expected.length} lines are at the sink, and not ${loki.lines.size}`, () => {
        most = Math.max(most, connections());
        return loki.lines.size >= expected.length;
    }, 60);
    assertOnce(loki, expected);
    const {json} = await agent.get('/containers');
    assert.deepEqual([json.stats.running, json.stats.files], [520, 520]);
    assert.deepEqual([json.stats.streams, json.stats.opened], [0, 0], 'no stream of the API');
    assert.ok(most >= 1 && most <= controls, `${most} connections to one engine`);
    assert.equal((await agent.get('/sources')).json.adds_up, true);
    await agent.stop();
}, {skip: missing('docker')});
