/* Interpolation of $name, ${name:format} and [[name]] in every text of a dashboard. Pure. */
import { toPromDuration, TimeRange } from '../app/timerange';
import { Scope } from './layout';
import { ALL, Variable, VariableOption } from './model';

export interface VariableValue {
  values: string[]; /* what is chosen; [ALL] for all */
  options: VariableOption[];
  variable: Variable;
}

export type VariableSet = Map<string, VariableValue>;

export interface InterpolateContext {
  variables: VariableSet;
  scope?: Scope;
  range: TimeRange;
  /* Seconds; of the target asked for. */
  interval?: number;
  rateInterval?: number;
  dashboard?: string;
  extra?: Record<string, string>; /* __field.labels.x and the like */
}

/* The values a variable stands for, All spelled out. */
export function chosenValues(v: VariableValue): string[] {
  return v.values.includes(ALL) ? v.options.map((o) => o.value) : v.values;
}

export const escapeRegex = (s: string) => s.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
/* Inside a PromQL string a backslash is written twice. */
const promRegex = (s: string) => s.replace(/[\\^$.*+?()[\]{}|]/g, '\\\\$&').replace(/"/g, '\\"');
const promPlain = (s: string) => s.replace(/\\/g, '\\\\').replace(/"/g, '\\"');

function promValue(v: VariableValue, values: string[], scoped: boolean): string {
  const { variable } = v;
  if (!scoped && v.values.includes(ALL) && variable.allValue !== null) return variable.allValue;
  if (!variable.multi && !variable.includeAll) return promPlain(values[0] ?? '');
  const escaped = values.map(promRegex);
  return escaped.length === 1 ? escaped[0] : escaped.length ? `(${escaped.join('|')})` : '';
}

const FORMATS: Record<string, (values: string[], name: string) => string> = {
  csv: (v) => v.join(','),
  raw: (v) => v.join(','),
  pipe: (v) => v.join('|'),
  regex: (v) => (v.length === 1 ? escapeRegex(v[0]) : `(${v.map(escapeRegex).join('|')})`),
  glob: (v) => (v.length === 1 ? v[0] : `{${v.join(',')}}`),
  json: (v) => JSON.stringify(v.length === 1 ? v[0] : v),
  lucene: (v) => (v.length === 1 ? v[0] : `(${v.map((x) => JSON.stringify(x)).join(' OR ')})`),
  percentencode: (v) => encodeURIComponent(v.length === 1 ? v[0] : `{${v.join(',')}}`),
  singlequote: (v) => v.map((x) => `'${x.replace(/'/g, "\\'")}'`).join(','),
  doublequote: (v) => v.map((x) => `"${x.replace(/"/g, '\\"')}"`).join(','),
  sqlstring: (v) => v.map((x) => `'${x.replace(/'/g, "''")}'`).join(','),
  distributed: (v, name) => v.map((x, i) => (i ? `${name}=${x}` : x)).join(','),
  html: (v) => v.join(', ').replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`),
  queryparam: (v, name) => v.map((x) => `var-${name}=${encodeURIComponent(x)}`).join('&'),
};

function dateFormat(ms: number, format: string): string {
  if (format === 'seconds') return String(Math.round(ms / 1000));
  return format === '' || format === 'iso' ? new Date(ms).toISOString() : String(ms);
}

function builtIn(name: string, format: string, c: InterpolateContext): string | null {
  const seconds = Math.max(1, Math.round(c.range.to - c.range.from));
  const interval = c.interval ?? 15;
  switch (name) {
    case '__interval':
      return toPromDuration(interval);
    case '__interval_ms':
      return String(Math.round(interval * 1000));
    case '__rate_interval':
      return toPromDuration(c.rateInterval ?? Math.max(interval + 15, 60));
    case '__rate_interval_ms':
      return String(Math.round((c.rateInterval ?? Math.max(interval + 15, 60)) * 1000));
    case '__range':
      return `${seconds}s`;
    case '__range_s':
      return String(seconds);
    case '__range_ms':
      return String(seconds * 1000);
    case '__from':
    case '__to': {
      const ms = Math.round((name === '__from' ? c.range.from : c.range.to) * 1000);
      return format.startsWith('date') ? dateFormat(ms, format.slice(5)) : String(ms);
    }
    case '__dashboard':
      return c.dashboard ?? '';
    case '__org.name':
    case '__org':
      return 'cloche';
    case '__user.login':
      return '';
    case '__url_time_range':
      return `from=${Math.round(c.range.from * 1000)}&to=${Math.round(c.range.to * 1000)}`;
    case '__all_variables':
      return [...c.variables].map(([n, v]) => FORMATS.queryparam(v.values, n)).join('&');
    default:
      return c.extra?.[name] ?? null;
  }
}

function lookUp(name: string, format: string, c: InterpolateContext, forQuery: boolean): string | null {
  const built = builtIn(name, format, c);
  if (built !== null) return built;
  const auto = name.startsWith('__auto_interval_') ? name.slice('__auto_interval_'.length) : null;
  const v = c.variables.get(auto ?? name);
  if (!v) return null;
  const scoped = c.scope !== undefined && name in c.scope;
  const values = scoped ? [c.scope![name]] : chosenValues(v);
  if (v.variable.type === 'interval' && (auto !== null || (values[0] ?? '').startsWith('$__auto'))) {
    return toPromDuration(autoInterval(v.variable, c.range));
  }
  if (format === 'text') {
    if (!scoped && v.values.includes(ALL)) return 'All';
    return values.map((x) => v.options.find((o) => o.value === x)?.text ?? x).join(' + ');
  }
  if (format === 'raw' && !scoped && v.values.includes(ALL) && v.variable.allValue !== null) return v.variable.allValue;
  if (format && FORMATS[format]) return FORMATS[format](values, name);
  if (forQuery) return promValue(v, values, scoped);
  return !scoped && v.values.includes(ALL) ? 'All' : values.map((x) => v.options.find((o) => o.value === x)?.text ?? x).join(' + ');
}

function autoInterval(v: Variable, range: TimeRange): number {
  const raw = (range.to - range.from) / Math.max(1, v.autoCount);
  return Math.max(10, niceStep(raw));
}

const NICE = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800, 2592000];
/* The next round step that is not smaller. */
export const niceStep = (seconds: number) => NICE.find((n) => n >= seconds * 0.999) ?? NICE[NICE.length - 1];

const PATTERN = /\$\{([\w.]+)(?:\.\[?"?[^}:]*)?(?::([^}]+))?\}|\$(\w+)|\[\[([\w.]+)(?::(\w+))?\]\]/g;

/* Unknown names stay as they are written. */
export function interpolate(source: string, c: InterpolateContext, forQuery = false): string {
  if (!source.includes('$') && !source.includes('[[')) return source;
  return source.replace(PATTERN, (whole, braced?: string, format?: string, bare?: string, old?: string, oldFormat?: string) => {
    const name = braced ?? bare ?? old ?? '';
    return lookUp(name, format ?? oldFormat ?? '', c, forQuery) ?? whole;
  });
}

/* Names used in a text, to order variables that depend on each other. */
export function namesUsed(source: string): string[] {
  return [...source.matchAll(PATTERN)].map((m) => m[1] ?? m[3] ?? m[4] ?? '');
}

/* {{label}} templates of a legend. */
export function legendText(template: string, labels: Record<string, string>): string {
  return template.replace(/\{\{\s*([\w.:]+)\s*\}\}/g, (_w, name: string) => labels[name] ?? '');
}
