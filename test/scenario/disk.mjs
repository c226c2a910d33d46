// What a disk may hold after the machine lost power, made of what test/tools/disk_log.c wrote down.
//
// Synced bytes are there. Of those written since, each write is there, or not, or in part (by sectors), whatever came after it;
// a change of a file's size likewise. Names that were made, changed or removed since their directory was synced are there up
// to some moment: file systems keep their order. That a file is synced says nothing of its name.
import fs from 'node:fs';
import path from 'node:path';

const [CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK] = [0, 1, 2, 3, 4, 5];
const ROW = 32, SECTOR = 512;

export function readLog(file) {
    const all = fs.readFileSync(file), rows = [];
    for (let at = 0; at + ROW <= all.length;) {
        const length = all.readUInt32LE(at + 4);
        rows.push({kind: all.readUInt32LE(at), inode: Number(all.readBigUInt64LE(at + 8)), at: Number(all.readBigUInt64LE(at + 16)),
            ms: Number(all.readBigInt64LE(at + 24)) / 1e6, data: all.subarray(at + ROW, at + ROW + length)});
        at += ROW + length;
    }
    return rows;
}

// The same numbers for the same seed: mulberry32.
function dice(seed) {
    return () => {
        seed = (seed + 0x6D2B79F5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
}

class File {
    inode;
    bytes = Buffer.alloc(0);
    pending = [];

    constructor(inode) {
        this.inode = inode;
    }

    apply({kind, at, data}) {
        const size = kind === TRUNCATE ? at : Math.max(this.bytes.length, at + data.length);
        if (size !== this.bytes.length) {
            const other = Buffer.alloc(size);
            this.bytes.copy(other, 0, 0, Math.min(size, this.bytes.length));
            this.bytes = other;
        }
        if (kind === WRITE)
            data.copy(this.bytes, at);
    }

    sync() {
        this.pending.forEach((row) => this.apply(row));
        this.pending = [];
    }

    lose(random, kept) {
        for (const row of this.pending) {
            if (random() < kept)
                this.apply(row);
            else if (row.kind === WRITE && random() < 0.5)
                this.#tear(row, random);
        }
        this.pending = [];
    }

    #tear(row, random) {
        for (let from = 0; from < row.data.length;) {
            const to = Math.min(row.data.length, from + SECTOR - ((row.at + from) % SECTOR));
            if (random() < 0.5)
                this.apply({kind: WRITE, at: row.at + from, data: row.data.subarray(from, to)});
            from = to;
        }
    }
}

const change = (names, {kind, text, file}) => {
    const [from, to] = text.split('\n');
    if (kind === CREATE)
        names.set(from, file);
    else if (kind === RENAME && names.has(from))
        names.set(to, names.get(from));
    if (kind !== CREATE)
        names.delete(from);
};

// What share of a file's writes that were not synced is there, by the kind of crash: none; all of state.db, which says what is
// safe, and none of what it speaks of; of each file all or none; some of each.
const kinds = [
    () => 0,
    (random, file) => (path.basename(file).startsWith('state.db') ? 1 : 0),
    (random) => (random() < 0.5 ? 1 : 0),
    (random) => random(),
];

// Files by path after a crash behind the first n rows. Each seed is another crash.
export function afterCrash(rows, n, seed, inodeOf) {
    const random = dice(seed), kind = seed % kinds.length;
    const files = new Map(), names = new Map(), pending = new Map(), directories = new Map();
    for (const row of rows.slice(0, n)) {
        if (row.kind === CREATE)
            files.set(row.inode, new File(row.inode));
        if (row.kind === CREATE || row.kind === RENAME || row.kind === UNLINK) {
            const text = row.data.toString(), directory = path.dirname(text.split('\n')[0]);
            directories.set(inodeOf(directory), directory);
            pending.set(directory, [...(pending.get(directory) ?? []), {kind: row.kind, text, file: files.get(row.inode)}]);
        } else if (row.kind === SYNC && directories.has(row.inode)) {
            pending.get(directories.get(row.inode)).forEach((c) => change(names, c));
            pending.set(directories.get(row.inode), []);
        } else if (row.kind === SYNC) {
            files.get(row.inode)?.sync();
        } else {
            files.get(row.inode)?.pending.push(row);
        }
    }
    for (const changes of pending.values())
        changes.slice(0, kind === 0 ? 0 : kind === 1 ? changes.length : Math.floor(random() * (changes.length + 1)))
            .forEach((c) => change(names, c));
    for (const [name, file] of names)
        file.lose(random, kinds[kind](random, name));
    return names;
}

const filesBelow = (root) => fs.readdirSync(root, {recursive: true, withFileTypes: true})
    .filter((entry) => entry.isFile()).map((entry) => path.join(entry.path, entry.name));

// Keeps the inodes of what is below `root`: what logcap wrote it knows by them.
export function keepInodes(root, store) {
    fs.mkdirSync(store);
    for (const file of filesBelow(root))
        fs.linkSync(file, path.join(store, String(fs.statSync(file).ino)));
}

// Puts a state in the place of what is below `root`.
export function restore(root, names, store) {
    filesBelow(root).forEach((file) => fs.unlinkSync(file));
    for (const [file, {inode, bytes}] of names) {
        const kept = path.join(store, String(inode));
        fs.mkdirSync(path.dirname(file), {recursive: true});
        if (fs.existsSync(kept))
            fs.linkSync(kept, file);
        fs.writeFileSync(file, bytes, {mode: 0o600});
    }
}
