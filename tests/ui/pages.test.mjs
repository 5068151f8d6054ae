// Every page, wide and narrow, dark and light: it draws, says nothing on the console, does not scroll sideways.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, closeBrowser, getJson, NARROW, open, shot, skip, visit, WIDE } from './support.mjs';

let pages = {};
before(async () => {
  if (!BASE) return;
  const failed = (await getJson('/api/ui/tasks?state=FAILURE&limit=1')).tasks[0] ?? (await getJson('/api/ui/tasks?limit=1')).tasks[0];
  const worker = (await getJson('/api/ui/workers')).data?.[0]?.worker;
  pages = {
    overview: '/',
    tasks: '/tasks',
    workers: '/workers',
    queues: '/queues',
    live: '/live',
    alerts: '/alerts',
    explore: `/explore?q=${encodeURIComponent('sum by (name) (rate(celery_task_received_total[5m]))')}`,
    'explore-empty': '/explore',
    targets: '/targets',
    dashboards: '/dashboards',
  };
  for (const d of await getJson('/api/ui/dashboards')) if (!d.error) pages[`dashboard-${d.uid}`] = `/dashboards/${encodeURIComponent(d.uid)}`;
  if (failed) pages.task = `/tasks/${failed.uuid}`;
  if (worker) pages.worker = `/workers/${encodeURIComponent(worker)}`;
});
after(closeBrowser);

for (const [name, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
  for (const theme of ['dark', 'light']) {
    test(`every page, ${name}, ${theme}`, { skip }, async (t) => {
      const { page, problems, foreign, close } = await open({ viewport, theme });
      for (const [id, path] of Object.entries(pages)) {
        await t.test(id, async () => {
          problems.length = 0;
          await visit(page, path);
          assert.deepEqual(problems, []);
          const { content, sideways } = await page.evaluate(() => ({
            content: document.querySelector('#main').textContent.length,
            sideways: document.documentElement.scrollWidth - window.innerWidth,
          }));
          assert.ok(content > 20, 'the page is empty');
          assert.ok(sideways <= 0, `the page is ${sideways} px too wide`);
          await shot(page, `${id}-${name}-${theme}`);
        });
      }
      assert.deepEqual(foreign, [], 'asked other hosts');
      await close();
    });
  }
}

test('no panel of a shipped dashboard fails', { skip }, async () => {
  const { page, close } = await open();
  for (const uid of ['celery', 'postgres', 'redis', 'host']) {
    await visit(page, `/dashboards/${uid}`);
    for (const panel of await page.locator('[data-panel-type]').all()) await panel.scrollIntoViewIfNeeded();
    await page.waitForFunction(() => !document.querySelector('#main .skeleton'));
    const failures = await page.$$eval('.panel-error, .panel-note.bad', (all) => all.map((e) => e.textContent || e.title));
    assert.deepEqual(failures, [], uid);
    const undrawn = await page.$$eval('[data-panel-type] .empty strong', (all) => all.map((e) => e.textContent).filter((x) => x === 'Not drawn'));
    assert.deepEqual(undrawn, [], uid);
  }
  await close();
});

test('an unknown page says so', { skip }, async () => {
  const { page, close } = await open();
  await visit(page, '/tasks/00000000-0000-4000-8000-000000000000');
  await page.getByText('not in the history', { exact: false }).first().waitFor();
  await close();
});
