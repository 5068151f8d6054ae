// What the checklist marks as tested: time, links, keys, lists, empty panels, lost connection, weight, sub-path.
import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import { after, test } from 'node:test';
import { BASE, closeBrowser, getJson, json, NARROW, open, path, query, settled, shot, skip, visit } from './support.mjs';

after(closeBrowser);
const it = (name, run, options = {}) =>
  test(name, { skip }, async () => {
    const session = await open(options);
    try {
      await run(session);
    } finally {
      await session.close();
    }
  });

const CHART = '[data-panel-type="timeseries"] .u-over';
const matrix = (result) => json({ status: 'success', data: { resultType: 'matrix', result } });

async function dragOver(page, from, to) {
  const box = await page.locator(CHART).first().boundingBox();
  await page.mouse.move(box.x + box.width * from, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * to, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
}

it('the targets page lists what is watched', async ({ page }) => {
  await visit(page, '/targets');
  const { data } = await getJson('/api/ui/targets');
  for (const t of data.activeTargets) await page.getByText(t.labels.instance, { exact: false }).first().waitFor();
  await page.locator('[data-blind]').waitFor();
});

it('an empty state has a command and a button that copies it', async ({ page }) => {
  await page.route('**/api/ui/workers', (r) => r.fulfill(json({ version: 1, published: 0, data: [] })));
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']).catch(() => undefined);
  await visit(page, '/workers');
  const command = await page.locator('.empty .command code').textContent();
  assert.match(command, /celery/);
  await page.locator('.empty .command button').click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
});

it('a drag zooms the whole page, esc goes back', async ({ page }) => {
  await visit(page, '/dashboards/celery?from=now-5m&to=now');
  await page.locator(CHART).first().waitFor();
  await dragOver(page, 0.25, 0.75);
  await page.waitForFunction(() => /^\d+$/.test(new URLSearchParams(location.search).get('from')));
  const seconds = (Number(query(page).get('to')) - Number(query(page).get('from'))) / 1000;
  assert.ok(seconds > 120 && seconds < 180, `${seconds} s of 300 s`);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => new URLSearchParams(location.search).get('from') === 'now-5m');
});

it('one crosshair crosses all charts', async ({ page }) => {
  await visit(page, '/dashboards/celery?from=now-5m&to=now');
  const charts = page.locator(CHART);
  await charts.nth(1).waitFor();
  await charts.first().hover({ position: { x: 200, y: 60 } });
  await page.waitForFunction(() => {
    const lines = [...document.querySelectorAll('[data-panel-type="timeseries"] .u-cursor-x')].slice(0, 2);
    return lines.length === 2 && lines.every((l) => /translate/.test(l.style.transform) && !/translate\(-10px/.test(l.style.transform));
  });
  await page.locator('.tooltip').waitFor();
});

it('presets and fixed times go to the address and survive a reload', async ({ page }) => {
  await visit(page, '/dashboards/redis');
  await page.keyboard.press('t');
  await page.locator('.presets button', { hasText: '15m' }).click();
  assert.equal(query(page).get('from'), 'now-15m');
  await page.locator('.refresh').selectOption('off');
  assert.equal(query(page).get('refresh'), 'off');
  await page.reload();
  await page.locator('.range', { hasText: 'Last 15m' }).waitFor();
  await page.locator('.live-state.frozen').waitFor();
  await page.keyboard.press('[');
  await page.waitForFunction(() => /^\d+$/.test(new URLSearchParams(location.search).get('to')));
  await page.goBack();
  await page.locator('.range', { hasText: 'Last 15m' }).waitFor();
});

it('a range in words is read, nonsense is refused with an example', async ({ page }) => {
  await visit(page, '/explore?q=up');
  await page.locator('.range').click();
  const [from] = await page.locator('.custom-range input').all();
  await from.fill('soonish');
  await page.locator('.custom-range button[type=submit]').click();
  await page.getByText('Cannot read "soonish"', { exact: false }).waitFor();
  await from.fill('now-90m');
  await page.locator('.custom-range button[type=submit]').click();
  await page.waitForFunction(() => new URLSearchParams(location.search).get('from') === 'now-90m');
});

it('keys: search, help, pages, rows, theme', async ({ page }) => {
  await visit(page, '/');
  await page.keyboard.press('?');
  await page.locator('[role=dialog]', { hasText: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('[role=dialog]').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('type')), 'search');
  await page.keyboard.press('Escape');
  const theme = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.keyboard.press('d');
  await page.waitForFunction((old) => getComputedStyle(document.body).backgroundColor !== old, theme);
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.locator('.task-list tbody tr').nth(2).waitFor();
  assert.equal(path(page), '/tasks');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.locator('tr[data-row="0"].at').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.task-page').waitFor();
});

it('a task id pasted anywhere opens the task', async ({ page }) => {
  const { uuid } = (await getJson('/api/ui/tasks?limit=1')).tasks[0];
  await visit(page, '/queues');
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.setData('text/plain', text);
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
  }, uuid);
  await page.waitForURL(`**/tasks/${uuid}*`);
  await page.locator('.task-facts', { hasText: uuid }).waitFor();
});

