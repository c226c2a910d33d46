// Dead letters: what a sink will never take is kept, shown, sent again or thrown away, and always accounted for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {answers} from './loki.mjs';
import {pick, scenario, sleep, until} from './harness.mjs';

const bad = (e) => e.line.includes('bad');

async function dead(agent) {
    return (await agent.get('/dlq/stats')).json;
}

// The ledger of every source at every sink adds up; returns the sums over all.
async function ledger(agent) {
    const {json} = await agent.get('/sources');
    assert.equal(json.adds_up, true);
    const sum = {taken: 0, delivered: 0, dead: 0, purged: 0, in_flight: 0};
    for (const source of json.sources)
        for (const s of source.sinks) {
            sum.taken += s.taken.records;
            sum.delivered += s.delivered.records;
            sum.dead += s.dead.records;
            sum.in_flight += s.in_flight.records;
            sum.purged += s.dropped.purged.records;
        }
    return sum;
}

function write(s, name, lines) {
    fs.appendFileSync(path.join(s.logs, name), lines.map((l) => Buffer.concat([Buffer.from(l), Buffer.from('\n')])).reduce(
        (a, b) => Buffer.concat([a, b]), Buffer.alloc(0)));
}

const post = (agent, where, body) => agent.get(where, {method: 'POST', body: JSON.stringify(body)});

scenario('what is refused is kept with its reason, and delivered once when the server was put right', async (s) => {
    let right = false;
    const loki = await s.loki(() => (right ? answers.ok() : answers.refusing(bad)));
    const agent = await s.agent(s.config({loki}));
    const lines = Array.from({length: 300}, (_, i) => (i % 10 === 3 ? `bad ${i}` : `good ${i}`));
    write(s, 'a.log', lines);
    await until('all is decided', async () => (await ledger(agent)).delivered === 270);
    await until('the letters are stored', async () => (await dead(agent)).total_entries === 30);
    assert.deepEqual(await ledger(agent), {taken: 300, delivered: 270, dead: 30, purged: 0, in_flight: 0});
    const {letters} = (await agent.get('/dlq?limit=1000')).json;
    assert.deepEqual(letters.map((l) => l.line).sort(), lines.filter((l) => l.startsWith('bad')).sort());
    for (const l of letters) {
        assert.equal(l.reason, 'too_old');
        assert.match(l.says, /timestamp too old/);
        assert.equal(l.source, path.join(s.logs, 'a.log'));
        assert.equal(l.labels.job, 'test');
        assert.equal(l.attempts, 1);
    }
    const one = (await agent.get(`/dlq/${letters[4].id}`)).json;
    assert.deepEqual(one, letters[4]);

    right = true;
    const answer = await post(agent, '/dlq/reprocess', {});
    assert.equal(answer.status, 202);
    assert.equal(answer.json.matched.letters, 30);
    await until('they are gone', async () => (await dead(agent)).total_entries === 0);
    assert.deepEqual(await ledger(agent), {taken: 300, delivered: 300, dead: 0, purged: 0, in_flight: 0});
    for (const line of lines)
        assert.equal(loki.lines.get(line), 1, line);
    const job = (await dead(agent)).jobs[0];
    assert.deepEqual([job.verb, job.done, job.sent, job.delivered, job.refused], ['replay', true, 30, 30, 0]);
    await agent.stop();
});
