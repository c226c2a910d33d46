// Lines that repeat, left out where that is asked for: counted, and nothing but them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {command, pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';

// The ledger as it is stored, after the agent ended, of one sink: by file name. It must add up.
function ledger(s, sink) {
    const {code, stdout, stderr} = command(['ledger', '--state-dir', s.path('state'), '--sink', sink, '--json']);
    assert.equal(code, 0, stdout + stderr);
    return Object.fromEntries(JSON.parse(stdout).accounts.filter((x) => x.source.endsWith('.log')).map((x) => [path.basename(x.source), x]));
}

scenario('repeated lines are left out for the sink that asks, counted by source, and everything else arrives', async (s) => {
    let down = false;
    const few = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const chunks = pick({light: 60, full: 300, soak: 3000});
    const wrote = {'a.log': new Set(), 'b.log': new Set()}, count = {'a.log': 0, 'b.log': 0};
    const write = (name, lines) => {
        fs.appendFileSync(path.join(s.logs, name), lines.map((l) => `${l}\n`).join(''));
        lines.forEach((l) => wrote[name].add(l));
        count[name] += lines.length;
    };
    const config = (deduplicate, more) => ({...s.config({}), memory_limit: '16MiB', sinks: {
        loki: {url: few.url, batch_timeout: '20ms', backoff_min: '20ms', backoff_max: '100ms', queue_size: '64KiB', batch_size: '16KiB',
            circuit_breaker: {enabled: false}, deduplicate, ...more},
        local_file: {directory: s.path('out'), filename: '{file}', sync_interval: '50ms'}}});
    const agent = await s.agent(config({enabled: true, window: '1h', max_lines: 50000}));
    const rest = `${'x'.repeat(80)}`;
    for (let i = 0; i < chunks; i++) {
        down = i >= chunks / 4 && i < chunks / 2; // what it cannot take goes to the disk buffer, and is looked at when it comes back
        for (const name of ['a.log', 'b.log'])
            write(name, Array.from({length: 60}, (_, k) => (k % 3 ? `again ${k % 7} ${rest}` : `${name} ${i} ${k} ${rest}`)));
        await sleep(5);
    }
    const all = () => wrote['a.log'].size + wrote['b.log'].size;
    await until('all different lines are there', () => few.entries.length >= all());
    const counted = async () => (await agent.get('/sources')).json.sources.flatMap((x) => x.sinks.filter((k) => k.sink === 'loki'))
        .reduce((n, x) => n + x.dropped.duplicate.records, 0);
    const total = () => count['a.log'] + count['b.log'];
    await until('the others are counted', async () => await counted() === total() - all());
    assert.match((await agent.get('/metrics')).text, new RegExp(`logcap_sink_dropped_records_total\\{sink="loki",reason="duplicate"\\} ${total() - all()}\n`));
    assert.doesNotMatch((await agent.get('/metrics')).text, /logcap_spool_written_bytes_total(\{.*\})? 0\n/);
    await agent.stop();
    assert.equal(few.entries.length, all(), 'no line comes twice, and none is missing');
    for (const name of ['a.log', 'b.log']) {
        const {delivered, taken, dropped} = ledger(s, 'loki')[name];
        assert.equal(taken.records, count[name]);
        assert.equal(delivered.records, wrote[name].size);
        assert.equal(dropped.duplicate.records, count[name] - wrote[name].size);
        assert.equal(ledger(s, 'local_file')[name].delivered.records, count[name]);
        assert.equal(fs.readFileSync(s.path('out', name), 'utf8'), fs.readFileSync(path.join(s.logs, name), 'utf8'));
    }
});

scenario('a sink that is configured otherwise while it holds lines sends them all: none is a repeat of itself', async (s) => {
    let down = true;
    const loki = await s.loki(() => (down ? answers.status(503) : answers.ok()));
    const w = s.writer('a.log');
    const config = (timeout) => s.config({loki, lokiSink: {deduplicate: {enabled: true, window: '1h'}, timeout}});
    w.write(300);
    const agent = await s.agent(config('2s'));
    await until('it was tried', async () => (await agent.get('/stats')).json.sinks[0].request_errors > 1);
    for (const timeout of ['3s', '4s']) {
        const file = JSON.parse(fs.readFileSync(agent.file, 'utf8'));
        fs.writeFileSync(agent.file, JSON.stringify({...file, sinks: config(timeout).sinks}));
        const {status, text} = await agent.get('/config/reload', {method: 'POST'});
        assert.equal(status, 200, text);
        w.write(300);
    }
    down = false;
    await until('every line is there', () => loki.lines.size === w.count);
    await agent.stop();
    assert.equal(ledger(s, 'loki')['a.log'].dropped.duplicate?.records ?? 0, 0);
});
