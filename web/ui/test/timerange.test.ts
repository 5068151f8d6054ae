import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absoluteRange, describeRange, pannedRange, parseDuration, parseRefresh, parseTime, resolveRange, toPromDuration } from '../src/app/timerange';

const NOW = new Date(2026, 0, 15, 14, 30, 20).getTime() / 1000;

test('relative times', () => {
  assert.equal(parseTime('now', NOW), NOW);
  assert.equal(parseTime('now-90m', NOW), NOW - 5400);
  assert.equal(parseTime('now-1d+2h', NOW), NOW - 86400 + 7200);
  assert.equal(parseTime('now/d', NOW), new Date(2026, 0, 15).getTime() / 1000);
  assert.equal(parseTime('now/d', NOW, true), new Date(2026, 0, 16).getTime() / 1000);
  assert.equal(parseTime('now/w', NOW), new Date(2026, 0, 12).getTime() / 1000);
  assert.equal(parseTime('now-1M/M', NOW), new Date(2025, 11, 1).getTime() / 1000);
});

test('absolute times', () => {
  assert.equal(parseTime('1768483820000', NOW), 1768483820);
  assert.equal(parseTime('1768483820', NOW), 1768483820);
  assert.equal(parseTime('2026-01-02', NOW), new Date(2026, 0, 2).getTime() / 1000);
  assert.equal(parseTime('2026-01-02 03:04', NOW), new Date(2026, 0, 2, 3, 4).getTime() / 1000);
  assert.equal(parseTime('2026-01-02T03:04:05Z', NOW), Date.UTC(2026, 0, 2, 3, 4, 5) / 1000);
  assert.equal(parseTime('yesterday 14:00', NOW), new Date(2026, 0, 14, 14).getTime() / 1000);
  assert.equal(parseTime('09:15', NOW), new Date(2026, 0, 15, 9, 15).getTime() / 1000);
  for (const bad of ['', 'soon', 'now-', 'now-5', '2026-99-99', '<script>']) assert.equal(parseTime(bad, NOW), null, bad);
});

test('a range that cannot be read is the last hour before its end', () => {
  assert.deepEqual(resolveRange({ from: 'nonsense', to: 'now' }, NOW), { from: NOW - 3600, to: NOW });
  assert.deepEqual(resolveRange({ from: 'now', to: 'now-1h' }, NOW), { from: NOW - 7200, to: NOW - 3600 });
});

test('panning moves by half a window', () => {
  assert.deepEqual(pannedRange({ from: 1000, to: 2000 }, -1), absoluteRange({ from: 500, to: 1500 }));
});

test('durations', () => {
  assert.equal(parseDuration('1h30m'), 5400);
  assert.equal(parseDuration('250ms'), 0.25);
  assert.equal(parseDuration('5'), null);
  assert.equal(toPromDuration(5400), '1h30m');
  assert.equal(toPromDuration(0.25), '250ms');
  assert.equal(toPromDuration(90061), '1d1h1m1s');
});

test('refresh: off has many spellings, and five seconds is the fastest', () => {
  for (const off of ['', 'off', false]) assert.equal(parseRefresh(off), 0);
  assert.equal(parseRefresh(undefined, 30), 30);
  assert.equal(parseRefresh('1s'), 5);
  assert.equal(parseRefresh('1m'), 60);
});

test('presets read as words', () => {
  assert.equal(describeRange({ from: 'now-24h', to: 'now' }), 'Last 24h');
});
