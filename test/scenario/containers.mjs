// What scenarios of containers share that are read through an engine's API: an engine of our own (engine.mjs), a configuration that reads
// it, and what must have come of it.
import assert from 'node:assert/strict';
import {Engine} from './engine.mjs';
import {until} from './harness.mjs';

export async function engineOf(s, name = 'engine.sock') {
    const engine = await new Engine(s.path(name)).start();
    s.atEnd(() => engine.stop());
    return engine;
}

export function configOf(s, loki, engine, containers = {}, more = {}) {
    const config = s.config({loki, ...more});
    config.monitors = {files: {enabled: false}, journal: {enabled: false}, containers: {
        enabled: true, sockets: [engine.address], mode: 'api', list_interval: '1s', ...containers,
    }};
    return config;
}

export const containersOf = async (agent) => {
    const {json} = await agent.get('/containers');
    return {...json.stats, ...json};
};

export const one = async (agent, name) => (await containersOf(agent)).containers.find((c) => c.name === name);

export const labelsOf = (loki, line) => loki.entries.find((e) => e.line === line)?.labels;

// What each said is there once, and nothing else.
export function assertOnce(loki, containers) {
    const wrong = [];
    let expected = 0;
    for (const c of containers)
        for (const line of c.lines) {
            expected++;
            if (loki.lines.get(line) !== 1)
                wrong.push(`${loki.lines.get(line) ?? 0} times: ${line.slice(0, 60)}`);
        }
    assert.deepEqual(wrong.slice(0, 10), []);
    assert.equal(loki.lines.size, expected);
}

export const allThere = (loki, containers, seconds) => until(() => {
    const missing = containers.flatMap((c) => c.lines.filter((line) => !loki.lines.has(line)));
    return `all lines are at the sink; ${missing.length} are not: ${missing.slice(0, 5).join(', ').slice(0, 500)}`;
}, () => {
    const expected = containers.reduce((n, c) => n + c.lines.length, 0);
    return loki.lines.size >= expected;
}, seconds);

export async function assertAddsUp(agent) {
    const {json} = await agent.get('/sources');
    assert.equal(json.adds_up, true);
}

// An error, as an engine says it.
export function fail(res, status) {
    res.writeHead(status, {'Content-Type': 'application/json'});
    res.end('{"message":"scripted"}');
}

// The first n requests for which when(request) holds get what(response, container). Returns what says whether that is over.
export function times(engine, n, when, what) {
    engine.answer = (request, res) => {
        if (n === 0 || !when(request))
            return false;
        n--;
        what(res, [...engine.containers.values()].find((x) => request.path.includes(x.id)));
        return true;
    };
    return () => n === 0;
}

export function assertText(loki, name, expected) {
    const text = textOf(loki, name);
    assert.ok(text === expected, `${name}: ${text.length} bytes came, not the ${expected.length} that were said`);
}

export const textOf = (loki, name) => loki.entries.filter((e) => e.labels.includes(`container_name="${name}"`)).map((e) => e.line).join('');
