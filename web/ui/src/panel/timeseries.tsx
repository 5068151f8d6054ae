/* timeseries: frames → chart series. */
import { useMemo } from 'preact/hooks';
import { PlotOptions } from '../chart/plot';
import { LegendWish, LineChart } from '../chart/line';
import { assignHues, resolveColor, seriesColor, Theme } from '../chart/palette';
import { reduceValues } from '../chart/reduce';
import { ChartData, ChartSeries, ChartThreshold } from '../chart/types';
import { boundsOf, thresholdColor, valueColor } from '../dashboard/field';
import { Cell, Field, fieldLabel, Frame } from '../dashboard/frames';
import { FieldConfig, JsonObject } from '../dashboard/model';
import { array, flag, number, object, text, texts } from '../dashboard/read';
import { useTheme } from '../app/theme';
import { PanelProps } from './types';

interface Line {
  field: Field;
  times: Cell[];
  step: number; /* NaN: not known */
}

function linesOf(frames: Frame[]): Line[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find((f) => f.type === 'time');
    return time ? frame.fields.filter((f) => f.type === 'number').map((field) => ({ field, times: time.values, step: frame.step ?? NaN })) : [];
  });
}

/* All lines on one grid of times. A query's own gaps are null; steps that only others have are undefined. */
function onGrid(lines: Line[]): { times: number[]; columns: (number | null | undefined)[][] } {
  const all = new Set<number>();
  for (const l of lines) for (const t of l.times) all.add(Number(t));
  const times = [...all].sort((a, b) => a - b);
  let step = Math.min(...lines.map((l) => (Number.isNaN(l.step) ? Infinity : l.step)));
  for (let i = 1; i < times.length; i++) step = Math.min(step, times[i] - times[i - 1]);
  const filled = fillGaps(times, step);
  const at = new Map(filled.map((t, i) => [t, i]));
  const columns = lines.map((l) => {
    const column = new Array<number | null | undefined>(filled.length).fill(l.step > step * 1.5 ? undefined : null);
    l.times.forEach((t, i) => {
      const v = l.field.values[i];
      column[at.get(Number(t))!] = typeof v === 'number' ? v : null;
    });
    return column;
  });
  return { times: filled, columns };
}

/* Absent steps of the answer become points, so that lines break there. */
function fillGaps(times: number[], step: number): number[] {
  if (!Number.isFinite(step) || times.length < 2) return times;
  if ((times[times.length - 1] - times[0]) / step > 20000) return times;
  const out: number[] = [];
  times.forEach((t, i) => {
    if (i > 0 && t - times[i - 1] > step * 1.5) for (let g = times[i - 1] + step; g < t - step * 0.5; g += step) out.push(g);
    out.push(t);
  });
  return out;
}

function styleOf(config: FieldConfig): Partial<ChartSeries> {
  const c = config.custom;
  const stacking = object(c.stacking);
  const stackMode = text(stacking.mode, 'none');
  const scale = object(c.scaleDistribution);
  const hide = object(c.hideFrom);
  const lineStyle = object(c.lineStyle);
  const dash = array(lineStyle.dash).map(Number).filter(Number.isFinite);
  const drawStyle = text(c.drawStyle, 'line');
  const opacity = (number(c.fillOpacity) ?? 0) / 100;
  return {
    style: drawStyle === 'bars' || drawStyle === 'points' ? drawStyle : 'line',
    interpolation: text(c.lineInterpolation, 'linear') as ChartSeries['interpolation'],
    width: Math.min(number(c.lineWidth) ?? 1, 4) * 1.25,
    fill: stackMode === 'none' ? Math.min(opacity, 0.25) : Math.max(0.25, Math.min(opacity, 0.6)),
    dash: lineStyle.fill === 'dash' ? (dash.length ? dash : [8, 4]) : lineStyle.fill === 'dot' ? [2, 4] : undefined,
    points: c.showPoints === 'always',
    spanNulls: c.spanNulls === true || (number(c.spanNulls) ?? 0) > 0,
    stack: stackMode === 'none' ? null : text(stacking.group, 'A'),
    percent: stackMode === 'percent',
    negative: c.transform === 'negative-Y',
    axis: c.axisPlacement === 'right' ? 'right' : 'left',
    axisHidden: c.axisPlacement === 'hidden',
    axisLabel: text(c.axisLabel),
    min: config.min,
    max: config.max,
    softMin: number(c.axisSoftMin),
    softMax: number(c.axisSoftMax),
    log: scale.type === 'log' ? (number(scale.log) ?? 10) : null,
    inLegend: !flag(hide.legend),
    inTooltip: !flag(hide.tooltip),
    drawn: !flag(hide.viz),
  };
}

