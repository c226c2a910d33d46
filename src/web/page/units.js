// Numbers as people read them, each with its unit.
import {h} from './dom.js';

const whole = new Intl.NumberFormat(undefined, {maximumFractionDigits: 0});
const three = new Intl.NumberFormat(undefined, {maximumSignificantDigits: 3});

export const count = (n) => whole.format(n);

export function bytes(n) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    let i = 0;
    for (; Math.abs(n) >= 1000 && i < units.length - 1; i++)
        n /= 1024;
    return `${three.format(n)} ${units[i]}`;
}

// 12.3 k, 4.5 M
export function short(n) {
    const units = ['', ' k', ' M', ' G'];
    let i = 0;
    for (; Math.abs(n) >= 10000 && i < units.length - 1; i++)
        n /= 1000;
    return `${three.format(n)}${units[i]}`;
}

export function duration(seconds) {
    if (seconds < 0.001)
        return `${three.format(seconds * 1e6)} µs`;
    if (seconds < 1)
        return `${three.format(seconds * 1000)} ms`;
    if (seconds < 100)
        return `${three.format(seconds)} s`;
    if (seconds < 5400)
        return `${Math.round(seconds / 60)} min`;
    if (seconds < 48 * 3600)
        return `${Math.floor(seconds / 3600)} h ${Math.round(seconds % 3600 / 60)} min`;
    return `${three.format(seconds / 86400)} d`;
}

export const percent = (part) => part > 0 && part < 0.001 ? '< 0.1 %' : `${three.format(Math.round(part * 1000) / 10)} %`;
export const milliseconds = (ms) => duration(ms / 1000);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// Local time, UTC on hover. `when`: ms since 1970, or a text that Date reads; nothing: a dash.
export function time(when, {precise = false} = {}) {
    const date = new Date(when ?? NaN);
    if (!when || Number.isNaN(date.getTime()))
        return h('span', {class: 'dim'}, '–');
    const today = new Date().toDateString() === date.toDateString();
    const clock = date.toLocaleTimeString(undefined, {hour12: false}) +
        (precise ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : '');
    const day = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')} `;
    return h('time', {datetime: date.toISOString(), title: `${date.toISOString()} (UTC)`}, today ? clock : day + clock);
}
