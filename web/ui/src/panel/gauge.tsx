/* gauge: an arc per value, thresholds outside it. */
import { useTheme } from '../app/theme';
import { resolveColor } from '../chart/palette';
import { FieldConfig } from '../dashboard/model';
import { flag } from '../dashboard/read';
import { Bounds } from '../dashboard/field';
import { formatValue } from '../format/units';
import { ReducedValue, reduceFrames } from './calc';
import { PanelProps } from './types';

const START = -210;
const SWEEP = 240;

function arc(radius: number, from: number, to: number): string {
  const point = (degrees: number) => {
    const a = (degrees * Math.PI) / 180;
    return `${(50 + radius * Math.cos(a)).toFixed(2)} ${(50 + radius * Math.sin(a)).toFixed(2)}`;
  };
  return `M${point(from)}A${radius} ${radius} 0 ${to - from > 180 ? 1 : 0} 1 ${point(to)}`;
}

function bands(config: FieldConfig, bounds: Bounds): { from: number; to: number; color: string }[] {
  const { steps, mode } = config.thresholds;
  const part = (v: number) => Math.max(0, Math.min(1, mode === 'percentage' ? v / 100 : (v - bounds.min) / (bounds.max - bounds.min)));
  return steps.map((s, i) => ({ from: part(s.value), to: i + 1 < steps.length ? part(steps[i + 1].value) : 1, color: s.color })).filter((b) => b.to > b.from);
}

function Gauge({ v, markers, size }: { v: ReducedValue; markers: boolean; size: number }) {
  const theme = useTheme();
  const { min, max } = v.bounds;
  const part = typeof v.value === 'number' ? Math.max(0, Math.min(1, (v.value - min) / (max - min))) : 0;
  const edge = (x: number) => formatValue(x, v.field.config?.unit, v.field.config?.decimals ?? null);
  return (
    <svg class="gauge" width={size} height={size * 0.86} viewBox="0 0 100 86" role="img" aria-label={`${v.name}: ${v.shown.text} of ${edge(min)} to ${edge(max)}`}>
      <path d={arc(38, START, START + SWEEP)} fill="none" stroke="var(--surface-3)" stroke-width="8" />
      {part > 0 && <path d={arc(38, START, START + SWEEP * part)} fill="none" stroke={v.color} stroke-width="8" />}
      {markers && bands(v.field.config!, v.bounds).map((b, i) => <path key={i} d={arc(45, START + SWEEP * b.from, START + SWEEP * b.to)} fill="none" stroke={resolveColor(b.color, theme)} stroke-width="2" />)}
      <text x="50" y="54" text-anchor="middle" class="gauge-value" font-size={Math.min(16, 90 / Math.max(4, v.shown.text.length))}>
        {v.shown.text}
      </text>
      <text x="50" y="82" text-anchor="middle" class="gauge-edge" font-size="6">
        {edge(min)} – {edge(max)}
      </text>
    </svg>
  );
}

export function GaugePanel({ panel, data, width, height }: PanelProps) {
  const theme = useTheme();
  const values = reduceFrames(data.frames, panel.options, theme);
  const count = Math.max(1, values.length);
  const columns = Math.max(1, Math.min(count, Math.floor(width / 90)));
  const rows = Math.ceil(count / columns);
  const size = Math.max(70, Math.min(width / columns - 8, (height / rows - (count > 1 ? 18 : 0)) / 0.86, 260));
  return (
    <div class="gauges">
      {values.map((v, i) => (
        <figure key={v.name + i}>
          <Gauge v={v} size={size} markers={flag(panel.options.showThresholdMarkers, true)} />
          {count > 1 && <figcaption>{v.name}</figcaption>}
        </figure>
      ))}
    </div>
  );
}

export function BarGaugePanel({ panel, data, height }: PanelProps) {
  const theme = useTheme();
  const values = reduceFrames(data.frames, panel.options, theme);
  const unfilled = flag(panel.options.showUnfilled, true);
  const all = values.map((v) => v.bounds);
  const min = Math.min(...all.map((b) => b.min));
  const max = Math.max(...all.map((b) => b.max));
  const shared = values.every((v) => v.field.config?.max === null || v.field.config?.max === undefined);
  return (
    <div class="bargauge" style={{ maxHeight: `${height}px` }}>
      {values.map((v, i) => {
        const bounds = shared ? { min, max } : v.bounds;
        const part = typeof v.value === 'number' ? Math.max(0, Math.min(1, (v.value - bounds.min) / (bounds.max - bounds.min || 1))) : 0;
        return (
          <div class="bargauge-row" key={v.name + i}>
            <span class="bargauge-name" title={v.name}>
              {v.name}
            </span>
            <span class={unfilled ? 'bargauge-track' : 'bargauge-track bare'}>
              <span style={{ width: `${(part * 100).toFixed(2)}%`, background: v.color }} />
            </span>
            <span class="bargauge-value num">{v.shown.text}</span>
          </div>
        );
      })}
    </div>
  );
}