function colorsOf(lines: Line[], theme: Theme): string[] {
  const hues = assignHues(lines.filter((l) => l.field.config?.color.mode === 'palette-classic-by-name').map((l) => fieldLabel(l.field)));
  return lines.map(({ field }, i) => {
    const config = field.config!;
    const { mode } = config.color;
    if (mode === 'palette-classic-by-name') return seriesColor(hues.get(fieldLabel(field)) ?? 0, theme);
    if (mode === '' || mode.startsWith('palette')) return seriesColor(i, theme);
    const last = reduceValues(field.values as (number | null)[], config.color.seriesBy === 'max' ? 'max' : config.color.seriesBy === 'min' ? 'min' : 'lastNotNull');
    return valueColor(last, config, boundsOf(field), theme, i);
  });
}

function thresholdsOf(config: FieldConfig | undefined, theme: Theme): ChartThreshold[] {
  const mode = text(object(config?.custom.thresholdsStyle).mode, 'off');
  if (!config || mode === 'off') return [];
  const style = mode === 'dashed' || mode === 'line' || mode === 'area' || mode === 'line+area' ? mode : mode === 'dashed+area' ? 'line+area' : 'line';
  return config.thresholds.steps
    .filter((s) => style.includes('area') || Number.isFinite(s.value))
    .map((s) => ({ value: s.value, style, color: thresholdColor(s.value, config, null, theme) ?? resolveColor(s.color, theme) }));
}

export function chartData(frames: Frame[], theme: Theme): ChartData {
  const lines = linesOf(frames);
  const { times, columns } = onGrid(lines);
  const colors = colorsOf(lines, theme);
  const series = lines.map(({ field }, i): ChartSeries => {
    const config = field.config!;
    const values = config.custom.nullAsZero === true ? columns[i].map((v) => v ?? 0) : columns[i];
    return { name: fieldLabel(field), color: colors[i], values, unit: config.unit, decimals: config.decimals, ...styleOf(config) };
  });
  return { times, series };
}

export function legendOf(options: JsonObject, height: number): LegendWish {
  const legend = object(options.legend);
  const mode = text(legend.displayMode, 'list');
  const show = flag(legend.showLegend, true) && mode !== 'hidden' && height >= 110;
  return {
    show,
    mode: mode === 'table' ? 'table' : 'list',
    placement: legend.placement === 'right' ? 'right' : 'bottom',
    calcs: texts(legend.calcs),
    sortBy: text(legend.sortBy) || undefined,
    sortDesc: flag(legend.sortDesc, true),
  };
}

function tooltipOf(options: JsonObject): PlotOptions['tooltip'] {
  const t = object(options.tooltip);
  const mode = text(t.mode, 'multi');
  const sort = text(t.sort, 'desc');
  return {
    mode: mode === 'single' || mode === 'none' ? mode : 'multi',
    sort: sort === 'asc' || sort === 'none' ? sort : 'desc',
    hideZeros: flag(t.hideZeros),
  };
}

export function TimeseriesPanel({ panel, data, height, syncKey }: PanelProps) {
  const theme = useTheme();
  const chart = useMemo(() => chartData(data.frames, theme), [data.frames, theme]);
  const thresholds = useMemo(() => thresholdsOf(panel.defaults, theme), [panel, theme]);
  const tooltip = useMemo(() => tooltipOf(panel.options), [panel]);
  return <LineChart data={chart} range={data.range} height={height} thresholds={thresholds} legend={legendOf(panel.options, height)} tooltip={tooltip} syncKey={syncKey} label={panel.title} />;
}
