/* Grafana's transformations. Pure; one that is not known passes the data on and is named in `unknown`. */
import { reduceValues } from '../chart/reduce';
import { toRegExp } from './field';
import { Cell, Field, fieldLabel, Frame } from './frames';
import { JsonObject, Transformation } from './model';
import { flag, number, object, objects, text, texts } from './read';

const makeFrame = (fields: Field[], refId = '', name = ''): Frame => ({ refId, name, fields, length: Math.max(0, ...fields.map((f) => f.values.length)) });

function organize(frames: Frame[], options: JsonObject): Frame[] {
  const exclude = object(options.excludeByName);
  const include = object(options.includeByName);
  const order = object(options.indexByName);
  const rename = object(options.renameByName);
  const onlyIncluded = Object.keys(include).length > 0;
  return frames.map((frame) => {
    const kept = frame.fields.filter((f) => !exclude[fieldLabel(f)] && !exclude[f.name] && (!onlyIncluded || include[fieldLabel(f)] || include[f.name]));
    const place = (f: Field, i: number) => number(order[fieldLabel(f)]) ?? number(order[f.name]) ?? 1000 + i;
    const sorted = kept.map((f, i) => ({ f, at: place(f, i) })).sort((a, b) => a.at - b.at);
    const renamed = sorted.map(({ f }) => {
      const to = text(rename[fieldLabel(f)]) || text(rename[f.name]);
      return to ? { ...f, name: to, displayName: to } : f;
    });
    return { ...frame, fields: renamed };
  });
}

/* Rows of several tables that agree in the columns they share become one row. */
function merge(frames: Frame[]): Frame[] {
  if (frames.length < 2) return frames;
  const columns: Field[] = [];
  for (const f of frames) for (const field of f.fields) if (!columns.some((c) => c.name === field.name)) columns.push({ ...field, values: [] });
  const valueNames = new Set(columns.filter((c) => c.type === 'number').map((c) => c.name));
  const keyNames = columns.map((c) => c.name).filter((n) => !valueNames.has(n));
  const shared = keyNames.filter((n) => frames.every((f) => f.fields.some((x) => x.name === n)));
  const rows: Map<string, Cell>[] = [];
  const byKey = new Map<string, Map<string, Cell>[]>();
  for (const frame of frames) {
    for (let i = 0; i < frame.length; i++) {
      const row = new Map(frame.fields.map((f) => [f.name, f.values[i] ?? null]));
      const key = JSON.stringify(shared.map((n) => row.get(n) ?? null));
      const fits = byKey.get(key)?.find((r) => [...row].every(([n, v]) => !r.has(n) || r.get(n) === v));
      if (fits) for (const [n, v] of row) fits.set(n, v);
      else {
        rows.push(row);
        byKey.set(key, [...(byKey.get(key) ?? []), row]);
      }
    }
  }
  return [makeFrame(columns.map((c) => ({ ...c, values: rows.map((r) => r.get(c.name) ?? null) })))];
}

function seriesToRows(frames: Frame[]): Frame[] {
  const rows: { t: Cell; metric: string; value: Cell }[] = [];
  for (const frame of frames) {
    const time = frame.fields.find((f) => f.type === 'time');
    for (const f of frame.fields) if (f.type === 'number') f.values.forEach((value, i) => rows.push({ t: time?.values[i] ?? null, metric: fieldLabel(f), value }));
  }
  rows.sort((a, b) => Number(b.t ?? 0) - Number(a.t ?? 0));
  return [
    makeFrame([
      { name: 'Time', type: 'time', values: rows.map((r) => r.t), labels: {} },
      { name: 'Metric', type: 'string', values: rows.map((r) => r.metric), labels: {} },
      { name: 'Value', type: 'number', values: rows.map((r) => r.value), labels: {} },
    ]),
  ];
}

export function compareCells(a: Cell, b: Cell): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a === 'number' && typeof b === 'number') return Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

