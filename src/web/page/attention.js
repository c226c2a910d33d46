// What an operator should look at, in words; the worst first.
import {bytes, count, duration, plural} from './units.js';

const rank = {bad: 0, warn: 1};

function ofSinks(s, found) {
    for (const sink of s.stats.sinks) {
        const open = sink.breaker && sink.breaker.state !== 'closed';
        const last = sink.last_success ? Date.parse(sink.last_success) : 0;
        if (sink.failing || open)
            found.push(['bad', `${sink.name} cannot deliver${sink.error ? `: ${sink.error}` : ''}${open ? `; its circuit breaker is ${sink.breaker.state.replace('_', ' ')}` : ''}. Nothing is lost: what it cannot take waits${sink.lagging ? ' in the disk buffer' : ''}.${last ? '' : ' It has delivered nothing since the start.'}`, '#/overview', last]);
        else if (!sink.started)
            found.push(['bad', `${sink.name} has not started${sink.error ? `: ${sink.error}` : ''}.`, '#/overview']);
        else if (sink.lagging)
            found.push(['warn', `${sink.name} is behind: ${plural(sink.since_start.spooled.records, 'line')} wait in the disk buffer.`, '#/overview']);
        const dropped = Object.entries(sink.since_start.dropped).filter(([reason, n]) => n.records && !['purged', 'duplicate'].includes(reason));
        for (const [reason, n] of dropped)
            found.push(['bad', `${sink.name} has dropped ${plural(n.records, 'line')} since the start: ${reason.replaceAll('_', ' ')}.`, '#/sources']);
        if (sink.demoted_labels?.length)
            found.push(['warn', `${sink.name} keeps ${sink.demoted_labels.join(', ')} out of the labels: there were too many streams (max_streams).`, '#/overview']);
    }
}

const checks = {
    ledger: () => 'The ledger does not add up. That is a bug, please report it',
    disk_space: (c) => `The disk of the state directory is nearly full: ${Math.round(c.value * 100)} % free, or it cannot be written`,
    disk_buffer: (c) => `The disk buffer is ${Math.round(c.value * 100)} % full`,
    memory: () => 'The memory for records is used up: sources wait until sinks have taken some',
    queue_utilization: () => 'A sink\'s queue is full',
    dead_letters: (c) => `Dead letters come fast, or are many: ${count(c.value)}`,
    once_after_a_kill: () => 'state.db cannot be written now',
    file_descriptors: (c) => `${Math.round(c.value * 100)} % of the file descriptors are used`,
};

function ofChecks(s, found) {
    for (const [name, check] of Object.entries(s.health.checks)) {
        // These are said of the sinks themselves.
        if (check.status === 'healthy' || name === 'sink_connectivity' || name === 'label_cardinality')
            continue;
        const says = checks[name]?.(check) ?? `${name.replaceAll('_', ' ')}: ${check.value} ${check.unit}`;
        found.push([check.status === 'unhealthy' ? 'bad' : 'warn', `${says}${check.reason ? `: ${check.reason}` : ''}.`,
            name === 'dead_letters' ? '#/letters' : '#/overview']);
    }
}

function ofSources(s, rates, found) {
    const {sources} = s;
    if (sources.failed)
        found.push(['bad', `${plural(sources.failed, 'source')} cannot be read, such as ${sources.failed_name}: ${sources.failed_error}.`,
            `#/sources?q=${encodeURIComponent(sources.failed_name)}`]);
    if (sources.lost_by_rotator)
        found.push(['warn', `${bytes(sources.lost_by_rotator)} were gone before they could be read: a file was truncated or deleted too early.`, '#/sources']);
    const seconds = rates?.bytesIn > 0 ? sources.lag_bytes / rates.bytesIn : Infinity;
    if (sources.lag_bytes > 64 << 20 || (sources.lag_bytes > 1 << 20 && seconds > 60))
        found.push(['warn', `${bytes(sources.lag_bytes)} are not read yet${Number.isFinite(seconds) ? `, at this rate ${duration(seconds)} of work` : ''}; furthest behind is ${sources.furthest_behind_name} with ${bytes(sources.furthest_behind_bytes)}.`,
            `#/sources?q=${encodeURIComponent(sources.furthest_behind_name)}`]);
}

// [[level, sentence, link, since when in ms or nothing]]
export function attention(s, rates) {
    const found = [];
    ofSinks(s, found);
    ofChecks(s, found);
    ofSources(s, rates, found);
    const tracker = s.health.services.goroutine_tracker.stats;
    if (tracker.hanging)
        found.push(['bad', `${plural(tracker.hanging, 'task')} hang: no sign of life for longer than their kind allows.`, '#/tasks']);
    if (tracker.refused)
        found.push(['bad', `${plural(tracker.refused, 'task')} could not be started: max_tasks is reached.`, '#/tasks']);
    if (s.dead_letters?.letters && !found.some(([, , link]) => link === '#/letters'))
        found.push(['warn', `${plural(s.dead_letters.letters, 'dead letter')}: refused for good, to be put right and sent again.`, '#/letters']);
    for (const [address, error] of s.engines_down)
        found.push(['bad', `${address}, an engine of containers, does not answer: ${error}.`, '#/sources']);
    const {waiting} = s.health.services.container_monitor.stats;
    if (waiting)
        found.push(['warn', `${plural(waiting, 'container')} wait for a connection to their engine: max_connections is used up.`, '#/sources']);
    for (const [severity, sentence, since] of s.leaks)
        found.push([severity === 'warning' ? 'warn' : 'bad', `${sentence}.`, '#/leaks', since]);
    return found.sort((a, b) => rank[a[0]] - rank[b[0]]);
}
