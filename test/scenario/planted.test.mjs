// The detector as a product: an agent that knows how to leak (test/tools/planted.c), and what is named of that.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {binary, command, scenario, sleep, until} from './harness.mjs';
import {finding, leaks, quick, webhook} from './leaks.mjs';

const program = path.join(path.dirname(binary), 'logcap-planted');
const options = {skip: !fs.existsSync(program) && 'needs the agent that leaks'};
const SAMPLES = 15;

async function planted(s, config = {}) {
    const file = s.path('leak');
    const plant = (text) => fs.writeFileSync(file, text);
    plant('');
    const agent = await s.agent(s.config({local: true, ...quick, ...config}), {program, env: {LEAK: file}});
    return {agent, plant};
}

const pointsOf = async (agent, series) =>
    (await agent.get(`/leaks/history?series=${encodeURIComponent(series)}&step=1`)).json.points;
const verdictOf = async (agent, series) => (await leaks(agent)).series.find((one) => one.name === series);
const grows = (one) => ['growing', 'leaking'].includes(one?.verdict);

// Waits for a while in which the series is clean. Returns when that ended, and what is four sigma above.
async function seenClean(agent, series) {
    await until(`${series} has been clean for a while`, async () => {
        const one = await verdictOf(agent, series);
        return one && one.baseline !== null && !grows(one) && (await pointsOf(agent, series)).length >= SAMPLES + 5;
    }, 300);
    const clean = (await pointsOf(agent, series)).slice(-SAMPLES);
    const mean = clean.reduce((sum, [, value]) => sum + value, 0) / clean.length;
    const sigma = Math.sqrt(clean.reduce((sum, [, value]) => sum + (value - mean) ** 2, 0) / (clean.length - 1));
    return {series, end: clean.at(-1)[0], high: mean + 4 * sigma};
}

// Waits until it is named, and returns at which sample that was, counted from the first that is four sigma above what is clean.
async function samplesUntilNamed(agent, {series, end, high}) {
    await until(`${series} is named`, async () => grows(await verdictOf(agent, series)), 300);
    const since = (await pointsOf(agent, series)).filter(([time]) => time > end);
    const first = since.findIndex(([, value]) => value > high);
    assert.ok(first >= 0, `${series} was named before it was four sigma above`);
    return since.length - first;
}

// What came in two seconds, by stack.
const grown = async (agent, profile) => (await agent.get(`/debug/pprof/${profile}?format=json&seconds=2`)).json.groups;

const linesOf = (group) => group.stack.map((frame) => (typeof frame === 'string' ? frame : `${frame.function} ${frame.file}:${frame.line}`)).join(' < ');

scenario('one task more than there may be of its kind is named at once: a leak of one in five minutes', async (s) => {
    const hook = await webhook(s);
    const {agent, plant} = await planted(s, {task_tracking: {check_interval: '1s', alert_webhook: hook.url}});
    s.writer('a.log').write(10);
    await until('a reader is there', async () => (await verdictOf(agent, 'tasks:file_reader'))?.current === 1);
    plant('reader 300000');
    const begun = Date.now();
    await until('it is found', () => finding(agent, 'tasks:file_reader'), 300);
    const found = await finding(agent, 'tasks:file_reader');
    assert.equal(found.exact, true);
    assert.match(found.text, /^2 tasks of the kind file_reader run where at most 1 are expected$/);
    await until('it is posted', () => hook.posted.length > 0, 300);
    assert.ok(Date.now() - begun < 60000, 'within a minute');
    const {json} = hook.posted[0];
    assert.equal(json.series, 'tasks:file_reader');
    assert.ok(json.stacks.some((one) => /planted_task\+0x\w+ \S*planted\.c:\d+/.test(one.stack.join(' '))), JSON.stringify(json.stacks));
    await agent.stop();
}, options);

scenario('a task without a sign of life is named with the place where it began', async (s) => {
    const {agent, plant} = await planted(s);
    plant('hang');
    const begun = Date.now();
    await until('it is found', () => finding(agent, 'tasks:planted_beating'), 300);
    assert.ok(Date.now() - begun < 60000, 'within a minute');
    const found = await finding(agent, 'tasks:planted_beating');
    assert.equal(found.exact, true);
    assert.match(found.text, /^the task "never ends" has given no sign of life for \d+ s while it runs; started at planted_task/);
    await until('the log has file and line', () => /\[planted_task\+0x\w+ \S+planted\.c:\d+\]/.test(agent.stderr), 60);
    await agent.stop();
}, options);

