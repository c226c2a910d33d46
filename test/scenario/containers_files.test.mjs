// Logs of containers as files: json-file and CRI, two streams in one file, long messages in pieces that lie between others, rotation,
// and SIGKILL in the middle of all that. Every number comes once into Loki, whole, in its stream and with its runtime's time.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {pick, scenario, sleep, until} from './harness.mjs';
import {answers} from './loki.mjs';

const piece = 300; // of a message, in bytes: the runtimes take 16 KiB
const streams = ['stdout', 'stderr'];

const wrap = {
    'json-file': (time, stream, text, more) =>
        JSON.stringify({log: text + (more ? '' : '\n'), stream, attrs: {tag: 'x"{}'}, time}) + '\n',
    cri: (time, stream, text, more) => `${time} ${stream} ${more ? 'P' : 'F'} ${text}\n`,
};

// What a runtime does with what a container writes: numbered messages on both streams, their pieces mixed.
class Runtime {
    constructor(file, format, name) {
        Object.assign(this, {file, format, name, count: 0, rotated: 0, messages: new Map(), open: []});
        this.fd = fs.openSync(file, 'a');
    }

    // Some hundred messages share each time.
    #time(number) {
        return new Date(this.begun + Math.floor(number / 100)).toISOString().replace('Z', '000000Z');
    }

    begun = Date.now();

    #begin(stream) {
        const number = this.count++;
        const long = number % 9 === 0 ? 2 + number % 40 : 0; // pieces
        const text = `  ${this.name} ${number} "quoted" <tag>\t\\ ü😀 ` + 'x'.repeat(long ? long * piece : number % 150) + ` end ${number}`;
        this.messages.set(text, stream);
        return {stream, rest: text, time: this.#time(number)};
    }

    // The next piece of what is open, or of something new.
    step() {
        const stream = streams[Number(Math.random() < 0.4)];
        const m = this.open.find((x) => x.stream === stream) ?? this.#begin(stream);
        const part = m.rest.length > piece + 100 ? m.rest.slice(0, piece) : m.rest;
        m.rest = m.rest.slice(part.length);
        this.open = this.open.filter((x) => x !== m);
        if (m.rest)
            this.open.push(m);
        return wrap[this.format](m.time, stream, part, m.rest !== '');
    }

    write(n) {
        let text = '';
        while (n--)
            text += this.step();
        const cut = Math.floor(Math.random() * text.length); // a write ends anywhere
        fs.writeSync(this.fd, Buffer.from(text).subarray(0, cut));
        fs.writeSync(this.fd, Buffer.from(text).subarray(cut));
    }

    finish() {
        while (this.open.length)
            fs.writeSync(this.fd, this.step());
    }

    // withinMessages: what is open goes on in the next file.
    rotate(withinMessages) {
        const suffix = this.format === 'cri' ? `2026112${this.rotated}-105009` : String(++this.rotated);
        this.rotated += this.format === 'cri';
        if (!withinMessages)
            this.finish();
        fs.renameSync(this.file, `${this.file}.${suffix}`);
        fs.closeSync(this.fd);
        this.fd = fs.openSync(this.file, 'a');
    }
}

function wrong(runtimes, loki) {
    const found = [], seen = new Map();
    for (const e of loki.entries) {
        const stream = runtimes.map((r) => r.messages.get(e.line)).find((x) => x);
        seen.set(e.line, (seen.get(e.line) ?? 0) + 1);
        if (!stream)
            found.push(`nobody wrote: ${e.line.slice(0, 60)}...${e.line.slice(-20)}`);
        else if (!e.labels.includes(`stream="${stream}"`))
            found.push(`${e.labels} instead of ${stream}: ${e.line.slice(0, 60)}`);
    }
    for (const r of runtimes)
        for (const text of r.messages.keys())
            if (seen.get(text) !== 1)
                found.push(`${seen.get(text) ?? 0} times: ${text.slice(0, 60)}`);
    return found;
}

const kills = pick({light: 6, full: 30, soak: 300});

// Files of a group, by their format; and pods' logs, by their paths, whose messages go on behind a rotation.
for (const [what, format] of [['files of json-file', 'json-file'], ['logs of pods', 'cri']]) {
    scenario(`every message in ${what} is one entry over ${kills} kills and rotations`, async (s) => {
        const pods = what === 'logs of pods';
        const loki = await s.loki((r) => r.number % 3 ? answers.slow(Math.random() * 40) : answers.storedButHanging());
        const runtimes = ['a', 'b'].map((name) => {
            const directory = pods ? s.path('pods', `shop_${name}-0_1234`, name) : path.join(s.logs, name);
            fs.mkdirSync(directory, {recursive: true});
            return new Runtime(path.join(directory, '0.log'), format, name);
        });
        const config = s.config({loki, files: {format: pods ? 'lines' : format, partial_flush: '60s', rotated_directories: []},
            lokiSink: {batch_size: '64KiB'}});
        config.monitors.containers = {enabled: pods, pods_directory: s.path('pods'), sockets: [`unix://${s.path('no.sock')}`]};
        const agent = await s.agent(config);
        let writing = true, killed = 0;
        const load = (async () => {
            for (let turn = 1; writing; turn++) {
                for (const r of runtimes)
                    r.write(1 + Math.floor(Math.random() * 40));
                const r = runtimes[turn % 2];
                // A name beyond the patterns is found again only if the file was known before.
                if (turn % 80 === 0 && !agent.gone && loki.entries.some((e) => r.messages.has(e.line)))
                    r.rotate(pods);
                await sleep(4);
            }
        })();
        try {
            while (killed < kills) {
                await sleep(100 + Math.random() * 300);
                await agent.kill();
                killed++;
                await agent.start();
            }
        } finally {
            writing = false;
            await load;
        }
        loki.answer = answers.ok;
        for (const r of runtimes)
            r.finish();
        const all = runtimes[0].messages.size + runtimes[1].messages.size;
        await until(`${all} messages are at the sink`, () => loki.entries.length >= all, 60)
            .catch((e) => console.log(`the comparison follows: ${e.message}`));
        await agent.stop();
        assert.deepEqual(wrong(runtimes, loki).slice(0, 10), []);
        assert.ok(loki.repeats > 0 && runtimes.some((r) => r.rotated > 0), `${loki.repeats} repeats`);
        if (pods)
            assert.ok(loki.entries.every((e) => /namespace="shop"/.test(e.labels) && /pod="[ab]-0"/.test(e.labels)));
        const time = runtimes[0].begun;
        assert.ok(loki.entries.every((e) => Math.abs(Number(e.time / 1000000n) - time) < 3600e3));
        console.log(`${all} messages, ${runtimes.map((r) => r.rotated)} rotations, ${loki.repeats} entries sent again`);
    });
}

scenario('a line that is not in the form is a record, and the metrics count it', async (s) => {
    const loki = await s.loki();
    fs.writeFileSync(path.join(s.logs, 'a.log'), '2026-11-21T10:00:00Z stdout F whole\nhalf a line after a power cut\n');
    const agent = await s.agent(s.config({loki, files: {format: 'cri'}}));
    await until('both are at the sink', () => loki.entries.length >= 2);
    assert.deepEqual(loki.entries.map((e) => e.line).sort(), ['half a line after a power cut', 'whole']);
    assert.match((await agent.get('/metrics')).text, /^logcap_container_log_malformed_total 1$/m);
    await agent.stop();
});
