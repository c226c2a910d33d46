// What the detector of an agent says, for the scenarios that ask it.
import http from 'node:http';

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
