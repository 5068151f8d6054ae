/* fieldConfig: defaults and overrides for one field, and what a value looks like. Pure. */
import { rampColor, resolveColor, seriesColor, Theme } from '../chart/palette';
import { reduceValues } from '../chart/reduce';
import { formatParts } from '../format/units';
import { Cell, Field, fieldLabel, Frame } from './frames';
import { fieldDefaults, mappingsOf, thresholdsOf } from './migrate';
import { FieldConfig, Mapping, MappingResult, Override, Panel } from './model';
import { array, number, object, text, texts } from './read';

export function toRegExp(source: string): RegExp | null {
  const wrapped = /^\/(.*)\/([gimsuy]*)$/s.exec(source);
  try {
    return wrapped ? new RegExp(wrapped[1], wrapped[2].replace(/[gy]/g, '')) : new RegExp(source);
  } catch {
    return null;
  }
}

function compare(op: string, a: number, b: number): boolean {
  switch (op) {
    case 'gt':
    case '>':
      return a > b;
    case 'gte':
    case '>=':
      return a >= b;
    case 'lt':
    case '<':
      return a < b;
    case 'lte':
    case '<=':
      return a <= b;
    case 'neq':
    case '!=':
      return a !== b;
    default:
      return a === b;
  }
}

export function matches(matcher: Override['matcher'], field: Field): boolean {
  const { id, options } = matcher;
  const names = [fieldLabel(field), field.name];
  switch (id) {
    case 'byName':
      return names.includes(text(options));
    case 'byRegexp': {
      const re = toRegExp(text(options));
      return re !== null && re.test(names[0]);
    }
    case 'byNames': {
      const { names: list, mode } = object(options);
      const found = names.some((n) => texts(list).includes(n));
      return mode === 'exclude' ? !found && field.type !== 'time' : found;
    }
    case 'byType':
      return field.type === text(options);
    case 'byFrameRefID':
      return field.refId === text(options);
    case 'byValue': {
      const o = object(options);
      const value = reduceValues(field.values as (number | null)[], text(o.reducer, 'lastNotNull'));
      return field.type === 'number' && value !== null && compare(text(o.op), value, number(o.value) ?? 0);
    }
    default:
      return false;
  }
}

function setPath(target: Record<string, unknown>, path: string[], value: unknown): void {
  const [head, ...rest] = path;
  if (!rest.length) target[head] = value;
  else {
    const inner = { ...object(target[head]) };
    setPath(inner, rest, value);
    target[head] = inner;
  }
}

function applyProperty(config: FieldConfig, id: string, value: unknown): FieldConfig {
  switch (id) {
    case 'thresholds':
      return { ...config, thresholds: thresholdsOf(value) };
    case 'mappings':
      return { ...config, mappings: mappingsOf(value) };
    case 'color': {
      const c = object(value);
      return { ...config, color: { mode: text(c.mode, 'fixed'), fixedColor: text(c.fixedColor) || undefined, seriesBy: text(c.seriesBy) || undefined } };
    }
    case 'links':
      return { ...config, links: fieldDefaults({ links: array(value) }).links };
    case 'unit':
    case 'displayName':
    case 'noValue':
      return { ...config, [id]: text(value) || undefined };
    case 'decimals':
    case 'min':
    case 'max':
      return { ...config, [id]: number(value) };
    default: {
      if (!id.startsWith('custom.')) return config;
      const custom = { ...config.custom };
      setPath(custom, id.slice('custom.'.length).split('.'), value);
      return { ...config, custom };
    }
  }
}

/* Every field of every frame gets its config and its name. */
export function configure(frames: Frame[], panel: Panel, interpolateText: (s: string, extra: Record<string, string>) => string): Frame[] {
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      let config = panel.defaults;
      for (const o of panel.overrides) if (matches(o.matcher, field)) for (const p of o.properties) config = applyProperty(config, p.id, p.value);
      const extra: Record<string, string> = { '__field.name': field.name, '__series.name': fieldLabel(field), __name: fieldLabel(field) };
      for (const [k, v] of Object.entries(field.labels)) extra[`__field.labels.${k}`] = v;
      const displayName = config.displayName && field.type !== 'time' ? interpolateText(config.displayName, extra) : field.displayName;
      return { ...field, config, displayName };
    }),
  }));
}

