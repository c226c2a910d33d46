// The machine loses power: what was written and not synced is lost, torn, or there without what came before it. Nothing that
// somebody was told is safe is gone, and the ledger adds up. The store, the spool and the local files as a whole.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {afterCrash, keepInodes, readLog, restore} from './disk.mjs';
import {binary, command, patience, pick, sanitized, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';

const shim = path.join(path.dirname(binary), 'libdisk_log.so');

scenario('whatever the disk holds after power was lost, nothing is lost and the ledger adds up', async (s) => {
    const crashes = pick({light: 24, full: 120, soak: 3000});
    const disk = s.path('disk'), log = s.path('disk.log');
    fs.mkdirSync(path.join(disk, 'out'), {recursive: true});
    let down = false;
    const arrivals = []; // what Loki took, and when; byte for byte the same again, too
    const loki = await s.loki((request) => {
        if (down)
            return answers.status(503);
        arrivals.push({ms: Date.now(), lines: request.entries.map((e) => e.line)});
        return answers.ok();
    });
    const config = {...s.config({loki, lokiSink: {queue_size: '64KiB', batch_size: '16KiB', batch_timeout: '10ms', backoff_min: '10ms',
        backoff_max: '50ms', circuit_breaker: {enabled: false}}}), state_dir: path.join(disk, 'state'), commit_interval: '20ms',
    memory_limit: '16MiB'};
    config.sinks.local_file = {directory: path.join(disk, 'out'), filename: '{file}', sync_interval: '30ms'};
    const writers = [s.writer('a.log'), s.writer('b.log')];
    const agent = await s.agent(config, {env: {LD_PRELOAD: shim, DISK_ROOT: disk, DISK_LOG: log}});
    for (let i = 0; i < 60; i++) {
        down = i % 20 >= 5 && i % 20 < 15;
        for (const w of writers)
            w.write(60);
        await sleep(15);
    }
    const total = writers.reduce((n, w) => n + w.count, 0);
    await until('all is there', () => loki.lines.size === total);
    assert.doesNotMatch((await agent.get('/metrics')).text, /^logcap_spool_written_bytes_total 0$/m);
    await agent.kill();
    agent.env = {};

    const rows = readLog(log);
    keepInodes(disk, s.path('inodes'));
    const inodes = new Map();
    const inodeOf = (directory) => {
        if (!inodes.has(directory))
            inodes.set(directory, fs.statSync(directory).ino);
        return inodes.get(directory);
    };
    const every = writers.flatMap((w) => [...w.lines()]);
    const recorded = arrivals.splice(0);
    for (let seed = 0; seed < crashes; seed++) {
        const n = Math.floor(((seed + 0.5) / crashes) * rows.length);
        const before = new Set(recorded.filter((a) => a.ms <= rows[n].ms).flatMap((a) => a.lines));
        const what = `a crash behind row ${n} of ${rows.length}, seed ${seed}`;
        restore(disk, afterCrash(rows, n, seed, inodeOf), s.path('inodes'));
        arrivals.length = 0;
        await agent.start();
        const missing = () => {
            const now = new Set(arrivals.flatMap((a) => a.lines));
            return every.filter((l) => !before.has(l) && !now.has(l));
        };
        // Beside a file whose making the store forgot there is another one.
        const written = () => new Set(fs.readdirSync(path.join(disk, 'out')).flatMap((name) =>
            fs.readFileSync(path.join(disk, 'out', name), 'utf8').split('\n')));
        await until(() => `${what}: ${missing().length} lines more arrive, the first ${missing()[0]}`, () => missing().length === 0);
        await until(() => `${what}: local files have all`, () => { const w = written(); return every.every((l) => w.has(l)); });
        await agent.stop();
        const ledger = command(['ledger', '--state-dir', config.state_dir]);
        assert.equal(ledger.code, 0, `${what}: ${ledger.stdout}${ledger.stderr}`);
        assert.match(ledger.stdout, /It adds up\./, what);
    }
}, {skip: sanitized && 'sanitizers do not go with LD_PRELOAD', timeout: 600000 * patience});
