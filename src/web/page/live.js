// The snapshots: one a second while the page is seen. A page in the background lets go, so that it costs nothing, and neither
// takes one of the few connections that a browser has for a host.
const kept = 900; // snapshots: fifteen minutes

const followers = new Set();
let source = null;
let previous = null;

// What charts show: columns of numbers, a row a second.
export const history = {at: [], linesIn: [], linesOut: [], bytesIn: [], lag: [], pool: [], resident: [], tasks: [], fds: []};
export const live = {snapshot: null, rates: null, state: 'connecting'};

const total = (snapshot, of) => snapshot.stats.sinks.reduce((sum, sink) => sum + of(sink), 0);

// Per second, since the snapshot before. null: there is none to compare with.
function ratesOf(now, before) {
    const seconds = before ? (now.at - before.at) / 1000 : 0;
    if (!(seconds > 0) || now.stats.uptime_seconds < before.stats.uptime_seconds)
        return null;
    const rate = (of) => Math.max(0, (of(now) - of(before)) / seconds);
    const sinks = {};
    now.stats.sinks.forEach((sink, i) => {
        const was = before.stats.sinks[i];
        if (was?.name === sink.name)
            sinks[sink.name] = {
                lines: (sink.since_start.delivered.records - was.since_start.delivered.records) / seconds,
                bytes: (sink.since_start.delivered.bytes - was.since_start.delivered.bytes) / seconds,
            };
    });
    return {
        linesIn: rate((s) => s.sources.read_records), bytesIn: rate((s) => s.sources.read_bytes),
        linesOut: rate((s) => total(s, (sink) => sink.since_start.delivered.records)),
        bytesOut: rate((s) => total(s, (sink) => sink.since_start.delivered.bytes)),
        cpu: rate((s) => s.stats.process.cpu_seconds), sinks,
    };
}

function remember(snapshot, rates) {
    const row = {
        at: snapshot.at / 1000, linesIn: rates?.linesIn ?? null, linesOut: rates?.linesOut ?? null, bytesIn: rates?.bytesIn ?? null,
        lag: snapshot.sources.lag_bytes, pool: snapshot.stats.pool.used_bytes, resident: snapshot.stats.process.resident_bytes,
        tasks: snapshot.stats.process.tasks, fds: snapshot.stats.process.fds,
    };
    for (const [name, column] of Object.entries(history)) {
        column.push(row[name]);
        if (column.length > kept)
            column.shift();
    }
}

function tell() {
    for (const follower of followers)
        follower(live);
}

function close(state) {
    source?.close();
    source = null;
    live.state = state;
}

function open() {
    if (source)
        return;
    live.state = 'connecting';
    source = new EventSource('live');
    source.addEventListener('snapshot', (event) => {
        const snapshot = JSON.parse(event.data);
        live.rates = ratesOf(snapshot, previous) ?? live.rates;
        remember(snapshot, live.rates);
        live.snapshot = previous = snapshot;
        live.state = 'live';
        tell();
    });
    source.addEventListener('error', () => {
        live.state = 'lost';
        // Refused for good (too many follow, or it restarts): the browser does not try again by itself.
        if (source.readyState === EventSource.CLOSED) {
            close('lost');
            setTimeout(() => document.hidden || open(), 3000);
        }
        tell();
    });
}

export function follow(fn) {
    followers.add(fn);
    if (live.snapshot)
        fn(live);
    return () => followers.delete(fn);
}

export function start() {
    document.addEventListener('visibilitychange', () => {
        if (document.hidden)
            close('paused');
        else
            open();
    });
    open();
}
