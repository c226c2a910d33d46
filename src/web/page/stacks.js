// What exists by the stack that created it: as a list or a flame graph, now, or what came since a moment that was kept.
import {get} from './ask.js';
import {h, note, put, table} from './dom.js';
import {flame} from './flame.js';
import {bytes, count, duration, time} from './units.js';

const profiles = {
    goroutine: ['Tasks', 'count', count],
    fds: ['Descriptors', 'count', count],
    things: ['Leases, timers and other things', 'count', count],
    blocks: ['Memory that the scope tree holds', 'bytes', bytes],
    heap: ['Memory, sampled', 'inuse_space', bytes],
};
const most = 400; // groups

// What a moment had, while the page is open: by profile.
const moments = new Map();

const frameOf = (frame) => typeof frame === 'string' ? frame : frame.function;
const placeOf = (frame) => typeof frame === 'string' || !frame.file ? '' : ` ${frame.file.replace(/^.*\/(?=src\/)/, '')}${frame.line ? `:${frame.line}` : ''}`;

export function stackList(stack) {
    return h('ol', {class: 'stack'}, stack.map((frame) => h('li', null, frameOf(frame), h('span', null, placeOf(frame)))));
}

export function stacks(params, remember) {
    let profile = params.get('profile') in profiles ? params.get('profile') : 'goroutine';
    let asFlame = params.get('as') === 'flame';
    let sinceKept = false;
    const body = h('div');
    const tools = h('div', {class: 'tools'});

    const keyOf = (group) => group.stack.map(frameOf).join('\n');

    function groupsOf(got) {
        const [, field] = profiles[profile];
        const groups = got.groups.map((group) => ({...group, weight: group[field] ?? group.count ?? 0}));
        const kept = moments.get(profile);
        if (!sinceKept || !kept)
            return groups;
        return groups.map((group) => ({...group, weight: group.weight - (kept.weights.get(keyOf(group)) ?? 0)})).filter((group) => group.weight > 0);
    }

    function show(got) {
        const [, , format] = profiles[profile];
        const groups = groupsOf(got).filter((group) => group.weight > 0).sort((a, b) => b.weight - a.weight);
        if (!groups.length)
            put(body, note('good', sinceKept ? 'Nothing has grown since that moment.' : 'There is nothing.'));
        else if (asFlame)
            put(body, flame(groups.map(({weight, stack}) => ({weight, stack: stack.map(frameOf)})), format));
        else
            put(body, table([['How much', 'n'], ['What'], ['Oldest', 'n'], ['Created by']], groups.slice(0, 100).map((group) => h('tr', null,
                h('td', {class: 'n'}, sinceKept ? `+${format(group.weight)}` : format(group.weight)),
                h('td', null, [group.kind, group.oldest].filter(Boolean).join(': ')),
                h('td', {class: 'n'}, group.oldest_age_seconds >= 0 ? duration(group.oldest_age_seconds) : '–'),
                h('td', null, h('details', null, h('summary', {class: 'mono'}, group.stack.slice(0, 3).map(frameOf).join(' ← ')), stackList(group.stack))))), 'Stacks'));
    }

    async function load() {
        say();
        try {
            show(await get(`debug/pprof/${profile}?format=json&most=${most}`));
        } catch (error) {
            put(body, note('bad', error.message));
        }
    }

    async function keep() {
        const got = await get(`debug/pprof/${profile}?format=json&most=10000`);
        const weights = new Map();
        sinceKept = false;
        for (const group of groupsOf(got))
            weights.set(keyOf(group), (weights.get(keyOf(group)) ?? 0) + group.weight);
        moments.set(profile, {at: Date.now(), weights});
        load();
    }

    function say() {
        const kept = moments.get(profile);
        const choose = (value) => h('button', {type: 'button', 'aria-pressed': String(asFlame === value), onclick: () => {
            asFlame = value;
            remember({profile, as: asFlame ? 'flame' : ''});
            load();
        }}, value ? 'Flame graph' : 'List');
        put(tools, h('select', {'aria-label': 'What', onchange: (event) => {
            profile = event.target.value;
            sinceKept = false;
            remember({profile, as: asFlame ? 'flame' : ''});
            load();
        }}, Object.entries(profiles).map(([value, [text]]) => h('option', {value, selected: value === profile}, text))),
        choose(false), choose(true), h('button', {type: 'button', onclick: load}, 'Look again'),
        h('button', {type: 'button', onclick: keep}, 'Keep this moment'),
        kept ? h('label', null, h('input', {type: 'checkbox', checked: sinceKept, onchange: (event) => {
            sinceKept = event.target.checked;
            load();
        }}), 'only what has grown since ', time(kept.at)) : null);
    }
    load();
    return [h('h2', null, 'By the stack that created it'), tools, body];
}