export interface Shown {
  text: string;
  prefix: string;
  number: string;
  suffix: string;
  color: string | null; /* of its threshold or mapping */
  mapped: boolean;
}

function mappingFor(mappings: Mapping[], value: Cell): MappingResult | null {
  for (const m of mappings) {
    if (m.type === 'value') {
      const found = m.options[String(value)];
      if (found) return found;
    } else if (m.type === 'range') {
      if (typeof value === 'number' && value >= m.from && value <= m.to) return m.result;
    } else if (m.type === 'regex') {
      if (value !== null && toRegExp(m.pattern)?.test(String(value))) return m.result;
    } else if (isSpecial(m.match, value)) return m.result;
  }
  return null;
}

function isSpecial(match: string, value: Cell): boolean {
  const isNull = value === null;
  const isNaN = typeof value === 'number' && Number.isNaN(value);
  switch (match) {
    case 'null':
      return isNull;
    case 'nan':
      return isNaN;
    case 'null+nan':
      return isNull || isNaN;
    case 'true':
    case 'false':
      return String(value) === match;
    case 'empty':
      return value === '';
    default:
      return false;
  }
}

export interface Bounds {
  min: number;
  max: number;
}

/* From the config, else 0-100 for percents, else from the data. */
export function boundsOf(field: Field): Bounds {
  const { config } = field;
  const values = field.values.filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
  const unit = config?.unit;
  const min = config?.min ?? (unit === 'percent' || unit === 'percentunit' ? 0 : Math.min(0, ...values));
  const max = config?.max ?? (unit === 'percent' ? 100 : unit === 'percentunit' ? 1 : Math.max(...values, min));
  return { min, max: max > min ? max : min + 1 };
}

export function thresholdColor(value: number, config: FieldConfig, bounds: Bounds | null, theme: Theme): string | null {
  const { steps, mode } = config.thresholds;
  const at = mode === 'percentage' && bounds ? ((value - bounds.min) / (bounds.max - bounds.min)) * 100 : value;
  let color: string | null = null;
  for (const s of steps) if (at >= s.value) color = s.color;
  return color === null ? null : resolveColor(color, theme);
}

export function valueColor(value: number | null, config: FieldConfig, bounds: Bounds, theme: Theme, index: number): string {
  const { mode, fixedColor } = config.color;
  if (mode === 'fixed') return resolveColor(fixedColor, theme);
  if (mode.startsWith('palette')) return seriesColor(index, theme);
  if (mode.startsWith('continuous')) return rampColor(mode, value === null ? 0 : (value - bounds.min) / (bounds.max - bounds.min), theme);
  if (value === null) return resolveColor('text', theme);
  return thresholdColor(value, config, bounds, theme) ?? resolveColor(config.thresholds.steps.length ? 'text' : 'green', theme);
}

export function showValue(value: Cell, config: FieldConfig | undefined, theme: Theme): Shown {
  const mapping = config ? mappingFor(config.mappings, value) : null;
  const color = mapping?.color ? resolveColor(mapping.color, theme) : null;
  if (mapping?.text) return { text: mapping.text, prefix: '', number: mapping.text, suffix: '', color, mapped: true };
  if (value === null && config?.noValue !== undefined) return { text: config.noValue, prefix: '', number: config.noValue, suffix: '', color, mapped: true };
  if (typeof value === 'string') return { text: value, prefix: '', number: value, suffix: '', color, mapped: false };
  const parts = formatParts(value, config?.unit, config?.decimals ?? null);
  const own = { prefix: text(config?.custom.prefix), postfix: text(config?.custom.postfix) };
  const prefix = own.prefix + parts.prefix;
  const suffix = parts.suffix + own.postfix;
  return { text: prefix + parts.text + suffix, prefix, number: parts.text, suffix, color, mapped: false };
}


