/* reduceOptions: fields → one value each (or each row). Pure. */
import { assignHues, Theme } from '../chart/palette';
import { reduceValues } from '../chart/reduce';
import { boundsOf, Bounds, showValue, Shown, toRegExp, valueColor } from '../dashboard/field';
import { Cell, Field, fieldLabel, Frame } from '../dashboard/frames';
import { JsonObject } from '../dashboard/model';
import { flag, number, object, text, texts } from '../dashboard/read';

export interface ReducedValue {
  name: string;
  value: Cell;
  shown: Shown;
  color: string;
  field: Field;
  bounds: Bounds;
  spark: [number, number | null][];
}

function wanted(frame: Frame, selector: string): Field[] {
  const re = selector ? toRegExp(selector) : null;
  return frame.fields.filter((f) => {
    if (selector) return re?.test(fieldLabel(f)) || f.name === selector;
    return f.type === 'number';
  });
}

const asNumber = (v: Cell): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null);

export function reduceFrames(frames: Frame[], options: JsonObject, theme: Theme): ReducedValue[] {
  const reduce = object(options.reduceOptions);
  const calc = texts(reduce.calcs)[0] ?? 'lastNotNull';
  const everyRow = flag(reduce.values);
  const limit = number(reduce.limit) ?? 100;
  const out: ReducedValue[] = [];
  const add = (field: Field, name: string, value: Cell, spark: [number, number | null][]) => {
    const bounds = boundsOf(field);
    const shown = showValue(value, field.config, theme);
    const color = shown.color ?? valueColor(asNumber(value), field.config!, bounds, theme, out.length);
    out.push({ name, value, shown, color, field, bounds, spark });
  };
  for (const frame of frames) {
    const time = frame.fields.find((f) => f.type === 'time');
    const label = frame.fields.find((f) => f.type === 'string');
    for (const field of wanted(frame, text(reduce.fields))) {
      if (everyRow) field.values.slice(0, limit).forEach((v, i) => add(field, label ? String(label.values[i]) : fieldLabel(field), v, []));
      else {
        const value = field.type === 'number' ? reduceValues(field.values as (number | null)[], calc) : (field.values[field.values.length - 1] ?? null);
        const spark = time ? field.values.map((v, i): [number, number | null] => [Number(time.values[i]), asNumber(v)]) : [];
        add(field, fieldLabel(field), value, spark);
      }
    }
  }
  return byName(out, theme);
}

/* palette-classic-by-name: the same name, the same hue on every page. */
function byName(values: ReducedValue[], theme: Theme): ReducedValue[] {
  if (!values.some((v) => v.field.config?.color.mode === 'palette-classic-by-name')) return values;
  const hues = assignHues(values.map((v) => v.name));
  return values.map((v) => (v.shown.color || v.field.config?.color.mode !== 'palette-classic-by-name' ? v : { ...v, color: valueColor(null, v.field.config!, v.bounds, theme, hues.get(v.name) ?? 0) }));
}
