// The leak detector as a product: labelled series, replayed by the binary, must be judged at least as well as this. The figures of the
// whole corpus are in docs/detector.md; `make bench` measures them.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {binary, pick} from './harness.mjs';

const score = fileURLToPath(new URL('../../bench/leaks/score.py', import.meta.url));

// Of so few series one more or less is a step: the floors leave room for one.
const skip = process.env.LOGCAP_SANITIZER === 'tsan' && 'one thread that computes: ThreadSanitizer has nothing to find there';
test('leaks are found, and what ends is not called one', {timeout: 3_600_000, skip}, async () => {
    const corpora = [`shapes:test:${pick({light: 22, full: 88, soak: 1100})}`, `services:test:${pick({light: 14, full: 42, soak: 700})}`];
    const floors = pick({light: ['0.8', '0.7', '1'], full: ['0.86', '0.85', '1'], soak: ['0.93', '0.86', '20']});
    const {stdout} = await promisify(execFile)('python3',
        ['-B', score, '--logcap', path.resolve(binary), '--misses', '--floors', ...floors, ...corpora]);
    assert.match(stdout, /\| all \|/);
});
