// Runs the real binary (environment LOGCAP, else build/logcap) as users do, and sees that it ends well.
//
//     scenario('what must hold', async (s) => {
//         const agent = await s.agent({...configuration...});
//         ...
//         await agent.stop();   // exit code 0 and nothing left alive, or the test fails
//     });
//
// Each scenario has a directory, ports and a Loki of its own; whatever it started is ended with it. Of
// a failed one the agents' last messages are printed. SCENARIO is light, full or soak: pick() takes the count.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Loki} from './loki.mjs';
import {Writer} from './writer.mjs';

export const binary = process.env.LOGCAP ?? fileURLToPath(new URL('../../build/logcap', import.meta.url));
export const sanitized = Boolean(process.env.LOGCAP_SANITIZER);

// Deadlines are for a normal build on a normal machine, five times what is usual; sanitizers take more.
export const patience = sanitized ? 10 : 1;
const longest = 240; // seconds of patience, so that what is waited for is said before the scenario is ended

export function pick({light, full, soak}) {
    return {light, full, soak}[process.env.SCENARIO ?? 'full'];
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until what() is true; fails after `seconds` and says what it was waiting for: a sentence, or what makes one then.
// What it looks into may not be there yet (a TypeError): then it is not true yet.
export async function until(sentence, what, seconds = 30) {
    const limit = Math.max(seconds, Math.min(seconds * patience, longest)), end = Date.now() + limit * 1000;
    for (;;) {
        let absent = '';
        try {
            if (await what())
                return;
        } catch (error) {
            if (!(error instanceof TypeError))
                throw error;
            absent = ` (${error.message})`;
        }
        if (Date.now() > end)
            assert.fail(`waited ${limit} s until ${typeof sentence === 'function' ? sentence() : sentence}${absent}`);
        await sleep(20);
    }
}

async function freePort() {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const {port} = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

export function canMount() {
    const place = fs.mkdtempSync('/tmp/logcap-mount-');
    const mounted = spawnSync('mount', ['-t', 'tmpfs', 'logcap-test', place]).status === 0;
    if (mounted)
        spawnSync('umount', [place]);
    fs.rmdirSync(place);
    return mounted;
}

// What became of a.log at the only sink. /sources has the API's account too, and its order says nothing.
const account = async (agent) =>
    (await agent.get('/sources')).json.sources.find((x) => x.name.endsWith('a.log'))?.sinks[0];

// Runs a command of the binary that ends by itself: {code, stdout, stderr}.
// The path of a program of a Debian package that is not to be installed here.
export function unpacked(debian, program) {
    const tool = fileURLToPath(new URL('../../tools/unpacked', import.meta.url));
    const found = spawnSync(tool, [debian, program], {encoding: 'utf8'});
    assert.equal(found.status, 0, found.stderr);
    return found.stdout.trim();
}

export function command(args, env = {}) {
    const done = spawnSync(binary, args,
        {encoding: 'utf8', timeout: 20000 * patience, env: {...process.env, ...env}});
    return {code: done.status, stdout: done.stdout, stderr: done.stderr};
}

export class Agent {
    // server: more of that section; with TLS it is asked whether it is ready on the metrics' port.
    // through: a command with its arguments that ends in exec of what follows it, such as prlimit.
    // program: another than the binary.
    constructor(directory, config, {env = {}, args, through = [], server = {}, program = binary} = {}) {
        this.directory = directory;
        this.config = config;
        this.env = env;
        this.args = args;
        this.through = through;
        this.server = server;
        this.program = program;
        this.stderr = '';
    }

    // Starts and waits until sources are being read. A second start() is a restart: same state.
    async start() {
        if (!this.port) {
            this.port = await freePort();
            this.metricsPort = await freePort();
            this.profilingPort = await freePort();
        }
        // JSON is YAML.
        this.file = path.join(this.directory, 'config.yaml');
        fs.writeFileSync(this.file, JSON.stringify({
            state_dir: path.join(this.directory, 'state'),
            server: {port: this.port, ...this.server},
            metrics: {port: this.metricsPort},
            observability: {profiling: {port: this.profilingPort}},
            ...this.config,
        }, null, 1));
        const begun = Date.now();
        const [program, ...rest] = [...this.through, this.program, ...(this.args ?? ['run', '-c', this.file])];
        this.process = spawn(program, rest,
            {env: {...process.env, ...this.env}, stdio: ['ignore', 'pipe', 'pipe']});
        this.exited = new Promise((resolve) => {
            this.process.on('close', (code, signal) => resolve({code, signal}));
        });
        this.gone = false;
        this.exited.then(() => { this.gone = true; });
        this.process.stderr.on('data', (data) => { this.stderr += data; });
        this.process.stdout.on('data', (data) => { this.stdout = (this.stdout ?? '') + data; });
        await until('the agent is ready', async () => {
            assert.ok(!this.gone, `the agent ended at its start:\n${this.stderr}`);
            return (await (this.server.tls ? this.get('/health', {}, this.metricsPort) : this.get('/ready')).catch(() => null))?.status === 200;
        }, 10);
        this.startTook = Date.now() - begun;
        return this;
    }

    // {status, text, json}
    async get(where, options = {}, port = this.port) {
        const response = await fetch(`http://127.0.0.1:${port}${where}`,
            {signal: AbortSignal.timeout(5000 * patience), ...options});
        const text = await response.text();
        let json;
        try {
            json = JSON.parse(text);
        } catch {
            // some answers are text
        }
        return {status: response.status, text, json};
    }

    #assertSound() {
        for (const bad of [/ERROR: (Address|Leak)Sanitizer/, /WARNING: ThreadSanitizer/, /runtime error:/,
            /Assertion .* failed/, /^census:/m])
            assert.doesNotMatch(this.stderr, bad);
    }

    // Asks it to end: exit code 0, an empty tree, and in time. Returns how long it took, in ms.
    async stop(signal = 'SIGTERM') {
        const begun = Date.now();
        this.process.kill(signal);
        // Its timer must not keep the test runner waiting once the agent is gone.
        const late = new Promise((resolve) => setTimeout(resolve, 20000 * patience, null).unref());
        const end = await Promise.race([this.exited, late]);
        assert.ok(end, 'the agent did not end');
        this.#assertSound();
        assert.deepEqual(end, {code: 0, signal: null}, this.stderr.slice(-4000));
        return Date.now() - begun;
    }

    // Kills it without a word.
    async kill() {
        if (!this.gone)
            this.process.kill('SIGKILL');
        const end = await this.exited;
        this.#assertSound();
        assert.equal(end.signal, 'SIGKILL', `it had ended before: ${JSON.stringify(end)}\n${this.stderr.slice(-4000)}`);
    }
}

class Scenario {
    #agents = [];
    #lokis = [];
    #ends = [];

    constructor() {
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'logcap-scenario-'));
        this.logs = path.join(this.directory, 'logs');
        fs.mkdirSync(this.logs);
    }

    path(...parts) {
        return path.join(this.directory, ...parts);
    }

    writer(name, options) {
        return new Writer(path.join(this.logs, name), options);
    }

    async loki(answer) {
        const loki = await new Loki(answer).start();
        this.#lokis.push(loki);
        return loki;
    }

    // A configuration that reads the scenario's logs and delivers to the sinks given, at low latency.
    config({loki, local, files = {}, ...more} = {}) {
        const sinks = {};
        if (loki)
            sinks.loki = {url: loki.url, batch_timeout: '50ms', backoff_min: '50ms', backoff_max: '500ms',
                timeout: '2s', labels: {host: 'here'}, circuit_breaker: {cooldown: '50ms', max_cooldown: '500ms'},
                ...more.lokiSink};
        if (local)
            sinks.local_file = {directory: this.path('out'), ...(local === true ? {} : local)};
        delete more.lokiSink;
        return {
            monitors: {
                files: {paths: [path.join(this.logs, '**', '*.log')], scan_interval: '500ms',
                    labels: {job: 'test'}, ...files},
                journal: {enabled: false},
                containers: {enabled: false},
            },
            sinks,
            ...more,
        };
    }

    // Made, not started: for those who want to see it fail.
    newAgent(config, options) {
        const agent = new Agent(this.directory, config, options);
        this.#agents.push(agent);
        return agent;
    }

    async agent(config, options) {
        return this.newAgent(config, options).start();
    }

    atEnd(fn) {
        this.#ends.push(fn);
    }

    async end(failed) {
        for (const agent of this.#agents) {
            if (agent.process && !agent.gone) {
                agent.process.kill('SIGKILL');
                await agent.exited;
            }
            if (failed && agent.stderr)
                console.log(`the agent said:\n${agent.stderr.split('\n').slice(-60).join('\n')}`);
        }
        for (const loki of this.#lokis) {
            await loki.stop();
            if (!failed)
                assert.deepEqual(loki.faults, []);
        }
        for (const fn of this.#ends.reverse())
            await fn();
        fs.rmSync(this.directory, {recursive: true, force: true});
    }
}

export function scenario(name, body, options = {}) {
    test(name, {timeout: 600000, ...options}, async () => {
        const s = new Scenario();
        let failed = true;
        try {
            await body(s);
            failed = false;
        } finally {
            await s.end(failed);
        }
    });
}
