// The sink itself, with pushes made by hand: the other scenarios lean on it.
import assert from 'node:assert/strict';
import net from 'node:net';
import {test} from 'node:test';
import {Loki, answers, encode} from './loki.mjs';

const push = (loki, streams, signal) =>
    fetch(`${loki.url}/loki/api/v1/push`, {method: 'POST', body: encode(streams), signal});
const stream = (...lines) => [{
    labels: '{job="t"}',
    entries: lines.map((line, i) => ({time: 1700000000000000000n + BigInt(i), line, metadata: {path: '/x'}})),
}];

async function withLoki(answer, body) {
    const loki = await new Loki(answer).start();
    try {
        await body(loki);
    } finally {
        await loki.stop();
    }
}

test('stores an entry once and counts what came again', () => withLoki(answers.ok, async (loki) => {
    assert.equal((await push(loki, stream('a', 'b'))).status, 204);
    assert.equal((await push(loki, stream('a', 'b', 'c'))).status, 204);
    assert.deepEqual([...loki.lines], [['a', 1], ['b', 1], ['c', 1]]);
    assert.equal(loki.repeats, 2);
    assert.equal(loki.entries[1].time, 1700000000000000001n);
    assert.deepEqual(loki.entries[1].metadata, {path: '/x'});
}));

test('the same line at another time is another entry', () => withLoki(answers.ok, async (loki) => {
    await push(loki, stream('a', 'a'));
    assert.equal(loki.lines.get('a'), 2);
}));

test('notices bodies and labels that Loki would refuse', () => withLoki(answers.ok, async (loki) => {
    await fetch(`${loki.url}/loki/api/v1/push`, {method: 'POST', body: 'nonsense'});
    await push(loki, [{labels: '{1bad="x"}', entries: [{time: 1n, line: 'x'}]}]);
    await fetch(`${loki.url}/elsewhere`);
    assert.equal(loki.faults.length, 3);
}));

test('refuses per entry and stores the rest', () => withLoki(() => answers.refusing((e) => e.line === 'bad'), async (loki) => {
    assert.equal((await push(loki, stream('a', 'bad', 'b'))).status, 400);
    assert.deepEqual([...loki.lines.keys()], ['a', 'b']);
}));

test('answers as scripted', async () => {
    for (const [answer, status, kept] of [
        [answers.status(500), 500, 0], [answers.throttled(3), 429, 0], [answers.policy(), 260, 0],
        [answers.partlyThrottled(), 429, 1], [answers.tooLarge(1), 413, 0], [answers.tooLarge(1e6), 204, 2],
        [answers.slow(5), 204, 2],
    ]) {
        await withLoki(() => answer, async (loki) => {
            assert.equal((await push(loki, stream('a', 'b'))).status, status);
            assert.equal(loki.lines.size, kept);
        });
    }
});

test('lies as scripted', async () => {
    for (const [answer, kept] of [[answers.reset(), 0], [answers.storedButReset(), 2], [answers.garbage(), 0]]) {
        await withLoki(() => answer, async (loki) => {
            await assert.rejects(push(loki, stream('a', 'b')));
            assert.equal(loki.lines.size, kept);
        });
    }
    for (const answer of [answers.hang(), answers.storedButHanging()]) {
        await withLoki(() => answer, async (loki) => {
            await assert.rejects(push(loki, stream('a'), AbortSignal.timeout(100)), {name: 'TimeoutError'});
        });
    }
    await withLoki(() => answers.endless(500), async (loki) => {
        const body = encode(stream('a'));
        const socket = net.connect(loki.port, '127.0.0.1');
        socket.write(`POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
        let bytes = 0;
        for await (const chunk of socket)
            if ((bytes += chunk.length) > 4 << 20)
                break;
        assert.ok(bytes > 4 << 20);
    });
});
