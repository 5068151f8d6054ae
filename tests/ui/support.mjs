// A browser over a running cloche. CLOCHE_URL names it, SHOTS a folder for screenshots.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const BASE = (process.env.CLOCHE_URL ?? '').replace(/\/$/, '');
export const skip = BASE ? false : 'CLOCHE_URL names no running cloche';
const SHOTS = process.env.SHOTS;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 740 };

let browser = null;
export async function open({ viewport = WIDE, theme = 'dark', reducedMotion = 'no-preference' } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS });
  const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion });
  const page = await context.newPage();
  const problems = [];
  const foreign = [];
  page.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') problems.push(`${new URL(page.url()).pathname}: ${m.text()}`);
  });
  page.on('pageerror', (e) => problems.push(`${new URL(page.url()).pathname}: ${e.message}`));
  page.on('request', (r) => {
    if (!r.url().startsWith(BASE) && !r.url().startsWith('data:')) foreign.push(r.url());
  });
  return { page, problems, foreign, close: () => context.close() };
}
export async function closeBrowser() {
  await browser?.close();
  browser = null;
}

// The page has drawn what it had to ask for: no skeleton is in sight (panels out of sight, or in a closed rule, do not ask).
export async function settled(page) {
  await page.waitForSelector('#main > *');
  await page.waitForFunction(
    () =>
      ![...document.querySelectorAll('#main .skeleton')].some(
        (e) => e.checkVisibility() && e.getBoundingClientRect().top < window.innerHeight,
      ),
    null,
    { timeout: 20000 },
  );
}
export async function visit(page, path) {
  await page.goto(BASE + path);
  await settled(page);
}

export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

export const query = (page) => new URL(page.url()).searchParams;
export const path = (page) => new URL(page.url()).pathname;
export const getJson = async (route) => (await fetch(BASE + route)).json();
export const json = (body, status = 200) => ({ status, contentType: 'application/json', body: JSON.stringify(body) });
