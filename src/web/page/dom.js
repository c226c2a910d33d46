// Elements. What comes from logs, files or the agent becomes a text node, never markup.

// h('td', {class: 'n', onclick: fn}, 'text', node, null): attributes by name, listeners by on..., what is null is left out.
export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === null || value === undefined || value === false)
            continue;
        if (name.startsWith('on'))
            element.addEventListener(name.slice(2), value);
        else if (name === 'value' || name === 'checked' || name === 'disabled')
            element[name] = value;
        else
            element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

export function put(element, ...children) {
    element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

// A table with column heads [text, class?]; rows are <tr>.
export function table(heads, rows, caption) {
    return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
        h('table', null,
            h('thead', null, h('tr', null, heads.map(([text, kind]) => h('th', {class: kind, scope: 'col'}, text)))),
            h('tbody', null, rows)));
}

export function bar(part) {
    const fill = h('i');
    fill.style.width = `${Math.max(0, Math.min(1, part)) * 100}%`;
    return h('span', {class: part > 0.9 ? 'bar bad' : 'bar', 'aria-hidden': 'true'}, fill);
}

export function note(kind, ...children) {
    return h('p', {class: `note ${kind}`, role: kind === 'bad' ? 'alert' : null}, ...children);
}

// Asks before something that cannot be undone, or shows something. Resolves to the button's value, '' when it was closed.
export function ask(title, body, buttons) {
    const dialog = document.getElementById('dialog');
    return new Promise((resolve) => {
        put(dialog, h('h1', null, title), ...[body].flat(), h('div', {class: 'tools'}, buttons.map(([value, text, main]) =>
            h('button', {type: 'button', class: main ? 'main' : null, onclick: () => dialog.close(value)}, text))));
        dialog.onclose = () => {
            const value = dialog.returnValue;
            dialog.returnValue = '';
            resolve(value);
        };
        dialog.showModal();
    });
}
