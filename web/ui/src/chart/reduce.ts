/* One number from many: Grafana's reducers. Pure. */
type Value = number | null | undefined;

const known = (values: Value[]) => values.filter((v): v is number => typeof v === 'number' && !Number.isNaN(v));
const sum = (v: number[]) => v.reduce((a, b) => a + b, 0);
const least = (v: number[]) => v.reduce((a, b) => (b < a ? b : a), Infinity);
const most = (v: number[]) => v.reduce((a, b) => (b > a ? b : a), -Infinity);

const REDUCERS: Record<string, (known: number[], all: Value[]) => number | null> = {
  last: (_k, all) => all[all.length - 1] ?? null,
  lastNotNull: (k) => k[k.length - 1],
  first: (_k, all) => all[0] ?? null,
  firstNotNull: (k) => k[0],
  min: least,
  max: most,
  mean: (k) => sum(k) / k.length,
  median: (k) => [...k].sort((a, b) => a - b)[Math.floor((k.length - 1) / 2)],
  sum,
  count: (_k, all) => all.length,
  range: (k) => most(k) - least(k),
  diff: (k) => k[k.length - 1] - k[0],
  diffperc: (k) => (k[0] === 0 ? null : (k[k.length - 1] - k[0]) / k[0]),
  delta: (k) => k.reduce((total, v, i) => (i === 0 ? 0 : total + (v >= k[i - 1] ? v - k[i - 1] : v)), 0),
  distinctCount: (k) => new Set(k).size,
  changeCount: (k) => k.reduce((n, v, i) => (i > 0 && v !== k[i - 1] ? n + 1 : n), 0),
  allIsZero: (k) => (k.every((v) => v === 0) ? 1 : 0),
  allIsNull: (k) => (k.length ? 0 : 1),
  stdDev: (k) => Math.sqrt(REDUCERS.variance(k, k) ?? 0),
  variance: (k) => {
    const mean = sum(k) / k.length;
    return sum(k.map((v) => (v - mean) ** 2)) / k.length;
  },
};

/* null when there is nothing to reduce; an unknown reducer means lastNotNull. */
export function reduceValues(values: Value[], calc: string): number | null {
  const k = known(values);
  if (calc === 'allIsNull') return k.length ? 0 : 1;
  if (calc === 'count') return values.length;
  if (!k.length) return null;
  const value = (REDUCERS[calc] ?? REDUCERS.lastNotNull)(k, values);
  return value === undefined || (typeof value === 'number' && Number.isNaN(value)) ? null : value;
}
