// An engine that speaks Docker's API over a unix socket, as far as a reader of logs asks, and misbehaves on demand.
//
//     const engine = await new Engine(s.path('engine.sock')).start();
//     const web = engine.container('web');
//     web.start();
//     web.say('one line');            // or web.say('text', {stream: 'stderr', partial: true})
//     web.die(); web.remove();
//
// engine.answer(request, response) is asked first; when it returns true it has taken the request: that is where misbehaviour is
// scripted. Later it may have it answered as usual: engine.serve(request.req, response). What is followed is in engine.follows.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';

const PIECE = 16384;

export class Container {
    constructor(engine, name, {image = 'test:1', labels = {}, tty = false, driver = 'json-file', logPath = ''} = {}) {
        Object.assign(this, {engine, name, image, labels, tty, driver, logPath});
        this.id = crypto.createHash('sha256').update(`${engine.path} ${name} ${engine.made++}`).digest('hex');
        this.state = 'created';
        this.log = [];             // {stream, time (ns), text, partial}
        this.lines = [];           // what was said as whole lines
        this.count = 0;
    }

    // Numbered lines that nobody else says.
    number(n, options) {
        for (let i = 0; i < n; i++)
            this.say(`${this.name} ${String(this.count++).padStart(6, '0')} of a container`, options);
    }

    // A line as the engine has it: in pieces of 16 KiB, all of one time. unfinished: without its line end.
    say(line, {stream = 'stdout', unfinished = false, time = this.engine.now()} = {}) {
        this.lines.push(line);
        const text = Buffer.from(line);
        for (let at = 0; at === 0 || at < text.length; at += PIECE) {
            const last = at + PIECE >= text.length;
            this.#add({stream, time, text: text.subarray(at, at + PIECE), partial: !last || unfinished});
        }
    }

    #add(message) {
        this.log.push(message);
        for (const f of this.engine.follows)
            if (f.container === this && !f.deaf)
                f.send(message);
    }

    #event(action, more = {}) {
        this.engine.event(action, this, more);
    }

    create() {
        this.#event('create');
        return this;
    }

    start() {
        this.state = 'running';
        this.#event('start');
        return this;
    }

    die() {
        this.state = 'exited';
        for (const f of [...this.engine.follows])
            if (f.container === this)
                f.end();
        this.#event('die', {exitCode: '0'});
        return this;
    }

    remove() {
        this.engine.containers.delete(this.id);
        this.#event('destroy');
    }

    // Nobody says that it is gone, and who follows its log is not told.
    vanish() {
        this.engine.containers.delete(this.id);
    }

    rename(name) {
        const oldName = `/${this.name}`;
        this.name = name;
        this.#event('rename', {oldName});
    }
}

export class Engine {
    #server;
    #sockets = new Set();
    #listeners = new Set();        // of events
    #last = 0n;

    constructor(path) {
        this.path = path;
        this.containers = new Map();
        this.follows = new Set();
        this.opened = 0;           // streams of logs
        this.requests = [];
        this.made = 0;
        this.mute = false;         // no events are heard
        this.answer = () => false;
        this.split = null;         // how frames are cut on their way, (buffer) => [buffer, ...]
        this.root = '/nonexistent';
    }

    // Nanoseconds, never the same twice.
    now() {
        const now = BigInt(Date.now()) * 1000000n;
        this.#last = now > this.#last ? now : this.#last + 1n;
        return this.#last;
    }

    get address() {
        return `unix://${this.path}`;
    }

    async start() {
        fs.rmSync(this.path, {force: true});
        this.#server = http.createServer((req, res) => this.serve(req, res));
        this.#server.keepAliveTimeout = 60000;
        this.#server.requestTimeout = 0;
        this.#server.on('connection', (socket) => {
            this.#sockets.add(socket);
            socket.on('close', () => this.#sockets.delete(socket));
            socket.on('error', () => {});
        });
        await new Promise((resolve) => this.#server.listen(this.path, resolve));
        return this;
    }

