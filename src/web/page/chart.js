// Lines over time, by uPlot.
import {h, put} from './dom.js';
import {bytes} from './units.js';

// So that an axis of bytes has 16 MiB and 32 MiB, not 9.54 and 14.3.
const binarySteps = Array.from({length: 51}, (_, i) => 2 ** i);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// series: [{label, colour: 'series-1', dash, format}]; set() takes columns, the first of them seconds since 1970.
// zero: whether the axis begins there.
// draw: (u) => …, for marks over the lines. onZoom(from, to): a span was chosen with the mouse, or null, null by a double click.
export function chart(title, series, {height = 190, zero = true, draw, onZoom} = {}) {
    const place = h('div', {class: 'chart', role: 'img', 'aria-label': title});
    place.style.height = `${height}px`;
    const legend = h('div', {class: 'legend'});
    const panel = h('section', {class: 'panel'}, h('h2', null, title), place, legend);
    let plot = null;
    let data = [[], ...series.map(() => [])];

    function say(index) {
        put(legend, series.map((one, i) => {
            const column = data[i + 1];
            const value = column[index ?? column.length - 1];
            const swatch = h('span', {class: 'swatch'});
            swatch.style.background = colour(one.colour);
            return h('span', null, swatch, `${one.label}: ${value === null || value === undefined ? '–' : one.format(value)}`);
        }));
    }

    function options() {
        const size = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8); // the page's is larger on a large screen
        const axis = {stroke: colour('dim'), grid: {stroke: colour('grid'), width: 1}, ticks: {stroke: colour('grid'), width: 1}, font: `${size}px system-ui, sans-serif`};
        return {
            width: Math.max(place.clientWidth, 50), height, legend: {show: false},
            cursor: {y: false, drag: {x: Boolean(onZoom), y: false, setScale: false}},
            scales: {y: {range: (u, low, high) => rangeOf(low, high, zero)}},
            series: [{}, ...series.map((one) => ({stroke: colour(one.colour), width: 1.5, dash: one.dash, points: {show: false}, spanGaps: false}))],
            axes: [{...axis, space: 7 * size, values: clockValues}, {...axis, size: 6 * size, incrs: series[0].format === bytes ? binarySteps : undefined, values: (u, ticks) => ticks.map((value) => series[0].format(value))}],
            hooks: {
                setCursor: [(u) => say(u.cursor.idx)],
                draw: draw ? [draw] : [],
                setSelect: onZoom ? [(u) => u.select.width > 4 && onZoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'))] : [],
            },
        };
    }

    function build() {
        plot?.destroy();
        plot = new window.uPlot(options(), data, place);
        if (onZoom)
            plot.over.addEventListener('dblclick', () => onZoom(null, null));
    }

    const resized = new ResizeObserver(() => plot && plot.setSize({width: Math.max(place.clientWidth, 50), height}));
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', build);
    resized.observe(place);
    return {
        panel, colour,
        set(columns) {
            data = columns;
            if (!window.uPlot)
                return;
            if (plot)
                plot.setData(data);
            else
                build();
            say(plot.cursor.idx);
        },
        redraw: () => plot?.redraw(false),
        end() {
            resized.disconnect();
            scheme.removeEventListener('change', build);
            plot?.destroy();
        },
    };
}

function rangeOf(low, high, zero) {
    if (low === null || high === null)
        return [0, 1];
    const margin = Math.max((high - low) * 0.08, high * 0.02, 1e-9);
    return zero ? [0, high > 0 ? high * 1.08 : 1] : [Math.max(0, low - margin), high + margin];
}

// Local clock times; the day where it changes.
function clockValues(u, ticks, axis, space, step) {
    let day = '';
    return ticks.map((tick) => {
        const date = new Date(tick * 1000);
        const clock = step < 60 ? date.toLocaleTimeString(undefined, {hour12: false}) : `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
        const today = `${date.getMonth() + 1}-${String(date.getDate()).padStart(2, '0')}`;
        const text = step >= 3600 && today !== day ? `${today} ${clock}` : clock;
        day = today;
        return text;
    });
}
