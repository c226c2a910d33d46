// Every line of every kind of source arrives exactly once.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {command, patience, pick, scenario, sleep, unpacked, until} from './harness.mjs';
import {differences} from './writer.mjs';

const total = (writers) => writers.reduce((n, w) => n + w.count, 0);
const arrived = (loki, writers, seconds) =>
    until(`${total(writers)} lines are at the sink`, () => loki.lines.size >= total(writers), seconds);

scenario('files that were there, that grow and that appear arrive exactly once', async (s) => {
    const loki = await s.loki();
    const writers = ['a.log', 'b.log', 'deep/er/c.log'].map((name) => s.writer(name));
    for (const w of writers)
        w.write(pick({light: 500, full: 5000, soak: 100000}));
    const agent = await s.agent(s.config({loki}));
    for (let i = 0; i < 50; i++) {
        for (const w of writers)
            w.write(20);
        if (i === 25)
            writers.push(s.writer('new/later.log'), s.writer('late.log'));
        await sleep(5);
    }
    await arrived(loki, writers);
    await agent.stop();
    assert.deepEqual(differences(writers, loki.lines), []);
    assert.equal(loki.repeats, 0);
});

scenario('lines of one file keep their order and their labels, and no two have the same time', async (s) => {
    const loki = await s.loki();
    const w = s.writer('order.log');
    w.write(20000);
    const agent = await s.agent(s.config({loki}));
    await arrived(loki, [w]);
    await agent.stop();
    const sorted = loki.entries.slice().sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    assert.deepEqual(sorted.map((e) => e.line), [...w.lines()]);
    assert.equal(new Set(loki.entries.map((e) => e.time)).size, w.count);
    assert.equal(new Set(loki.entries.map((e) => e.labels)).size, 1);
    assert.match(loki.entries[0].labels, /job="test"/);
    assert.match(loki.entries[0].labels, /host="here"/);
    assert.ok(JSON.stringify([loki.entries[0].labels, loki.entries[0].metadata]).includes('order.log'));
});

scenario('a partial last line waits for its end', async (s) => {
    const loki = await s.loki();
    const w = s.writer('partial.log');
    w.write(3);
    w.writePartly();
    const agent = await s.agent(s.config({loki}));
    await until('the whole lines are there', () => loki.lines.size === 3);
    await sleep(500);
    assert.equal(loki.lines.size, 3);
    w.finish();
    await arrived(loki, [w]);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});

scenario('CRLF, NUL, invalid UTF-8, empty and very long lines pass', async (s) => {
    const loki = await s.loki();
    const long = 'L'.repeat(300 * 1024);
    fs.writeFileSync(path.join(s.logs, 'odd.log'), Buffer.concat([
        Buffer.from('windows\r\n'), Buffer.from('nul\0inside\n'), Buffer.from([0x66, 0xff, 0xfe, 0x6f, 0x0a]),
        Buffer.from('before\n\nafter an empty one\n'), Buffer.from(`${long}\nlast\n`),
    ]));
    const agent = await s.agent(s.config({loki}));
    await until('the last line is there', () => loki.lines.has('last'));
    await agent.stop();
    for (const line of ['windows', 'nul\0inside', 'before', 'after an empty one'])
        assert.ok(loki.lines.has(line), JSON.stringify(line));
    const replaced = [...loki.lines.keys()].find((l) => l.startsWith('f') && l.endsWith('o'));
    assert.match(replaced ?? 'lost', /^f\ufffd+o$/);
    // The long line is split, not lost.
    const pieces = loki.entries.filter((e) => /^L+$/.test(e.line));
    assert.equal(pieces.reduce((n, e) => n + e.line.length, 0), long.length);
});

scenario('exclude patterns and start_at: end hold', async (s) => {
    const loki = await s.loki();
    const old = s.writer('old.log'), left = s.writer('skip/left.log');
    old.write(10);
    left.write(10);
    const agent = await s.agent(s.config({loki, files: {start_at: 'end', exclude: ['**/skip/**']}}));
    await until('the file is known', async () => (await agent.get('/sources')).text.includes('old.log'));
    fs.appendFileSync(old.file, 'one more\n');
    await until('the new line is there', () => loki.lines.size > 0);
    await sleep(300);
    await agent.stop();
    assert.deepEqual([...loki.lines.keys()], ['one more']);
});

scenario('what is posted to /api/v1/logs arrives with its time and labels', async (s) => {
    const loki = await s.loki();
    const agent = await s.agent(s.config({loki}));
    const response = await agent.get('/api/v1/logs', {
        method: 'POST',
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({message: 'posted', level: 'error', source_type: 'app', source_id: 'x1',
            labels: {team: 'blue'}, timestamp: '2026-01-02T03:04:05.678Z'}),
    });
    assert.ok(response.status >= 200 && response.status < 300, `${response.status} ${response.text}`);
    await until('it is at the sink', () => loki.entries.length === 1);
    await agent.stop();
    const [e] = loki.entries;
    assert.equal(e.line, 'posted');
    assert.equal(e.time, BigInt(Date.parse('2026-01-02T03:04:05.678Z')) * 1000000n);
    const everything = e.labels + JSON.stringify(e.metadata);
    assert.match(everything, /team="?[:"]*"?blue/);
    assert.match(everything, /error/);
});

scenario('the journal arrives once, with its times, over a restart', async (s) => {
    const loki = await s.loki();
    const tool = unpacked('systemd-journal-remote', '/lib/systemd/systemd-journal-remote');
    const directory = s.path('journal');
    fs.mkdirSync(directory);
    let number = 0;
    const start = 1760000000000000n;
    const make = (file, n) => {
        let text = '';
        for (let i = 0; i < n; i++, number++)
            text += `__REALTIME_TIMESTAMP=${start + BigInt(number)}\n__MONOTONIC_TIMESTAMP=${1000 + number}\n` +
                '_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=0123456789abcdef0123456789abcdef\n' +
                `MESSAGE=journal line ${number}\nPRIORITY=4\n_SYSTEMD_UNIT=demo.service\n` +
                'SYSLOG_IDENTIFIER=demo\n_HOSTNAME=elsewhere\n\n';
        execFileSync(tool, ['-o', path.join(directory, file), '-'], {input: text});
    };
    make('one.journal', 500);
    const config = s.config({loki});
    config.monitors = {files: {enabled: false}, journal: {enabled: true, directory}};
    const agent = await s.agent(config);
    await until('the first part is there', () => loki.lines.size >= 500);
    await agent.stop();
    make('two.journal', 300);
    await agent.start();
    await until('the second part is there', () => loki.lines.size >= 800);
    await sleep(300 * patience);
    await agent.stop();
    assert.deepEqual(loki.entries.map((e) => e.line).filter((line) => !/^journal line \d+$/.test(line)), []);
    assert.equal(loki.entries.length, 800);
    assert.equal(loki.repeats, 0);
    // Within the journal's microsecond the entry's number tells apart what was printed at once.
    for (const e of loki.entries)
        assert.equal(e.time / 1000n, start + BigInt(e.line.split(' ')[2]));
    assert.match(loki.entries[0].labels + JSON.stringify(loki.entries[0].metadata), /demo\.service/);
});

scenario('LOKI_URL adds Loki to the defaults, which read this host into local files', async () => {
    const url = 'http://127.0.0.1:3199';
    const {code, stdout, stderr} = command(['config'], {LOKI_URL: url});
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(url), stdout);
    assert.match(stdout, /local_file/);
    assert.match(stdout, /\/var\/log/);
    assert.ok(!command(['config'], {LOKI_URL: ''}).stdout.includes('loki'));
});
