/* Builds one uPlot instance from what is to be drawn. The only file that knows uPlot's options. */
import uPlot from 'uplot';
import { TimeRange } from '../app/timerange';
import { formatDateTime } from '../format/number';
import { formatValue } from '../format/units';
import { incrementsFor, tickLabels, timeLabels, valueRange } from './axes';
import { withAlpha } from './palette';
import { stackSeries } from './stack';
import { hideTooltip, showTooltip, TooltipRow } from './tooltip';
import { ChartData, ChartSeries, ChartThreshold } from './types';

export interface PlotOptions {
  width: number;
  height: number;
  range: TimeRange;
  thresholds: ChartThreshold[];
  tooltip: { mode: 'multi' | 'single' | 'none'; sort: 'none' | 'asc' | 'desc'; hideZeros?: boolean };
  hidden: Set<string>;
  syncKey: string | null;
  onZoom(range: TimeRange): void;
  onZoomBack(): void;
}

interface Tokens {
  line: string;
  grid: string;
  text: string;
  panel: string;
  font: string;
}

function tokens(): Tokens {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return { line: value('--line'), grid: value('--grid'), text: value('--text-3'), panel: value('--surface-1'), font: '11px system-ui, sans-serif' };
}

/* A lone sample between gaps has no line: it gets a dot. */
function isolated(values: (number | null | undefined)[]): number[] {
  const out: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] === 'number' && typeof values[i - 1] !== 'number' && typeof values[i + 1] !== 'number') out.push(i);
  }
  return out;
}

function pathsOf(s: ChartSeries): uPlot.Series.PathBuilder | undefined {
  const { paths } = uPlot;
  if (s.style === 'bars') return paths.bars!({ size: [0.8, 40], align: 0 });
  if (s.style === 'points') return () => null;
  if (s.interpolation === 'smooth') return paths.spline!();
  if (s.interpolation === 'stepAfter') return paths.stepped!({ align: 1 });
  if (s.interpolation === 'stepBefore') return paths.stepped!({ align: -1 });
  return paths.linear!();
}

function plotSeries(s: ChartSeries, hidden: boolean): uPlot.Series {
  const fill = s.style === 'bars' ? Math.max(s.fill ?? 0, 0.5) : (s.fill ?? 0);
  return {
    label: s.name,
    scale: s.axis === 'right' ? 'right' : 'left',
    stroke: s.color,
    width: s.width ?? 1.25,
    dash: s.dash,
    fill: fill > 0 ? withAlpha(s.color, fill) : undefined,
    paths: pathsOf(s),
    spanGaps: s.spanNulls ?? false,
    show: !hidden && s.drawn !== false,
    points: {
      show: true,
      size: 4,
      fill: s.color,
      filter: (u, index) => (s.points || s.style === 'points' ? null : isolated(u.data[index] as (number | null)[])),
    },
  };
}

function valueScale(members: ChartSeries[], thresholds: ChartThreshold[]): uPlot.Scale {
  const pick = (f: (s: ChartSeries) => number | null | undefined) => members.map(f).find((v) => v !== null && v !== undefined);
  const base = pick((s) => s.log);
  const percent = members.some((s) => s.percent);
  if (base) return { distr: 3, log: base === 2 ? 2 : 10 };
  const wish = { min: pick((s) => s.min), max: percent ? 1 : pick((s) => s.max), softMin: pick((s) => s.softMin), softMax: pick((s) => s.softMax) };
  const lines = thresholds.filter((t) => t.style !== 'area' && Number.isFinite(t.value)).map((t) => t.value);
  return {
    range: (_u, low, high) => {
      const near = lines.filter((v) => high === null || v <= Math.max(high, 0) * 3);
      return valueRange(low, near.length ? Math.max(high ?? 0, ...near) : high, wish);
    },
  };
}

