// SIGKILL while requests are on their way, files rotate and the configuration changes: Loki stores each line once.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';
import {differences, Writer} from './writer.mjs';

// Environment KILLS is another number than usual. A hundred at most in one scenario, which remembers every line.
const kills = Number(process.env.KILLS) || pick({light: 8, full: 50, soak: 1000});
const rounds = Array.from({length: Math.ceil(kills / 100)}, (_, i) => Math.min(100, kills - i * 100));

const tear = 40;

// Its lines begin with a time to the second that some thousand of them share.
class TimedWriter extends Writer {
    begun = Date.now();
    torn = [];

    line(number) {
        const time = new Date(this.begun + number / 5).toISOString().slice(0, 19);
        const place = `${this.name} ${String(number).padStart(8, '0')}`;
        return `${time}Z ${place} ${'abcdefghij'.repeat(1 + number % 7)} ${place}`;
    }

    // Its head and its tail alone are unlike every other too.
    writePartly() {
        this.torn.push(this.count);
        super.writePartly();
    }
}

// Each physical line of what was stored, whichever records they were joined to.
function physicalLines(loki) {
    const have = new Map();
    for (const e of loki.entries) {
        for (const line of e.line.split('\n'))
            have.set(line, (have.get(line) ?? 0) + 1);
    }
    return have;
}

const even = '^\\S+ \\S+ \\d+[02468] ';
const pipelines = [
    {},
    {multiline: {start: even, max_lines: 100, timeout: '100ms'}},
    {timestamp: {regex: '^(\\S+)', format: '%Y-%m-%dT%H:%M:%S%z'}},
    {multiline: {start: even, max_lines: 3, timeout: '100ms'}, timestamp: {regex: '^(\\S+)', format: 'auto'}},
];
const sinkRules = [
    {structured_metadata: []},
    {structured_metadata: ['file_path', 'generation']},
    {structured_metadata: ['file_path'], max_labels: 3},
];

// What differs from run to run.
function configure(config, i) {
    const files = config.monitors.files;
    delete files.multiline;
    delete files.timestamp;
    Object.assign(files, pipelines[i % pipelines.length]);
    files.labels = {job: 'test', generation: String(i % 5)};
    files.max_line_bytes = i % 4 < 2 ? '256KiB' : '64KiB';
    delete config.sinks.loki.max_labels;
    Object.assign(config.sinks.loki, sinkRules[i % sinkRules.length]);
    config.sinks.loki.labels = {host: `here${i % 3}`};
    config.sinks.loki.batch_size = i % 2 ? '64KiB' : '1MiB';
}

// Whether the state has this file. One that gets a name beyond the patterns before, with the agent dead, nobody can find.
function isKnown(agent, file) {
    const inode = fs.statSync(file).ino.toString(16);
    const answer = spawnSync('sqlite3', ['-readonly', path.join(agent.directory, 'state', 'state.db'),
        `SELECT count(*) FROM sources WHERE key LIKE 'file:%:${inode}:%'`], {encoding: 'utf8'});
    return Number(answer.stdout) > 0;
}

async function intents(agent, outcome) {
    const {text} = await agent.get('/metrics');
    return Number(text.match(new RegExp(`logcap_sink_intents_total\\{.*outcome="${outcome}"\\} (\\d+)`))?.[1] ?? NaN);
}

for (const [round, n] of rounds.entries()) {
    scenario(`Loki stores each line once over ${n} kills with requests in flight, round ${round + 1}`, async (s) => {
        // Of three requests one is stored and never answered: the agent cannot know, and a kill meets it.
        const loki = await s.loki((r) => r.number % 3 ? answers.slow(Math.random() * 60) : answers.storedButHanging());
        const writers = ['a.log', 'b.log'].map((name) => new TimedWriter(path.join(s.logs, name), {tear}));
        const config = s.config({loki, files: {partial_flush: '100ms', rotated_directories: []}});
        const agent = s.newAgent(config);
        let writing = true, counted = 0, rotations = 0, runs = 0;
        configure(config, 0);
        await agent.start();
        const load = (async () => {
            for (let since = 1; writing; since++) {
                for (const w of writers) {
                    w.write(5 + Math.floor(Math.random() * 30));
                    if (Math.random() < 0.05) {
                        w.writePartly();
                        await sleep(Math.random() * 150); // longer than partial_flush, now and then
                        w.finish();
                    }
                }
                if (since >= 60 && isKnown(agent, writers[rotations % 2].file)) {
                    writers[rotations % 2].rotate('rename');
                    rotations++;
                    since = 0;
                }
                await sleep(5);
            }
        })();
        try {
            while (counted < n) {
                assert.ok(runs < 3 * n, `only ${counted} of ${runs} kills met a request in flight`);
                await sleep(Math.random() * 400);
                const end = Date.now() + 2000;
                while (!loki.unanswered && Date.now() < end)
                    await sleep(1);
                const met = loki.unanswered > 0;
                await agent.kill();
                counted += met;
                configure(config, ++runs);
                await agent.start();
            }
        } finally {
            writing = false;
            await load;
        }
        loki.answer = answers.ok;
        const all = writers[0].count + writers[1].count;
        await until(`${all} lines are at the sink`, () => loki.entries.length * 3 >= all && missing(writers, loki).length === 0, 60)
            .catch((e) => console.log(`the comparison follows: ${e.message}`));
        assert.equal(await intents(agent, 'missed'), 0);
        assert.ok(await intents(agent, 'stored') > 0);
        await agent.stop();
        assert.deepEqual(missing(writers, loki), []);
        assert.ok(rotations > 0 && loki.repeats > 0, `${rotations} rotations, ${loki.repeats} repeats`);
        console.log(`${runs} kills, ${counted} with requests in flight, ${all} lines, ${rotations} rotations, ${loki.repeats} entries sent again`);
    });
}

// Sentences on what is not there exactly once. A partial line that was flushed is two entries, so its pieces are put together.
function missing(writers, loki) {
    const have = physicalLines(loki);
    joinPieces(writers, have);
    return differences(writers, have);
}

function joinPieces(writers, have) {
    for (const writer of writers) {
        for (const number of writer.torn ?? []) {
            const line = writer.line(number), head = line.slice(0, tear), tail = line.slice(tear);
            if (have.get(line) || !have.get(head) || !have.get(tail))
                continue;
            assert.deepEqual([have.get(head), have.get(tail)], [1, 1], `pieces of ${line}`);
            have.delete(head);
            have.delete(tail);
            have.set(line, 1);
        }
    }
}
