// What is said of tasks, memory and processor time: the predecessor's commands as its users type them, read by the real
// `go tool pprof`, and by a protobuf library.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import zlib from 'node:zlib';
import protobuf from 'protobufjs';
import {binary, command, patience, sanitized, scenario, until} from './harness.mjs';

const shell = async (line, env = {}) => {
    const process_ = spawn('bash', ['-c', `set -o pipefail; ${line}`], {env: {...process.env, ...env}});
    let stdout = '', stderr = '';
    process_.stdout.on('data', (data) => { stdout += data; });
    process_.stderr.on('data', (data) => { stderr += data; });
    const code = await new Promise((resolve) => process_.on('close', resolve));
    return {code, stdout, stderr};
};

const quiet = (s) => s.config({local: true});

// A profile as the format's definition says; what is not in it would not be found again.
const {Profile} = protobuf.parse(`
    syntax = "proto3";
    message Profile {
        repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Mapping mapping = 3;
        repeated Location location = 4; repeated Function function = 5; repeated string string_table = 6;
        int64 time_nanos = 9; int64 duration_nanos = 10; ValueType period_type = 11; int64 period = 12;
        int64 default_sample_type = 14;
    }
    message ValueType { int64 type = 1; int64 unit = 2; }
    message Sample { repeated uint64 location_id = 1; repeated int64 value = 2; repeated Label label = 3; }
    message Label { int64 key = 1; int64 str = 2; int64 num = 3; int64 num_unit = 4; }
    message Mapping { uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4;
        int64 filename = 5; int64 build_id = 6; bool has_functions = 7; bool has_filenames = 8;
        bool has_line_numbers = 9; bool has_inline_frames = 10; }
    message Location { uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4; }
    message Line { uint64 function_id = 1; int64 line = 2; }
    message Function { uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; int64 start_line = 5; }
`).root.nested;

const fetchProfile = async (agent, where, port = agent.port) => {
    const response = await fetch(`http://127.0.0.1:${port}/debug/pprof/${where}`, {signal: AbortSignal.timeout(30000 * patience)});
    assert.equal(response.status, 200);
    const bytes = Buffer.from(await response.arrayBuffer());
    return {response, profile: Profile.decode(zlib.gunzipSync(bytes)), bytes};
};

// The functions of a sample, innermost first.
const namesOf = (profile, sample) => sample.locationId.flatMap((id) =>
    profile.location[Number(id) - 1].line.map((line) =>
        profile.stringTable[Number(profile.function[Number(line.functionId) - 1].name)]));

const goIsThere = spawnSync('go', ['version']).status === 0;

scenario('the commands of the runbooks work as they are written', async (s) => {
    assert.ok(goIsThere, 'go is not installed: tools/setup test');
    const agent = await s.agent(quiet(s));
    const env = {PPROF_TMPDIR: s.path('pprof'), HOME: s.directory};
    const typed = (line) => shell(line.replaceAll(':8001', `:${agent.metricsPort}`).replaceAll(':6060', `:${agent.profilingPort}`), env);

    let said = await typed('curl -s http://localhost:8001/debug/pprof/goroutine?debug=1 | head -n 1');
    assert.match(said.stdout, /^goroutine profile: total \d+\n$/);
    said = await typed('curl -s http://localhost:6060/debug/pprof/goroutine?debug=2');
    assert.match(said.stdout, /^goroutine \d+ \[/);
    assert.match(said.stdout, /, thread "collector" \d+\]:\n(.+\n\t.+\n)*collector_run\(\.\.\.\)\n\t/);
    said = await typed('go tool pprof -top http://localhost:8001/debug/pprof/goroutine');
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /Type: goroutine\n/);
    assert.match(said.stdout, / collector_run\n/);
    said = await typed(`cd ${s.directory} && curl -s http://localhost:6060/debug/pprof/goroutine > goroutine.prof && go tool pprof -top goroutine.prof`);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, / loop_run\n/);
    said = await typed('go tool pprof -top http://localhost:8001/debug/pprof/heap');
    if (sanitized) {
        assert.notEqual(said.code, 0);
        assert.match((await agent.get('/debug/pprof/heap')).text, /this build's allocator takes no samples/);
    } else {
        assert.equal(said.code, 0, said.stderr);
        assert.match(said.stdout, /Type: inuse_space\n/);
    }
    // What people can read is for go tool pprof too.
    said = await typed(`cd ${s.directory} && curl -s http://localhost:6060/debug/pprof/goroutine?debug=1 > text.prof && go tool pprof -top text.prof`);
    assert.equal(said.code, 0, said.stderr);
    await agent.stop();
});