function valueAxis(side: 'left' | 'right', members: ChartSeries[], t: Tokens): uPlot.Axis {
  const first = members[0];
  const unit = first.percent ? 'percentunit' : first.unit;
  return {
    scale: side,
    side: side === 'left' ? 3 : 1,
    show: !members.every((s) => s.axisHidden),
    stroke: t.text,
    font: t.font,
    label: first.axisLabel || undefined,
    labelFont: t.font,
    labelSize: 16,
    gap: 4,
    space: (u) => Math.max(28, u.bbox.height / devicePixelRatio / 4.5),
    incrs: first.log ? undefined : incrementsFor(unit),
    grid: { show: side === 'left', stroke: t.grid, width: 1 },
    ticks: { show: false },
    values: (_u, splits) => tickLabels(splits, unit, first.decimals),
    size: (_u, values) => Math.max(30, ...(values ?? []).map((v) => (v ?? '').length * 6.4 + 12)),
  };
}

function drawThresholds(u: uPlot, thresholds: ChartThreshold[]): void {
  const { ctx, bbox } = u;
  const scale = u.scales.left?.min !== undefined ? 'left' : 'right';
  const y = (v: number) => Math.max(bbox.top, Math.min(bbox.top + bbox.height, u.valToPos(v, scale, true)));
  const { min, max } = u.scales[scale];
  if (min === undefined || min === null || max === undefined || max === null) return;
  ctx.save();
  thresholds.forEach((t, i) => {
    const next = thresholds.slice(i + 1).find((n) => n.style.includes('area'))?.value ?? max;
    if (t.style.includes('area')) {
      const low = Number.isFinite(t.value) ? t.value : min;
      ctx.fillStyle = withAlpha(t.color, 0.08);
      ctx.fillRect(bbox.left, y(next), bbox.width, y(low) - y(next));
    }
    if (!t.style.includes('area') || t.style === 'line+area') {
      if (!Number.isFinite(t.value) || t.value < min || t.value > max) return;
      ctx.strokeStyle = t.color;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(t.style === 'dashed' ? [6 * devicePixelRatio, 4 * devicePixelRatio] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y(t.value));
      ctx.lineTo(bbox.left + bbox.width, y(t.value));
      ctx.stroke();
      if (t.label) {
        ctx.fillStyle = t.color;
        ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
        ctx.textAlign = 'right';
        ctx.fillText(t.label, bbox.left + bbox.width - 4 * devicePixelRatio, y(t.value) - 4 * devicePixelRatio);
      }
    }
  });
  ctx.restore();
}

function tooltipRows(u: uPlot, data: ChartData, options: PlotOptions, index: number): TooltipRow[] {
  const rows: (TooltipRow & { number: number; distance: number })[] = [];
  data.series.forEach((s, i) => {
    const raw = s.values[index];
    if (typeof raw !== 'number' || options.hidden.has(s.name) || s.inTooltip === false || s.drawn === false) return;
    if (options.tooltip.hideZeros && raw === 0) return;
    const drawn = u.data[i + 1][index];
    const y = typeof drawn === 'number' ? u.valToPos(drawn, s.axis === 'right' ? 'right' : 'left') : NaN;
    rows.push({ color: s.color, name: s.name, value: formatValue(raw, s.unit, s.decimals ?? null), near: false, number: raw, distance: Math.abs(y - (u.cursor.top ?? 0)) });
  });
  const nearest = rows.reduce<(typeof rows)[number] | null>((best, r) => (r.distance < (best?.distance ?? 40) ? r : best), null);
  if (nearest) nearest.near = true;
  if (options.tooltip.mode === 'single') return nearest ? [nearest] : rows.slice(0, 1);
  if (options.tooltip.sort !== 'none') rows.sort((a, b) => (options.tooltip.sort === 'asc' ? a.number - b.number : b.number - a.number));
  return nearest ? [nearest, ...rows.filter((r) => r !== nearest)] : rows;
}

