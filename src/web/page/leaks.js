// What exists over time, whether it leaks, and what it is.
import {get} from './ask.js';
import {chart} from './chart.js';
import {h, note, put, table} from './dom.js';
import {stackList, stacks} from './stacks.js';
import {bytes, count, duration, plural, time} from './units.js';

const every = 5000; // ms
const spans = [['15 min', 900], ['6 h', 6 * 3600], ['24 h', 86400], ['7 d', 7 * 86400]];
const severities = {none: 'good', warning: 'warn', high: 'bad', critical: 'bad'};
const formatOf = (one) => one?.unit === 'bytes' ? bytes : count;
const signed = (format, n) => `${n > 0 ? '+' : n < 0 ? '−' : ''}${format(Math.abs(n))}`;

// "+31.4 a minute since 14:02, its limit in 3 h"
function evidence(one) {
    const format = one.unit === 'bytes' ? bytes : (n) => String(Math.round(n * 10) / 10);
    const parts = [];
    if (Math.abs(one.slope_per_min) > 0.001)
        parts.push(`${signed(format, one.slope_per_min)} a minute`);
    if (one.since && one.severity !== 'none')
        parts.push(['since ', time(one.since)]);
    if (one.limit_in_s !== null)
        parts.push(`its limit in ${duration(one.limit_in_s)}`);
    return parts.flatMap((part, i) => i ? [', ', part] : [part]).flat();
}

function bornOf(born, at) {
    if (!born?.stack)
        return null;
    return h('details', null, h('summary', null, `Born: ${born.name ?? ''}${born.scope ?? born.owner ? ` of ${born.scope ?? born.owner}` : ''}`, at ? [', at ', h('span', {class: 'mono'}, at)] : null), stackList(born.stack));
}

function findings(got) {
    return got.findings.map((one) => h('li', {class: `note ${severities[one.severity]}`}, h('b', null, `${one.severity}: `), one.text,
        one.since ? ['. Since ', time(one.since), '.'] : '.',
        ' ', one.series ? h('a', {href: `#/leaks?series=${encodeURIComponent(one.series)}`}, one.series) : null,
        bornOf(one.born, got.alerts.find((alert) => alert.resource === one.resource && alert.born_at)?.born_at)));
}

