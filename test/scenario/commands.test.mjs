// The commands that look at an agent and at what it keeps, beside a running one and without one.
import assert from 'node:assert/strict';
import {command, scenario, until} from './harness.mjs';

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
