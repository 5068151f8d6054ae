/* Prometheus' HTTP API. */
import { Params, request } from './http';

export type Labels = Record<string, string>;
/* [seconds, value as text] as on the wire. */
type WireSample = [number, string];

export interface PromSeries {
  metric: Labels;
  times: number[];
  values: number[];
}

export interface PromResult {
  type: 'vector' | 'matrix' | 'scalar' | 'string';
  series: PromSeries[];
  text?: string; /* of a string result */
  warnings: string[];
  infos?: string[]; /* hints at a questionable query, no faults of the answer */
}

interface Envelope<T> {
  status: 'success' | 'error';
  data: T;
  warnings?: string[];
  infos?: string[];
}

interface QueryData {
  resultType: PromResult['type'];
  result: unknown;
}

/* "NaN", "+Inf" and decimal texts. */
export function parseSample(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return Number(text);
}

function toSeries(metric: Labels, samples: WireSample[]): PromSeries {
  const times = new Array<number>(samples.length);
  const values = new Array<number>(samples.length);
  for (let i = 0; i < samples.length; i++) {
    times[i] = samples[i][0];
    values[i] = parseSample(samples[i][1]);
  }
  return { metric, times, values };
}

export function decodeResult(data: QueryData, warnings: string[] = []): PromResult {
  const { resultType: type, result } = data;
  if (type === 'string') return { type, series: [], text: (result as WireSample)[1], warnings };
  if (type === 'scalar') return { type, series: [toSeries({}, [result as WireSample])], warnings };
  const rows = result as { metric: Labels; value?: WireSample; values?: WireSample[] }[];
  return { type, series: rows.map((r) => toSeries(r.metric, r.values ?? (r.value ? [r.value] : []))), warnings };
}

async function ask(path: string, params: Params, signal?: AbortSignal): Promise<PromResult> {
  const answer = await request<Envelope<QueryData>>(path, { params, post: true, signal });
  return { ...decodeResult(answer.data, answer.warnings ?? []), infos: answer.infos ?? [] };
}

export const queryInstant = (query: string, time: number, signal?: AbortSignal) => ask('/api/v1/query', { query, time: time.toFixed(3) }, signal);

export const queryRange = (query: string, start: number, end: number, step: number, signal?: AbortSignal) =>
  ask('/api/v1/query_range', { query, start: start.toFixed(3), end: end.toFixed(3), step }, signal);

async function list(path: string, params: Params, signal?: AbortSignal): Promise<string[]> {
  return (await request<Envelope<string[]>>(path, { params, signal })).data;
}

export const labelValues = (label: string, matchers: string[], from: number, to: number, signal?: AbortSignal) =>
  list(`/api/v1/label/${encodeURIComponent(label)}/values`, { 'match[]': matchers, start: from.toFixed(3), end: to.toFixed(3) }, signal);

export const labelNames = (matchers: string[], signal?: AbortSignal) => list('/api/v1/labels', { 'match[]': matchers }, signal);

export interface MetricMetadata {
  type: string;
  help: string;
  unit: string;
}
export async function metadata(signal?: AbortSignal): Promise<Record<string, MetricMetadata[]>> {
  return (await request<Envelope<Record<string, MetricMetadata[]>>>('/api/v1/metadata', { signal })).data;
}

export interface Rule {
  id?: string;
  type: 'alerting' | 'recording';
  name: string;
  query: string;
  duration?: number;
  state?: 'inactive' | 'pending' | 'firing' | 'unknown';
  health: string;
  lastError?: string;
  labels?: Labels;
  annotations?: Labels;
  alerts?: Alert[];
  lastEvaluation?: string;
  evaluationTime?: number;
}
export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
}
export interface Alert {
  id?: string;
  ruleId?: string;
  labels: Labels;
  annotations: Labels;
  state: 'pending' | 'firing';
  activeAt: string;
  firedAt?: string | number | null;
  value: string;
  summary?: string;
  description?: string;
}
export async function rules(signal?: AbortSignal): Promise<RuleGroup[]> {
  return (await request<Envelope<{ groups: RuleGroup[] | null }>>('/api/v1/rules', { signal })).data?.groups ?? [];
}
export async function alerts(signal?: AbortSignal): Promise<Alert[]> {
  return (await request<Envelope<{ alerts: Alert[] | null }>>('/api/v1/alerts', { signal })).data?.alerts ?? [];
}

/* celery_worker_up{hostname="api"} */
export function seriesName(metric: Labels): string {
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.keys(labels)
    .sort()
    .map((k) => `${k}=${JSON.stringify(labels[k])}`);
  return pairs.length || !name ? `${name}{${pairs.join(', ')}}` : name;
}
