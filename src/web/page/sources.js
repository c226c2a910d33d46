// Each source: what matched it, how far it is read and delivered, what became of its lines; containers; why something is not read.
import {get} from './ask.js';
import {containers} from './containers.js';
import {h, note, put, table} from './dom.js';
import {bytes, count, plural, short, time} from './units.js';

const shown = 300;
const every = 2000; // ms
const kinds = {reading: 'good', idle: 'dim', waiting: 'warn', failed: 'bad', gone: 'dim'};

// A journal that this host need not have.
const isNote = (source) => source.kind === 'journal' && source.state === 'idle';

function ledger(source) {
    const columns = [['Delivered', 'delivered'], ['In flight', 'in_flight'], ['Skipped', 'skipped'], ['On disk', 'spooled'], ['Dead letters', 'dead']];
    return table([['Sink'], ['Position', 'n'], ['Taken', 'n'], ...columns.map(([title]) => [title, 'n']), ['Dropped', 'n'], ['Adds up']],
        source.sinks.map((one) => {
            const dropped = Object.entries(one.dropped).filter(([, n]) => n.records);
            return h('tr', null, h('td', null, one.sink), h('td', {class: 'n'}, count(one.position)), h('td', {class: 'n'}, count(one.taken.records)),
                columns.map(([, name]) => h('td', {class: 'n'}, count(one[name].records))),
                h('td', {class: 'n'}, dropped.length ? dropped.map(([reason, n]) => `${reason} ${count(n.records)}`).join(', ') : '0'),
                h('td', null, one.adds_up ? 'yes' : h('span', {class: 'bad'}, one.why_not)));
        }), `What became of the lines of ${source.name}`);
}

function details(source) {
    const facts = [['Matched by', source.matched ?? '–'], ['Identity', source.key], source.kind === 'file' ? ['Offset', `${count(source.offset)} of ${count(source.size)} bytes`] : ['Records', count(source.offset)],
        ['Rotations, truncations', `${source.rotations}, ${source.truncations}`]];
    if (source.lost_by_rotator)
        facts.push(['Gone before it was read', bytes(source.lost_by_rotator)]);
    return h('tr', {class: 'open'}, h('td', {colspan: '8'},
        source.error ? note(isNote(source) ? '' : 'bad', source.error) : null,
        h('dl', null, facts.map(([name, value]) => [h('dt', null, name), h('dd', {class: 'mono'}, value)])), ledger(source),
        h('p', null, h('a', {href: `#/tail?sources=${encodeURIComponent(source.name)}`}, 'Follow its lines'))));
}

function why(params, remember) {
    const input = h('input', {type: 'text', name: 'why', value: params.get('why') ?? '', placeholder: '/var/log/app.log, or a container', 'aria-label': 'A file by its absolute path, or a container by its name or id'});
    const answer = h('div');
    async function look(path) {
        if (!path)
            return;
        try {
            const said = await get(`why?format=json&${path.startsWith('/') ? 'path' : 'container'}=${encodeURIComponent(path)}`);
            const verdict = said.container ? null : h('b', null, said.is_read ? 'It is read.' : 'It is not read.');
            put(answer, h('div', {class: said.is_read ? 'note good' : said.container ? 'note' : 'note warn'}, verdict, h('pre', null, said.why)));
        } catch (error) {
            put(answer, note('bad', error.message));
        }
    }
    look(input.value);
    return [h('h2', null, 'Why is it not read?'), h('form', {onsubmit: (event) => {
        event.preventDefault();
        remember({why: input.value});
        look(input.value);
    }}, input, h('button', {type: 'submit'}, 'Ask')), answer];
}

export function sources(root, params, go) {
    const search = h('input', {type: 'search', value: params.get('q') ?? '', placeholder: 'Part of a name', 'aria-label': 'Search sources', 'data-search': ''});
    const summary = h('p', {class: 'dim'});
    const list = h('div');
    const ofContainers = h('div');
    const open = new Set(params.getAll('open'));
    let asked = params.get('why');
    const remember = ({why: file = asked}) => {
        asked = file;
        go('sources', {q: search.value, why: asked, open: [...open]}, {quietly: true});
    };
    let before = new Map();
    let timer = null;
    let gone = false;

    function toggle(key) {
        if (!open.delete(key))
            open.add(key);
        remember({});
        load();
    }
    const loadContainers = containers(ofContainers, open, toggle);

    function row(source, rate) {
        return h('tr', {class: 'row', onclick: () => toggle(source.key)},
            h('td', {class: 'name'}, h('button', {class: 'plain', type: 'button', 'aria-expanded': String(open.has(source.key))}, source.name)),
            h('td', null, source.kind),
            h('td', null, h('span', {class: kinds[source.state]}, source.state)),
            h('td', {class: 'n'}, rate === null ? '–' : `${short(rate)}/s`),
            h('td', {class: 'n'}, count(source.read.records)),
            h('td', {class: 'n'}, source.kind !== 'file' ? '–' : source.lag_bytes ? h('span', {class: 'warn'}, bytes(source.lag_bytes)) : '0 B'),
            h('td', {class: 'n'}, time(source.last_read)),
            h('td', null, source.error ? h('span', {class: isNote(source) ? 'dim' : 'bad'}, source.error) : ''));
    }

    async function load() {
        clearTimeout(timer);
        const asked = search.value;
        try {
            const got = await get(`sources?limit=${shown}&q=${encodeURIComponent(asked)}`);
            if (gone)
                return;
            const now = Date.now();
            const seen = new Map();
            const rows = got.sources.flatMap((source) => {
                const last = before.get(source.key);
                const rate = last ? (source.read.records - last.records) / ((now - last.now) / 1000) : null;
                seen.set(source.key, last && now - last.now < every / 2 ? last : {now, records: source.read.records});
                return [row(source, rate), ...(open.has(source.key) ? [details(source)] : [])];
            });
            before = seen;
            put(summary, `${plural(got.total, 'source')}${asked ? ` with "${asked}"` : ''}${got.total > shown ? `; the first ${shown} are shown, a search narrows them` : ''}${got.adds_up ? '' : '; the ledger does not add up'}`);
            const focused = root.contains(document.activeElement) ? document.activeElement.closest('td')?.textContent : null;
            put(list, got.total ? table([['Source'], ['Kind'], ['State'], ['Lines', 'n'], ['Lines read', 'n'], ['Behind', 'n'], ['Last read', 'n'], ['Error']], rows, 'Sources') : note('', 'There is none. Below you can ask why a file is not read.'));
            await loadContainers(asked);
            if (focused)
                [...root.querySelectorAll('td button')].find((button) => button.textContent === focused)?.focus();
        } catch (error) {
            put(list, note('bad', error.message));
        }
        if (!gone)
            timer = setTimeout(() => document.hidden ? (timer = setTimeout(load, every)) : load(), every);
    }

    search.addEventListener('input', () => {
        remember({});
        load();
    });
    put(root, h('h1', null, 'Sources'), h('div', {class: 'tools'}, search), summary, list, ofContainers, ...why(params, remember));
    load();
    return {
        end() {
            gone = true;
            clearTimeout(timer);
        },
    };
}
