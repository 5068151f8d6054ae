/* A chart of one or a few PromQL queries, outside dashboards. */
import { useMemo } from 'preact/hooks';
import { useTick, useTimeRange } from '../app/clock';
import { useStatus } from '../app/status';
import { panelOf } from '../dashboard/migrate';
import { PanelFrame } from '../panel/frame';
import { VariableSet } from '../dashboard/variables';

export interface QueryChartProps {
  title: string;
  queries: { expr: string; legend: string; color?: string }[];
  unit?: string;
  height?: number;
  stack?: boolean;
}

const NO_VARIABLES: VariableSet = new Map();

export function QueryChart({ title, queries, unit = 'short', height = 200, stack = false }: QueryChartProps) {
  const range = useTimeRange();
  const tick = useTick();
  const status = useStatus();
  const key = JSON.stringify(queries);
  const panel = useMemo(
    () =>
      panelOf({
        type: 'timeseries',
        title,
        targets: queries.map((q, i) => ({ refId: String.fromCharCode(65 + i), expr: q.expr, legendFormat: q.legend })),
        fieldConfig: {
          defaults: { unit, color: { mode: 'palette-classic' }, custom: { fillOpacity: stack ? 40 : 0, stacking: { mode: stack ? 'normal' : 'none' } } },
          overrides: queries.filter((q) => q.color).map((q) => ({ matcher: { id: 'byName', options: q.legend }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: q.color } }] })),
        },
      }),
    [title, key, unit, stack],
  );
  const context = { variables: NO_VARIABLES, scope: {}, range, scrapeInterval: status?.scrape_interval || 15, dashboard: '' };
  return <PanelFrame panel={panel} context={context} height={height} tick={`${title}|${key}|${range.from}-${range.to}|${tick}`} syncKey="page" />;
}

/* A text as a PromQL string. */
export const promString = (s: string) => JSON.stringify(s);
