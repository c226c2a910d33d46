// SIGKILL at random moments with requests in flight: afterwards the sinks have every line.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

const kills = pick({light: 4, full: 20, soak: 100});

async function killUnderLoad(s, agent, writers, each = () => {}) {
    let writing = true;
    const load = (async () => {
        for (let i = 0; writing; i++) {
            for (const w of writers)
                w.write(50);
            if (i % 40 === 39)
                writers[0].rotate('rename');
            await sleep(5);
        }
    })();
    try {
        for (let i = 0; i < kills; i++) {
            await sleep(Math.random() * 400);
            await agent.kill();
            each(i);
            await agent.start();
        }
    } finally {
        writing = false;
        await load;
    }
}

scenario('Loki has every line after kills at random moments', async (s) => {
    // Some answers are late, so that a kill meets requests whose fate is not known.
    const loki = await s.loki((r) => (r.number % 3 ? answers.ok() : answers.slow(100)));
    const writers = [s.writer('a.log'), s.writer('b.log')];
    const agent = await s.agent(s.config({loki}));
    await killUnderLoad(s, agent, writers);
    const total = writers[0].count + writers[1].count;
    await until(`${total} lines are at the sink`, () => loki.lines.size >= total);
    await agent.stop();
    // At least once: what was in flight at a kill may come again.
    assert.deepEqual(differences(writers, loki.lines, {repeats: true}), []);
});

function countLines(directory) {
    const files = fs.existsSync(directory) ? fs.readdirSync(directory, {recursive: true}) : [];
    return files.map((name) => path.join(directory, String(name))).filter((file) => fs.statSync(file).isFile())
        .reduce((n, file) => n + fs.readFileSync(file, 'utf8').split('\n').length - 1, 0);
}

function readAll(directory) {
    const have = new Map();
    if (!fs.existsSync(directory))
        return have;
    for (const name of fs.readdirSync(directory, {recursive: true})) {
        const file = path.join(directory, String(name));
        if (!fs.statSync(file).isFile())
            continue;
        const lines = fs.readFileSync(file, 'utf8').split('\n');
        assert.equal(lines.pop(), '', `${file} ends within a line`);
        for (const line of lines)
            have.set(line, (have.get(line) ?? 0) + 1);
    }
    return have;
}

scenario('local files have every line exactly once after kills at random moments', async (s) => {
    const writers = [s.writer('a.log'), s.writer('b.log')];
    const agent = await s.agent(s.config({
        local: {filename: '{file}', sync_interval: '100ms', compress: false, rotate_size: 0},
    }));
    await killUnderLoad(s, agent, writers);
    const total = writers[0].count + writers[1].count;
    // Counted in the files: sources that are read to their end are not listed any more.
    await until(`${total} lines are written`, () => countLines(s.path('out')) >= total)
        .catch((e) => console.log(`the comparison follows: ${e.message}`));
    await agent.stop();
    assert.deepEqual(differences(writers, readAll(s.path('out'))), []);
});
