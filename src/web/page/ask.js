// Questions to the agent. What it refuses is an Error with its sentence.

async function answer(response) {
    const text = await response.text();
    let json = null;
    try {
        json = JSON.parse(text);
    } catch {
        // a text
    }
    return {json, text, status: response.status, ok: response.ok};
}

export async function get(path, options = {}) {
    const got = await answer(await fetch(path, {headers: {Accept: 'application/json'}, ...options}));
    if (!got.ok)
        throw new Error(got.json?.error ?? `${path}: status ${got.status}`);
    return got.json;
}

// Also what it refuses is given: its answer says why.
export async function post(path, body) {
    const got = await answer(await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: body === undefined ? undefined : JSON.stringify(body)}));
    if (!got.json)
        throw new Error(got.text || `${path}: status ${got.status}`);
    if (got.json.error)
        throw new Error(got.json.error);
    return got.json;
}
