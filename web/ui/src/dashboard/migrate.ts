/* Grafana dashboard JSON of any classic schema version → Dashboard. Pure; throws only when it is no dashboard at all. */
import { layOutRows, placeMissing } from './layout';
import { migrateGraph, migrateOldTable, migrateSinglestat } from './migrate_panels';
import { DataLink, Dashboard, FieldConfig, GridPos, JsonObject, Mapping, Override, Panel, Target, Transformation, Variable, VariableOption } from './model';
import { array, flag, isObject, number, object, objects, text, texts } from './read';

export function unwrap(json: unknown): JsonObject {
  if (!isObject(json)) throw new Error('this file is not a JSON object, so it is no dashboard');
  if (typeof json.apiVersion === 'string' && /v2/.test(json.apiVersion)) {
    throw new Error('this is a dashboard of schema v2 (spec.elements); export it from Grafana in the classic format');
  }
  if (isObject(json.dashboard)) return json.dashboard;
  if (typeof json.apiVersion === 'string' && isObject(json.spec)) return json.spec;
  return json;
}

/* ${DS_X} and constants of an export are filled in once, everywhere. */
export function fillInputs(dashboard: JsonObject): JsonObject {
  const inputs = objects(dashboard.__inputs);
  if (!inputs.length) return dashboard;
  let source = JSON.stringify(dashboard);
  for (const input of inputs) {
    const value = input.type === 'constant' ? text(input.value) : 'cloche';
    source = source.split('${' + text(input.name) + '}').join(JSON.stringify(value).slice(1, -1));
  }
  return JSON.parse(source) as JsonObject;
}

function links(v: unknown): DataLink[] {
  return objects(v)
    .filter((l) => text(l.url))
    .map((l) => ({ title: text(l.title), url: text(l.url), newTab: flag(l.targetBlank) }));
}

function datasourceType(v: unknown, fallback: string): string {
  if (isObject(v)) return text(v.type) || fallback;
  return fallback;
}

function targetOf(json: JsonObject, index: number, inherited: string): Target {
  const format = text(json.format, 'time_series');
  return {
    refId: text(json.refId) || String.fromCharCode(65 + (index % 26)),
    expr: text(json.expr),
    legendFormat: text(json.legendFormat),
    format: format === 'table' || format === 'heatmap' ? format : 'time_series',
    instant: flag(json.instant) && !flag(json.range),
    interval: text(json.interval),
    intervalFactor: number(json.intervalFactor) ?? 1,
    hide: flag(json.hide),
    datasourceType: datasourceType(json.datasource, inherited),
  };
}

const bound = (v: unknown, infinite: number) => number(v) ?? infinite;

function oldMapping(m: JsonObject): Mapping {
  if (number(m.type) === 2 || text(m.from) || text(m.to)) return { type: 'range', from: bound(m.from, -Infinity), to: bound(m.to, Infinity), result: { text: text(m.text) } };
  if (text(m.value) === 'null' || text(m.value) === 'N/A') return { type: 'special', match: 'null', result: { text: text(m.text) } };
  return { type: 'value', options: { [text(m.value)]: { text: text(m.text) } } };
}

export function mappingsOf(v: unknown): Mapping[] {
  return objects(v).map((m): Mapping => {
    const options = object(m.options);
    const result = object(options.result) as { text?: string; color?: string };
    switch (m.type) {
      case 'value':
        return { type: 'value', options: options as Record<string, { text?: string; color?: string }> };
      case 'range':
        return { type: 'range', from: bound(options.from, -Infinity), to: bound(options.to, Infinity), result };
      case 'regex':
        return { type: 'regex', pattern: text(options.pattern), result };
      case 'special':
        return { type: 'special', match: text(options.match), result };
      default:
        return oldMapping(m);
    }
  });
}