export function sortFrame(frame: Frame, name: string, descending: boolean): Frame {
  const by = frame.fields.find((f) => fieldLabel(f) === name || f.name === name);
  if (!by) return frame;
  const order = by.values.map((_v, i) => i).sort((a, b) => compareCells(by.values[a], by.values[b]) * (descending ? -1 : 1) || a - b);
  return { ...frame, fields: frame.fields.map((f) => ({ ...f, values: order.map((i) => f.values[i]) })) };
}

function sortBy(frames: Frame[], options: JsonObject): Frame[] {
  const sort = objects(options.sort)[0];
  return sort ? frames.map((f) => sortFrame(f, text(sort.field), flag(sort.desc))) : frames;
}

function reduce(frames: Frame[], options: JsonObject): Frame[] {
  const reducers = texts(options.reducers);
  const calcs = reducers.length ? reducers : ['lastNotNull'];
  const fields = frames.flatMap((f) => f.fields.filter((x) => x.type === 'number'));
  if (options.mode === 'reduceFields') {
    return frames.map((f) => makeFrame(f.fields.filter((x) => x.type !== 'time').map((x) => ({ ...x, values: [x.type === 'number' ? reduceValues(x.values as (number | null)[], calcs[0]) : (x.values[0] ?? null)] })), f.refId, f.name));
  }
  const title: Record<string, string> = { lastNotNull: 'Last *', mean: 'Mean', max: 'Max', min: 'Min', sum: 'Total', count: 'Count', last: 'Last', first: 'First' };
  return [
    makeFrame([
      { name: 'Field', type: 'string', values: fields.map(fieldLabel), labels: {} },
      ...calcs.map((c): Field => ({ name: title[c] ?? c, type: 'number', values: fields.map((f) => reduceValues(f.values as (number | null)[], c)), labels: {} })),
    ]),
  ];
}

/* Outer join on a field, usually Time. */
function joinByField(frames: Frame[], options: JsonObject): Frame[] {
  const by = text(options.byField, 'Time');
  const withKey = frames.map((frame) => ({ frame, key: frame.fields.find((f) => f.name === by) })).filter((x) => x.key);
  if (withKey.length < 2) return frames;
  const keys = [...new Set(withKey.flatMap((x) => x.key!.values))].sort(compareCells);
  const columns: Field[] = [{ ...withKey[0].key!, values: keys }];
  for (const { frame, key } of withKey) {
    const at = new Map(key!.values.map((v, i) => [v, i]));
    for (const f of frame.fields) if (f !== key) columns.push({ ...f, name: f.type === 'number' ? fieldLabel(f) : f.name, values: keys.map((k) => (at.has(k) ? (f.values[at.get(k)!] ?? null) : null)) });
  }
  return [makeFrame(columns)];
}

function filterByName(frames: Frame[], options: JsonObject): Frame[] {
  const include = object(options.include);
  const exclude = object(options.exclude);
  const test = (rule: JsonObject, f: Field): boolean => {
    const pattern = text(rule.pattern);
    return (pattern !== '' && (toRegExp(pattern)?.test(fieldLabel(f)) ?? false)) || texts(rule.names).includes(fieldLabel(f));
  };
  const keep = (f: Field) => (Object.keys(include).length ? test(include, f) : true) && !(Object.keys(exclude).length && test(exclude, f));
  return frames.map((f) => ({ ...f, fields: f.fields.filter(keep) })).filter((f) => f.fields.length > 0);
}

function filterByRefId(frames: Frame[], options: JsonObject): Frame[] {
  const pattern = text(options.include) || text(options.exclude);
  const re = toRegExp(pattern.startsWith('/') ? pattern : `^(?:${pattern})$`);
  if (!re) return frames;
  return frames.filter((f) => re.test(f.refId) === Boolean(options.include));
}