/* Wheel with ctrl zooms at the pointer; a double click goes back one zoom. */
function listenOver(u: uPlot, options: () => PlotOptions, hover: (inside: boolean) => void): void {
  const { over } = u;
  over.addEventListener('mouseenter', () => hover(true));
  over.addEventListener('mouseleave', () => hover(false));
  over.addEventListener('dblclick', () => options().onZoomBack());
  over.addEventListener(
    'wheel',
    (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      const at = u.posToVal(e.offsetX, 'x');
      const factor = e.deltaY < 0 ? 0.6 : 1.6;
      const { min, max } = u.scales.x;
      options().onZoom({ from: at - (at - min!) * factor, to: at + (max! - at) * factor });
    },
    { passive: false },
  );
}

export interface Plot {
  update(data: ChartData, options: PlotOptions): void;
  resize(width: number, height: number): void;
  destroy(): void;
}

function alignedData(data: ChartData, hidden: Set<string>) {
  const stacked = stackSeries(data.series, data.times.length, hidden);
  return { below: stacked.below, aligned: [data.times, ...stacked.values] as uPlot.AlignedData };
}

/* The plot redraws in place; the caller makes a new one when names, colours or styles of the series change. */
export function createPlot(host: HTMLElement, firstData: ChartData, firstOptions: PlotOptions): Plot {
  let data = firstData;
  let options = firstOptions;
  let inside = false;
  const t = tokens();
  const sides = (side: 'left' | 'right') => data.series.filter((s) => (s.axis ?? 'left') === side);
  const start = alignedData(data, options.hidden);
  const scales: uPlot.Scales = { x: { time: true, range: () => [options.range.from, options.range.to] } };
  const axes: uPlot.Axis[] = [
    {
      stroke: t.text,
      font: t.font,
      space: 70,
      size: 30,
      gap: 4,
      grid: { show: false },
      ticks: { show: true, stroke: t.grid, size: 4 },
      values: (_u, splits, _axis, _space, increment) => timeLabels(splits, increment),
    },
  ];
  for (const side of ['left', 'right'] as const) {
    const members = sides(side);
    if (!members.length) continue;
    scales[side] = valueScale(members, options.thresholds);
    axes.push(valueAxis(side, members, t));
  }
  const tooltipOf = (u: uPlot) => {
    const { idx, left, top } = u.cursor;
    if (!inside || options.tooltip.mode === 'none' || idx === null || idx === undefined || (left ?? -1) < 0) return hideTooltip(u);
    const box = u.over.getBoundingClientRect();
    showTooltip(u, formatDateTime(data.times[idx]), tooltipRows(u, data, options, idx), box.left + left!, box.top + top!);
  };
  const u = new uPlot(
    {
      width: options.width,
      height: options.height,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      scales,
      axes,
      series: [{}, ...data.series.map((s) => plotSeries(s, options.hidden.has(s.name)))],
      bands: start.below.flatMap((below, i) => (below >= 0 ? [{ series: [i + 1, below + 1] as [number, number] }] : [])),
      cursor: {
        y: false,
        points: { size: 6 },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        sync: options.syncKey
          ? { key: options.syncKey, setSeries: false, scales: ['x', null], filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } }
          : undefined,
      },
      hooks: {
        setCursor: [tooltipOf],
        setSelect: [
          (plot) => {
            if (plot.select.width < 6) return;
            const from = plot.posToVal(plot.select.left, 'x');
            const to = plot.posToVal(plot.select.left + plot.select.width, 'x');
            plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            options.onZoom({ from, to });
          },
        ],
        drawAxes: [(plot) => drawThresholds(plot, options.thresholds)],
      },
    },
    start.aligned,
    host,
  );
  listenOver(u, () => options, (now) => {
    inside = now;
    if (!now) hideTooltip(u);
  });
  return {
    update(nextData, nextOptions) {
      data = nextData;
      options = nextOptions;
      data.series.forEach((s, i) => {
        const show = !options.hidden.has(s.name) && s.drawn !== false;
        if (u.series[i + 1].show !== show) u.setSeries(i + 1, { show });
      });
      u.setData(alignedData(data, options.hidden).aligned);
    },
    resize: (width, height) => u.setSize({ width, height }),
    destroy() {
      hideTooltip(u);
      u.destroy();
    },
  };
}
