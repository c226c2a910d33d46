// What is done about a thread that hangs: the service manager is not told any more that the agent lives, and restarts it; unless that
// would not help. Threads are made to hang by test/tools/leak.c, the service manager is a socket.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import {pick, scenario, sleep, until} from './harness.mjs';
import {finding, planted, quick, skipShim} from './leaks.mjs';

// Prints each datagram in a line: node has no such sockets.
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

// As systemd: {env, told: what it was told, in lines}. It asks for a sign of life in each second.
async function serviceManager(s) {
    const socket = s.path('notify'), manager = {told: '', env: {NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000'}};
    const process = spawn('python3', ['-c', listener, socket], {stdio: ['ignore', 'pipe', 'inherit']});
    process.stdout.on('data', (data) => { manager.told += data; });
    s.atEnd(() => process.kill());
    await until('it listens', () => fs.existsSync(socket));
    return manager;
}

const signs = (manager) => manager.told.split('WATCHDOG=1').length - 1;
const goesOn = async (manager) => {
    const before = signs(manager);
    await until('there are more signs of life', () => signs(manager) >= before + 3);
};

const patient = {task_tracking: {check_interval: '1s', restart_hung_after: '1m'}};

// Writes to w until it is there.
const found = async (agent, w, text) => {
    await until(`the finding says ${text}`, async () => {
        w.write(1);
        await sleep(200);
        return text.test((await finding(agent, 'tasks:thread'))?.text);
    }, 120);
    return finding(agent, 'tasks:thread');
};

scenario('a thread that hangs soon after the start is said, and the agent is left to work for an hour', async (s) => {
    const [{plant, env}, manager] = [planted(s), await serviceManager(s)];
    const agent = await s.agent(s.config({local: true, ...quick, ...patient}), {env: {...env, ...manager.env}});
    const w = s.writer('a.log');
    await goesOn(manager);
    assert.match(manager.told, /^READY=1 /m);
    plant('hang');
    const f = await found(agent, w, /; in \d+ min, unless it goes on, the service manager restarts the agent$/);
    assert.equal(f.severity, 'high');
    await goesOn(manager);
    const live = await agent.get('/livez');
    assert.deepEqual([live.status, live.json.alive, live.json.restart_after_seconds], [200, true, 3600]);
    assert.match((await agent.get('/metrics')).text, /^logcap_restart_due 0$/m);
    await agent.kill();
}, {skip: skipShim});

// What hangs within five minutes of the start is given longer than a test.
const long = 'it takes seven minutes: in a soak', short = pick({light: long, full: long, soak: false});

scenario('a thread that hangs ends the signs of life to the service manager, whose restart loses nothing', async (s) => {
    const [{plant, env}, manager, loki] = [planted(s), await serviceManager(s), await s.loki()];
    const agent = await s.agent(s.config({loki, local: true, ...quick, ...patient}),
        {env: {...env, ...manager.env}});
    const w = s.writer('a.log');
    await sleep(5.1 * 60 * 1000);
    plant('hang');
    await until('it is said', async () => {
        w.write(1);
        await sleep(200);
        return /the service manager is not told any more that the agent lives/.test(agent.stderr);
    }, 180);
    await until('there is no sign of life any more', async () => {
        const before = signs(manager);
        await sleep(3000);
        return signs(manager) === before;
    });
    const live = await agent.get('/livez');
    assert.deepEqual([live.status, live.json.alive, live.json.held_by_the_kernel], [503, false, false]);
    assert.match((await agent.get('/metrics')).text, /^logcap_restart_due 1$/m);
    await until('it is a finding', async () => (await finding(agent, 'tasks:thread'))?.severity === 'critical', 60);
    assert.match((await finding(agent, 'tasks:thread')).text, /; the service manager restarts the agent now$/);
    // What systemd does then.
    await agent.kill();
    plant('');
    w.write(10);
    await agent.start();
    await until('all is delivered', () => Array.from({length: w.count}, (_, i) => w.line(i)).every((line) => loki.lines.has(line)), 60);
    await goesOn(manager);
    assert.equal((await agent.get('/livez')).status, 200);
    assert.equal((await agent.get('/sources')).json.adds_up, true);
    await agent.stop();
}, {skip: skipShim || short, timeout: 900000});

scenario('a thread that the kernel holds keeps the agent, since a restart would not help', async (s) => {
    const [{plant, env}, manager] = [planted(s), await serviceManager(s)];
    const agent = await s.agent(s.config({local: true, ...quick, ...patient}),
        {env: {...env, ...manager.env}});
    const w = s.writer('a.log');
    await goesOn(manager);
    plant('disk');
    const f = await found(agent, w, /; the kernel holds it, as when a disk or a mount does not answer: a restart would not help$/);
    assert.equal(f.severity, 'high');
    await goesOn(manager);
    const live = await agent.get('/livez');
    assert.deepEqual([live.status, live.json.alive, live.json.held_by_the_kernel], [200, true, true]);
    assert.match((await agent.get('/metrics')).text, /^logcap_restart_due 0$/m);
    assert.match((await agent.get('/tasks?full=1')).text, /"state":"hangs"/);
    assert.doesNotMatch(agent.stderr, /the service manager is not told/);
    await agent.kill();
}, {skip: skipShim});
