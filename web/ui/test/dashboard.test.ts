import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configure, showValue, thresholdColor } from '../src/dashboard/field';
import { Frame, seriesFrames, tableFrame } from '../src/dashboard/frames';
import { layOut } from '../src/dashboard/layout';
import { panelOf, readDashboard, splitCustom, unwrap } from '../src/dashboard/migrate';
import { Panel } from '../src/dashboard/model';
import { alignRange, stepsOf } from '../src/dashboard/step';
import { transform } from '../src/dashboard/transform';

const SHIPPED = process.env.DASHBOARDS ?? join(process.cwd(), '..', 'dashboards');
const COMMUNITY = process.env.COMMUNITY_DASHBOARDS ?? '/work/shared/dashboards';
const target = panelOf({ targets: [{ refId: 'A', expr: 'up', legendFormat: '{{name}}' }] }).targets[0];
const series = (metric: Record<string, string>, values: number[]) => ({ metric, times: values.map((_v, i) => i * 15), values });

function everyPanel(panels: Panel[]): Panel[] {
  return panels.flatMap((p) => [p, ...everyPanel(p.panels)]);
}

test('shipped dashboards: known panel types, queries everywhere, whole rows', () => {
  const files = readdirSync(SHIPPED).filter((f) => f.endsWith('.json'));
  assert.deepEqual(files.sort(), ['celery.json', 'host.json', 'postgres.json', 'redis.json']);
  for (const file of files) {
    const d = readDashboard(JSON.parse(readFileSync(join(SHIPPED, file), 'utf8')));
    assert.equal(`${d.uid}.json`, file);
    for (const p of everyPanel(d.panels)) {
      assert.ok(['timeseries', 'stat', 'gauge', 'bargauge', 'table', 'row'].includes(p.type), `${file}: ${p.title} is a ${p.type}`);
      assert.equal(p.problem, undefined);
      if (p.type !== 'row') assert.ok(p.targets.every((t) => t.expr) && p.targets.length > 0, `${file}: ${p.title}`);
    }
    const unknown = everyPanel(d.panels).flatMap((p) => transform([], p.transformations).unknown);
    assert.deepEqual(unknown, []);
  }
});

test('community dashboards load without a problem', { skip: !existsSync(COMMUNITY) && `no folder ${COMMUNITY}` }, () => {
  const known = new Set(['timeseries', 'stat', 'gauge', 'bargauge', 'table', 'piechart', 'text', 'row', 'logs']);
  for (const file of readdirSync(COMMUNITY).filter((f) => f.endsWith('.json'))) {
    const d = readDashboard(JSON.parse(readFileSync(join(COMMUNITY, file), 'utf8')));
    const panels = everyPanel(d.panels);
    assert.ok(panels.length > 3, file);
    for (const p of panels) {
      assert.equal(p.problem, undefined, `${file}: ${p.title}`);
      assert.ok(known.has(p.type), `${file}: ${p.title} is a ${p.type}`);
      assert.deepEqual(transform([], p.transformations).unknown, [], `${file}: ${p.title}`);
    }
    const blocks = layOut(d.panels, () => ['a', 'b'], () => true);
    for (const b of blocks) for (const p of b.panels) assert.ok(p.grid.x >= 0 && p.grid.x + p.grid.w <= 24 && Number.isFinite(p.grid.y), `${file}: ${p.key}`);
  }
});

test('what is no dashboard is refused with a reason', () => {
  assert.throws(() => readDashboard([]), /not a JSON object/);
  assert.throws(() => readDashboard({ a: 1 }), /no Grafana dashboard/);
  assert.throws(() => unwrap({ apiVersion: 'dashboard.grafana.app/v2beta1', spec: {} }), /v2/);
  assert.equal(unwrap({ dashboard: { title: 'x' }, meta: {} }).title, 'x');
});

test('drifting types never fail a dashboard', () => {
  const d = readDashboard({
    title: 7,
    refresh: false,
    templating: { list: [null, { name: 'v', type: 'custom', query: 'a,b : c' }] },
    panels: [null, 3, { type: 'timeseries', gridPos: null, targets: {}, fieldConfig: 'x' }, { type: 'stat', fieldConfig: { defaults: { min: '0', decimals: '2', thresholds: { steps: [{ value: null, color: 'red' }] } } } }, { gridPos: { x: 99, w: 99 } }],
  });
  assert.equal(d.refresh, '');
  assert.equal(d.panels.length, 3);
  assert.equal(d.panels[1].defaults.min, 0);
  assert.ok(d.panels.every((p) => p.grid.x + p.grid.w <= 24 && Number.isFinite(p.grid.y)));
});

