// Dead letters: what a sink will never take, and why. Sent again once what was wrong there is put right.
import {get, post} from './ask.js';
import {ask, h, note, put, table} from './dom.js';
import {bytes, count, plural, time} from './units.js';

const shown = 100;

function labelsOf(labels) {
    return Object.entries(labels ?? {}).map(([name, value]) => `${name}="${value}"`).join(', ');
}

function show(letter) {
    const facts = [['Refused', time(letter.refused_at)], ['Sink', letter.sink], ['Source', letter.source], ['Reason', letter.reason],
        ['The server said', letter.says || '–'], ['Tries', count(letter.attempts)], ['Labels', labelsOf(letter.labels)]];
    return ask(`Dead letter ${letter.id}`, [h('dl', null, facts.map(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
        h('pre', {class: 'note'}, letter.line)], [['', 'Close'], ['again', 'Send it again', true]]);
}

export function letters(root, params, go) {
    const wanted = {};
    for (const key of ['sink', 'reason', 'source'])
        if (params.get(key))
            wanted[key] = params.get(key);
    const summary = h('div');
    const list = h('div');
    const result = h('div', {role: 'status'});
    const chosen = new Set();
    let gone = false;
    const after = params.get('after');

    async function watch(job) {
        for (let i = 0; i < 40 && !gone; i++) {
            const now = (await get('dlq/stats')).jobs.find((one) => one.id === job);
            if (now?.done) {
                put(result, note(now.refused ? 'warn' : 'good', `${plural(now.sent, 'letter')} sent again: ${count(now.delivered)} delivered, ${count(now.refused)} refused again${now.purged ? `; ${count(now.purged)} removed` : ''}.`));
                break;
            }
            await new Promise((resolve) => setTimeout(resolve, 500));
        }
        load();
    }

    async function act(verb, which) {
        const again = verb === 'reprocess';
        try {
            const body = {...which, ...(again || Object.keys(which).length ? {} : {all: true})};
            const dry = await post(`dlq/${verb}`, {...body, dry_run: true});
            const yes = await ask(again ? 'Send again?' : 'Remove for good?', h('p', null, `${plural(dry.matched.letters, 'dead letter')}, ${bytes(dry.matched.bytes)}. ${again ? 'What is refused again stays here.' : 'They cannot be had back; the ledger counts them as purged.'}`),
                [['', 'Leave them'], ['yes', again ? 'Send again' : 'Remove', true]]);
            if (yes !== 'yes')
                return;
            const done = await post(`dlq/${verb}`, body);
            put(result, note('', 'Under way …'));
            watch(done.job);
        } catch (error) {
            put(result, note('bad', error.message));
        }
    }

    const which = () => chosen.size ? {ids: [...chosen]} : wanted;
    const select = (key, values, all) => h('select', {'aria-label': all, onchange: (event) => go('letters', {...wanted, [key]: event.target.value})},
        h('option', {value: ''}, all), values.map((value) => h('option', {value, selected: wanted[key] === value}, value)));

    function row(letter) {
        const box = h('input', {type: 'checkbox', checked: chosen.has(letter.id), 'aria-label': `Choose letter ${letter.id}`, onchange: () => chosen.delete(letter.id) || chosen.add(letter.id)});
        return h('tr', null, h('td', null, box),
            h('td', {class: 'n'}, h('button', {class: 'plain', type: 'button', onclick: async () => await show(letter) === 'again' && act('reprocess', {ids: [letter.id]})}, String(letter.id))),
            h('td', null, time(letter.refused_at)), h('td', null, letter.reason), h('td', null, letter.sink), h('td', {class: 'name'}, letter.source),
            h('td', {class: 'name'}, letter.line.length > 160 ? `${letter.line.slice(0, 160)}…` : letter.line));
    }

    async function load() {
        try {
            const stats = await get('dlq/stats');
            let got = {after};
            do // a page is empty when what is looked for lies further behind than the agent looks at once
                got = await get(`dlq?${new URLSearchParams({...wanted, limit: shown, ...(got.after ? {after: got.after} : {})})}`);
            while (!gone && !got.letters.length && got.after);
            if (gone)
                return;
            put(summary, h('p', {class: 'dim'}, `${plural(stats.total_entries, 'letter')}, ${bytes(stats.size)} of ${bytes(stats.max_size)}${stats.oldest ? ', the oldest from ' : ''}`, stats.oldest ? time(stats.oldest) : null),
                h('div', {class: 'tools'}, select('sink', Object.keys(stats.by_sink), 'All sinks'), select('reason', Object.keys(stats.by_reason), 'All reasons'),
                    select('source', [...new Set(stats.by_source.map((one) => one.source))], 'All sources'),
                    h('button', {type: 'button', class: 'main', disabled: !got.letters.length, onclick: () => act('reprocess', which())}, 'Send again'),
                    h('button', {type: 'button', disabled: !got.letters.length, onclick: () => act('purge', which())}, 'Remove'),
                    h('span', {class: 'dim'}, 'the chosen ones, or all that are meant here')));
            put(list, got.letters.length ? table([[''], ['Id', 'n'], ['Refused'], ['Reason'], ['Sink'], ['Source'], ['Line']], got.letters.map(row), 'Dead letters') : note('good', 'There are no dead letters here: the sinks took everything.'),
                got.after ? h('p', null, h('a', {href: `#/letters?${new URLSearchParams({...wanted, after: got.after})}`}, 'Later ones')) : null);
        } catch (error) {
            put(list, note('bad', error.message));
        }
    }
    put(root, h('h1', null, 'Dead letters'), result, summary, list);
    load();
    return {end: () => { gone = true; }};
}