it('filters live in the address, reload and back restore them', async ({ page }) => {
  await visit(page, '/tasks');
  await page.locator('.chip', { hasText: 'SUCCESS' }).click();
  await page.waitForFunction(() => new URLSearchParams(location.search).getAll('state').join() === 'SUCCESS');
  await page.waitForFunction(() => [...document.querySelectorAll('.task-list tbody .state')].every((s) => s.textContent === 'SUCCESS'));
  await page.reload();
  await page.locator('.chip.on', { hasText: 'SUCCESS' }).waitFor();
  await page.locator('.filters input[type=search]').fill('no such words at all');
  await page.getByText('No task matches').waitFor();
  assert.equal(query(page).get('q'), 'no such words at all');
});

it('new tasks wait behind a pill and move nothing', async ({ page }) => {
  await page.route('**/api/ui/tasks?*after=*', async (route) => {
    const first = (await getJson('/api/ui/tasks?limit=1')).tasks[0];
    await route.fulfill(json({ tasks: [{ ...first, id: first.id + 1_000_000, uuid: 'ffffffff-0000-4000-8000-000000000000' }], next: null, total: 1, truncated: false }));
  });
  await visit(page, '/tasks?refresh=5s');
  const top = () => page.locator('.task-list tbody tr').first().locator('.uuid').getAttribute('title');
  const before = await top();
  await page.locator('.pill', { hasText: '1 new' }).waitFor();
  assert.equal(await top(), before);
  await shot(page, 'tasks-new-pill');
});

it('older tasks load as one scrolls', async ({ page }) => {
  const all = await getJson('/api/ui/tasks?limit=100');
  if (!all.next) return;
  await visit(page, '/tasks?refresh=off');
  await page.locator('.list-end').scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelectorAll('.task-list tbody tr').length > 100);
});

const EMPTY_PANELS = {
  'No series': (r) => r.fulfill(matrix([])),
  'No sample in range': (r) => r.fulfill(matrix([{ metric: { a: 'b' }, values: [[Math.floor(Date.now() / 1000), 'NaN']] }])),
  'Query A failed': (r) => r.fulfill(json({ status: 'error', errorType: 'execution', error: 'too many samples: narrow it' }, 422)),
};
for (const [text, answer] of Object.entries(EMPTY_PANELS)) {
  it(`an empty panel says "${text}"`, async ({ page }) => {
    await page.route('**/api/v1/query_range', answer);
    await visit(page, '/dashboards/redis');
    await page.locator('[data-panel-type="timeseries"]').first().getByText(text, { exact: false }).first().waitFor();
    for (const other of Object.keys(EMPTY_PANELS)) if (other !== text) assert.equal(await page.locator('[data-panel-type="timeseries"]').first().getByText(other).count(), 0);
  });
}

it('an unknown panel type is a placeholder, its neighbours are drawn', async ({ page, problems }) => {
  const panel = (id, type, x) => ({ id, type, title: type, gridPos: { x, y: 0, w: 12, h: 6 }, targets: [{ refId: 'A', expr: 'vector(1)' }] });
  await page.route('**/api/ui/dashboards/odd', (r) => r.fulfill(json({ title: 'Odd', panels: [panel(1, 'hologram', 0), panel(2, 'stat', 12), null, { type: 'timeseries', targets: 7 }] })));
  await visit(page, '/dashboards/odd');
  await page.locator('[data-panel-type="hologram"]').getByText('not drawn yet', { exact: false }).waitFor();
  await page.locator('[data-panel-type="stat"] .stat-value').waitFor();
  assert.deepEqual(problems, []);
});

it('nothing of a dashboard reaches the page as HTML', async ({ page }) => {
  const evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>[a](javascript:window.owned=1)';
  await page.route('**/api/ui/dashboards/evil', (r) =>
    r.fulfill(json({ title: evil, panels: [{ id: 1, type: 'text', title: evil, description: evil, options: { mode: 'html', content: evil }, gridPos: { x: 0, y: 0, w: 12, h: 6 } }] })),
  );
  await visit(page, '/dashboards/evil');
  await page.locator('.panel-body .markdown').first().waitFor();
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator('#main img, #main a[href^="javascript"]').count(), 0);
});

it('a query error is underlined where it is', async ({ page }) => {
  await visit(page, `/explore?q=${encodeURIComponent('rat(up)')}`);
  await page.locator('.query-error mark').waitFor();
  assert.equal(await page.locator('.query-error mark').textContent(), 'rat');
});

