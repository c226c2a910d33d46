// What the detector of an agent says, for the scenarios that ask it.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {binary, sanitized} from './harness.mjs';

// test/tools/leak.c: plant('close 5') and so on, under an agent that has this environment.
const shim = path.join(path.dirname(binary), 'libleak.so');
export const skipShim = (sanitized || !fs.existsSync(shim)) && 'needs the shim, which does not go with sanitizers';
export function planted(s) {
    const file = s.path('leak');
    const plant = (text) => fs.writeFileSync(file, text);
    plant('');
    return {plant, env: {LD_PRELOAD: shim, LEAK: file}};
}

// Everything is looked at each second.
export const quick = {
    task_tracking: {check_interval: '1s'},
    resource_monitoring: {check_interval: '1s', alert_cooldown: '0s'},
};

export const leaks = async (agent) => (await agent.get('/leaks')).json;
export const finding = async (agent, series) => (await leaks(agent)).findings.find((f) => f.series === series);

// Takes what is posted, as the answers say: a status, or nothing at all.
export async function webhook(s, answers = []) {
    const posted = [];
    const server = http.createServer((req, res) => {
        let body = '';
        req.on('data', (data) => { body += data; });
        req.on('end', () => {
            posted.push({type: req.headers['content-type'], json: JSON.parse(body)});
            const answer = answers.shift() ?? 200;
            if (answer)
                res.writeHead(answer).end();
        });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    s.atEnd(() => {
        server.closeAllConnections();
        server.close();
    });
    return {posted, url: `http://127.0.0.1:${server.address().port}/alerts`};
}
