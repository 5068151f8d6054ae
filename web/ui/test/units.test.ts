import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatValue } from '../src/format/units';

const cases: [number | null, string | undefined, number | null, string][] = [
  [1536, 'bytes', null, '1.5 KiB'],
  [1500, 'decbytes', null, '1.5 kB'],
  [512, 'bytes', null, '512 B'],
  [2, 'mbytes', null, '2 MiB'],
  [12345, 'short', null, '12.3 K'],
  [3e6, 'short', null, '3 Mil'],
  [0.1234, 'percentunit', null, '12.3%'],
  [0.95, 'percentunit', 1, '95.0%'],
  [50, 'percent', null, '50%'],
  [0.25, 's', null, '250 ms'],
  [7200, 's', null, '2 h'],
  [1500, 'ms', null, '1.5 s'],
  [4.2, 'ops', null, '4.2 ops/s'],
  [4200, 'reqps', null, '4.2 K req/s'],
  [1e6, 'Bps', null, '1 MB/s'],
  [8e6, 'bps', null, '8 Mb/s'],
  [1, 'bool_yes_no', null, 'Yes'],
  [0, 'bool', null, 'False'],
  [21.5, 'celsius', null, '21.5 °C'],
  [5, 'suffix: tasks', null, '5 tasks'],
  [5, 'prefix:#', null, '#5'],
  [5, 'currencyUSD', null, '$5.00'],
  [7, 'widgets', null, '7 widgets'],
  [3725, 'dtdhms', null, '01:02:05'],
  [null, 'bytes', null, '–'],
  [Infinity, 's', null, '+Inf'],
  [42, undefined, null, '42'],
];

test('values are written in their unit', () => {
  for (const [value, unit, decimals, want] of cases) assert.equal(formatValue(value, unit, decimals), want, `${value} ${unit}`);
});

test('times from now are relative', () => {
  assert.equal(formatValue(1_000_000 * 1000, 'dateTimeFromNow', null, 1_000_120), '2 min ago');
});
