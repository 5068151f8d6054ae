/* Panel type → component. One line adds a type. */
import { ComponentType } from 'preact';
import { BarGaugePanel, GaugePanel } from './gauge';
import { Markdown } from './markdown';
import { PiePanel } from './pie';
import { StatPanel } from './stat';
import { TablePanel } from './table';
import { TimeseriesPanel } from './timeseries';
import { PanelProps } from './types';
import { text } from '../dashboard/read';

function TextPanel({ panel, interpolate }: PanelProps) {
  return <Markdown source={interpolate(text(panel.options.content))} />;
}

interface PanelType {
  component: ComponentType<PanelProps>;
  queries: boolean;
}

const TYPES: Record<string, PanelType> = {
  timeseries: { component: TimeseriesPanel, queries: true },
  stat: { component: StatPanel, queries: true },
  gauge: { component: GaugePanel, queries: true },
  bargauge: { component: BarGaugePanel, queries: true },
  table: { component: TablePanel, queries: true },
  piechart: { component: PiePanel, queries: true },
  text: { component: TextPanel, queries: false },
};

const NOT_YET: Record<string, string> = {
  logs: 'cloche keeps no logs yet, so there is nothing to list here.',
  'library panel': 'A library panel has its model on the Grafana server; export the dashboard with "Export for sharing externally".',
};

export const panelType = (type: string): PanelType | null => (Object.hasOwn(TYPES, type) ? TYPES[type] : null);
export const whyNot = (type: string): string => NOT_YET[type] ?? `Panels of type "${type}" are not drawn yet; the others of this dashboard are.`;