export function thresholdsOf(v: unknown): FieldConfig['thresholds'] {
  const json = object(v);
  const steps = objects(json.steps).map((s) => ({ value: number(s.value) ?? -Infinity, color: text(s.color, 'green') }));
  return { mode: json.mode === 'percentage' ? 'percentage' : 'absolute', steps: steps.sort((a, b) => a.value - b.value) };
}

export function fieldDefaults(v: unknown): FieldConfig {
  const json = object(v);
  const color = object(json.color);
  return {
    unit: text(json.unit) || undefined,
    decimals: number(json.decimals),
    min: number(json.min),
    max: number(json.max),
    noValue: text(json.noValue) || undefined,
    displayName: text(json.displayName) || undefined,
    thresholds: thresholdsOf(json.thresholds),
    color: { mode: text(color.mode), fixedColor: text(color.fixedColor) || undefined, seriesBy: text(color.seriesBy) || undefined },
    mappings: mappingsOf(json.mappings),
    links: links(json.links),
    custom: object(json.custom),
  };
}

function overridesOf(v: unknown): Override[] {
  return objects(v).map((o) => ({
    matcher: { id: text(object(o.matcher).id), options: object(o.matcher).options },
    properties: objects(o.properties).map((p) => ({ id: text(p.id), value: p.value })),
  }));
}

function transformationsOf(v: unknown): Transformation[] {
  return objects(v).map((t) => ({ id: text(t.id), options: object(t.options), disabled: flag(t.disabled) }));
}

function gridOf(v: unknown): GridPos {
  const json = object(v);
  const w = Math.min(24, Math.max(1, number(json.w) ?? 12));
  return { x: Math.min(24 - w, Math.max(0, number(json.x) ?? 0)), y: Math.max(0, number(json.y) ?? NaN), w, h: Math.max(1, number(json.h) ?? 8) };
}

/* Angular panels become today's; the type tells the renderer the rest. */
function modernise(json: JsonObject): JsonObject {
  switch (json.type) {
    case 'graph':
      return migrateGraph(json);
    case 'singlestat':
    case 'grafana-singlestat-panel':
      return migrateSinglestat(json);
    case 'table':
      return json.styles || json.columns ? migrateOldTable(json) : json;
    case 'table-old':
      return migrateOldTable(json);
    case 'text2':
      return { ...json, type: 'text' };
    default:
      return json;
  }
}

export function panelOf(source: JsonObject): Panel {
  const json = modernise(source);
  const inherited = datasourceType(json.datasource, 'prometheus');
  const fieldConfig = object(json.fieldConfig);
  const type = text(json.type) || (json.libraryPanel ? 'library panel' : 'unknown');
  const options = { ...object(json.options) };
  if (type === 'text' && !options.content) Object.assign(options, { content: text(json.content), mode: text(json.mode, 'markdown') });
  return {
    id: number(json.id) ?? 0,
    type,
    title: text(json.title),
    description: text(json.description),
    grid: gridOf(json.gridPos),
    targets: objects(json.targets).map((t, i) => targetOf(t, i, inherited)),
    options,
    defaults: fieldDefaults(fieldConfig.defaults),
    overrides: overridesOf(fieldConfig.overrides),
    transformations: transformationsOf(json.transformations),
    repeat: text(json.repeat),
    repeatDirection: json.repeatDirection === 'v' ? 'v' : 'h',
    maxPerRow: number(json.maxPerRow) ?? 4,
    collapsed: flag(json.collapsed),
    panels: readPanels(json.panels),
    maxDataPoints: number(json.maxDataPoints),
    interval: text(json.interval),
    timeFrom: text(json.timeFrom),
    timeShift: text(json.timeShift),
    links: links(json.links),
    transparent: flag(json.transparent),
    datasourceType: inherited,
  };
}

