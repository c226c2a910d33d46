// SIGKILL at random moments with requests in flight: afterwards the sinks have every line.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences} from './writer.mjs';

// Environment KILLS is another number than usual. A hundred at most in one scenario, which remembers every line.
const kills = Number(process.env.KILLS) || pick({light: 4, full: 50, soak: 1000});
const rounds = Array.from({length: Math.ceil(kills / 100)}, (_, i) => Math.min(100, kills - i * 100));

// Whether the state has this file. One that gets a name beyond the patterns before, with the agent dead, nobody can find.
function isKnown(agent, file) {
    const inode = fs.statSync(file).ino.toString(16);
    const answer = spawnSync('sqlite3', ['-readonly', path.join(agent.directory, 'state', 'state.db'),
        `SELECT count(*) FROM sources WHERE key LIKE 'file:%:${inode}:%'`], {encoding: 'utf8'});
    return Number(answer.stdout) > 0;
}

// moment(i) returns when it has come; change(i) is called between two runs.
async function killUnderLoad(agent, writers, n, moment, change = () => {}) {
    let writing = true, rotations = 0;
    const load = (async () => {
        for (let since = 1; writing; since++) {
            for (const w of writers)
                w.write(20);
            if (since >= 40 && isKnown(agent, writers[0].file)) {
                writers[0].rotate('rename');
                rotations++;
                since = 0;
            }
            await sleep(5);
        }
    })();
    try {
        for (let i = 0; i < n; i++) {
            await moment(i);
            await agent.kill();
            change(i);
            await agent.start();
        }
    } finally {
        writing = false;
        await load;
    }
    assert.ok(rotations > 0);
}

const someTime = () => sleep(Math.random() * 400);

for (const [round, n] of rounds.entries()) {
    scenario(`Loki has every line after ${n} kills with requests in flight, round ${round + 1}`, async (s) => {
        // It fails for a while, again and again; some answers are late, so that a kill meets requests whose fate is not known.
        const flapping = () => Date.now() % 900 < 200;
        const loki = await s.loki((r) => (flapping() ? answers.status(503) : r.number % 3 ? answers.ok() :
            answers.slow(50 + Math.random() * 100)));
        const writers = [s.writer('a.log'), s.writer('b.log')];
        const config = s.config({loki});
        const agent = await s.agent(config);
        let met = 0;
        await killUnderLoad(agent, writers, n, async () => {
            await someTime();
            const end = Date.now() + 2000;
            while (!loki.unanswered && Date.now() < end)
                await sleep(1);
            met += loki.unanswered > 0;
        }, (i) => {
            config.sinks.loki.labels.generation = String(i % 3);
            config.sinks.loki.batch_size = i % 2 ? '64KiB' : '1MiB';
        });
        const all = writers[0].count + writers[1].count;
        await until(`${all} lines are at the sink`, () => loki.lines.size >= all)
            .catch((e) => console.log(`the comparison follows: ${e.message}`));
        await agent.stop();
        // At least once: what was in flight at a kill may come again.
        assert.deepEqual(differences(writers, loki.lines, {repeats: true}), []);
        assert.ok(met >= 0.9 * n, `only ${met} of ${n} kills met a request in flight`);
    });
}

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

for (const [round, n] of rounds.entries()) {
    scenario(`local files have every line exactly once after ${n} kills at random moments, round ${round + 1}`, async (s) => {
        const writers = [s.writer('a.log'), s.writer('b.log')];
        const agent = await s.agent(s.config({
            local: {filename: '{file}', sync_interval: '100ms', compress: false, rotate_size: 0},
        }));
        await killUnderLoad(agent, writers, n, someTime);
        const all = writers[0].count + writers[1].count;
        // Counted in the files: sources that are read to their end are not listed any more.
        await until(`${all} lines are written`, () => countLines(s.path('out')) >= all)
            .catch((e) => console.log(`the comparison follows: ${e.message}`));
        await agent.stop();
        assert.deepEqual(differences(writers, readAll(s.path('out'))), []);
    });
}
