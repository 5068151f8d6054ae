/* Names and figures of the series below a chart. Click isolates, ctrl+click toggles. */
import { formatValue } from '../format/units';
import { ChartSeries } from './types';

export type Calc = 'lastNotNull' | 'last' | 'min' | 'max' | 'mean' | 'sum' | 'count' | 'first' | 'firstNotNull' | 'range' | 'delta' | 'diff';

export const CALC_NAMES: Record<string, string> = {
  lastNotNull: 'last',
  last: 'last',
  min: 'min',
  max: 'max',
  mean: 'avg',
  sum: 'total',
  count: 'count',
  first: 'first',
  firstNotNull: 'first',
  range: 'range',
  delta: 'delta',
  diff: 'diff',
};

export interface LegendProps {
  series: ChartSeries[];
  mode: 'table' | 'list';
  calcs: string[];
  hidden: Set<string>;
  onHidden(next: Set<string>): void;
  reduce(values: (number | null | undefined)[], calc: string): number | null;
  sortBy?: string;
  sortDesc?: boolean;
}

function toggled(names: string[], hidden: Set<string>, name: string, add: boolean): Set<string> {
  if (add) {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    return next.size === names.length ? new Set() : next;
  }
  const alone = !hidden.has(name) && hidden.size === names.length - 1;
  return alone ? new Set() : new Set(names.filter((n) => n !== name));
}

export function Legend(props: LegendProps) {
  const { mode, calcs, hidden, onHidden, reduce } = props;
  const shown = props.series.filter((s) => s.inLegend !== false && s.drawn !== false);
  const names = [...new Set(shown.map((s) => s.name))];
  const figure = (s: ChartSeries, calc: string) => reduce(s.values, calc);
  const by = calcs.find((c) => CALC_NAMES[c]?.toLowerCase() === props.sortBy?.toLowerCase() || c.toLowerCase() === props.sortBy?.toLowerCase() || (c === 'mean' && props.sortBy === 'Mean'));
  const order = by ? [...shown].sort((a, b) => ((figure(a, by) ?? 0) - (figure(b, by) ?? 0)) * (props.sortDesc ? -1 : 1)) : shown;
  const click = (s: ChartSeries) => (e: MouseEvent) => onHidden(toggled(names, hidden, s.name, e.ctrlKey || e.metaKey || e.shiftKey));
  const label = (s: ChartSeries) => (
    <button type="button" class="legend-name" aria-pressed={!hidden.has(s.name)} title={`${s.name}: click shows it alone, ctrl+click hides it`} onClick={click(s)}>
      <span class="swatch" style={{ background: s.color }} />
      <span class="legend-text">{s.name}</span>
    </button>
  );
  if (mode === 'list' || !calcs.length) {
    return (
      <div class="legend legend-list">
        {order.map((s, i) => (
          <span key={s.name + i} class={hidden.has(s.name) ? 'legend-item off' : 'legend-item'}>
            {label(s)}
            {calcs.map((c) => (
              <span key={c} class="legend-figure">
                {formatValue(figure(s, c), s.unit, s.decimals ?? null)}
              </span>
            ))}
          </span>
        ))}
      </div>
    );
  }
  return (
    <div class="legend legend-table">
      <table>
        <thead>
          <tr>
            <th />
            {calcs.map((c) => (
              <th key={c} class="num">
                {CALC_NAMES[c] ?? c}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {order.map((s, i) => (
            <tr key={s.name + i} class={hidden.has(s.name) ? 'off' : ''}>
              <td>{label(s)}</td>
              {calcs.map((c) => (
                <td key={c} class="num">
                  {formatValue(figure(s, c), s.unit, s.decimals ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
