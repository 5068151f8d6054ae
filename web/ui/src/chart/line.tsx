/* A line chart with legend, shared crosshair and drag to zoom. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { zoomBack, zoomTo } from '../app/clock';
import { useTheme } from '../app/theme';
import { TimeRange } from '../app/timerange';
import { Legend } from './legend';
import { createPlot, Plot, PlotOptions } from './plot';
import { reduceValues } from './reduce';
import { ChartData, ChartThreshold } from './types';

export interface LegendWish {
  show: boolean;
  mode: 'table' | 'list';
  placement: 'bottom' | 'right';
  calcs: string[];
  sortBy?: string;
  sortDesc?: boolean;
}

export interface LineChartProps {
  data: ChartData;
  range: TimeRange;
  height: number; /* of the whole, legend included */
  thresholds?: ChartThreshold[];
  legend?: LegendWish;
  tooltip?: PlotOptions['tooltip'];
  syncKey?: string | null;
  zoomable?: boolean;
  label?: string;
}

export const DEFAULT_LEGEND: LegendWish = { show: true, mode: 'list', placement: 'bottom', calcs: [] };
const DEFAULT_TOOLTIP: PlotOptions['tooltip'] = { mode: 'multi', sort: 'desc' };
const LEGEND_ROW = 20;
const RIGHT_LEGEND_MIN_WIDTH = 560;

/* Everything that needs a new plot when it changes. */
function shapeOf(data: ChartData, thresholds: ChartThreshold[]): string {
  return JSON.stringify([data.series.map(({ values: _values, ...shape }) => shape), thresholds]);
}

/* Rows that names of about 6.5 px a letter take when they flow. */
function flowRows(names: string[], width: number): number {
  let rows = 1;
  let x = 0;
  for (const name of names) {
    const w = Math.min(width, name.length * 6.5 + 30);
    if (x > 0 && x + w > width) {
      rows++;
      x = 0;
    }
    x += w;
  }
  return rows;
}

function legendHeight(legend: LegendWish, names: string[], height: number, width: number): number {
  if (!legend.show || !names.length) return 0;
  const rows = legend.mode === 'table' && legend.calcs.length ? names.length + 1 : flowRows(names, Math.max(width, 100));
  return Math.min(rows * LEGEND_ROW + 4, Math.max(LEGEND_ROW + 4, height * 0.35));
}

export function LineChart(props: LineChartProps) {
  const { data, range, height, thresholds = [], legend = DEFAULT_LEGEND, tooltip = DEFAULT_TOOLTIP, syncKey = 'page', zoomable = true } = props;
  const theme = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [width, setWidth] = useState(0);
  const [hidden, setHidden] = useState<Set<string>>(new Set());
  const onRight = legend.show && legend.placement === 'right' && width >= RIGHT_LEGEND_MIN_WIDTH;
  const inLegend = data.series.filter((s) => s.inLegend !== false && s.drawn !== false).map((s) => s.name);
  const below = onRight ? 0 : legendHeight(legend, inLegend, height, width);
  const plotWidth = onRight ? Math.floor(width * 0.72) : width;
  const plotHeight = Math.max(60, height - below);
  const shape = useMemo(() => shapeOf(data, thresholds), [data, thresholds]);

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  const options: PlotOptions = {
    width: plotWidth,
    height: plotHeight,
    range,
    thresholds,
    tooltip,
    hidden,
    syncKey,
    onZoom: (next) => zoomable && zoomTo(next),
    onZoomBack: () => zoomBack(),
  };
  const ready = width > 0;
  useEffect(() => {
    if (!ready) return;
    plot.current = createPlot(host.current!, data, options);
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, theme, ready, syncKey]);
  useEffect(() => plot.current?.update(data, options), [data, range.from, range.to, hidden]);
  useEffect(() => plot.current?.resize(plotWidth, plotHeight), [plotWidth, plotHeight]);

  return (
    <div class={onRight ? 'chart chart-right' : 'chart'} ref={box} style={{ height: `${height}px` }} role="img" aria-label={props.label ?? 'chart'}>
      <div ref={host} class="chart-plot" style={{ height: `${plotHeight}px`, width: onRight ? `${plotWidth}px` : '100%' }} />
      {legend.show && width > 0 && (
        <div class="chart-legend" style={{ height: onRight ? `${height}px` : `${below}px` }}>
          <Legend series={data.series} mode={legend.mode} calcs={legend.calcs} hidden={hidden} onHidden={setHidden} reduce={reduceValues} sortBy={legend.sortBy} sortDesc={legend.sortDesc} />
        </div>
      )}
    </div>
  );
}