export function leaks(root, params, go) {
    const name = params.get('series') || 'tasks';
    const to = Number(params.get('to')) || 0; // 0: now
    const from = Number(params.get('from')) || -900;
    const heading = h('h1', null, 'What exists, and what leaks');
    const list = h('ul', {class: 'attention'});
    const place = h('div');
    const rows = h('div');
    const grown = h('div');
    const suspects = h('div');
    const alerts = h('div');
    let series = null;
    let shown = null;
    let timer = null;
    let gone = false;
    let marks = [];

    const remember = (more) => go('leaks', {series: name === 'tasks' ? '' : name, from: from === -900 ? '' : from, to: to || '', ...Object.fromEntries(['profile', 'as'].map((key) => [key, params.get(key)])), ...more}, {quietly: true});
    const zoom = (a, b) => go('leaks', {series: name, from: a === null ? '' : Math.round(a), to: b === null ? '' : Math.round(b)});

    function drawMarks(u) {
        const {ctx} = u;
        ctx.save();
        ctx.strokeStyle = shown.colour('bad');
        ctx.lineWidth = devicePixelRatio;
        for (const at of marks) {
            const x = u.valToPos(at, 'x', true);
            if (x < u.bbox.left || x > u.bbox.left + u.bbox.width)
                continue;
            ctx.beginPath();
            ctx.moveTo(x, u.bbox.top);
            ctx.lineTo(x, u.bbox.top + u.bbox.height);
            ctx.stroke();
        }
        ctx.restore();
    }

    function build(one) {
        const format = formatOf(one);
        shown?.end();
        shown = chart(`${name}${one ? '' : ': not measured now'}`, [{label: 'now', colour: 'series-1', format}, {label: 'floor', colour: 'series-3', format},
            {label: 'baseline', colour: 'dim', dash: [6, 4], format}, {label: 'threshold', colour: 'bad', dash: [2, 3], format}],
        {height: 260, zero: false, draw: drawMarks, onZoom: zoom});
        put(place, shown.panel, h('div', {class: 'tools'}, spans.map(([text, seconds]) => h('button', {type: 'button', 'aria-pressed': String(!to && from === -seconds), onclick: () => zoom(seconds === 900 ? null : -seconds, null)}, text)),
            h('span', {class: 'dim'}, 'Draw over the chart with the mouse to zoom. Red lines are alerts.')));
    }

    // The lowest of each twentieth of what is shown, in steps.
    function floorOf(points) {
        const width = Math.max(1, Math.ceil(points.length / 20));
        return points.map((point, i) => {
            const start = Math.floor(i / width) * width;
            return Math.min(...points.slice(start, start + width).map((one) => one[2]));
        });
    }

    async function drawHistory(got) {
        const one = got.series.find((each) => each.name === name);
        if (!shown || Boolean(series) !== Boolean(one))
            build(one);
        series = one;
        const past = await get(`leaks/history?series=${encodeURIComponent(name)}&from=${from}${to ? `&to=${to}` : ''}`);
        if (gone)
            return;
        const constant = (value) => past.points.map(() => value ?? null);
        marks = got.alerts.filter((alert) => alert.series === name).map((alert) => Date.parse(alert.time) / 1000);
        shown.set([past.points.map((point) => point[0]), past.points.map((point) => point[1]), floorOf(past.points), constant(one?.baseline), constant(one?.threshold)]);
    }

    // What was more at the end of the span than at its beginning.
    async function drawGrown(got) {
        const kind = name.split(':')[0];
        const family = got.series.filter((one) => one.name === name || one.name.startsWith(`${kind}:`)).slice(0, 30);
        const found = [];
        for (const one of family) {
            const past = await get(`leaks/history?series=${encodeURIComponent(one.name)}&from=${from}${to ? `&to=${to}` : ''}`);
            if (past.points.length > 1)
                found.push({one, before: past.points[0][1], after: past.points.at(-1)[1]});
        }
        if (gone)
            return;
        const more = found.filter(({before, after}) => after > before).sort((a, b) => (b.after - b.before) - (a.after - a.before));
        put(grown, h('h2', null, 'What grew in this span'), more.length ? table([['Series'], ['Before', 'n'], ['After', 'n'], ['Grown by', 'n']], more.map(({one, before, after}) => {
            const format = formatOf(one);
            return h('tr', null, h('td', {class: 'name'}, one.name), h('td', {class: 'n'}, format(before)), h('td', {class: 'n'}, format(after)), h('td', {class: 'n'}, signed(format, after - before)));
        }), 'What grew') : note('good', `Nothing of ${kind} was more at the end than at the beginning.`));
    }

    function drawSeries(got) {
        const order = {critical: 0, high: 1, warning: 2, none: 3};
        const some = [...got.series].sort((a, b) => order[a.severity] - order[b.severity]);
        put(rows, h('h2', null, plural(some.length, 'series', 'series')), table([['Series'], ['Now', 'n'], ['Expected', 'n'], ['Baseline', 'n'], ['Verdict'], ['Evidence']], some.map((one) => {
            const format = formatOf(one);
            return h('tr', {class: one.name === name ? 'open' : null}, h('td', {class: 'name'}, h('a', {href: `#/leaks?series=${encodeURIComponent(one.name)}`}, one.name)), h('td', {class: 'n'}, format(one.current)),
                h('td', {class: 'n'}, one.expected ? format(one.expected) : '–'), h('td', {class: 'n'}, one.baseline === null ? '–' : format(one.baseline)),
                h('td', null, h('span', {class: one.severity === 'none' ? 'dim' : `pill ${severities[one.severity]}`}, one.verdict)), h('td', null, one.reason ? `${one.reason}; ` : null, evidence(one)));
        }), 'Series'));
    }

    function drawSuspects(got) {
        put(suspects, h('h2', null, 'Suspects'), got.suspects.length ? table([['What'], ['Why'], ['For', 'n'], ['Born']], got.suspects.map((one) => h('tr', null, h('td', {class: 'name'}, `${one.born?.kind ?? ''} ${one.born?.name ?? one.id}`), h('td', null, one.why),
            h('td', {class: 'n'}, duration(one.for_seconds)), h('td', null, bornOf(one.born)))), 'Suspects') : note('good', 'None: no task hangs, and none is older than its kind becomes.'));
        put(alerts, h('h2', null, 'Alerts'), got.alerts.length ? table([['Time', 'n'], ['What'], ['Severity'], ['Says']], got.alerts.map((one) => h('tr', null, h('td', {class: 'n'}, time(one.time)), h('td', null, one.event),
            h('td', null, h('span', {class: one.event === 'resolved' ? 'good' : severities[one.severity]}, one.severity)), h('td', null, one.text))), 'Alerts') : note('good', 'There was none since the start.'));
    }

    async function load(first) {
        clearTimeout(timer);
        try {
            const got = await get('leaks');
            if (gone)
                return;
            put(heading, got.findings.length ? `${plural(got.findings.length, 'thing')} to look at: ${count(got.totals.tasks)} tasks, ${count(got.totals.fds)} descriptors` : `Nothing leaks: ${count(got.totals.tasks)} tasks, ${count(got.totals.fds)} descriptors, ${bytes(got.totals.resident_bytes)} resident`);
            put(list, findings(got));
            await drawHistory(got);
            drawSeries(got);
            drawSuspects(got);
            if (first && (to || from !== -900))
                await drawGrown(got);
        } catch (error) {
            put(list, h('li', null, note('bad', error.message)));
        }
        const next = () => gone || (document.hidden || rows.querySelector('details[open]') ? (timer = setTimeout(next, every)) : load(false));
        timer = setTimeout(next, every);
    }
    put(root, heading, list, place, grown, suspects, ...stacks(params, remember), alerts, rows);
    load(true);
    return {
        end() {
            gone = true;
            clearTimeout(timer);
            shown?.end();
        },
    };
}
