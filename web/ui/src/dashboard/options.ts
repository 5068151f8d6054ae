/* What a variable can be chosen from: label_values(), query_result() and the rest. */
import { labelNames, labelValues, queryInstant, seriesName } from '../api/prom';
import { TimeRange } from '../app/timerange';
import { toRegExp } from './field';
import { ALL, Variable, VariableOption } from './model';
import { interpolate, InterpolateContext, namesUsed, VariableSet, VariableValue } from './variables';

export interface VariableQuery {
  kind: 'label_values' | 'label_names' | 'metrics' | 'query_result' | 'other';
  selector: string;
  label: string;
}

/* "label_values(up{job=\"x\"}, instance)" → its parts. */
export function parseVariableQuery(source: string): VariableQuery {
  const call = /^\s*(label_values|label_names|metrics|query_result)\s*\((.*)\)\s*$/s.exec(source);
  if (!call) return { kind: 'other', selector: source.trim(), label: '' };
  const kind = call[1] as VariableQuery['kind'];
  const body = call[2].trim();
  if (kind !== 'label_values') return { kind, selector: body, label: '' };
  const two = /^(.*),\s*([a-zA-Z_][\w]*)\s*$/s.exec(body);
  return two ? { kind, selector: two[1].trim(), label: two[2] } : { kind, selector: '', label: body };
}

async function ask(source: string, range: TimeRange, signal: AbortSignal): Promise<string[]> {
  const q = parseVariableQuery(source);
  switch (q.kind) {
    case 'label_values':
      return labelValues(q.label, q.selector ? [q.selector] : [], range.from, range.to, signal);
    case 'label_names':
      return labelNames([], signal);
    case 'metrics': {
      const re = toRegExp(q.selector);
      return (await labelValues('__name__', [], range.from, range.to, signal)).filter((n) => re?.test(n) ?? true);
    }
    case 'query_result': {
      const result = await queryInstant(q.selector, range.to, signal);
      return result.series.map((s) => `${seriesName(s.metric)} ${s.values[0]} ${Math.round((s.times[0] ?? 0) * 1000)}`);
    }
    default:
      return q.selector ? [q.selector] : [];
  }
}

/* regex: the first group, or groups named text and value; what does not match goes. */
export function applyRegex(values: string[], source: string): VariableOption[] {
  const re = source ? toRegExp(source) : null;
  if (!re) return values.map((v) => ({ text: v, value: v }));
  const out: VariableOption[] = [];
  for (const v of values) {
    const m = re.exec(v);
    if (!m) continue;
    const value = m.groups?.value ?? m.groups?.text ?? m[1] ?? m[0];
    out.push({ text: m.groups?.text ?? m.groups?.value ?? m[1] ?? m[0], value });
  }
  return out;
}

export function sortOptions(options: VariableOption[], sort: number): VariableOption[] {
  const seen = new Set<string>();
  const unique = options.filter((o) => !seen.has(o.value) && seen.add(o.value));
  if (sort === 0) return unique;
  const compare = (a: VariableOption, b: VariableOption): number => {
    if (sort <= 2) return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
    if (sort <= 4) return (parseFloat(a.text.replace(/^\D*/, '')) || 0) - (parseFloat(b.text.replace(/^\D*/, '')) || 0);
    if (sort <= 6) return a.text.toLowerCase() < b.text.toLowerCase() ? -1 : 1;
    return a.text.localeCompare(b.text, undefined, { numeric: true });
  };
  return [...unique].sort((a, b) => compare(a, b) * (sort % 2 === 0 ? -1 : 1));
}

/* What is chosen: the URL, else the file, else the first option; what is no longer offered falls back. */
export function choose(v: Variable, options: VariableOption[], fromUrl: string[]): string[] {
  if (v.type === 'textbox') return [fromUrl[0] ?? v.current[0] ?? v.query];
  if (v.type === 'constant') return [v.query || v.current[0] || ''];
  if (v.type === 'adhoc' || v.type === 'other') return fromUrl.length ? fromUrl : v.current;
  const wish = (fromUrl.length ? fromUrl : v.current).map((x) => (x === 'All' && v.includeAll ? ALL : x));
  if (wish.includes(ALL) && v.includeAll) return [ALL];
  const offered = wish.filter((x) => options.some((o) => o.value === x));
  if (offered.length) return v.multi ? offered : [offered[0]];
  if (v.type === 'interval' && wish[0]?.startsWith('$__auto')) return [wish[0]];
  if (v.includeAll && !options.length) return [ALL];
  if (v.includeAll && !fromUrl.length && !v.current.length) return [ALL];
  return options.length ? [options[0].value] : [];
}

export const DATASOURCE: VariableOption = { text: 'cloche', value: 'cloche' };

async function optionsOf(v: Variable, context: InterpolateContext, signal: AbortSignal): Promise<VariableOption[]> {
  switch (v.type) {
    case 'datasource':
      return v.query === 'prometheus' || !v.query ? [DATASOURCE] : [];
    case 'query': {
      if (v.refresh === 0 && v.options.length) return v.options;
      const values = await ask(interpolate(v.query, context, true), context.range, signal);
      return sortOptions(applyRegex(values, interpolate(v.regex, context)), v.sort);
    }
    default:
      return v.options;
  }
}

/* Variables in the order in which they need each other; a circle keeps the file's order. */
export function dependencyOrder(variables: Variable[]): Variable[] {
  const done = new Set<string>();
  const rest = [...variables];
  const out: Variable[] = [];
  while (rest.length) {
    const names = new Set(rest.map((v) => v.name));
    const at = rest.findIndex((v) => namesUsed(v.query + ' ' + v.regex).every((n) => n === v.name || !names.has(n) || done.has(n)));
    const [next] = rest.splice(Math.max(0, at), 1);
    done.add(next.name);
    out.push(next);
  }
  return out;
}

export interface ResolvedVariables {
  set: VariableSet;
  errors: Record<string, string>;
}

export async function resolveVariables(variables: Variable[], url: URLSearchParams, range: TimeRange, signal: AbortSignal): Promise<ResolvedVariables> {
  const set: VariableSet = new Map();
  const errors: Record<string, string> = {};
  for (const v of dependencyOrder(variables)) {
    let options: VariableOption[] = [];
    try {
      options = await optionsOf(v, { variables: set, range }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      errors[v.name] = error instanceof Error ? error.message : String(error);
    }
    const values = v.type === 'datasource' ? [DATASOURCE.value] : choose(v, options, url.getAll(`var-${v.name}`));
    set.set(v.name, { values, options, variable: v });
  }
  /* in the file's order, for the controls */
  return { set: new Map(variables.map((v): [string, VariableValue] => [v.name, set.get(v.name)!])), errors };
}
