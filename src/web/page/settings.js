// The configuration in force, where each value comes from, and what a reload would change.
import {get, post} from './ask.js';
import {ask, h, note, put, table} from './dom.js';
import {plural} from './units.js';

const text = (value) => typeof value === 'string' ? (value === '' ? '(empty)' : value) : JSON.stringify(value);

function fromOf(one) {
    if (one.from === 'default')
        return h('span', {class: 'dim'}, 'default');
    const place = one.line ? `${one.file}:${one.line}` : one.file;
    return one.variable ? [h('span', {class: 'mono'}, `\${${one.variable}}`), ` in ${place}`] : h('span', {class: 'mono'}, place);
}

function changesTable(changes) {
    return table([['Key'], ['In force'], ['In the file'], ['']], changes.map((one) => h('tr', null, h('td', {class: 'name'}, one.key), h('td', {class: 'name'}, text(one.from ?? 'not there')),
        h('td', {class: 'name'}, text(one.to ?? 'not there')), h('td', null, one.restart ? h('span', {class: 'warn'}, 'only a restart changes it') : ''))), 'What the file changes');
}

export function settings(root, params, go) {
    const search = h('input', {type: 'search', value: params.get('q') ?? '', placeholder: 'Part of a key', 'aria-label': 'Search keys', 'data-search': ''});
    const onlySet = h('input', {type: 'checkbox', checked: params.get('set') === '1'});
    const result = h('div', {role: 'status'});
    const list = h('div');
    let values = [];

    function show() {
        const some = values.filter((one) => one.key.includes(search.value.trim()) && (!onlySet.checked || one.from !== 'default'));
        put(list, table([['Key'], ['Value'], ['Where it comes from'], ['Default']], some.map((one) => h('tr', null, h('td', {class: 'name'}, one.key),
            h('td', {class: 'name'}, text(one.value)), h('td', null, fromOf(one)), h('td', {class: 'name dim'}, one.default ?? 'depends on the machine'))), 'Configuration'),
        h('p', {class: 'dim'}, `${plural(some.length, 'value')}.`));
    }

    async function load() {
        try {
            const got = await get('config/values');
            values = got.values;
            put(summary, got.file ? ['Read from ', h('span', {class: 'mono'}, got.file), ' and the files of config.d beside it.'] : 'There is no configuration file: these are the defaults.');
            show();
        } catch (error) {
            put(list, note('bad', error.message));
        }
    }

    async function reload() {
        try {
            const pending = await get('config/pending');
            if (pending.errors) {
                put(result, note('bad', 'The file is wrong; what is in force stays.'), h('pre', {class: 'note bad'}, pending.errors));
                return;
            }
            if (!pending.changes.length) {
                put(result, note('good', 'The file says what is in force already.'));
                return;
            }
            const yes = await ask('Put this in force?', changesTable(pending.changes), [['', 'Leave it'], ['yes', 'Put in force', true]]);
            if (yes !== 'yes')
                return;
            const done = await post('config/reload');
            put(result, note(done.status === 'in_force' ? 'good' : 'bad', done.status === 'in_force' ? `Applied: ${done.changed}` : `Refused: ${done.errors}`));
            load();
        } catch (error) {
            put(result, note('bad', error.message));
        }
    }

    const summary = h('p', {class: 'dim'});
    const changed = () => {
        go('settings', {q: search.value, set: onlySet.checked ? '1' : ''}, {quietly: true});
        show();
    };
    search.addEventListener('input', changed);
    onlySet.addEventListener('change', changed);
    put(root, h('h1', null, 'Configuration'), summary,
        h('div', {class: 'tools'}, search, h('label', null, onlySet, 'only what is not default'), h('button', {type: 'button', class: 'main', onclick: reload}, 'Reload …')), result, list);
    load();
    return {end() {}};
}