scenario('a profile is what its format says: stacks through libraries, with files and lines', async (s) => {
    const agent = await s.agent(quiet(s));
    const {response, profile} = await fetchProfile(agent, 'goroutine');
    assert.match(response.headers.get('content-disposition'), /attachment/);
    assert.equal(response.headers.get('content-type'), 'application/octet-stream');
    assert.equal(profile.stringTable[0], '');
    const threads = profile.sample.filter((x) => x.label.some((l) => profile.stringTable[Number(l.str)] === 'thread'));
    const store = threads.map((x) => namesOf(profile, x)).find((names) => names.includes('keeper_run'));
    // From the system call in libc, which has no frame pointers, to the thread's first function.
    assert.ok(store.includes('epoll_wait') || sanitized, store.join(' '));
    assert.ok(store.indexOf('keeper_run') > store.indexOf('loop_run'));
    assert.ok(store.includes('thread_main'));
    const files = profile.function.filter((f) => profile.stringTable[Number(f.name)] === 'keeper_run')
        .map((f) => profile.stringTable[Number(f.filename)]);
    assert.match(files[0], /\/src\/core\/keeper\.c$/);
    const program = profile.mapping[0];
    assert.equal(profile.stringTable[Number(program.filename)], fs.realpathSync(binary));
    assert.match(profile.stringTable[Number(program.buildId)], /^[0-9a-f]{40}$/);

    // Descriptors by birth: as many as the kernel has.
    const fds = (await fetchProfile(agent, 'fds')).profile;
    const count = fds.sample.reduce((sum, x) => sum + Number(x.value[0]), 0);
    assert.ok(count >= 10 && count <= fs.readdirSync(`/proc/${agent.process.pid}/fd`).length + 8);
    const grouped = (await agent.get('/debug/pprof/goroutine?format=json')).json;
    assert.equal(grouped.has_lines, true);
    assert.ok(grouped.groups.some((g) => g.stack.some((f) => f.function === 'collector_run' && f.file.endsWith('/src/in/collector.c'))));
    const asked = command(['stacks', '-c', agent.file]);
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stdout, /^goroutine: \d+ in all in \d+ groups\n/);
    assert.doesNotMatch(asked.stdout, /"explain"/, 'who answers is no part of the answer');
    assert.doesNotMatch(command(['stacks', '-c', agent.file, '--each']).stdout, /"explain"/);
    assert.doesNotMatch(command(['stacks', '-c', agent.file, 'threadcreate']).stdout, /"explain"/);
    const bogus = command(['stacks', '-c', agent.file, 'bogus']);
    assert.deepEqual([bogus.code, bogus.stderr], [1, 'logcap: the agent says: no such profile: bogus; GET /debug/pprof/ lists them\n']);
    assert.match(asked.stdout, /\n1 thread, the oldest "collector" \d+ s\n(    .+\n)* {4}collector_run +\/.*\/src\/in\/collector\.c:\d+\n/);
    await agent.stop();
});

scenario('seconds: what grew; processor time; and others are answered meanwhile', async (s) => {
    const agent = await s.agent(quiet(s));
    const growth = fetchProfile(agent, 'goroutine?seconds=1');
    // Of two measurements at once one is refused; which, is theirs to settle.
    const both = [2, 2].map((seconds) => agent.get(`/debug/pprof/profile?seconds=${seconds}&debug=1`, {signal: AbortSignal.timeout(60000 * patience)}));
    const texts = (await Promise.all(both)).map((x) => x.text).sort();
    assert.match(texts[0], /^profile cannot be told: Device or resource busy\n$/);
    assert.match(texts[1], /^profile profile: total \d+\n/);
    const work = fetchProfile(agent, 'profile?seconds=2', agent.profilingPort);
    const worked = Date.now();
    // Work for it, which others do meanwhile.
    while (Date.now() - worked < 1500)
        assert.equal((await agent.get('/tasks?full=1')).status, 200);
    assert.ok(Number((await growth).profile.durationNanos) >= 1e9);
    const {profile} = await work;
    assert.ok(Number(profile.durationNanos) >= 2e9);
    assert.equal(profile.stringTable[Number(profile.defaultSampleType)], 'cpu');
    // TSan holds signals back, and has no context of where they came.
    if (process.env.LOGCAP_SANITIZER !== 'tsan')
        assert.ok(profile.sample.some((x) => namesOf(profile, x).includes('web_run')), 'the web worked');
    await agent.stop();
});

scenario('who goes away, or asks for too much, holds nothing; the end waits for nobody', async (s) => {
    const agent = await s.agent(quiet(s));
    for (const where of ['nothing', 'goroutine?debug=9', 'goroutine?seconds=100000', 'goroutine?seconds=x'])
        assert.ok([400, 404].includes((await agent.get(`/debug/pprof/${where}`)).status), where);
    assert.equal((await agent.get('/stats', {}, agent.profilingPort)).status, 404);
    assert.match((await agent.get('/debug/pprof/', {}, agent.metricsPort)).text, /\/debug\/pprof\/goroutine /);
    const long = [1, 2, 3, 4].map(() => agent.get('/debug/pprof/threadcreate?seconds=600').catch(() => null));
    await until('there is no room for one more', async () =>
        (await agent.get('/debug/pprof/threadcreate')).status === 503, 10);
    const took = await agent.stop();
    assert.ok(took < 1000 * patience, `the end took ${took} ms`);
    await Promise.all(long);
});

scenario('a program without debug information, and one that was replaced, still name functions', async (s) => {
    const stripped = s.path('logcap-stripped');
    assert.equal(spawnSync('objcopy', ['--strip-debug', binary, stripped]).status, 0);
    const agent = s.newAgent(quiet(s), {through: ['bash', '-c', `shift; exec ${stripped} "$@"`, '-']});
    await agent.start();
    fs.rmSync(stripped);
    const {text} = await agent.get('/debug/pprof/goroutine?debug=1');
    assert.match(text, /\tcollector_run\+0x/);
    assert.match(text, /\tloop_run\+0x/);
    await agent.stop();
});