function groupBy(frames: Frame[], options: JsonObject): Frame[] {
  const rules = object(options.fields);
  return frames.map((frame) => {
    const rule = (f: Field) => object(rules[fieldLabel(f)] ?? rules[f.name]);
    const keys = frame.fields.filter((f) => rule(f).operation === 'groupby');
    if (!keys.length) return frame;
    const groups = new Map<string, number[]>();
    for (let i = 0; i < frame.length; i++) {
      const key = JSON.stringify(keys.map((k) => k.values[i]));
      groups.set(key, [...(groups.get(key) ?? []), i]);
    }
    const rows = [...groups.values()];
    const out: Field[] = keys.map((k) => ({ ...k, values: rows.map((r) => k.values[r[0]]) }));
    for (const f of frame.fields) {
      if (rule(f).operation !== 'aggregate') continue;
      for (const calc of texts(rule(f).aggregations)) {
        const name = `${fieldLabel(f)} (${calc})`;
        out.push({ ...f, name, displayName: name, type: 'number', values: rows.map((r) => reduceValues(r.map((i) => f.values[i] as number | null), calc)) });
      }
    }
    return makeFrame(out, frame.refId, frame.name);
  });
}

function labelsToFields(frames: Frame[]): Frame[] {
  return frames.map((frame) => {
    const value = frame.fields.find((f) => f.type === 'number');
    if (!value) return frame;
    const columns = Object.entries(value.labels).map(([n, v]): Field => ({ name: n, type: 'string', values: new Array<Cell>(frame.length).fill(v), labels: {} }));
    return { ...frame, fields: [...frame.fields.filter((f) => f.type === 'time'), ...columns, ...frame.fields.filter((f) => f.type !== 'time').map((f) => ({ ...f, labels: {}, displayName: undefined }))] };
  });
}

function renameByRegex(frames: Frame[], options: JsonObject): Frame[] {
  const re = toRegExp(text(options.regex));
  if (!re) return frames;
  const rename = (f: Field): Field => {
    const to = fieldLabel(f).replace(re, text(options.renamePattern));
    return f.type === 'time' || to === fieldLabel(f) ? f : { ...f, displayName: to };
  };
  return frames.map((f) => ({ ...f, fields: f.fields.map(rename) }));
}

function partitionByValues(frames: Frame[], options: JsonObject): Frame[] {
  const names = texts(options.fields);
  return frames.flatMap((frame) => {
    const keys = frame.fields.filter((f) => names.includes(fieldLabel(f)));
    if (!keys.length) return [frame];
    const groups = new Map<string, number[]>();
    for (let i = 0; i < frame.length; i++) {
      const key = keys.map((k) => String(k.values[i])).join(' ');
      groups.set(key, [...(groups.get(key) ?? []), i]);
    }
    return [...groups].map(([name, rows]) => makeFrame(frame.fields.filter((f) => !keys.includes(f)).map((f) => ({ ...f, values: rows.map((i) => f.values[i]), displayName: f.type === 'number' ? name : f.displayName })), frame.refId, name));
  });
}

function limit(frames: Frame[], options: JsonObject): Frame[] {
  const n = number(options.limitField) ?? 10;
  return frames.map((f) => makeFrame(f.fields.map((x) => ({ ...x, values: x.values.slice(0, n) })), f.refId, f.name));
}

function concatenate(frames: Frame[]): Frame[] {
  return frames.length < 2 ? frames : [makeFrame(frames.flatMap((f) => f.fields))];
}

const TRANSFORMS: Record<string, (frames: Frame[], options: JsonObject) => Frame[]> = {
  organize,
  merge,
  seriesToRows,
  sortBy,
  reduce,
  joinByField,
  seriesToColumns: joinByField,
  filterFieldsByName: filterByName,
  filterByRefId,
  groupBy,
  labelsToFields,
  renameByRegex,
  partitionByValues,
  limit,
  concatenate,
  prepareTimeSeries: (frames) => frames,
};

export function transform(frames: Frame[], list: Transformation[]): { frames: Frame[]; unknown: string[] } {
  const unknown: string[] = [];
  let current = frames;
  for (const t of list) {
    if (t.disabled) continue;
    const fn = TRANSFORMS[t.id];
    if (fn) current = fn(current, t.options);
    else unknown.push(t.id);
  }
  return { frames: current, unknown };
}