test('inputs of an export are filled in everywhere', () => {
  const d = readDashboard({ title: 't', __inputs: [{ name: 'VAR_X', type: 'constant', value: 'a"b' }], panels: [{ type: 'text', title: '${VAR_X}' }] });
  assert.equal(d.panels[0].title, 'a"b');
});

test('rows of schema 14 become a grid', () => {
  const d = readDashboard({ title: 't', rows: [{ height: '250px', title: 'One', showTitle: true, panels: [{ type: 'graph', span: 8 }, { type: 'singlestat', span: 8 }] }, { title: 'Two', collapse: true, panels: [{ type: 'text', span: 12 }] }] });
  assert.deepEqual(d.panels.map((p) => p.type).sort(), ['row', 'row', 'stat', 'timeseries']);
  const blocks = layOut(d.panels, () => [], (_k, byFile) => byFile);
  assert.deepEqual(blocks.map((b) => [b.head?.title, b.open, b.panels.length]), [['One', true, 2], ['Two', false, 1]]);
  assert.deepEqual(blocks[0].panels.map((p) => [p.grid.x, p.grid.y, p.grid.w]), [[0, 0, 16], [0, 7, 16]]);
});

test('the old graph and singlestat keep what they showed', () => {
  const graph = panelOf({ type: 'graph', stack: true, percentage: true, yaxes: [{ format: 'bytes', min: '0' }], nullPointMode: 'connected', seriesOverrides: [{ alias: '/read/', transform: 'negative-Y' }], legend: { show: true, values: true, current: true, avg: true } });
  assert.equal(graph.type, 'timeseries');
  assert.equal(graph.defaults.unit, 'bytes');
  assert.equal(graph.defaults.min, 0);
  assert.deepEqual(graph.defaults.custom.stacking, { mode: 'percent', group: 'A' });
  assert.equal(graph.overrides[0].matcher.id, 'byRegexp');
  const stat = panelOf({ type: 'singlestat', format: 'percent', valueName: 'avg', thresholds: '80,95', colors: ['green', 'yellow', 'red'], gauge: { show: true } });
  assert.equal(stat.type, 'gauge');
  assert.deepEqual(stat.defaults.thresholds.steps.map((s) => s.value), [-Infinity, 80, 95]);
});

test('repeat makes a copy per value', () => {
  const d = readDashboard({ title: 't', panels: [{ id: 1, type: 'stat', repeat: 'q', maxPerRow: 2, gridPos: { x: 0, y: 0, w: 24, h: 4 } }, { id: 2, type: 'stat', gridPos: { x: 0, y: 4, w: 24, h: 4 } }] });
  const [block] = layOut(d.panels, () => ['a', 'b', 'c'], () => true);
  assert.deepEqual(block.panels.map((p) => [p.scope.q ?? '-', p.grid.x, p.grid.y]), [['a', 0, 0], ['b', 12, 0], ['c', 0, 4], ['-', 0, 8]]);
});

test('steps and rate intervals', () => {
  const steps = stepsOf({ interval: '', intervalFactor: 1 }, '', 600, { from: 0, to: 3600 }, 15);
  assert.deepEqual(steps, { interval: 15, step: 15, rateInterval: 60 });
  const week = stepsOf({ interval: '', intervalFactor: 2 }, '', 600, { from: 0, to: 604800 }, 15);
  assert.equal(week.step, week.interval * 2);
  assert.ok(604800 / week.step <= 11000);
  assert.deepEqual(alignRange({ from: 7, to: 100 }, 15), { from: 0, to: 90 });
});

test('overrides change names, units and colours of the fields they match', () => {
  const panel = panelOf({
    type: 'timeseries',
    fieldConfig: {
      defaults: { unit: 's', displayName: '${__field.labels.name}!' },
      overrides: [
        { matcher: { id: 'byRegexp', options: '/^b/' }, properties: [{ id: 'unit', value: 'bytes' }, { id: 'custom.hideFrom.legend', value: true }] },
        { matcher: { id: 'byNames', options: { names: ['a'], mode: 'include' } }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }] },
      ],
    },
  });
  const frames = seriesFrames({ type: 'matrix', series: [series({ name: 'a' }, [1]), series({ name: 'b' }, [2])], warnings: [] }, target, (s) => s);
  const [a, b] = configure(frames, panel, (s, extra) => s.replace(/\$\{(.+?)\}/g, (_w, n: string) => extra[n])).map((f) => f.fields[1]);
  assert.equal(a.displayName, 'a!');
  assert.equal(a.config?.unit, 's');
  assert.equal(a.config?.color.fixedColor, 'red');
  assert.equal(b.config?.unit, 'bytes');
  assert.deepEqual(b.config?.custom.hideFrom, { legend: true });
});

