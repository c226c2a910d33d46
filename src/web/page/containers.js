// The containers that are known: how each is read, or why not; and their engines.
import {get} from './ask.js';
import {h, note, put, table} from './dom.js';
import {bytes, count, plural, short, time} from './units.js';

const shown = 300;
const states = {running: 'good', restarting: 'warn', dead: 'bad', paused: 'warn'};
const modes = {file: 'its log file', api: "the engine's API", none: 'not read', undecided: 'not decided yet'};

// What its row says in one word, and whether that is as it should be.
function reading(one) {
    if (one.mode === 'none')
        return h('span', {class: 'dim'}, 'not read');
    return one.reading ? h('span', {class: 'good'}, 'read') : h('span', {class: 'warn'}, 'waits');
}

function lag(one) {
    if (one.lag_bytes === null)
        return h('span', {class: 'dim', title: 'An engine does not tell how much it has'}, '–');
    return one.lag_bytes ? h('span', {class: 'warn'}, bytes(one.lag_bytes)) : '0 B';
}

function details(one) {
    const facts = [['Id', one.id], ['Image', one.image || '–'], ['Engine', one.engine], ['Read from', modes[one.mode] ?? one.mode],
        [one.reading && one.mode === 'file' ? 'Log file' : 'Says', one.detail || '–'],
        ['Streams opened', one.mode === 'api' ? `${count(one.streams_opened)}, of these ${count(one.rotations)} to rotate and ${count(one.stalls)} because one had stalled` : '–'],
        ['Bytes read', bytes(one.bytes)]];
    const source = one.mode === 'file' ? one.detail : one.name;
    return h('tr', {class: 'open'}, h('td', {colspan: '9'},
        h('dl', null, facts.map(([name, value]) => [h('dt', null, name), h('dd', {class: 'mono'}, value)])),
        one.mode === 'none' || !source ? null : h('p', null, h('a', {href: `#/sources?q=${encodeURIComponent(source)}`}, 'Its ledger'), ' · ',
            h('a', {href: `#/tail?sources=${encodeURIComponent(source)}`}, 'Follow its lines'))));
}

const heads = [['Container'], ['State'], ['Read'], ['Lines', 'n'], ['Lines read', 'n'], ['Behind', 'n'], ['Rotations', 'n'], ['Last line', 'n'], ['Why not, or where']];

function engines(got) {
    return got.engines.map((one) => {
        const version = one.version ? ` ${one.version}, API 1.${one.api_minor}` : '';
        if (one.state === 'up')
            return h('p', {class: 'dim'}, `${one.address} answers:${version || ' up'}, ${plural(one.containers, 'container')}.`);
        return one.state === 'twin' ? h('p', {class: 'dim'}, `${one.address} rests: ${one.error}.`)
            : note('warn', `${one.address} does not answer: ${one.error ?? one.state}. It is tried again; what its containers say meanwhile is read then, as far as it keeps it.`);
    });
}

// A part of the view of sources. open: the keys of rows that are; toggle(key). load(text) shows those with the text in their name.
export function containers(root, open, toggle) {
    let before = new Map();

    function row(one, rate) {
        const key = `container:${one.id}`;
        return h('tr', {class: 'row', onclick: () => toggle(key)},
            h('td', {class: 'name'}, h('button', {class: 'plain', type: 'button', 'aria-expanded': String(open.has(key))}, one.name || one.id.slice(0, 12))),
            h('td', null, h('span', {class: states[one.state] ?? 'dim'}, one.state || 'not known yet')),
            h('td', null, reading(one)),
            h('td', {class: 'n'}, rate === null ? '–' : `${short(rate)}/s`),
            h('td', {class: 'n'}, count(one.records)), h('td', {class: 'n'}, lag(one)),
            h('td', {class: 'n'}, count(one.rotations)), h('td', {class: 'n'}, time(one.last_read)),
            h('td', {class: 'why'}, one.detail || modes[one.mode]));
    }

    // Refused: the error is thrown.
    return async function load(text) {
        const got = await get(`containers?limit=${shown}&q=${encodeURIComponent(text)}`);
        const now = Date.now();
        const seen = new Map();
        const rows = got.containers.flatMap((one) => {
            const last = before.get(one.id);
            seen.set(one.id, {now, records: one.records});
            const rate = last && now > last.now ? Math.max(0, one.records - last.records) / ((now - last.now) / 1000) : null;
            return [row(one, rate), ...(open.has(`container:${one.id}`) ? [details(one)] : [])];
        });
        before = seen;
        if (!got.engines.length) {
            put(root);
            return;
        }
        const unread = got.containers.filter((one) => one.mode !== 'none' && !one.reading && one.state === 'running').length;
        put(root, h('h2', null, `${plural(got.total, 'container')}${text ? ` with "${text}"` : ''}${got.total > shown ? `; the first ${shown} are shown` : ''}`), engines(got),
            got.stats.waiting ? note('warn', `${plural(got.stats.waiting, 'container')} wait for a connection: max_connections is the budget of an engine.`) : null,
            unread ? note('warn', `${plural(unread, 'container')} that run ${unread === 1 ? 'is' : 'are'} not read now; the last column says why.`) : null,
            rows.length ? table(heads, rows, 'Containers') : null);
    };
}