    async stop() {
        if (!this.#server?.listening)
            return;
        const closed = new Promise((resolve) => this.#server.close(resolve));
        for (const socket of this.#sockets)
            socket.destroy();
        this.follows.clear();
        this.#listeners.clear();
        await closed;
        fs.rmSync(this.path, {force: true});
    }

    get connections() {
        return this.#sockets.size;
    }

    container(name, options) {
        const c = new Container(this, name, options);
        this.containers.set(c.id, c);
        return c.create();
    }

    event(action, c, more = {}) {
        if (this.mute)
            return;
        const time = this.now();
        const line = JSON.stringify({
            status: action, id: c.id, from: c.image, Type: 'container', Action: action,
            Actor: {ID: c.id, Attributes: {...c.labels, ...more, image: c.image, name: c.name}},
            scope: 'local', time: Number(time / 1000000000n),
        }).replace(/}$/, `,"timeNano":${time}}\n`);
        for (const res of this.#listeners)
            res.write(line);
    }

    // Ends the streams of events; more are answered.
    breakEvents() {
        for (const res of this.#listeners)
            res.destroy();
        this.#listeners.clear();
    }

    // Leaves them open, and tells them nothing any more; those that are opened later are told.
    forsakeEvents() {
        this.#listeners.clear();
    }

    serve(req, res) {
        const url = new URL(req.url, 'http://engine');
        const request = {req, res, path: url.pathname.replace(/^\/v1\.\d+/, ''), query: url.searchParams};
        this.requests.push(request.path + url.search);
        res.on('error', () => {});
        if (this.answer(request, res))
            return undefined;
        const c = [...this.containers.values()].find((x) => request.path.startsWith(`/containers/${x.id}/`));
        if (request.path === '/version')
            return this.#json(res, {Version: '99.0', ApiVersion: '1.41', MinAPIVersion: '1.12', Components: [{Name: 'Engine'}]});
        if (request.path === '/info')
            return this.#json(res, {ID: `fake ${this.path}`, DockerRootDir: this.root, Driver: 'overlay2', SystemTime: new Date().toISOString()});
        if (request.path === '/events')
            return this.#events(res);
        if (request.path === '/containers/json')
            return this.#json(res, [...this.containers.values()].map((x) => ({
                Id: x.id, Names: [`/${x.name}`], Image: x.image, Labels: x.labels, State: x.state, Status: x.state,
            })));
        if (!c)
            return this.#json(res, {message: `No such container: ${request.path}`}, 404);
        if (request.path.endsWith('/json'))
            return this.#json(res, {
                Id: c.id, Name: `/${c.name}`, Created: '2020-01-01T00:00:00Z', LogPath: c.logPath,
                State: {Status: c.state, Running: c.state === 'running'},
                Config: {Image: c.image, Labels: c.labels, Tty: c.tty}, HostConfig: {LogConfig: {Type: c.driver, Config: {}}},
            });
        return this.#logs(c, request, res);
    }

    #json(res, what, status = 200) {
        res.writeHead(status, {'Content-Type': 'application/json'});
        res.end(JSON.stringify(what));
    }

    #events(res) {
        res.writeHead(200, {'Content-Type': 'application/json'});
        res.flushHeaders();
        this.#listeners.add(res);
        res.on('close', () => this.#listeners.delete(res));
    }

    encode(c, m) {
        const seconds = m.time / 1000000000n, nanos = String(m.time % 1000000000n).padStart(9, '0');
        const stamp = `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${nanos}Z `;
        const body = Buffer.concat([Buffer.from(stamp), m.text, Buffer.from(m.partial ? '' : c.tty ? '\r\n' : '\n')]);
        if (c.tty)
            return body;
        const head = Buffer.alloc(8);
        head[0] = m.stream === 'stderr' ? 2 : 1;
        head.writeUInt32BE(body.length, 4);
        return Buffer.concat([head, body]);
    }

    #logs(c, {query}, res) {
        this.opened++;
        res.writeHead(200, {'Content-Type': 'application/vnd.docker.raw-stream'});
        res.flushHeaders();
        const [sec, nano = '0'] = (query.get('since') ?? '0').split('.');
        const since = BigInt(sec) * 1000000000n + BigInt(nano.padEnd(9, '0'));
        let log = c.log.filter((m) => m.time >= since);
        if (query.get('tail'))
            log = log.slice(-Number(query.get('tail')));
        const write = (bytes) => {
            for (const piece of this.split ? this.split(bytes) : [bytes])
                res.write(piece);
        };
        for (const m of log)
            write(this.encode(c, m));
        if (query.get('follow') !== 'true' || c.state !== 'running')
            return res.end();
        const follow = {container: c, res, deaf: false, send: (m) => write(this.encode(c, m)), end: () => { this.follows.delete(follow); res.end(); }};
        this.follows.add(follow);
        res.on('close', () => this.follows.delete(follow));
        return undefined;
    }
}
