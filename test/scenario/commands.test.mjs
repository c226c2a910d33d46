// The commands that look at an agent and at what it keeps, beside a running one and without one.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {command, scenario, until} from './harness.mjs';

function sql(s, statement) {
    const done = spawnSync('sqlite3', [s.path('state', 'state.db'), statement], {encoding: 'utf8'});
    assert.equal(done.status, 0, done.stderr);
    return done.stdout.trim();
}

scenario('a command that is written wrong is told its nearest name', async () => {
    const near = command(['chek']);
    assert.deepEqual([near.code, near.stdout], [2, '']);
    assert.equal(near.stderr, "logcap: there is no command 'chek'; did you mean 'check'? logcap --help lists them\n");
    const far = command(['frobnicate']);
    assert.deepEqual([far.code, far.stderr], [2, "logcap: there is no command 'frobnicate'; logcap --help lists them\n"]);
});

scenario('commands that ask the agent do without the variables of its sinks', async (s) => {
    const loki = await s.loki();
    const w = s.writer('a.log');
    const agent = await s.agent(s.config({loki: {url: '${LOGCAP_TEST_URL}'}}), {env: {LOGCAP_TEST_URL: loki.url}});
    w.write(10);
    await until('all is there', () => loki.lines.size === 10);
    for (const words of [['ledger'], ['leaks'], ['tasks'], ['top', '--once'], ['stacks'], ['why', w.file], ['positions', 'show'],
        ['dlq', 'list'], ['verify']]) {
        const {code, stderr} = command([...words, '-c', agent.file]);
        assert.deepEqual([code, stderr], [0, ''], words.join(' '));
    }
    const whole = command(['check', '-c', agent.file]);
    assert.equal(whole.code, 2);
    assert.match(whole.stderr, /the environment variable LOGCAP_TEST_URL is not set/);
    await agent.stop();
});

scenario('ledger shows what became of each source, with the agent and after it', async (s) => {
    const loki = await s.loki();
    const a = s.writer('a.log');
    a.write(100);
    s.writer('b.log').write(50);
    // The second sink wants nothing of this: skipped there.
    const agent = await s.agent(s.config({loki, local: {match: {job: 'another'}}}));
    await until('all is there', () => loki.lines.size === 150);

    const ledger = (...args) => {
        const {code, stdout, stderr} = command(['ledger', '-c', agent.file, '--json', ...args]);
        assert.equal(code, 0, stderr);
        const json = JSON.parse(stdout);
        assert.equal(json.adds_up, true);
        return json;
    };
    const of = (json, name, sink) => json.accounts.find((x) => x.source.endsWith(name) && x.sink === sink);
    await until('the accounts are settled', () => of(ledger(), 'a.log', 'loki').delivered.records === 100);
    const live = ledger();
    assert.equal(live.from, 'agent');
    assert.equal(of(live, 'b.log', 'loki').delivered.records, 50);
    assert.equal(of(live, 'a.log', 'local_file').skipped.records, 100);
    assert.equal(ledger('--sink', 'loki', '--source', '*/b.log').accounts.length, 1);
    const table = command(['ledger', '-c', agent.file]);
    assert.match(table.stdout, /^ *100 +100 +0 +0 +0 +0 +0 +loki +\S+a\.log$/m);
    assert.match(table.stdout, /^ *100 +0 +0 +100 +0 +0 +0 +local_file +\S+a\.log$/m);
    assert.match(table.stdout, /^It adds up\.$/m);

    await agent.stop();
    const stored = ledger();
    assert.equal(stored.from, 'store');
    assert.deepEqual(of(stored, 'a.log', 'loki').delivered, of(live, 'a.log', 'loki').delivered);
    assert.deepEqual(of(stored, 'a.log', 'local_file').skipped, of(live, 'a.log', 'local_file').skipped);
});