scenario('each of three leaks at once is named, by kind or owner and by place: 31 tasks a minute that never end, a map that grows, ' +
    'leases that are never returned', async (s) => {
    const hook = await webhook(s);
    const {agent, plant} = await planted(s, {task_tracking: {check_interval: '1s', leak_threshold: 10, alert_webhook: hook.url}});
    const w = s.writer('a.log');
    let writing = true;
    const load = (async () => {
        for (; writing; await sleep(100))
            w.write(1);
    })();
    try {
        const clean = await Promise.all(['tasks:planted', 'arena:planted map', 'things:lease'].map((series) => seenClean(agent, series)));
        plant('task 1935\nmap 200\nlease 2\n');
        await Promise.all(clean.map(async (one) => {
            const samples = await samplesUntilNamed(agent, one);
            assert.ok(samples <= SAMPLES, `${one.series}: it took ${samples} samples`);
        }));
        const entry = (await grown(agent, 'blocks')).find((one) => one.oldest === 'entry');
        assert.ok(entry.space >= entry.blocks * 4096, JSON.stringify(entry));
        assert.match(linesOf(entry), /planted_entry \S*planted\.c:\d+/);
        const lease = (await grown(agent, 'things')).find((one) => one.kind === 'lease');
        assert.match(linesOf(lease), /^reading_give \S+\/src\/in\/files\/reading\.c:\d+/);
        const {slope_per_min: slope} = await verdictOf(agent, 'tasks:planted');
        assert.ok(slope > 10 && slope < 100, `${slope} a minute`);
        await until('and what is over the threshold is an alert', () => hook.posted.some(({json}) => json.series === 'tasks:unexpected'), 300);
    } finally {
        writing = false;
        await load;
    }
    const {json} = hook.posted.find((one) => one.json.series === 'tasks:unexpected');
    assert.match(json.stacks[0].stack.join(' '), /planted_task\+0x\w+ \S*planted\.c:\d+/);
    assert.ok(json.stacks[0].kind === 'planted' && json.stacks[0].grown >= 10, JSON.stringify(json.stacks[0]));
    await agent.kill();
}, options);

// What no test can wait for is replayed: two and a quarter days at 30 s, a leak from the sixth hour on. The noise is the same in each run.
function recorded(s, name, base, sigma, perHour, round) {
    const BEGIN = 1700000000, STEP = 30, HOURS = 54, FROM = 6;
    let seed = 1;
    const uniform = () => (seed = (seed * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
    const noise = () => Array.from({length: 12}, uniform).reduce((sum, x) => sum + x) - 6;
    const rows = Array.from({length: HOURS * 3600 / STEP}, (_, i) => {
        const value = base + sigma * noise() + perHour * Math.max(0, i * STEP / 3600 - FROM);
        return `${BEGIN + i * STEP},${round ? Math.round(value) : value}`;
    });
    const first = Math.ceil((FROM + 4 * sigma / perHour) * 3600 / STEP);
    return (samples) => {
        const file = s.path(name);
        fs.writeFileSync(file, ['time,value', ...rows.slice(0, samples === undefined ? undefined : first + samples)].join('\n'));
        return [file, BEGIN + FROM * 3600];
    };
}

for (const [what, kind, base, sigma, perHour, round] of [
    ['a heap drip of 100 MB a day', 'memory', 40e6, 2e5, 100e6 / 24, false],
    ['31 tasks a minute', 'tasks', 60, 1.5, 31 * 60, true],
    ['one task in five minutes', 'tasks', 60, 1.5, 12, true],
])
    scenario(`replayed: ${what}`, async (s) => {
        const series = recorded(s, 'series.csv', base, sigma, perHour, round);
        const judged = (samples) => {
            const [file, from] = series(samples);
            const done = command(['leaks', 'replay', file, '--kind', kind, '--json']);
            assert.equal(done.code, 0, done.stderr);
            return {...JSON.parse(done.stdout), from};
        };
        // Nothing before; fifteen samples of it are growth; four hours are a leak, and behind eighteen somebody is told.
        assert.equal(judged(-Math.ceil(4 * sigma / perHour * 120) - 1).verdict, 'steady');
        assert.equal(judged(15).verdict, 'growing');
        const leak = judged(4 * 120);
        assert.equal(leak.verdict, 'leaking');
        assert.ok(Math.abs(leak.since - leak.from) < 3600, `since ${leak.since}, not ${leak.from}`);
        const end = judged();
        assert.equal(end.verdict, 'leaking');
        assert.ok(Math.abs(end.slope_per_min * 60 - perHour) < perHour / 20, `${end.slope_per_min} a minute`);
        assert.ok(end.first_alert > end.from && end.first_alert < end.from + 20 * 3600);
    });
