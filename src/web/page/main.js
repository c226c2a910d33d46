// The page: which view is shown, by the part of the address behind '#', and the line at the top.
import {attention} from './attention.js';
import {ask, h, put} from './dom.js';
import {leaks} from './leaks.js';
import {letters} from './letters.js';
import {follow, start} from './live.js';
import {overview} from './overview.js';
import {settings} from './settings.js';
import {sources} from './sources.js';
import {tail} from './tail.js';
import {tasks} from './tasks.js';

const views = {
    overview: ['Overview', overview],
    sources: ['Sources', sources],
    tail: ['Tail', tail],
    leaks: ['Leaks', leaks],
    letters: ['Dead letters', letters],
    tasks: ['Tasks', tasks],
    settings: ['Configuration', settings],
};

const main = document.getElementById('main');
let current = null;
let name = '';

// The address of a view; what is empty is left out, lists come once for each.
function addressOf(view, values) {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries(values ?? {}))
        for (const one of [value].flat())
            if (one !== null && one !== undefined && one !== '')
                params.append(key, one);
    return `#/${view}${params.size === 0 || !params.toString() ? '' : `?${params}`}`;
}

// quietly: only the address changes, so that it can be sent to somebody.
function go(view, values, {quietly = false} = {}) {
    const address = addressOf(view, values);
    if (quietly)
        window.history.replaceState(null, '', address);
    else if (location.hash === address)
        show();
    else
        location.hash = address;
}

function show() {
    const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
    const [title, make] = views[path] ?? views.overview;
    current?.end();
    name = views[path] ? path : 'overview';
    for (const link of document.querySelectorAll('#views a'))
        link.toggleAttribute('aria-current', link.dataset.view === name);
    document.querySelector('#views a[aria-current]')?.setAttribute('aria-current', 'page');
    put(main);
    document.title = `${title} – logcap`;
    current = make(main, new URLSearchParams(query ?? ''), go);
    last && current.update?.(last);
}

let last = null;
const words = {healthy: ['good', 'healthy'], degraded: ['warn', 'degraded'], unhealthy: ['bad', 'unhealthy']};

function header(live) {
    const state = document.getElementById('state');
    const [kind, word] = live.state === 'live' ? words[live.snapshot.health.status] : ['warn', live.state === 'lost' ? 'no connection, trying again' : live.state];
    const n = live.snapshot ? attention(live.snapshot, live.rates).length : 0;
    state.className = `pill ${kind}`;
    const text = word + (n && live.state === 'live' ? `, ${n} to look at` : '');
    if (state.textContent !== text)
        put(state, text);
    if (live.snapshot)
        put(document.getElementById('host'), live.snapshot.host);
    document.title = `${live.state === 'live' && n ? `(${n}) ` : ''}${views[name][0]} – ${live.snapshot?.host ?? 'logcap'}`;
}

const help = () => ask('Keys', h('dl', null, [['1 … 9', 'the views, in their order'], ['/', 'search'], ['p', 'pause or go on, in Tail'], ['?', 'this'], ['Esc', 'close']]
    .map(([key, says]) => [h('dt', null, h('kbd', null, key)), h('dd', null, says)])), [['', 'Close', true]]);

function pressed(event) {
    const typing = event.target.closest('input, textarea, select');
    if (event.key === 'Escape' && typing)
        typing.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing || document.getElementById('dialog').open)
        return;
    const view = Object.keys(views)[Number(event.key) - 1];
    const search = document.querySelector('[data-search]');
    if (view)
        go(view);
    else if (event.key === '/' && search) {
        event.preventDefault();
        search.focus();
    } else if (event.key === '?')
        help();
    else
        current?.key?.(event);
}

put(document.getElementById('views'), Object.entries(views).map(([view, [title]]) => h('a', {href: `#/${view}`, 'data-view': view}, title)));
window.addEventListener('hashchange', show);
document.addEventListener('keydown', pressed);
show();
follow((live) => {
    last = live.snapshot ? live : last;
    header(live);
    if (live.snapshot && live.state === 'live')
        current.update?.(live);
});
start();
