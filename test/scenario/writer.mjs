// Writes numbered lines to a file at speed and rotates it by each kind, remembering every line.
import fs from 'node:fs';
import path from 'node:path';

export class Writer {
    #fd;
    #rotated = 0;

    // Lines are "NAME NUMBER padding", `size` bytes with their end, each unlike every other.
    constructor(file, {name = path.basename(file), size = 100, tear = 20} = {}) {
        this.file = file;
        this.name = name;
        this.size = size;
        this.tear = tear;           // where a line is torn
        this.count = 0;
        fs.mkdirSync(path.dirname(file), {recursive: true});
        this.#open();
    }

    #open() {
        this.#fd = fs.openSync(this.file, 'a');
    }

    line(number) {
        const head = `${this.name} ${String(number).padStart(8, '0')} `;
        return head + 'abcdefghij'.repeat(this.size / 10).slice(head.length, this.size - 1);
    }

    // n lines in writes of some 16 KiB that end anywhere, as programs' buffers do.
    write(n) {
        let text = '';
        for (let i = 0; i < n; i++) {
            text += this.line(this.count++) + '\n';
            if (text.length > 16384) {
                fs.writeSync(this.#fd, text.slice(0, 16384));
                text = text.slice(16384);
            }
        }
        fs.writeSync(this.#fd, text);
    }

    // Writes a piece of a line; the rest comes with finish().
    writePartly() {
        this.half = this.line(this.count++);
        fs.writeSync(this.#fd, this.half.slice(0, this.tear));
    }

    finish() {
        fs.writeSync(this.#fd, this.half.slice(this.tear) + '\n');
    }

    rotate(kind) {
        const old = `${this.file}.${++this.#rotated}`;
        switch (kind) {
        case 'rename':
            fs.renameSync(this.file, old);
            fs.closeSync(this.#fd);
            this.#open();
            break;
        case 'rename, late close': { // the program goes on writing to the old file for a while
            fs.renameSync(this.file, old);
            const before = this.#fd;
            this.#open();
            fs.writeSync(before, this.line(this.count++) + '\n');
            fs.closeSync(before);
            break;
        }
        case 'copytruncate':
            fs.copyFileSync(this.file, old);
            fs.truncateSync(this.file);
            break;
        case 'truncate': // nothing unread may be in it, or the rotator destroys it
            fs.truncateSync(this.file);
            break;
        case 'delete':
            fs.unlinkSync(this.file);
            fs.closeSync(this.#fd);
            this.#open();
            break;
        default:
            throw new Error(`no such rotation: ${kind}`);
        }
        return old;
    }

    close() {
        fs.closeSync(this.#fd);
    }

    *lines() {
        for (let i = 0; i < this.count; i++)
            yield this.line(i);
    }
}

// Sentences on what is not there exactly once: [] when all is well. have: Map of line to count.
export function differences(writers, have, {repeats = false} = {}) {
    const wrong = [];
    let expected = 0;
    for (const writer of writers) {
        for (const line of writer.lines()) {
            expected++;
            const n = have.get(line) ?? 0;
            if (n === 0)
                wrong.push(`missing: ${line.slice(0, 40)}`);
            else if (n > 1 && !repeats)
                wrong.push(`${n} times: ${line.slice(0, 40)}`);
        }
    }
    if (have.size > expected)
        wrong.push(`${have.size - expected} lines that nobody wrote`);
    return wrong.length > 20 ? [...wrong.slice(0, 20), `and ${wrong.length - 20} more`] : wrong;
}