it('the query box completes names and runs', async ({ page }) => {
  await visit(page, '/explore');
  const box = page.locator('.query-box textarea');
  await box.click();
  await box.pressSequentially('celery_work');
  await page.locator('.completions li', { hasText: 'celery_workers' }).waitFor();
  await page.locator('.completions li', { hasText: 'celery_workers' }).click();
  assert.equal(await box.inputValue(), 'celery_workers');
  await box.press('Enter');
  await page.waitForFunction(() => new URLSearchParams(location.search).get('q') === 'celery_workers');
  await page.locator('.explore table.grid tbody tr').first().waitFor();
});

it('live shows events and holds them while paused', async ({ page }) => {
  await visit(page, '/live');
  await page.locator('.live-list tbody tr').nth(3).waitFor({ timeout: 60000 });
  await page.locator('.live button', { hasText: 'Pause' }).click();
  const top = await page.locator('.live-list tbody tr').first().textContent();
  await page.locator('.live button', { hasText: 'wait' }).waitFor({ timeout: 60000 });
  assert.equal(await page.locator('.live-list tbody tr').first().textContent(), top);
});

it('a lost connection shows a bar and goes away by itself', async ({ page }) => {
  await visit(page, '/workers?refresh=5s');
  await page.route('**/api/**', (r) => r.abort());
  await page.locator('.lost').waitFor();
  await shot(page, 'lost-connection');
  await page.locator('table.grid tbody tr').first().waitFor();
  await page.unroute('**/api/**');
  await page.locator('.lost').waitFor({ state: 'detached' });
});

it('a hidden tab asks nothing and catches up when seen', async ({ page }) => {
  await visit(page, '/workers?refresh=5s');
  await page.evaluate(() => {
    window.fakeHidden = true;
    Object.defineProperty(document, 'hidden', { get: () => window.fakeHidden });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForLoadState('networkidle');
  let asked = 0;
  page.on('request', (r) => (asked += r.url().includes('/api/') ? 1 : 0));
  await page.waitForTimeout(6500); /* one refresh and more */
  assert.equal(asked, 0);
  await page.evaluate(() => {
    window.fakeHidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForRequest('**/api/ui/workers');
});

it('360 px: the bottom bar leads everywhere', async ({ page }) => {
  await visit(page, '/');
  await page.locator('.rail-more').click();
  await page.locator('.rail a', { hasText: 'Queues' }).click();
  await page.waitForURL('**/queues*');
  await page.locator('.rail a', { hasText: 'Alerts' }).click();
  await page.waitForURL('**/alerts*');
}, { viewport: NARROW });

it('the chosen theme is there before the first paint', async ({ page }) => {
  await visit(page, '/');
  await page.evaluate(() => localStorage.setItem('cloche.theme', 'light'));
  await page.route('**/assets/main-*.js', (r) => r.abort());
  await page.goto(BASE);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
});

it('a reduced motion wish is obeyed', async ({ page }) => {
  await visit(page, '/');
  await page.keyboard.press('?');
  assert.equal(await page.locator('.dialog').evaluate((e) => getComputedStyle(e).animationName), 'none');
}, { reducedMotion: 'reduce' });

it('every control has a name and shows its focus', async ({ page }) => {
  await visit(page, '/tasks');
  const nameless = await page.$$eval('button, input, select, textarea, a', (all) =>
    all.filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title || e.closest('label'))).map((e) => e.outerHTML.slice(0, 120)),
  );
  assert.deepEqual(nameless, []);
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, 'none');
  }
});

it('the first load is light', async ({ page }) => {
  const sizes = [];
  page.on('response', async (r) => {
    if (/\/assets\/|\/$/.test(new URL(r.url()).pathname)) sizes.push((await r.request().sizes()).responseBodySize);
  });
  await page.goto(BASE, { waitUntil: 'networkidle' }).catch(() => undefined);
  await page.locator('.verdict').first().waitFor();
  const total = sizes.reduce((a, b) => a + b, 0);
  assert.ok(total > 10_000 && total < 120 * 1024, `${total} bytes`);
});

// A proxy that serves cloche below /team/cloche/.
async function subPath() {
  const upstream = new URL(BASE);
  const server = createServer((req, res) => {
    if (!req.url.startsWith('/team/cloche/')) return res.writeHead(404).end();
    const options = { host: upstream.hostname, port: upstream.port, method: req.method, path: req.url.slice('/team/cloche'.length), headers: { ...req.headers, host: upstream.host } };
    const forward = httpRequest(options, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    forward.on('error', () => res.destroy());
    req.pipe(forward);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/team/cloche`, close: () => server.close() };
}

it('it works below a sub-path', async ({ page, problems }) => {
  const proxy = await subPath();
  try {
    for (const where of ['/', '/dashboards/celery', '/tasks']) {
      await page.goto(proxy.url + where);
      await settled(page);
    }
    await page.locator('.rail a', { hasText: 'Workers' }).click();
    await page.locator('table.grid, .empty').first().waitFor();
    assert.ok(page.url().startsWith(`${proxy.url}/workers`), page.url());
    assert.deepEqual(problems, []);
  } finally {
    proxy.close();
  }
});
