/* Time ranges as Grafana writes them: "now-1h", "now/d", epoch milliseconds, ISO. Pure. */
import { formatAge, formatClock, formatDateTime } from '../format/number';

export interface RawRange {
  from: string;
  to: string;
}

/* Seconds since the epoch. */
export interface TimeRange {
  from: number;
  to: number;
}

export const PRESETS: { label: string; from: string }[] = [
  { label: '5m', from: 'now-5m' },
  { label: '15m', from: 'now-15m' },
  { label: '1h', from: 'now-1h' },
  { label: '6h', from: 'now-6h' },
  { label: '24h', from: 'now-24h' },
  { label: '7d', from: 'now-7d' },
];

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, M: 30 * 86400, y: 365 * 86400 };

/* "90s", "5m", "1h30m", "250ms" → seconds; null if it is no duration. */
export function parseDuration(text: string): number | null {
  const source = text.trim();
  if (!/^(\d+(\.\d+)?(ms|[smhdwMy]))+$/.test(source)) return null;
  let total = 0;
  for (const [, number, , unit] of source.matchAll(/(\d+(\.\d+)?)(ms|[smhdwMy])/g)) {
    total += Number(number) * (unit === 'ms' ? 0.001 : UNIT_SECONDS[unit]);
  }
  return total;
}

/* Seconds → PromQL duration: 5400 → "1h30m". */
export function toPromDuration(seconds: number): string {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))}ms`;
  let rest = Math.round(seconds);
  let text = '';
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]] as const) {
    const n = Math.floor(rest / size);
    if (n > 0) text += `${n}${unit}`;
    rest -= n * size;
  }
  return text || '1s';
}

function shift(date: Date, unit: string, count: number): void {
  if (unit === 'M') date.setMonth(date.getMonth() + count);
  else if (unit === 'y') date.setFullYear(date.getFullYear() + count);
  else date.setTime(date.getTime() + UNIT_SECONDS[unit] * 1000 * count);
}

function round(date: Date, unit: string, up: boolean): void {
  if (unit === 's') date.setMilliseconds(0);
  else if (unit === 'm') date.setSeconds(0, 0);
  else if (unit === 'h') date.setMinutes(0, 0, 0);
  else date.setHours(0, 0, 0, 0);
  if (unit === 'w') date.setDate(date.getDate() - ((date.getDay() + 6) % 7));
  if (unit === 'M') date.setDate(1);
  if (unit === 'y') date.setMonth(0, 1);
  if (up) {
    if (unit === 'd') date.setDate(date.getDate() + 1);
    else if (unit === 'w') date.setDate(date.getDate() + 7);
    else shift(date, unit, 1);
  }
}

function parseDayWord(text: string, now: number): number | null {
  const match = /^(today|yesterday)(?:\s+(\d{1,2}):(\d{2}))?$/i.exec(text);
  if (!match) return null;
  const date = new Date(now * 1000);
  if (match[1].toLowerCase() === 'yesterday') date.setDate(date.getDate() - 1);
  date.setHours(Number(match[2] ?? 0), Number(match[3] ?? 0), 0, 0);
  return date.getTime() / 1000;
}

/* Seconds, or null if the text cannot be read. roundUp: "now/d" means the day's end. */
export function parseTime(text: string, now: number, roundUp = false): number | null {
  const source = text.trim();
  const relative = /^now((?:[+-]\d+(?:ms|[smhdwMy]))*)(?:\/([smhdwMy]))?$/.exec(source);
  if (relative) {
    const date = new Date(now * 1000);
    for (const [, sign, count, unit] of relative[1].matchAll(/([+-])(\d+)(ms|[smhdwMy])/g)) {
      const n = Number(count) * (sign === '-' ? -1 : 1);
      if (unit === 'ms') date.setTime(date.getTime() + n);
      else shift(date, unit, n);
    }
    if (relative[2]) round(date, relative[2], roundUp);
    return date.getTime() / 1000;
  }
  if (/^-?\d+(\.\d+)?$/.test(source)) {
    const n = Number(source);
    return n > 1e11 ? n / 1000 : n; /* milliseconds as Grafana writes them, or seconds */
  }
  const day = parseDayWord(source, now);
  if (day !== null) return day;
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(source);
  if (clock) {
    const date = new Date(now * 1000);
    date.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    return date.getTime() / 1000;
  }
  if (/^\d{4}-\d{2}-\d{2}/.test(source)) {
    const parsed = Date.parse(source.length === 10 ? `${source}T00:00:00` : source.replace(' ', 'T'));
    return Number.isNaN(parsed) ? null : parsed / 1000;
  }
  return null;
}

export function isRelative(raw: RawRange): boolean {
  return raw.from.includes('now') || raw.to.includes('now');
}

/* Falls back to the last hour when a text cannot be read or the order is wrong. */
export function resolveRange(raw: RawRange, now: number): TimeRange {
  const to = parseTime(raw.to, now, true) ?? now;
  const from = parseTime(raw.from, now) ?? to - 3600;
  return from < to ? { from, to } : { from: to - 3600, to };
}

export function describeRange(raw: RawRange): string {
  const last = /^now-(\w+)$/.exec(raw.from);
  if (last && raw.to === 'now') return `Last ${last[1]}`;
  if (isRelative(raw)) return `${raw.from} to ${raw.to}`;
  const { from, to } = resolveRange(raw, Date.now() / 1000);
  const sameDay = formatDateTime(from).slice(0, 10) === formatDateTime(to).slice(0, 10);
  return `${formatDateTime(from)} – ${sameDay ? formatClock(to) : formatDateTime(to)} (${formatAge(to - from)})`;
}

export function absoluteRange(range: TimeRange): RawRange {
  return { from: String(Math.round(range.from * 1000)), to: String(Math.round(range.to * 1000)) };
}

/* Half a window earlier (-1) or later (+1). */
export function pannedRange(range: TimeRange, direction: -1 | 1): RawRange {
  const half = ((range.to - range.from) / 2) * direction;
  return absoluteRange({ from: range.from + half, to: range.to + half });
}

export const REFRESH_CHOICES: { label: string; seconds: number }[] = [
  { label: 'off', seconds: 0 },
  { label: '5s', seconds: 5 },
  { label: '10s', seconds: 10 },
  { label: '30s', seconds: 30 },
  { label: '1m', seconds: 60 },
];

export function parseRefresh(text: unknown, fallback = 10): number {
  if (text === undefined || text === null) return fallback;
  if (text === '' || text === false || text === 'off') return 0;
  const seconds = parseDuration(String(text));
  return seconds === null ? fallback : Math.max(seconds, 5);
}
