import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tickLabels, valueRange } from '../src/chart/axes';
import { assignHues, parseColor, resolveColor, seriesColor } from '../src/chart/palette';
import { reduceValues } from '../src/chart/reduce';
import { stackSeries } from '../src/chart/stack';
import { ChartSeries } from '../src/chart/types';
import { configure } from '../src/dashboard/field';
import { Frame } from '../src/dashboard/frames';
import { panelOf } from '../src/dashboard/migrate';
import { chartData } from '../src/panel/timeseries';

const line = (name: string, values: (number | null)[], more: Partial<ChartSeries> = {}): ChartSeries => ({ name, color: '#fff', values, ...more });

test('stacks add up, gaps carry the sum, hidden series take no room', () => {
  const series = [line('a', [1, null, 3], { stack: 'A' }), line('b', [2, 2, 2], { stack: 'A' }), line('c', [9, 9, 9])];
  const all = stackSeries(series, 3, new Set());
  assert.deepEqual(all.values, [[1, 0, 3], [3, 2, 5], [9, 9, 9]]);
  assert.deepEqual(all.below, [-1, 0, -1]);
  assert.deepEqual(stackSeries(series, 3, new Set(['a'])).values[1], [2, 2, 2]);
});

test('percent stacks end at one, negative ones go down', () => {
  const share = stackSeries([line('a', [1], { stack: 'A', percent: true }), line('b', [3], { stack: 'A', percent: true })], 1, new Set());
  assert.deepEqual(share.values, [[0.25], [1]]);
  assert.deepEqual(stackSeries([line('out', [5], { negative: true })], 1, new Set()).values, [[-5]]);
});

test('reducers', () => {
  const v = [null, 3, 1, undefined, 5, null];
  const want: Record<string, number | null> = { lastNotNull: 5, last: null, firstNotNull: 3, min: 1, max: 5, mean: 3, sum: 9, count: 6, range: 4, diff: 2, delta: 5, distinctCount: 3 };
  for (const [calc, value] of Object.entries(want)) assert.equal(reduceValues(v, calc), value, calc);
  assert.equal(reduceValues([], 'mean'), null);
  assert.equal(reduceValues([null], 'max'), null);
});

test('axes start at zero, hold a flat line, obey limits', () => {
  assert.deepEqual(valueRange(5, 10, { max: 10 }), [0, 10]);
  assert.deepEqual(valueRange(0, 0, {}), [0, 1]);
  assert.deepEqual(valueRange(null, null, {}), [0, 1]);
  assert.ok(valueRange(-5, 5, {})[0] < -5);
  assert.deepEqual(valueRange(1, 2, { min: 0, max: 1, softMax: 100 }), [0, 1]);
});

test('tick labels differ from each other', () => {
  assert.deepEqual(tickLabels([0, 0.5, 1], 'percentunit', null), ['0%', '50%', '100%']);
  assert.equal(new Set(tickLabels([0.001, 0.002, 0.003], 's', 0)).size, 3);
});

/* WCAG contrast of a series on its panel. */
function contrast(a: string, b: string): number {
  const luminance = (c: string) => {
    const { r, g, b: blue } = parseColor(c)!;
    const part = (v: number) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(blue);
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

test('every series is at least 3:1 on its panel in both themes', () => {
  for (let i = 0; i < 8; i++) {
    assert.ok(contrast(seriesColor(i, 'dark'), '#161a21') >= 3, `dark ${i}`);
    assert.ok(contrast(seriesColor(i, 'light'), '#ffffff') >= 3, `light ${i}`);
  }
});

test('a name keeps its hue, clashes move on', () => {
  const names = Array.from({ length: 8 }, (_v, i) => `task${i}`);
  const hues = assignHues(names);
  assert.equal(new Set(hues.values()).size, 8);
  assert.equal(assignHues(['task3']).get('task3'), assignHues(['task3']).get('task3'));
});

test('colour names of Grafana resolve, nonsense is grey', () => {
  assert.match(resolveColor('semi-dark-orange', 'dark'), /^rgba/);
  assert.equal(resolveColor('#abc', 'dark'), '#abc');
  assert.equal(resolveColor('javascript:1', 'light'), resolveColor('gray', 'light'));
});

test('text is at least 4.5:1 on every surface of both themes', () => {
  const css = readFileSync(join(process.cwd(), 'src/style/tokens.css'), 'utf8');
  for (const block of css.match(/\{[^{}]*--surface-0[^}]*\}/g)!) {
    const token = (name: string) => new RegExp(`--${name}:\\s*(#[0-9a-f]{6})`).exec(block)![1];
    for (const surface of ['surface-0', 'surface-1', 'surface-2']) {
      for (const text of ['text-1', 'text-2', 'text-3', 'ok', 'warn', 'bad', 'info', 'idle', 'accent']) {
        const ratio = contrast(token(text), token(surface));
        assert.ok(ratio >= 4.5, `${text} on ${surface}: ${ratio.toFixed(2)}`);
      }
    }
  }
});

test('a sparse series keeps its gaps, a coarser query is joined', () => {
  const panel = panelOf({ type: 'timeseries' });
  const frame = (name: string, times: number[], step: number): Frame => ({
    refId: name,
    name,
    step,
    length: times.length,
    fields: [
      { name: 'Time', type: 'time', values: times, labels: {} },
      { name: 'Value', type: 'number', values: times.map(() => 1), labels: {}, displayName: name },
    ],
  });
  const frames = configure([frame('dense', [0, 15, 30, 45, 60], 15), frame('sparse', [0, 60], 15), frame('coarse', [0, 60], 60)], panel, (s) => s);
  const [, sparse, coarse] = chartData(frames, 'dark').series;
  assert.deepEqual(sparse.values, [1, null, null, null, 1]);
  assert.deepEqual(coarse.values, [1, undefined, undefined, undefined, 1]);
});
