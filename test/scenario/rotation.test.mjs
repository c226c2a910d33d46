// Files are rotated in every way while they are written at speed: no line is lost, none comes twice.
import assert from 'node:assert/strict';
import {pick, scenario, sleep, until} from './harness.mjs';
import {differences} from './writer.mjs';

const rounds = pick({light: 4, full: 12, soak: 200});
const atSink = (loki, w) => until(`${w.count} lines are at the sink`, () => loki.lines.size >= w.count);

// What the rotator destroys cannot be delivered: these two first wait until all was read.
const destructive = new Set(['truncate', 'copytruncate']);

for (const kind of ['rename', 'rename, late close', 'copytruncate', 'truncate', 'delete']) {
    scenario(`rotation by ${kind} while writing`, async (s) => {
        const loki = await s.loki();
        const w = s.writer('app.log');
        w.write(100);
        const agent = await s.agent(s.config({loki}));
        await atSink(loki, w);
        for (let i = 0; i < rounds; i++) {
            for (let k = 0; k < 10; k++) {
                w.write(200);
                await sleep(2);
            }
            if (destructive.has(kind))
                await atSink(loki, w);
            w.rotate(kind);
            w.write(50 + i); // at once after it, so that the new file may be as long as the old one was
            if (kind === 'delete' || destructive.has(kind))
                await atSink(loki, w);
        }
        await atSink(loki, w);
        await agent.stop();
        assert.deepEqual(differences([w], loki.lines), []);
        assert.equal(loki.repeats, 0);
    });
}

for (const kind of ['rename', 'copytruncate']) {
    scenario(`rotation by ${kind} while logcap is down`, async (s) => {
        const loki = await s.loki();
        const w = s.writer('app.log');
        w.write(1000);
        const agent = await s.agent(s.config({loki}));
        await atSink(loki, w);
        await agent.stop();
        w.write(500);
        w.rotate(kind);
        w.write(700);
        await agent.start();
        await atSink(loki, w);
        await sleep(300);
        await agent.stop();
        assert.deepEqual(differences([w], loki.lines), []);
    });
}

scenario('a file deleted while it is open is read to its end', async (s) => {
    const loki = await s.loki();
    const w = s.writer('gone.log');
    w.write(10);
    const agent = await s.agent(s.config({loki}));
    await atSink(loki, w);
    w.write(3000);
    w.rotate('delete');
    await atSink(loki, w);
    await agent.stop();
    assert.deepEqual(differences([w], loki.lines), []);
});
