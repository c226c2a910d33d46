// Lines as they pass. Under load some are left out, and it says how many; the agent is never slowed.
import {get} from './ask.js';
import {h, note, put} from './dom.js';
import {bytes, count, time} from './units.js';

const kept = 1500; // lines in the page

// By the first word that tells, or a level in JSON or logfmt.
const levels = [
    ['error', /\b(?:emerg(?:ency)?|alert|crit(?:ical)?|fatal|panic|error|err|fail(?:ed|ure)?)\b/i],
    ['warn', /\bwarn(?:ing)?\b/i],
    ['debug', /\b(?:debug|trace)\b/i],
];
const named = /\b(?:level|lvl|severity)"?\s*[=:]\s*"?([a-z]+)/i;

export function levelOf(line) {
    const text = named.exec(line)?.[1] ?? line.slice(0, 300);
    return levels.find(([, words]) => words.test(text))?.[0] ?? '';
}

// The text, with what the filter found marked.
function marked(line, find) {
    if (!find)
        return [line];
    const parts = [];
    let at = 0;
    for (const match of line.matchAll(find)) {
        if (!match[0] || parts.length > 40)
            break;
        parts.push(line.slice(at, match.index), h('mark', null, match[0]));
        at = match.index + match[0].length;
    }
    return [...parts, line.slice(at)];
}

// The same filter as the agent's, as far as the two kinds of expressions agree; else nothing is marked.
function finderOf(text, isRegex, cased) {
    try {
        return text ? new RegExp(isRegex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), cased ? 'g' : 'gi') : null;
    } catch {
        return null;
    }
}

export function tail(root, params, go) {
    const chosen = params.getAll('sources');
    const isRegex = params.get('regex') === '1';
    const cased = params.get('case') === '1';
    const text = params.get('text') ?? '';
    const find = finderOf(text, isRegex, cased);

    const filter = h('input', {type: 'search', value: text, placeholder: isRegex ? 'Regular expression' : 'Text in the line', 'aria-label': 'Filter', 'data-search': ''});
    const regex = h('input', {type: 'checkbox', checked: isRegex});
    const matchCase = h('input', {type: 'checkbox', checked: cased});
    const names = h('datalist', {id: 'source-names'});
    const add = h('input', {type: 'text', list: 'source-names', placeholder: 'All sources; add one, or a pattern such as /var/log/*', 'aria-label': 'Add a source'});
    const pause = h('button', {type: 'button', 'aria-pressed': 'false'}, 'Pause');
    const clear = h('button', {type: 'button'}, 'Clear');
    const status = h('p', {class: 'dim', role: 'status'}, 'Waiting for lines');
    const lines = h('div', {class: 'lines', role: 'log', tabindex: '0', 'aria-label': 'Lines', 'aria-live': 'off'});
    let held = null; // while paused: what came meanwhile
    let source = null;
    const sums = {passed: 0, missed: 0, leftOut: 0};

    const follow = (more) => go('tail', {sources: chosen, text: filter.value, regex: regex.checked ? '1' : '', case: matchCase.checked ? '1' : '', ...more});
    put(root, h('h1', null, 'Tail'),
        h('form', {onsubmit: (event) => {
            event.preventDefault();
            follow({sources: add.value ? [...chosen, add.value] : chosen});
        }}, filter, h('label', null, regex, 'regular expression'), h('label', null, matchCase, 'match case'), add, names,
        h('button', {type: 'submit', class: 'main'}, 'Follow'), pause, clear),
        chosen.length ? h('div', {class: 'tools'}, chosen.map((name, i) => h('span', {class: 'chip'}, name,
            h('button', {type: 'button', title: 'Leave it out', 'aria-label': `Leave out ${name}`, onclick: () => follow({sources: chosen.filter((one, j) => j !== i)})}, '×')))) : null,
        status, lines);

    function show(events) {
        const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
        const fragment = document.createDocumentFragment();
        for (const event of events)
            for (const [at, from, line, cut] of event.lines) {
                const name = event.sources[from];
                fragment.append(h('div', {class: levelOf(line)}, time(at, {precise: true}), h('span', {class: 'from', title: name}, h('bdi', null, name.replace(/^.*\/(?=[^/])/, ''))),
                    h('span', {class: 'text'}, ...marked(line, find), cut ? h('i', {class: 'dim'}, ` … ${bytes(cut)} more`) : null)));
            }
        while (fragment.childElementCount > kept)
            fragment.firstElementChild.remove();
        lines.append(fragment);
        while (lines.childElementCount > kept)
            lines.firstElementChild.remove();
        if (atEnd)
            lines.scrollTop = lines.scrollHeight;
    }

    function say(event) {
        sums.passed += event.passed;
        sums.missed += event.missed;
        sums.leftOut += event.left_out;
        const parts = [`${count(sums.passed)} lines passed`];
        if (sums.missed)
            parts.push(`${count(sums.missed)} of them too fast to be looked at`);
        if (sums.leftOut)
            parts.push(`${count(sums.leftOut)} matched and are not shown, being too many a second`);
        if (event.gave_up)
            parts.push(`the expression took too long on ${count(event.gave_up)}`);
        if (held)
            parts.push(`paused, ${count(held.reduce((sum, one) => sum + one.lines.length, 0))} came meanwhile`);
        status.className = sums.missed || sums.leftOut ? 'warn' : 'dim';
        put(status, `${parts.join('; ')}.`);
    }

    function setPaused(paused) {
        pause.setAttribute('aria-pressed', String(paused));
        put(pause, paused ? 'Go on' : 'Pause');
        if (!paused && held)
            show(held);
        held = paused ? [] : null;
    }
    pause.addEventListener('click', () => setPaused(!held));
    clear.addEventListener('click', () => put(lines));

    async function refused(query) {
        try {
            const response = await fetch(`tail?${query}`, {signal: AbortSignal.timeout(2000)});
            if (response.ok)
                await response.body.cancel();
            else
                put(status, note('bad', (await response.json()).error));
        } catch {
            put(status, 'The agent does not answer; trying again.');
        }
    }

    function open() {
        const query = new URLSearchParams({sources: chosen.join('\n'), [isRegex ? 'regex' : 'text']: text, case: cased ? '1' : '0'});
        source = new EventSource(`tail?${query}`);
        source.addEventListener('lines', (message) => {
            const event = JSON.parse(message.data);
            if (held) {
                held.push(event);
                while (held.length > 600)
                    held.shift();
            } else {
                show([event]);
            }
            say(event);
        });
        source.addEventListener('error', () => {
            if (source.readyState === EventSource.CLOSED)
                refused(query);
        });
    }
    open();
    get('sources?limit=1000').then((got) => put(names, got.sources.map((one) => h('option', {value: one.name}))), () => {});
    return {
        key(event) {
            if (event.key === 'p')
                setPaused(!held);
        },
        end: () => source.close(),
    };
}
