/* A dashboard after normalising: what migrate.ts makes of Grafana's JSON. Every field is present and of its type. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = Record<string, unknown>;

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Target {
  refId: string;
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  interval: string;
  intervalFactor: number;
  hide: boolean;
  datasourceType: string; /* 'prometheus' unless it says another */
}

export interface ThresholdStep {
  value: number; /* -Infinity for the base */
  color: string;
}

export interface MappingResult {
  text?: string;
  color?: string;
}
export type Mapping =
  | { type: 'value'; options: Record<string, MappingResult> }
  | { type: 'range'; from: number; to: number; result: MappingResult }
  | { type: 'regex'; pattern: string; result: MappingResult }
  | { type: 'special'; match: string; result: MappingResult };

export interface DataLink {
  title: string;
  url: string;
  newTab: boolean;
}

export interface FieldConfig {
  unit?: string;
  decimals?: number | null;
  min?: number | null;
  max?: number | null;
  noValue?: string;
  displayName?: string;
  thresholds: { mode: 'absolute' | 'percentage'; steps: ThresholdStep[] };
  color: { mode: string; fixedColor?: string; seriesBy?: string };
  mappings: Mapping[];
  links: DataLink[];
  custom: JsonObject;
}

export interface Override {
  matcher: { id: string; options: unknown };
  properties: { id: string; value: unknown }[];
}

export interface Transformation {
  id: string;
  options: JsonObject;
  disabled: boolean;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description: string;
  grid: GridPos;
  targets: Target[];
  options: JsonObject;
  defaults: FieldConfig;
  overrides: Override[];
  transformations: Transformation[];
  repeat: string;
  repeatDirection: 'h' | 'v';
  maxPerRow: number;
  collapsed: boolean;
  panels: Panel[]; /* of a collapsed row */
  maxDataPoints: number | null;
  interval: string;
  timeFrom: string;
  timeShift: string;
  links: DataLink[];
  transparent: boolean;
  datasourceType: string;
  problem?: string; /* the panel's JSON could not be read */
}

export interface VariableOption {
  text: string;
  value: string;
}

export interface Variable {
  name: string;
  label: string;
  type: 'query' | 'custom' | 'constant' | 'interval' | 'datasource' | 'textbox' | 'adhoc' | 'other';
  query: string;
  regex: string;
  sort: number;
  refresh: number;
  hide: number;
  multi: boolean;
  includeAll: boolean;
  allValue: string | null;
  current: string[];
  options: VariableOption[];
  auto: boolean;
  autoCount: number;
  autoMin: string;
}

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  tags: string[];
  panels: Panel[];
  variables: Variable[];
  links: { title: string; url: string; newTab: boolean; includeVars: boolean; keepTime: boolean }[];
  time: { from: string; to: string };
  refresh: string;
  graphTooltip: number;
}

export const ALL = '$__all';
