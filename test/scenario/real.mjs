// Real engines, started here: their own sockets, data and run directories, no network, images from a static busybox. What they mount they
// mount in a namespace of their own, which ends with them.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {until} from './harness.mjs';

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`], {env: {...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`}}).status === 0;

// Why the engine cannot be started here, or false. With CI set nothing is skipped: then it fails.
export function missing(engine) {
    const why = process.getuid() !== 0 ? 'only root can start an engine'
        : [{docker: 'dockerd', podman: 'podman'}[engine], 'runc', 'busybox', 'unshare'].filter((p) => !has(p)).map((p) => `${p} is not installed (tools/setup test)`)[0];
    if (why && process.env.CI)
        throw new Error(why);
    return why ?? false;
}

export class RealEngine {
    constructor(kind, directory) {
        this.kind = kind;
        this.directory = directory;
        this.socket = path.join(directory, `${kind}.sock`);
        this.address = `unix://${this.socket}`;
        fs.mkdirSync(directory, {recursive: true});
    }

    #command() {
        const at = (name) => path.join(this.directory, name);
        if (this.kind === 'docker')
            return ['dockerd', '--iptables=false', '--ip6tables=false', '--bridge=none', '-H', this.address, '--data-root', at('root'),
                '--exec-root', at('exec'), '--pidfile', at('pid'), '--storage-driver', 'vfs', '--log-level', 'warn'];
        fs.writeFileSync(at('containers.conf'), '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nnetns = "host"\n' +
            'log_driver = "k8s-file"\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n');
        return ['podman', '--root', at('root'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs', 'system', 'service',
            '-t', '0', this.address];
    }

    async start() {
        this.process = spawn('unshare', ['-m', '--propagation', 'private', ...this.#command()], {
            // Podman leaves each imported image in TMPDIR.
            env: {...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, TMPDIR: this.directory,
                CONTAINERS_CONF: path.join(this.directory, 'containers.conf')},
            stdio: ['ignore', 'ignore', 'pipe'],
        });
        this.said = '';
        this.process.stderr.on('data', (data) => { this.said += data; });
        this.exited = new Promise((resolve) => this.process.on('close', resolve));
        this.process.on('close', () => { this.gone = true; });
        this.gone = false;
        await until(`${this.kind} answers`, async () => {
            assert.ok(!this.gone, `${this.kind} ended at its start:\n${this.said}`);
            return (await this.ask('GET', '/version').catch(() => null))?.status === 200;
        }, 60);
        return this;
    }

    async stop() {
        if (this.gone)
            return;
        this.process.kill('SIGTERM');
        await this.exited;
    }

    // Removes what runs, then the engine and its directory.
    async end() {
        if (this.gone)
            await this.start().catch(() => {});
        for (const c of (await this.ask('GET', '/containers/json?all=true').catch(() => ({json: []}))).json ?? [])
            await this.ask('DELETE', `/containers/${c.Id}?force=true`).catch(() => {});
        await this.stop();
    }

    ask(method, where, body, type = 'application/json') {
        return new Promise((resolve, reject) => {
            const req = http.request({socketPath: this.socket, agent: false, method, path: `/v1.40${where}`, headers: body ? {'Content-Type': type} : {}}, (res) => {
                const chunks = [];
                res.on('data', (c) => chunks.push(c));
                res.on('error', reject);
                res.on('end', () => {
                    const text = Buffer.concat(chunks).toString();
                    let json;
                    try {
                        json = JSON.parse(text);
                    } catch {
                        // some answers are text, or several values
                    }
                    resolve({status: res.statusCode, text, json});
                });
            });
            req.on('error', reject);
            req.end(body);
        });
    }

    // An image with nothing but busybox.
    async image() {
        const at = path.join(this.directory, 'image');
        fs.mkdirSync(path.join(at, 'bin'), {recursive: true});
        const busybox = spawnSync('sh', ['-c', 'command -v busybox'], {encoding: 'utf8'}).stdout.trim();
        fs.copyFileSync(busybox, path.join(at, 'bin/busybox'));
        for (const name of ['sh', 'echo', 'sleep', 'head', 'tr', 'printf', 'seq', 'usleep'])
            fs.symlinkSync('busybox', path.join(at, 'bin', name));
        const tar = spawnSync('tar', ['-C', at, '-c', '.'], {maxBuffer: 64 << 20});
        const made = await this.ask('POST', '/images/create?fromSrc=-', tar.stdout, 'application/x-tar');
        this.imageId = /sha256:[0-9a-f]{64}/.exec(made.text)[0];
    }

    // Runs a script in a container; it is there, and runs, when this returns.
    async run(name, script, {tty = false, labels = {}, remove = false, driver} = {}) {
        const made = await this.ask('POST', `/containers/create?name=${name}`, JSON.stringify({
            Image: this.imageId, Cmd: ['/bin/sh', '-c', script], Tty: tty, Labels: labels, StopSignal: 'SIGKILL',
            HostConfig: {NetworkMode: 'host', AutoRemove: remove, ...(driver ? {LogConfig: {Type: driver}} : {})},
        }));
        assert.equal(made.status, 201, made.text);
        const started = await this.ask('POST', `/containers/${made.json.Id}/start`);
        assert.ok(started.status === 204 || started.status === 304, started.text);
        return made.json.Id;
    }
}
