/* piechart: slices with a legend that carries the figures. */
import { useTheme } from '../app/theme';
import { seriesColor } from '../chart/palette';
import { texts, object, flag, text } from '../dashboard/read';
import { formatNumber } from '../format/number';
import { ReducedValue, reduceFrames } from './calc';
import { PanelProps } from './types';

function slice(from: number, to: number, inner: number): string {
  const p = (part: number, r: number) => `${(50 + r * Math.sin(part * 2 * Math.PI)).toFixed(3)} ${(50 - r * Math.cos(part * 2 * Math.PI)).toFixed(3)}`;
  const big = to - from > 0.5 ? 1 : 0;
  const end = to - from >= 0.99999 ? to - 0.00001 : to;
  const outer = `M${p(from, 48)}A48 48 0 ${big} 1 ${p(end, 48)}`;
  return inner ? `${outer}L${p(end, inner)}A${inner} ${inner} 0 ${big} 0 ${p(from, inner)}Z` : `${outer}L50 50Z`;
}

function colors(values: ReducedValue[], theme: 'dark' | 'light'): string[] {
  return values.map((v, i) => (v.shown.color || (v.field.config?.color.mode && v.field.config.color.mode !== 'thresholds') ? v.color : seriesColor(i, theme)));
}

export function PiePanel({ panel, data, width, height }: PanelProps) {
  const theme = useTheme();
  const values = reduceFrames(data.frames, panel.options, theme).filter((v) => typeof v.value === 'number' && v.value > 0);
  const total = values.reduce((a, v) => a + Number(v.value), 0);
  const fill = colors(values, theme);
  const inner = text(panel.options.pieType, 'pie') === 'donut' ? 30 : 0;
  const legend = object(panel.options.legend);
  const shown = new Set([...texts(legend.values), ...texts(panel.options.displayLabels)]);
  const showLegend = flag(legend.showLegend, true) && legend.displayMode !== 'hidden';
  const beside = showLegend && width > height * 1.3;
  const size = Math.max(60, Math.min(beside ? width * 0.5 : width, height - (showLegend && !beside ? Math.min(values.length, 3) * 20 + 8 : 0)));
  let at = 0;
  return (
    <div class={beside ? 'pie beside' : 'pie'} style={{ height: `${height}px` }}>
      <svg width={size} height={size} viewBox="0 0 100 100" role="img" aria-label={panel.title}>
        {values.map((v, i) => {
          const from = at;
          at += Number(v.value) / total;
          return (
            <path key={v.name + i} d={slice(from, at, inner)} fill={fill[i]} stroke="var(--surface-1)" stroke-width="0.6">
              <title>{`${v.name}: ${v.shown.text}`}</title>
            </path>
          );
        })}
      </svg>
      {showLegend && (
        <ul class="pie-legend">
          {values.map((v, i) => (
            <li key={v.name + i}>
              <span class="swatch" style={{ background: fill[i] }} />
              <span class="legend-text">{v.name}</span>
              {(shown.has('value') || !shown.has('percent')) && <span class="num">{v.shown.text}</span>}
              {shown.has('percent') && <span class="num dim">{formatNumber((Number(v.value) / total) * 100, 1)}%</span>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
