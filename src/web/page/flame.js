// A flame graph: who called whom, as wide as what it stands for. Outermost at the top; a click makes a frame as wide as the graph.
import {h, put} from './dom.js';

// groups: [{weight, stack: ['innermost', ..., 'outermost']}]
function treeOf(groups) {
    const top = {name: 'all', weight: 0, below: new Map()};
    for (const {weight, stack} of groups) {
        let at = top;
        at.weight += weight;
        for (const name of [...stack].reverse()) {
            if (!at.below.has(name))
                at.below.set(name, {name, weight: 0, below: new Map(), above: at});
            at = at.below.get(name);
            at.weight += weight;
        }
    }
    return top;
}

const shades = 5;

function shadeOf(name) {
    let sum = 0;
    for (const c of name)
        sum = (sum * 31 + c.codePointAt(0)) % 9973;
    return `shade-${sum % shades}`;
}

export function flame(groups, format) {
    const top = treeOf(groups);
    const place = h('div', {class: 'flame'});
    let focus = top;

    function frame(node, left, width, depth, whole) {
        const button = h('button', {type: 'button', class: shadeOf(node.name), title: `${node.name}: ${format(node.weight)} of ${format(whole)}`, onclick: () => {
            focus = node === focus && node.above ? node.above : node;
            draw();
        }}, width > 0.02 ? node.name : '');
        button.style.left = `${left * 100}%`;
        button.style.width = `${width * 100}%`;
        button.style.top = `${depth * 21}px`;
        return button;
    }

    function draw() {
        const frames = [];
        let deepest = 0;
        const add = (node, left, width, depth) => {
            if (width < 0.002 || depth > 60)
                return;
            deepest = Math.max(deepest, depth);
            frames.push(frame(node, left, width, depth, top.weight));
            let at = left;
            for (const inner of [...node.below.values()].sort((a, b) => b.weight - a.weight)) {
                const part = width * inner.weight / node.weight;
                add(inner, at, part, depth + 1);
                at += part;
            }
        };
        const above = [];
        for (let node = focus.above; node; node = node.above)
            above.unshift(node);
        above.forEach((node, i) => frames.push(frame(node, 0, 1, i, top.weight)));
        add(focus, 0, 1, above.length);
        place.style.height = `${(deepest + 1) * 21}px`;
        put(place, frames);
    }
    if (top.weight > 0)
        draw();
    else
        put(place, 'There is nothing.');
    return place;
}