/* One unreadable panel becomes a placeholder, never the end of the dashboard. */
function safePanel(json: JsonObject): Panel {
  try {
    return panelOf(json);
  } catch (error) {
    const plain = panelOf({ type: 'unknown', title: text(json.title), gridPos: json.gridPos, id: json.id });
    return { ...plain, problem: `this panel's JSON cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function readPanels(v: unknown): Panel[] {
  return objects(v)
    .filter((p) => !p.repeatPanelId && !p.repeatedByRow && !p.repeatIteration)
    .map(safePanel);
}

function currentOf(v: unknown): string[] {
  const value = object(v).value;
  if (Array.isArray(value)) return texts(value);
  const one = text(value);
  return one === '' && value !== '' ? [] : [one];
}

export function splitCustom(query: string): VariableOption[] {
  const parts = query.match(/(?:\\,|[^,])+/g) ?? [];
  return parts
    .map((p) => p.replace(/\\,/g, ',').trim())
    .filter((p) => p !== '')
    .map((p) => {
      const pair = /^(.+?)\s:\s(.+)$/.exec(p);
      return pair ? { text: pair[1].trim(), value: pair[2].trim() } : { text: p, value: p };
    });
}

const VARIABLE_TYPES = ['query', 'custom', 'constant', 'interval', 'datasource', 'textbox', 'adhoc'];

function variableOf(json: JsonObject, schemaVersion: number): Variable {
  let type = text(json.type);
  if (type === 'constant' && schemaVersion < 27 && number(json.hide) !== 2) type = 'textbox';
  const query = isObject(json.query) ? text(json.query.query) : text(json.query);
  const cached = objects(json.options).map((o) => ({ text: text(o.text), value: text(o.value) }));
  return {
    name: text(json.name),
    label: text(json.label) || text(json.name),
    type: (VARIABLE_TYPES.includes(type) ? type : 'other') as Variable['type'],
    query: query || (type === 'query' ? text(json.definition) : ''),
    regex: text(json.regex),
    sort: number(json.sort) ?? 0,
    refresh: number(json.refresh) ?? 0,
    hide: number(json.hide) ?? 0,
    multi: flag(json.multi),
    includeAll: flag(json.includeAll),
    allValue: json.allValue === null || json.allValue === undefined || json.allValue === '' ? null : text(json.allValue),
    current: currentOf(json.current),
    options: type === 'custom' || type === 'interval' ? splitCustom(query) : cached.filter((o) => o.value !== '$__all'),
    auto: flag(json.auto),
    autoCount: number(json.auto_count) ?? 30,
    autoMin: text(json.auto_min, '10s'),
  };
}

function tooltipMode(json: JsonObject): number {
  return number(json.graphTooltip) ?? (flag(json.sharedCrosshair) ? 1 : 0);
}

export function readDashboard(source: unknown): Dashboard {
  const json = fillInputs(unwrap(source));
  if (!Array.isArray(json.panels) && !Array.isArray(json.rows) && !text(json.title)) {
    throw new Error('neither "panels", "rows" nor "title" is here: this is no Grafana dashboard');
  }
  const schemaVersion = number(json.schemaVersion) ?? 0;
  const rows = array(json.rows).length ? layOutRows(objects(json.rows)) : [];
  const panels = placeMissing(readPanels([...array(json.panels), ...rows]));
  const time = object(json.time);
  return {
    uid: text(json.uid),
    title: text(json.title, 'Dashboard'),
    description: text(json.description),
    tags: texts(json.tags),
    panels,
    variables: objects(object(json.templating).list)
      .map((v) => variableOf(v, schemaVersion))
      .filter((v) => v.name !== ''),
    links: objects(json.links)
      .filter((l) => text(l.url))
      .map((l) => ({ title: text(l.title) || text(l.url), url: text(l.url), newTab: flag(l.targetBlank), includeVars: flag(l.includeVars), keepTime: flag(l.keepTime) })),
    time: { from: text(time.from, 'now-1h'), to: text(time.to, 'now') },
    refresh: text(json.refresh) === 'false' ? '' : text(json.refresh),
    graphTooltip: tooltipMode(json),
  };
}
