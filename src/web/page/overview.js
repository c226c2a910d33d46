// Is everything flowing, and what needs attention.
import {attention} from './attention.js';
import {chart} from './chart.js';
import {bar, h, put, table} from './dom.js';
import {history} from './live.js';
import {bytes, count, duration, milliseconds, percent, plural, short, time} from './units.js';

const figure = (value, label, title) => h('div', {class: 'figure', title}, h('b', null, value), h('span', null, label));

function figures(s, rates) {
    const {process, pool} = s.stats;
    const delivered = s.stats.sinks.reduce((sum, sink) => sum + sink.since_start.delivered.records, 0);
    return [
        figure(rates ? `${short(rates.linesIn)}/s` : '–', 'lines in', `${count(s.sources.read_records)} since the start`),
        figure(rates ? `${bytes(rates.bytesIn)}/s` : '–', 'bytes in', `${bytes(s.sources.read_bytes)} since the start`),
        figure(rates ? `${short(rates.linesOut)}/s` : '–', 'lines out, all sinks', `${count(delivered)} since the start`),
        figure(bytes(s.sources.lag_bytes), 'not read yet', s.sources.furthest_behind_name ?? 'nothing is behind'),
        figure(count(s.sources.total), 'sources', `${s.sources.reading} reading, ${s.sources.waiting} waiting, ${s.sources.failed} failed`),
        figure(s.dead_letters ? count(s.dead_letters.letters) : '–', 'dead letters'),
        figure(percent(pool.limit_bytes ? pool.used_bytes / pool.limit_bytes : 0), 'of the memory for records', `${bytes(pool.used_bytes)} of ${bytes(pool.limit_bytes)}`),
        figure(bytes(process.resident_bytes), 'resident memory'),
        figure(count(process.tasks), 'tasks', `${process.threads} of them are threads`),
        figure(`${count(process.fds)}`, 'descriptors', `of ${count(process.fd_limit)}`),
        figure(rates ? percent(rates.cpu) : '–', 'of a processor core'),
        figure(duration(s.stats.uptime_seconds), 'running', `version ${s.stats.version}`),
    ];
}

function stateOf(sink) {
    if (sink.failing)
        return ['bad', 'failing'];
    if (!sink.started)
        return ['bad', 'not started'];
    if (sink.breaker && sink.breaker.state !== 'closed')
        return ['bad', `breaker ${sink.breaker.state.replace('_', ' ')}`];
    return sink.lagging ? ['warn', 'catching up'] : ['good', 'delivering'];
}

function sinkRow(s, sink, rates) {
    const [kind, word] = stateOf(sink);
    const rate = rates?.sinks[sink.name];
    const latency = s.latency[sink.name];
    const retry = sink.retry_in_ms > 0 ? `, again in ${milliseconds(sink.retry_in_ms)}` : '';
    return h('tr', null,
        h('td', null, h('b', null, sink.name), sink.type === sink.name ? null : h('span', {class: 'dim'}, ` ${sink.type}`),
            sink.error ? h('div', {class: 'bad'}, `${sink.error}${retry}`) : null),
        h('td', null, h('span', {class: `pill ${kind}`}, word)),
        h('td', {class: 'n'}, rate ? `${short(rate.lines)}/s` : '–'),
        h('td', {class: 'n'}, rate ? `${bytes(rate.bytes)}/s` : '–'),
        h('td', {class: 'n'}, bytes(sink.queue_bytes), bar(sink.queue_limit ? sink.queue_bytes / sink.queue_limit : 0)),
        h('td', {class: 'n'}, count(sink.since_start.spooled.records)),
        h('td', {class: 'n'}, latency ? milliseconds(latency.p50_ms) : '–'),
        h('td', {class: 'n'}, latency ? milliseconds(latency.p99_ms) : '–'),
        h('td', {class: 'n'}, s.dead_letters?.by_sink[sink.name] ? h('a', {href: `#/letters?sink=${encodeURIComponent(sink.name)}`}, count(s.dead_letters.by_sink[sink.name])) : '0'),
        h('td', {class: 'n'}, count(sink.retries)),
        h('td', {class: 'n'}, time(sink.last_success)));
}

const sinkHeads = [['Sink'], ['State'], ['Lines', 'n'], ['Bytes', 'n'], ['Queue', 'n'], ['Lines on disk', 'n'],
    ['Latency p50', 'n'], ['p99', 'n'], ['Dead letters', 'n'], ['Retries', 'n'], ['Last success', 'n']];

export function overview(root) {
    const sentence = h('h1', null, '');
    const list = h('ul', {class: 'attention'});
    const numbers = h('div', {class: 'figures'});
    const sinks = h('div');
    const flow = chart('Lines a second', [{label: 'in', colour: 'series-1', format: short}, {label: 'out, all sinks', colour: 'series-2', format: short}]);
    const memory = chart('Memory', [{label: 'resident', colour: 'series-1', format: bytes}, {label: 'records on their way', colour: 'series-2', format: bytes}]);
    const tasks = chart('Tasks and descriptors', [{label: 'tasks', colour: 'series-1', format: count}, {label: 'descriptors', colour: 'series-4', format: count}]);
    const lag = chart('Not read yet', [{label: 'all sources', colour: 'series-1', format: bytes}]);
    put(root, sentence, list, numbers, h('h2', null, 'Sinks'), sinks, h('h2', null, 'Since this page is open, 15 minutes at most'),
        h('div', {class: 'charts'}, flow.panel, memory.panel, tasks.panel, lag.panel));
    let said = '';

    return {
        update({snapshot, rates}) {
            const found = attention(snapshot, rates);
            const words = found.length ? `${plural(found.length, 'thing needs', 'things need')} attention` : 'All is well: everything that is read is delivered.';
            const key = JSON.stringify(found);
            if (key !== said) {
                said = key;
                put(sentence, words);
                put(list, found.map(([level, text, link, since]) => h('li', {class: `note ${level}`}, text, since ? [' Since ', time(since), '.'] : null,
                    link === '#/overview' ? null : [' ', h('a', {href: link}, 'Look')])));
            }
            put(numbers, figures(snapshot, rates));
            put(sinks, table(sinkHeads, snapshot.stats.sinks.map((sink) => sinkRow(snapshot, sink, rates)), 'Sinks'));
            flow.set([history.at, history.linesIn, history.linesOut]);
            memory.set([history.at, history.resident, history.pool]);
            tasks.set([history.at, history.tasks, history.fds]);
            lag.set([history.at, history.lag]);
        },
        end() {
            for (const one of [flow, memory, tasks, lag])
                one.end();
        },
    };
}
