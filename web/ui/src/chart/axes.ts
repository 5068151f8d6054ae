/* Axis texts and ranges. Pure. */
import { formatValue, isBinaryUnit } from '../format/units';

const pad = (n: number) => String(n).padStart(2, '0');
const dateLabel = (d: Date) => `${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;

/* 24-hour clock; the date where it changes. */
export function timeLabels(splits: number[], increment: number): string[] {
  let lastDay = '';
  return splits.map((t, i) => {
    const d = new Date(t * 1000);
    const day = dateLabel(d);
    const newDay = i > 0 && day !== lastDay;
    lastDay = day;
    if (increment >= 86400) return day;
    const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}${increment < 60 ? `:${pad(d.getSeconds())}` : ''}`;
    return newDay ? `${clock}\n${day}` : clock;
  });
}

/* One number of decimals for all ticks, so that none reads as its neighbour. */
export function tickLabels(splits: (number | null)[], unit: string | undefined, decimals: number | null | undefined): string[] {
  const known = splits.filter((v): v is number => v !== null);
  const labels = (d: number | null) => splits.map((v) => (v === null ? '' : formatValue(v, unit, d)));
  if (decimals !== null && decimals !== undefined && decimals > 0) {
    const fixed = labels(decimals);
    if (new Set(fixed.filter(Boolean)).size === known.length) return fixed;
  }
  return labels(null);
}

const BINARY_STEPS = (() => {
  const steps: number[] = [];
  for (let exponent = -10; exponent < 60; exponent++) steps.push(2 ** exponent);
  return steps;
})();
export const incrementsFor = (unit?: string): number[] | undefined => (isBinaryUnit(unit) ? BINARY_STEPS : undefined);

export interface RangeWish {
  min?: number | null;
  max?: number | null;
  softMin?: number | null;
  softMax?: number | null;
}

/* From zero unless data go below; a flat line keeps a band around it. */
export function valueRange(dataMin: number | null, dataMax: number | null, wish: RangeWish): [number, number] {
  let low = Math.min(0, dataMin ?? 0);
  let high = Math.max(0, dataMax ?? 0);
  if (wish.softMin !== null && wish.softMin !== undefined) low = Math.min(low, wish.softMin);
  if (wish.softMax !== null && wish.softMax !== undefined) high = Math.max(high, wish.softMax);
  const span = high - low;
  if (span === 0) high = low + 1;
  else {
    if (high > 0 && high !== wish.softMax) high += span * 0.06;
    if (low < 0 && low !== wish.softMin) low -= span * 0.06;
  }
  if (wish.min !== null && wish.min !== undefined) low = wish.min;
  if (wish.max !== null && wish.max !== undefined) high = wish.max;
  return low < high ? [low, high] : [low, low + 1];
}
