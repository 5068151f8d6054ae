/* Query answers as tables of fields, the form that transformations and panels work on. Pure. */
import { PromResult, PromSeries, seriesName } from '../api/prom';
import { FieldConfig, Target } from './model';
import { legendText } from './variables';

export type Cell = number | string | null;

export interface Field {
  name: string;
  type: 'time' | 'number' | 'string';
  values: Cell[];
  labels: Record<string, string>;
  config?: FieldConfig; /* after fieldConfig was applied */
  displayName?: string;
  refId?: string;
}

export interface Frame {
  refId: string;
  name: string;
  fields: Field[];
  length: number;
  step?: number; /* seconds between the points that were asked for */
}

export const timeField = (times: number[]): Field => ({ name: 'Time', type: 'time', values: times, labels: {} });

/* NaN and infinities do not draw; they stay texts only in tables of instants. */
const drawable = (v: number): number | null => (Number.isFinite(v) ? v : null);

export function nameOf(series: PromSeries, target: Target, format: (s: string) => string): string {
  if (target.legendFormat && target.legendFormat !== '__auto') return legendText(format(target.legendFormat), series.metric) || seriesName(series.metric);
  return seriesName(series.metric) === '{}' ? format(target.expr) : seriesName(series.metric);
}

/* "__auto": only the labels that differ, when one does; else the whole name. */
function autoNames(frames: Frame[], series: PromSeries[]): void {
  if (series.length < 2) return;
  const keys = new Set(series.flatMap((s) => Object.keys(s.metric)));
  const varying = [...keys].filter((k) => new Set(series.map((s) => s.metric[k] ?? '')).size > 1);
  if (varying.length === 1) frames.forEach((f, i) => (f.name = series[i].metric[varying[0]] ?? f.name));
}

export function seriesFrames(result: PromResult, target: Target, format: (s: string) => string): Frame[] {
  const frames = result.series.map((s): Frame => {
    const name = nameOf(s, target, format);
    const value: Field = { name: 'Value', type: 'number', values: s.values.map(drawable), labels: s.metric, displayName: name, refId: target.refId };
    return { refId: target.refId, name, fields: [timeField(s.times), value], length: s.times.length };
  });
  if (target.legendFormat === '__auto') autoNames(frames, result.series);
  frames.forEach((f) => (f.fields[1].displayName = f.name));
  return frames;
}

/* One row per series and sample, a column per label. */
export function tableFrame(result: PromResult, target: Target, valueName: string): Frame {
  const names = [...new Set(result.series.flatMap((s) => Object.keys(s.metric)))].sort();
  const times: number[] = [];
  const values: Cell[] = [];
  const labels: Cell[][] = names.map(() => []);
  for (const s of result.series) {
    s.times.forEach((t, i) => {
      times.push(t);
      values.push(s.values[i]);
      names.forEach((n, k) => labels[k].push(s.metric[n] ?? ''));
    });
  }
  const fields: Field[] = [timeField(times), ...names.map((n, k): Field => ({ name: n, type: 'string', values: labels[k], labels: {} }))];
  fields.push({ name: valueName, type: 'number', values, labels: {}, refId: target.refId });
  return { refId: target.refId, name: target.refId, fields, length: times.length };
}

export const valueFields = (frames: Frame[]): Field[] => frames.flatMap((f) => f.fields.filter((x) => x.type === 'number'));
export const fieldLabel = (f: Field): string => f.displayName ?? f.name;
