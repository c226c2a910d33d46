// A sink that speaks Loki's push API and checks what it gets. It decodes with npm's protobufjs and
// snappyjs, so nothing of it shares code with logcap.
//
// Like Loki it stores an entry once: same labels, time, line and metadata are one entry; what came
// again is counted in `repeats`. How a request is answered is scripted: `answer` is called for each
// and returns one of `answers` below, which says what is stored and what the client sees.
import http from 'node:http';
import protobuf from 'protobufjs';
import snappy from 'snappyjs';

const {root} = protobuf.parse(`
  syntax = "proto3";
  message Timestamp { int64 seconds = 1; int32 nanos = 2; }
  message LabelPair { string name = 1; string value = 2; }
  message Entry { Timestamp timestamp = 1; string line = 2; repeated LabelPair metadata = 3; }
  message Stream { string labels = 1; repeated Entry entries = 2; uint64 hash = 3; }
  message PushRequest { repeated Stream streams = 1; }
`);
const PushRequest = root.lookupType('PushRequest');

// {labels, time (ns as BigInt), line, metadata} of each entry in a request's body.
export function decode(body) {
    const push = PushRequest.decode(snappy.uncompress(body));
    const entries = [];
    for (const stream of push.streams) {
        for (const e of stream.entries) {
            const time = BigInt(e.timestamp?.seconds?.toString() ?? 0) * 1000000000n + BigInt(e.timestamp?.nanos ?? 0);
            const metadata = Object.fromEntries(e.metadata.map((p) => [p.name, p.value]));
            entries.push({labels: stream.labels, time, line: e.line, metadata});
        }
    }
    return entries;
}

// The other way round, for the sink's own test. streams: [{labels, entries: [{time, line, metadata}]}]
export function encode(streams) {
    return Buffer.from(snappy.compress(PushRequest.encode({
        streams: streams.map(({labels, entries}) => ({
            labels,
            entries: entries.map(({time, line, metadata = {}}) => ({
                timestamp: {seconds: Number(time / 1000000000n), nanos: Number(time % 1000000000n)},
                line,
                metadata: Object.entries(metadata).map(([name, value]) => ({name, value})),
            })),
        })),
    }).finish()));
}

const send = (status, body = '', headers = {}) => (res) => {
    res.writeHead(status, headers);
    res.end(body);
};
const all = (entries) => entries;
const none = () => [];

// Each: {stores: which of the entries are kept, reply(res)}.
export const answers = {
    ok: () => ({stores: all, reply: send(204)}),
    status: (status, body = 'scripted', headers = {}) => ({stores: none, reply: send(status, body, headers)}),
    throttled: (seconds) => ({stores: none, reply: send(429, 'slow down', {'Retry-After': String(seconds)})}),
    // A limit on one stream: part of the request was taken, all of it is to come again.
    partlyThrottled: () => ({stores: (e) => e.slice(0, e.length / 2), reply: send(429, 'per stream limit')}),
    tooLarge: (limit) => ({
        stores: (e, request) => request.bytes > limit ? [] : e,
        reply: (res, request) => send(request.bytes > limit ? 413 : 204)(res),
    }),
    // Per entry, as Loki does: the valid ones are stored, then 400 with messages that name nobody.
    refusing: (bad) => ({
        stores: (e) => e.filter((x) => !bad(x)),
        reply: (res, request) => {
            const n = request.entries.filter(bad).length;
            send(n ? 400 : 204, n ? `${n} errors like: entry for stream has timestamp too old` : '')(res);
        },
    }),
    policy: () => ({stores: none, reply: send(260, 'blocked by ingestion policy')}),
    hang: () => ({stores: none, reply: () => {}}),
    storedButHanging: () => ({stores: all, reply: () => {}}),
    reset: () => ({stores: none, reply: (res) => res.socket.destroy()}),
    storedButReset: () => ({stores: all, reply: (res) => res.socket.destroy()}),
    slow: (ms) => ({stores: all, reply: (res) => setTimeout(send(204), ms, res)}),
    garbage: () => ({
        stores: none,
        reply: (res) => {
            res.socket.write('\x00\xff\x17 this is not HTTP \r\n\r\n');
            res.socket.end();
        },
    }),
    endless: (status) => ({
        stores: status < 300 ? all : none,
        reply: (res) => {
            const block = Buffer.alloc(65536, 'x');
            res.writeHead(status);
            const more = () => {
                while (!res.destroyed && res.write(block));
            };
            res.on('drain', more);
            more();
        },
    }),
};

export class Loki {
    #server;
    #sockets = new Set();
    #seen = new Set();

    constructor(answer = answers.ok) {
        this.answer = answer;
        this.entries = [];          // in the order in which they were stored
        this.lines = new Map();     // line: how many entries have it
        this.repeats = 0;           // entries that came again, byte for byte
        this.requests = 0;
        this.unanswered = 0;        // requests of which something came, and that have no answer yet
        this.faults = [];           // what no client may do, as sentences
    }

    async start(port = 0) {
        this.#server = http.createServer((req, res) => this.#serve(req, res));
        this.#server.on('connection', (socket) => {
            this.#sockets.add(socket);
            socket.on('close', () => this.#sockets.delete(socket));
            socket.on('error', () => {});
        });
        await new Promise((resolve, reject) => {
            this.#server.once('error', reject);
            this.#server.listen(port, '127.0.0.1', resolve);
        });
        this.port = this.#server.address().port;
        return this;
    }

    // The port is free again afterwards, so that start(port) brings the same sink back.
    async stop() {
        if (!this.#server?.listening)
            return;
        const closed = new Promise((resolve) => this.#server.close(resolve));
        for (const socket of this.#sockets)
            socket.destroy();
        await closed;
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    #serve(req, res) {
        const chunks = [];
        this.unanswered++;
        res.on('close', () => { this.unanswered--; });
        req.on('error', () => {});
        res.on('error', () => {});
        req.on('data', (chunk) => chunks.push(chunk));
        req.on('end', () => {
            const body = Buffer.concat(chunks);
            this.requests++;
            if (req.method !== 'POST' || req.url !== '/loki/api/v1/push') {
                this.faults.push(`${req.method} ${req.url}`);
                return send(404)(res);
            }
            const request = {headers: req.headers, bytes: body.length, number: this.requests};
            try {
                request.entries = decode(body);
            } catch (e) {
                this.faults.push(`a body of ${body.length} bytes that cannot be decoded: ${e.message}`);
                return send(400)(res);
            }
            const {stores, reply} = this.answer(request);
            this.#store(stores(request.entries, request));
            reply(res, request);
        });
    }

    #store(entries) {
        for (const e of entries) {
            if (!/^\{([a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"(, )?)+\}$/.test(e.labels))
                this.faults.push(`labels that Loki does not take: ${e.labels}`);
            const key = JSON.stringify([e.labels, String(e.time), e.line, Object.entries(e.metadata).sort()]);
            if (this.#seen.has(key)) {
                this.repeats++;
                continue;
            }
            this.#seen.add(key);
            this.entries.push(e);
            this.lines.set(e.line, (this.lines.get(e.line) ?? 0) + 1);
        }
    }
}
