/* Stacked values: running sums per group, in the order of the series. Pure. */
import { ChartSeries } from './types';

export interface Stacked {
  values: (number | null | undefined)[][];
  /* For each series the one it lies on, or -1. */
  below: number[];
}

function groupTotals(series: ChartSeries[], members: number[], length: number): number[] {
  const totals = new Array<number>(length).fill(0);
  for (const i of members) for (let t = 0; t < length; t++) totals[t] += Math.abs(series[i].values[t] ?? 0);
  return totals;
}

export function stackSeries(series: ChartSeries[], length: number, hidden: Set<string>): Stacked {
  const values: Stacked['values'] = [];
  const below: number[] = new Array<number>(series.length).fill(-1);
  const groups = new Map<string, number[]>();
  series.forEach((s, i) => {
    const sign = s.negative ? -1 : 1;
    values[i] = sign === 1 ? s.values : s.values.map((v) => (v === null || v === undefined ? v : -v));
    if (!s.stack || hidden.has(s.name) || s.drawn === false) return;
    const key = `${s.stack}\0${sign}\0${s.axis ?? 'left'}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  for (const members of groups.values()) {
    const totals = series[members[0]].percent ? groupTotals(series, members, length) : null;
    const sum = new Array<number>(length).fill(0);
    members.forEach((i, place) => {
      const own = values[i];
      values[i] = own.map((v, t) => {
        const part = totals ? (totals[t] > 0 ? (v ?? 0) / totals[t] : 0) : (v ?? 0);
        sum[t] += Number.isFinite(part) ? part : 0;
        return v === null || v === undefined ? (place === 0 && members.length === 1 ? v : sum[t]) : sum[t];
      });
      if (place > 0) below[i] = members[place - 1];
    });
  }
  return { values, below };
}
