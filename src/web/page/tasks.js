// The tree of owners: whatever must be given back, whose it is, since when, born where.
import {get} from './ask.js';
import {h, note, put} from './dom.js';
import {bytes, count, duration, plural} from './units.js';

const every = 2000; // ms

function factsOf(thing) {
    const facts = [];
    if (thing.fd >= 0)
        facts.push(`descriptor ${thing.fd}`);
    if (thing.tid)
        facts.push(`thread ${thing.tid}`);
    if (thing.state)
        facts.push(thing.state);
    if (thing.beat_seconds !== undefined)
        facts.push(`sign of life ${duration(Math.max(thing.beat_seconds, 0))} ago`);
    if (thing.below?.tasks)
        facts.push(plural(thing.below.tasks, 'task'));
    if (thing.below?.fds)
        facts.push(plural(thing.below.fds, 'descriptor'));
    const size = thing.bytes + (thing.below?.bytes ?? 0);
    if (thing.max_bytes)
        facts.push(`${bytes(size)} of at most ${bytes(thing.max_bytes)}`);
    else if (size)
        facts.push(bytes(size));
    facts.push(`${duration(thing.age_seconds)} old`);
    return facts.join(' · ');
}

const tooOld = (thing) => (thing.max_age_seconds && thing.age_seconds > thing.max_age_seconds) ||
    (thing.heartbeat_seconds && thing.state === 'running' && thing.beat_seconds > 6 * thing.heartbeat_seconds);

export function tasks(root, params, go) {
    const search = h('input', {type: 'search', value: params.get('find') ?? '', placeholder: 'A name or kind: reader, socket, loki', 'aria-label': 'Search', 'data-search': ''});
    const summary = h('p', {class: 'dim'});
    const list = h('div', {class: 'panel'});
    const open = new Set(params.getAll('open').length ? params.getAll('open').map(Number) : []);
    const stacks = new Map();
    let timer = null;
    let gone = false;
    let round = 0;

    const remember = () => go('tasks', {find: search.value, open: [...open].filter((id) => id)}, {quietly: true});

    function leaf(thing, children) {
        const isScope = thing.what === 'scope';
        const isOpen = isScope ? open.has(thing.id) : stacks.has(thing.id);
        const toggle = async () => {
            if (isScope) {
                if (!open.delete(thing.id))
                    open.add(thing.id);
                remember();
            } else if (!stacks.delete(thing.id)) {
                stacks.set(thing.id, await get(`tree?id=${thing.id}`).catch((error) => ({stack: [error.message]})));
            }
            load();
        };
        return h('li', null,
            h('div', {class: 'leaf'}, h('button', {class: 'twist', type: 'button', 'aria-expanded': String(isOpen), 'aria-label': `${isOpen ? 'Close' : 'Open'} ${thing.name}`, 'data-id': String(thing.id), onclick: toggle}, isOpen ? '▾' : '▸'),
                h('span', {class: 'name'}, thing.name), h('span', {class: 'kind'}, isScope ? plural(thing.below?.things ?? 0, 'thing') : thing.kind),
                tooOld(thing) ? h('span', {class: 'pill warn'}, 'suspect: older than its kind lives') : null,
                thing.owner ? h('span', {class: 'kind'}, `of ${thing.owner}`) : null,
                h('span', {class: 'facts'}, factsOf(thing))),
            isOpen && !isScope ? [h('div', {class: 'dim'}, `Born at, innermost first (${stacks.get(thing.id).owner ?? ''}):`), h('ol', {class: 'stack'}, stacks.get(thing.id).stack.map((frame) => h('li', null, frame)))] : null,
            isOpen && isScope ? children : null);
    }

    let asked = params.has('open');

    async function branch(id) {
        const got = await get(`tree?under=${id}`);
        if (!asked) { // the agent itself, at first
            asked = true;
            got.things.forEach((thing) => open.add(thing.id));
        }
        const items = await Promise.all(got.things.map(async (thing) =>
            leaf(thing, thing.what === 'scope' && open.has(thing.id) ? await branch(thing.id) : null)));
        return h('ul', {class: id ? null : 'tree'}, items, got.total > got.things.length ? h('li', {class: 'dim'}, `and ${count(got.total - got.things.length)} more; search for them`) : null);
    }

    async function load() {
        clearTimeout(timer);
        const mine = ++round;
        const find = search.value;
        try {
            const found = find ? await get(`tree?find=${encodeURIComponent(find)}`) : null;
            const body = found ? h('ul', {class: 'tree'}, found.things.map((thing) => leaf(thing, null))) : await branch(0);
            const all = await get('tasks');
            if (gone || mine !== round)
                return;
            put(summary, `${plural(all.count, 'task')}; alive are ${Object.entries(all.alive).filter(([, n]) => n).map(([kind, n]) => `${count(n)} ${kind}`).join(', ')}${found ? `. ${plural(found.total, 'thing')} found.` : '.'}`);
            const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
            put(list, body);
            if (focused)
                list.querySelector(`[data-id="${focused}"]`)?.focus();
        } catch (error) {
            put(list, note('bad', error.message));
        }
        const next = () => gone || (document.hidden ? (timer = setTimeout(next, every)) : load());
        timer = setTimeout(next, every);
    }
    search.addEventListener('input', () => {
        remember();
        load();
    });
    put(root, h('h1', null, 'Tasks and what they own'), h('div', {class: 'tools'}, search), summary, list);
    load();
    return {
        end() {
            gone = true;
            clearTimeout(timer);
        },
    };
}