test('mappings come before units, thresholds by value', () => {
  const panel = panelOf({ type: 'stat', fieldConfig: { defaults: { unit: 'bytes', mappings: [{ type: 'value', options: { '1': { text: 'one', color: 'green' } } }, { type: 'range', options: { from: 2, to: 3, result: { text: 'few' } } }, { type: 'special', options: { match: 'null', result: { text: 'none' } } }], thresholds: { steps: [{ value: null, color: '#000000' }, { value: 10, color: '#ff0000' }] } } } });
  const show = (v: number | null) => showValue(v, panel.defaults, 'dark').text;
  assert.deepEqual([show(1), show(2.5), show(null), show(1024)], ['one', 'few', 'none', '1 KiB']);
  assert.equal(thresholdColor(9, panel.defaults, null, 'dark'), '#000000');
  assert.equal(thresholdColor(10, panel.defaults, null, 'dark'), '#ff0000');
});

const column = (frame: Frame, name: string) => frame.fields.find((f) => f.name === name)?.values;

test('merge and organize make the worker table', () => {
  const up = tableFrame({ type: 'vector', series: [series({ worker: 'a' }, [1]), series({ worker: 'b' }, [0])], warnings: [] }, { ...target, refId: 'A' }, 'Value #A');
  const active = tableFrame({ type: 'vector', series: [series({ worker: 'b' }, [3]), series({ worker: 'a' }, [2])], warnings: [] }, { ...target, refId: 'B' }, 'Value #B');
  const { frames } = transform([up, active], [
    { id: 'merge', options: {}, disabled: false },
    { id: 'organize', options: { excludeByName: { Time: true }, indexByName: { worker: 1, 'Value #A': 0 }, renameByName: { 'Value #A': 'Up' } }, disabled: false },
    { id: 'sortBy', options: { sort: [{ field: 'worker', desc: true }] }, disabled: false },
  ]);
  assert.equal(frames.length, 1);
  assert.deepEqual(frames[0].fields.map((f) => f.name), ['Up', 'worker', 'Value #B']);
  assert.deepEqual(column(frames[0], 'worker'), ['b', 'a']);
  assert.deepEqual(column(frames[0], 'Up'), [0, 1]);
  assert.deepEqual(column(frames[0], 'Value #B'), [3, 2]);
});

test('series to rows, reduce, join; unknown ones are named and skipped', () => {
  const frames = seriesFrames({ type: 'matrix', series: [series({ name: 'a' }, [1, 2]), series({ name: 'b' }, [3, 5])], warnings: [] }, target, (s) => s);
  const one = (id: string, options = {}) => transform(frames, [{ id, options, disabled: false }]);
  assert.deepEqual(column(one('seriesToRows').frames[0], 'Metric'), ['a', 'b', 'a', 'b']);
  assert.deepEqual(column(one('reduce', { reducers: ['max', 'mean'] }).frames[0], 'Max'), [2, 5]);
  assert.deepEqual(one('joinByField', { byField: 'Time' }).frames[0].fields.map((f) => f.name), ['Time', 'a', 'b']);
  assert.deepEqual(one('holograms').unknown, ['holograms']);
  assert.equal(one('holograms').frames.length, 2);
});

test('__auto names series by the one label that differs', () => {
  const frames = seriesFrames({ type: 'matrix', series: [series({ job: 'x', name: 'a' }, [1]), series({ job: 'x', name: 'b' }, [1])], warnings: [] }, { ...target, legendFormat: '__auto' }, (s) => s);
  assert.deepEqual(frames.map((f) => f.name), ['a', 'b']);
});

test('custom options split at commas that are not escaped', () => {
  assert.deepEqual(splitCustom('a, b : c,d\\,e').map((o) => `${o.text}=${o.value}`), ['a=a', 'b=c', 'd,e=d,e']);
});