scenario('a ledger that does not add up is an alert', async (s) => {
    const loki = await s.loki();
    const a = s.writer('a.log');
    const b = s.writer('b.log');
    a.write(10);
    b.write(10);
    const agent = await s.agent(s.config({loki}));
    await until('all is there', () => loki.lines.size === 20);
    const health = async () => (await agent.get('/health')).json.checks.ledger;
    assert.equal((await health()).status, 'healthy');
    assert.match((await agent.get('/metrics')).text, /^logcap_ledger_mismatches 0$/m);
    await agent.stop();

    // What no bug of ours does today: somebody changes the store.
    sql(s, "UPDATE ledger SET delivered_records = delivered_records + 1 WHERE source = " +
        "(SELECT key FROM sources WHERE name LIKE '%/a.log')");
    const ledger = command(['ledger', '-c', agent.file]);
    assert.equal(ledger.code, 1, ledger.stdout);
    assert.match(ledger.stdout, /^It does not add up:\n {2}\S+a\.log at loki: taken 10 records .*accounted for 11/m);

    agent.stderr = '';
    await agent.start();
    for (let n = 30; n <= 70; n += 20) {
        a.write(10);
        b.write(10);
        await until('the new lines are there', () => loki.lines.size === n + 10);
    }
    await until('it is found', async () => (await health()).status !== 'healthy');
    const {status, json} = await agent.get('/health');
    assert.equal(status, 503);
    assert.equal(json.status, 'unhealthy');
    assert.match(json.checks.ledger.reason, /^\S+a\.log at loki: taken \d+ records/);
    assert.match((await agent.get('/metrics')).text, /^logcap_ledger_mismatches 1$/m);
    assert.equal(agent.stderr.match(/ERROR ledger: does not add up/g).length, 1, agent.stderr);
    assert.equal(command(['ledger', '-c', agent.file]).code, 1);
    await agent.stop();
});

scenario('verify finds a damaged database, repairs it, and the agent goes on where it was', async (s) => {
    const loki = await s.loki();
    const writers = Array.from({length: 60}, (_, i) => s.writer(`${i}.log`));
    writers.forEach((w) => w.write(5));
    const agent = await s.agent(s.config({loki}));
    await until('all is there', () => loki.lines.size === 300);
    const beside = command(['verify', '-c', agent.file]);
    assert.equal(beside.code, 0, beside.stdout + beside.stderr);
    assert.match(beside.stdout, new RegExp(`in use by the agent with process id ${agent.process.pid}`));
    const refused = command(['verify', '-c', agent.file, '--repair']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /stop it first/);
    await agent.stop();

    const good = command(['verify', '-c', agent.file]);
    assert.equal(good.code, 0, good.stdout);
    assert.match(good.stdout, /^state\.db: good: \d+ sources/m);
    assert.match(good.stdout, /300 records read: 300 delivered,.*it adds up$/m);

    // A page in the middle, as a bad disk leaves it.
    const database = s.path('state', 'state.db');
    const pages = Math.floor(fs.statSync(database).size / 4096);
    assert.ok(pages > 8, `${pages} pages`);
    const file = fs.openSync(database, 'r+');
    fs.writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, Math.floor(pages / 2) * 4096);
    fs.closeSync(file);
    const damaged = command(['verify', '-c', agent.file]);
    assert.equal(damaged.code, 1, damaged.stdout);
    assert.match(damaged.stdout, /^state\.db: DAMAGED: /m);
    assert.ok(!fs.existsSync(`${database}.broken-1`), 'it only looks');

    const repaired = command(['verify', '-c', agent.file, '--repair']);
    assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
    assert.ok(fs.existsSync(`${database}.broken-1`));
    assert.equal(command(['verify', '-c', agent.file]).code, 0);

    // The fallback file had the positions: nothing comes twice.
    agent.stderr = '';
    await agent.start();
    writers.forEach((w) => w.write(1));
    await until('the new lines are there', () => loki.lines.size === 360);
    await agent.stop();
    assert.doesNotMatch(agent.stderr, /set aside/);
    assert.equal(loki.entries.length, 360, 'a line came twice');
    assert.equal(loki.repeats, 0);
});
