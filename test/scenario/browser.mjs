// A real browser, Debian's chromium, driven by playwright-core. Whatever a page logs as an error, or asks of another host, fails the test.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

export const artefacts = fileURLToPath(new URL('../artefacts', import.meta.url));

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--hide-scrollbars'];

export class Browser {
    faults = [];

    async start(options = {}) {
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'logcap-browser-'));
        this.context = await chromium.launchPersistentContext(this.directory, {
            executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags, timeout: 60000,
            viewport: {width: 1280, height: 800}, timezoneId: 'America/Sao_Paulo', locale: 'en-GB', ...options});
        this.context.setDefaultTimeout(30000);
        return this;
    }

    async page(url) {
        const page = await this.context.newPage();
        const {host} = new URL(url);
        page.on('pageerror', (error) => this.faults.push(`${error}`));
        page.on('console', (message) => message.type() === 'error' && this.faults.push(message.text()));
        page.on('request', (request) => new URL(request.url()).host === host || this.faults.push(`asked of another host: ${request.url()}`));
        await page.goto(url);
        return page;
    }

    async shot(page, name) {
        fs.mkdirSync(artefacts, {recursive: true});
        await page.screenshot({path: path.join(artefacts, `${name}.png`)});
    }

    // Pages that are all seen at once. A browser has few connections for one host in a profile, so each few have a profile of their own.
    async many(n, url) {
        this.browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags, timeout: 60000});
        const pages = [];
        let context;
        for (let i = 0; i < n; i++) {
            context = i % 5 ? context : await this.browser.newContext({viewport: {width: 1280, height: 800}});
            pages.push(await context.newPage());
            await pages[i].goto(url, {timeout: 120000});
        }
        return pages;
    }

    async stop() {
        await this.browser?.close();
        await this.context?.close();
        if (this.directory)
            fs.rmSync(this.directory, {recursive: true, force: true, maxRetries: 5});
    }

    assertClean() {
        assert.deepEqual(this.faults, []);
    }
}
