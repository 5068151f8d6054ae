import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatDuration, formatNumber, formatRelative, NO_VALUE } from '../src/format/number';

test('numbers carry three significant digits and thin groups', () => {
  assert.equal(formatNumber(0), '0');
  assert.equal(formatNumber(1234567), '1\u2009234\u2009567');
  assert.equal(formatNumber(0.012345), '0.0123');
  assert.equal(formatNumber(12.345), '12.3');
  assert.equal(formatNumber(99.95), '100');
  assert.equal(formatNumber(2.5, 2), '2.50');
  assert.equal(formatNumber(-0.0001, 2), '0.00');
  assert.equal(formatNumber(NaN), 'NaN');
  assert.equal(formatNumber(-Infinity), '-Inf');
});

test('durations choose their unit', () => {
  assert.equal(formatDuration(0), '0 s');
  assert.equal(formatDuration(0.0042137), '4.21 ms');
  assert.equal(formatDuration(1.5), '1.5 s');
  assert.equal(formatDuration(1795425545.089 - 1795425545.088), '1 ms'); // 0.00099992…
  assert.equal(formatDuration(59.99), '1 min');
  assert.equal(formatDuration(90), '1.5 min');
  assert.equal(formatDuration(86400 * 3), '3 d');
  assert.equal(formatDuration(2e-7), '200 ns');
  assert.equal(formatDuration(null), NO_VALUE);
});

test('ages take two coarse units, relative times one', () => {
  assert.equal(formatAge(41.4), '41 s');
  assert.equal(formatAge(125), '2 min 5 s');
  assert.equal(formatAge(7500), '2 h 5 min');
  assert.equal(formatAge(90000), '1 d 1 h');
  assert.equal(formatRelative(100, 100.5), 'now');
  assert.equal(formatRelative(100, 175), '1 min ago');
  assert.equal(formatRelative(200, 100), 'in 1 min');
});
